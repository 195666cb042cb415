"""Amounts of a settlement that keep the interface's identities, for laws."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import strategies as st

from settlement.facts import amounts_from_json
from settlement.money import Money
from settlement.split import SettledAmounts

FUNDS = (
    "pooled_fund",
    "civil_servant_fund",
    "employer_fund",
    "critical_illness_fund",
    "large_claim_fund",
    "medical_aid",
    "other_fund",
)
#: Up to a hundred million yuan for each payer.
money = st.builds(Money, st.integers(0, 10**10))


def amounts_of(**given: Money) -> SettledAmounts:
    """Return amounts that are *given*; the others are nothing."""
    values = {
        field.name: given.get(field.name, Money.ZERO).to_yuan()
        for field in fields(SettledAmounts)
    }
    return amounts_from_json({**values, "pooled_ratio_bp": 0})


@st.composite
def settled_amounts(draw: st.DrawFn) -> SettledAmounts:
    """Draw what every payer bears; the sums follow (I1, I2, I4, I5)."""
    funds = {name: draw(money) for name in FUNDS}
    account, cash, hospital = draw(money), draw(money), draw(money)
    total = Money.total((*funds.values(), account, cash, hospital))
    return amounts_of(
        **funds,
        total_fee=total,
        in_scope=total,
        fund_total=Money.total(funds.values()),
        person_total=account + cash,
        account_pay=account,
        cash_pay=cash,
        hospital_share=hospital,
    )
