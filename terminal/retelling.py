"""A lost end of a journal told again, one settlement after the other.

What was written after the chain and proves itself alone is held against the centre's
book: where both agree it is written again with its own key, so that a retry gets its
answer and no second settlement. What the centre does not know goes in as unknown, what
no evidence tells is noted for people.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from settlement.centre.errors import CentreRejectedError
from settlement.centre.port import CentreSettlement, StatementResult
from settlement.chain import Row
from settlement.facts import JsonValue, settlement_to_json
from settlement.journal import Journal
from settlement.journal_errors import (
    IllegalStepError,
    IntentKnownError,
    UnknownSettlementError,
)
from settlement.journal_rebuild import REBUILT, REBUILT_TO
from settlement.journal_records import RESOLVED_BY, Answer, Intent, Record
from settlement.journal_salvage import Salvage, Side, body_of, opens
from settlement.ledger import entry_for
from settlement.lifecycle import OPEN, State
from settlement.msgids import is_of
from settlement.seal import Sealer
from terminal.errors import RequestInvalidError
from terminal.gap import Asking, Gap, row_to_json
from terminal.lost_intent import (
    Clues,
    agree,
    clues_of,
    gather,
    given_before,
    intent_in,
    intent_of,
)
from terminal.periods import CORRECTS, PERIOD, Periods, tender_of
from terminal.record_view import Place, view_of
from terminal.remainder import ENDED, OWED, REFUSED, bill_of, id_of, key_of, part_refund
from terminal.views import SettlementView

#: What the centre has and nobody here can tell of.
ONLY_AT_CENTRE = "only-at-centre"
#: A settlement that could not be told again; it is in the evidence file.
HELD = "rebuilt-held"
#: Notes that are made anew, or are about the old file alone.
_NOT_AGAIN = frozenset(
    {REBUILT, REBUILT_TO, ONLY_AT_CENTRE, HELD, OWED, "anchor-missing", "anchor-behind"}
)
_STATUS = {
    State.SETTLED: 201,
    State.CANCELLED: 200,
    State.REJECTED: 422,
    State.REVERSED: 422,
}
#: Of the answer that a cancellation was refused.
_KEPT = 409
_UNDECIDED = frozenset({State.INTENT, State.SENDING, State.UNKNOWN})


class RetoldClock:
    """The clock of a journal that is told again: the old entry's time, or now.

    What is written again keeps the day and the shift it belonged to; the notes around
    it say when it was written again.
    """

    def __init__(self, now: Callable[[], dt.datetime], zone: dt.tzinfo) -> None:
        self._now = now
        self._zone = zone
        self._at: dt.datetime | None = None

    def __call__(self) -> dt.datetime:
        """Tell the time, in the site's zone."""
        return (self._at or self._now()).astimezone(self._zone)

    def turn_to(self, row: Row | None) -> None:
        """Stand at the time of an old entry; with none, go on by itself."""
        self._at = None if row is None else dt.datetime.fromisoformat(row.at)


@dataclass(frozen=True, slots=True)
class Telling:
    """What it is told again with."""

    sealer: Sealer
    place: Place
    render: Callable[[SettlementView], bytes]
    asking: Asking


@dataclass(slots=True)
class Retold:
    """What telling it again came to: ids of ours, by how they ended."""

    settled: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)  #: rejected or reversed
    undecided: list[str] = field(default_factory=list)  #: for the worker, or people
    held: list[str] = field(default_factory=list)
    only_at_centre: list[StatementResult] = field(default_factory=list)
    days: list[dt.date] = field(default_factory=list)

    def to_json(self) -> dict[str, JsonValue]:
        """Write it for a program, and for the chain."""
        return {
            "settled": list(self.settled),
            "cancelled": list(self.cancelled),
            "ended": list(self.ended),
            "undecided": list(self.undecided),
            "held": list(self.held),
            "only_at_centre": [row_to_json(one) for one in self.only_at_centre],
            "days": [day.isoformat() for day in self.days],
        }


