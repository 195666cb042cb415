"""A part goes back: the whole is cancelled, the rest settled, whatever dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from settlement.centre.errors import CentreRejectedError
from settlement.claim import VisitKind
from settlement.lifecycle import State
from settlement.money import line_amount
from terminal.bill import Bill, BillLine
from terminal.errors import (
    BillAlreadySettledError,
    HolderNeededError,
    RemainderNotOwedError,
    RequestInvalidError,
    SettlementInFlightError,
)
from terminal.remainder import (
    ENDED,
    OWED,
    REFUSED,
    Kept,
    Owed,
    PartRefund,
    id_of,
)
from tests.rig.network import Fate
from tests.rig.one_day import one_day
from tests.shipped import CATALOGUE
from tests.stories.counter import Counter, a_bill

HALF = PartRefund("B-1-R", (Kept(1, Fraction(1)),))


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    """Open a counter at which two packs of one thing were settled."""
    opened = Counter(tmp_path)
    opened.card_and_pin()
    yield opened
    opened.close()


def two_packs(kind: VisitKind = VisitKind.OUTPATIENT) -> Bill:
    """Return a bill of two packs at 40.00."""
    code, price = next(iter(CATALOGUE.items)), Fraction(40)
    line = BillLine(code, Fraction(2), price, line_amount(price, Fraction(2)))
    return replace(a_bill(kind=kind), lines=(line,))


def settled(counter: Counter, kind: VisitKind = VisitKind.OUTPATIENT) -> str:
    """Settle two packs."""
    status, said = counter.settle(two_packs(kind))
    assert status == 201
    return str(said["settlement_id"])


def give_back(
    counter: Counter, one: str, part: PartRefund = HALF, key: str = "p"
) -> tuple[int, dict[str, Any]]:
    """Give a part back."""
    answer = counter.cashier.refund_part(one, part, key=key, digest=key)
    return answer.status, json.loads(answer.body)


def states(counter: Counter, one: str) -> tuple[State, State | None]:
    """Return how the first and its remainder stand."""
    records = {r.settlement_id: r.state for r in counter.journal.records()}
    return records[one], records.get(id_of(one))


@pytest.mark.parametrize("kind", [VisitKind.OUTPATIENT, VisitKind.PHARMACY])
def test_one_of_two_packs_goes_back_and_the_other_stays_settled(
    counter: Counter, kind: VisitKind
):
    """The holder has left with his card: his settlement knows who he is."""
    one = settled(counter, kind)
    counter.slot.remove()

    status, said = give_back(counter, one)

    assert (status, said["state"]) == (200, "cancelled")
    assert (said["remainder_id"], said["remainder_bill_no"]) == (id_of(one), "B-1-R")
    rest = counter.cashier.settlement(id_of(one))
    assert (rest.state, rest.bill_no, rest.total_fee) == (
        State.SETTLED,
        "B-1-R",
        "40.00",
    )
    assert [r.amounts.total_fee.to_yuan() for r in counter.centre.living] == ["40.00"]
    assert counter.cashier.open_items() == ()


def test_the_same_key_gives_back_once(counter: Counter):
    """A retry gets the same bytes, and nothing is cancelled or settled again."""
    one = settled(counter)

    first, again = give_back(counter, one), give_back(counter, one)

    assert first == again
    assert counter.centre.asked.count("cancel") == 1
    assert counter.centre.asked.count("settle") == 2


@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_lost_cancellation_is_found_first_and_then_the_rest_settled(
    counter: Counter, lost: str
):
    """Nothing of the rest is sent while nobody knows whether the first is gone."""
    one = settled(counter)
    counter.centre.lose_next = lost
    status, _ = give_back(counter, one)
    sent = counter.centre.asked.count("settle")
    counter.resolve()

    assert (status, sent) == (202, 1)
    assert states(counter, one) == (State.CANCELLED, State.SETTLED)


def test_a_refused_cancellation_leaves_all_as_it_was(counter: Counter):
    """The first stands, and nothing is owed."""
    one = settled(counter)
    booked = counter.centre.book[counter.journal.record(one).msgid]
    counter.centre.cancel(booked, VisitKind.OUTPATIENT, "230800", "elsewhere")

    _, said = give_back(counter, one)
    counter.resolve()

    assert said["state"] == "settled"
    assert states(counter, one) == (State.SETTLED, None)
    assert counter.cashier.open_items() == ()


def test_a_centre_that_goes_away_in_the_middle_leaves_the_rest_owed(counter: Counter):
    """It is shown as open, tried again, and settled when the centre is back."""
    one = settled(counter)
    cancel = counter.centre.cancel

    def cancel_and_go(*given: Any, **named: Any) -> Any:
        booked = cancel(*given, **named)
        counter.centre.down = True
        return booked

    counter.centre.cancel = cancel_and_go  # type: ignore[method-assign] # goes away after it
    give_back(counter, one)
    (waiting,) = counter.cashier.open_items()
    counter.centre.down = False
    counter.cashier.settle_remainder(one, patient_pays=None)

    assert waiting.settlement_id == one
    assert waiting.problem is not None
    assert waiting.problem.code == "remainder-owed"
    assert states(counter, one) == (State.CANCELLED, State.SETTLED)
    assert counter.cashier.open_items() == ()


def test_a_power_cut_in_the_middle_loses_nothing_of_it(counter: Counter):
    """What stays was durable with the decision to cancel."""
    one = settled(counter)

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    counter.cashier._part_refunds._pursue = power_cut  # type: ignore[assignment,method-assign] # noqa: SLF001 - dies there
    with pytest.raises(KeyboardInterrupt):
        give_back(counter, one)
    between = states(counter, one)
    counter.restart()
    counter.resolve()

    assert between == (State.CANCELLED, None)
    assert states(counter, one) == (State.CANCELLED, State.SETTLED)
    assert len(counter.centre.living) == 1


def test_a_power_cut_after_the_rest_was_sent_sends_nothing_twice(counter: Counter):
    """Its own settlement is looked up as any other; it is not begun again."""
    one = settled(counter)

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    counter.cashier._part_refunds._owed.end = power_cut  # type: ignore[assignment,method-assign] # noqa: SLF001 - dies there
    with pytest.raises(KeyboardInterrupt):
        give_back(counter, one)
    counter.restart()
    counter.resolve()

    assert counter.centre.asked.count("settle") == 2
    assert states(counter, one) == (State.CANCELLED, State.SETTLED)


def test_a_rest_nobody_wants_is_waived_with_a_reason(counter: Counter):
    """The whole went back then; it is never settled later."""
    one = settled(counter)
    cancel = counter.centre.cancel

    def cancel_and_suspend(*given: Any, **named: Any) -> Any:
        counter.centre.active = False
        counter.cashier._credentials._lookup.forget()  # noqa: SLF001 - asked again by the next holder
        return cancel(*given, **named)

    counter.centre.cancel = cancel_and_suspend  # type: ignore[method-assign] # the person is suspended meanwhile
    give_back(counter, one)
    owed = len(counter.cashier.open_items())
    counter.cashier.waive_remainder(one, reason="患者不要了")
    counter.centre.active = True
    counter.restart()
    counter.resolve()

    assert owed == 1
    assert counter.cashier.open_items() == ()
    assert states(counter, one) == (State.CANCELLED, None)


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (PartRefund("B-1-R", ()), "a line that stays"),
        (PartRefund("B-1-R", (Kept(2, Fraction(1)),)), "lines of the settlement"),
        (PartRefund("B-1-R", (Kept(1, Fraction(1)),) * 2), "each once"),
        (PartRefund("B-1-R", (Kept(1, Fraction(3)),)), "at most what was settled"),
        (PartRefund("B-1-R", (Kept(1, Fraction(0)),)), "above nothing"),
        (PartRefund("B-1-R", (Kept(1, Fraction(2)),)), "less than was settled"),
        (PartRefund("B-1", (Kept(1, Fraction(1)),)), "a number of its own"),
    ],
)
def test_what_is_no_part_of_it_is_refused_before_anything_is_cancelled(
    counter: Counter, part: PartRefund, named: str
):
    """The sentence says what a part is."""
    one = settled(counter)

    with pytest.raises(RequestInvalidError, match=named):
        give_back(counter, one, part)

    assert states(counter, one) == (State.SETTLED, None)
    assert "cancel" not in counter.centre.asked


def test_a_number_that_another_bill_has_is_refused(counter: Counter):
    """The remainder is a bill of its own, and a bill lives once."""
    one = settled(counter)
    counter.card_and_pin()
    counter.settle(a_bill("B-1-R"), key="other")

    with pytest.raises(BillAlreadySettledError):
        give_back(counter, one)

    assert states(counter, one) == (State.SETTLED, None)


def test_what_a_voucher_settled_needs_its_holder_for_the_rest(counter: Counter):
    """Its token was good for one settlement; nothing is cancelled before it is said."""
    one = settled(counter)
    record = counter.journal.record(one)
    shown = {**record.personal, "card_serial": "", "card_no": "token"}
    counter.journal.record = lambda _: replace(record, personal=shown)  # type: ignore[method-assign,assignment] # it was a voucher

    with pytest.raises(HolderNeededError):
        give_back(counter, one)

    assert "cancel" not in counter.centre.asked


@pytest.mark.parametrize("how", ["settle", "waive"])
def test_nothing_is_owed_of_an_ordinary_settlement(counter: Counter, how: str):
    """Only a partial refund leaves something to be settled."""
    one = settled(counter)

    cashier = counter.cashier
    ways = {
        "settle": lambda: cashier.settle_remainder(one, patient_pays=None),
        "waive": lambda: cashier.waive_remainder(one, reason="why"),
    }

    with pytest.raises(RemainderNotOwedError):
        ways[how]()


def test_what_a_refusal_ended_is_owed_again_by_a_later_try(counter: Counter):
    """After a start the second try counts, not the refusal before it."""
    journal = counter.journal
    told = {"settlement_id": "s1"}
    journal.note(OWED, told, "s1")
    journal.note(ENDED, {**told, "how": REFUSED}, "s1")
    ended = Owed(journal).ids()
    journal.note(OWED, told, "s1")

    assert ended == ()
    assert Owed(journal).ids() == ("s1",)


def test_a_refund_that_is_asked_again_owes_again_over_a_power_cut(counter: Counter):
    """The first try ended refused; that says nothing of the second."""
    one = settled(counter)
    cancel = counter.centre.cancel

    def refuse(*_given: Any, **_named: Any) -> Any:
        msg = "今日不能撤销"
        raise CentreRejectedError(msg)

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    counter.centre.cancel = refuse  # type: ignore[method-assign] # says no once
    give_back(counter, one)
    counter.centre.cancel = cancel  # type: ignore[method-assign] # and not again
    counter.cashier._part_refunds._pursue = power_cut  # type: ignore[assignment,method-assign] # noqa: SLF001 - dies there
    with pytest.raises(KeyboardInterrupt):
        give_back(counter, one, key="again")
    counter.restart()
    counter.resolve()

    assert states(counter, one) == (State.CANCELLED, State.SETTLED)


def refused_and_cut(counter: Counter, one: str) -> None:
    """Have a refund refused; the power goes before it is noted that nothing is owed."""
    cancel = counter.centre.cancel

    def refuse(*_given: Any, **_named: Any) -> Any:
        msg = "今日不能撤销"
        raise CentreRejectedError(msg)

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    counter.centre.cancel = refuse  # type: ignore[method-assign] # says no once
    counter.cashier._part_refunds._pursue = power_cut  # type: ignore[assignment,method-assign] # noqa: SLF001 - dies there
    with pytest.raises(KeyboardInterrupt):
        give_back(counter, one)
    counter.centre.cancel = cancel  # type: ignore[method-assign] # and not again
    counter.restart()


def test_of_a_whole_that_went_back_after_a_refused_part_nothing_is_owed(
    counter: Counter,
):
    """What is taken back then is the whole; the worker looks for no rest of it."""
    one = settled(counter)
    refused_and_cut(counter, one)

    status = counter.cashier.cancel(one, key="c", digest="c").status
    counter.resolve()

    assert status == 200
    assert states(counter, one) == (State.CANCELLED, None)
    assert Owed(counter.journal).ids() == ()


def test_a_rest_is_not_forgotten_for_what_the_worker_saw_before(counter: Counter):
    """It saw the refused first try; a second one waits until that is noted."""
    one = settled(counter)
    refused_and_cut(counter, one)
    refunds = counter.cashier._part_refunds  # noqa: SLF001 - the worker's part of it
    look_up = refunds._looking_up.record  # noqa: SLF001 - to stand between look and note

    def somebody_tries_again(settlement_id: str) -> Any:
        refunds._looking_up.record = look_up  # type: ignore[method-assign] # noqa: SLF001 - once
        seen = look_up(settlement_id)
        with pytest.raises(SettlementInFlightError):
            give_back(counter, one, key="again")
        return seen

    refunds._looking_up.record = somebody_tries_again  # type: ignore[method-assign] # noqa: SLF001 - as above
    refunds.pursue()
    give_back(counter, one, key="again")
    counter.resolve()

    assert states(counter, one) == (State.CANCELLED, State.SETTLED)


def test_the_worker_leaves_a_cancellation_alone_while_it_is_under_way(tmp_path: Path):
    """It asks for the rest that is owed, and must not take the first for abandoned."""
    with one_day(tmp_path) as day:
        _, said = day.settle(two_packs())
        network = day.world.network

        def the_worker_looks(_number: int) -> None:
            if day.messages("2208") == 1:
                network.meanwhile = lambda _number: None
                for _ in range(4):
                    day.look()

        network.meanwhile, network.scripted = the_worker_looks, [Fate.REFUSED]
        answer = day.terminal.cashier.refund_part(
            said["settlement_id"], HALF, key="p", digest="p"
        )

        assert answer.status == 409  # the connection was refused: nothing was sent
        assert day.messages("2208") == 1
        assert day.record().state is State.SETTLED
        assert [row.living for row in day.centre_rows()] == [True]
