"""A damaged journal told again: what evidence and centre agree on, into a new one.

The new journal begins with what chains. What was written after that and proves itself
alone is held against the centre's book: where both agree it is written again with its
own key, so that a retry gets its answer and no second settlement. What the centre does
not know goes in as unknown, what no evidence tells is noted for people. Nothing about
money is sent.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from settlement.centre.errors import CentreRejectedError
from settlement.centre.port import Centre, CentreSettlement, StatementResult
from settlement.chain import Row
from settlement.claim import VisitKind
from settlement.facts import (
    JsonValue,
    amounts_from_json,
    amounts_to_json,
    settlement_from_json,
    settlement_to_json,
)
from settlement.journal import Journal
from settlement.journal_errors import JournalError, UnknownSettlementError
from settlement.journal_rebuild import REBUILT, REBUILT_TO, begin, finish, source_json
from settlement.journal_records import Answer, Intent, Record
from settlement.journal_salvage import Salvage, Side, Whose, body_of, opens
from settlement.ledger import entry_for
from settlement.lifecycle import OPEN, State
from settlement.money import Money
from settlement.msgids import is_of
from settlement.nhsa import Infno
from settlement.seal import Sealer
from settlement.split import SettledAmounts
from terminal.day import GroupKey, only_at_centre
from terminal.errors import TerminalError
from terminal.periods import CORRECTS, PERIOD, Periods, tender_of
from terminal.record_view import Place, view_of
from terminal.remainder import (
    ENDED,
    OWED,
    REFUSED,
    Owed,
    bill_of,
    key_of,
    part_refund,
)
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
_UNDECIDED = frozenset({State.INTENT, State.SENDING, State.UNKNOWN})
_NOBODY = {"name": "", "person_cert_no": "", "card_no": "", "card_serial": ""}
_NOTHING = amounts_from_json(
    {
        one.name: 0 if one.type == "int" else Money.ZERO.to_yuan()
        for one in fields(SettledAmounts)
    }
)
_NO_PACK: dict[str, JsonValue] = {
    "name": "rebuilt",
    "version": 0,
    "digest": "",
    "verified": False,
}


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
class RebuildParts:
    """What rebuilding stands on."""

    sealer: Sealer
    whose: Whose
    place: Place
    region: str  #: 就医地医保区划, where no evidence tells the person's own
    always: Sequence[GroupKey]
    finds_by_visit: bool
    render: Callable[[SettlementView], bytes]
    now: Callable[[], dt.datetime]
    #: Asks on behalf of a journal, and tells the centre nothing of it.
    asking: Callable[[Journal], AbstractContextManager[Centre]]


@dataclass(slots=True)
class Retold:
    """What telling it again came to: ids of ours, by how they ended."""

    settled: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)  #: rejected or reversed
    undecided: list[str] = field(default_factory=list)  #: for the worker, or people
    held: list[str] = field(default_factory=list)
    #: Given back in part, and what stays may be what only the centre has.
    remainders: list[str] = field(default_factory=list)
    only_at_centre: list[StatementResult] = field(default_factory=list)
    days: list[dt.date] = field(default_factory=list)
    newest_second: str = ""  #: of our message numbers that the centre knows

    def to_json(self) -> dict[str, JsonValue]:
        """Write it for a program, and for the chain."""
        return {
            "settled": list(self.settled),
            "cancelled": list(self.cancelled),
            "ended": list(self.ended),
            "undecided": list(self.undecided),
            "held": list(self.held),
            "remainders": list(self.remainders),
            "only_at_centre": [_centre_only(one) for one in self.only_at_centre],
            "days": [day.isoformat() for day in self.days],
        }


def days_in_doubt(
    found: Salvage, until: dt.date, zone: dt.tzinfo
) -> tuple[dt.date, ...]:
    """List the days of the gap: from the last provable entry's up to *until*."""
    seen = [found.since] if found.since is not None else []
    if not seen:
        seen = [dt.datetime.fromisoformat(row.at) for row in found.beyond()]
    first = min((at.astimezone(zone).date() for at in seen), default=until)
    first = min(first, until)
    count = (until - first).days + 1
    return tuple(first + dt.timedelta(days=n) for n in range(count))


