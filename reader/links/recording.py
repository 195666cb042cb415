"""A Link around another that writes what passes as a transcript, masked as it passes.

The form is that of ``reader.links.replay``. What may carry a PIN or comes of a key is
masked here, before it is written anywhere; what a card says of its holder is masked by
the *mask* that is given.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from reader.errors import ReaderError, ReaderUnavailableError
from reader.link import Link
from reader.links.replay import FAILURES, StepKind
from reader.part10 import PadLink

#: One step: what is written as one line of JSON.
Written = dict[str, str | int]

#: SELECT, READ RECORD, READ BINARY, GET CHALLENGE and GET RESPONSE: what they carry
#: names files and lengths, nothing else.
_OPEN = frozenset({0xA4, 0xB2, 0xB0, 0x84, 0xC0})
_HEADER = 5  #: CLA INS P1 P2 Lc
_MS = 1000


class Mask(Protocol):
    """Takes out of a card's answers what tells of its holder."""

    def of_atr(self, atr: bytes) -> bytes:
        """Mask an answer to reset; a new session begins."""

    def of_answer(self, command: bytes, answer: bytes) -> bytes:
        """Mask an answer to a command, which comes without what may be a PIN."""


class RecordingLink:
    """A Link that does what the inner one does, and writes it."""

    def __init__(
        self,
        inner: Link,
        write: Callable[[Written], None],
        mask: Mask,
        *,
        now: Callable[[], dt.datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Record *inner*.

        Args:
            inner: The link that does the work.
            write: Takes one step.
            mask: Masks what the card says.
            now: For the time of a power-up.
            monotonic: For how long a command took.
        """
        self._inner = inner
        self._write = write
        self._mask = mask
        self._now = now
        self._monotonic = monotonic

    @property
    def name(self) -> str:
        """The inner link's."""
        return self._inner.name

    def present(self) -> bool:
        """Ask the inner link; nothing is written."""
        return self._inner.present()

    def power_on(self) -> bytes:
        """Power up and write the answer to reset."""
        begun: Written = {"step": StepKind.POWER_ON, "at": self._now().isoformat()}
        atr = self._passed(begun, self._inner.power_on)
        self._write({**begun, "answer": _hex(self._mask.of_atr(atr))})
        return atr

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange one APDU and write both, masked."""
        shown = masked(command)
        begun: Written = {"step": StepKind.COMMAND, "command": shown}
        # Its sender may wipe the command once it has been answered.
        seen = bytes(command) if "?" not in shown else bytes(command[:_HEADER])
        began_at = self._monotonic()
        answer = self._passed(begun, lambda: self._inner.transmit(command))
        took = round((self._monotonic() - began_at) * _MS)
        told = self._mask.of_answer(seen, answer)
        self._write({**begun, "answer": _hex(told), "ms": took})
        return answer

    def power_off(self) -> None:
        """Power down and write it."""
        self._write({"step": StepKind.POWER_OFF})
        self._inner.power_off()

    def _passed(self, begun: Written, do: Callable[[], bytes]) -> bytes:
        try:
            return do()
        except ReaderError as error:
            code = error.code
            known = code if code in FAILURES else ReaderUnavailableError.code
            self._write({**begun, "error": known})
            raise


class RecordingPadLink(RecordingLink):
    """The same for a reader with keys of its own."""

    def __init__(
        self,
        inner: Link,
        pad: PadLink,
        write: Callable[[Written], None],
        mask: Mask,
        *,
        now: Callable[[], dt.datetime],
    ) -> None:
        super().__init__(inner, write, mask, now=now)
        self._pad = pad

    def features(self) -> Mapping[int, int]:
        """Return the control code of each feature; nothing is written."""
        return self._pad.features()

    def control(self, code: int, data: bytes | bytearray) -> bytes:
        """Send a command to the reader, and write what it said: a status word."""
        found = [tag for tag, known in self._pad.features().items() if known == code]
        begun: Written = {"step": StepKind.PAD, "feature": found[0] if found else 0}
        answer = self._passed(begun, lambda: self._pad.control(code, data))
        self._write({**begun, "answer": _hex(answer[-2:])})
        return answer


def recording(
    link: Link,
    write: Callable[[Written], None],
    mask: Mask,
    *,
    now: Callable[[], dt.datetime],
) -> RecordingLink:
    """Record *link*; a reader with keys stays one."""
    if isinstance(link, PadLink):
        return RecordingPadLink(link, link, write, mask, now=now)
    return RecordingLink(link, write, mask, now=now)


def masked(command: bytes | bytearray) -> str:
    """Write a command in hex, with ?? for every byte that may be a PIN or a proof.

    >>> masked(bytes.fromhex("0020000003123456"))
    '0020000003??????'
    """
    if len(command) > 1 and command[1] in _OPEN:
        return _hex(command)
    return _hex(command[:_HEADER]) + "??" * max(0, len(command) - _HEADER)


def _hex(raw: bytes | bytearray) -> str:
    return raw.hex().upper()
