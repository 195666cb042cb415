"""Who enjoys the benefits on the day: the texts contradict each other, so data says."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from config.packs import read_pack
from settlement.engine import settle
from settlement.policy import Pack
from settlement.split import Refused, Split
from tests.settlement.claims import PACKS, claim

TEXT = (PACKS / "heilongjiang-jiamusi" / "resident-2018.toml").read_text("utf-8")
ROW = """
[[entitlement]]
from_month = {month}
arrears_months = {arrears}
back_payment_months = {back}
since = 2018-01-01
source = "assumption"
article = "test"
quote = "a test"

[[rounding]]"""
ON = dt.date(2018, 5, 20)


def pack(month: int = 1, arrears: int = 2, back: int = 0) -> Pack:
    """Return the pack with a rule of entitlement."""
    row = ROW.format(month=month, arrears=arrears, back=back)
    return read_pack(TEXT.replace("\n[[rounding]]", row, 1).encode(), "entitled")


def outcome(of: Pack, **insured: Any) -> Split | Refused:
    """Settle a plain bill of 20 May for a person insured so."""
    asked = claim("1000.00", on=ON)
    return settle(replace(asked, insured=replace(asked.insured, **insured)), of)


def test_what_is_not_known_of_a_person_is_not_held_against_him():
    """The centre's own answer decides."""
    assert isinstance(outcome(pack(month=3)), Split)


@pytest.mark.parametrize(
    ("registered", "enjoys"),
    [(dt.date(2018, 3, 31), True), (dt.date(2018, 4, 1), False)],
)
def test_benefits_begin_in_a_later_month_of_registration(registered, enjoys):
    """From the third natural month: registered in March, entitled in May."""
    found = outcome(pack(month=3), registered_on=registered)

    assert isinstance(found, Split if enjoys else Refused)


@pytest.mark.parametrize(
    ("since", "enjoys"), [(dt.date(2018, 4, 1), True), (dt.date(2018, 3, 1), False)]
)
def test_arrears_suspend_from_their_month_on(since, enjoys):
    """From the second unpaid month after: unpaid from March rests in May."""
    assert isinstance(
        outcome(pack(arrears=2), arrears_since=since), Split if enjoys else Refused
    )


@pytest.mark.parametrize(("back", "enjoys"), [(3, True), (0, False)])
def test_paid_back_in_time_the_gap_is_payable_where_the_text_says_so(back, enjoys):
    """浙江 pays the suspended stretch, 上海 never does."""
    found = outcome(
        pack(back=back),
        arrears_since=dt.date(2018, 3, 1),
        paid_back_on=dt.date(2018, 6, 1),
    )

    assert isinstance(found, Split if enjoys else Refused)


def test_a_refusal_names_its_clause_and_month():
    """The person is told since when, and by which text."""
    refused = outcome(pack(), arrears_since=dt.date(2018, 1, 1))

    assert isinstance(refused, Refused)
    assert refused.code == "no-entitlement"
    assert refused.facts["reason"] == "suspended 2018-03"
    assert refused.clause is not None
