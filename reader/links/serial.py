"""Contact card readers on a serial line: a Link for each slot, in several dialects.

An APDU whose answer is lost or damaged is never sent again: the card may have carried
it out. The port is closed instead, both slots count as powered down, and the next
power-up opens the port anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from reader import frames
from reader.errors import (
    CardMuteError,
    CardRemovedError,
    NoCardError,
    ReaderUnavailableError,
)
from reader.frames import FrameFormat
from reader.links.framed import FramedPort, Port, Question, Takes, Timing

#: TS, the first byte of every answer to reset: direct or inverse convention.
_TS = (0x3B, 0x3F)
_SHORTEST_ATR, _LONGEST_ATR = 2, 33
_SHORTEST_ANSWER = 2  #: the two status bytes
_STATUS, _RESET, _COMMAND = "the status", "the reset", "a command"


class Slot(Enum):
    """Where a card sits in the reader."""

    USER = "user"
    SAM = "sam"


class Presence(Enum):
    """What a reader says of a slot."""

    ABSENT = "absent"
    PRESENT = "present"
    AT_GATE = "at-gate"  #: of a motor reader: in the slot, not on the contacts
    UNKNOWN = "unknown"  #: it cannot say without powering


class Dialect(Protocol):
    """How one kind of reader is asked, and what its answers mean.

    The reading methods raise ``ReaderUnavailableError`` for an answer that does not
    belong to the question.
    """

    @property
    def name(self) -> str:
        """The dialect's name in settings."""

    @property
    def form(self) -> FrameFormat:
        """Its frames."""

    @property
    def acknowledged(self) -> bool:
        """Whether ACK or NAK comes before an answer."""

    def opening(self) -> tuple[Question, ...]:
        """What a newly opened port needs first."""

    def status(self, slot: Slot) -> Question | None:
        """Ask whether a card is there; None: there is no such question."""

    def fetch(self, slot: Slot) -> Question | None:
        """Move a card from the gate to the contacts; None: nothing moves here."""

    def power_on(self, slot: Slot) -> Question:
        """Reset cold."""

    def power_off(self, slot: Slot) -> Question:
        """Power down, or what comes nearest to it."""

    def apdu(self, slot: Slot, command: bytes | bytearray) -> Question:
        """Exchange one APDU."""

    def read_status(self, answer: bytes) -> Presence:
        """Read the answer to ``status``."""

    def read_atr(self, answer: bytes) -> bytes:
        """Read the answer to ``power_on``.

        Raises:
            NoCardError: the slot is empty.
            CardMuteError: what is in it does not answer.
        """

    def read_apdu(self, answer: bytes) -> bytes:
        """Read the answer to ``apdu``, status bytes included.

        Raises:
            CardRemovedError: the card is gone, or has no power.
            CardMuteError: the card did not answer the reader.
        """


