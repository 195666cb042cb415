"""Where a text could be read in two ways: the reading taken, on the smallest bill.

Every side is asked, so that a disagreement shows here first, with a short pack.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from fractions import Fraction

import pytest

from settlement.claim import Accumulators, Cause, ItemClass
from settlement.errors import PackError
from settlement.money import Money
from tests.independent.random_packs import plain_line
from tests.independent.sides import SIDES, Answer
from tests.independent.small_packs import ON, PLAIN, Text, bill


def figure(answer: Answer, name: str) -> str:
    """Read one figure in yuan."""
    assert not isinstance(answer, str), answer
    return f"{answer[name]:.2f}"


@pytest.fixture(params=sorted(SIDES))
def ask(request):
    """Ask one side."""
    return SIDES[request.param]


def test_two_changes_under_the_same_conditions_both_hold(ask):
    """+5 points and then a limit of 90%: neither row succeeds the other."""
    changes = (
        'order = 1\nchange = "points"\npoints = "0.05"\n\n'
        'order = 2\nchange = "factor"\nfactor = "0.9"'
    )
    pack = Text().fund("pooled", ratio="0.55", ratio_change=changes).pack()

    assert figure(ask(bill(100_00), pack), "pooled") == "54.00"


def test_a_cap_two_funds_share_is_one_cap_on_one_bill_too(ask):
    """Assistance in two passes under one limit (1.5 shared caps, 1.9 two passes)."""
    cap = 'yuan = "60"\nmeasure = "paid"\nper = "year"\nused = ["medical_aid_paid"]'
    counts = 'paid = ["medical_aid_paid"]'
    text = Text().fund("pooled", ratio="0")
    text.fund("aid", "medical_aid", ratio="0.5", cap__year=cap, counts=counts)
    text.fund("tilt", "medical_aid", ratio="0.5", cap__year=cap, counts=counts)

    answer = ask(bill(100_00), text.pack())

    assert figure(answer, "aid") == "50.00"
    assert figure(answer, "tilt") == "10.00"


def test_a_deductible_two_benefits_share_is_taken_once(ask):
    """Both take what is left of the year's."""
    deductible = 'yuan = "30"\nper = "year"\nused = ["deductible_paid"]'
    counts = 'deductible = ["deductible_paid"]'
    text = Text()
    for key in ("one", "two"):
        text.fund(key, ratio="0.5", deductible=deductible, counts=counts)

    assert figure(ask(bill(100_00), text.pack()), "deductible") == "30.00"


def test_two_funds_on_one_account_pay_no_more_than_it_holds(ask):
    """What the first one took is gone."""
    text = Text().fund("pooled", ratio="0")
    for key in ("first", "rest"):
        text.fund(key, "account", cap__balance='of = "account_balance"')

    answer = ask(bill(100_00, account_balance=Money(60_00)), text.pack())

    assert figure(answer, "cash") == "40.00"


def test_a_limit_holds_the_whole_ratio_with_what_age_added(ask):
    """0.75 + 0.002 x 50 is 85%, held at 80% (1.4: order and clamp are the pack's)."""
    changes = (
        'order = 1\nage_from = 0\nchange = "age_points"\npoints = "0.002"\n\n'
        'order = 2\nchange = "limits"\nratio_least = "0"\nratio_most = "0.8"'
    )
    pack = Text().fund("pooled", ratio="0.75", ratio_change=changes).pack()

    assert figure(ask(bill(100_00), pack), "pooled") == "80.00"


def test_the_rest_of_a_stay_has_paid_the_deductible_of_its_benefit_only(ask):
    """What assistance asks for is another threshold; no part of it was taken."""
    forty = 'yuan = "40"\nper = "visit"'
    text = Text().fund("pooled", ratio="0", deductible=forty)
    text.fund("aid", "medical_aid", deductible=forty)

    answer = ask(bill(100_00, deductible_taken=Money(40_00)), text.pack())

    assert figure(answer, "deductible") == "0.00"
    assert figure(answer, "aid") == "60.00"


def test_what_the_hospital_bears_already_it_does_not_bear_again_over_a_quota(ask):
    """Of a bill of 100 with 30 above the limit and a quota of 80 it is paid 70."""
    frame = {"scope.over_price_limit": 'bearer = "hospital"'}
    text = Text(frame=frame, rows=[("scope.quota", 'yuan = "80"')]).fund("pooled")
    claim = bill(100_00)
    line = replace(claim.lines[0], price_limit=Fraction(70))

    answer = ask(replace(claim, lines=(line,)), text.pack())

    assert figure(answer, "hospital") == "30.00"


def test_a_quota_grows_with_each_persons_months(ask):
    """Two persons on one day have each their own."""
    growth = 'yuan = "50"\ngrowth = "10"\ngrowth_months = 12\ngrowth_most = "30"'
    pack = Text(rows=[("scope.quota", growth)]).fund("pooled").pack()

    borne = [
        figure(ask(bill(100_00, insured_months=months), pack), "hospital")
        for months in (0, 12, 60)
    ]

    assert borne == ["50.00", "40.00", "20.00"]


