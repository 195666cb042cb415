"""Prove the journal: no row edited, removed, reordered or cut off; each named.

Reads only, and works while the daemon runs. The rows are judged by recomputing them,
not by asking the chain whether it is whole.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from settlement.chain import (
    AT_ONCE,
    GENESIS,
    Head,
    Row,
    digest_of,
    read_anchor,
)
from settlement.facts import JsonValue
from settlement.journal_records import row_from
from settlement.journal_sweep import belong, sweep
from settlement.lean_sqlite import Database
from settlement.lifecycle import State, may_go
from settlement.personal_search import has_hashes
from settlement.schema import MIGRATIONS
from settlement.seal import Sealer

#: With more wrong rows than this, where each belongs is no help to anybody.
_FEW = 500
#: A finding about the file and not about one row.
WHOLE_FILE = 0
_INTENT = (
    "bill_no",
    "kind",
    "msgid",
    "infno",
    "person_id",
    "insured_region",
    "created_on",
)


class FaultKind(StrEnum):
    """What is wrong with a journal. Closed."""

    EDITED = "edited"  #: a row's bytes are not what its digest says
    DELETED = "deleted"  #: a number is missing in the middle
    REORDERED = "reordered"  #: a row that belongs at another place
    TRUNCATED = "truncated"  #: rows are missing at the end
    REWRITTEN = "rewritten"  #: a chain whole in itself, and not the anchored one
    ANCHOR_MISSING = "anchor-missing"  #: the head beside the file is gone or forged
    SIDE_TABLE = (
        "side-table"  #: keys, postings, answers or hashes differ from their entry
    )
    ILLEGAL_STEP = "illegal-step"  #: a settlement went where no arrow leads
    UNBALANCED = "unbalanced"  #: postings of an entry that do not add up to zero
    UNANCHORED = "unanchored"  #: rows at the end that the anchor does not cover
    UNPROTECTED = "unprotected"  #: a trigger, index or table is not as it was made
    DAMAGED = "damaged"  #: SQLite itself cannot read the file, or parts of it


@dataclass(frozen=True, slots=True)
class Fault:
    """One finding about one row."""

    kind: FaultKind
    seq: int  #: the row; 0 if it is about the file
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
        return tuple(
            f"{f.kind.value}: {f'row {f.seq}' if f.seq else 'the file'}: {f.detail}"
            for f in self.faults
        )


def slip_of(text: str) -> Head:
    """Read a head off a day-end slip: ``number:digest``, 16 hex digits at the least.

    Raises:
        ValueError: it is written otherwise.
    """
    found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{16,64})", text.strip().lower())
    if found is None or found[1] == "0":
        msg = f"{text[:90]!r} is not number:digest as a day-end slip has it"
        raise ValueError(msg)
    return Head(int(found[1]), found[2])


def verify(path: Path, sealer: Sealer, slips: Sequence[Head] = ()) -> Verdict:
    """Prove the journal at *path*.

    Args:
        path: The SQLite file; opened for reading only.
        sealer: Holds the key the anchor is authenticated with.
        slips: Heads that were printed on day-end slips: whoever rewrites a journal
            with its key at hand cannot rewrite the paper.

    Raises:
        OSError: the file is not there.
    """
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    found = _verify(path, sealer)
    return replace(found, faults=(*found.faults, *_slips(path, slips)))


def _slips(path: Path, slips: Sequence[Head]) -> Iterator[Fault]:
    """Hold what was printed against the entries of that number."""
    if not slips:
        return
    try:
        with closing(_reading(path)) as db:
            for slip in slips:
                row = db.execute(
                    "SELECT digest FROM entry WHERE seq = ?", [slip.seq]
                ).fetchone()
                if row is None:
                    detail = "a day-end slip tells of this row, and it is not there"
                    yield Fault(FaultKind.TRUNCATED, slip.seq, detail)
                elif not row[0].hex().startswith(slip.digest):
                    detail = "this row is not the one that a day-end slip tells"
                    yield Fault(FaultKind.REWRITTEN, slip.seq, detail)
    except (sqlite3.DatabaseError, AttributeError) as error:
        detail = f"the slips cannot be held against it ({type(error).__name__})"
        yield Fault(FaultKind.DAMAGED, WHOLE_FILE, detail)


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _verify(path: Path, sealer: Sealer) -> Verdict:
    # The anchor before and after: what the daemon writes while we read is neither
    # missing from the rows we saw nor left uncovered.
    before = read_anchor(path, sealer.anchor_key)
    whole = _swept(path, sealer, before)
    if whole is not None:
        return whole
    before = read_anchor(path, sealer.anchor_key)
    try:
        found = _read(path)
    except (sqlite3.DatabaseError, TypeError, ValueError, KeyError) as error:
        detail = f"it cannot be read to the end ({type(error).__name__})"
        fault = Fault(FaultKind.DAMAGED, WHOLE_FILE, detail)
        return Verdict(0, Head(0, GENESIS.hex()), (fault,))
    after = read_anchor(path, sealer.anchor_key)
    rows = found.rows
    last = rows[-1] if rows else None
    head = Head(last.seq, last.digest.hex()) if last else Head(0, GENESIS.hex())
    faults = [
        *found.faults,
        *_chain(rows),
        *_end(rows, before, after, found.given_out),
        *_side_tables(rows, found.kept),
        *_steps(rows),
        *_openings(rows),
    ]
    return Verdict(len(rows), head, tuple(faults))


def _swept(path: Path, sealer: Sealer, before: Head | None) -> Verdict | None:
    """Prove a whole journal in one quick pass; None if it has to be gone through."""
    if before is None:
        return None
    try:
        # SQLite checks its pages on the other processor meanwhile.
        with ThreadPoolExecutor(1) as beside, closing(_reading(path)) as connection:
            checked = beside.submit(_checked, path)
            db = Database(connection)
            db.execute("BEGIN")
            given_out = _given_out(db)
            found = sweep(connection, before.seq)
            if checked.result() != found.spoken_of:
                return None
    except (sqlite3.DatabaseError, TypeError, ValueError):
        return None
    after = read_anchor(path, sealer.anchor_key)
    anchored = found.anchored.hex() if found.anchored else GENESIS.hex()
    good = (
        found.whole
        and not found.opened_without_anchor
        and anchored == before.digest
        and given_out <= found.entries
        and after is not None
        and found.entries <= after.seq + AT_ONCE
    )
    return Verdict(found.entries, found.head, ()) if good else None


def _checked(path: Path) -> tuple[int, ...] | None:
    """Let SQLite check the file and its schema, and count what bodies hold."""
    with closing(_reading(path)) as connection:
        db = Database(connection)
        db.execute("BEGIN")
        if any(_damage(db)) or any(_unprotected(db)):
            return None
        return belong(connection)


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies in the file at one moment."""

    rows: list[Row]
    kept: dict[int, list[str]]  #: what the side tables say, by entry
    given_out: int  #: the highest number SQLite remembers to have given an entry
    faults: tuple[Fault, ...]  #: what SQLite says of the file itself


