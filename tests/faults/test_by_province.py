"""The same unknown ends in another way where the province's centre can do less."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from config.provinces import load_province
from settlement.centre.errors import CentreRejectedError
from settlement.centre.gateway import Gateway
from settlement.centre.port import Centre
from settlement.claim import VisitKind
from settlement.journal import Journal
from settlement.journal_records import Record
from settlement.lifecycle import State
from settlement.reconcile import Booked, RefundCounting, groups
from terminal.day import reconcile_day
from tests.faults.test_f38_refunded_at_the_centre import refund_at_the_centre
from tests.rig.network import Fate
from tests.rig.one_day import OneDay, one_day
from tests.stories.counter import DAY, ZONE, Counter, a_bill


@pytest.fixture
def hunan(tmp_path: Path) -> Iterator[Counter]:
    """Open a counter in Hunan: nothing is found by visit, cancellations stay."""
    counter = Counter(tmp_path)
    counter.province = load_province("hunan")
    counter.restart()
    counter.card_and_pin()
    try:
        yield counter
    finally:
        counter.close()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[OneDay]:
    """Open a day in Hunan over the reference centre's own book."""
    with one_day(tmp_path, province="hunan") as opened:
        yield opened


def seconds_to_midnight(day: OneDay) -> float:
    """Tell how long the centre's day still is."""
    now = day.world.clock.now
    midnight = dt.datetime.combine(now.date(), dt.time.max, tzinfo=now.tzinfo)
    return (midnight - now).total_seconds()


def state_of(counter: Counter) -> State:
    """Return how the newest settlement stands."""
    return counter.journal.records()[-1].state


def test_a_lost_answer_is_reversed_and_never_looked_for_in_hunan(hunan: Counter):
    """Its 5204 asks for the number that was lost; 2601 is the way out."""
    hunan.centre.lose_next = "after"
    status, _ = hunan.settle(a_bill())

    hunan.resolve()

    assert status == 202
    assert "find" not in hunan.centre.asked
    assert state_of(hunan) is State.REVERSED
    assert hunan.centre.living == []


def test_a_lost_cancellation_waits_for_a_statement_in_hunan(hunan: Counter):
    """Taken back for certain, and the centre has no rows yet that name its number."""
    _, said = hunan.settle(a_bill())
    hunan.centre.lose_next = "after"
    hunan.cashier.cancel(str(said["settlement_id"]), key="c", digest="c")

    hunan.resolve()

    (record,) = hunan.journal.records()
    assert record.state is State.QUARANTINED
    assert record.facts["quarantined"]["why"] == "cancellation-not-readable"
    assert "find" not in hunan.centre.asked


@pytest.mark.parametrize("waited_s", [0.0, 15.0], ids=["at once", "over midnight"])
def test_f03_a_lost_cancellation_is_found_in_the_statement_in_hunan(
    there: OneDay, waited_s: float
):
    """A visit cannot be asked there; the day's rows name every 报文ID (3202)."""
    there.world.clock.pass_by(seconds_to_midnight(there) - 10)
    _, said = there.settle(there.bill())
    there.cancel(said["settlement_id"], Fate.ANSWER_LOST)
    there.world.clock.pass_by(waited_s)

    there.look()

    record = there.record()
    assert record.state is State.CANCELLED
    assert record.facts["cancelled"]["resolved_by"] == "3202+5203"
    assert record.facts["cancelled"]["msgid"] == record.facts["cancelling"]["msgid"]
    assert there.messages("2208") == 1
    day = str(record.facts["cancelled"]["settled_at"])[:10]
    assert there.terminal.cashier.reconcile(dt.date.fromisoformat(day)).balanced


def test_f38_taken_back_by_another_message_a_person_takes_it_over_in_hunan(
    there: OneDay,
):
    """Ours never arrived, the bureau's did: not repeated, shown, and adopted."""
    _, said = there.settle(there.bill())
    ours = said["settlement_id"]
    there.cancel(ours, Fate.REQUEST_LOST)
    msgid = refund_at_the_centre(there, ours)

    there.look()
    waiting = there.record()
    view = there.terminal.cashier.adopt_cancellation(ours, reason="医保办来电")

    assert waiting.state is State.QUARANTINED
    assert waiting.facts["quarantined"]["why"] == "refunded-by-another-message"
    assert view.state is State.CANCELLED
    assert there.record().facts["cancelled"]["msgid"] == msgid


