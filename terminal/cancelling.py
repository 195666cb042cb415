"""Taking a settlement back whole: asked here, or made at the centre and taken over."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable

from settlement.centre.errors import CentreError, CentreUnknownError
from settlement.centre.port import Centre, CentreSettlement
from settlement.claim import VisitKind
from settlement.facts import JsonValue, settlement_from_json, settlement_to_json
from settlement.journal import Journal
from settlement.journal_records import RESOLVED_BY, Answer, Record
from settlement.lifecycle import State
from terminal import service
from terminal.by_statement import CARRIED_OUT, ByStatement
from terminal.concluding import Concluding, reason_of
from terminal.errors import NotCancelledThereError
from terminal.looking_up import LookingUp
from terminal.replays import replayed
from terminal.reservations import Reservations
from terminal.telling import Telling
from terminal.views import SettlementView

#: Days after a settlement in which what the centre itself took back is looked for.
ADOPTABLE = 62


class Cancelling:
    """Takes settlements back, each once under its key."""

    def __init__(  # noqa: PLR0913 - what a cancellation goes through, each by name
        self,
        *,
        centre: Centre,
        journal: Journal,
        reservations: Reservations,
        concluding: Concluding,
        looking_up: LookingUp,
        telling: Telling,
        by_statement: ByStatement,
        finds_by_visit: bool,
        now: Callable[[], dt.datetime],
        wake: Callable[[], None],
    ) -> None:
        """Take what it works with.

        *finds_by_visit*: the centre says what a visit booked; *wake*: lets the worker
        look at an unknown.
        """
        self._by_statement = by_statement
        self._finds_by_visit = finds_by_visit
        self._now = now
        self._centre = centre
        self._journal = journal
        self._reservations = reservations
        self._concluding = concluding
        self._looking_up = looking_up
        self._telling = telling
        self._wake = wake

    def cancel(self, settlement_id: str, *, key: str, digest: str) -> service.Answer:
        """Take a settlement back whole (2208, 2103), once under *key*."""
        again = replayed(self._journal, key, digest)
        if again is not None:
            return again
        names = (f"key:{key}", f"cancel:{settlement_id}")
        with self._reservations.reserved(settlement_id, *names):
            again = replayed(self._journal, key, digest)
            if again is not None:
                return again
            record = self._looking_up.record(settlement_id)
            msgid = self._journal.next_msgid()
            record = self._journal.claim_cancellation(
                settlement_id, key, digest, {"msgid": msgid}
            )
            self._telling.tell(record)
            return self.send(record, msgid)

    def send(self, record: Record, msgid: str) -> service.Answer:
        """Send a cancellation whose decision is durable."""
        settled = settlement_from_json(record.facts["settled"])
        try:
            negative = self._centre.cancel(
                settled,
                VisitKind(record.kind),
                record.insured_region,
                msgid,
                self._concluding.listen(record),
            )
        except CentreUnknownError as error:
            self._journal.note(
                "cancellation-unknown", {"why": error.why}, record.settlement_id
            )
            self._wake()
            return service.Answer(202, self._telling.body(record), replayed=False)
        except CentreError as error:
            answer = self.keep_settled(record, error)
        else:
            answer = self._concluding.conclude(
                record, State.CANCELLED, settlement_to_json(negative), negative
            )
        return service.Answer(answer.status, answer.body, replayed=False)

    def keep_settled(
        self, record: Record, error: CentreError, *, resolved_by: str = ""
    ) -> Answer:
        """Say that a cancellation was refused: the settlement stands as it was.

        Args:
            record: The settlement.
            error: What the centre said.
            resolved_by: How it was found out, where nobody waited for it any more.
        """
        found_out = {RESOLVED_BY: resolved_by} if resolved_by else {}
        refused: dict[str, JsonValue] = {
            **record.facts["settled"],
            "cancellation_refused": error.code,
            "reason": reason_of(error),
            **found_out,
        }
        return self._concluding.conclude(record, State.SETTLED, refused, None)

    def adopt(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Take over a cancellation that was made at the centre itself.

        Args:
            settlement_id: Which settlement of ours the centre has taken back.
            reason: Why a person believes that it is rightly so; chained with it.

        Raises:
            SettlementNotFoundError: no settlement has that id.
            NotCancelledThereError: the centre has not taken it back, or has no record
                of it, or ours does not stand as settled.
            CentreError: the centre could not be asked.
        """
        with self._reservations.reserved(settlement_id, f"cancel:{settlement_id}"):
            record = self._looking_up.record(settlement_id)
            negative = self._cancelled_there(record)
            facts: dict[str, JsonValue] = {"msgid": negative.msgid, "adopted": reason}
            if record.state is State.QUARANTINED:
                record = self._journal.advance(record, State.CANCELLING, facts)
            else:
                key = f"adopted/{settlement_id}"
                digest = hashlib.sha256(key.encode()).hexdigest()
                record = self._journal.claim_cancellation(
                    settlement_id, key, digest, facts
                )
            ended = {**settlement_to_json(negative), RESOLVED_BY: "adopted"}
            self._concluding.conclude(record, State.CANCELLED, ended, negative)
        return self._looking_up.settlement(settlement_id)

    def _cancelled_there(self, record: Record) -> CentreSettlement:
        """Return the centre's own negative record of a settlement of ours."""
        doubted = record.state is State.QUARANTINED and "cancelling" in record.facts
        if record.state is not State.SETTLED and not doubted:
            raise NotCancelledThereError(record.settlement_id)
        settled = settlement_from_json(record.facts["settled"])
        now = self._centre.settlement(
            record.person_id,
            record.insured_region,
            settled.visit_id,
            settled.settlement_id,
        )
        if not now.refunded:
            raise NotCancelledThereError(record.settlement_id)
        if self._finds_by_visit:
            region = record.insured_region
            negative = self._centre.find_cancellation(settled, region)
        else:
            days = self._by_statement.since(record.created_at, self._now(), ADOPTABLE)
            found = list(self._by_statement.negatives(record, reversed(days)))
            # Of two alike to the fen on one day either is as true as the other; of two
            # days nobody can say which took this one back.
            alike = len({one.settled_at for one in found}) == 1
            negative = found[0] if alike else None
        if negative is None:
            raise NotCancelledThereError(record.settlement_id)
        return negative

    def find_in_statement(
        self, record: Record, msgid: str
    ) -> tuple[CentreSettlement | None, bool]:
        """Look among the rows of the days since a cancellation was sent.

        Returns:
            What *msgid* booked, None if no row is of it; and whether another message
            took the settlement back.

        Raises:
            CentreError: the centre could not be asked.
        """
        sent = next(
            entry.at
            for entry in record.history
            if entry.kind == State.CANCELLING.value and entry.facts["msgid"] == msgid
        )
        days = self._by_statement.since(sent, self._now(), CARRIED_OUT)
        by_another = False
        for negative in self._by_statement.negatives(record, days):
            if negative.msgid == msgid:
                return negative, False
            by_another = True
        return None, by_another
