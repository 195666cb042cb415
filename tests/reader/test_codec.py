"""Bytes to text and dates, and back; what does not fit is refused, never bent."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader.codec import (
    card_no_check,
    read_an,
    read_cn,
    read_date,
    read_picture,
    read_time,
    write_an,
    write_cn,
)

NAMES = st.text(st.characters(codec="gb18030", exclude_categories=("C", "Z")))


@given(NAMES.filter(lambda name: name.isprintable() and len(name) < 15))
def test_every_name_comes_back_whole(name):
    """Characters of two and of four bytes, from a field of sixty."""
    assert read_an(write_an(name, 60)) == name


@given(st.text("0123456789", max_size=16))
def test_every_number_comes_back_whole(digits):
    """Odd and even, padded with F."""
    assert read_cn(write_cn(digits, 8)) == digits


def test_a_name_of_four_byte_characters_keeps_them():
    """𠮷 and 䶮 are outside GBK, and in real names."""
    assert read_an(bytes.fromhex("FE9F9534B235") + b"\x20\x00") == "䶮𠮷"


@pytest.mark.parametrize("raw", [b"\xff", b"\x81", b"A\x1b[2J", b"A\x00B", b"A\nB"])
def test_what_is_no_text_is_refused(raw):
    """Half a character, and whatever could rewrite a screen or a log."""
    with pytest.raises(ValueError):  # noqa: PT011 - the decoder's own words differ
        read_an(raw)


@pytest.mark.parametrize(
    ("write", "value"), [(write_an, "测试甲"), (write_cn, "12345")]
)
def test_what_does_not_fit_is_refused(write, value):
    """A name cut in the middle of a character is another name."""
    with pytest.raises(ValueError, match=r"fit|at most"):
        write(value, 2)


@pytest.mark.parametrize("value", ["12a4", "١٢", "1 2", "½"])
def test_only_ascii_digits_are_digits(value):
    """Python knows many more; a card does not."""
    with pytest.raises(ValueError, match="digits"):
        write_cn(value, 8)


@pytest.mark.parametrize("raw", ["1A", "F1", "A0FF"])
def test_a_nibble_that_is_no_digit_is_refused(raw):
    """F is padding at the end and nowhere else."""
    with pytest.raises(ValueError, match="nibble"):
        read_cn(bytes.fromhex(raw))


@pytest.mark.parametrize(
    ("raw", "day"),
    [("20240229", dt.date(2024, 2, 29)), ("FFFFFFFF", None)],
)
def test_a_day_reads(raw, day):
    """All F is nothing."""
    assert read_date(bytes.fromhex(raw)) == day


@pytest.mark.parametrize("raw", ["20230229", "20241301", "00000000", "202402FF"])
def test_a_day_that_never_was_is_refused(raw):
    """Nothing is rounded to the nearest one."""
    with pytest.raises(ValueError):  # noqa: PT011 - the calendar's own words differ
        read_date(bytes.fromhex(raw))


@pytest.mark.parametrize(
    ("raw", "moment"),
    [("20250301093015", dt.datetime(2025, 3, 1, 9, 30, 15)), ("FF" * 7, None)],  # noqa: DTZ001 - a card knows no zone
)
def test_a_moment_reads(raw, moment):
    """The terminal's own clock, as it was written."""
    assert read_time(bytes.fromhex(raw)) == moment


@pytest.mark.parametrize("raw", ["20250301", "20250301246060", "2025030109301F"])
def test_a_moment_that_never_was_is_refused(raw):
    """Fourteen digits that a clock can show."""
    with pytest.raises(ValueError):  # noqa: PT011 - the calendar's own words differ
        read_time(bytes.fromhex(raw))


def test_a_picture_ends_where_it_says():
    """JPEG at its last end marker, BMP at its size; nothing at all is none."""
    jpeg = b"\xff\xd8\xff\xe0 \xff\xd9 \xff\xd9"
    bmp = b"BM\x0a\x00\x00\x00data"

    assert read_picture(jpeg + bytes(9)) == jpeg
    assert read_picture(bmp + b"\xff" * 9) == bmp
    assert read_picture(bytes(9)) == b""
    assert read_picture(b"\xff" * 9) == b""


@pytest.mark.parametrize(
    "raw", [b"\xff\xd8\xff no end", b"BM\xff\xff\x00\x00", b"GIF8"]
)
def test_a_picture_cut_short_is_refused(raw):
    """A browser is not handed half a file."""
    with pytest.raises(ValueError, match="whole"):
        read_picture(raw)


@pytest.mark.parametrize(("first", "check"), [("D2143569", "X"), ("A1234567", "4")])
def test_a_card_number_has_its_check_character(first, check):
    """The specification's own example, and ours."""
    assert card_no_check(first) == check


@pytest.mark.parametrize("first", ["", "D214356", "d2143569", "D214356\uff19"])
def test_what_is_no_card_number_has_none(first):
    """Eight digits or capital letters of ASCII."""
    with pytest.raises(ValueError, match="eight"):
        card_no_check(first)
