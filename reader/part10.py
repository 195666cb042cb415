"""PIN pads in PC/SC readers: the PIN goes from the keys to the card, not through here.

Source: PC/SC part 10 for the structures; part 5 of the card specification for VERIFY
and CHANGE PIN. A card's PIN is BCD from the left without a length, padded with F; it is
not ISO 9564 format 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from reader.apdu import Answer
from reader.errors import (
    PinCancelledError,
    PinFormatError,
    PinPadError,
    PinRepeatError,
    PinTimeoutError,
    ReaderError,
)
from reader.link import Link

VERIFY_PIN_DIRECT, MODIFY_PIN_DIRECT = 0x06, 0x07
TIMEOUT_S = 30
FIXED_DIGITS = 6
_CODE_BYTES = 4
_BCD_LEFT_IN_BYTES = 0x81
_KEY_PRESSED = 0x02
_CHINESE = 0x0804
_CONFIRM_AND_ASK_OLD = 0x03
_WORDS: Mapping[int, type[ReaderError]] = {
    0x6400: PinTimeoutError,
    0x6401: PinCancelledError,
    0x6402: PinRepeatError,
    0x6403: PinFormatError,
}


@runtime_checkable
class PadLink(Protocol):
    """A link whose reader takes commands of its own."""

    def features(self) -> Mapping[int, int]:
        """Return the control code of each feature."""

    def control(self, code: int, data: bytes | bytearray) -> bytes:
        """Send a command to the reader."""


def features_in(raw: bytes) -> dict[int, int]:
    """Read what a reader answers to GET_FEATURE_REQUEST: tag, length 4, control code.

    Features that are not written so, and what a shortened answer leaves over, are not
    there: a command with a guessed code must never reach a reader.

    >>> {tag: hex(code) for tag, code in features_in(bytes.fromhex(
    ...     "060442000db2" "120342000d" "0704")).items()}
    {6: '0x42000db2'}
    """
    found, place = {}, 0
    while place + 2 <= len(raw):
        tag, length = raw[place], raw[place + 1]
        value = raw[place + 2 : place + 2 + length]
        if length == len(value) == _CODE_BYTES:
            found[tag] = int.from_bytes(value, "big")
        place += 2 + length
    return found


def verify_structure(least: int, most: int, timeout_s: int = TIMEOUT_S) -> bytes:
    """Return PIN_VERIFY: the pad fills the digits into VERIFY.

    >>> verify_structure(6, 6).hex()[:38]
    '1e1e8103000606020104080000000008000000'
    >>> verify_structure(6, 6).hex()[38:]
    '0020000003ffffff'
    """
    block = _block_bytes(most)
    command = bytes((0x00, 0x20, 0x00, 0x00, block)) + b"\xff" * block
    return (
        bytes((timeout_s, timeout_s, _BCD_LEFT_IN_BYTES, block, 0x00))
        + _digits(least, most)
        + bytes((_KEY_PRESSED, 0x01))
        + _CHINESE.to_bytes(2, "little")
        + bytes((0x00, 0x00, 0x00, 0x00))
        + len(command).to_bytes(4, "little")
        + command
    )


def modify_structure(least: int, most: int, timeout_s: int = TIMEOUT_S) -> bytes:
    """Return PIN_MODIFY: old PIN, new PIN and the new one again into CHANGE PIN.

    Whether every pad fills two fixed blocks around the FF of CHANGE PIN is not known
    of real ones; the offsets say it as part 10 has it.
    """
    block = _block_bytes(most)
    length = 2 * block + 1
    command = bytes((0x80, 0x5E, 0x01, 0x00, length)) + b"\xff" * length
    return (
        bytes((timeout_s, timeout_s, _BCD_LEFT_IN_BYTES, block, 0x00))
        + bytes((0x00, block + 1))  # where the old block begins, and the new one
        + _digits(least, most)
        + bytes((_CONFIRM_AND_ASK_OLD, _KEY_PRESSED, 0x03))
        + _CHINESE.to_bytes(2, "little")
        + bytes((0x00, 0x01, 0x02))
        + bytes(3)
        + len(command).to_bytes(4, "little")
        + command
    )


class ReaderPad:
    """A PIN entered on the reader's own keys."""

    name = "reader-pad"
    asks_card = True
    is_factory = False  # nobody here ever sees it

    def __init__(self, least: int = FIXED_DIGITS, most: int = FIXED_DIGITS) -> None:
        self._digits = (least, most)

    def present(self, link: Link) -> Answer:
        """Let the reader ask for the PIN and present it to the card.

        Raises:
            PinPadError: the reader has no keys, or gave nothing to go by.
        """
        return _done(link, VERIFY_PIN_DIRECT, verify_structure(*self._digits))

    def wipe(self) -> None:
        """There is nothing here to forget."""


class ReaderPadChange:
    """A change of the PIN on the reader's own keys."""

    is_factory = False  # nobody here ever sees it

    def __init__(self, least: int = FIXED_DIGITS, most: int = FIXED_DIGITS) -> None:
        self._digits = (least, most)

    def change(self, link: Link) -> Answer:
        """Let the reader ask for both PINs and change them on the card."""
        return _done(link, MODIFY_PIN_DIRECT, modify_structure(*self._digits))

    def wipe(self) -> None:
        """There is nothing here to forget."""


def _done(link: Link, feature: int, structure: bytes) -> Answer:
    if not isinstance(link, PadLink):
        detail = "the link knows no reader with keys"
        raise PinPadError(detail)
    code = link.features().get(feature)
    if code is None:
        detail = f"the reader has no feature {feature:02X}"
        raise PinPadError(detail)
    raw = link.control(code, structure)
    if len(raw) != 2:  # noqa: PLR2004 - a status word and nothing else
        detail = f"{len(raw)} bytes where a status word belongs"
        raise PinPadError(detail)
    status = int.from_bytes(raw, "big")
    refusal = _WORDS.get(status)
    if refusal is not None:
        raise refusal
    return Answer(b"", status)


def _block_bytes(most: int) -> int:
    return (most + 1) // 2


def _digits(least: int, most: int) -> bytes:
    """Write wPINMaxExtraDigit: the least in its high byte, little-endian."""
    return (least << 8 | most).to_bytes(2, "little")
