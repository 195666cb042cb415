"""Why the centre's figures differ: named only where the sums come out to the fen."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest

from settlement.attribution import attribute
from settlement.claim import Accumulators, Claim, ItemClass
from settlement.explain import suspect_sentence
from settlement.facts import suspects_from_json, suspects_to_json
from settlement.money import Money
from settlement.split import SettledAmounts
from tests.settlement.claims import JIAMUSI, claim, line, settled

BILL = claim(
    lines=(line(1, "A", "5000.00"), line(2, "B", "300.00"), line(3, "C", "20.00")),
    balance="100.00",
)


def centre(asked: Claim) -> SettledAmounts:
    """Answer as a centre that holds *asked* would."""
    return SettledAmounts.of(settled(asked))


def with_line(number: int, **changed: object) -> Claim:
    """Change one line of the bill."""
    lines = tuple(
        replace(each, **changed) if each.line_no == number else each  # type: ignore[arg-type]
        for each in BILL.lines
    )
    return replace(BILL, lines=lines)


def kinds(asked: Claim) -> set[str]:
    """Name what would explain the centre's figures whole."""
    found = attribute(BILL, JIAMUSI, centre(asked))
    return {suspect.kind for suspect in found if suspect.whole}


def test_figures_that_agree_need_no_explanation():
    """A suspect where nothing differs would be slander."""
    assert attribute(BILL, JIAMUSI, centre(BILL)) == ()


def test_another_balance_is_found():
    """The account was used at another counter meanwhile."""
    less = replace(BILL.insured, account_balance=Money.yuan("50.00"))

    (suspect,) = attribute(BILL, JIAMUSI, centre(replace(BILL, insured=less)))

    assert (suspect.kind, suspect.ours, suspect.centres) == (
        "balance",
        "100.00",
        "50.00",
    )
    assert suspect.explains == ("account_pay", "cash_pay")


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (with_line(2, item_class=ItemClass.A), "class"),
        (with_line(2, upfront_ratio=Fraction(1, 5)), "own_ratio"),
        (with_line(2, price_limit=Fraction(250)), "price_limit"),
        (with_line(1, restriction_unmet=True), "approval"),
        (
            replace(
                BILL,
                before=Accumulators(2018, pooled_inpatient_paid=Money.yuan("79000")),
            ),
            "accumulator:pooled_inpatient_paid",
        ),
    ],
)
def test_the_fact_the_centre_holds_otherwise_is_among_the_suspects(asked, kind):
    """Each suspect was tried, and the whole bill came out as the centre's."""
    assert kind in kinds(asked)


def test_the_lines_the_centre_agrees_on_are_not_suspected():
    """With the centre's own lines at hand only the differing one is tried."""
    other = with_line(2, item_class=ItemClass.A)
    lines = {
        1: (Money.ZERO, Money.ZERO, Money.ZERO),
        2: (Money.ZERO, Money.ZERO, Money.ZERO),
        3: (Money.yuan("20.00"), Money.ZERO, Money.ZERO),
    }

    found = attribute(BILL, JIAMUSI, centre(other), lines)

    assert found
    assert {suspect.line_no for suspect in found if suspect.kind == "class"} == {2}


def test_a_difference_nothing_explains_is_left_unexplained():
    """One fen moved between fund and cash is no fact of the bill."""
    ours = centre(BILL)
    fen = Money(1)
    moved = replace(
        ours,
        pooled_fund=ours.pooled_fund + fen,
        fund_total=ours.fund_total + fen,
        person_total=ours.person_total - fen,
        cash_pay=ours.cash_pay - fen,
    )

    assert attribute(BILL, JIAMUSI, moved) == ()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_suspect_is_said_in_one_sentence(language):
    """The cashier reads the line and both values, not a code."""
    (first, *_) = attribute(
        BILL, JIAMUSI, centre(with_line(2, price_limit=Fraction(250)))
    )

    said = suspect_sentence(first, language)

    assert "2" in said
    assert "250.00" in said


def test_suspects_come_back_from_the_journal_as_they_were():
    """The receipt of last year still says what was tried."""
    found = attribute(BILL, JIAMUSI, centre(with_line(2, item_class=ItemClass.A)))

    kept = json.dumps(suspects_to_json(found))

    assert found
    assert suspects_from_json(json.loads(kept)) == found


@pytest.mark.parametrize(
    "kept",
    [
        {},
        ["class"],
        [{"kind": "class"}],
        [{"kind": 1, "line_no": 1, "ours": "", "centres": "", "explains": []}],
    ],
)
def test_what_is_no_list_of_suspects_is_not_read_as_one(kept):
    """A journal of another shape is an error, never an empty list."""
    with pytest.raises((KeyError, TypeError)):
        suspects_from_json(kept)
