"""What a card says of itself before it is asked: answer to reset (ATR) and FCI."""

from __future__ import annotations

from reader.crypto import Algorithm
from reader.errors import CardNotSupportedError

CARD_FACTOR_BYTES = 8
_TD_FOLLOWS = 0x8
_SSF33_CITY = "11"
_TEMPLATE, _PROPRIETARY, _ISSUER_DATA, _ALGORITHM = 0x6F, 0xA5, 0x9F0C, 0x86


def card_factor(atr: bytes) -> bytes:
    """Return the card's diversification factor: the last 8 historical bytes.

    Counted from the end, since some cards have 12 of them and most have 13.
    Source: part 2; part 9 §7.3.3.

    >>> card_factor(bytes.fromhex("3B6D000081544C96868444990100000001")).hex()
    '8444990100000001'

    Raises:
        CardNotSupportedError: the answer to reset has no 8 historical bytes.
    """
    historical = historical_bytes(atr)
    if len(historical) < CARD_FACTOR_BYTES:
        detail = "no card factor in the answer to reset"
        raise CardNotSupportedError(detail)
    return historical[-CARD_FACTOR_BYTES:]


def historical_bytes(atr: bytes) -> bytes:
    """Walk over the interface bytes TA, TB, TC, TD; what remains is historical."""
    return atr[historical_place(atr)]


def historical_place(atr: bytes) -> slice:
    """Say where in an answer to reset the historical bytes stand."""
    if len(atr) < 2:  # noqa: PLR2004 - TS and T0
        return slice(0)
    flags, count, place = atr[1] >> 4, atr[1] & 0x0F, 2
    while flags:
        place += flags.bit_count()
        last = place - 1
        has_more = flags & _TD_FOLLOWS and last < len(atr)
        flags = atr[last] >> 4 if has_more else 0
    return slice(place, place + count)


def algorithm_of(fci: bytes) -> Algorithm | None:
    """Read the algorithm out of an FCI: 6F / A5 / 9F0C / 86; None if it says none.

    Raises:
        CardNotSupportedError: an algorithm nobody knows.
    """
    value = algorithm_byte(fci)
    if not value:
        return None
    try:
        return Algorithm(value[0])
    except ValueError as error:
        detail = f"algorithm {value[0]:02X}"
        raise CardNotSupportedError(detail) from error


def algorithm_byte(fci: bytes) -> bytes:
    """Return what stands in an FCI at 6F / A5 / 9F0C / 86; empty if nothing does."""
    value = fci
    for tag in (_TEMPLATE, _PROPRIETARY, _ISSUER_DATA, _ALGORITHM):
        value = _inside(value, tag)
    return value[:1]


def algorithm_unsaid(card_serial: str) -> Algorithm:
    """Return the algorithm of a card whose FCI names none (part 3).

    Cards of Beijing, whose 识别码 begins with 11, use SSF33; all others DES.
    """
    return Algorithm.SSF33 if card_serial.startswith(_SSF33_CITY) else Algorithm.TDES


def _inside(raw: bytes, wanted: int) -> bytes:
    """Return the value of one tag of a BER-TLV string; empty if it is not there."""
    place = 0
    while place + 1 < len(raw):
        tag = raw[place]
        place += 1
        if tag & 0x1F == 0x1F:  # noqa: PLR2004 - the tag has a second byte
            tag = tag << 8 | raw[place]
            place += 1
        if place >= len(raw):
            return b""
        length = raw[place]
        value = raw[place + 1 : place + 1 + length]
        if tag == wanted:
            return value
        place += 1 + length
    return b""
