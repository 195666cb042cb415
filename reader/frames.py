"""Frames on a serial line: one codec, and the documented formats as data. Pure.

All of them are a start, a length, a payload, a check made by XOR, and mostly an end.
They differ in what the length counts, what the check covers and how bytes are stuffed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

_NIBBLE = 0x30  #: what a split nibble is put upon
_DECIMAL = frozenset(b"0123456789")
_HEX = frozenset(b"0123456789ABCDEFabcdef")


class From(Enum):
    """Where the bytes begin that a check covers."""

    START = "start"
    LENGTH = "length"
    PAYLOAD = "payload"


class To(Enum):
    """Where they stop; a check that covers the end stands behind it."""

    PAYLOAD = "payload"
    END = "end"


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """One frame format; see the constants below for the documented ones."""

    name: str
    start: bytes  #: what to look for in noise; a device's address is part of it
    length_bytes: int
    length_order: Literal["big", "little", "decimal"]  #: decimal: ASCII digits
    length_adds: int  #: what the length counts besides the payload, in bytes
    check_from: From
    check_to: To
    end: bytes = b""
    check_in_hex: bool = False  #: as two ASCII digits instead of one byte
    nibbles: bool = False  #: between start and end each byte is two of 30..3F
    longest: int = 1024  #: payload bytes; a longer frame is taken for noise

    @property
    def check_bytes(self) -> int:
        """How many bytes the check has before it is stuffed."""
        return 2 if self.check_in_hex else 1


#: 华大 "三合一": ``FA FB FC FD | LEN | CMD data | XOR | BB``. LEN is little-endian and
#: counts itself, the command, its data and the check; the check covers LEN to data.
#: Payload: command and data, or status and data in an answer. 115200 8N1.
#: Source: public pyserial driver of the multifunction reader.
HD100 = FrameFormat(
    name="hd100",
    start=b"\xfa\xfb\xfc\xfd",
    length_bytes=2,
    length_order="little",
    length_adds=3,
    check_from=From.LENGTH,
    check_to=To.PAYLOAD,
    end=b"\xbb",
)

#: 创自 CRT-591, CRT-310, CRT-288: ``F2 ADDR LENH LENL | text | 03 | BCC``; the check
#: covers F2 to 03. Payload: the text from ``C``, ``P``, ``N`` or ``E`` on; the longest
#: is six fixed bytes and 512 of data. The address is the factory's, 00.
#: Source: CRT-591-M001 communication protocol 1.0 (2013-07-02), §1.2.
CRT591 = FrameFormat(
    name="crt591",
    start=b"\xf2\x00",
    length_bytes=2,
    length_order="big",
    length_adds=0,
    check_from=From.START,
    check_to=To.END,
    end=b"\x03",
    longest=518,
)

#: Tablet peripheral protocol: ``02 | len2 Data LRC | 03`` with everything between split
#: into nibbles, each plus 30; LRC is the XOR of Data alone. Payload: Data.
#: Source: rishikeshbazar.com/d-26125954.
NIBBLE_LRC = FrameFormat(
    name="nibble-lrc",
    start=b"\x02",
    length_bytes=2,
    length_order="big",
    length_adds=0,
    check_from=From.PAYLOAD,
    check_to=To.PAYLOAD,
    end=b"\x03",
    nibbles=True,
)

#: Simple reader: ``09 LEN CMD DATA BCC 0D``. Payload: command and data. The source does
#: not say what LEN counts nor what BCC covers: command and data, and LEN to data, is
#: our reading. Source: doczj.com 3814535790.
SIMPLE_BCC = FrameFormat(
    name="simple-bcc",
    start=b"\x09",
    length_bytes=1,
    length_order="big",
    length_adds=0,
    check_from=From.LENGTH,
    check_to=To.PAYLOAD,
    end=b"\x0d",
    longest=255,
)

#: SL-RF800 and small CRT readers: ``02 len2 | CM PM data | 03 BCC``, the check covers
#: 02 to 03. Payload: CM, PM and data. Source: CRT-188 additional commands, 2006-07-16.
SMALL_CRT = FrameFormat(
    name="small-crt",
    start=b"\x02",
    length_bytes=2,
    length_order="big",
    length_adds=0,
    check_from=From.START,
    check_to=To.END,
    end=b"\x03",
)

#: The ministry's identity card SAM: ``AA AA AA 96 69 | LEN | CMD PARA data | CHK``. LEN
#: is big-endian and counts CMD to CHK; CHK covers LEN to data; there is no end.
#: Source: softs.im, yzsam.com, eastcoms.com (公安部 SAM 通讯协议). 115200 8N1.
IDENTITY_SAM = FrameFormat(
    name="identity-sam",
    start=b"\xaa\xaa\xaa\x96\x69",
    length_bytes=2,
    length_order="big",
    length_adds=1,
    check_from=From.LENGTH,
    check_to=To.PAYLOAD,
    longest=4096,
)

#: SZZT ZT588 PIN pad: ``02 | "%03u" | text | 03 | XOR in hex``, the check covers the
#: length to 03. Keys pressed come as single bytes outside frames.
#: Source: smartkiosk/smartware, ``lib/smartware/drivers/common/szzt_connection.rb``.
ZT588 = FrameFormat(
    name="zt588",
    start=b"\x02",
    length_bytes=3,
    length_order="decimal",
    length_adds=0,
    check_from=From.LENGTH,
    check_to=To.END,
    end=b"\x03",
    check_in_hex=True,
    longest=999,
)

FORMATS = (
    *(HD100, CRT591, NIBBLE_LRC, SIMPLE_BCC),
    *(SMALL_CRT, IDENTITY_SAM, ZT588),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame whose length and check hold."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Stray:
    """Bytes outside frames: noise, an acknowledgement, a key that was pressed."""

    data: bytes


def encode(form: FrameFormat, payload: bytes | bytearray) -> bytearray:
    """Put *payload* into a frame; a bytearray, so that one with a PIN can be wiped.

    Raises:
        ValueError: the payload is longer than the format can say.
    """
    if len(payload) > form.longest:
        msg = f"{len(payload)} bytes do not fit into a {form.name} frame"
        raise ValueError(msg)
    length = len(payload) + form.length_adds
    if form.length_order == "decimal":
        header = b"%0*d" % (form.length_bytes, length)
    else:
        header = length.to_bytes(form.length_bytes, form.length_order)
    check = _check_over(form, header, payload)
    behind = form.end + check if form.check_to is To.END else check + form.end
    if not form.nibbles:
        return _filled((form.start, header, payload, behind))
    inner = _filled((header, payload, check))
    frame = bytearray(len(form.start) + 2 * len(inner) + len(form.end))
    frame[: len(form.start)] = form.start
    for i, byte in enumerate(inner):
        frame[len(form.start) + 2 * i] = _NIBBLE | byte >> 4
        frame[len(form.start) + 2 * i + 1] = _NIBBLE | byte & 0x0F
    frame[len(frame) - len(form.end) :] = form.end
    inner[:] = bytes(len(inner))
    return frame


def _check_over(form: FrameFormat, header: bytes, payload: bytes | bytearray) -> bytes:
    """Return the check; byte by byte, so that no copy of the payload is made."""
    check = 0
    covered: list[bytes | bytearray] = [payload]
    if form.check_from is not From.PAYLOAD:
        covered.append(header)
    if form.check_from is From.START:
        covered.append(form.start)
    if form.check_to is To.END:
        covered.append(form.end)
    for part in covered:
        for byte in part:
            check ^= byte
    return b"%02X" % check if form.check_in_hex else bytes((check,))


def _filled(parts: tuple[bytes | bytearray, ...]) -> bytearray:
    """Join parts in a buffer made in its final size: growing would leave copies."""
    whole, at = bytearray(sum(len(part) for part in parts)), 0
    for part in parts:
        whole[at : at + len(part)] = part
        at += len(part)
    return whole


class Decoder:
    """Finds frames in a stream, however it is cut and whatever stands between.

    Looks for the start, then believes nothing before length, end and check hold; if
    one does not, the search goes on behind that start. No input raises, and never more
    than one longest frame is kept.
    """

    def __init__(self, form: FrameFormat) -> None:
        self._form = form
        self._kept = bytearray()
        self._scale = 2 if form.nibbles else 1
        self._header = len(form.start) + form.length_bytes * self._scale
        check_and_end = form.check_bytes * self._scale + len(form.end)
        self._around = self._header + check_and_end
        self._skipped = {
            From.START: 0,
            From.LENGTH: len(form.start),
            From.PAYLOAD: len(form.start) + form.length_bytes,
        }[form.check_from]
        self._settled = False
        self.damaged = 0  #: frames whose length and end fit and whose check did not

    @property
    def pending(self) -> int:
        """How many bytes are kept because they may be the beginning of a frame."""
        return len(self._kept)

    def reset(self) -> None:
        """Forget what is kept."""
        self._kept.clear()
        self.damaged = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, return the payloads of the frames they complete."""
        return _payloads(self.scan(data))

    def settle(self) -> list[bytes]:
        """Return payloads of frames hidden behind a start that was none.

        To be asked when the line has been silent: a byte of noise that looks like a
        start and a long length would otherwise swallow the frame behind it.
        """
        if self._settled:
            return []  # nothing came since
        self._settled = True
        for at in range(1, len(self._kept)):
            if self._kept.startswith(self._form.start, at) and self._size(at) > 0:
                behind = Decoder(self._form)
                found = behind.feed(bytes(self._kept[at:]))
                if found:
                    self._kept, self._settled = behind._kept, False
                    return found
        return []

    def scan(self, data: bytes) -> list[Frame | Stray]:
        """Take bytes, return the frames they complete and the strays, in order."""
        found: list[Frame | Stray] = []
        self._settled = False
        # In pieces, so that what is kept stays bounded whatever is fed.
        step = self._around + self._form.longest
        for i in range(0, len(data), step):
            self._kept += data[i : i + step]
            self._search(found)
        return found

    def _search(self, found: list[Frame | Stray]) -> None:
        kept, done, stray = self._kept, 0, 0
        while done < len(kept):
            start = kept.find(self._form.start, done)
            if start < 0:
                done = len(kept) - self._started(done)
                break
            done = start
            size = self._size(start)
            if size == 0 or start + size > len(kept):
                break  # not yet
            payload = self._payload(start, size) if size > 0 else None
            if payload is None:
                done = start + 1
                continue
            if stray < start:
                found.append(Stray(bytes(kept[stray:start])))
            found.append(Frame(payload))
            done = stray = start + size
        if stray < done:
            found.append(Stray(bytes(kept[stray:done])))
        del kept[:done]

    def _started(self, done: int) -> int:
        """Return how many bytes at the end may be the beginning of a start."""
        start = self._form.start
        for size in range(min(len(start) - 1, len(self._kept) - done), 0, -1):
            if self._kept.endswith(start[:size]):
                return size
        return 0

    def _size(self, at: int) -> int:
        """Return the size of the frame at *at*; 0: too early to say, -1: no frame."""
        form = self._form
        raw: bytes | None = bytes(self._kept[at + len(form.start) : at + self._header])
        if raw and form.nibbles:
            raw = _joined(raw[: len(raw) // 2 * 2])
        if raw is None:
            return -1
        if len(raw) < form.length_bytes:
            return 0
        if form.length_order == "decimal":
            length = int(raw) if _DECIMAL.issuperset(raw) else -1
        else:
            length = int.from_bytes(raw, form.length_order)
        length -= form.length_adds
        if not 0 <= length <= form.longest:
            return -1
        return self._around + length * self._scale

    def _payload(self, at: int, size: int) -> bytes | None:
        """Return the payload of the whole frame at *at*, None if it is none."""
        form = self._form
        tail = form.check_bytes if form.check_to is To.END else 0
        if not self._kept.endswith(form.end, at, at + size - tail):
            return None
        frame = bytes(self._kept[at : at + size])
        if form.nibbles:
            inner = _joined(frame[len(form.start) : size - len(form.end)])
            if inner is None:
                return None
            frame = form.start + inner + form.end
        behind = len(frame) - form.check_bytes
        behind -= 0 if form.check_to is To.END else len(form.end)
        covered, check = frame[:behind], frame[behind : behind + form.check_bytes]
        if not _holds(form, covered[self._skipped :], check):
            self.damaged += 1
            return None
        stop = len(covered) - (len(form.end) if form.check_to is To.END else 0)
        return covered[len(form.start) + form.length_bytes : stop]


def _holds(form: FrameFormat, covered: bytes, check: bytes) -> bool:
    if form.check_in_hex:
        return _HEX.issuperset(check) and int(check, 16) == _xor(covered)
    return check[0] == _xor(covered)


def _xor(data: bytes) -> int:
    """XOR all bytes: fold the halves over each other, which is faster than a loop."""
    value, size = int.from_bytes(data, "big"), len(data)
    while size > 1:
        half = (size + 1) // 2
        value = value >> half * 8 ^ value & (1 << half * 8) - 1
        size = half
    return value


def _joined(nibbles: bytes) -> bytes | None:
    """Undo the stuffing; None if a byte is no stuffed nibble."""
    if any(byte & 0xF0 != _NIBBLE for byte in nibbles):
        return None
    return bytes(
        (high & 0x0F) << 4 | low & 0x0F
        for high, low in zip(nibbles[::2], nibbles[1::2], strict=True)
    )


def _payloads(found: list[Frame | Stray]) -> list[bytes]:
    return [one.payload for one in found if isinstance(one, Frame)]