def _read(path: Path) -> _Found:
    with closing(_reading(path)) as connection:
        db = Database(connection)
        # One transaction: the side tables are read as of the same moment.
        db.execute("BEGIN")
        return _Found(
            rows=[row_from(r) for r in db.query("SELECT * FROM entry ORDER BY seq")],
            kept=_kept(db),
            given_out=_given_out(db),
            faults=(*_damage(db), *_unprotected(db)),
        )


def _damage(db: Database) -> Iterator[Fault]:
    """Let SQLite check its pages, and every index against its table."""
    for (detail,) in db.execute("PRAGMA integrity_check(5)").fetchall():
        if detail != "ok":
            yield Fault(FaultKind.DAMAGED, WHOLE_FILE, str(detail))


def _unprotected(db: Database) -> Iterator[Fault]:
    """Compare tables, indexes and triggers with the ones the migrations make.

    A copy from before a migration is compared with what there was then.
    """
    (done,) = db.execute("PRAGMA user_version").fetchone()
    with closing(sqlite3.connect(":memory:")) as fresh:
        for script in MIGRATIONS[:done] or MIGRATIONS:
            fresh.executescript(script)
        made = _schema(Database(fresh))
    there = _schema(db)
    for name in sorted(made.keys() | there.keys()):
        if made.get(name) != there.get(name):
            detail = f"{name!r} is not as this program made it"
            yield Fault(FaultKind.UNPROTECTED, WHOLE_FILE, detail)


