"""A month that is closed while something is on its way: nothing posts into it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from settlement.clearing import open_period, period_after, trial_balance
from settlement.lifecycle import State
from settlement.money import Money
from terminal.errors import (
    PeriodClosedError,
    PeriodNotOverError,
    PeriodUndecidedError,
    RequestInvalidError,
    TerminalError,
)
from tests.rig.network import Fate
from tests.rig.one_day import OneDay, one_day

NOVEMBER, DECEMBER = "2026-11", "2026-12"


@pytest.fixture
def day(tmp_path: Path) -> Iterator[OneDay]:
    """Open a day in the last week of November 2026."""
    with one_day(tmp_path) as opened:
        yield opened


def to_december(day: OneDay) -> None:
    """Let the month go by."""
    then = day.world.clock.now.replace(month=12, day=1, hour=9)
    day.world.clock.pass_by((then - day.world.clock.now).total_seconds())


def sums(day: OneDay, period: str) -> dict[str, int]:
    """Return a month's balance, debit positive, in fen."""
    balance = day.terminal.cashier.trial_balance(period)
    assert balance.debit == balance.credit
    return {
        line.account.value: (line.debit - line.credit).fen for line in balance.lines
    }


def added(*months: dict[str, int]) -> dict[str, int]:
    """Add months up; what comes to nothing is left out."""
    names = {name for month in months for name in month}
    total = {name: sum(month.get(name, 0) for month in months) for name in names}
    return {name: fen for name, fen in total.items() if fen}


def test_f25_a_refund_after_the_close_goes_into_the_next_month_with_its_link(
    day: OneDay,
):
    """November stays as it was closed; December bears the refund and says of what."""
    _, said = day.settle(day.bill(price="300.00"))
    ours = said["settlement_id"]
    to_december(day)
    closed = day.terminal.cashier.close_period(NOVEMBER, carry_over=False)
    november = sums(day, NOVEMBER)

    status, _ = day.cancel(ours)

    facts = day.terminal.journal.record(ours).facts["cancelled"]
    assert status == 200
    assert (facts["clearing_period"], facts["corrects_period"]) == (DECEMBER, NOVEMBER)
    assert sums(day, NOVEMBER) == november
    assert closed.balance.debit == Money(30_000)
    assert added(november, sums(day, DECEMBER)) == {}


def test_f25_a_refund_on_its_way_while_the_month_is_closed_goes_into_the_next(
    day: OneDay,
):
    """Begun before the close, with its answer lost; found after it."""
    _, said = day.settle(day.bill(price="300.00"))
    ours = said["settlement_id"]
    last = day.world.clock.now.replace(day=30, hour=23, minute=59, second=30)
    day.world.clock.pass_by((last - day.world.clock.now).total_seconds())
    day.cancel(ours, Fate.ANSWER_LOST)
    to_december(day)
    with pytest.raises(PeriodUndecidedError) as refused:
        day.terminal.cashier.close_period(NOVEMBER, carry_over=False)

    closed = day.terminal.cashier.close_period(NOVEMBER, carry_over=True)
    november = sums(day, NOVEMBER)
    for _ in range(4):
        day.look()

    facts = day.terminal.journal.record(ours).facts["cancelled"]
    booked = dt.datetime.fromisoformat(str(facts["settled_at"]))
    assert refused.value.undecided == closed.carried_over == (ours,)
    assert (booked.month, facts["clearing_period"]) == (11, DECEMBER)
    assert sums(day, NOVEMBER) == november
    assert added(november, sums(day, DECEMBER)) == {}


def test_f25_a_refund_in_the_same_month_corrects_no_other(day: OneDay):
    """Nothing was closed between them."""
    _, said = day.settle(day.bill())
    day.cancel(said["settlement_id"])

    facts = day.terminal.journal.record(said["settlement_id"]).facts["cancelled"]
    assert facts["clearing_period"] == NOVEMBER
    assert "corrects_period" not in facts
    assert sums(day, NOVEMBER) == {}


