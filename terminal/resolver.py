"""The worker that ends every unknown: found at the centre, or reversed by msgid.

It looks before it acts, never sends a settlement again, and never drops an item:
what no machine can decide goes to quarantine, where people see it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from settlement.centre.errors import (
    REPEATED,
    CentreRejectedError,
    CentreUnknownError,
)
from settlement.centre.port import Centre, CentreSettlement
from settlement.centre.profile import Profile
from settlement.claim import VisitKind
from settlement.errors import SettlementError
from settlement.facts import JsonValue, settlement_from_json, settlement_to_json
from settlement.journal import Journal
from settlement.journal_records import RESOLVED_BY, Record
from settlement.lifecycle import DOUBTED, State
from terminal.cashier import Cashier
from terminal.concluding import reason_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """How patient the worker is, in seconds."""

    idle_s: float = 2.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    #: "Not found" counts only this long after the outcome became unknown: a request
    #: may still be on its way. The reversal tombstones it if it comes later still.
    not_found_after_s: float = 3.0
    on_not_found: str = "reverse"  #: or "ask": wait for a person
    #: So many answers about one settlement that cannot be believed, or faults of this
    #: program over it, and a person takes over. A centre that is away is no answer: for
    #: that the worker waits for ever.
    quarantine_after: int = 5


#: Why an answer leaves the outcome unknown although the centre gave one.
_UNBELIEVABLE = ("unparsable", "identity-broken")


#: By what it was found out.
_BY_VISIT, _BY_STATEMENT = "5204+5203", "3202+5203"
_ABSENT = "3202"
_BY_ANOTHER = "refunded-by-another-message"


class Resolver:
    """Take every open settlement to its end, one at a time, without haste."""

    def __init__(  # noqa: PLR0913 - what it works with, each passed in by name
        self,
        *,
        cashier: Cashier,
        journal: Journal,
        centre: Centre,
        profile: Profile,
        monotonic: Callable[[], float],
        settings: ResolverSettings | None = None,
    ) -> None:
        self._cashier = cashier
        self._journal = journal
        self._centre = centre
        self._profile = profile
        self._monotonic = monotonic
        self._settings = settings or ResolverSettings()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: dict[str, float] = {}  # settlement -> when it was first met
        self._again_at: dict[str, float] = {}
        self._wait: dict[str, float] = {}
        self._unbelievable: dict[str, int] = {}
        self._broke: dict[str, int] = {}  # settlement -> faults of the program met

    def start(self) -> None:
        """Begin with whatever the last run left open."""
        self._cashier.wake_resolver = self._wake.set
        self._thread = threading.Thread(target=self._work, name="resolver")
        self._thread.start()

    def stop(self) -> None:
        """Stop after the item at hand."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self.sweep()
                self._cashier.withdraw_visits()
                wait_s = self._next_wait()
            except Exception:
                # Nothing gets decided any more if the worker ends: it looks again.
                log.exception("resolve.failed")
                wait_s = self._settings.idle_s
            self._wake.wait(wait_s)
            self._wake.clear()

    def _next_wait(self) -> float:
        due = min(self._again_at.values(), default=float("inf")) - self._monotonic()
        return max(0.05, min(self._settings.idle_s, due))

    def sweep(self) -> None:
        """Look once at every open settlement that is due."""
        self._cashier.pursue_remainders()
        open_now = self._journal.open_items()
        alive = {record.settlement_id for record in open_now}
        # Whatever is remembered of what has ended: one that ended while it was looked
        # at has been put off since, and would keep the worker awake.
        for gone in (self._seen.keys() | self._again_at.keys()) - alive:
            self._forget(gone)
        for record in open_now:
            if self._stopping.is_set():
                return
            due = self._again_at.get(record.settlement_id, 0.0)
            if self._cashier.is_running(record.settlement_id):
                continue
            if self._monotonic() >= due:
                self._seen.setdefault(record.settlement_id, self._monotonic())
                self._look_at(record)

    def _look_at(self, record: Record) -> None:
        self._put_off(record)
        try:
            try:
                self._step(record)
            except CentreUnknownError as error:
                if not error.why.startswith(_UNBELIEVABLE):
                    raise
                self._doubt(record, error)
        except SettlementError as error:
            # The centre is away, or the journal stopped: the item stays as it is.
            log.warning(
                "resolve.later",
                extra={"settlement_id": record.settlement_id, "code": error.code},
            )
        except Exception as error:  # noqa: BLE001 - the others are decided all the same
            self._break(record, error)

    def _break(self, record: Record, error: Exception) -> None:
        """Tell a fault of this program; after some, leave the item to a person."""
        where = {"settlement_id": record.settlement_id}
        log.error("resolve.broke", exc_info=error, extra=where)
        times = self._broke.get(record.settlement_id, 0) + 1
        self._broke[record.settlement_id] = times
        if times < self._settings.quarantine_after or record.state not in DOUBTED:
            return
        facts: dict[str, JsonValue] = {
            "why": "program-fault",
            "last": type(error).__name__,
            "times": times,
        }
        try:
            self._journal.advance(record, State.QUARANTINED, facts)
        except SettlementError as late:
            log.warning("resolve.later", extra={**where, "code": late.code})

    def _doubt(self, record: Record, error: CentreUnknownError) -> None:
        """Count an answer that cannot be believed; after some, call for a person."""
        times = self._unbelievable.get(record.settlement_id, 0) + 1
        self._unbelievable[record.settlement_id] = times
        if times < self._settings.quarantine_after:
            raise error
        self._journal.advance(
            record,
            State.QUARANTINED,
            {"why": "unbelievable-answers", "last": error.why, "times": times},
        )

    def _step(self, record: Record) -> None:
        match record.state:
            case State.INTENT | State.SENDING:
                # A former process died with it in hand; whether it was sent is
                # known from the journal, what came of it is not.
                why = "restarted-while-sending" if record.sent else "never-sent"
                self._journal.advance(record, State.UNKNOWN, {"why": why})
                self._seen[record.settlement_id] = self._monotonic()
                self._soon(record)
            case State.UNKNOWN:
                self._find_or_reverse(record)
            case State.REVERSING:
                self._reverse(record)
            case State.CANCELLING:
                self._find_cancellation(record)
            case State.QUARANTINED:
                # A person has it; when it comes back the answers are counted anew.
                self._unbelievable.pop(record.settlement_id, None)
                self._broke.pop(record.settlement_id, None)
            case _:
                pass

    def _find_or_reverse(self, record: Record) -> None:
        visit_id = str(record.facts["intent"]["visit_id"])
        if visit_id and record.sent and self._profile.finds_by_visit:
            found = self._centre.find(
                record.person_id, record.insured_region, visit_id, record.msgid
            )
            if found is not None:
                facts = settlement_to_json(found)
                facts[RESOLVED_BY] = _BY_VISIT
                self._cashier.conclude(record, State.SETTLED, facts, found)
                return
        now = self._monotonic()
        # It may have ended, and been forgotten, while the question was on its way.
        age = now - self._seen.get(record.settlement_id, now)
        if record.sent and age < self._settings.not_found_after_s:
            self._soon(record)
            return
        if self._settings.on_not_found != "reverse":
            return
        if record.sent and record.infno not in self._profile.reversible:
            if self._is_absent(record):
                why: dict[str, JsonValue] = {"why": "not-on-the-statement"}
                record = self._journal.advance(record, State.REVERSING, why)
                by: dict[str, JsonValue] = {RESOLVED_BY: _ABSENT}
                self._cashier.conclude(record, State.REVERSED, by, None)
                return
            # It cannot be taken back and is never sent again: a person asks the bureau.
            self._journal.advance(record, State.QUARANTINED, {"why": "not-reversible"})
            return
        self._journal.advance(record, State.REVERSING, {"why": "not-found"})
        self._soon(record)

    def _reverse(self, record: Record) -> None:
        """Reverse by msgid (2601); accepted also for a message that never arrived."""
        evidence: dict[str, JsonValue] = {RESOLVED_BY: "2601"}
        try:
            self._centre.reverse(
                record.person_id, record.insured_region, record.msgid, record.infno
            )
        except CentreRejectedError as error:
            if record.sent and not self._is_absent(record):
                self._journal.advance(
                    record,
                    State.QUARANTINED,
                    {"why": "reversal-refused", "reason": reason_of(error)},
                )
                return
            # Nothing was ever sent, or nothing of it ever arrived: there is nothing the
            # centre could reverse.
            by = _ABSENT if record.sent else "never-sent"
            evidence = {RESOLVED_BY: by, "reason": reason_of(error)}
        self._cashier.conclude(record, State.REVERSED, evidence, None)

    def _find_cancellation(self, record: Record) -> None:
        """Look whether an unknown cancellation arrived, and repeat it if it did not.

        A cancellation is not reversible everywhere (2601's list differs), so the
        way out is to look at the settlement's refund flag and to repeat.
        """
        settled = settlement_from_json(record.facts["settled"])
        msgid = str(record.facts["cancelling"]["msgid"])
        if self._cancellation_seen(record, settled, msgid):
            return
        try:
            negative = self._centre.cancel(
                settled, VisitKind(record.kind), record.insured_region, msgid
            )
        except (CentreRejectedError, CentreUnknownError) as error:
            if isinstance(error, CentreUnknownError) and error.why != REPEATED:
                raise
            # The centre has had this message now, if it had not before, and will not
            # carry it out later. The first copy may have come in between: look again.
            if not self._cancellation_seen(record, settled, msgid):
                self._cashier.keep_settled(record, error, resolved_by="repeated")
            return
        self._cancelled(record, settled, negative, "repeated")

    def _cancellation_seen(
        self, record: Record, settled: CentreSettlement, msgid: str
    ) -> bool:
        """Look the settlement up; end the cancellation if it is taken back already."""
        who, region = record.person_id, record.insured_region
        now = self._centre.settlement(
            who, region, settled.visit_id, settled.settlement_id
        )
        if not now.refunded:
            return False
        # Only now: asked before, it could arrive between the two questions.
        if self._profile.finds_by_visit:
            found = self._centre.find(who, region, settled.visit_id, msgid)
            by_another, by = found is None, _BY_VISIT
        else:
            found, by_another = self._in_statement(record, msgid)
            by = _BY_STATEMENT
        if found is not None:
            self._cancelled(record, settled, found, by)
            return True
        # Without a number of its own it cannot be booked: a person gives it back when
        # the centre's statement of the day is there, or takes over what there is.
        why = _BY_ANOTHER if by_another else "cancellation-not-readable"
        self._journal.advance(record, State.QUARANTINED, {"why": why})
        return True

    def _is_absent(self, record: Record) -> bool:
        """Ask the statements of its days, once they are over, for a settlement."""
        try:
            return self._cashier.was_never_booked(record)
        except CentreRejectedError as error:
            self._no_statement(record, error)
            return False

    def _in_statement(
        self, record: Record, msgid: str
    ) -> tuple[CentreSettlement | None, bool]:
        """Look for a cancellation in its days' rows; a centre may have none yet."""
        try:
            return self._cashier.find_in_statement(record, msgid)
        except CentreRejectedError as error:
            self._no_statement(record, error)
            return None, False

    @staticmethod
    def _no_statement(record: Record, error: CentreRejectedError) -> None:
        log.info(
            "resolve.no_statement",
            extra={"settlement_id": record.settlement_id, "code": error.code},
        )

    def _cancelled(
        self,
        record: Record,
        settled: CentreSettlement,
        negative: CentreSettlement,
        resolved_by: str = _BY_VISIT,
    ) -> None:
        facts = settlement_to_json(negative)
        facts["cancels"] = settled.settlement_id
        facts[RESOLVED_BY] = resolved_by
        negative = replace(negative, cancels=settled.settlement_id)
        self._cashier.conclude(record, State.CANCELLED, facts, negative)

    def _put_off(self, record: Record) -> None:
        wait = self._wait.get(record.settlement_id, self._settings.first_wait_s)
        self._wait[record.settlement_id] = min(wait * 2, self._settings.longest_wait_s)
        self._again_at[record.settlement_id] = self._monotonic() + wait

    def _soon(self, record: Record) -> None:
        self._wait.pop(record.settlement_id, None)
        self._again_at[record.settlement_id] = (
            self._monotonic() + self._settings.first_wait_s
        )

    def _forget(self, settlement_id: str) -> None:
        for table in (
            self._seen,
            self._again_at,
            self._wait,
            self._unbelievable,
            self._broke,
        ):
            table.pop(settlement_id, None)
