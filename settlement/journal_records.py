"""What the journal holds, as values; and how a settlement's rows fold into one."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from settlement.chain import Row
from settlement.facts import JsonValue
from settlement.lifecycle import State
from settlement.seal import Sealer

#: The fact that says by what a settlement was decided that had been left open.
RESOLVED_BY = "resolved_by"


@dataclass(frozen=True, slots=True)
class Intent:
    """What must be durable before the first byte leaves."""

    settlement_id: str
    key: str
    digest: str
    bill_no: str
    kind: str
    msgid: str
    infno: str
    person_id: str
    insured_region: str
    facts: Mapping[str, JsonValue]
    personal: Mapping[str, str]  #: sealed at rest
    evidence: Mapping[str, JsonValue]  #: of the card's authentication


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes a caller was given, kept for every retry."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What an idempotency key stands for."""

    key: str
    digest: str
    settlement_id: str
    action: str  #: settle or cancel


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry of a settlement's history."""

    seq: int
    at: dt.datetime
    kind: str
    facts: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, repr=False)
class Record:
    """A settlement as its entries tell it."""

    settlement_id: str
    state: State
    since: dt.datetime
    created_at: dt.datetime
    key: str
    cancel_key: str
    bill_no: str
    kind: str
    msgid: str
    infno: str
    person_id: str
    insured_region: str
    sent: bool  #: a SENDING entry exists: bytes may have left
    facts: Mapping[str, Mapping[str, JsonValue]]  #: by state, newest of each
    personal: Mapping[str, str]
    history: tuple[JournalEntry, ...]
    answer: Answer | None = field(default=None)  #: what this very step stored

    @property
    def seq(self) -> int:
        """The number of the entry that brought it where it stands."""
        return self.history[-1].seq


def row_from(row: Mapping[str, object]) -> Row:
    """Read one row of the entry table."""
    settlement_id, state = row["settlement_id"], row["state"]
    return Row(
        seq=int(str(row["seq"])),
        at=str(row["at"]),
        settlement_id=None if settlement_id is None else str(settlement_id),
        kind=str(row["kind"]),
        state=None if state is None else str(state),
        body=str(row["body"]),
        sealed=bytes_of(row["sealed"]),
        prev=bytes_of(row["prev"]),
        digest=bytes_of(row["digest"]),
    )


def fold(rows: list[Row], sealer: Sealer) -> Record:
    """Tell a settlement from its entries, oldest first; *sealer* opens who it was."""
    first, last = rows[0], rows[-1]
    bodies = [json.loads(row.body) for row in rows]
    head = bodies[0]["intent"]
    keys = [body["key"] for body in bodies if "key" in body]
    cancels = [k["key"] for k in keys if k["action"] == "cancel"]
    personal = json.loads(sealer.open(first.sealed, first.settlement_id or ""))
    facts = {row.kind: body["facts"] for row, body in zip(rows, bodies, strict=True)}
    return Record(
        settlement_id=first.settlement_id or "",
        state=State(last.kind),
        since=dt.datetime.fromisoformat(last.at),
        created_at=dt.datetime.fromisoformat(first.at),
        key=keys[0]["key"],
        cancel_key=cancels[-1] if cancels else "",
        bill_no=head["bill_no"],
        kind=head["kind"],
        msgid=head["msgid"],
        infno=head["infno"],
        person_id=head["person_id"],
        insured_region=head["insured_region"],
        sent=any(row.kind == State.SENDING for row in rows),
        facts=facts,
        personal=personal,
        history=tuple(
            JournalEntry(
                row.seq, dt.datetime.fromisoformat(row.at), row.kind, body["facts"]
            )
            for row, body in zip(rows, bodies, strict=True)
        ),
    )


def begun(intent: Intent, row: Row) -> Record:
    """Return a settlement as its intent leaves it."""
    at = dt.datetime.fromisoformat(row.at)
    facts = dict(intent.facts)
    return Record(
        settlement_id=intent.settlement_id,
        state=State.INTENT,
        since=at,
        created_at=at,
        key=intent.key,
        cancel_key="",
        bill_no=intent.bill_no,
        kind=intent.kind,
        msgid=intent.msgid,
        infno=intent.infno,
        person_id=intent.person_id,
        insured_region=intent.insured_region,
        sent=False,
        facts={State.INTENT.value: facts},
        personal=dict(intent.personal),
        history=(JournalEntry(row.seq, at, State.INTENT.value, facts),),
    )


def stepped(
    before: Record, to: State, facts: Mapping[str, JsonValue], row: Row
) -> Record:
    """Return *before* as the entry *row* leaves it."""
    return preview(before, to, facts, dt.datetime.fromisoformat(row.at), seq=row.seq)


def preview(
    before: Record,
    to: State,
    facts: Mapping[str, JsonValue],
    at: dt.datetime,
    *,
    seq: int = 0,
) -> Record:
    """Return *before* as the next entry will leave it."""
    at = at.astimezone(dt.UTC)
    entry = JournalEntry(seq or before.history[-1].seq + 1, at, to.value, facts)
    return replace(
        before,
        state=to,
        since=at,
        sent=before.sent or to is State.SENDING,
        facts={**before.facts, to.value: facts},
        history=(*before.history, entry),
        answer=None,
    )


def bytes_of(value: object) -> bytes:
    """Return what a column of bytes holds.

    Raises:
        TypeError: it holds something else.
    """
    if not isinstance(value, bytes):
        msg = "a column of bytes holds something else"
        raise TypeError(msg)
    return value
