"""Insured persons by the million: one CSV, one person with one insurance a row.

Rows go in by the thousand, each lot in one transaction; who is known already stays as
he is, so a load that broke off is simply run again. A row that names a known person
and tells of somebody else is refused: his account would be another's.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TextIO

from sqlalchemy import func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from settlement.centre.book import Book, Page
from settlement.centre.errors import PersonsFileError
from settlement.centre.persons import OPENING
from settlement.centre.port import CertificateType
from settlement.centre.tables import ACCOUNT_MOVEMENT, CERTIFICATE, COVERAGE, PERSON
from settlement.money import Money
from settlement.nhsa import INSURANCE

COLUMNS = (
    "person_id",
    "name",
    "person_cert_no",
    "birth_date",
    "card_no",
    "card_serial",
    "insurance",
    "person_type",
    "region",
    "active",
    "civil_servant",
    "account_balance",
)
LOT = 5_000

_INSURANCE_OF = {code: kind for kind, code in INSURANCE.items()}
_FLAG = {"0": 0, "1": 1}
_REGION = re.compile(r"[0-9]{6}")


@dataclass(frozen=True, slots=True, repr=False)
class Insured:
    """One row."""

    line: int
    person_id: str
    name: str
    cert_no: str
    birth_on: str
    card_no: str
    card_serial: str
    insurance: str
    person_type: str
    region: str
    active: int
    civil_servant: int
    balance_fen: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load came to."""

    rows: int
    added: int  #: persons that were not known
    taken: int = 0  #: card and identity numbers of theirs that others have already


def load(book: Book, file: TextIO) -> Loaded:
    """Load a CSV with the header ``COLUMNS``.

    Raises:
        PersonsFileError: names the first line that does not read.
    """
    rows, added, taken = 0, 0, 0
    read = _read(file)
    while lot := list(islice(read, LOT)):
        with book.writing() as page:
            new, theirs = _write(page, lot)
        rows, added, taken = rows + len(lot), added + new, taken + theirs
    return Loaded(rows, added, taken)


def _read(file: TextIO) -> Iterator[Insured]:
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader, [])
        if tuple(header) != COLUMNS:
            raise PersonsFileError(1, f"the header must be {','.join(COLUMNS)}")
        for row in reader:
            yield _insured(reader.line_num, row)
    except UnicodeDecodeError:
        problem = "it is not UTF-8, here or soon after; save the file as CSV UTF-8"
        raise PersonsFileError(reader.line_num + 1, problem) from None
    except csv.Error:
        problem = "its quotes do not match, here or before"
        raise PersonsFileError(reader.line_num, problem) from None


def _insured(line: int, row: list[str]) -> Insured:
    if len(row) != len(COLUMNS):
        raise PersonsFileError(line, f"{len(row)} columns, {len(COLUMNS)} expected")
    told = dict(zip(COLUMNS, row, strict=True))
    for name in COLUMNS[:-1]:
        if not told[name]:
            raise PersonsFileError(line, f"{name} is empty")
    for name, text in told.items():
        # Two persons would look like one, and be two.
        if text != text.strip() or any(sign < " " for sign in text):
            raise PersonsFileError(line, f"{name} has blanks around it, or a control")
    try:
        birth_on = dt.date.fromisoformat(told["birth_date"]).isoformat()
        balance = Money.yuan(told["account_balance"] or "0")
        insurance = _INSURANCE_OF[told["insurance"]].value
        active, servant = _FLAG[told["active"]], _FLAG[told["civil_servant"]]
    except (ValueError, KeyError):
        problem = (
            "birth_date is a day, insurance 310 or 390, active and civil_servant 0 or "
            "1, account_balance an amount in yuan"
        )
        raise PersonsFileError(line, problem) from None
    if balance < Money.ZERO or not _REGION.fullmatch(told["region"]):
        problem = "a balance below zero, or a region of not six digits"
        raise PersonsFileError(line, problem)
    return Insured(
        line=line,
        person_id=told["person_id"],
        name=told["name"],
        cert_no=told["person_cert_no"],
        birth_on=birth_on,
        card_no=told["card_no"],
        card_serial=told["card_serial"].upper(),
        insurance=insurance,
        person_type=told["person_type"],
        region=told["region"],
        active=active,
        civil_servant=servant,
        balance_fen=balance.fen,
    )


