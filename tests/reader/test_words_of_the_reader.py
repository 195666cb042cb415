"""What the room says: examples that run, errors that help and give nobody away."""

from __future__ import annotations

import doctest
import re
from types import ModuleType

import pytest

from reader import codec, crypto, greeting
from reader.codec import read_an, read_cn, read_date, write_an, write_cn
from reader.crypto import Algorithm
from reader.errors import CardDataError, ReaderError
from reader.files import split_records

CHINESE = re.compile(r"[\u4e00-\u9fff]")
KEY = bytes(range(16))


def every_error() -> list[type[ReaderError]]:
    """List the tree."""
    found: list[type[ReaderError]] = [ReaderError]
    for error in found:
        found += error.__subclasses__()
    return found


@pytest.mark.parametrize("module", [codec, greeting], ids=lambda m: m.__name__)
def test_the_examples_in_the_docstrings_run(module: ModuleType):
    """An example that no longer holds teaches a mistake."""
    failed, tried = doctest.testmod(module)

    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.__name__)
def test_an_error_has_a_code_and_a_sentence_in_both_languages(error):
    """What is wrong and what the cashier does now; the code is for the runbook."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code)
    assert len(CHINESE.findall(error.sentence_zh)) >= 8
    assert error.sentence_zh.endswith("。")
    assert error.sentence_en.endswith(".")


def test_a_message_names_the_place_and_keeps_the_sentence():
    """Support reads the place, the counter the sentence."""
    said = str(CardDataError("SSSEEF06", "name", "is missing"))

    assert CardDataError.sentence_en in said
    assert "SSSEEF06 name: is missing" in said


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("B2E2CAD4BCD70000", "测试甲"),
        ("B2E2202000", "测"),
        ("41422043", "AB C"),
        ("00", ""),
    ],
)
def test_text_loses_its_padding_and_nothing_else(raw, text):
    """00 and blanks behind it; a blank inside a name belongs to it."""
    assert read_an(bytes.fromhex(raw)) == text


@pytest.mark.parametrize("raw", ["FF", "B2", "411B5B324A", "410A42", "41007F42"])
def test_bytes_that_are_no_printable_text_are_refused(raw):
    """Half a character, or a control sequence that clears the screen."""
    with pytest.raises(ValueError, match=r"codec|print"):
        read_an(bytes.fromhex(raw))


@pytest.mark.parametrize("raw", ["A1", "1F2F", "0B"])
def test_a_nibble_that_is_no_digit_is_refused(raw):
    """F is padding at the end and nowhere else."""
    with pytest.raises(ValueError, match="digit"):
        read_cn(bytes.fromhex(raw))


@pytest.mark.parametrize("raw", ["20240230", "00000000", "2024060F", "202406"])
def test_a_day_that_does_not_exist_is_refused(raw):
    """Nothing is rounded to the nearest day."""
    with pytest.raises(ValueError, match=r"day|year|digits|month"):
        read_date(bytes.fromhex(raw))


def test_what_is_written_reads_the_same():
    """Reader and emulator must not agree on a mistake: the bytes are said too."""
    assert write_an("测试甲", 8).hex().upper() == "B2E2CAD4BCD70000"
    assert write_cn("9901", 3).hex().upper() == "9901FF"
    assert read_cn(write_cn("9901", 3)) == "9901"


@pytest.mark.parametrize(
    ("write", "value"), [(write_an, "测试"), (write_cn, "12345"), (write_cn, "1a")]
)
def test_what_does_not_fit_is_not_cut(write, value):
    """A cut number is another number."""
    with pytest.raises(ValueError, match=r"fit|digits"):
        write(value, 2)


def test_a_cut_record_is_named_by_its_tag():
    """The tag says which element; the bytes stay out of it."""
    with pytest.raises(CardDataError, match="SSSEEF06 09: a record is cut short"):
        split_records("SSSEEF06", bytes.fromhex("0A0131" + "0905B2E2"))


@pytest.mark.parametrize(
    ("work", "data"),
    [
        (crypto.session_key, bytes(8)),
        (crypto.diversify, bytes(8)),
        (crypto.mac, bytes(8)),
        (crypto.encrypt_secured, bytes(8)),
    ],
    ids=["session_key", "diversify", "mac", "encrypt_secured"],
)
def test_ssf33_is_not_computed_in_software(work, data):
    """It is not public; what a program made of it would cost the card a try."""
    with pytest.raises(AssertionError, match="hardware only"):
        work(Algorithm.SSF33, KEY, data)