def test_f38_two_refunds_alike_are_taken_over_one_each_in_hunan(there: OneDay):
    """The rows name no 结算ID: either is as true, and none is taken twice."""
    _, said = there.settle(there.bill("B-1"))
    _, other = there.settle(there.bill("B-2"), key="k2")
    ours = [one["settlement_id"] for one in (said, other)]
    msgids = {refund_at_the_centre(there, one) for one in ours}

    for one in ours:
        there.terminal.cashier.adopt_cancellation(one, reason="医保办来电")

    records = there.terminal.journal.records()
    assert {record.state for record in records} == {State.CANCELLED}
    assert {str(r.facts["cancelled"]["msgid"]) for r in records} == msgids
    assert there.terminal.cashier.reconcile(there.world.clock.now.date()).balanced


class RefusesReversals:
    """A centre that answers 2601 with a refusal, as long as it is told to."""

    def __init__(self, centre: Centre, reason: str) -> None:
        self._centre, self.reason = centre, reason

    def __getattr__(self, name: str) -> object:
        return getattr(self._centre, name)

    def reverse(self, person_id: str, region: str, msgid: str, infno: str) -> None:
        """Refuse, or pass it on."""
        if self.reason:
            raise CentreRejectedError(self.reason)
        self._centre.reverse(person_id, region, msgid, infno)


@contextmanager
def refusing_day(
    folder: Path, reason: str
) -> Iterator[tuple[OneDay, RefusesReversals]]:
    """Open a day in Hunan whose centre refuses 2601."""
    made: list[RefusesReversals] = []

    def refusing(gateway: Gateway, _journal: Journal) -> Centre:
        made.append(RefusesReversals(gateway, reason))
        return cast("Centre", made[-1])

    with one_day(folder, province="hunan", centre=refusing) as day:
        yield day, made[-1]


def looked_at_again_tomorrow(day: OneDay) -> Record:
    """Give back, the day after, what waits for a person."""
    day.world.clock.pass_by(24 * 3600)
    day.terminal.cashier.look_again(day.record().settlement_id, reason="对账明细已出")
    for _ in range(3):
        day.look()
    return day.record()


@pytest.mark.parametrize("kind", [VisitKind.OUTPATIENT, VisitKind.PHARMACY])
def test_f05_what_never_came_and_cannot_be_reversed_is_confirmed_by_3202(
    tmp_path: Path, kind: VisitKind
):
    """Today nobody knows; once its day is over and no row is of it, it is proven."""
    with refusing_day(tmp_path, "未查询到原交易") as (day, _):
        day.settle(day.bill("B-0", kind=kind))  # so it is known where such are cleared
        bill = day.bill(kind=kind)
        day.settle(bill, Fate.REQUEST_LOST)
        for _ in range(4):
            day.look()
        today = day.record()

        tomorrow = looked_at_again_tomorrow(day)
        again, told = day.settle(day.bill(kind=kind), key="new")

    assert today.state is State.QUARANTINED
    assert today.facts["quarantined"]["why"] == "reversal-refused"
    assert tomorrow.state is State.REVERSED
    assert tomorrow.facts["reversed"]["resolved_by"] == "3202"
    assert (again, told["state"]) == (201, "settled")


def test_f05_where_nothing_like_it_was_booked_no_statement_proves_anything(
    tmp_path: Path,
):
    """Whose rows these are is the centre's to name: a guess could hide the row."""
    with refusing_day(tmp_path, "未查询到原交易") as (day, centre):
        day.settle(day.bill(), Fate.REQUEST_LOST)
        for _ in range(4):
            day.look()

        tomorrow = looked_at_again_tomorrow(day)
        centre.reason = ""
        day.terminal.cashier.look_again(tomorrow.settlement_id, reason="医保办已放开")
        day.look()

    assert tomorrow.state is State.QUARANTINED


def test_f05_what_is_on_the_statement_is_never_called_absent(tmp_path: Path):
    """Booked, and not reversed by the centre: a person has it, tomorrow as well."""
    with refusing_day(tmp_path, "已清算，不能冲正") as (day, centre):
        day.settle(day.bill("B-0"))
        day.settle(day.bill(), Fate.ANSWER_LOST)
        for _ in range(4):
            day.look()

        tomorrow = looked_at_again_tomorrow(day)
        centre.reason = ""
        day.terminal.cashier.look_again(tomorrow.settlement_id, reason="医保办已放开")
        day.look()

    assert tomorrow.state is State.QUARANTINED
    assert tomorrow.facts["quarantined"]["why"] == "reversal-refused"


@pytest.mark.parametrize(
    ("kind", "infno"),
    [(VisitKind.OUTPATIENT, "2207"), (VisitKind.PHARMACY, "2102")],
)
def test_f06_a_refused_repeat_is_not_believed_in_hunan(
    there: OneDay, kind: VisitKind, infno: str
):
    """Somebody between us sent it twice: the first copy is booked, and reversed."""
    bill = there.bill(kind=kind)
    status, said = there.settle(bill, Fate.SECOND_HEARD)
    for _ in range(4):
        there.look()

    assert (status, said["state"]) == (202, "unknown")
    assert "报文ID重复" in str(there.record().facts["unknown"]["reason"])
    assert there.record().state is State.REVERSED
    assert there.messages(infno) == 1
    again, told = there.settle(bill, key="new")
    assert (again, told["state"]) == (201, "settled")