def _write(page: Page, lot: list[Insured]) -> tuple[int, int]:
    """Write a lot; return how many persons are new, and how many numbers are taken.

    Of rows that say the same thing differently the first one counts, within a lot as
    between two.
    """
    ids = {one.person_id for one in lot}
    known, covered = _known(page, ids), _covered(page, ids)
    new: dict[str, Insured] = {}
    fresh: dict[tuple[str, str], Insured] = {}
    for one in lot:
        who = (one.name, one.cert_no, one.birth_on)
        if one.person_id not in known:
            new[one.person_id], known[one.person_id] = one, who
        if known[one.person_id] != who:
            problem = "its person_id is known with another name, number or birth_date"
            raise PersonsFileError(one.line, problem)
        if (one.person_id, one.insurance) not in covered:
            fresh.setdefault((one.person_id, one.insurance), one)
    taken = 0
    if new:
        page.connection.execute(
            insert(PERSON),
            [
                {
                    "person_id": one.person_id,
                    "name": one.name,
                    "cert_no": one.cert_no,
                    "birth_on": one.birth_on,
                    "assistance": "",
                }
                for one in new.values()
            ],
        )
        taken = _certificates(page, new.values())
    if fresh:
        page.connection.execute(
            insert(COVERAGE),
            [
                {
                    "person_id": one.person_id,
                    "insurance": one.insurance,
                    "region": one.region,
                    "active": one.active,
                    "person_type": one.person_type,
                    "civil_servant": one.civil_servant,
                }
                for one in fresh.values()
            ],
        )
        _openings(page, fresh.values())
    return len(new), taken


def _known(page: Page, ids: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    found = select(PERSON).where(PERSON.c.person_id.in_(ids))
    return {
        row.person_id: (row.name, row.cert_no, row.birth_on)
        for row in page.connection.execute(found)
    }


def _covered(page: Page, ids: Iterable[str]) -> set[tuple[str, str]]:
    found = select(COVERAGE.c.person_id, COVERAGE.c.insurance)
    rows = page.connection.execute(found.where(COVERAGE.c.person_id.in_(ids)))
    return {(row.person_id, row.insurance) for row in rows}


def _certificates(page: Page, new: Iterable[Insured]) -> int:
    """Let card and identity number find each; a number somebody has stays his.

    Returns:
        How many numbers somebody has.
    """
    rows = [
        {
            "kind": kind.value,
            "number": number,
            "card_serial": serial,
            "person_id": one.person_id,
        }
        for one in new
        for kind, number, serial in (
            (CertificateType.SOCIAL_CARD, one.card_no, one.card_serial),
            (CertificateType.ID_CARD, one.cert_no, ""),
        )
    ]
    on = sqlite if page.connection.dialect.name == "sqlite" else postgresql
    page.connection.execute(on.insert(CERTIFICATE).on_conflict_do_nothing(), rows)
    theirs = {str(row["person_id"]) for row in rows}
    found = select(func.count()).where(CERTIFICATE.c.person_id.in_(theirs))
    return len(rows) - page.connection.execute(found).scalar_one()


def _openings(page: Page, fresh: Iterable[Insured]) -> None:
    rows = [
        {
            "person_id": one.person_id,
            "insurance": one.insurance,
            "cause": OPENING,
            "amount_fen": one.balance_fen,
            "at": page.at_text,
        }
        for one in fresh
        if one.balance_fen
    ]
    if rows:
        page.connection.execute(insert(ACCOUNT_MOVEMENT), rows)