def rebuild(
    found: Salvage, new: Path, parts: RebuildParts, *, reason: str, until: dt.date
) -> Retold:
    """Write a new journal from what was found and what the centre says of the gap.

    Args:
        found: what the files prove.
        new: a file that is not there yet.
        parts: what it is done with.
        reason: why, in the words of whoever does it; chained.
        until: the last day to ask about.

    Raises:
        CentreError: the centre could not be asked; the new file is not there.
        RebuildError: what was written does not prove itself.
        OSError: it cannot be written.
    """
    days = days_in_doubt(found, until, parts.place.timezone)
    begun = begin(found, new, parts.sealer)
    clock = RetoldClock(parts.now, parts.place.timezone)
    journal = Journal.open(
        begun.path,
        sealer=parts.sealer,
        institution=parts.whose.institution,
        terminal_no=parts.whose.terminal_no,
        now=clock,
    )
    retold = Retold(days=list(days))
    try:
        journal.note(REBUILT, _origin(found, reason, begun.evidence_sha256))
        with parts.asking(journal) as centre:
            _Teller(journal, centre, clock, parts).tell(found, retold)
        journal.note(REBUILT_TO, retold.to_json())
    finally:
        journal.close()
    finish(new, parts.sealer, retold.newest_second)
    return retold


def _origin(found: Salvage, reason: str, evidence: str) -> dict[str, JsonValue]:
    """Tell where a rebuilt journal comes from."""
    return {
        "reason": reason,
        "trouble": found.trouble,
        "sources": [source_json(one) for one in found.sources],
        "head": {"seq": found.head.seq, "digest": found.head.digest},
        "beyond": len(found.beyond()),
        "lost": found.lost,
        "evidence_sha256": evidence,
    }


@dataclass(frozen=True, slots=True)
class _Clues:
    """What is left of an intent whose own entry is lost."""

    key: str
    digest: str  #: of the request; empty: no retry is taken for the same one
    bill_no: str
    kind: str
    msgid: str
    infno: str
    person_id: str
    region: str


