"""Prove the journal: no row edited, removed, reordered or cut off; each named.

Reads only, and works while the daemon runs. The rows are judged by recomputing them,
not by asking the chain whether it is whole.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlite_utils import Database

from settlement.chain import GENESIS, Head, Row, digest_of, read_anchor
from settlement.facts import JsonValue
from settlement.journal import row_from
from settlement.lifecycle import State, may_go
from settlement.seal import Sealer


class FaultKind(StrEnum):
    """What is wrong with a journal. Closed."""

    EDITED = "edited"  #: a row's bytes are not what its digest says
    DELETED = "deleted"  #: a number is missing in the middle
    REORDERED = "reordered"  #: a row that belongs at another place
    TRUNCATED = "truncated"  #: rows are missing at the end
    REWRITTEN = "rewritten"  #: a chain whole in itself, and not the anchored one
    ANCHOR_MISSING = "anchor-missing"  #: the head beside the file is gone or forged
    SIDE_TABLE = "side-table"  #: keys, postings or answers differ from their entry
    ILLEGAL_STEP = "illegal-step"  #: a settlement went where no arrow leads


@dataclass(frozen=True, slots=True)
class Fault:
    """One finding about one row."""

    kind: FaultKind
    seq: int
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the whole proof came to."""

    entries: int
    head: Head
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """True if nothing is wrong."""
        return not self.faults

    def to_json(self) -> dict[str, JsonValue]:
        """Write it for a program."""
        return {
            "ok": self.ok,
            "entries": self.entries,
            "head": {"seq": self.head.seq, "digest": self.head.digest},
            "faults": [
                {"kind": f.kind.value, "seq": f.seq, "detail": f.detail}
                for f in self.faults
            ],
        }

    def lines(self) -> tuple[str, ...]:
        """Print it for a person."""
        if self.ok:
            return (
                (
                    f"ok: {self.entries} entries, head {self.head.seq} "
                    f"{self.head.digest[:16]}"
                ),
            )
        return tuple(f"{f.kind.value}: row {f.seq}: {f.detail}" for f in self.faults)


def verify(path: Path, sealer: Sealer) -> Verdict:
    """Prove the journal at *path*.

    Args:
        path: The SQLite file; opened for reading only.
        sealer: Holds the key the anchor is authenticated with.

    Raises:
        OSError: the file is not there.
    """
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    # The anchor first: what is written while we read only makes the chain longer.
    anchor = read_anchor(path, sealer.anchor_key)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        db = Database(connection)
        # One transaction: the side tables are read as of the same moment.
        db.execute("BEGIN")
        rows = [row_from(r) for r in db.query("SELECT * FROM entry ORDER BY seq")]
        side = list(_side_tables(db, rows))
        given_out = _given_out(db)
    finally:
        connection.close()
    last = rows[-1] if rows else None
    head = Head(last.seq, last.digest.hex()) if last else Head(0, GENESIS.hex())
    faults = [
        *_chain(rows),
        *_end(rows, anchor, given_out),
        *side,
        *_steps(rows),
    ]
    return Verdict(len(rows), head, tuple(faults))


def _chain(rows: list[Row]) -> Iterator[Fault]:
    wrong = {row.seq for row in rows if digest_of(row) != row.digest}
    before = GENESIS
    expected = 1
    for row in rows:
        for missing in range(expected, row.seq):
            detail = "the row is gone"
            yield Fault(FaultKind.DELETED, missing, detail)
        gap = row.seq != expected
        expected = row.seq + 1
        if row.seq in wrong:
            yield _misplaced(row, rows) or Fault(
                FaultKind.EDITED, row.seq, "its bytes are not what its digest says"
            )
        elif row.prev != before and not gap and row.seq - 1 not in wrong:
            detail = f"row {row.seq} does not follow it: it was replaced"
            yield Fault(FaultKind.EDITED, row.seq - 1, detail)
        before = row.digest


def _misplaced(row: Row, rows: Iterable[Row]) -> Fault | None:
    """Find the place at which *row* would be right."""
    for other in rows:
        if other.seq != row.seq and digest_of(row, seq=other.seq) == row.digest:
            detail = f"it belongs at place {other.seq}"
            return Fault(FaultKind.REORDERED, row.seq, detail)
    return None


