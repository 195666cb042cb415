"""The explanation: every amount has a rule, a value, a clause, and they add up."""

from dataclasses import replace
from fractions import Fraction

import pytest

from settlement.explain import (
    LABELS,
    check,
    refusal_sentence,
    rows,
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
        assert empty <= {"line_no", "payer"}


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


def test_a_charge_that_lost_a_fen_is_found_out():
    """The check must be able to fail, or it proves nothing."""
    *others, cash = SPLIT.charges
    short = replace(cash, amount=cash.amount - Money(1))
    broken = replace(SPLIT, charges=(*others, short))

    with pytest.raises(AssertionError, match="I1"):
        check(broken)


def test_a_part_that_lost_a_fen_is_found_out():
    """Parts and charges are two ways to the same total."""
    first, *others = SPLIT.parts
    short = replace(first, amount=first.amount - Money(1))

    with pytest.raises(AssertionError):
        check(replace(SPLIT, parts=(short, *others)))


def test_arithmetic_that_ends_in_another_amount_is_found_out():
    """A reason that does not lead to its amount is worse than none."""
    *others, cash = SPLIT.charges
    wrong = replace(cash, reason=replace(cash.reason, arithmetic="1.00 = 1.00"))

    with pytest.raises(AssertionError, match="arithmetic"):
        check(replace(SPLIT, charges=(*others, wrong)))


def test_points_and_ratio_are_two_rows_with_their_own_clauses():
    """65% and 5% come from two sentences of the text."""
    pooled = [r for r in rows(SPLIT, "zh") if r["payer"] == Payer.POOLED_FUND.value]

    assert [row["value"] for row in pooled] == ["65%", "5%"]
    assert pooled[0]["quote"] != pooled[1]["quote"]


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
