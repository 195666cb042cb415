"""What a day's settlements come to: the drawer, before it is closed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from settlement.lifecycle import FINAL, State
from settlement.money import Money
from terminal.views import SettlementView


@dataclass(frozen=True, slots=True)
class DayTotals:
    """Settled minus cancelled; one being cancelled counts until the centre confirms."""

    count: int
    cancelled: int  #: settled and taken back, in no other figure
    total_fee: Money
    fund_total: Money
    account_pay: Money
    cash_pay: Money  #: what was taken in and not to be paid back


def day_totals(views: Iterable[SettlementView]) -> DayTotals:
    """Sum the centre's amounts of *views* for which the money moved and stayed."""
    listed = tuple(views)
    standing = [
        view.amounts
        for view in listed
        if view.amounts is not None and view.state not in FINAL
    ]
    return DayTotals(
        count=len(standing),
        cancelled=sum(view.state is State.CANCELLED for view in listed),
        total_fee=Money.total(amounts.total_fee for amounts in standing),
        fund_total=Money.total(amounts.fund_total for amounts in standing),
        account_pay=Money.total(amounts.account_pay for amounts in standing),
        cash_pay=Money.total(amounts.cash_pay for amounts in standing),
    )
