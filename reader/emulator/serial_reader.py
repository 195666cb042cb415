"""A serial card reader from the other side: bytes in, bytes out, with faults to order.

Holds two slots, user and SAM, and speaks any dialect of ``reader.links.serial``; where
that says "our reading" this says the same, so the two prove each other, not a device.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reader.errors import CardMuteError, CardRemovedError, NoCardError
from reader.frames import FORMATS, Decoder, Frame, encode
from reader.links.emulator import EmulatedSlot
from reader.links.framed import ACK, EOT, NAK
from reader.links.serial import Slot

_NOISE = bytes.fromhex("00FA02F2AA090355")


@dataclass(slots=True)
class Faults:
    """What goes wrong; each number counts down with every answer it spoils."""

    noise: int = 0  #: bytes before the frame that are none of it
    wrong_check: int = 0  #: a damaged check
    lost_answers: int = 0  #: the command is carried out and the answer is lost
    refusals: int = 0  #: NAK, and nothing is carried out
    no_acknowledgement: int = 0  #: neither ACK nor NAK, and nothing is carried out
    stale: int = 0  #: an older answer once more before the right one
    split: bool = False  #: byte by byte
    slow_s: float = 0.0  #: before each answer

    def strike(self, name: str) -> bool:
        """Say whether the fault *name* strikes now, and count it."""
        left: int = getattr(self, name)
        if left <= 0:
            return False
        setattr(self, name, left - 1)
        return True


class SerialReaderDevice:
    """The reader: ``receive`` what a host sends, answers go to whoever is connected."""

    def __init__(
        self,
        dialect: str,
        slots: Mapping[Slot, EmulatedSlot],
        faults: Faults | None = None,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make a reader.

        Args:
            dialect: A name of ``reader.links.serial.DIALECTS``.
            slots: What sits where; a slot that is not there is empty.
            faults: What goes wrong; may be changed while it runs.
            pause: Waits, for the slow ones.
        """
        self.faults = faults or Faults()
        self.slots = {slot: slots.get(slot) or EmulatedSlot() for slot in Slot}
        self.carried_out: list[bytes] = []  #: every APDU that reached a card
        self._speak = _SPEAKERS[dialect](self)
        self._form = _FORMS[dialect]
        self._acknowledges = dialect.startswith("crt")
        self._decoder = Decoder(self._form)
        self._powerings: dict[Slot, int] = {}
        self._pause = pause
        self._emit: Callable[[bytes], None] = lambda _data: None
        self._last = b""

    def connect(self, emit: Callable[[bytes], None]) -> None:
        """Say where answers go."""
        self._emit = emit

    def receive(self, data: bytes) -> None:
        """Take bytes from the host, in whatever pieces."""
        for found in self._decoder.scan(data):
            if isinstance(found, Frame):
                self._serve(found.payload)
            elif self._acknowledges and EOT in found.data:
                self._last = b""

    def _serve(self, payload: bytes) -> None:
        if self._acknowledges and not self._accept():
            return
        answer = self._speak.answer(payload)
        if self.faults.slow_s:
            self._pause(self.faults.slow_s)
        if self.faults.strike("lost_answers"):
            return
        try:
            frame = bytes(encode(self._form, answer))
        except ValueError:
            return  # such an answer has no frame in this dialect; the host times out
        out = b""
        if self.faults.strike("noise"):
            out += _NOISE
        if self.faults.strike("stale"):
            out += self._last
        self._last = frame
        if self.faults.strike("wrong_check"):
            at = len(frame) - 1 - len(self._form.end) * (not self._acknowledges)
            frame = frame[:at] + bytes((frame[at] ^ 0x01,)) + frame[at + 1 :]
        self._send(out + frame)

    def _accept(self) -> bool:
        if self.faults.strike("no_acknowledgement"):
            return False
        refused = self.faults.strike("refusals")
        self._send(bytes((NAK if refused else ACK,)))
        return not refused

    def _send(self, data: bytes) -> None:
        step = 1 if self.faults.split else max(1, len(data))
        for i in range(0, len(data), step):
            self._emit(data[i : i + step])

    # What the dialects are made of.

    def has_card(self, slot: Slot) -> bool:
        """Say whether a card is in *slot*."""
        return self.slots[slot].present

    def is_powered(self, slot: Slot) -> bool:
        """Say whether the card in *slot* was powered up."""
        return slot in self._powerings and self.has_card(slot)

    def power_on(self, slot: Slot) -> bytes | None:
        """Power up; empty: mute, None: no card."""
        self._powerings.pop(slot, None)
        try:
            powering, atr = self.slots[slot].power_on()
        except NoCardError:
            return None
        except CardMuteError:
            return b""
        self._powerings[slot] = powering
        return atr

    def power_off(self, slot: Slot) -> None:
        """Power down."""
        powering = self._powerings.pop(slot, None)
        if powering is not None:
            self.slots[slot].power_off(powering)

    def exchange(self, slot: Slot, command: bytes) -> bytes | None:
        """Exchange an APDU; None: there is no powered card."""
        powering = self._powerings.get(slot)
        if powering is None or not self.has_card(slot):
            return None
        self.carried_out.append(command)
        try:
            return self.slots[slot].exchange(powering, command)
        except CardRemovedError:
            self._powerings.pop(slot, None)
            return None


