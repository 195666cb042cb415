"""Bills a jurist can check, refusals by name, and what the year carries forward."""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from settlement.claim import Accumulators, Insurance, Tier, VisitKind
from settlement.engine import settle
from settlement.errors import ClaimError, PolicyNotInForceError
from settlement.money import Money
from settlement.split import Payer, Refused
from tests.settlement.claims import JIAMUSI, MUDANJIANG, claim, line, settled


def test_the_sample_pack_pays_critical_illness_by_three_bands():
    """Bands are absolute: the deductible eats the lowest one, not all of them."""
    before = Accumulators(2024, compliant_own_pay=Money.yuan("110000"))
    on = dt.date(2024, 6, 1)
    asked = claim("700.00", on=on, insured="231081", care="231081", before=before)

    split = settled(asked, MUDANJIANG)

    # 110000 -> 110700, all of it above 100000: 700 x 70%
    assert split.paid_by(Payer.CRITICAL_ILLNESS_FUND) == Money.yuan("490.00")
    assert not split.pack.verified


def test_a_stay_crosses_the_bands_of_critical_illness_marginally():
    """Each piece of the year is paid at its own ratio (48000 above 100000)."""
    before = Accumulators(2024, pooled_inpatient_paid=Money.yuan("100000"))
    on = dt.date(2024, 6, 1)
    asked = claim("120000", on=on, insured="231000", care="231000", before=before)

    split = settled(asked, MUDANJIANG)

    # (50000-12000) x 60% + 50000 x 65% + 20000 x 70% = 22800 + 32500 + 14000
    assert split.paid_by(Payer.CRITICAL_ILLNESS_FUND) == Money.yuan("69300")


def test_the_year_is_carried_forward_by_what_was_paid():
    """The next visit starts where this one ends, in every counter."""
    split = settled(claim("40700.00"))

    assert split.after == Accumulators(
        2018,
        admissions=1,
        deductible_paid=Money.yuan("700"),
        scope_entered=Money.yuan("40700"),
        pooled_inpatient_paid=Money.yuan("26000"),
        compliant_own_pay=Money.yuan("14700"),
        critical_illness_paid=Money.yuan("2350"),
    )


def test_the_ratio_of_the_pooled_fund_is_told_in_basis_points():
    """The wire carries a ratio (5,4), not an amount."""
    assert settled(claim("1000")).pooled_ratio_bp == 6500
    assert settled(claim("600")).pooled_ratio_bp == 0


def test_levels_of_ratio_and_deductible_are_chosen_apart():
    """The national record has three levels; they need not agree (5203)."""
    asked = claim("1700")
    hospital = replace(asked.visit.hospital, deductible_tier=Tier.SECONDARY)
    asked = replace(asked, visit=replace(asked.visit, hospital=hospital))

    split = settled(asked)

    assert split.deductible == Money.yuan("400")
    assert split.paid_by(Payer.POOLED_FUND) == Money.yuan("845")  # 1300 x 65%


def test_the_day_before_the_pack_is_refused_by_name():
    """No text in force is an error with pack and day, never a zero."""
    asked = claim("1000", on=dt.date(2017, 12, 31))

    with pytest.raises(PolicyNotInForceError, match=r"jiamusi.*2017-12-31"):
        settle(asked, JIAMUSI)


@pytest.mark.parametrize(
    ("asked", "pack", "code"),
    [
        (claim("1000", insured="231081"), JIAMUSI, "not-in-pack"),
        (claim("1000", insurance=Insurance.EMPLOYEE), JIAMUSI, "not-in-pack"),
        (
            claim("1000", kind=VisitKind.OUTPATIENT, care="230100"),
            JIAMUSI,
            "no-benefit-away",
        ),
        (
            claim("1000", kind=VisitKind.BIRTH_NATURAL, care="230100"),
            JIAMUSI,
            "no-benefit-away",
        ),
    ],
)
def test_a_visit_without_a_rule_is_refused_as_a_value(asked, pack, code):
    """A foreseen refusal is printed like a settlement; it is not a crash."""
    outcome = settle(asked, pack)

    assert isinstance(outcome, Refused)
    assert outcome.code == code


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"kind": VisitKind.BIRTH_NATURAL}, "no-benefit-for-visit-kind"),
        ({"tier": Tier.TOWNSHIP}, "no-benefit-for-tier"),
        (
            {"kind": VisitKind.OUTPATIENT, "tier": Tier.TERTIARY},
            "no-benefit-for-tier",
        ),
        ({"care": "110100"}, "no-benefit-away"),
    ],
)
def test_the_sample_pack_refuses_what_its_source_does_not_state(more, code):
    """Absence is stated, never filled with a guess."""
    asked = claim(
        "1000",
        **({"on": dt.date(2024, 6, 1), "insured": "231000", "care": "231000"} | more),
    )

    outcome = settle(asked, MUDANJIANG)

    assert isinstance(outcome, Refused)
    assert outcome.code == code


def test_an_amount_that_is_not_price_times_quantity_is_refused():
    """A wrong amount would be split to the fen, and wrongly."""
    wrong = replace(line(3, "A", "10.00"), quantity=Fraction(2))

    with pytest.raises(ClaimError, match=r"Line 3 .* 10.00 is not .* 20.00"):
        settle(claim(lines=(wrong,)), JIAMUSI)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((), "no lines"),
        ((line(1, "A", "1.00"), line(1, "A", "2.00")), "occurs twice"),
        ((line(1, "A", "-1.00"),), "negative"),
        ((line(1, "B", "1.00", upfront_ratio=Fraction(2)),), "between 0 and 1"),
        ((line(1, "B", "1.00", price_limit=Fraction(-1)),), "price limit"),
    ],
)
def test_a_bill_that_contradicts_itself_is_refused(lines, words):
    """Nothing is guessed: the line is named instead."""
    asked = replace(claim("1.00"), lines=lines)

    with pytest.raises(ClaimError, match=words):
        settle(asked, JIAMUSI)


def test_the_accumulators_of_another_year_are_refused():
    """A January visit on December's counters would lose a whole benefit year."""
    asked = claim("1000", before=Accumulators(2017))

    with pytest.raises(ClaimError, match="2017"):
        settle(asked, JIAMUSI)


def test_a_bill_of_ten_lines_takes_well_under_a_millisecond():
    """The quote stands on the screen before any network is asked."""
    lines = tuple(line(n, "AB"[n % 2], "3000.01") for n in range(1, 11))
    asked = claim(lines=lines)
    best = min(_timed(lambda: settle(asked, JIAMUSI)) for _ in range(50))

    assert best < 1_000_000


def _timed(work: Callable[[], object]) -> int:
    start = time.perf_counter_ns()
    work()
    return time.perf_counter_ns() - start
