"""A refund that was made in the centre's own portal, and the terminal that lacks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from settlement.claim import VisitKind
from settlement.facts import settlement_from_json
from settlement.lifecycle import State
from settlement.money import Money
from settlement.reconcile import Kind
from terminal.errors import NotCancelledThereError, SettlementNotFoundError
from tests.rig.network import Fate
from tests.rig.one_day import OneDay, one_day

REASON = "the patient was refunded at the bureau's window"


@pytest.fixture(params=["reference", "hunan"])
def day(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[OneDay]:
    """Open a day in which somebody works at the centre, too."""
    with one_day(tmp_path, province=request.param) as opened:
        yield opened


def refund_at_the_centre(day: OneDay, settlement_id: str) -> str:
    """Take a settlement back without its terminal; return the message's number."""
    record = day.terminal.journal.record(settlement_id)
    settled = settlement_from_json(record.facts["settled"])
    msgid = day.terminal.journal.next_msgid()
    region = record.insured_region
    kind = VisitKind(record.kind)
    day.terminal.gateway.cancel(settled, kind, region, msgid)
    return msgid


def balance(day: OneDay, settlement_id: str) -> Money:
    """Sum what the terminal's ledger has of a settlement's income."""
    return Money.total(
        posting.amount
        for posting in day.terminal.journal.postings(settlement_id)
        if posting.account.value == "medical-income"
    )


@pytest.mark.parametrize("kind", [VisitKind.OUTPATIENT, VisitKind.PHARMACY])
def test_f38_reconciling_finds_it_and_one_key_takes_it_over(
    day: OneDay, kind: VisitKind
):
    """A linked negative record with its reason; the day balances after it."""
    _, said = day.settle(day.bill(kind=kind))
    ours = said["settlement_id"]
    msgid = refund_at_the_centre(day, ours)
    today = day.world.clock.now.date()
    before = day.terminal.cashier.reconcile(today)

    view = day.terminal.cashier.adopt_cancellation(ours, reason=REASON)

    (difference,) = before.differences
    assert (difference.kind, difference.our_id) == (Kind.STATUS, ours)
    assert view.state is State.CANCELLED
    record = day.terminal.journal.record(ours)
    assert record.facts["cancelling"] == {"msgid": msgid, "adopted": REASON}
    assert record.facts["cancelled"]["msgid"] == msgid
    assert balance(day, ours) == Money.ZERO
    assert day.terminal.cashier.reconcile(today).balanced


def test_f38_it_sends_nothing_about_money(day: OneDay):
    """The centre has taken it back already: looking is enough."""
    _, said = day.settle(day.bill())
    refund_at_the_centre(day, said["settlement_id"])
    sent = day.messages("2208")

    day.terminal.cashier.adopt_cancellation(said["settlement_id"], reason=REASON)

    assert day.messages("2208") == sent == 1
    assert len(day.centre_rows()) == 2  # the settlement and its negative record


def test_f38_a_power_cut_between_its_two_steps_is_mended_by_looking(day: OneDay):
    """The decision is durable; the worker finds the centre's record by its number."""
    _, said = day.settle(day.bill())
    ours = said["settlement_id"]
    msgid = refund_at_the_centre(day, ours)
    facts = {"msgid": msgid, "adopted": REASON}
    day.terminal.journal.claim_cancellation(ours, f"adopted/{ours}", "d", facts)

    day.terminal.restart()
    for _ in range(3):
        day.look()

    assert day.terminal.journal.record(ours).state is State.CANCELLED
    assert balance(day, ours) == Money.ZERO


def test_f38_our_own_attempt_that_came_second_waits_and_is_taken_over(day: OneDay):
    """Refunded by another message: quarantined until a person says why."""
    _, said = day.settle(day.bill())
    ours = said["settlement_id"]
    refund_at_the_centre(day, ours)
    day.cancel(ours, Fate.REQUEST_LOST)
    for _ in range(4):
        day.look()
    waits = day.terminal.journal.record(ours).state

    view = day.terminal.cashier.adopt_cancellation(ours, reason=REASON)

    assert waits is State.QUARANTINED
    assert view.state is State.CANCELLED
    assert balance(day, ours) == Money.ZERO


def test_f38_what_the_centre_has_not_taken_back_stands(day: OneDay):
    """A wish is no cancellation."""
    _, said = day.settle(day.bill())

    with pytest.raises(NotCancelledThereError) as refused:
        day.terminal.cashier.adopt_cancellation(said["settlement_id"], reason=REASON)

    assert refused.value.code == "not-cancelled-there"
    assert day.record().state is State.SETTLED


def test_f38_what_is_not_known_yet_is_not_taken_over(day: OneDay):
    """It has to come to its own end first."""
    day.settle(day.bill(), Fate.ANSWER_LOST)

    with pytest.raises(NotCancelledThereError):
        day.terminal.cashier.adopt_cancellation(
            day.record().settlement_id, reason=REASON
        )

    assert day.record().state is State.UNKNOWN


def test_f38_nothing_is_taken_over_twice(day: OneDay):
    """The second press books nothing."""
    _, said = day.settle(day.bill())
    ours = said["settlement_id"]
    refund_at_the_centre(day, ours)
    day.terminal.cashier.adopt_cancellation(ours, reason=REASON)

    with pytest.raises(NotCancelledThereError):
        day.terminal.cashier.adopt_cancellation(ours, reason=REASON)

    assert balance(day, ours) == Money.ZERO


def test_f38_what_nobody_knows_is_not_taken_over(day: OneDay):
    """An id of another terminal, say."""
    with pytest.raises(SettlementNotFoundError):
        day.terminal.cashier.adopt_cancellation("0" * 16, reason=REASON)
