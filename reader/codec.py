"""Bytes to text and dates, and back: GB 18030, packed BCD, padding.

Source: file structure and data items V2.0, §7 and §8: ``cn`` is packed BCD padded
right with F; ``an`` is text padded right with 00.
"""

from __future__ import annotations

import datetime as dt
import re

CHARSET = "gb18030"
_DATE_DIGITS, _TIME_DIGITS = 8, 14
_JPEG, _JPEG_END, _BMP = b"\xff\xd8\xff", b"\xff\xd9", b"BM"


def read_an(raw: bytes) -> str:
    """Read text: GB 18030, padding and blanks at the end dropped.

    >>> read_an(bytes.fromhex("B2E2CAD4BCD70000"))
    '测试甲'

    Raises:
        ValueError: the bytes are no text, or hold a control character, which has no
            place in a name and could rewrite a screen, a log or a receipt.
    """
    text = raw.rstrip(b"\x00 ").decode(CHARSET)
    if not text.isprintable():
        msg = "a character that does not print"
        raise ValueError(msg)
    return text


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
    if not _is_digits(digits):
        msg = "a nibble is not a digit"
        raise ValueError(msg)
    return digits


def write_cn(digits: str, width: int) -> bytes:
    """Write digits as packed BCD padded with F to *width* bytes.

    Raises:
        ValueError: not digits, or too many.
    """
    if not _is_digits(digits) or len(digits) > width * 2:
        msg = f"not at most {width * 2} digits"
        raise ValueError(msg)
    return bytes.fromhex(digits.ljust(width * 2, "f"))


def _is_digits(text: str) -> bool:
    """Say whether *text* is ASCII digits only; nothing at all is allowed."""
    return not text or (text.isascii() and text.isdigit())


def read_date(raw: bytes) -> dt.date | None:
    """Read YYYYMMDD in BCD; None for all F, which is nothing.

    >>> read_date(bytes.fromhex("19800101"))
    datetime.date(1980, 1, 1)

    Raises:
        ValueError: no such day.
    """
    digits = read_cn(raw)
    if not digits:
        return None
    if len(digits) != _DATE_DIGITS:
        msg = "a date has eight digits"
        raise ValueError(msg)
    return dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))


def read_time(raw: bytes) -> dt.datetime | None:
    """Read YYYYMMDDhhmmss in BCD, local time; None for all F, which is nothing.

    >>> read_time(bytes.fromhex("20250301093015")).isoformat()
    '2025-03-01T09:30:15'

    Raises:
        ValueError: no such moment.
    """
    digits = read_cn(raw)
    if not digits:
        return None
    if len(digits) != _TIME_DIGITS:
        msg = "a moment has fourteen digits"
        raise ValueError(msg)
    # A card knows no zone: it is the terminal's own clock that was written.
    return dt.datetime.strptime(digits, "%Y%m%d%H%M%S")  # noqa: DTZ007


def read_picture(raw: bytes) -> bytes:
    """Return the JPEG or BMP at the beginning of *raw* without its padding.

    Nothing at all, all 00 or all FF, is an empty picture. A JPEG ends at its last
    end marker, a BMP where its header says.

    Raises:
        ValueError: neither of both, or cut short.
    """
    if not raw.strip(b"\x00") or not raw.strip(b"\xff"):
        return b""
    if raw.startswith(_JPEG):
        end = raw.rfind(_JPEG_END)
        if end > 0:
            return raw[: end + len(_JPEG_END)]
    elif raw.startswith(_BMP):
        size = int.from_bytes(raw[2:6], "little")
        if len(_BMP) < size <= len(raw):
            return raw[:size]
    msg = "no whole JPEG or BMP"
    raise ValueError(msg)


_CARD_NO = re.compile(r"[0-9A-Z]{8}", re.ASCII)
_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def card_no_check(first_eight: str) -> str:
    """Return the check character of a card number (V2.0 notice, appendix A).

    >>> card_no_check("D2143569")
    'X'

    Raises:
        ValueError: not eight digits or capital letters.
    """
    if _CARD_NO.fullmatch(first_eight) is None:
        msg = "a card number has eight digits or capital letters before its check"
        raise ValueError(msg)
    total = sum(
        weight * int(char, 36)
        for weight, char in zip(_WEIGHTS, first_eight, strict=True)
    )
    check = 11 - total % 11
    return {10: "X", 11: "0"}.get(check, str(check))
