"""Commands and status words of the card (part 5); no I/O but through the given link."""

from __future__ import annotations

from dataclasses import dataclass

from reader.errors import (
    CardBlockedError,
    CardProtocolError,
    KeyRefusedError,
    ReaderError,
)
from reader.link import Link

OK = 0x9000
NOT_FOUND = 0x6A82
RECORD_NOT_FOUND = 0x6A83
NO_CHALLENGE = 0x6984
METHOD_BLOCKED = 0x6983
CARD_BLOCKED = 0x6A81
APPLICATION_BLOCKED = 0x9303
SECURITY_NOT_SATISFIED = 0x6982
END_OF_FILE = 0x6B00
#: A fast read some cards do not know, or end early.
NO_FAST_READ = frozenset({0x6A86, 0x6700, 0x6A81, 0x6B00, 0x6282})

_MORE, _WRONG_LE = 0x61, 0x6C
_VERIFY = 0x20
#: CLA INS P1 P2 Le: a command that only asks.
_ASKS_ONLY = 5
_TRIES_MASK, _TRIES = 0xFFF0, 0x63C0
_LONGEST_CHAIN = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """The data and the status word of one command."""

    data: bytes
    status: int

    @property
    def ok(self) -> bool:
        """True for 9000."""
        return self.status == OK

    @property
    def tries_left(self) -> int | None:
        """The x of 63Cx, None for any other status."""
        if self.status & _TRIES_MASK == _TRIES:
            return self.status & 0x0F
        return None

    def expect_ok(self, doing: str) -> bytes:
        """Return the data of a 9000, or raise what the status means."""
        if self.ok:
            return self.data
        raise meaning(doing, self.status)


def meaning(doing: str, status: int) -> ReaderError:
    """Return the error a status word stands for where nothing special is expected."""
    if status in {APPLICATION_BLOCKED, CARD_BLOCKED}:
        return CardBlockedError()
    if status in {SECURITY_NOT_SATISFIED, METHOD_BLOCKED}:
        return KeyRefusedError(doing)
    return CardProtocolError(doing, status)


def exchange(link: Link, command: bytes | bytearray) -> Answer:
    """Send one command, following 61xx and 6Cxx as T=0 cards want it.

    Only a command that asks is sent again with the length the card wants: whatever
    carries data, a PIN above all, goes to the card once.

    Raises:
        CardProtocolError: an answer shorter than a status word, or no end of parts.
    """
    data = b""
    for _ in range(_LONGEST_CHAIN):
        raw = link.transmit(command)
        if len(raw) < 2:  # noqa: PLR2004 - the two status bytes
            detail = "a command"
            raise CardProtocolError(detail, 0)
        data += raw[:-2]
        high, low = raw[-2], raw[-1]
        if high == _MORE:
            command = bytes((0x00, 0xC0, 0x00, 0x00, low))
        elif high == _WRONG_LE and _asks_only(command):
            command = bytes((*command[:4], low))
        else:
            return Answer(data, high << 8 | low)
    detail = "a chain of answers"
    raise CardProtocolError(detail, 0x6100)


def _asks_only(command: bytes | bytearray) -> bool:
    """Say whether the fifth byte is Le; with VERIFY it is Lc, whatever its value."""
    return len(command) == _ASKS_ONLY and command[1] != _VERIFY


def select_name(name: bytes) -> bytes:
    """SELECT an environment or application by name."""
    return bytes((0x00, 0xA4, 0x04, 0x00, len(name))) + name


def select_file(fid: int) -> bytes:
    """SELECT an elementary file of the current application."""
    return bytes((0x00, 0xA4, 0x02, 0x00, 0x02, fid >> 8, fid & 0xFF))


def read_all(length: int) -> bytes:
    """READ RECORD of the current file, from the first to the last at once."""
    return bytes((0x00, 0xB2, 0x01, 0x05, length))


def read_tag(tag: int, length: int) -> bytes:
    """READ RECORD of the current file by its tag."""
    return bytes((0x00, 0xB2, tag, 0x00, length))


def read_next(tag: int, length: int) -> bytes:
    """READ RECORD of the current file: the next one with that tag."""
    return bytes((0x00, 0xB2, tag, 0x02, length))


def read_number(number: int, length: int) -> bytes:
    """READ RECORD of the current file by its number; 1 is the newest of a log."""
    return bytes((0x00, 0xB2, number, 0x04, length))


def read_binary(offset: int, length: int) -> bytes:
    """READ BINARY of the current file."""
    return bytes((0x00, 0xB0, offset >> 8, offset & 0xFF, length))


def get_challenge() -> bytes:
    """GET CHALLENGE of eight bytes."""
    return bytes((0x00, 0x84, 0x00, 0x00, 0x08))


def internal_authenticate(process: bytes, source: bytes) -> bytes:
    """INTERNAL AUTHENTICATE: the card proves itself over both."""
    return bytes((0x00, 0x88, 0x00, 0x00, 0x10)) + process + source


def external_authenticate(key_id: int, proof: bytes, source: bytes) -> bytes:
    """EXTERNAL AUTHENTICATE: the terminal proves itself over the card's challenge."""
    return bytes((0x00, 0x82, 0x00, key_id, 0x10)) + proof + source


def query_pin() -> bytes:
    """VERIFY with nothing in it: asks for the tries, spends none."""
    return bytes((0x00, 0x20, 0x00, 0x00, 0x00))


def verify(block: bytearray) -> bytearray:
    """VERIFY with a PIN block; a bytearray, so that the caller can wipe it."""
    return bytearray((0x00, 0x20, 0x00, 0x00, len(block))) + block


def change_pin(old: bytearray, new: bytearray) -> bytearray:
    """CHANGE PIN: both blocks with FF between; the caller wipes it."""
    header = bytearray((0x80, 0x5E, 0x01, 0x00, len(old) + 1 + len(new)))
    return header + old + b"\xff" + new


UNBLOCK_PIN = bytes((0x84, 0x24, 0x00, 0x00))
RESET_PIN = bytes((0x84, 0x24, 0x00, 0x01))


def secured(header: bytes, body: bytes) -> bytes:
    """Put the body of a secured command, its MAC included, behind its header."""
    return header + bytes([len(body)]) + body


def tries(left: int) -> int:
    """Return the status word 63Cx."""
    return _TRIES | left
