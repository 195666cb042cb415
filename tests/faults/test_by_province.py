"""The same unknown ends in another way where the province's centre can do less."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.provinces import load_province
from settlement.lifecycle import State
from settlement.reconcile import Booked, RefundCounting, groups
from terminal.day import reconcile_day
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


def test_a_lost_cancellation_is_seen_by_the_refund_flag_in_hunan(hunan: Counter):
    """Taken back for certain, its own number cannot be read: a person enters it."""
    _, said = hunan.settle(a_bill())
    hunan.centre.lose_next = "after"
    hunan.cashier.cancel(str(said["settlement_id"]), key="c", digest="c")

    hunan.resolve()

    (record,) = hunan.journal.records()
    assert record.state is State.QUARANTINED
    assert record.facts["quarantined"]["why"] == "cancellation-not-readable"
    assert "find" not in hunan.centre.asked


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
