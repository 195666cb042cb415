"""How a settlement ends: durable with the bytes every retry gets; late answers too."""

from __future__ import annotations

import logging

from settlement.centre.errors import CentreError, CentreRejectedError
from settlement.centre.port import CentreSettlement, LateAnswer
from settlement.facts import JsonValue, settlement_to_json
from settlement.journal import Journal
from settlement.journal_errors import JournalStoppedError, OvertakenError
from settlement.journal_records import RESOLVED_BY, Answer, Record
from settlement.ledger import entry_for
from settlement.lifecycle import State
from terminal.periods import Periods, tender_of
from terminal.record_view import BOOKED_OTHERWISE
from terminal.telling import Telling

log = logging.getLogger(__name__)

#: HTTP status of the answer that every retry gets, by where the settlement ended.
_STATUS = {
    State.SETTLED: 201,
    State.CANCELLED: 200,
    State.REJECTED: 422,
    State.REVERSED: 422,
}
CANCELLATION_REFUSED = 409
#: Out of which states a late answer ends a settlement, by where it ends it.
_WAITS = frozenset({State.SENDING, State.UNKNOWN})
_ENDED_LATE = {
    State.SETTLED: _WAITS,
    State.REJECTED: _WAITS,
    State.CANCELLED: frozenset({State.CANCELLING}),
}


class Concluding:
    """Ends settlements and cancellations, whoever found out how they ended."""

    def __init__(self, journal: Journal, periods: Periods, telling: Telling) -> None:
        self._journal = journal
        self._periods = periods
        self._telling = telling

    def conclude(
        self,
        record: Record,
        to: State,
        facts: dict[str, JsonValue],
        settled: CentreSettlement | None,
    ) -> Answer:
        """Make an end durable together with the bytes every retry will get."""
        status = _STATUS[to]
        if record.state is State.CANCELLING and to is State.SETTLED:
            status = CANCELLATION_REFUSED
        entry = (
            entry_for(
                record.settlement_id,
                settled.amounts,
                cancels=bool(settled.cancels),
                tender=tender_of(record),
            )
            if settled is not None
            else None
        )

        def answer(after: Record) -> Answer:
            return Answer(status, self._telling.body(after))

        booked_at = settled.settled_at if settled is not None else None
        with self._periods.posting(record, booked_at) as where:
            done = self._journal.advance(
                record,
                to,
                {**facts, **where},
                postings=entry,
                answer=answer,
            )
        view = self._telling.view(done)
        if view.problem is not None and view.problem.code == BOOKED_OTHERWISE:
            log.warning(
                "settlement.booked-otherwise",
                extra={"settlement_id": done.settlement_id, "code": BOOKED_OTHERWISE},
            )
        self._telling.publish(view)
        if done.answer is None:
            msg = "a step that answers its caller stored no answer"
            raise AssertionError(msg)
        return done.answer

    def listen(self, record: Record) -> LateAnswer:
        """Return who hears an answer after the cashier has given up on it."""

        def heard(said: CentreSettlement | CentreRejectedError) -> None:
            try:
                self._take_late(record.settlement_id, said)
            except JournalStoppedError as error:
                log.warning("settlement.late_answer", extra={"code": error.code})

        return heard

    def _take_late(
        self, settlement_id: str, said: CentreSettlement | CentreRejectedError
    ) -> None:
        """Keep a late answer as evidence; it ends what is unknown and nothing else."""
        refused = said if isinstance(said, CentreRejectedError) else None
        booked = said if isinstance(said, CentreSettlement) else None
        facts: dict[str, JsonValue] = {}
        if refused is not None:
            facts = {"code": refused.code, "reason": refused.reason}
        if booked is not None:
            facts = settlement_to_json(booked)
        self._journal.note("late-answer", facts, settlement_id)
        to = State.REJECTED
        if booked is not None:
            to = State.CANCELLED if booked.cancels else State.SETTLED
        facts = {**facts, RESOLVED_BY: "late-answer"}
        while True:
            record = self._journal.record(settlement_id)
            if record.state not in _ENDED_LATE[to]:
                # Decided meanwhile by looking it up; the answer is kept all the same.
                log.info(
                    "settlement.decided_before_late_answer",
                    extra={"settlement_id": settlement_id},
                )
                return
            try:
                self.conclude(record, to, facts, booked)
            except OvertakenError:
                continue  # it went on just now: does it wait for this answer still?
            return


def reason_of(error: CentreError) -> str:
    """Return the centre's own words where it has any, else nothing."""
    return error.reason if isinstance(error, CentreRejectedError) else ""
