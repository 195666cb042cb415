"""People found by a keyed hash of their number: nothing is opened to search.

An intent keeps the hash of each searchable field beside it. Whoever lacks the journal's
key can neither read a number out of it nor try a list of numbers on it. Entries of an
older program keep no hash and are not found this way.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from settlement.chain import digest_of
from settlement.journal_errors import JournalDamagedError
from settlement.journal_records import row_from
from settlement.lean_sqlite import Database
from settlement.lifecycle import State
from settlement.seal import Sealer

#: What a person can be found by: 证件号码 and 卡号, as an intent's personal fields.
SEARCHABLE = ("card_no", "person_cert_no")

#: Hexadecimal digits of a hash that are kept: 128 bits tell all people apart, and half
#: the bytes are read in half the time whenever the journal is proven.
_DIGITS = 32
#: So many are told at most, the newest.
MOST = 500


@dataclass(frozen=True, slots=True)
class Found:
    """One settlement of whom was asked for; nothing of it is personal."""

    settlement_id: str
    bill_no: str
    kind: str
    begun_at: dt.datetime
    state: State


@dataclass(frozen=True, slots=True)
class Search:
    """What a search came to."""

    found: tuple[Found, ...]  #: newest first
    not_searched: int  #: settlements from before there were hashes


def hash_of(sealer: Sealer, field: str, number: str) -> str:
    """Return what a number is found by; written with blanks or in small letters too."""
    if field not in SEARCHABLE:
        msg = f"nothing is found by {field}"
        raise AssertionError(msg)
    plain = "".join(number.split()).upper()
    return sealer.keyed_hash(f"{field} {plain}")[:_DIGITS]


def hashes_of(sealer: Sealer, personal: Mapping[str, str]) -> dict[str, str]:
    """Return what an intent's person is found by; empty fields are left out."""
    return {
        field: hash_of(sealer, field, personal[field])
        for field in SEARCHABLE
        if personal.get(field, "").strip()
    }


def search(journal: Path, sealer: Sealer, field: str, number: str) -> Search:
    """Find the settlements of a person; reads only, also while a daemon writes.

    Args:
        journal: the SQLite file.
        sealer: holds the key of the hashes.
        field: one of ``SEARCHABLE``.
        number: whose.

    Raises:
        JournalDamagedError: what was found is not what its entry holds.
        OSError: the journal is not there.
    """
    if not journal.is_file():
        raise FileNotFoundError(2, "No such file", str(journal))
    wanted = hash_of(sealer, field, number)
    uri = f"{journal.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            db = Database(connection)
            db.execute("BEGIN")
            if not has_hashes(connection):
                (before,) = db.execute("SELECT count(*) FROM intent").fetchone()
                return Search((), before)
            rows = db.query(
                "SELECT intent.settlement_id, bill_no, intent.kind FROM personal_hash "
                "JOIN intent USING (seq) WHERE field = ? AND hash = ? "
                "ORDER BY seq DESC LIMIT ?",
                [field, wanted, MOST],
            )
            found = tuple(_told(db, row, field, wanted) for row in list(rows))
            (before,) = db.execute(
                "SELECT count(*) FROM intent WHERE NOT EXISTS "
                "(SELECT 1 FROM personal_hash WHERE seq = intent.seq)"
            ).fetchone()
            return Search(found, before)
    except (sqlite3.DatabaseError, ValueError, TypeError, LookupError) as error:
        raise JournalDamagedError(journal.name, type(error).__name__) from error


def has_hashes(db: sqlite3.Connection) -> bool:
    """Say whether a journal has the table of hashes yet."""
    found = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'personal_hash'")
    return found.fetchone() is not None


def _told(db: Database, row: Mapping[str, object], field: str, wanted: str) -> Found:
    settlement_id = str(row["settlement_id"])
    entries = [
        row_from(each)
        for each in db.query(
            "SELECT * FROM entry WHERE settlement_id = ? AND state IS NOT NULL "
            "ORDER BY seq",
            [settlement_id],
        )
    ]
    if not entries or any(digest_of(each) != each.digest for each in entries):
        msg = "an entry is not what its digest says"
        raise ValueError(msg)
    if json.loads(entries[0].body).get("hashes", {}).get(field) != wanted:
        msg = "a hash is not the one its entry holds"
        raise ValueError(msg)
    return Found(
        settlement_id=settlement_id,
        bill_no=str(row["bill_no"]),
        kind=str(row["kind"]),
        begun_at=dt.datetime.fromisoformat(entries[0].at),
        state=State(entries[-1].state or ""),
    )
