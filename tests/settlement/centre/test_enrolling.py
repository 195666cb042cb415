"""Insured persons from a CSV, lot by lot; and the day's statement out again."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from settlement.centre import enrolling, exporting, persons
from settlement.centre.book import Book
from settlement.centre.enrolling import COLUMNS, Loaded
from settlement.centre.errors import PersonsFileError
from settlement.centre.port import Certificate, CertificateType
from settlement.money import Money
from tests.settlement.centre.test_faults import Line, line, now

__all__ = ["line"]  # a fixture

HEADER = ",".join(COLUMNS)
ONE = (
    "2308009000000001,测试甲,990100198001010011,1980-01-01,C00000001,"
    "0000000000000000000000000000000a,390,1701,230800,1,0,120.50"
)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Open an empty book."""
    opened = Book(f"sqlite:///{tmp_path / 'centre.db'}", now)
    yield opened
    opened.close()


def load(book: Book, *rows: str, header: str = HEADER) -> Loaded:
    """Load rows under a header."""
    return enrolling.load(book, io.StringIO("\n".join((header, *rows)) + "\n"))


def test_a_person_is_found_by_card_and_identity_number(book: Book):
    """With insurance and opening balance, as if enrolled one by one."""
    done = load(book, ONE)
    shown = Certificate(
        CertificateType.SOCIAL_CARD, "C00000001", "0" * 31 + "A", "", ""
    )
    with book.reading() as page:
        found = persons.find_by_certificate(page, shown)
        other = Certificate(CertificateType.ID_CARD, "990100198001010011", "", "", "")
        same = persons.find_by_certificate(page, other)

    assert done == Loaded(1, 1)
    assert found is not None
    assert found.coverages[0].account_balance == Money(12_050)
    assert same is not None
    assert same.person_id == found.person_id
    assert book.check() == ()


def test_a_load_is_run_again_without_harm(book: Book):
    """Who is known stays as he is; his account is not opened twice."""
    first, again = load(book, ONE), load(book, ONE)
    with book.reading() as page:
        found = persons.find(page, "2308009000000001")

    assert (first.added, again.added) == (1, 0)
    assert found is not None
    assert found.coverages[0].account_balance == Money(12_050)


def test_a_second_insurance_is_a_second_row(book: Book):
    """One person, once; two coverages."""
    employee = ONE.replace(",390,1701,", ",310,11,")

    done = load(book, ONE, employee)

    with book.reading() as page:
        found = persons.find(page, "2308009000000001")
    assert done == Loaded(2, 1)
    assert found is not None
    assert len(found.coverages) == 2


def test_more_than_a_lot_is_loaded(book: Book):
    """Lots are how it stays small in memory, not how much it takes."""
    rows = (
        ONE.replace("2308009000000001", f"23080090{n:08d}")
        .replace("C00000001", f"C{n:08d}")
        .replace("990100198001010011", f"9901001980{n:08d}")
        for n in range(enrolling.LOT + 3)
    )

    assert load(book, *rows) == Loaded(enrolling.LOT + 3, enrolling.LOT + 3)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("1980-01-01", "1980-13-01", "birth_date is a day"),
        (",390,", ",999,", "insurance 310 or 390"),
        (",1,0,", ",2,0,", "0 or 1"),
        ("120.50", "120.505", "amount in yuan"),
        ("120.50", "-1", "below zero"),
        (",230800,", ",2308,", "region"),
        (",230800,", ",23O800,", "region of not six digits"),
        (",1701,", ",,", "person_type is empty"),
        ("2308009000000001", " 2308009000000001", "person_id has blanks"),
        ("C00000001", "C0000\0001", "card_no has blanks around it, or a control"),
        ("C00000001", '"C0000"0001', "quotes do not match"),
        ("测试甲", "", "name is empty"),
        (",120.50", "", "11 columns"),
    ],
)
def test_a_line_that_does_not_read_is_named(
    book: Book, old: str, new: str, problem: str
):
    """By its number; what it says is a person's and is not repeated."""
    spoilt = ONE.replace(old, new)

    with pytest.raises(PersonsFileError, match=problem) as refused:
        load(book, ONE, spoilt)

    assert refused.value.line == 3
    assert "990100" not in str(refused.value)


