"""The journal: what one durable point and a whole settlement cost against SQLite."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from settlement.journal import Journal
from settlement.journal_proof import verify
from settlement.journal_records import Answer, Intent
from settlement.ledger import Account, Entry, Posting
from settlement.lifecycle import State
from settlement.money import Money
from settlement.seal import Sealer
from terminal.bench.figure import NS_PER_MS, NS_PER_US, Figure, Goal, in_turns

_RAW = """
CREATE TABLE IF NOT EXISTS entry (
  seq INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
  prev BLOB NOT NULL, digest BLOB NOT NULL
) STRICT
"""
#: Of a journal that is proven: three entries each.
SETTLEMENTS = 10_000
#: What a proof reads: the chain, and all that must agree with it.
PROVEN = ("entry", "idempotency_key", "posting", "answer", "intent", "personal_hash")
#: As large as the facts of an ordinary settlement.
_FACTS = {"filler": "x" * 600}


def commit_ms(folder: Path) -> Figure:
    """One durable point of the journal against one raw commit of as many bytes."""
    with _journal(folder) as journal, _raw(folder) as commit:
        ours, reference, _ = in_turns(
            lambda: journal.note("bench", _FACTS), commit, each=10
        )
    return Goal(1.5).figure(
        "journal.commit_ms",
        "ms",
        ours / NS_PER_MS,
        reference / NS_PER_MS,
        "raw sqlite3, WAL, synchronous=FULL, one row of the same bytes",
    )


def settlement_ms(folder: Path) -> Figure:
    """The durable points of one settlement against one raw commit of as many bytes."""
    with _journal(folder) as journal:
        _settle(journal)
        written = _bytes_of_a_settlement(folder)
    with _journal(folder) as journal, _raw(folder, written) as commit:
        ours, reference, _ = in_turns(lambda: _settle(journal), commit, each=5)
    return Goal(3.3).figure(
        "journal.settlement_ms",
        "ms",
        ours / NS_PER_MS,
        reference / NS_PER_MS,
        "raw sqlite3, WAL, synchronous=FULL, one row of the same bytes",
    )


def verify_rows(folder: Path) -> Figure:
    """How long a whole journal takes to prove, against reading and hashing its rows."""
    with _journal(folder) as journal:
        for _ in range(SETTLEMENTS):
            _settle(journal)
    path, sealer = folder / "journal.db", Sealer(bytes(range(32)))
    proven = verify(path, sealer)
    if not proven.ok:
        msg = "the bench's own journal is not proven"
        raise AssertionError(msg)

    def read_and_hash() -> None:
        with closing(sqlite3.connect(path)) as db:
            db.text_factory = bytes
            for body, sealed in db.execute("SELECT body, sealed FROM entry"):
                hashlib.sha256(body + sealed).digest()

    ours, reference, _ = in_turns(lambda: verify(path, sealer), read_and_hash, each=1)
    per_row = ours / proven.entries / NS_PER_US
    all_rows = _rows_of(path) / proven.entries
    return Goal(5, of_value=True).figure(
        "journal.verify_us",
        "us",
        per_row,
        reference / proven.entries / NS_PER_US,
        f"an entry read and hashed once ({1_000_000 / per_row:,.0f} entries/s are "
        f"proven, {1_000_000 / per_row * all_rows:,.0f} rows/s of all its tables)",
    )


def _rows_of(path: Path) -> int:
    """Count the rows of every table that a proof looks at."""
    count = 0
    with closing(sqlite3.connect(path)) as db:
        for table in PROVEN:
            (rows,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a name of ours
            count += int(rows)
    return count


def _bytes_of_a_settlement(folder: Path) -> int:
    """Count what the entries of the settlements in a journal hold."""
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        (count,) = db.execute(
            "SELECT sum(length(body) + length(sealed)) FROM entry"
        ).fetchone()
    return int(count)


def _settle(journal: Journal) -> None:
    number = secrets.token_hex(8)
    record = journal.intend(
        Intent(
            settlement_id=number,
            key=number,
            digest=number,
            bill_no=number,
            kind="outpatient",
            msgid=journal.next_msgid(),
            infno="2207",
            person_id="1",
            insured_region="990100",
            facts=_FACTS,
            personal={
                "name": "测试甲",
                "person_cert_no": "990100198001010018",
                "card_no": "990100001",
            },
            evidence={},
        ),
        sending=True,
    )
    entry = Entry(
        number,
        "settled",
        (
            Posting(Account.CASH, Money(4000)),
            Posting(Account.POOLED_FUND, Money(6000)),
            Posting(Account.MEDICAL_INCOME, Money(-10_000)),
        ),
    )
    journal.advance(
        record,
        State.SETTLED,
        _FACTS,
        postings=entry,
        answer=lambda after: Answer(201, after.settlement_id.encode()),
    )


@contextmanager
def _journal(folder: Path) -> Iterator[Journal]:
    journal = Journal.open(
        folder / "journal.db",
        sealer=Sealer(bytes(range(32))),
        institution="H99010000001",
        terminal_no=0,
        now=lambda: dt.datetime.now(dt.UTC),
    )
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def _raw(folder: Path, length: int = 0) -> Iterator[Callable[[], None]]:
    """Give a commit of one row whose body has *length* bytes."""
    path = folder / "raw.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(_RAW)
        body, digest = "x" * length or json.dumps(_FACTS), bytes(32)
        row = ("2026-01-01T00:00:00", "bench", body, digest, digest)

        def commit() -> None:
            db.execute(
                "INSERT INTO entry (at, kind, body, prev, digest) VALUES (?,?,?,?,?)",
                row,
            )

        yield commit
