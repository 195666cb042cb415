"""The ministry's SAM from the other side, with one invented identity card on it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

from reader.frames import IDENTITY_SAM, Decoder, encode
from reader.person_number import check_character

_OK, _FOUND, _NO_CARD, _NOT_ACCEPTED, _UNKNOWN = 0x90, 0x9F, 0x80, 0x10, 0x21
_SELECT_FAILED, _READ_FAILED = 0x81, 0x41
_PHOTO = bytes(1024)
_BLANK = " ".encode("utf-16-le")


@dataclass(slots=True)
class EmulatedIdentity:
    """What is printed into the chip. All holders are invented."""

    name: str = "测试甲"
    sex: str = "1"
    nation: str = "01"
    birth_date: str = "19800101"
    address: str = "测试省测试市测试路 1 号"
    number: str = "990100198001010018"
    issuer: str = "测试市公安局"
    valid_from: str = "20200101"
    valid_until: str = "20400101"
    kind: str = ""  #: blank for residents; I, Y, J for others

    def text(self) -> bytes:
        """Lay the text out: 256 bytes, UTF-16LE, blanks behind each place."""
        places = (
            *((self.name, 30), (self.sex, 2), (self.nation, 4)),
            *((self.birth_date, 16), (self.address, 70), (self.number, 36)),
            *((self.issuer, 30), (self.valid_from, 16), (self.valid_until, 16)),
            *(("", 28), (self.kind, 2), ("", 6)),
        )
        raw = [(text.encode("utf-16-le"), width) for text, width in places]
        return b"".join(
            text + _BLANK * ((width - len(text)) // 2) for text, width in raw
        )


@dataclass(slots=True)
class SamFaults:
    """What goes wrong, counted down."""

    not_accepted: int = 0  #: says that our check is wrong
    lost_answers: int = 0
    wrong_check: int = 0
    removed_after_find: bool = False
    changed_text: dict[int, int] = field(default_factory=dict)  #: byte by place


class IdentitySamDevice:
    """The SAM: find, select, read, and its own number."""

    def __init__(
        self,
        card: EmulatedIdentity | None,
        number: bytes = bytes.fromhex("0500030020200101000000010000009A"),
        faults: SamFaults | None = None,
    ) -> None:
        self.card = card
        self.faults = faults or SamFaults()
        self._number = number
        self._decoder = Decoder(IDENTITY_SAM)
        self._selected = False
        self._emit: Callable[[bytes], None] = lambda _data: None

    def connect(self, emit: Callable[[bytes], None]) -> None:
        """Say where answers go."""
        self._emit = emit

    def receive(self, data: bytes) -> None:
        """Take bytes from the host."""
        for payload in self._decoder.feed(data):
            status, answer = self._serve(payload[:2])
            self._send(bytes((0, 0, status)) + answer)

    def _serve(self, command: bytes) -> tuple[int, bytes]:
        if self.faults.not_accepted:
            self.faults.not_accepted -= 1
            return _NOT_ACCEPTED, b""
        if command == b"\x12\xff":
            return _OK, self._number
        if command == b"\x20\x01":
            return self._find()
        if command == b"\x20\x02":
            self._selected = self.card is not None
            return (_OK, bytes(8)) if self._selected else (_SELECT_FAILED, b"")
        if command == b"\x30\x01":
            return self._read()
        return _UNKNOWN, b""

    def _find(self) -> tuple[int, bytes]:
        self._selected = False
        if self.card is None:
            return _NO_CARD, b""
        if self.faults.removed_after_find:
            self.card = None
        return _FOUND, bytes(4)

    def _read(self) -> tuple[int, bytes]:
        if self.card is None or not self._selected:
            return _READ_FAILED, b""
        text = bytearray(self.card.text())
        for at, byte in self.faults.changed_text.items():
            text[at] = byte
        return _OK, b"\x01\x00\x04\x00" + text + _PHOTO

    def _send(self, payload: bytes) -> None:
        if self.faults.lost_answers:
            self.faults.lost_answers -= 1
            return
        frame = encode(IDENTITY_SAM, payload)
        if self.faults.wrong_check:
            self.faults.wrong_check -= 1
            frame[-1] ^= 0x01
        self._emit(bytes(frame))


def an_identity(born: dt.date, order: str, **changed: str) -> EmulatedIdentity:
    """Make an invented holder of region 990100 whose number holds."""
    first = f"990100{born:%Y%m%d}{order}"
    card = EmulatedIdentity(
        birth_date=f"{born:%Y%m%d}",
        number=first + check_character(first),
        sex="1" if int(order) % 2 else "2",
    )
    for key, value in changed.items():
        setattr(card, key, value)
    return card
