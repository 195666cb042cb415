"""The scanner on a serial line: a voucher that is scanned lies on the counter at once.

What is scanned goes the way of one that was typed or wedged into the page: judged,
exchanged, shown. What is refused is told to the counter's pages, without the digits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from reader.errors import ReaderError, ReaderUnavailableError
from reader.links.framed import Port
from reader.scanner import SerialScanner
from terminal.errors import TerminalError
from terminal.views import CardView, ProblemView

log = logging.getLogger(__name__)

#: How long one look at the line takes; so soon it stops.
LOOK_S = 0.2
#: A scanner that was unplugged is looked for again after this long.
AGAIN_S = 1.0


class ScannerDesk:
    """Watches one scanner from ``start`` to ``stop``."""

    def __init__(
        self,
        open_port: Callable[[], Port],
        show_voucher: Callable[[str], CardView],
        tell: Callable[[ProblemView], None],
        *,
        again_s: float = AGAIN_S,
    ) -> None:
        """Take the scanner's port and where a voucher goes.

        Args:
            open_port: Opens the port; asked again whenever the scanner is back.
            show_voucher: Takes the digits, as the service does.
            tell: Hears why a scan was refused.
            again_s: How soon a lost scanner is looked for again.
        """
        self._open_port = open_port
        self._show_voucher = show_voucher
        self._tell = tell
        self._again_s = again_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_there: bool | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._watch, name="scanner")
        self._thread.start()

    def stop(self) -> None:
        """Stop, after a scan that is being exchanged."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                scanner = SerialScanner(self._open_port())
            except ReaderUnavailableError as error:
                self._note(is_there=False, code=error.code)
                self._stopping.wait(self._again_s)
                continue
            self._note(is_there=True)
            try:
                self._serve(scanner)
            except ReaderUnavailableError as error:
                self._note(is_there=False, code=error.code)
                self._stopping.wait(self._again_s)
            finally:
                scanner.close()

    def _serve(self, scanner: SerialScanner) -> None:
        """Take what is scanned until it stops.

        Raises:
            ReaderUnavailableError: the scanner is gone.
        """
        while not self._stopping.is_set():
            try:
                voucher = scanner.scan(LOOK_S)
            except ReaderUnavailableError:
                raise
            except ReaderError as error:
                self._refuse(error)
                continue
            if voucher is not None:
                self._show(voucher.reveal())

    def _show(self, digits: str) -> None:
        try:
            self._show_voucher(digits)
        except (ReaderError, TerminalError) as error:
            self._refuse(error)

    def _refuse(self, error: ReaderError | TerminalError) -> None:
        log.warning("scan.refused", extra={"code": error.code})
        self._tell(ProblemView(error.code, error.sentence_zh, error.sentence_en))

    def _note(self, *, is_there: bool, code: str = "") -> None:
        """Log the scanner's coming and going, each once."""
        if is_there is not self._is_there:
            self._is_there = is_there
            if is_there:
                log.info("scanner.there")
            else:
                log.warning("scanner.gone", extra={"code": code})
