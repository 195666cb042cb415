"""The journal: what one durable point and a whole settlement cost against SQLite."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from settlement.journal import Intent, Journal
from settlement.lifecycle import State
from settlement.seal import Sealer
from terminal.bench.figure import NS_PER_MS, Figure, Goal, in_turns

_RAW = """
CREATE TABLE IF NOT EXISTS entry (
  seq INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
  prev BLOB NOT NULL, digest BLOB NOT NULL
) STRICT
"""
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
    """INTENT, SENDING and REJECTED of one settlement against one raw commit."""
    with _journal(folder) as journal, _raw(folder) as commit:
        ours, reference, _ = in_turns(lambda: _settle(journal), commit, each=5)
    return Goal(3.3).figure(
        "journal.settlement_ms",
        "ms",
        ours / NS_PER_MS,
        reference / NS_PER_MS,
        "raw sqlite3, WAL, synchronous=FULL, one row; three durable points are ours",
    )


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
            personal={"holder": "测试甲"},
            evidence={},
        )
    )
    journal.advance(record.settlement_id, State.SENDING, {})
    journal.advance(record.settlement_id, State.REJECTED, {"code": "bench"})


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
def _raw(folder: Path) -> Iterator[Callable[[], None]]:
    path = folder / "raw.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(_RAW)
        body, digest = json.dumps(_FACTS), bytes(32)
        row = ("2026-01-01T00:00:00", "bench", body, digest, digest)

        def commit() -> None:
            db.execute(
                "INSERT INTO entry (at, kind, body, prev, digest) VALUES (?,?,?,?,?)",
                row,
            )

        yield commit