class Hd100:
    """华大 "三合一" readers: one answer, whose first byte is a status.

    77 status, 74 cold reset, 73 off and 72 APDU with a slot byte, and the status bytes
    00 done, 02 no card, 03 no power are public. Our reading: that the answer to 74
    carries the answer to reset, and that the PSAM's slot is 0D.
    """

    name = "hd100"
    form = frames.HD100
    acknowledged = False
    _slots = {Slot.USER: 0x0C, Slot.SAM: 0x0D}  # noqa: RUF012 - never written
    _done, _no_card, _no_power = 0x00, 0x02, 0x03

    def opening(self) -> tuple[Question, ...]:
        """Nothing is needed."""
        return ()

    def status(self, slot: Slot) -> Question:
        """77."""
        return Question(bytearray((0x77, self._slots[slot])), harmless=True)

    def fetch(self, slot: Slot) -> None:
        """Nothing moves."""

    def power_on(self, slot: Slot) -> Question:
        """74."""
        return Question(bytearray((0x74, self._slots[slot])), Takes.CARD)

    def power_off(self, slot: Slot) -> Question:
        """73."""
        return Question(bytearray((0x73, self._slots[slot])))

    def apdu(self, slot: Slot, command: bytes | bytearray) -> Question:
        """72."""
        return Question(bytearray((0x72, self._slots[slot])) + command, Takes.CARD)

    def read_status(self, answer: bytes) -> Presence:
        """00 and 03: there is one; 02: there is none."""
        if len(answer) == 1 and answer[0] in {self._done, self._no_power}:
            return Presence.PRESENT
        if answer == bytes((self._no_card,)):
            return Presence.ABSENT
        raise _nonsense(_STATUS)

    def read_atr(self, answer: bytes) -> bytes:
        """The answer to reset follows 00."""
        if answer[:1] == bytes((self._no_card,)):
            raise NoCardError
        if answer[:1] != bytes((self._done,)):
            raise CardMuteError
        return answer[1:]

    def read_apdu(self, answer: bytes) -> bytes:
        """The card's answer follows 00."""
        if answer[:1] == bytes((self._done,)):
            return answer[1:]
        if answer[:1] in {bytes((self._no_card,)), bytes((self._no_power,))}:
            raise CardRemovedError
        raise CardMuteError


class Crt591:
    """创自 motor readers: acknowledged, then ``P`` with status or ``N`` with an error.

    30 33 initialise leaving the card, 31 30 status, 32 31 move to the contacts, 51 30
    cold reset with a voltage, 51 39 APDU with the card's own protocol and 52 for the
    SAM are public; so is the order of the commands under 51 (reset, deactivate,
    inquire), of which 51 31 and 52 31 follow. Our reading: voltage 33 (as the card
    asks), the protocol's byte before the answer to reset, and status ``0`` empty,
    ``1`` at the gate, ``2`` on the contacts.
    """

    acknowledged = True
    form = frames.CRT591
    _families = {Slot.USER: 0x51, Slot.SAM: 0x52}  # noqa: RUF012 - never written
    _positive, _negative = b"P", (b"N", b"E")

    def __init__(self, name: str = "crt591", status_bytes: int = 3) -> None:
        """Speak to one of the family.

        Args:
            name: Its name in settings.
            status_bytes: Three with a card dispenser (ST0 ST1 ST2), two without.
        """
        self.name = name
        self._before_data = 3 + status_bytes

    def opening(self) -> tuple[Question, ...]:
        """30 33: the reader finds its speed, and leaves a card where it is."""
        return (self._question(0x30, 0x33, takes=Takes.INIT, harmless=True),)

    def status(self, slot: Slot) -> Question | None:
        """31 30; nothing says whether a SAM is in its socket."""
        if slot is Slot.SAM:
            return None
        return self._question(0x31, 0x30, harmless=True)

    def fetch(self, slot: Slot) -> Question | None:
        """32 31."""
        del slot
        return self._question(0x32, 0x31, takes=Takes.MOVE)

    def power_on(self, slot: Slot) -> Question:
        """51 30 or 52 30."""
        data = bytes((0x33,)) if slot is Slot.USER else b""
        return self._question(self._families[slot], 0x30, data, takes=Takes.CARD)

    def power_off(self, slot: Slot) -> Question:
        """51 31 or 52 31."""
        return self._question(self._families[slot], 0x31)

    def apdu(self, slot: Slot, command: bytes | bytearray) -> Question:
        """51 39 or 52 39."""
        return self._question(self._families[slot], 0x39, command, takes=Takes.CARD)

    def read_status(self, answer: bytes) -> Presence:
        """ST0 says where the card is."""
        if not self._is_positive(answer):
            raise _nonsense(_STATUS)
        where = {
            b"0": Presence.ABSENT,
            b"1": Presence.AT_GATE,
            b"2": Presence.PRESENT,
        }.get(answer[3:4])
        if where is None:
            raise _nonsense(_STATUS)
        return where

    def read_atr(self, answer: bytes) -> bytes:
        """The answer to reset follows the status and the protocol's byte."""
        if not self._is_positive(answer):
            raise CardMuteError(_error_of(answer))
        data = answer[self._before_data :]
        return data if data[:1] in {b"\x3b", b"\x3f"} else data[1:]

    def read_apdu(self, answer: bytes) -> bytes:
        """The card's answer follows the status."""
        if not self._is_positive(answer):
            raise CardMuteError(_error_of(answer))
        return answer[self._before_data :]

    def _is_positive(self, answer: bytes) -> bool:
        if answer[:1] == self._positive and len(answer) >= self._before_data:
            return True
        if answer[:1] in self._negative:
            return False
        raise _nonsense(_COMMAND)

    def _question(
        self,
        command: int,
        parameter: int,
        data: bytes | bytearray = b"",
        *,
        takes: Takes = Takes.QUICK,
        harmless: bool = False,
    ) -> Question:
        return Question(
            bytearray((0x43, command, parameter)) + data,
            takes,
            echo=bytes((command, parameter)),
            echo_at=1,
            harmless=harmless,
        )