class _Teller:
    """Tells the evidence again, one settlement after the other."""

    def __init__(
        self, journal: Journal, centre: Centre, clock: RetoldClock, parts: RebuildParts
    ) -> None:
        self._journal = journal
        self._centre = centre
        self._clock = clock
        self._parts = parts
        self._at_centre: dict[str, StatementResult] = {}
        self._sides: tuple[Side, ...] = ()
        self._periods: Periods

    def tell(self, found: Salvage, retold: Retold) -> None:
        """Tell everything again into *retold*, then note what else the centre has."""
        self._sides = found.sides()
        before = {one.settlement_id for one in self._journal.open_items()}
        self._ask_statements(retold)
        for row in found.beyond():
            if row.state is None:
                self._note_again(row)
        stories = _stories(found.beyond(), self._sides)
        self._periods = Periods(self._journal, self._parts.place.timezone, self._clock)
        for settlement_id, rows in stories.items():
            why = self._tell_one(settlement_id, rows)
            if why:
                self._hold(settlement_id, why)
                retold.held.append(settlement_id)
        for record in self._journal.open_items():
            if record.settlement_id not in stories:
                self._end(record, [])
        touched = dict.fromkeys([*before, *stories])
        self._sort_out(retold, [one for one in touched if one not in retold.held])
        self._note_strangers(retold)
        self._see_remainders(retold)

    def _ask_statements(self, retold: Retold) -> None:
        whose = self._parts.whose
        for told in only_at_centre(
            journal=self._journal,
            centre=self._centre,
            dates=retold.days,
            timezone=self._parts.place.timezone,
            always=self._parts.always,
        ):
            # A statement is the institution's: other terminals' rows are theirs.
            if is_of(told.msgid, whose.institution, whose.terminal_no):
                second = told.msgid[12:26]
                retold.newest_second = max(retold.newest_second, second)
                self._at_centre[told.msgid] = told
            elif not told.msgid:
                self._at_centre[f"/{told.settlement_id}"] = told

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
        except JournalError as error:
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
            if row.kind == State.INTENT and opens(row, self._parts.sealer):
                return self._intend(_intent_in(row, self._parts.sealer), row)
        settled = _first(rows, State.SETTLED)
        clues = self._clues(settlement_id, settled)
        if clues is None:
            return None
        # What the centre does not know of it goes in without figures: the worker
        # reverses it by its message, and its key and bill are not forgotten.
        booked = self._look_up(clues, "", settled)
        return self._intend(_intent_of(settlement_id, clues, booked), settled)

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
        self._end(record, [], anew=True)
        now = self._journal.record(record.settlement_id)
        if now.state is State.SETTLED:
            negative = self._negative(now)
            if negative is None:
                return
            # As a cancellation that was made at the centre is taken over.
            key = f"adopted/{now.settlement_id}"
            facts: dict[str, JsonValue] = {"msgid": negative.msgid, "adopted": REBUILT}
            claimed = self._journal.claim_cancellation(
                now.settlement_id, key, "", facts
            )
            self._conclude(claimed, State.CANCELLED, negative, None)

    def _clues(self, settlement_id: str, settled: Row | None) -> _Clues | None:
        """Gather key, bill and message of a settlement whose intent is lost."""
        whose = self._parts.whose
        keys = {
            str(side.columns[0]): str(side.columns[2])
            for side in self._sides
            if side.table == "idempotency_key"
            and side.columns[3:] == (settlement_id, "settle")
        }
        body = (body_of(settled) if settled is not None else None) or {}
        answer = body.get("answer")
        told = json.loads(str(answer["body"])) if isinstance(answer, dict) else {}
        key = next(iter(keys), "")
        if not key and isinstance(answer, dict):
            key = str(answer["key"])
        facts = body.get("facts")
        person = str(facts["person_id"]) if isinstance(facts, dict) else ""
        clues: _Clues | None = None
        for side in self._sides:
            if side.table == "intent" and side.columns[0] == settlement_id:
                _, _, bill_no, kind, msgid, infno, who, region, _ = map(
                    str, side.columns
                )
                clues = _Clues(
                    key, keys.get(key, ""), bill_no, kind, msgid, infno, who, region
                )
        if clues is None and told and person:
            kind = str(told["kind"])
            pharmacy = kind == VisitKind.PHARMACY
            infno = Infno.PHARMACY_SETTLE if pharmacy else Infno.OUTPATIENT_SETTLE
            clues = _Clues(
                key,
                keys.get(key, ""),
                str(told["bill_no"]),
                kind,
                str(told["msgid"]),
                str(infno),
                person,
                self._parts.region,
            )
        usable = (
            clues is not None
            and bool(clues.key)
            and clues.kind in {one.value for one in VisitKind}
            and is_of(clues.msgid, whose.institution, whose.terminal_no)
        )
        return clues if usable else None

    # -- its end -------------------------------------------------------------------

    def _end(self, record: Record, rows: list[Row], *, anew: bool = False) -> None:
        """Decide an undecided settlement by evidence and centre, as far as they go."""
        if record.state not in _UNDECIDED:
            return
        if record.state is State.INTENT:
            # The entry that says it was sent may be among those that are lost.
            record = self._journal.advance(
                record.settlement_id, State.SENDING, {"why": REBUILT}
            )
        settled = _first(rows, State.SETTLED)
        refused = _first(rows, State.REJECTED) or _first(rows, State.REVERSED)
        clues = _clues_of(record)
        visit_id = str(record.facts["intent"]["visit_id"])
        booked = self._look_up(clues, visit_id, settled)
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
            record = self._journal.advance(record.settlement_id, State.REVERSING, facts)
            self._conclude(record, State.REVERSED, None, None)
        else:
            record = self._wait(record, "rebuilt-not-at-centre")
            if not visit_id and self._may_be_a_stranger(record):
                self._quarantine(record, "centre-tells-no-message")

    def _wait(self, record: Record, why: str) -> Record:
        if record.state is State.UNKNOWN:
            return record
        return self._journal.advance(record.settlement_id, State.UNKNOWN, {"why": why})

    def _quarantine(self, record: Record, why: str) -> None:
        facts: dict[str, JsonValue] = {"why": why, "resolved_by": REBUILT}
        self._journal.advance(record.settlement_id, State.QUARANTINED, facts)

    def _may_be_a_stranger(self, record: Record) -> bool:
        """Say whether the centre has a row of this person that names no message."""
        return any(
            told.person_id == record.person_id and not told.msgid and not told.refund
            for told in self._at_centre.values()
        )

    def _refuse(self, record: Record, row: Row) -> None:
        """Write again that nothing was booked, as the centre says too."""
        to = State(row.kind)
        if to is State.REVERSED:
            record = self._wait(record, REBUILT)
            record = self._journal.advance(
                record.settlement_id, State.REVERSING, {"why": REBUILT}
            )
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
        same = isinstance(told, dict) and (booked is None or _agree(told, booked))
        facts: dict[str, JsonValue] = {}
        if isinstance(told, dict) and same:
            facts = dict(told)
        elif booked is not None:
            facts = settlement_to_json(booked)
        facts["resolved_by"] = REBUILT
        if booked is not None and booked.cancels:
            facts["cancels"] = booked.cancels
        stored = body.get("answer") if same else None

        def answer(after: Record) -> Answer:
            if isinstance(stored, dict):
                return Answer(int(str(stored["status"])), str(stored["body"]).encode())
            view = view_of(after, self._parts.place)
            return Answer(_STATUS[to], self._parts.render(view))

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
            self._journal.advance(
                record.settlement_id, to, facts, postings=entry, answer=answer
            )
            self._clock.turn_to(None)

    # -- its cancellation ----------------------------------------------------------

    def _cancel(self, settlement_id: str, rows: list[Row]) -> None:
        """Write again what was decided about taking it back, and how that ended."""
        for row in rows:
            record = self._journal.record(settlement_id)
            body = body_of(row) or {}
            facts = body.get("facts")
            if not isinstance(facts, dict):
                continue
            if row.kind == State.CANCELLING and record.state is State.SETTLED:
                self._claim(settlement_id, row, body.get("key"), facts)
            elif "cancellation_refused" in facts and record.state is State.CANCELLING:
                self._conclude_refused(record, row)
            elif row.kind == State.CANCELLED:
                self._cancelled(record, row, body.get("answer"))
        record = self._journal.record(settlement_id)
        if record.state is State.CANCELLING:
            negative = self._negative(record)
            mine = record.facts["cancelling"]["msgid"]
            if negative is not None and negative.msgid == mine:
                self._conclude(record, State.CANCELLED, negative, None)
        elif record.state is State.SETTLED:
            self._claim_from_side(record)

    def _claim(
        self,
        settlement_id: str,
        row: Row,
        key: JsonValue,
        facts: Mapping[str, JsonValue],
    ) -> None:
        if not isinstance(key, dict) or self._journal.key(str(key["key"])) is not None:
            return
        self._clock.turn_to(row)
        self._journal.claim_cancellation(
            settlement_id,
            str(key["key"]),
            str(key["digest"]),
            facts,
            owing=OWED if "remainder" in facts else "",
        )
        self._clock.turn_to(None)

    def _conclude_refused(self, record: Record, row: Row) -> None:
        """Write again that the centre would not take it back: it stays settled."""
        body = body_of(row) or {}
        told, facts = body.get("answer"), body.get("facts")
        if not isinstance(told, dict) or not isinstance(facts, dict):
            return
        stored = Answer(int(str(told["status"])), str(told["body"]).encode())
        self._clock.turn_to(row)
        self._journal.advance(
            record.settlement_id, State.SETTLED, facts, answer=lambda _: stored
        )
        self._clock.turn_to(None)

    def _cancelled(self, record: Record, row: Row, answer: JsonValue) -> None:
        if record.state not in {State.SETTLED, State.CANCELLING}:
            return
        negative = self._negative(record)
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
                negative = self._negative(record)
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

    # -- asking --------------------------------------------------------------------

    def _look_up(
        self, clues: _Clues, visit_id: str, settled: Row | None
    ) -> CentreSettlement | None:
        """Look for what a message booked: by the statement, the visit, the evidence."""
        told = self._at_centre.get(clues.msgid)
        if told is not None and told.visit_id:
            found = self._read(clues, told.visit_id, told.settlement_id)
            if found is not None:
                return found
        if visit_id and self._parts.finds_by_visit:
            try:
                found = self._centre.find(
                    clues.person_id, clues.region, visit_id, clues.msgid
                )
            except CentreRejectedError:
                found = None
            if found is not None:
                return found
        facts = (body_of(settled) or {}).get("facts") if settled is not None else None
        if isinstance(facts, dict):
            said = settlement_from_json(facts)
            return self._read(clues, said.visit_id, said.settlement_id)
        return None

    def _read(
        self, clues: _Clues, visit_id: str, settlement_id: str
    ) -> CentreSettlement | None:
        try:
            found = self._centre.settlement(
                clues.person_id, clues.region, visit_id, settlement_id
            )
        except CentreRejectedError:
            return None
        return found if found.msgid == clues.msgid else None

    def _negative(self, record: Record) -> CentreSettlement | None:
        """Look whether the centre has taken a settlement back."""
        settled = settlement_from_json(record.facts["settled"])
        region = record.insured_region
        try:
            now = self._centre.settlement(
                record.person_id, region, settled.visit_id, settled.settlement_id
            )
            if not now.refunded:
                return None
            return self._centre.find_cancellation(settled, region)
        except CentreRejectedError:
            return None

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

    def _note_strangers(self, retold: Retold) -> None:
        """Note what the centre has under our numbers and nothing here tells of."""
        known = set()
        for record in self._journal.records(limit=1_000_000):
            known.add(record.msgid)
            known |= {
                str(entry.facts.get("msgid"))
                for entry in record.history
                if entry.kind == State.CANCELLING
            }
        for told in self._at_centre.values():
            if told.msgid not in known:
                retold.only_at_centre.append(told)
                facts = {**_centre_only(told), "person_id": told.person_id}
                self._journal.note(ONLY_AT_CENTRE, facts)

    def _see_remainders(self, retold: Retold) -> None:
        """See to what stays where a part went back: owed, or perhaps settled already.

        Its own entries may be lost. What nobody asks for again, the worker would then
        settle a second time; so it waits for people where the centre has its like.
        """
        owed = Owed(self._journal).ids()
        ended = {
            str(facts["settlement_id"])
            for facts in self._journal.notes(ENDED)
            if facts.get("how") != REFUSED
        }
        for record in self._journal.records(limit=1_000_000):
            whose = record.settlement_id
            if "remainder" not in record.facts.get(State.CANCELLING.value, {}):
                continue
            begun = self._journal.key(key_of(record.cancel_key)) is not None
            back = record.state in {State.CANCELLING, State.CANCELLED}
            if begun or not back or whose in ended:
                continue
            facts: dict[str, JsonValue] = {"settlement_id": whose}
            if whose not in owed:
                self._journal.note(OWED, facts, whose)
            if any(_like(told, record) for told in retold.only_at_centre):
                facts |= {"how": REBUILT, "reason": ONLY_AT_CENTRE}
                self._journal.note(ENDED, facts, whose)
                retold.remainders.append(whose)


