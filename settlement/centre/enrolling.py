"""Insured persons by the million: one CSV, one person with one insurance a row.

Rows go in by the thousand, each lot in one transaction; who is known already stays as
he is, so a load that broke off is simply run again.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TextIO

from sqlalchemy import insert, select
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


@dataclass(frozen=True, slots=True, repr=False)
class Insured:
    """One row."""

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


def load(book: Book, file: TextIO) -> Loaded:
    """Load a CSV with the header ``COLUMNS``.

    Raises:
        PersonsFileError: names the first line that does not read.
    """
    rows, added = 0, 0
    read = _read(file)
    while lot := list(islice(read, LOT)):
        with book.writing() as page:
            added += _write(page, lot)
        rows += len(lot)
    return Loaded(rows, added)


def _read(file: TextIO) -> Iterator[Insured]:
    reader = csv.reader(file)
    header = next(reader, [])
    if tuple(header) != COLUMNS:
        raise PersonsFileError(1, f"the header must be {','.join(COLUMNS)}")
    for row in reader:
        yield _insured(reader.line_num, row)


def _insured(line: int, row: list[str]) -> Insured:
    if len(row) != len(COLUMNS):
        raise PersonsFileError(line, f"{len(row)} columns, {len(COLUMNS)} expected")
    told = dict(zip(COLUMNS, row, strict=True))
    for name in ("person_id", "name", "person_cert_no", "card_no", "card_serial"):
        if not told[name]:
            raise PersonsFileError(line, f"{name} is empty")
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
    if balance < Money.ZERO or len(told["region"]) != 6:  # noqa: PLR2004 - 区划 has six digits
        raise PersonsFileError(line, "a balance below zero, or a region of not six")
    return Insured(
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


def _write(page: Page, lot: list[Insured]) -> int:
    """Write a lot; return how many persons of it are new."""
    ids = {one.person_id for one in lot}
    known = _known(page, ids)
    new = {one.person_id: one for one in lot if one.person_id not in known}
    covered = _covered(page, ids)
    fresh = {
        (one.person_id, one.insurance): one
        for one in lot
        if (one.person_id, one.insurance) not in covered
    }
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
        _certificates(page, new.values())
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
    return len(new)


def _known(page: Page, ids: Iterable[str]) -> set[str]:
    found = select(PERSON.c.person_id).where(PERSON.c.person_id.in_(ids))
    return set(page.connection.execute(found).scalars())


def _covered(page: Page, ids: Iterable[str]) -> set[tuple[str, str]]:
    found = select(COVERAGE.c.person_id, COVERAGE.c.insurance)
    rows = page.connection.execute(found.where(COVERAGE.c.person_id.in_(ids)))
    return {(row.person_id, row.insurance) for row in rows}


def _certificates(page: Page, new: Iterable[Insured]) -> None:
    """Let card and identity number find each; a number somebody has stays his."""
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
