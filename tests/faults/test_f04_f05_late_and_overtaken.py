"""Answers that come late, and reversals that overtake what they reverse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from settlement.claim import VisitKind
from settlement.lifecycle import State
from tests.rig.network import PATIENCE_S, Fate
from tests.rig.one_day import OneDay, one_day


@pytest.fixture
def day(tmp_path: Path) -> Iterator[OneDay]:
    """Open a day in which the test decides what happens on the wire."""
    with one_day(tmp_path) as opened:
        yield opened


def found_out(day: OneDay) -> list[tuple[str, str]]:
    """Return bill and state of what the counter tells as found out today."""
    found = day.terminal.cashier.found_out()
    return [(view.bill_no, view.state.value) for view in found]


@pytest.mark.parametrize("kind", [VisitKind.OUTPATIENT, VisitKind.PHARMACY])
def test_f04_a_late_answer_settles_what_was_unknown(day: OneDay, kind: VisitKind):
    """Twice the time-out late: adopted with the centre's number, nothing reversed."""
    bill = day.bill(kind=kind)
    status, said = day.settle(bill, Fate.ANSWER_LATE, delays_s=(PATIENCE_S,))

    day.world.clock.pass_by(2 * PATIENCE_S)

    assert (status, said["state"]) == (202, "unknown")
    assert day.record().state is State.SETTLED
    assert day.record().facts["settled"]["resolved_by"] == "late-answer"
    assert day.late_answers() == 1
    assert day.messages("2601") == 0
    assert found_out(day) == [(bill.bill_no, "settled")]
    again, told = day.settle(bill)
    assert (again, told["state"]) == (201, "settled")


def test_f04_a_late_answer_after_the_reversal_is_evidence_only(day: OneDay):
    """REVERSED absorbs: the answer is kept, and no second reversal is sent."""
    day.settle(day.bill(kind=VisitKind.PHARMACY), Fate.ANSWER_LATE, delays_s=(600.0,))
    for _ in range(4):
        day.look()
    reversals = day.messages("2601")
    before = day.record().state

    day.world.clock.pass_by(1200)
    day.look()

    assert (before, day.record().state) == (State.REVERSED, State.REVERSED)
    assert day.late_answers() == 1
    assert day.messages("2601") == reversals == 1


def test_f04_a_late_answer_while_it_is_being_reversed_moves_nothing(day: OneDay):
    """The decision to reverse is durable; what comes then is evidence."""
    day.settle(day.bill(kind=VisitKind.PHARMACY), Fate.ANSWER_LATE, delays_s=(30.0,))
    for _ in range(4):
        day.look(Fate.ANSWER_LOST)
    before = day.record().state
    day.world.clock.pass_by(60)

    assert (before, day.record().state) == (State.REVERSING, State.REVERSING)
    assert day.late_answers() == 1


def test_f04_a_late_refusal_ends_what_was_unknown(day: OneDay):
    """The centre said no, late: nothing is booked, and the bill can be tried again."""

    def it_is_reversed_first(_number: int) -> None:
        if day.messages("2207") == 1:
            day.world.network.meanwhile = lambda _number: None
            sent = day.record()
            day.terminal.gateway.reverse(
                sent.person_id, sent.insured_region, sent.msgid, sent.infno
            )

    day.world.network.meanwhile = it_is_reversed_first
    status, said = day.settle(day.bill(), Fate.ANSWER_LATE, delays_s=(1.0,))
    day.world.clock.pass_by(60)

    assert (status, said["state"]) == (202, "unknown")
    assert day.record().state is State.REJECTED
    assert day.late_answers() == 1
    assert day.settle(day.bill(), key="again")[0] == 201


def test_a_sign_in_that_lapsed_is_no_verdict_on_the_message(day: OneDay):
    """Midnight passes on the way: not carried out, and the next one signs in again."""
    day.world.clock.pass_by((15 * 60 + 58) * 60)  # two minutes before midnight

    def midnight_passes(_number: int) -> None:
        if day.messages("2207") == 1:
            day.world.network.meanwhile = lambda _number: None
            day.world.clock.pass_by(180)

    day.world.network.meanwhile = midnight_passes
    status, said = day.settle(day.bill())
    again, _ = day.settle(day.bill(), key="after midnight")

    assert (status, said["state"]) == (422, "rejected")
    assert day.record().facts.get("rejected", {}) == {}
    assert again == 201
    assert sum(row.living for row in day.centre_rows()) == 1


def test_a_repeat_that_is_refused_says_nothing_of_the_first_copy(day: OneDay):
    """Somebody on the way sent it twice: unknown, looked up, and settled."""
    status, said = day.settle(day.bill(), Fate.SECOND_HEARD)
    for _ in range(3):
        day.look()

    assert (status, said["state"]) == (202, "unknown")
    assert day.record().state is State.SETTLED