def _end(rows: list[Row], anchor: Head | None, given_out: int) -> Iterator[Fault]:
    last = rows[-1].seq if rows else 0
    if anchor is None:
        if rows:
            detail = "the anchor beside the journal is missing or not ours"
            yield Fault(FaultKind.ANCHOR_MISSING, last, detail)
        known = given_out
    else:
        known = max(anchor.seq, given_out)
        anchored = next((row for row in rows if row.seq == anchor.seq), None)
        if anchored is not None and anchored.digest.hex() != anchor.digest:
            detail = "the chain is not the one that was anchored"
            yield Fault(FaultKind.REWRITTEN, anchor.seq, detail)
    for missing in range(last + 1, known + 1):
        yield Fault(FaultKind.TRUNCATED, missing, "the row is gone from the end")


def _given_out(db: Database) -> int:
    """Return the highest number SQLite itself remembers to have given an entry."""
    found = list(db.query("SELECT seq FROM sqlite_sequence WHERE name = 'entry'"))
    return int(found[0]["seq"]) if found else 0


def _side_tables(db: Database, rows: list[Row]) -> Iterator[Fault]:
    """Compare keys, postings, answers and intents with what their entries say."""
    said = {row.seq: _side_of(row) for row in rows}
    kept: dict[int, list[str]] = {}
    for row in db.query("SELECT * FROM idempotency_key"):
        text = (
            f"key {row['key']} {row['digest']} {row['settlement_id']} {row['action']}"
        )
        kept.setdefault(int(row["seq"]), []).append(text)
    for row in db.query("SELECT * FROM posting ORDER BY seq, leg"):
        text = f"posting {row['leg']} {row['account']} {row['fen']}"
        kept.setdefault(int(row["seq"]), []).append(text)
    for row in db.query("SELECT * FROM answer"):
        body = bytes(row["body"]).decode(errors="replace")
        text = f"answer {row['key']} {row['status']} {body}"
        kept.setdefault(int(row["seq"]), []).append(text)
    for row in db.query("SELECT * FROM intent"):
        text = (
            f"intent {row['settlement_id']} {row['bill_no']} {row['kind']} "
            f"{row['msgid']} {row['infno']} {row['person_id']} {row['insured_region']}"
        )
        kept.setdefault(int(row["seq"]), []).append(text)
    for seq in sorted(said.keys() | kept.keys()):
        if sorted(said.get(seq, [])) != sorted(kept.get(seq, [])):
            detail = "keys, postings, answer or intent differ from the entry"
            yield Fault(FaultKind.SIDE_TABLE, seq, detail)
    for entry in rows:
        off_by = _imbalance(entry)
        if off_by:
            detail = f"its postings are off by {off_by} fen"
            yield Fault(FaultKind.SIDE_TABLE, entry.seq, detail)


def _body(row: Row) -> dict[str, object]:
    try:
        found = json.loads(row.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _side_of(row: Row) -> list[str]:
    body = _body(row)
    found = []
    key, answer, intent = body.get("key"), body.get("answer"), body.get("intent")
    if isinstance(key, dict):
        found.append(
            f"key {key.get('key')} {key.get('digest')} {row.settlement_id} "
            f"{key.get('action')}"
        )
    if isinstance(answer, dict):
        found.append(
            f"answer {answer.get('key')} {answer.get('status')} {answer.get('body')}"
        )
    if isinstance(intent, dict):
        names = ("bill_no", "kind", "msgid", "infno", "person_id", "insured_region")
        values = " ".join(str(intent.get(name)) for name in names)
        found.append(f"intent {row.settlement_id} {values}")
    for number, (account, fen) in enumerate(_legs(body)):
        found.append(f"posting {number} {account} {fen}")
    return found


def _legs(body: dict[str, object]) -> list[tuple[str, int]]:
    legs = body.get("postings")
    if not isinstance(legs, list):
        return []
    return [(str(leg[0]), int(leg[1])) for leg in legs]


def _imbalance(row: Row) -> int:
    return sum(fen for _, fen in _legs(_body(row)))


def _steps(rows: list[Row]) -> Iterator[Fault]:
    """Walk every settlement along the drawing."""
    states: dict[str, State | None] = {}
    for row in rows:
        if row.state is None or row.settlement_id is None:
            continue
        try:
            to = State(row.state)
        except ValueError:
            detail = "it names a state that does not exist"
            yield Fault(FaultKind.ILLEGAL_STEP, row.seq, detail)
            continue
        if not may_go(states.get(row.settlement_id), to):
            detail = f"{row.settlement_id} may not become {to.value} here"
            yield Fault(FaultKind.ILLEGAL_STEP, row.seq, detail)
        states[row.settlement_id] = to