def test_f06_a_refused_repeat_of_a_cancellation_is_not_believed_in_hunan(
    there: OneDay,
):
    """The settlement does not stand only because the second copy was refused."""
    _, said = there.settle(there.bill())
    there.cancel(said["settlement_id"], Fate.SECOND_HEARD)
    for _ in range(2):
        there.look()

    assert there.record().state is State.CANCELLED


def test_f22_a_sign_in_that_lapsed_is_no_refused_reversal_in_hunan(there: OneDay):
    """Our clock is behind the centre's midnight: signed in anew, and then reversed."""
    there.settle(there.bill(), Fate.REQUEST_LOST)
    there.world.clock.pass_by(seconds_to_midnight(there) + 10)
    there.terminal.clock.off_s = -60.0
    for _ in range(6):
        there.look()

    assert there.record().state is State.REVERSED


def test_a_cancellation_that_never_came_is_repeated_in_hunan(hunan: Counter):
    """The flag says it is not taken back, and 2208 is asked again."""
    _, said = hunan.settle(a_bill())
    hunan.centre.lose_next = "before"
    hunan.cashier.cancel(str(said["settlement_id"]), key="c", digest="c")

    hunan.resolve()

    assert state_of(hunan) is State.CANCELLED
    assert hunan.centre.living == []


def test_what_can_neither_be_found_nor_reversed_goes_to_a_person(tmp_path: Path):
    """It is not sent again, not called failed, and not dropped."""
    counter = Counter(tmp_path)
    counter.province = replace(load_province("hunan"), reversible=frozenset({"2304"}))
    counter.restart()
    try:
        counter.card_and_pin()
        counter.centre.lose_next = "after"
        counter.settle(a_bill())
        counter.resolve()

        assert state_of(counter) is State.QUARANTINED
        assert counter.centre.asked.count("settle") == 1
        assert "reverse" not in counter.centre.asked
    finally:
        counter.close()


def refunded_day(counter: Counter) -> dt.date:
    """Settle two bills and give the first one back."""
    counter.card_and_pin()
    _, said = counter.settle(a_bill("B-1"))
    counter.cashier.cancel(str(said["settlement_id"]), key="c", digest="c")
    counter.card_and_pin()
    counter.settle(a_bill("B-2", price="60.00"), key="key-2")
    return DAY.date()


def test_refunds_are_counted_in_the_next_way_until_the_day_balances(tmp_path: Path):
    """No public text says how 3201 counts them; the small centre counts both rows."""
    counter = Counter(tmp_path)
    try:
        date = refunded_day(counter)
        ways = (RefundCounting.LEFT_OUT, RefundCounting.NET, RefundCounting.BOTH)
        report = reconcile_day(
            journal=counter.journal,
            centre=counter.centre,
            date=date,
            timezone=ZONE,
            always=(),
            refunds=ways,
        )
    finally:
        counter.close()

    assert report.balanced
    assert [group.group.count for group in report.groups] == [3]
    # Net has the sums and the count of what is left out: it is not asked again.
    assert counter.centre.asked.count("compare_totals") == 2


@pytest.mark.parametrize(
    ("counting", "count"),
    [
        (RefundCounting.BOTH, 3),
        (RefundCounting.NET, 1),
        (RefundCounting.LEFT_OUT, 1),
    ],
)
def test_three_ways_to_count_a_day_with_a_refund(
    tmp_path: Path, counting: RefundCounting, count: int
):
    """The sums are the same when both rows lie on one day; the count is not."""
    counter = Counter(tmp_path)
    try:
        date = refunded_day(counter)
        booked = [Booked(one, "", "") for one in counter.centre.book.values()]
    finally:
        counter.close()
    refunded = {one.settlement.cancels for one in booked} - {""}

    (group,) = groups(booked, date, counting=counting, refunded=refunded)

    assert (group.count, group.total_fee.to_yuan()) == (count, "60.00")


def test_a_refund_on_another_day_is_left_out_on_both(tmp_path: Path):
    """Left out is left out: neither the old row nor the negative one counts."""
    counter = Counter(tmp_path)
    try:
        date = refunded_day(counter)
        booked = [Booked(one, "", "") for one in counter.centre.book.values()]
    finally:
        counter.close()
    negative = [one for one in booked if one.settlement.cancels]
    way = RefundCounting.LEFT_OUT

    (group,) = groups(negative, date, counting=way, refunded=())

    assert (group.count, group.total_fee.fen) == (0, 0)