def test_all_above_the_point_where_a_cap_bites_goes_to_the_next_fund(ask):
    """E less x*, also where the band above pays nothing (1.5)."""
    bands = (
        'bands = [{ from = "0", to = "60", ratio = "0.5" }, '
        '{ from = "60", to = "unlimited", ratio = "0" }]'
    )
    cap = 'yuan = "20"\nmeasure = "paid"\nper = "visit"'
    text = Text().fund("pooled", bands=bands, cap__visit=cap)
    above = 'plus = ["pooled.over_cap_scope"]\nspan = "visit"\naxis = "net"'
    text.fund("large", "large_claim_fund", base=above)

    assert figure(ask(bill(100_00), text.pack()), "large") == "60.00"


def test_the_point_where_a_cap_bites_is_not_rounded_band_by_band(ask):
    """(2.10 - 0.60) / 1 = 1.50 is 2 yuan of the second band, not (2.10 - 1.00) = 1."""
    bands = (
        'bands = [{ from = "0", to = "1.20", ratio = "0.5" }, '
        '{ from = "1.20", to = "unlimited", ratio = "1" }]'
    )
    cap = 'yuan = "2.10"\nmeasure = "paid"\nper = "visit"'
    frame = {"rounding": 'unit_fen = 100\nmode = "half_up"\nat = "sum"'}
    text = Text(frame=frame).fund("pooled", bands=bands, cap__visit=cap)
    above = 'plus = ["pooled.over_cap_scope"]\nspan = "visit"\naxis = "net"'
    counts = 'base = ["large_base"]'
    text.tallies = '[tally]\nlarge_base = "样本"'
    text.fund("large", "large_claim_fund", base=above, counts=counts, ratio="0")

    # 7.80 of the bill lie in the second band, 2.00 of it below the point.
    assert figure(ask(bill(9_00), text.pack()), "after.large_base") == "5.80"


def test_a_ratio_of_six_places_is_used_in_full(ask):
    """None of its places may fall away in silence."""
    pack = Text(frame={"scope.upfront": 'ratio = "0.000009"'}).fund("pooled").pack()

    assert figure(ask(bill(10_000_000_00), pack), "upfront_share") == "90.00"


def test_a_ratio_of_a_line_with_more_than_six_places_is_refused():
    """It could not be used in full, so it is not used at all."""
    with pytest.raises(PackError, match="six decimals"):
        Text(frame={"scope.upfront": 'ratio = "0.0000009"'}).fund("pooled").pack()


def test_an_upfront_share_may_ask_for_the_cause(ask):
    """Every cause has its row, so no line is without one."""
    others = ", ".join(f'"{cause}"' for cause in Cause if cause is not Cause.MATERNITY)
    rows = f'cause = ["maternity"]\nratio = "0"\n\ncause = [{others}]\nratio = "0.5"'
    pack = Text(frame={"scope.upfront": rows}).fund("pooled").pack()

    assert figure(ask(bill(100_00), pack), "upfront_share") == "50.00"


def test_an_upfront_share_may_ask_for_the_group(ask):
    """Implants at 50%, whatever has no group of the pack at the class's ratio."""
    rows = (
        'group = ["implant"]\nratio = "0.5"\n\n'
        'group = ["none", "(other)"]\nratio = "0.1"'
    )
    pack = Text(frame={"scope.upfront": rows}).fund("pooled").pack()
    lines = tuple(
        replace(plain_line(number, 100_00), item_class=ItemClass.B, group=group)
        for number, group in enumerate(("implant", "", "unheard"), start=1)
    )

    answer = ask(replace(bill(1), lines=lines), pack)

    assert figure(answer, "upfront_share") == "70.00"


def test_a_fund_on_one_visit_does_not_start_where_the_year_stands(ask):
    """``span = visit`` is this settlement alone, even if accumulators are named."""
    base = f'{PLAIN}\nentered = ["scope_entered"]'
    bands = (
        'bands = [{ from = "0", to = "60", ratio = "1" }, '
        '{ from = "60", to = "unlimited", ratio = "0" }]'
    )
    try:
        pack = Text().fund("pooled", base=base, bands=bands).pack()
    except PackError:
        return  # refused where it stands is as good
    before = Accumulators(2024, scope_entered=Money(60_00))

    answer = ask(replace(bill(100_00), before=before), pack)

    assert figure(answer, "pooled") == "60.00"


def test_entitlement_may_ask_for_more_than_the_kind_of_person(ask):
    """A condition that the reader takes must be heard."""
    row = "age_from = 18\nfrom_month = 2\narrears_months = 1\nback_payment_months = 0"
    try:
        pack = Text(rows=[("entitlement", row)]).fund("pooled").pack()
    except PackError:
        return  # refused where it stands is as good

    assert ask(bill(100_00, registered_on=ON), pack) == "no-entitlement"


def test_whoever_asks_as_of_a_day_before_the_text_does_not_hide_it_from_others(ask):
    """The next bill sees all that is known."""
    pack = Text().fund("pooled", ratio="0.5").pack()
    early = bill(100_00, known_on=dt.date(2023, 12, 1))

    assert ask(early, pack) == "no-benefit"
    assert figure(ask(bill(100_00), pack), "pooled") == "50.00"