class _Hd100:
    def __init__(self, reader: SerialReaderDevice) -> None:
        self._reader = reader

    def answer(self, payload: bytes) -> bytes:
        """Answer command, slot and data by a status and data."""
        command, where = payload[:1], payload[1:2]
        if where not in {b"\x0c", b"\x0d"}:
            return b"\x01"
        slot = Slot.USER if where == b"\x0c" else Slot.SAM
        if not self._reader.has_card(slot):
            return b"\x02"
        if command == b"\x77":
            return b"\x00" if self._reader.is_powered(slot) else b"\x03"
        if command == b"\x72":
            answer = self._reader.exchange(slot, payload[2:])
            return b"\x03" if answer is None else b"\x00" + answer
        return self._power(command, slot)

    def _power(self, command: bytes, slot: Slot) -> bytes:
        if command == b"\x73":
            self._reader.power_off(slot)
            return b"\x00"
        atr = self._reader.power_on(slot) if command == b"\x74" else b""
        return b"\x00" + atr if atr else b"\x01"


class _Crt:
    status = b"200"

    def __init__(self, reader: SerialReaderDevice) -> None:
        self._reader = reader

    def answer(self, payload: bytes) -> bytes:
        """Answer ``C CM PM data`` by ``P CM PM status data`` or ``N CM PM error``."""
        what, data = payload[1:3], payload[3:]
        slot = Slot.SAM if what[:1] == b"\x52" else Slot.USER
        if what in {b"\x30\x33", b"\x31\x30", b"\x32\x31"}:
            return self._yes(what)
        if what in {b"\x51\x30", b"\x52\x30"}:
            atr = self._reader.power_on(slot)
            return self._yes(what, b"0" + atr) if atr else b"N" + what + b"61"
        if what in {b"\x51\x31", b"\x52\x31"}:
            self._reader.power_off(slot)
            return self._yes(what)
        if what in {b"\x51\x39", b"\x52\x39"}:
            answer = self._reader.exchange(slot, data)
            return b"N" + what + b"65" if answer is None else self._yes(what, answer)
        return b"N" + what + b"00"

    def _yes(self, what: bytes, data: bytes = b"") -> bytes:
        status = self.status if self._reader.has_card(Slot.USER) else b"000"
        return b"P" + what + status[: len(self.status)] + data


class _CrtShort(_Crt):
    status = b"20"


class _Nibble:
    def __init__(self, reader: SerialReaderDevice) -> None:
        self._reader = reader

    def answer(self, payload: bytes) -> bytes:
        """Answer two command bytes, slot and data by command, status and data."""
        what, where = payload[:2], payload[2:3]
        slot = Slot.USER if where == b"\x00" else Slot.SAM
        if not self._reader.has_card(slot):
            return what + b"\x01"
        if what == b"\x00\x20":
            return what + b"\x00"
        if what == b"\x00\x22":
            atr = self._reader.power_on(slot)
            return what + (b"\x00" + atr if atr else b"\x02")
        if what == b"\x00\x23":
            answer = self._reader.exchange(slot, payload[3:])
            return what + (b"\x02" if answer is None else b"\x00" + answer)
        if what == b"\x00\x24":
            self._reader.power_off(slot)
            return what + b"\x00"
        return what + b"\x02"


class _Simple:
    def __init__(self, reader: SerialReaderDevice) -> None:
        self._reader = reader

    def answer(self, payload: bytes) -> bytes:
        """Answer a command and data by command, status and data."""
        what = payload[:1]
        if not self._reader.has_card(Slot.USER):
            return what + b"\x01"
        if what == b"\x50":
            atr = self._reader.power_on(Slot.USER)
            return what + (b"\x00" + atr if atr else b"\x02")
        if what == b"\x51":
            answer = self._reader.exchange(Slot.USER, payload[1:])
            return what + (b"\x02" if answer is None else b"\x00" + answer)
        return what + b"\x02"


_SPEAKERS: dict[
    str, Callable[[SerialReaderDevice], _Hd100 | _Crt | _Nibble | _Simple]
] = {
    "hd100": _Hd100,
    "crt591": _Crt,
    "crt310": _CrtShort,
    "nibble-lrc": _Nibble,
    "simple-bcc": _Simple,
}
_FORMS = {form.name: form for form in FORMATS}
_FORMS["crt310"] = _FORMS["crt591"]