def test_f25_the_receivables_of_a_month_are_the_centres(day: OneDay):
    """What each fund owes for November is what the centre has booked for it."""
    for number, price in enumerate(("300.00", "18.60", "77.77")):
        day.settle(day.bill(f"B-{number}", price=price))

    november = sums(day, NOVEMBER)

    pooled = sum(row.fen["pooled_fund"] for row in day.centre_rows())
    account = sum(row.fen["account_pay"] for row in day.centre_rows())
    assert november.get("receivable-pooled-fund", 0) == pooled
    assert november.get("receivable-personal-account", 0) == account


def test_f25_what_was_closed_is_closed_after_a_restart(day: OneDay):
    """It stands in the journal, with its number and the hash of its totals."""
    day.settle(day.bill())
    to_december(day)
    first = day.terminal.cashier.close_period(NOVEMBER, carry_over=False)
    day.terminal.restart()

    with pytest.raises(PeriodClosedError):
        day.terminal.cashier.close_period(NOVEMBER, carry_over=False)

    (note,) = day.terminal.journal.notes("period-closed")
    assert (note["number"], note["digest"]) == (1, first.digest)
    assert first.number == 1


def test_f25_a_month_that_is_not_over_is_not_closed(day: OneDay):
    """Its last day may still bring something."""
    with pytest.raises(PeriodNotOverError):
        day.terminal.cashier.close_period(NOVEMBER, carry_over=True)


@pytest.mark.parametrize("period", ["", "2026", "2026-13", "2026-1", "11-2026", "今"])
def test_f25_what_is_no_month_is_refused(day: OneDay, period: str):
    """A closing cannot be taken back, so it is asked for to the letter."""
    with pytest.raises(RequestInvalidError):
        day.terminal.cashier.close_period(period, carry_over=True)
    with pytest.raises(RequestInvalidError):
        day.terminal.cashier.trial_balance(period)


@pytest.mark.parametrize("seed", range(6))
def test_f25_whatever_is_settled_refunded_and_closed_the_books_add_up(
    day: OneDay, seed: int
):
    """Random months: a closed one never changes, and all of them together balance."""
    draw = day.world.random
    draw.seed(seed)
    closed: dict[str, dict[str, int]] = {}
    months = {NOVEMBER}
    for number in range(30):
        settled = day.terminal.journal.records(states=frozenset({State.SETTLED}))
        doing = draw.choice(("settle", "settle", "cancel", "time", "close"))
        if doing == "settle":
            fate = draw.choice((Fate.DELIVERED, Fate.DELIVERED, Fate.ANSWER_LOST))
            price = f"{draw.randint(1, 400)}.{draw.randint(10, 99)}"
            day.settle(day.bill(f"B-{number}", price=price), fate)
        elif doing == "cancel" and settled:
            fate = draw.choice((Fate.DELIVERED, Fate.ANSWER_LOST))
            day.cancel(draw.choice(settled).settlement_id, fate)
        elif doing == "time":
            day.world.clock.pass_by(draw.choice((3600, 10 * 86_400, 25 * 86_400)))
            months.add(f"{day.world.clock.now:%Y-%m}")
            for _ in range(draw.randint(0, 3)):
                day.look()
        elif doing == "close":
            month = draw.choice(sorted(months))
            try:
                day.terminal.cashier.close_period(month, carry_over=True)
            except TerminalError:
                continue
            closed[month] = sums(day, month)
    for _ in range(8):
        day.look(seconds=60.0)

    assert {month: sums(day, month) for month in closed} == closed
    later = {period_after(month) for month in months} | months
    whole = added(*(sums(day, month) for month in later))
    legs = [
        leg
        for record in day.terminal.journal.records(limit=1000)
        for leg in day.terminal.journal.postings(record.settlement_id)
    ]
    kept = trial_balance("all", legs)
    assert whole == {
        line.account.value: (line.debit - line.credit).fen for line in kept.lines
    }


def test_f25_a_posting_goes_into_the_first_month_that_is_open():
    """Over the year's end as well."""
    assert open_period("2026-11", {"2026-11", "2026-12"}) == "2027-01"
    assert open_period("2026-11", {"2026-12"}) == "2026-11"