def _like(told: StatementResult, record: Record) -> bool:
    """Say whether a row of the centre can be what stays of a settlement."""
    if told.refund or told.person_id not in {"", record.person_id}:
        return False
    try:
        part = part_refund(record.facts[State.CANCELLING.value])
        fee = Money.total(line.amount for line in bill_of(record, part).lines)
    except TerminalError:
        return True  # its lines are lost
    return told.total_fee in {None, fee}


def _stories(rows: Sequence[Row], sides: Sequence[Side]) -> dict[str, list[Row]]:
    """Gather what is left of each settlement, in the order in which they were begun.

    A bill that was begun anew ends the settlement before it: told the other way round,
    one whose message is still on its way would be taken for the one that had ended.
    """
    stories: dict[str, list[Row]] = {}
    begun: dict[str, int] = {}
    for row in rows:
        if row.state is not None and row.settlement_id:
            stories.setdefault(row.settlement_id, []).append(row)
            begun.setdefault(row.settlement_id, row.seq)
    for side in sides:
        if side.table == "intent":
            settlement_id = str(side.columns[0])
            stories.setdefault(settlement_id, [])
            begun[settlement_id] = min(begun.get(settlement_id, side.seq), side.seq)
    return {one: stories[one] for one in sorted(stories, key=begun.__getitem__)}


