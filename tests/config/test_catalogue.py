"""The catalogue: synthetic items that say so, and a loader that guesses nothing."""

from fractions import Fraction
from pathlib import Path

import pytest

from config.catalogue import load_catalogue
from settlement.claim import FeeLine, ItemClass, Tier
from settlement.errors import CatalogueError, CatalogueItemUnknownError
from settlement.money import Money

FILE = Path(__file__).resolve().parents[2] / "config" / "catalogue" / "sample.toml"
SAMPLE = load_catalogue(FILE)
TEXT = FILE.read_text(encoding="utf-8")


def fee_line(
    code: str, *, tier: Tier = Tier.TERTIARY, approved: bool = True
) -> FeeLine:
    """Ask the catalogue about one unit at ten yuan."""
    ten = Fraction(10)
    return SAMPLE.fee_line(1, code, ten, Fraction(1), Money.yuan("10"), tier, approved)


def test_every_item_of_the_sample_says_that_it_is_one():
    """Nobody may take a synthetic code for an entry of the national catalogue."""
    assert SAMPLE.sample
    assert len(SAMPLE.items) >= 40
    assert all(code.startswith("X") for code in SAMPLE.items)
    assert all("样本" in item.name for item in SAMPLE.items.values())
    assert {item.item_class for item in SAMPLE.items.values()} == set(ItemClass)


def test_a_line_takes_class_ratio_and_limit_of_its_item_and_level():
    """The price limit is the one of the institution's own level."""
    bed = fee_line("XG0001", tier=Tier.PRIMARY)
    lens = fee_line("XK0002", tier=Tier.SECONDARY)

    assert (bed.item_class, bed.price_limit) == (ItemClass.A, Fraction(20))
    assert (lens.upfront_ratio, lens.price_limit) == (Fraction(1, 2), Fraction(2200))
    assert fee_line("XA0001").price_limit is None


def test_a_restricted_item_counts_only_when_it_was_approved():
    """限制使用 without approval is own pay; an open item needs none."""
    assert fee_line("XA0009", approved=False).restriction_unmet
    assert not fee_line("XA0009", approved=True).restriction_unmet
    assert not fee_line("XA0001", approved=False).restriction_unmet


def test_an_unknown_code_is_refused_and_not_taken_for_class_c():
    """A typing error must not become the patient's own pay."""
    with pytest.raises(CatalogueItemUnknownError, match="XA9999"):
        fee_line("XA9999")


def test_items_are_found_by_code_and_by_name():
    """The cashier types what he remembers."""
    assert [item.code for item in SAMPLE.search("xg0001")] == ["XG0001"]
    assert [item.code for item in SAMPLE.search("床位")][:2] == [
        "XG0001",
        "XG0002",
    ]
    assert SAMPLE.search("nothing of the kind") == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('price = "18.60"', "price = 18.60", "with a point"),
        ('unit = "盒"', 'unit = "盒"\ncolour = "red"', "item[0].colour: unknown key"),
        ('class = "A"', 'class = "D"', "item[0].class"),
        ('code = "XA0002"', 'code = "XA0001"', "occurs twice"),
        ("sample = true", "", "catalogue.sample: is missing"),
        ('township = "4"', 'village = "4"', "price_limits.village: unknown key"),
        ('upfront_ratio = "0.20"', 'upfront_ratio = "20"', "between 0 and 1"),
    ],
)
def test_a_catalogue_that_is_not_one_is_refused_by_key(tmp_path, old, new, words):
    """The file and the key are named, so that it can be corrected."""
    assert old in TEXT
    broken = tmp_path / "broken.toml"
    broken.write_text(TEXT.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(CatalogueError) as refused:
        load_catalogue(broken)
    assert "broken.toml" in str(refused.value)
    assert words in str(refused.value)
