"""Bytes to text and dates, and back: GB 18030, packed BCD, padding.

Source: file structure and data items V2.0, §7 and §8: ``cn`` is packed BCD padded
right with F; ``an`` is text padded right with 00.
"""

from __future__ import annotations

import datetime as dt

CHARSET = "gb18030"


def read_an(raw: bytes) -> str:
    """Read text: GB 18030, padding and blanks at the end dropped.

    >>> read_an(bytes.fromhex("B2E2CAD4BCD70000"))
    '测试甲'

    Raises:
        ValueError: the bytes are no text.
    """
    return raw.rstrip(b"\x00 ").decode(CHARSET)


def write_an(text: str, width: int) -> bytes:
    """Write text padded with 00 to *width* bytes.

    Raises:
        ValueError: it does not fit.
    """
    raw = text.encode(CHARSET)
    if len(raw) > width:
        msg = f"{len(raw)} bytes do not fit into {width}"
        raise ValueError(msg)
    return raw.ljust(width, b"\x00")


def read_cn(raw: bytes) -> str:
    """Read packed BCD; F at the end is padding, all F is nothing.

    >>> read_cn(bytes.fromhex("990100"))
    '990100'

    Raises:
        ValueError: a nibble is no digit.
    """
    digits = raw.hex().rstrip("f")
    if digits and not digits.isdecimal():
        msg = "a nibble is not a digit"
        raise ValueError(msg)
    return digits


def write_cn(digits: str, width: int) -> bytes:
    """Write digits as packed BCD padded with F to *width* bytes.

    Raises:
        ValueError: not digits, or too many.
    """
    if (digits and not digits.isdecimal()) or len(digits) > width * 2:
        msg = f"not at most {width * 2} digits"
        raise ValueError(msg)
    return bytes.fromhex(digits.ljust(width * 2, "f"))


def read_date(raw: bytes) -> dt.date:
    """Read YYYYMMDD in BCD.

    Raises:
        ValueError: no such day.
    """
    return dt.datetime.strptime(read_cn(raw), "%Y%m%d").date()  # noqa: DTZ007 - a day, no instant


_LETTER_BASE = 10
_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def card_no_check(first_eight: str) -> str:
    """Return the check character of a card number (V2.0 notice, appendix A).

    >>> card_no_check("D2143569")
    'X'

    Raises:
        ValueError: not eight digits or capital letters.
    """
    if len(first_eight) != len(_WEIGHTS):
        msg = "a card number has eight characters before its check"
        raise ValueError(msg)
    total = sum(
        weight * int(char, 36)
        for weight, char in zip(_WEIGHTS, first_eight, strict=True)
    )
    check = 11 - total % 11
    return {10: "X", 11: "0"}.get(check, str(check))