def test_a_file_that_is_not_utf8_is_refused(book: Book):
    """As a spreadsheet in China saves it; what it says is not repeated."""
    text = f"{HEADER}\n{ONE}".encode("gb18030")

    with pytest.raises(PersonsFileError, match="not UTF-8"):
        enrolling.load(book, io.TextIOWrapper(io.BytesIO(text), encoding="utf-8"))


@pytest.mark.parametrize("other", ["测试乙", "990100198001010028", "1980-01-02"])
@pytest.mark.parametrize("between", [0, enrolling.LOT])
def test_a_row_that_makes_somebody_another_is_refused(
    book: Book, other: str, between: int
):
    """Else one person's account would be opened for another, in the lot or after it."""
    old = {"测": "测试甲", "9": "990100198001010011", "1": "1980-01-01"}[other[0]]
    mistaken = ONE.replace(old, other).replace(",390,1701,", ",310,11,")

    with pytest.raises(PersonsFileError, match="person_id is known") as refused:
        load(book, ONE, *[ONE] * between, mistaken)

    assert refused.value.line == 3 + between


@pytest.mark.parametrize("between", [0, enrolling.LOT])
def test_the_first_row_of_an_insurance_counts(book: Book, between: int):
    """Whether the second one comes in the same lot does not decide about money."""
    load(book, ONE, *[ONE] * between, ONE.replace("120.50", "999.00"))

    with book.reading() as page:
        found = persons.find(page, "2308009000000001")
    assert found is not None
    assert found.coverages[0].account_balance == Money(12_050)


def test_numbers_that_another_has_are_counted(database_url: str):
    """They go on finding whom they found, and whoever loads is told."""
    book = Book(database_url, now)
    second = ONE.replace("2308009000000001", "2308009000000002").replace("甲", "乙")
    done = load(book, ONE, second)
    with book.reading() as page:
        shown = Certificate(CertificateType.ID_CARD, "990100198001010011", "", "", "")
        found = persons.find_by_certificate(page, shown)
    book.close()

    assert done == Loaded(2, 2, 2)
    assert found is not None
    assert found.person_id == "2308009000000001"


def test_a_file_with_another_header_is_refused(book: Book):
    """Columns in another order would make everybody somebody else."""
    with pytest.raises(PersonsFileError, match="the header must be"):
        load(book, ONE, header=HEADER.replace("person_id,name", "name,person_id"))


def test_a_days_statement_has_what_counts_that_day(line: Line):
    """A settlement, and not one that was reversed."""
    _, kept = line.settle("")
    msgid, gone = line.settle("")
    line.gateway.reverse(gone.person_id, "230800", msgid, "2102")
    with line.book.reading() as page:
        rows = list(exporting.statement(page, now().date()))
        before = list(exporting.statement(page, now().date() - dt.timedelta(days=1)))

    assert [row[0] for row in rows] == [kept.settlement_id]
    assert len(rows[0]) == len(exporting.WORDS) + len(exporting.FEN)
    assert before == []


def test_the_books_balance_by_institution_names_no_person(line: Line):
    """Personal accounts of an insurance are one line; all lines add up to nothing."""
    line.settle("")
    msgid, gone = line.settle("")
    line.gateway.reverse(gone.person_id, "230800", msgid, "2102")
    today = now().date()
    with line.book.reading() as page:
        sums = exporting.balances(page, today, today)

    assert sum(one.fen for one in sums) == 0
    assert {one.account: one.fen for one in sums}["fees"] == -4000
    assert not any(gone.person_id in one.account for one in sums)
    assert len({one.institution for one in sums}) == 1