def _centre_only(told: StatementResult) -> dict[str, JsonValue]:
    """Write a row that only the centre has, without the person."""

    def yuan(amount: Money | None) -> JsonValue:
        return None if amount is None else amount.to_yuan()

    return {
        "settlement_id": told.settlement_id,
        "visit_id": told.visit_id,
        "msgid": told.msgid,
        "refund": told.refund,
        "total_fee": yuan(told.total_fee),
        "fund_total": yuan(told.fund_total),
        "account_pay": yuan(told.account_pay),
    }


def _first(rows: Sequence[Row], state: State) -> Row | None:
    return next((row for row in rows if row.kind == state), None)


def _agree(told: Mapping[str, JsonValue], booked: CentreSettlement) -> bool:
    """Say whether an old entry has what the centre says, but for later balances."""
    mine = settlement_from_json(told)
    return (
        mine.settlement_id == booked.settlement_id
        and mine.msgid == booked.msgid
        and replace(mine.amounts, account_balance=Money.ZERO)
        == replace(booked.amounts, account_balance=Money.ZERO)
    )


def _clues_of(record: Record) -> _Clues:
    return _Clues(
        key=record.key,
        digest="",
        bill_no=record.bill_no,
        kind=record.kind,
        msgid=record.msgid,
        infno=record.infno,
        person_id=record.person_id,
        region=record.insured_region,
    )