class NibbleLrc:
    """The tablet peripheral protocol.

    00 22 contact power-on is public. Our reading, to be compared with the device's own
    paper: 00 20 status, 00 23 APDU and 00 24 power-off, a slot byte (00 user, 01 SAM)
    behind the command, and answers of the command, a status (00 done, 01 no card) and
    data.
    """

    name = "nibble-lrc"
    form = frames.NIBBLE_LRC
    acknowledged = False
    _slots = {Slot.USER: 0x00, Slot.SAM: 0x01}  # noqa: RUF012 - never written
    _done, _no_card = b"\x00", b"\x01"

    def opening(self) -> tuple[Question, ...]:
        """Nothing is needed."""
        return ()

    def status(self, slot: Slot) -> Question:
        """00 20."""
        return self._question(0x20, slot, harmless=True)

    def fetch(self, slot: Slot) -> None:
        """Nothing moves."""

    def power_on(self, slot: Slot) -> Question:
        """00 22."""
        return self._question(0x22, slot, takes=Takes.CARD)

    def power_off(self, slot: Slot) -> Question:
        """00 24."""
        return self._question(0x24, slot)

    def apdu(self, slot: Slot, command: bytes | bytearray) -> Question:
        """00 23."""
        return self._question(0x23, slot, command, takes=Takes.CARD)

    def read_status(self, answer: bytes) -> Presence:
        """00: there is one; 01: there is none."""
        if answer[2:] == self._done:
            return Presence.PRESENT
        if answer[2:] == self._no_card:
            return Presence.ABSENT
        raise _nonsense(_STATUS)

    def read_atr(self, answer: bytes) -> bytes:
        """The answer to reset follows the status."""
        if answer[2:3] == self._no_card:
            raise NoCardError
        if answer[2:3] != self._done:
            raise CardMuteError
        return answer[3:]

    def read_apdu(self, answer: bytes) -> bytes:
        """The card's answer follows the status."""
        if answer[2:3] == self._no_card:
            raise CardRemovedError
        if answer[2:3] != self._done:
            raise CardMuteError
        return answer[3:]

    def _question(
        self,
        command: int,
        slot: Slot,
        data: bytes | bytearray = b"",
        *,
        takes: Takes = Takes.QUICK,
        harmless: bool = False,
    ) -> Question:
        return Question(
            bytearray((0x00, command, self._slots[slot])) + data,
            takes,
            echo=bytes((0x00, command)),
            harmless=harmless,
        )


