"""The explanation: every amount has a rule, a value, a clause, and they add up."""

from fractions import Fraction

import pytest

from settlement.explain import (
    LABELS,
    check,
    refusal_sentence,
    rows,
    tree,
    unverified_mark,
)
from settlement.money import Money
from settlement.split import Part, Payer, Refused
from tests.settlement.claims import claim, line, settled

SPLIT = settled(
    claim(
        lines=(line(1, "A", "40000.00"), line(2, "B", "2000.00"), line(3, "C", "5.00")),
        assistance=["low_income_allowance"],
        balance="100.00",
    )
)


def test_every_row_says_rule_value_arithmetic_and_clause():
    """A figure on the receipt can be followed by finger to its clause."""
    for row in rows(SPLIT, "zh"):
        empty = {key for key, value in row.items() if not value}
        assert empty <= {"line_no", "payer", "derived", "base", "base_arithmetic"}


def test_the_rows_of_both_languages_carry_the_same_amounts():
    """A translation must not change money."""
    pairs = zip(rows(SPLIT, "zh"), rows(SPLIT, "en"), strict=True)

    for chinese, english in pairs:
        assert chinese["amount"] == english["amount"]
        assert chinese["arithmetic"] == english["arithmetic"]
        assert chinese["label"] != english["label"]


def test_the_rows_add_up_to_the_split():
    """The explanation is the split itself, not a second opinion."""
    check(SPLIT)


def test_points_are_told_below_the_ratio_they_raised():
    """65% and 5 points come from two sentences of the text, and make 70%."""
    (pooled,) = [c for c in SPLIT.charges if c.payer is Payer.POOLED_FUND]

    assert pooled.reason.value == "70%"
    assert [(r.rule, r.value) for r in pooled.reason.because] == [
        ("as_stated", "65%"),
        ("change_points", "5%"),
    ]
    quotes = {r.clause.quote for r in pooled.reason.because}
    assert len(quotes) == 2


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_printed_amount_leads_to_its_clause(language):
    """From the amount to line or band, to the rule, to the words of the text."""
    for root in tree(SPLIT, language):
        assert Money.yuan(root.amount) == Money.total(
            Money.yuan(node.amount) for node in root.below
        )
        for node in root.below:
            assert node.clause is not None
            assert node.clause.quote
            assert node.label


def test_an_assumption_shows_its_grade_and_reason():
    """The 10% of class B is ours and says so where it is used."""
    upfront = [r for r in rows(SPLIT, "zh") if r["rule"] == "upfront_share"]

    assert [row["grade"] for row in upfront] == ["assumption"]
    assert "假定" in upfront[0]["quote"]


def test_a_ratio_of_the_item_itself_does_not_cite_the_ratio_of_its_class():
    """The 50% of a lens must not be explained by a sentence that says 10%."""
    lens = line(1, "B", "100.00", upfront_ratio=Fraction(1, 2))

    first, _, *_ = rows(settled(claim(lines=(lens,))), "zh")

    assert (first["rule"], first["value"]) == ("upfront_share_item", "50%")
    assert "10%" not in first["quote"]


def test_every_part_and_payer_has_an_official_label():
    """A new fund fails here until somebody names it in both languages."""
    keys = {part.value for part in Part} | {payer.value for payer in Payer}

    assert keys | {"deductible"} == LABELS.keys()


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (
            Refused("no-benefit-for-tier", {"tier": "township", "kind": "inpatient"}),
            "乡镇卫生院的普通住院",
        ),
        (Refused("no-policy-pack", {"region": "990100"}), "990100"),
        (Refused("something-new", {}), "something-new"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_do(refused, words):
    """Also a code nobody has a sentence for yet must not crash the counter."""
    assert words in refusal_sentence(refused, "zh")
    assert refusal_sentence(refused, "en").endswith(".")


def test_the_sample_mark_says_so_in_both_languages():
    """Sample figures are marked wherever they are shown."""
    assert "未经核实" in unverified_mark("zh")
    assert "not verified" in unverified_mark("en")
