"""A holder's record for the tests: every file of a card with its readable vectors."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from reader.files import Values
from reader.profile import CardFile, Structure
from settlement.centre.port import Coverage, Person
from settlement.claim import Accumulators, Assistance, Insurance
from settlement.money import Money
from terminal.card_files import (
    HOLDER_FILES,
    FileRead,
    FileState,
    HolderRecord,
    Standing,
)
from tests.shipped import PROFILES

PROFILE = next(p for p in PROFILES if p.name == "v3")
NAME, CERT_NO, CARD_NO = "测试甲", "990100198001010018", "A12345674"
SERIAL = "990100D1560000050000000100000002"
JPEG = b"\xff\xd8\xff\xe0\xff\xd9"

_MINE = {
    "person_cert_no": CERT_NO,
    "name": NAME,
    "name_more": "",
    "card_serial": SERIAL,
    "card_no": CARD_NO,
    "sex": "1",
}


def values_of(file: CardFile) -> Values:
    """Return what the vectors of a file say; who it is, is this test's holder."""
    values: Values = {}
    for element in file.elements:
        values[element.name] = _MINE.get(element.name, element.text)
        if element.inner:
            del values[element.name]
            for inner in element.inner:
                values[f"{element.name}.1.{inner.name}"] = inner.text
    return values


def read_of(file_name: str, /, **changed: str) -> FileRead:
    """Return one file as it was read, with some of its values changed."""
    file = PROFILE.files[file_name]
    if file.structure is Structure.TRANSPARENT:
        return FileRead(FileState.READ, file, JPEG)
    values = {**values_of(file), **changed}
    log = file.structure is Structure.CYCLIC
    return FileRead(FileState.READ, file, (values,) if log else values)


def a_person(*coverages: Coverage) -> Person:
    """Return the holder as the centre knows him."""
    return Person(
        person_id="P1",
        name=NAME,
        person_cert_no=CERT_NO,
        birth_date=dt.date(1980, 1, 1),
        age_years=46,
        sex="female",
        coverages=coverages or (a_coverage(),),
        assistance=frozenset({Assistance.LOW_INCOME_ALLOWANCE}),
    )


def a_coverage(*, active: bool = True) -> Coverage:
    """Return residents' insurance with 86.50 yuan in the account."""
    return Coverage(
        insurance=Insurance.RESIDENT,
        active=active,
        region="230800",
        person_type="1701",
        account_balance=Money.yuan("86.50"),
    )


def a_standing() -> Standing:
    """Return an answer of the centre with something in the year's accumulators."""
    year = Accumulators(2026, admissions=1, deductible_paid=Money.yuan("500.00"))
    return Standing(a_person(), ((a_coverage(), year),))


def a_record(**files: FileRead) -> HolderRecord:
    """Return a whole record, with some of its files read otherwise."""
    read = {name: read_of(name) for name in HOLDER_FILES}
    return HolderRecord({**read, **files}, a_standing())


def at_centre(standing: Standing) -> HolderRecord:
    """Return a whole record for which the centre said something else."""
    return replace(a_record(), standing=standing)
