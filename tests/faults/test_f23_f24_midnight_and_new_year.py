"""Bills and refunds around midnight, and around the turn of the year."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from settlement.claim import Accumulators, Insurance, VisitKind
from settlement.facts import settlement_from_json
from settlement.lifecycle import State
from settlement.money import Money
from tests.rig.network import Fate, Sent
from tests.rig.one_day import OneDay, one_day
from tests.rig.terminal import REGION


@pytest.fixture
def day(tmp_path: Path) -> Iterator[OneDay]:
    """Open a day whose clock the test moves."""
    with one_day(tmp_path) as opened:
        yield opened


def go_to(day: OneDay, month: int, date: int, at: str) -> None:
    """Let time pass until the centre's clock says so."""
    clock = day.world.clock
    year = clock.now.year + (month < clock.now.month)
    when = dt.datetime.combine(dt.date(year, month, date), dt.time.fromisoformat(at))
    then = when.replace(tzinfo=clock.now.tzinfo)
    clock.pass_by((then - clock.now).total_seconds())


def takes_its_time(
    day: OneDay, infno: str, *, there_s: float = 0.0, back_s: float = 0.0
) -> None:
    """Let a message be on its way for so long, there and back."""
    carry = day.world.network.carry

    def carrying(sent: Sent) -> tuple[int, bytes]:
        slow = sent.headers["_api_name"] == infno
        day.world.clock.pass_by(there_s if slow else 0.0)
        answer = carry(sent)
        day.world.clock.pass_by(back_s if slow else 0.0)
        return answer

    day.world.network.carry = carrying  # type: ignore[method-assign] # a slow line


def both_sides_agree(day: OneDay, *dates: dt.date) -> bool:
    """Reconcile each of the days."""
    return all(day.terminal.cashier.reconcile(date).balanced for date in dates)


def counts(day: OneDay, date: dt.date) -> int:
    """Count the records of ours that were reconciled on a date."""
    report = day.terminal.cashier.reconcile(date)
    return sum(one.group.count for one in report.groups)


def year_so_far(day: OneDay, year: int) -> Accumulators:
    """Ask the centre for a year of the newest settlement's person."""
    record = day.record()
    return day.terminal.gateway.accumulators(
        record.person_id, Insurance.RESIDENT, REGION, year
    )


# -- midnight -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [VisitKind.OUTPATIENT, VisitKind.PHARMACY])
def test_f23_a_bill_over_midnight_is_in_the_centres_day_on_both_sides(
    day: OneDay, kind: VisitKind
):
    """Begun at 23:59:50, committed at 00:00:10: the day is that of the commit."""
    go_to(day, 11, 24, "23:59:50")
    presettle = "2206" if kind is VisitKind.OUTPATIENT else "2101"
    takes_its_time(day, presettle, back_s=20.0)

    status, said = day.settle(day.bill(kind=kind))

    eve, morrow = dt.date(2026, 11, 24), dt.date(2026, 11, 25)
    assert status == 201
    assert dt.datetime.fromisoformat(said["settled_at"]).date() == morrow
    assert (counts(day, eve), counts(day, morrow)) == (0, 1)
    assert both_sides_agree(day, eve, morrow)


def test_f23_a_message_overtaken_by_midnight_books_nothing_and_is_said_so(day: OneDay):
    """Its sign-in lapsed on the way: refused; pressing again settles."""
    go_to(day, 11, 24, "23:59:50")
    takes_its_time(day, "2207", there_s=20.0)
    status, said = day.settle(day.bill(), key="first")

    again, _ = day.settle(day.bill(), key="second")

    eve, morrow = dt.date(2026, 11, 24), dt.date(2026, 11, 25)
    assert (status, said["state"]) == (422, "rejected")
    assert again == 201
    assert (counts(day, eve), counts(day, morrow)) == (0, 1)
    assert both_sides_agree(day, eve, morrow)


@pytest.mark.parametrize("off_s", [-180.0, 180.0])
@pytest.mark.parametrize("around_s", [-170, -30, 30, 170])
def test_f23_a_clock_minutes_off_around_the_cut_makes_no_one_sided_item(
    day: OneDay, off_s: float, around_s: int
):
    """The terminal's date and the centre's differ: the centre's counts on both."""
    go_to(day, 11, 25, "00:00:00")
    day.world.clock.pass_by(86_400 + around_s)
    day.terminal.clock.off_s = off_s
    theirs = day.world.clock.now.date()

    status, _ = day.settle(day.bill())

    eve, morrow = dt.date(2026, 11, 25), dt.date(2026, 11, 26)
    assert status == 201
    assert both_sides_agree(day, eve, morrow)
    assert counts(day, theirs) == 1


def test_f23_a_cancellation_after_midnight_is_in_its_own_day(day: OneDay):
    """Yesterday keeps its settlement, today has the negative one."""
    go_to(day, 11, 24, "23:59:00")
    _, said = day.settle(day.bill())
    go_to(day, 11, 25, "00:01:00")

    status, _ = day.cancel(said["settlement_id"])

    eve, morrow = dt.date(2026, 11, 24), dt.date(2026, 11, 25)
    assert status == 200
    assert (counts(day, eve), counts(day, morrow)) == (1, 1)
    assert both_sides_agree(day, eve, morrow)


