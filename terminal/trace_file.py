"""The file of ``--trace``: what passes between this terminal and its cards, masked.

A trace must never disturb a card: a file that cannot be written any more, or is full,
ends the trace and nothing else.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from reader.links.recording import Written
from reader.links.replay import NOTE
from terminal.errors import TraceFileError

log = logging.getLogger(__name__)

#: Some ten thousand card sessions; a trace is for a day with a problem.
MOST_BYTES = 64 * 1024 * 1024
_MODE = 0o600
_ABOUT = (
    "APDU transcript. PINs and proofs are left out, a holder's data are replaced by "
    "invented ones. Look into it with: run_terminal.py card replay FILE"
)


class TraceFile:
    """Appends steps as lines of JSON; for its owner's eyes only."""

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES) -> None:
        """Open *path*, or make it.

        Raises:
            TraceFileError: it cannot be written, or is a link to somewhere else.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            self._file = os.fdopen(os.open(path, flags, _MODE), "a", encoding="utf-8")
        except OSError as error:
            raise TraceFileError(path, error.strerror or "cannot be opened") from error
        self._most_bytes = most_bytes
        self._guard = threading.Lock()
        self._ended = False
        self.write({"step": NOTE, "text": _ABOUT})

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        with self._guard:
            self._end("closed")

    def write(self, step: Written) -> None:
        """Append one step; what cannot be written ends the trace."""
        with self._guard:
            if self._ended:
                return
            try:
                if self._file.tell() > self._most_bytes:
                    self._end("full")
                    return
                self._file.write(json.dumps(step, ensure_ascii=False) + "\n")
                self._file.flush()
            except OSError:
                self._end("not written")

    def _end(self, why: str) -> None:
        if self._ended:
            return
        self._ended = True
        log.info("trace.ended", extra={"reason": why})
        try:
            self._file.close()
        except OSError:
            log.warning("trace.not_closed")
