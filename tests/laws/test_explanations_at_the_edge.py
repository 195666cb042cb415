"""Explanations that are hardest to write, each on the smallest bill."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from settlement.claim import Accumulators, Claim
from settlement.engine import settle
from settlement.explain import check
from settlement.money import Money
from settlement.policy import Pack
from settlement.split import Payer, Split
from tests.independent.random_packs import Bills, random_pack, seeded
from tests.independent.small_packs import Text, bill

HALF_THEN_NOTHING = (
    'bands = [{ from = "0", to = "1", ratio = "0.5" }, '
    '{ from = "1", to = "unlimited", ratio = "0" }]'
)
SEED = 20261124
BILLS = 8
ROUND_UP = {"rounding": 'unit_fen = %d\nmode = "up"\nat = "sum"'}


def explained(claim: Claim, pack: Pack) -> Split:
    """Settle, and prove the explanation from its rows."""
    outcome = settle(claim, pack)
    assert isinstance(outcome, Split)
    check(outcome)
    return outcome


def test_an_account_that_pays_what_others_left():
    """The bill ends before the account does."""
    base = 'plus = ["total"]\nspan = "visit"\naxis = "net"'
    text = Text().fund("pooled", ratio="0.5")
    text.fund("account", "account", base=base, cap__all='of = "account_balance"')

    split = explained(bill(100_00, account_balance=Money(100_00)), text.pack())

    assert split.cash_pay == Money.ZERO


def test_an_account_where_the_pack_rounds_to_jiao():
    """What the account pays is rounded as everything is."""
    frame = {"rounding": 'unit_fen = 10\nmode = "down"\nat = "sum"'}
    text = Text(frame=frame).fund("pooled", ratio="0")
    text.fund("account", "account", cap__all='of = "account_balance"')

    explained(bill(11, account_balance=Money(100_00)), text.pack())


def test_a_share_rounded_up_beyond_its_base():
    """A fen at 87.5% is a whole yuan, of which there is a fen."""
    frame = {"rounding": ROUND_UP["rounding"] % 100}
    pack = Text(frame=frame).fund("pooled", ratio="0.875").pack()

    explained(bill(1), pack)


def test_a_spare_fen_beside_a_band_that_pays_nothing():
    """G(B + b) - G(B) is a fen less than the bands by themselves."""
    base = 'plus = ["in_scope"]\nspan = "cumulative"\naxis = "gross"'
    base += '\nentered = ["compliant_own_pay"]'
    frame = {"rounding": ROUND_UP["rounding"] % 1}
    text = Text(frame=frame).fund("pooled", ratio="0")
    text.fund("critical", "critical_illness_fund", base=base, bands=HALF_THEN_NOTHING)
    before = Accumulators(2024, compliant_own_pay=Money(1))

    explained(replace(bill(1_00), before=before), text.pack())


def test_a_deductible_of_two_benefits_together():
    """Each takes its own; together they may be more than the sum in scope."""
    text = Text()
    for key in ("one", "two"):
        text.fund(key, ratio="0.5", deductible='yuan = "80"\nper = "visit"')

    explained(bill(100_00), text.pack())


def test_a_benefit_whose_bands_are_absolute():
    """A cumulative threshold takes nothing of this bill as a deductible."""
    base = 'plus = ["in_scope"]\nspan = "cumulative"\naxis = "gross"'
    base += '\nentered = ["scope_entered"]'
    threshold = 'yuan = "80"\nper = "visit"'
    text = Text().fund("pooled", ratio="0.5", base=base, deductible=threshold)

    explained(bill(100_00), text.pack())


def test_an_upfront_share_with_many_decimals():
    """A sum with more than ten decimals is written as a fraction, and read back."""
    text = Text(frame={"scope.upfront": 'ratio = "0.333333"'})

    explained(bill(1_01), text.fund("pooled", ratio="0.3333333333").pack())


def test_a_quota_beside_a_price_limit_that_the_hospital_bears():
    """What lies above the limit is taken off before the quota is looked at."""
    frame = {
        "scope.over_price_limit": 'bearer = "hospital"',
        "scope.quota": 'yuan = "40"',
    }
    pack = Text(frame=frame).fund("pooled", ratio="0.5").pack()
    limited = bill(100_00)
    (line,) = limited.lines
    limited = replace(limited, lines=(replace(line, price_limit=Fraction(70)),))

    split = explained(limited, pack)

    assert split.paid_by(Payer.HOSPITAL) == Money(60_00)
    told = {charge.reason.arithmetic for charge in split.charges}
    assert "min(100.00 - 30.00 - 40.00, 70.00) = 30.00" in told


@pytest.mark.parametrize(
    ("fen", "paid", "told"),
    [
        (200_00, 99_00, "200.00 x 50% - 1.00 = 99.00"),
        (2_00, 0, "2.00 x 50% - 1.00 = 0.00"),
    ],
)
def test_a_yuan_less_than_the_band_owes_is_written_out(fen: int, paid: int, told: str):
    """Whole yuan, and the year has paid one more than its sum owed."""
    base = 'plus = ["in_scope"]\nspan = "cumulative"\naxis = "gross"'
    base += '\nentered = ["scope_entered"]\npaid = ["pooled_inpatient_paid"]'
    frame = {"rounding": ROUND_UP["rounding"] % 100}
    text = Text(frame=frame).fund("pooled", ratio="0.5", base=base)
    before = Accumulators(2024, pooled_inpatient_paid=Money(1_00))

    split = explained(replace(bill(fen), before=before), text.pack())

    assert split.fund_total == Money(paid)
    (pooled,) = (c for c in split.charges if c.payer is Payer.POOLED_FUND)
    assert pooled.reason.arithmetic == told


@pytest.mark.parametrize("number", range(100, 260))
def test_explanations_of_many_more_packs_prove_themselves(number):
    """What its own verifier refuses cannot be quoted, so none may be refused."""
    pack = random_pack(seeded(SEED, number))
    bills = Bills(pack, seeded(SEED, number, "explain"))
    for _ in range(BILLS):
        claim = bills.bill()
        claim = replace(claim, visit=replace(claim.visit, known_on=None))
        outcome = settle(claim, pack)
        if isinstance(outcome, Split):
            check(outcome)