def test_f23_what_was_unknown_at_midnight_belongs_to_the_day_it_was_booked(
    day: OneDay,
):
    """It is found in the morning; the evening's statement has it on both sides."""
    go_to(day, 11, 24, "23:59:00")
    day.settle(day.bill(), Fate.ANSWER_LOST)
    eve, morrow = dt.date(2026, 11, 24), dt.date(2026, 11, 25)
    before = day.terminal.cashier.reconcile(eve)
    go_to(day, 11, 25, "00:05:00")
    for _ in range(3):
        day.look()

    assert not before.balanced
    assert before.open_items == (day.record().settlement_id,)
    assert day.record().state is State.SETTLED
    assert (counts(day, eve), counts(day, morrow)) == (1, 0)
    assert both_sides_agree(day, eve, morrow)


def test_f23_signing_in_lapses_at_midnight_and_nobody_notices(day: OneDay):
    """The number of yesterday's sign-in is good no longer; a new one is fetched."""
    go_to(day, 11, 24, "23:59:00")
    assert day.settle(day.bill("B-1"))[0] == 201
    go_to(day, 11, 25, "00:00:05")

    assert day.settle(day.bill("B-2"))[0] == 201
    assert day.messages("9001") >= 2


# -- the turn of the year ---------------------------------------------------------


def test_f24_a_refund_in_january_gives_december_back(day: OneDay):
    """The amounts and the year so far are the old year's; the new one is untouched."""
    go_to(day, 12, 31, "15:00:00")
    before = year_of_first(day)
    _, said = day.settle(day.bill("B-1", price="300.00"))
    spent = year_so_far(day, 2026)
    go_to(day, 1, 2, "09:00:00")
    _, in_the_new_year = day.settle(day.bill("B-2", price="50.00"))
    new_year = year_so_far(day, 2027)

    status, _ = day.cancel(said["settlement_id"])

    record = day.terminal.journal.record(said["settlement_id"])
    settled = settlement_from_json(record.facts["settled"]).amounts
    taken_back = settlement_from_json(record.facts["cancelled"]).amounts
    assert status == 200
    assert in_the_new_year["state"] == "settled"
    assert taken_back.fund_total == -settled.fund_total != Money.ZERO
    assert taken_back.account_pay == -settled.account_pay
    assert taken_back.cash_pay == -settled.cash_pay
    assert spent != before
    assert year_so_far(day, 2026) == before
    assert year_so_far(day, 2027) == new_year


def year_of_first(day: OneDay) -> Accumulators:
    """Ask for 2026 as it is before anything is settled, for the holder to come."""
    day.terminal.cashier.insert_card("v3-jia")
    day.settle(day.bill("B-0", price="1.00"))
    return year_so_far(day, 2026)


def test_f24_a_new_year_begins_anew_for_caps_and_thresholds(day: OneDay):
    """The pool of 100 yuan a year is spent in December and there again in January."""
    go_to(day, 12, 31, "15:00:00")
    _, december = day.settle(day.bill("B-1", price="300.00"))
    _, again = day.settle(day.bill("B-2", price="300.00"))
    go_to(day, 1, 1, "09:00:00")
    _, january = day.settle(day.bill("B-3", price="300.00"))

    assert [pooled(said) for said in (december, again, january)] == [
        "100.00",
        "0.00",
        "100.00",
    ]


def pooled(said: dict[str, object]) -> str:
    """Return what the pooled fund paid."""
    amounts = said["amounts"]
    assert isinstance(amounts, dict)
    return str(amounts["pooled_fund"])


def test_f24_decembers_bill_settled_in_january_counts_in_december(day: OneDay):
    """The day of care decides the year, not the minute in which the centre books."""
    go_to(day, 12, 31, "23:59:50")
    bill = day.bill(price="300.00")
    go_to(day, 1, 1, "00:00:10")

    status, said = day.settle(bill)

    assert status == 201
    assert year_so_far(day, 2026).pooled_outpatient_paid == Money.yuan("100.00")
    assert year_so_far(day, 2027).pooled_outpatient_paid == Money.ZERO
    assert dt.datetime.fromisoformat(said["settled_at"]).date() == dt.date(2027, 1, 1)
    assert both_sides_agree(day, dt.date(2026, 12, 31), dt.date(2027, 1, 1))


def test_f24_a_refund_a_year_later_still_names_the_pack_it_was_settled_by(day: OneDay):
    """Whatever is in force by then, the record says by what it was worked out."""
    _, said = day.settle(day.bill(price="300.00"))
    pack = day.record().facts["intent"]["pack"]
    day.world.clock.pass_by(400 * 86_400)

    status, _ = day.cancel(said["settlement_id"])

    assert status == 200
    record = day.terminal.journal.record(said["settlement_id"])
    assert record.facts["intent"]["pack"] == pack
    assert year_so_far(day, 2026).pooled_outpatient_paid == Money.ZERO