def test_f04_a_late_answer_to_a_cancellation_takes_it_back(day: OneDay):
    """The negative record is adopted; the cancellation is not sent again."""
    _, said = day.settle(day.bill())
    status, _ = day.cancel(said["settlement_id"], Fate.ANSWER_LATE)

    day.world.clock.pass_by(1200)

    assert status == 202
    assert day.record().state is State.CANCELLED
    assert day.messages("2208") == 1


def test_f04_what_was_looked_up_long_ago_does_not_end_a_cancellation(day: OneDay):
    """It was unknown when the worker asked; the answer to that comes too late.

    Meanwhile it settled by its late answer and was cancelled, with nothing heard: the
    old finding would have said that the cancellation was refused.
    """
    day.settle(day.bill(), Fate.ANSWER_LATE, delays_s=(1.0,))

    def meanwhile(_number: int) -> None:
        if day.messages("5203"):
            day.world.network.meanwhile = lambda _number: None
            day.world.clock.pass_by(60)
            assert day.record().state is State.SETTLED
            day.world.network.delays_s = [600.0]
            status, _ = day.cancel(day.record().settlement_id, Fate.ANSWER_LATE)
            assert status == 202

    day.world.network.meanwhile = meanwhile
    day.look()
    before = day.record().state
    for _ in range(3):
        day.look()

    assert (before, day.record().state) == (State.CANCELLING, State.CANCELLED)
    assert day.messages("2208") == 1


@pytest.mark.parametrize("kind", [VisitKind.OUTPATIENT, VisitKind.PHARMACY])
def test_f05_a_reversal_that_overtakes_its_original_keeps_it_out(
    day: OneDay, kind: VisitKind
):
    """The original comes after its reversal: refused, the net is nothing."""
    day.settle(day.bill(kind=kind), Fate.REQUEST_LATE, delays_s=(600.0,))
    for _ in range(5):
        day.look()
    before = day.record().state

    day.world.clock.pass_by(1200)

    assert before is State.REVERSED
    assert day.messages("2601") == 1
    assert not any(row.living for row in day.centre_rows())


def test_f05_the_bill_of_an_overtaken_original_is_settled_once(day: OneDay):
    """A new message settles it; the late original does not make it two."""
    bill = day.bill(kind=VisitKind.PHARMACY)
    day.settle(bill, Fate.REQUEST_LATE, delays_s=(600.0,))
    for _ in range(5):
        day.look()

    status, _ = day.settle(bill, key="second")
    day.world.clock.pass_by(1200)

    assert status == 201
    assert sum(row.living for row in day.centre_rows()) == 1


def test_a_cancellation_that_comes_between_two_looks_is_not_lost(day: OneDay):
    """The late original cancels; our repeat is refused; the settlement is gone."""
    _, said = day.settle(day.bill())
    day.world.network.delays_s = [0.5]
    day.cancel(said["settlement_id"], Fate.REQUEST_LATE)
    arrived = day.world.network.meanwhile

    def arrives(_number: int) -> None:
        day.world.network.meanwhile = arrived
        day.world.clock.pass_by(60)

    day.world.network.meanwhile = arrives
    day.look()
    for _ in range(3):
        day.look()

    assert day.record().state is State.CANCELLED


def test_a_cancellation_that_arrives_while_it_is_looked_up_is_ours(day: OneDay):
    """Between two questions it takes the settlement back: nobody else did."""
    _, said = day.settle(day.bill())
    day.world.network.delays_s = [60.0]
    day.cancel(said["settlement_id"], Fate.REQUEST_LATE)
    asked = day.messages("5203") + day.messages("5204")

    def arrives(_number: int) -> None:
        if day.messages("5203") + day.messages("5204") == asked + 2:
            day.world.network.meanwhile = lambda _number: None
            day.world.clock.pass_by(120)

    day.world.network.meanwhile = arrives
    for _ in range(4):
        day.look()

    assert day.record().state is State.CANCELLED


def test_f05_what_was_found_out_is_told_all_day_and_not_tomorrow(day: OneDay):
    """A bill, its cancellation and one taken back: the newest first, each once."""
    bill, other = day.bill("B-1"), day.bill("B-2", kind=VisitKind.PHARMACY)
    day.settle(bill, Fate.ANSWER_LOST)
    day.look()
    first = found_out(day)
    day.cancel(day.record().settlement_id, Fate.ANSWER_LOST)
    waits = found_out(day)
    day.look()
    day.settle(other, Fate.REQUEST_LOST)
    for _ in range(4):
        day.look()
    both = found_out(day)

    day.world.clock.pass_by(24 * 3600)

    assert first == [(bill.bill_no, "settled")]
    assert waits == []
    assert both == [(other.bill_no, "reversed"), (bill.bill_no, "cancelled")]
    assert found_out(day) == []


def test_f03_what_ended_while_one_waited_is_no_news(day: OneDay):
    """Settled, refused and cancelled at once: whoever asked has the answer."""
    day.settle(day.bill())
    day.cancel(day.record().settlement_id)

    assert found_out(day) == []
