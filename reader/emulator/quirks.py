"""How real cards differ from the book: each quirk is switched on per card.

What an issuer laid out otherwise (files, keys, a first generation's tags) is a profile
and no quirk; what a hand does to a card is the slot's.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reader.emulator.commands import LONGEST_ANSWER, wanted_bytes, well_formed
from reader.emulator.cos import CardOs
from reader.links.emulator import EmulatedCard

#: What a card may say to a read of a whole file at once.
NO_FAST_READ = b"\x6a\x86"
_WRONG_LENGTH, _OK = b"\x67\x00", b"\x90\x00"
_SELECT, _READ_RECORD, _VERIFY, _GET_RESPONSE = 0xA4, 0xB2, 0x20, 0xC0
_UPDATES = frozenset({0xDC, 0xD6})
_ATR_HEAD, _MOST_HISTORICAL = 4, 13
_FROM_RECORD = 5
_ASKS_ONLY = 5
_ALGORITHM = bytes.fromhex("9F0C0386")


@dataclass(frozen=True, slots=True)
class Quirks:
    """One card's quirks; without any it is as the specification has it."""

    procedure_bytes: bool = False  #: T=0: 61xx and GET RESPONSE
    per_record_only: bool = False  #: no read of a whole file at once
    wrong_le: bool = False  #: 6700 instead of 6Cxx with the right length
    historical_bytes: int = _MOST_HISTORICAL  #: 12 on some cards; the last 8 count
    names_algorithm: bool = True  #: in the FCI; without it a card computes with 3DES
    forgets_tries: bool = False  #: after the right PIN a query says 9000
    torn_write: bool = False  #: the power goes in the middle of an UPDATE
    delay_s: float = 0.0  #: before each answer
    mute: bool = False  #: it does not answer to reset


#: The names by which a command line asks for them.
NAMED = {
    "procedure-bytes": Quirks(procedure_bytes=True),
    "per-record-only": Quirks(per_record_only=True),
    "wrong-le": Quirks(wrong_le=True),
    "twelve-historical": Quirks(historical_bytes=12),
    "forgets-tries": Quirks(forgets_tries=True),
    "torn-write": Quirks(torn_write=True),
    "slow": Quirks(delay_s=0.2),
    "mute": Quirks(mute=True),
}


def combined(names: Iterable[str]) -> Quirks:
    """Put the quirks of several names together.

    Raises:
        KeyError: a name that is not in ``NAMED``.
    """
    usual = Quirks()
    differs = {
        field.name: getattr(NAMED[name], field.name)
        for name in names
        for field in dataclasses.fields(Quirks)
        if getattr(NAMED[name], field.name) != getattr(usual, field.name)
    }
    return dataclasses.replace(usual, **differs)


class PulledAt:
    """A card that a hand pulls before its nth command, once."""

    def __init__(self, inner: EmulatedCard, nth: int, pull: Callable[[], None]) -> None:
        """Make one.

        Args:
            inner: The card itself.
            nth: Of the commands since it was made; the first is 1.
            pull: Takes the card out of its slot.
        """
        self._inner = inner
        self._left = nth
        self._pull = pull

    @property
    def was_pulled(self) -> bool:
        """Whether it has happened."""
        return self._left <= 0

    def power_on(self) -> bytes:
        """Power up."""
        return self._inner.power_on()

    def power_off(self) -> None:
        """Power down."""
        self._inner.power_off()

    def transmit(self, command: bytes) -> bytes:
        """Answer, or be out of the slot before an answer."""
        self._left -= 1
        if self._left == 0:
            self._pull()
            return b""
        return self._inner.transmit(command)


class QuirkyCard:
    """A chip that is right in all it does, behind contacts that are not."""

    def __init__(
        self,
        inner: CardOs,
        quirks: Quirks,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._inner = inner
        self._quirks = quirks
        self._pause = pause
        self._waiting = b""
        self._verified = False

    def power_on(self) -> bytes:
        """Power up; the answer to reset may be shorter, or none."""
        self._waiting, self._verified = b"", False
        if self._quirks.mute:
            return b""
        atr = self._inner.power_on()
        dropped = _MOST_HISTORICAL - self._quirks.historical_bytes
        count = bytes([atr[1] - dropped])
        return atr[:1] + count + atr[2:_ATR_HEAD] + atr[_ATR_HEAD + dropped :]

    def power_off(self) -> None:
        """Power down."""
        self._inner.power_off()

    def transmit(self, command: bytes) -> bytes:
        """Answer one command in this card's manner."""
        quirks = self._quirks
        if quirks.delay_s:
            self._pause(quirks.delay_s)
        if not well_formed(command):
            self._waiting = b""
            return self._inner.transmit(command)
        if command[1] == _GET_RESPONSE and self._waiting:
            return self._rest(wanted_bytes(command))
        self._waiting = b""  # what another command came before is lost
        refusal = self._refused(command)
        if refusal:
            return refusal
        if quirks.torn_write and command[1] in _UPDATES:
            # Old or new, never half: a chip writes into a buffer first.
            self._inner.power_off()
            return b""
        answer = self._inner.transmit(command)
        if command[1] == _VERIFY and len(command) > _ASKS_ONLY:
            self._verified = answer == _OK
        if not quirks.names_algorithm and command[1] == _SELECT:
            answer = answer.replace(_ALGORITHM, _ALGORITHM[:3] + b"\x87")
        if quirks.wrong_le and answer[-2] == 0x6C:  # noqa: PLR2004 - 6Cxx
            return _WRONG_LENGTH
        return self._in_parts(answer) if quirks.procedure_bytes else answer

    def _refused(self, command: bytes) -> bytes:
        """Return what this card says by itself, if it does."""
        quirks = self._quirks
        is_query = command[1] == _VERIFY and len(command) <= _ASKS_ONLY
        if quirks.forgets_tries and self._verified and is_query:
            return _OK
        mode = command[3] & 0x07
        if quirks.per_record_only and (command[1], mode) == (
            _READ_RECORD,
            _FROM_RECORD,
        ):
            return NO_FAST_READ
        return b""

    def _in_parts(self, answer: bytes) -> bytes:
        data = answer[:-2]
        if not data or answer[-2:] != _OK:
            return answer
        self._waiting = data
        return bytes((0x61, len(data) & 0xFF))

    def _rest(self, wanted: int) -> bytes:
        wanted = wanted or LONGEST_ANSWER
        if wanted > len(self._waiting):
            return bytes((0x6C, len(self._waiting)))
        part, self._waiting = self._waiting[:wanted], self._waiting[wanted:]
        left = len(self._waiting)
        return part + (bytes((0x61, left & 0xFF)) if left else _OK)