def _schema(db: Database) -> dict[str, str]:
    rows = db.query("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {str(row["name"]): str(row["sql"]) for row in rows}


def _chain(rows: list[Row]) -> Iterator[Fault]:
    wrong = {row.seq for row in rows if digest_of(row) != row.digest}
    gaps = set(range(1, rows[-1].seq if rows else 1)) - {row.seq for row in rows}
    # A row that moved left a gap or took the place of another that moved.
    places = sorted(wrong | gaps) if len(wrong) <= _FEW else []
    before = GENESIS
    expected = 1
    for row in rows:
        for missing in range(expected, row.seq):
            yield Fault(FaultKind.DELETED, missing, "the row is gone")
        gap = row.seq != expected
        expected = row.seq + 1
        if row.seq in wrong:
            yield _misplaced(row, places) or Fault(
                FaultKind.EDITED, row.seq, "its bytes are not what its digest says"
            )
        elif row.prev != before and not gap and row.seq - 1 not in wrong:
            detail = f"row {row.seq} does not follow it: it was replaced"
            yield Fault(FaultKind.EDITED, row.seq - 1, detail)
        before = row.digest


def _misplaced(row: Row, places: list[int]) -> Fault | None:
    """Find the place at which *row* would be right."""
    for seq in places:
        if seq != row.seq and digest_of(row, seq=seq) == row.digest:
            return Fault(FaultKind.REORDERED, row.seq, f"it belongs at place {seq}")
    return None


def _end(
    rows: list[Row], before: Head | None, after: Head | None, given_out: int
) -> Iterator[Fault]:
    """Compare the end with the anchor as it was *before* and *after* the reading."""
    last = rows[-1].seq if rows else 0
    known = given_out
    if before is None or after is None:
        if rows:
            detail = "the anchor beside the journal is missing or not ours"
            yield Fault(FaultKind.ANCHOR_MISSING, last, detail)
    else:
        known = max(before.seq, given_out)
        anchored = next((row for row in rows if row.seq == before.seq), None)
        if anchored is not None and anchored.digest.hex() != before.digest:
            detail = "the chain is not the one that was anchored"
            yield Fault(FaultKind.REWRITTEN, before.seq, detail)
        # One commit may be on the disk already and not anchored yet.
        for seq in range(after.seq + AT_ONCE + 1, last + 1):
            detail = "added after the last anchor: by a power cut, or by somebody else"
            yield Fault(FaultKind.UNANCHORED, seq, detail)
    for missing in range(last + 1, known + 1):
        yield Fault(FaultKind.TRUNCATED, missing, "the row is gone from the end")


def _openings(rows: list[Row]) -> Iterator[Fault]:
    """Keep naming what a start found: a new anchor does not bring rows back."""
    for row in rows:
        if row.state is None and row.kind == "anchor-missing":
            detail = "the terminal was started without its anchor: rows may be missing"
            yield Fault(FaultKind.ANCHOR_MISSING, row.seq, detail)


def _given_out(db: Database) -> int:
    """Return the highest number SQLite itself remembers to have given an entry."""
    found = list(db.query("SELECT seq FROM sqlite_sequence WHERE name = 'entry'"))
    return int(found[0]["seq"]) if found else 0


def _kept(db: Database) -> dict[int, list[str]]:
    """Read keys, postings, answers, intents, hashes, each as one text by its entry."""
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
        values = " ".join(str(row[name]) for name in _INTENT)
        text = f"intent {row['settlement_id']} {values}"
        kept.setdefault(int(row["seq"]), []).append(text)
    for row in db.query("SELECT * FROM personal_hash") if has_hashes(db.conn) else ():
        text = f"hash {row['settlement_id']} {row['field']} {row['hash']}"
        kept.setdefault(int(row["seq"]), []).append(text)
    return kept


def _side_tables(rows: list[Row], kept: dict[int, list[str]]) -> Iterator[Fault]:
    """Compare the side tables with what the entries say of them."""
    said = {row.seq: _side_of(row) for row in rows}
    for seq in sorted(said.keys() | kept.keys()):
        if sorted(said.get(seq, [])) != sorted(kept.get(seq, [])):
            detail = "keys, postings, answer, intent or hashes differ from the entry"
            yield Fault(FaultKind.SIDE_TABLE, seq, detail)
    for entry in rows:
        off_by = sum(fen for _, fen in _legs(_body(entry)))
        if off_by:
            detail = f"its postings are off by {off_by} fen"
            yield Fault(FaultKind.UNBALANCED, entry.seq, detail)


def _body(row: Row) -> dict[str, object]:
    try:
        found = json.loads(row.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _side_of(row: Row) -> list[str]:
    body = _body(row)
    found = []
    key, answer, intent = body.get("key"), body.get("answer"), body.get("intent")
    hashes = body.get("hashes")
    if isinstance(hashes, dict):
        found += [f"hash {row.settlement_id} {n} {h}" for n, h in hashes.items()]
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
        values = " ".join(str(intent.get(name)) for name in _INTENT)
        found.append(f"intent {row.settlement_id} {values}")
    for number, (account, fen) in enumerate(_legs(body)):
        found.append(f"posting {number} {account} {fen}")
    return found


def _legs(body: dict[str, object]) -> list[tuple[str, int]]:
    legs = body.get("postings")
    if not isinstance(legs, list):
        return []
    return [(str(leg[0]), leg[1]) for leg in legs if _is_leg(leg)]


def _is_leg(leg: object) -> bool:
    # An edited row can hold anything; the leg it spoils is missing on one side.
    return isinstance(leg, list) and len(leg) == 2 and type(leg[1]) is int  # noqa: PLR2004 - account and fen


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
            detail = f"{row.settlement_id!r} may not become {to.value} here"
            yield Fault(FaultKind.ILLEGAL_STEP, row.seq, detail)
        states[row.settlement_id] = to