class Teller:
    """Tells the evidence again, one settlement after the other."""

    def __init__(
        self, journal: Journal, gap: Gap, clock: RetoldClock, told: Telling
    ) -> None:
        self._journal = journal
        self._gap = gap
        self._clock = clock
        self._told = told
        self._sides: tuple[Side, ...] = ()
        self._periods: Periods
        self._is_lost = False

    def tell(self, found: Salvage, retold: Retold) -> None:
        """Tell everything again into *retold*, then note what else the centre has."""
        self._sides = found.sides()
        self._is_lost = found.anchor is None or found.lost > 0
        before = {one.settlement_id for one in self._journal.open_items()}
        stories = self._stories(found)
        self._periods = Periods(self._journal, self._told.place.timezone, self._clock)
        for settlement_id, rows in stories.items():
            why = self._tell_one(settlement_id, rows)
            if why:
                self._hold(settlement_id, why)
                retold.held.append(settlement_id)
        for record in self._journal.open_items():
            if record.settlement_id not in stories:
                self._end(record, [])
                if record.state is State.CANCELLING:
                    self._end_cancellation(record)
        rests = self._rests([*before, *stories])
        touched = dict.fromkeys([*before, *stories, *rests])
        self._sort_out(retold, [one for one in touched if one not in retold.held])
        self._note_strangers(retold)

    def _stories(self, found: Salvage) -> dict[str, list[Row]]:
        """Gather the entries of each settlement, and note the other notes again.

        In the order in which they were begun. A bill that was begun anew ends the
        settlement before it: told the other way round, one whose message is still on
        its way would be taken for the one that had ended.
        """
        stories: dict[str, list[Row]] = {}
        begun: dict[str, int] = {}
        for row in found.beyond():
            if row.state is None and row.kind != ENDED:
                self._note_again(row)
            elif row.settlement_id:
                stories.setdefault(row.settlement_id, []).append(row)
                begun.setdefault(row.settlement_id, row.seq)
        for side in self._sides:
            if side.table == "intent":
                settlement_id = str(side.columns[0])
                stories.setdefault(settlement_id, [])
                begun[settlement_id] = min(begun.get(settlement_id, side.seq), side.seq)
        return {one: stories[one] for one in sorted(stories, key=begun.__getitem__)}

    def _note_again(self, row: Row) -> None:
        facts = (body_of(row) or {}).get("facts")
        if row.kind in _NOT_AGAIN or not isinstance(facts, dict):
            return
        self._clock.turn_to(row)
        self._journal.note(row.kind, facts, row.settlement_id)
        self._clock.turn_to(None)

    def _tell_one(self, settlement_id: str, rows: list[Row]) -> str:
        """Tell one settlement again; say why that is not possible, if it is not."""
        try:
            record = self._record(settlement_id) or self._begin(settlement_id, rows)
            if record is None:
                return "intent-lost"
            self._end(record, rows)
            self._cancel(settlement_id, rows)
        except (KeyError, TypeError, ValueError, sqlite3.IntegrityError) as error:
            # Its body is not as this program writes one, or its number is taken.
            return type(error).__name__
        except (IllegalStepError, IntentKnownError) as error:
            return error.code
        finally:
            self._clock.turn_to(None)
        return ""

    def _hold(self, settlement_id: str, why: str) -> None:
        facts: dict[str, JsonValue] = {"settlement_id": settlement_id, "why": why}
        self._journal.note(HELD, facts, settlement_id)

    def _record(self, settlement_id: str) -> Record | None:
        try:
            return self._journal.record(settlement_id)
        except UnknownSettlementError:
            return None

    # -- its beginning -------------------------------------------------------------

    def _begin(self, settlement_id: str, rows: list[Row]) -> Record | None:
        """Write the intent again: from its entry, else from what is left of it."""
        for row in rows:
            if row.kind == State.INTENT and opens(row, self._told.sealer):
                return self._intend(intent_in(row, self._told.sealer), row)
        settled = _settled(rows) or _first(rows, State.SETTLED)
        clues = gather(settlement_id, self._sides, settled, self._told.asking.region)
        if clues is None or not self._is_ours(clues):
            return None
        # What the centre does not know of it goes in without figures: the worker
        # reverses it by its message, and its key and bill are not forgotten.
        booked = self._gap.look_up(clues, "", settled)
        return self._intend(intent_of(settlement_id, clues, booked, settled), settled)

    def _is_ours(self, clues: Clues) -> bool:
        whose = self._told.asking.whose
        return is_of(clues.msgid, whose.institution, whose.terminal_no)

    def _intend(self, intent: Intent, row: Row | None) -> Record:
        former = self._journal.living_bill(intent.bill_no)
        if former is not None:
            self._end_former(former)
        self._clock.turn_to(row)
        record = self._journal.intend(intent, sending=True)
        self._clock.turn_to(None)
        return record

    def _end_former(self, record: Record) -> None:
        """End a settlement whose bill was begun anew: it must have come to its end."""
        if record.state is State.REVERSING:
            self._conclude(record, State.REVERSED, None, None)
        self._end(record, [], anew=True)
        now = self._journal.record(record.settlement_id)
        if now.state is State.SETTLED:
            negative = self._gap.negative(now)
            if negative is None:
                return
            # As a cancellation that was made at the centre is taken over.
            key = f"adopted/{now.settlement_id}"
            facts: dict[str, JsonValue] = {"msgid": negative.msgid, "adopted": REBUILT}
            claimed = self._journal.claim_cancellation(
                now.settlement_id, key, "", facts
            )
            self._conclude(claimed, State.CANCELLED, negative, None)

    # -- its end -------------------------------------------------------------------

    def _end(self, record: Record, rows: list[Row], *, anew: bool = False) -> None:
        """Decide an undecided settlement by evidence and centre, as far as they go."""
        if record.state not in _UNDECIDED:
            return
        if record.state is State.INTENT:
            # The entry that says it was sent may be among those that are lost.
            record = self._journal.advance(record, State.SENDING, {"why": REBUILT})
        settled = _settled(rows)
        refused = _first(rows, State.REJECTED) or _first(rows, State.REVERSED)
        clues = clues_of(record)
        visit_id = str(record.facts["intent"]["visit_id"])
        booked = self._gap.look_up(
            clues, visit_id, settled or _first(rows, State.SETTLED)
        )
        if booked is not None and refused is None:
            self._conclude(record, State.SETTLED, booked, settled)
        elif booked is not None:
            record = self._wait(record, "rebuilt-contradiction")
            self._quarantine(record, "evidence-says-not-booked")
        elif refused is not None:
            self._refuse(record, refused)
        elif anew:
            record = self._wait(record, "rebuilt-bill-begun-anew")
            facts: dict[str, JsonValue] = {"why": "bill-begun-anew"}
            record = self._journal.advance(record, State.REVERSING, facts)
            self._conclude(record, State.REVERSED, None, None)
        else:
            record = self._wait(record, "rebuilt-not-at-centre")
            if not visit_id and self._gap.may_be_nameless(record):
                self._quarantine(record, "centre-tells-no-message")

    def _wait(self, record: Record, why: str) -> Record:
        if record.state is State.UNKNOWN:
            return record
        return self._journal.advance(record, State.UNKNOWN, {"why": why})

    def _quarantine(self, record: Record, why: str) -> None:
        facts: dict[str, JsonValue] = {"why": why, RESOLVED_BY: REBUILT}
        self._journal.advance(record, State.QUARANTINED, facts)

    def _refuse(self, record: Record, row: Row) -> None:
        """Write again that nothing was booked, as the centre says too."""
        to = State(row.kind)
        if to is State.REVERSED:
            record = self._wait(record, REBUILT)
            record = self._journal.advance(record, State.REVERSING, {"why": REBUILT})
        self._conclude(record, to, None, row)

    def _conclude(
        self,
        record: Record,
        to: State,
        booked: CentreSettlement | None,
        row: Row | None,
    ) -> None:
        """Write an end: as the old entry had it where the centre agrees with that."""
        body = (body_of(row) if row is not None else None) or {}
        told = body.get("facts")
        same = isinstance(told, dict) and (booked is None or agree(told, booked))
        facts: dict[str, JsonValue] = {}
        if isinstance(told, dict) and same:
            facts = dict(told)
        elif booked is not None:
            facts = settlement_to_json(booked)
        facts[RESOLVED_BY] = REBUILT
        if booked is not None and booked.cancels:
            facts["cancels"] = booked.cancels
        stored = body.get("answer") if same else None

        def answer(after: Record) -> Answer:
            key = after.cancel_key if to is State.CANCELLED else after.key
            if isinstance(stored, dict) and stored["key"] == key:
                return Answer(int(str(stored["status"])), str(stored["body"]).encode())
            return self._said(after, key, _STATUS[to])

        entry = None
        if booked is not None:
            entry = entry_for(
                record.settlement_id,
                booked.amounts,
                cancels=bool(booked.cancels),
                tender=tender_of(record),
            )
        booked_at = booked.settled_at if booked is not None else None
        with self._periods.posting(record, booked_at) as where:
            if not same:
                facts |= where
            elif where and PERIOD not in facts:
                facts |= {k: v for k, v in where.items() if k in {PERIOD, CORRECTS}}
            self._clock.turn_to(row if same else None)
            self._journal.advance(record, to, facts, postings=entry, answer=answer)
            self._clock.turn_to(None)

    # -- its cancellation ----------------------------------------------------------

    def _cancel(self, settlement_id: str, rows: list[Row]) -> None:
        """Write again what was decided about taking it back, and how that ended."""
        for row in rows:
            self._cancel_further(settlement_id, row)
        record = self._journal.record(settlement_id)
        if record.state is State.CANCELLING:
            self._end_cancellation(record)
        elif record.state is State.SETTLED:
            self._claim_from_side(record)

    def _cancel_further(self, settlement_id: str, row: Row) -> None:
        """Write one more entry of it again."""
        record = self._journal.record(settlement_id)
        body = body_of(row) or {}
        facts = body.get("facts")
        if not isinstance(facts, dict):
            return
        key = body.get("key")
        if row.kind == ENDED:
            if facts.get("how") == REFUSED:
                self._stay_settled(record)
            # In its place between two tries: a later one is owed anew.
            self._note_again(row)
        elif row.kind == State.CANCELLING and isinstance(key, dict):
            if self._journal.key(str(key["key"])) is None:
                # Nothing is decided anew before the last decision was refused.
                self._stay_settled(record)
                self._claim(settlement_id, row, key, facts)
        elif "cancellation_refused" in facts and record.state is State.CANCELLING:
            self._conclude_refused(record, row)
        elif row.kind == State.CANCELLED:
            self._cancelled(record, row, body.get("answer"))

    def _end_cancellation(self, record: Record) -> None:
        """Decide a cancellation whose end is lost."""
        negative = self._gap.negative(record)
        mine = record.facts["cancelling"]["msgid"]
        if negative is not None:
            if negative.msgid == mine:
                self._conclude(record, State.CANCELLED, negative, None)
        elif any(
            side.table == "answer" and side.columns[:3:2] == (record.cancel_key, _KEPT)
            for side in self._sides
        ):
            self._stay_settled(record)
        elif self._is_lost:
            # The worker would repeat it, and the caller may know that it was refused.
            facts: dict[str, JsonValue] = {"why": "cancellation-end-lost"}
            self._journal.advance(record, State.QUARANTINED, facts)

    def _claim(
        self,
        settlement_id: str,
        row: Row,
        key: Mapping[str, JsonValue],
        facts: Mapping[str, JsonValue],
    ) -> None:
        self._clock.turn_to(row)
        self._journal.claim_cancellation(
            settlement_id,
            str(key["key"]),
            str(key["digest"]),
            facts,
            owing=OWED if "remainder" in facts else "",
        )
        self._clock.turn_to(None)

    def _stay_settled(self, record: Record) -> None:
        """Write that a cancellation was refused, where its own entry is lost."""
        if record.state is not State.CANCELLING:
            return
        facts: dict[str, JsonValue] = {
            **record.facts["settled"],
            "cancellation_refused": CentreRejectedError.code,
            "reason": "",
            RESOLVED_BY: REBUILT,
        }

        def answer(after: Record) -> Answer:
            return self._said(after, after.cancel_key, _KEPT)

        self._journal.advance(record, State.SETTLED, facts, answer=answer)

    def _said(self, after: Record, key: str, status: int) -> Answer:
        """Return what a caller was told if that is left, else what he would be now."""
        view = view_of(after, self._told.place)
        now = Answer(status, self._told.render(view))
        return given_before(self._sides, key, now) or now

    def _conclude_refused(self, record: Record, row: Row) -> None:
        """Write again that the centre would not take it back: it stays settled."""
        body = body_of(row) or {}
        told, facts = body.get("answer"), body.get("facts")
        if not isinstance(told, dict) or not isinstance(facts, dict):
            return
        if told["key"] != record.cancel_key:
            # Of a later decision, whose own entry is lost: this one was refused, too.
            self._stay_settled(record)
            return
        stored = Answer(int(str(told["status"])), str(told["body"]).encode())
        self._clock.turn_to(row)
        self._journal.advance(record, State.SETTLED, facts, answer=lambda _: stored)
        self._clock.turn_to(None)

    def _cancelled(self, record: Record, row: Row, answer: JsonValue) -> None:
        if record.state not in {State.SETTLED, State.CANCELLING}:
            return
        negative = self._gap.negative(record)
        if negative is None:
            return
        if record.state is State.SETTLED:
            # The decision is lost; its key stands in the answer that was given.
            if not isinstance(answer, dict):
                return
            key = str(answer["key"])
            if self._journal.key(key) is not None:
                return
            record = self._claim_under(record, key, negative)
        if record.facts["cancelling"]["msgid"] == negative.msgid:
            self._conclude(record, State.CANCELLED, negative, row)

    def _claim_from_side(self, record: Record) -> None:
        """Take back what the centre took back, under the key that a side table has."""
        for side in self._sides:
            if side.table != "idempotency_key":
                continue
            key, _, _, whose, action = map(str, side.columns)
            if whose != record.settlement_id or action != "cancel":
                continue
            negative = None
            if self._journal.key(key) is None:
                negative = self._gap.negative(record)
            if negative is not None:
                record = self._claim_under(record, key, negative)
                self._conclude(record, State.CANCELLED, negative, None)
                return

    def _claim_under(
        self, record: Record, key: str, negative: CentreSettlement
    ) -> Record:
        digests = [
            str(side.columns[2])
            for side in self._sides
            if side.table == "idempotency_key" and side.columns[0] == key
        ]
        facts: dict[str, JsonValue] = {"msgid": negative.msgid, "why": REBUILT}
        return self._journal.claim_cancellation(
            record.settlement_id, key, digests[0] if digests else "", facts
        )

    # -- what stays after a part went back -----------------------------------------

    def _rests(self, ids: Sequence[str]) -> list[str]:
        """Find remainders that were begun and lost: the worker would begin them anew.

        *ids* are those that were undecided or are told again: of the last one before
        the gap, the note that something is owed may be lost. Number, key and bill of
        what stays follow from the decision to give back a part, so nothing of them is
        invented. Returns the ids of those that were told again.
        """
        journal = self._journal
        owed = {str(facts["settlement_id"]) for facts in journal.notes(OWED)}
        told = []
        for settlement_id in dict.fromkeys([*owed, *ids]):
            record = self._record(settlement_id)
            if record is None or "remainder" not in record.facts.get("cancelling", {}):
                continue
            if settlement_id not in owed:
                # It was in one commit with the decision, and is lost beside it.
                facts: dict[str, JsonValue] = {"settlement_id": settlement_id}
                journal.note(OWED, facts, settlement_id)
            rest = id_of(settlement_id)
            if self._record(rest) is None and self._tell_rest(record, rest):
                told.append(rest)
        return told

    def _tell_rest(self, record: Record, rest: str) -> bool:
        """Tell a remainder again by what the centre has of that person and amount."""
        part = part_refund(record.facts["cancelling"])
        try:
            total = bill_of(record, part).total_fee
        except RequestInvalidError:
            return False  # its lines are lost, so nobody can settle it anew either
        key = key_of(record.cancel_key)
        known = self._known_numbers()
        for booked in self._gap.rows:
            fits = booked.person_id == record.person_id and booked.total_fee == total
            if not fits or booked.refund or not booked.msgid or booked.msgid in known:
                continue
            clues = replace(
                clues_of(record),
                key=key,
                digest=hashlib.sha256(key.encode()).hexdigest(),
                bill_no=part.bill_no,
                msgid=booked.msgid,
            )
            found = self._gap.look_up(clues, "", None)
            if found is None:
                continue
            self._end(self._intend(intent_of(rest, clues, found), None), [])
            return True
        return False

    # -- what it came to -----------------------------------------------------------

    def _sort_out(self, retold: Retold, ids: Sequence[str]) -> None:
        for settlement_id in ids:
            record = self._record(settlement_id)
            if record is None:
                continue
            if record.state in OPEN:
                retold.undecided.append(settlement_id)
            elif record.state is State.SETTLED:
                retold.settled.append(settlement_id)
            elif record.state is State.CANCELLED:
                retold.cancelled.append(settlement_id)
            else:
                retold.ended.append(settlement_id)

    def _known_numbers(self) -> set[str]:
        """Return every message number that the new journal tells of."""
        known = set()
        for record in self._journal.records(limit=1_000_000):
            known.add(record.msgid)
            known |= {
                str(entry.facts.get("msgid"))
                for entry in record.history
                if entry.kind == State.CANCELLING
            }
        return known

    def _known_settlements(self) -> set[str]:
        """Return every 结算ID that the new journal tells of."""
        return {
            str(record.facts[step]["settlement_id"])
            for record in self._journal.records(limit=1_000_000)
            for step in ("settled", "cancelled")
            if step in record.facts
        }

    def _note_strangers(self, retold: Retold) -> None:
        """Note what the centre has under our numbers and nothing here tells of."""
        known, booked = self._known_numbers(), self._known_settlements()
        for told in self._gap.rows:
            if told.msgid not in known and told.settlement_id not in booked:
                retold.only_at_centre.append(told)
                facts = {**row_to_json(told), "person_id": told.person_id}
                self._journal.note(ONLY_AT_CENTRE, facts)


def _first(rows: Sequence[Row], state: State) -> Row | None:
    return next((row for row in rows if row.kind == state), None)


def _settled(rows: Sequence[Row]) -> Row | None:
    """Return the entry that first says it was settled, to whoever asked for that.

    One that says it stays settled answers another caller: who wanted it cancelled.
    """
    found = (row for row in rows if row.kind == State.SETTLED)
    return next((row for row in found if not _is_kept(row)), None)


def _is_kept(row: Row) -> bool:
    facts = (body_of(row) or {}).get("facts")
    return isinstance(facts, dict) and "cancellation_refused" in facts