def _intent_in(row: Row, sealer: Sealer) -> Intent:
    """Read the intent of an entry, whole."""
    body = json.loads(row.body)
    told, key = body["intent"], body["key"]
    settlement_id = row.settlement_id or ""
    return Intent(
        settlement_id=settlement_id,
        key=key["key"],
        digest=key["digest"],
        bill_no=told["bill_no"],
        kind=told["kind"],
        msgid=told["msgid"],
        infno=told["infno"],
        person_id=told["person_id"],
        insured_region=told["insured_region"],
        facts=body["facts"],
        personal=json.loads(sealer.open(row.sealed, settlement_id)),
        evidence=body["evidence"],
    )


def _intent_of(
    settlement_id: str, clues: _Clues, booked: CentreSettlement | None
) -> Intent:
    """Make an intent of what is left of one, with the centre's own figures.

    Its lines, its reasons and its holder are lost with its entry.
    """
    told = _NOTHING if booked is None else booked.amounts
    amounts = amounts_to_json(told)
    at = None if booked is None else booked.settled_at
    facts: dict[str, JsonValue] = {
        "on": "" if at is None else at.isoformat(),
        "insurance": "" if booked is None else booked.insurance.value,
        "use_account": bool(told.account_pay),
        "visit_id": "" if booked is None else booked.visit_id,
        "total_fee": told.total_fee.to_yuan(),
        "ours": amounts,
        "presettled": amounts,
        "suspects": [],
        "pack": _NO_PACK,
        "claim": None,
        "after": None,
        "explanation": [],
        "explanation_en": [],
        "lines": [],
        "rebuilt": "its own entry is lost",
    }
    return Intent(
        settlement_id=settlement_id,
        key=clues.key,
        digest=clues.digest,
        bill_no=clues.bill_no,
        kind=clues.kind,
        msgid=clues.msgid,
        infno=clues.infno,
        person_id=clues.person_id,
        insured_region=clues.region,
        facts=facts,
        personal=_NOBODY,
        evidence={"rebuilt": "its own entry is lost"},
    )