class SimpleBcc:
    """The simple reader: one slot, 50 reset and 51 APDU, which is all that is public.

    Our reading: answers of the command, a status (00 done, 01 no card) and data. There
    is no question for presence and none to power down; a second reset comes nearest,
    since it takes a verified PIN away.
    """

    name = "simple-bcc"
    form = frames.SIMPLE_BCC
    acknowledged = False
    _done, _no_card = b"\x00", b"\x01"

    def opening(self) -> tuple[Question, ...]:
        """Nothing is needed."""
        return ()

    def status(self, slot: Slot) -> None:
        """There is no such question."""

    def fetch(self, slot: Slot) -> None:
        """Nothing moves."""

    def power_on(self, slot: Slot) -> Question:
        """50."""
        self._only_user(slot)
        return Question(bytearray((0x50,)), Takes.CARD, echo=b"\x50")

    def power_off(self, slot: Slot) -> Question:
        """50 again."""
        return self.power_on(slot)

    def apdu(self, slot: Slot, command: bytes | bytearray) -> Question:
        """51."""
        self._only_user(slot)
        return Question(bytearray((0x51,)) + command, Takes.CARD, echo=b"\x51")

    def read_status(self, answer: bytes) -> Presence:
        """Never asked."""
        del answer
        return Presence.UNKNOWN

    def read_atr(self, answer: bytes) -> bytes:
        """The answer to reset follows the status."""
        if answer[1:2] == self._no_card:
            raise NoCardError
        if answer[1:2] != self._done:
            raise CardMuteError
        return answer[2:]

    def read_apdu(self, answer: bytes) -> bytes:
        """The card's answer follows the status."""
        if answer[1:2] == self._no_card:
            raise CardRemovedError
        if answer[1:2] != self._done:
            raise CardMuteError
        return answer[2:]

    @staticmethod
    def _only_user(slot: Slot) -> None:
        if slot is not Slot.USER:
            detail = "this reader has one slot; take the PSAM's from another"
            raise ReaderUnavailableError(detail)


#: By their names in settings.
DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Hd100(),
        Crt591(),
        Crt591("crt310", status_bytes=2),
        NibbleLrc(),
        SimpleBcc(),
    )
}


