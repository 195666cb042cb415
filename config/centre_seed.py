"""The demonstration's persons for the reference centre: cards and TOML in.

Who a holder is stands on the emulated card; how he is insured stands in
``demo_persons.toml``. One place each, so card and centre cannot disagree.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from config.card_profiles import load_deck
from config.errors import ConfigError
from config.toml_table import Table, read
from reader.emulator.deck import CardSpec
from settlement.centre.persons import Enrolment, sex_of
from settlement.centre.port import (
    Certificate,
    CertificateType,
    Coverage,
    Person,
    age_on,
)
from settlement.claim import AMOUNTS, Accumulators, Assistance, Category, Insurance
from settlement.money import Money
from settlement.nhsa import PERSON_TYPE

CARDS = "cards"

_NUMBER_DIGITS = 10


class SeedError(ConfigError):
    """The demonstration's persons do not read, or name a card that is not there."""

    code = "seed-invalid"

    def __init__(self, file: str, key: str, problem: str) -> None:
        super().__init__(f"{file}: {key}: {problem}. Correct the file and start again.")
        self.file = file
        self.key = key


@dataclass(frozen=True, slots=True)
class _Where:
    """What is the same for every person of one seed."""

    region: str
    year: int
    cards: dict[str, CardSpec]


def load_persons(path: Path, region: str, year: int) -> tuple[Enrolment, ...]:
    """Load the persons of *path*, with the cards of the folder beside it.

    Args:
        path: ``demo_persons.toml``; ``cards/demo_deck.toml`` lies beside it.
        region: 参保地医保区划 they are all insured in, six digits.
        year: the year their earlier sums belong to.

    Raises:
        SeedError: names file and key of the first thing wrong.
        ProfileError: the deck does not read.
        OSError: a file cannot be read.
    """

    def refusal(key: str, problem: str) -> SeedError:
        return SeedError(path.name, key, problem)

    cards = {card.card_id: card for card in load_deck(path.parent / CARDS)}
    where = _Where(region, year, cards)
    top = read(path.read_bytes(), refusal)
    persons = tuple(_person(row, where) for row in top.rows("person"))
    top.finish()
    return persons


def _person(row: Table, where: _Where) -> Enrolment:
    card_id = row.text("card")
    if card_id not in where.cards:
        row.refuse("card", f"no card {card_id} in the deck")
    card = where.cards[card_id]
    number = row.text("number")
    if len(number) != _NUMBER_DIGITS or not number.isdecimal():
        row.refuse("number", f"must be {_NUMBER_DIGITS} digits")
    has_category = row.has("category")
    category = row.word("category", Category) if has_category else Category.RESIDENT
    if category not in PERSON_TYPE:
        row.refuse("category", f"{category.value} has no 人员类别 of its own")
    coverage = Coverage(
        insurance=Insurance.RESIDENT,
        active=not (row.has("suspended") and row.flag("suspended")),
        region=where.region,
        person_type=PERSON_TYPE[category],
        account_balance=row.amount("account"),
    )
    has_classes = row.has("assistance")
    classes = row.words("assistance", Assistance) if has_classes else frozenset()
    state = _state(row.table("year"), where.year) if row.has("year") else None
    row.finish()
    return Enrolment(
        person=Person(
            person_id=f"{where.region}{number}",
            name=card.name,
            person_cert_no=card.person_cert_no,
            birth_date=card.birth_date,
            age_years=age_on(card.birth_date, dt.date(where.year, 1, 1)),
            sex=sex_of(card.person_cert_no),
            coverages=(coverage,),
            assistance=classes,
        ),
        certificate=_certificate(card),
        history=() if state is None else ((Insurance.RESIDENT, state),),
    )


def _certificate(card: CardSpec) -> Certificate:
    return Certificate(
        kind=CertificateType.SOCIAL_CARD,
        number=card.card_no,
        card_serial=card.card_serial,
        person_cert_no=card.person_cert_no,
        name=card.name,
    )


def _state(row: Table, year: int) -> Accumulators:
    """Read how the year stands; a sum that is not named is zero."""
    sums = {name: row.amount(name) if row.has(name) else Money.ZERO for name in AMOUNTS}
    admissions = row.whole("admissions") if row.has("admissions") else 0
    row.finish()
    return Accumulators.of(year, admissions, sums)
