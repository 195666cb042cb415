"""The demonstration's persons: what the cards say and what the centre knows agree."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from config.card_profiles import load_deck
from config.centre_seed import SeedError, load_persons
from settlement.centre import persons
from settlement.centre.book import Book
from settlement.claim import Assistance, Insurance
from settlement.money import Money
from tests.settlement.centre.counter import Clock

CONFIG = Path(__file__).parents[3] / "config"
PERSONS = CONFIG / "demo_persons.toml"
REGION = "230800"


def seed_from(folder: Path, old: str, new: str) -> None:
    """Load a copy of the file with one thing changed."""
    shutil.copytree(CONFIG / "cards", folder / "cards")
    text = PERSONS.read_text(encoding="utf-8")
    (folder / PERSONS.name).write_text(text.replace(old, new, 1), encoding="utf-8")
    load_persons(folder / PERSONS.name, REGION, 2026)


def test_every_card_of_the_deck_finds_its_holder(tmp_path: Path) -> None:
    """A card nobody at the centre knows would be a demonstration of a mistake."""
    book = Book(f"sqlite:///{tmp_path / 'centre.db'}", Clock())
    enrolled = load_persons(PERSONS, REGION, 2026)

    added = persons.seed(book, enrolled)

    with book.reading() as page:
        found = [persons.find_by_certificate(page, e.certificate) for e in enrolled]
    assert added == len(load_deck(CONFIG / "cards")) == len(found)
    assert all(found)
    book.close()


def test_the_holders_differ_as_the_demonstration_needs() -> None:
    """One poor, one suspended, one near critical illness, one with 86.50."""
    by_name = {e.person.name: e for e in load_persons(PERSONS, REGION, 2026)}

    first = by_name["测试甲"].person.coverages[0]
    (insurance, year) = by_name["测试乙"].history[0]
    assert (first.account_balance, first.region) == (Money(8650), REGION)
    assert (insurance, year.year) == (Insurance.RESIDENT, 2026)
    assert year.compliant_own_pay > Money(1_500_000)
    assert by_name["测试己"].person.assistance == {Assistance.LOW_INCOME_ALLOWANCE}
    assert not by_name["测试庚"].person.coverages[0].active


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('card = "v3-jia"', 'card = "v9"', "person[0].card"),
        ('"0000000001"', '"1"', "person[0].number"),
        ('account = "86.50"', "account = 86.5", "person[0].account"),
        ('account = "86.50"', 'balance = "86.50"', "person[0].account"),
        ("suspended = true", "suspendet = true", "suspendet"),
        ("low_income_allowance", "rich", "assistance"),
        ("scope_entered", "scope", "scope"),
    ],
)
def test_a_wrong_person_is_refused_by_name(
    tmp_path: Path, old: str, new: str, key: str
) -> None:
    """An unknown key is a typing error, not a wish to be ignored."""
    with pytest.raises(SeedError, match=re.escape(key)):
        seed_from(tmp_path, old, new)