class SerialReader:
    """One reader on one port, shared by its slots under a lock."""

    def __init__(
        self,
        port_factory: Callable[[], Port],
        dialect: Dialect,
        *,
        name: str = "serial",
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe the reader; nothing is opened before it is needed.

        Args:
            port_factory: Opens the port, anew after each loss.
            dialect: How to speak to it; see ``DIALECTS``.
            name: For the screen and the log.
            timing: How long it may take; the documented times if not given.
            clock: Seconds that only go forward.
        """
        self.name = name
        self.dialect = dialect
        self._port_factory = port_factory
        self._timing = timing or Timing()
        self._clock = clock
        #: Held by whoever needs several questions to stay together.
        self.guard = threading.RLock()
        self._framed: FramedPort | None = None
        self._opened = 0

    @property
    def opened(self) -> int:
        """The number of this opening of the port; a loss takes all power away."""
        return self._opened

    def link(self, slot: Slot) -> SerialLink:
        """Return the link to one slot."""
        return SerialLink(self, slot)

    def ask(self, question: Question) -> bytes:
        """Ask one question; if that fails the port is closed.

        Raises:
            ReaderUnavailableError: the reader is gone, silent or answers nonsense.
        """
        with self.guard:
            try:
                return self._framed_port().ask(question)
            except ReaderUnavailableError:
                self._let_go()
                raise

    def distrust(self) -> None:
        """Close the port after an answer that made no sense."""
        with self.guard:
            self._let_go()

    def close(self) -> None:
        """Close the port."""
        self.distrust()

    def _framed_port(self) -> FramedPort:
        if self._framed is None:
            dialect = self.dialect
            self._framed = FramedPort(
                self._port_factory(),
                dialect.form,
                self._timing,
                acknowledged=dialect.acknowledged,
                clock=self._clock,
            )
            self._opened += 1
            for question in dialect.opening():
                self._framed.ask(question)
        return self._framed

    def _let_go(self) -> None:
        framed, self._framed = self._framed, None
        self._opened += 1
        if framed is None:
            return
        try:
            framed.cancel()
        except ReaderUnavailableError:
            pass  # it is gone, and with it what was to be cancelled
        finally:
            framed.close()


class SerialLink:
    """One slot of a serial reader as a Link."""

    def __init__(self, reader: SerialReader, slot: Slot) -> None:
        self._reader = reader
        self._slot = slot
        self._powered: int | None = None  # the opening in which it was powered

    @property
    def name(self) -> str:
        """The reader's name and the slot."""
        return f"{self._reader.name} {self._slot.value}"

    def present(self) -> bool:
        """Ask the reader; where it cannot be asked, power the card up to find out."""
        presence = self._presence()
        if presence is not Presence.UNKNOWN:
            return presence is not Presence.ABSENT
        if self._is_powered():
            return True
        try:
            self.power_on()
        except (NoCardError, CardMuteError):
            return False
        return True

    def power_on(self) -> bytes:
        """Reset the card cold; a motor reader takes it to the contacts first."""
        self._powered = None
        with self._reader.guard:
            return self._power_on()

    def _power_on(self) -> bytes:
        dialect = self._reader.dialect
        presence = self._presence()
        if presence is Presence.ABSENT:
            raise NoCardError
        if presence is Presence.AT_GATE:
            move = dialect.fetch(self._slot)
            if move is not None:
                self._reader.ask(move)
        atr = self._read(dialect.read_atr, dialect.power_on(self._slot))
        if not _is_atr(atr):
            # Whatever this answers, it was not the reset: the stream is out of step.
            self._reader.distrust()
            raise _nonsense(_RESET)
        self._powered = self._reader.opened
        return atr

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange one APDU, once."""
        with self._reader.guard:
            return self._transmit(command)

    def _transmit(self, command: bytes | bytearray) -> bytes:
        if not self._is_powered():
            raise CardRemovedError
        dialect = self._reader.dialect
        try:
            answer = self._read(dialect.read_apdu, dialect.apdu(self._slot, command))
        except CardMuteError:
            if self._presence() in {Presence.ABSENT, Presence.AT_GATE}:
                raise CardRemovedError from None
            raise
        except CardRemovedError:
            self._powered = None
            raise
        if len(answer) < _SHORTEST_ANSWER:
            self._reader.distrust()
            raise _nonsense(_COMMAND)
        return answer

    def power_off(self) -> None:
        """Power the card down, if it has power."""
        if not self._is_powered():
            self._powered = None
            return
        self._powered = None
        # Whether it worked or the card is gone already: it has no power now.
        self._reader.ask(self._reader.dialect.power_off(self._slot))

    def _is_powered(self) -> bool:
        return self._powered is not None and self._powered == self._reader.opened

    def _presence(self) -> Presence:
        dialect = self._reader.dialect
        question = dialect.status(self._slot)
        if question is None:
            return Presence.UNKNOWN
        try:
            return dialect.read_status(self._reader.ask(question))
        except ReaderUnavailableError:
            self._reader.distrust()
            raise

    def _read(self, read: Callable[[bytes], bytes], question: Question) -> bytes:
        answer = self._reader.ask(question)
        try:
            return read(answer)
        except ReaderUnavailableError:
            self._reader.distrust()
            raise


def _is_atr(raw: bytes) -> bool:
    return _SHORTEST_ATR <= len(raw) <= _LONGEST_ATR and raw[0] in _TS


def _nonsense(to: str) -> ReaderUnavailableError:
    detail = f"an answer to {to} that has no meaning"
    return ReaderUnavailableError(detail)


def _error_of(answer: bytes) -> str:
    """Return the device's own two error characters, which are ASCII or nothing."""
    code = answer[3:5]
    return code.decode("ascii") if code.isalnum() and code.isascii() else ""
