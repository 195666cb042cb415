"""Reported cards: both record forms, and a file that is wrong says where."""

from pathlib import Path

import pytest

from config.errors import ListedCardsError
from config.listed_cards import load_listed_cards

SERIAL = "990100D1560000050000000100000002"
OTHER = "990100D1560000050000000100000003"


def write(folder: Path, text: str) -> Path:
    """Write a list."""
    path = folder / "listed.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_card_is_listed_by_its_serial_and_its_number(tmp_path):
    """Another card with the same number was issued after it, and is good."""
    listed = load_listed_cards(write(tmp_path, f"{SERIAL},A12345674\n"))

    assert listed.holds(SERIAL, "A12345674")
    assert not listed.holds(OTHER, "A12345674")


def test_a_range_holds_both_its_ends_and_no_more(tmp_path):
    """A lost box of cards is one line."""
    listed = load_listed_cards(write(tmp_path, "A12345674 - A12345690\n"))

    assert listed.holds(OTHER, "A12345674")
    assert listed.holds(OTHER, "A12345682")
    assert listed.holds(OTHER, "A12345690")
    assert not listed.holds(OTHER, "A12345704")


def test_comments_blank_lines_and_a_spreadsheets_mark_are_skipped(tmp_path):
    """Lists come out of spreadsheets, and people write dates into them."""
    text = f"\ufeff# 2026-11-23\n\n{SERIAL.lower()} , a12345674  # 挂失\n"

    assert load_listed_cards(write(tmp_path, text)).holds(SERIAL, "A12345674")


@pytest.mark.parametrize(
    "record",
    [
        f"{SERIAL}",
        f"{SERIAL[:-1]},A12345674",
        f"{SERIAL},A1234567",
        "A12345674-A1234569",
        "A12345690-A12345674",
        "serial,number",
    ],
)
def test_a_line_that_is_no_record_is_named_and_not_repeated(tmp_path, record):
    """Half a list would let reported cards through; a log must not hold numbers."""
    path = write(tmp_path, f"{SERIAL},A12345674\n{record}\n")

    with pytest.raises(ListedCardsError) as refused:
        load_listed_cards(path)

    assert str(refused.value).startswith("listed.csv:2: ")
    assert record not in str(refused.value)


def test_a_list_that_is_not_there_is_refused(tmp_path):
    """A typing error in its name must not mean that no card is reported."""
    with pytest.raises(ListedCardsError, match="cannot be read"):
        load_listed_cards(tmp_path / "listed.csv")


def test_a_list_that_is_no_text_is_refused(tmp_path):
    """Such as a spreadsheet that was saved as one."""
    path = tmp_path / "listed.csv"
    path.write_bytes(b"PK\x03\x04\xff")

    with pytest.raises(ListedCardsError, match="cannot be read"):
        load_listed_cards(path)
