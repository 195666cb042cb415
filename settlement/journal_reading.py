"""What a journal tells: queries on each thread's own connection, every row proven."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from settlement.chain import GENESIS, Row, digest_of
from settlement.facts import JsonValue
from settlement.journal_errors import JournalDamagedError, UnknownSettlementError
from settlement.journal_records import (
    RESOLVED_BY,
    Answer,
    KeyRecord,
    Record,
    bytes_of,
    fold,
    row_from,
)
from settlement.lean_sqlite import Database
from settlement.ledger import Account, Posting
from settlement.lifecycle import FINAL, State
from settlement.money import Money
from settlement.personal_search import hash_of
from settlement.seal import Sealer

#: Of so many newest entries what was found out is news: a busy day of one window.
_NEWS = 2_000
_DECIDED = (State.SETTLED, State.REJECTED, State.REVERSED, State.CANCELLED)


class JournalReading:
    """Reads one journal from any thread; what does not read is damage, and said so."""

    def __init__(self, path: Path, sealer: Sealer) -> None:
        """Open nothing yet.

        Args:
            path: The journal's file; it is there when the first question comes.
            sealer: Opens the personal fields.
        """
        self._path = path
        self._sealer = sealer
        self._readers = threading.local()
        self._all_readers: list[sqlite3.Connection] = []
        self._guard = threading.Lock()

    def read_by(self, db: Database) -> None:
        """Let this thread read by the connection it writes by: what it just wrote."""
        self._readers.db = db

    def close(self) -> None:
        """Close what was opened here; the writer closes its own."""
        with self._guard:
            for connection in self._all_readers:
                connection.close()
            self._all_readers.clear()

    def key(self, key: str) -> KeyRecord | None:
        """Return what *key* stands for, however old."""
        rows = self._query(
            "SELECT key, digest, settlement_id, action FROM idempotency_key "
            "WHERE key = ?",
            key,
        )
        return KeyRecord(**{k: str(v) for k, v in rows[0].items()}) if rows else None

    def answer(self, key: str) -> Answer | None:
        """Return the stored answer of *key*; None while it is undecided."""
        rows = self._query(
            "SELECT answer.status, answer.body AS said, entry.* "
            "FROM answer JOIN entry USING (seq) WHERE answer.key = ?",
            key,
        )
        if not rows:
            return None
        answer = Answer(int(str(rows[0]["status"])), bytes_of(rows[0]["said"]))
        kept = self._body_of(self._sound(rows[0])).get("answer")
        same = {"key": key, "status": answer.status, "body": answer.body.decode()}
        if kept != same:
            self._damaged("an answer is not the one its entry holds")
        return answer

    def record(self, settlement_id: str) -> Record:
        """Return a settlement as its entries tell it.

        Raises:
            UnknownSettlementError: no settlement has that id.
        """
        rows = self._rows_of(self._reader(), settlement_id)
        if not rows:
            raise UnknownSettlementError(settlement_id)
        return fold(rows, self._sealer)

    def living_bill(self, bill_no: str) -> Record | None:
        """Return the settlement that holds *bill_no*, if one is not at its end."""
        rows = self._query(
            "SELECT settlement_id FROM intent WHERE bill_no = ? ORDER BY seq DESC",
            bill_no,
        )
        for row in rows:
            record = self.record(str(row["settlement_id"]))
            if record.state not in FINAL:
                return record
        return None

    def records(
        self,
        *,
        states: frozenset[State] | None = None,
        created_on: dt.date | None = None,
        limit: int = 500,
    ) -> tuple[Record, ...]:
        """Return settlements oldest first, the newest *limit* of them."""
        where, values = "", []
        if created_on is not None:
            where, values = "WHERE created_on = ?", [created_on.isoformat()]
        rows = self._query(
            f"SELECT settlement_id FROM intent {where} "  # noqa: S608 - a fixed text
            "ORDER BY seq DESC LIMIT ?",
            *values,
            limit,
        )
        found = [self.record(str(row["settlement_id"])) for row in reversed(rows)]
        return tuple(r for r in found if states is None or r.state in states)

    def found_out(self, limit: int = 20) -> tuple[Record, ...]:
        """Return what was open and was decided afterwards, the newest first.

        Among the newest entries only: it is news, and no history.
        """
        marks = ", ".join("?" for _ in _DECIDED)
        rows = self._query(
            "SELECT max(seq), settlement_id FROM entry "  # noqa: S608 - marks only
            "WHERE seq > (SELECT max(seq) FROM entry) - ? "
            f"AND state IN ({marks}) AND instr(body, ?) > 0 "
            "GROUP BY settlement_id ORDER BY 1 DESC LIMIT ?",
            _NEWS,
            *_DECIDED,
            f'"{RESOLVED_BY}":',
            limit,
        )
        found = [self.record(str(row["settlement_id"])) for row in rows]
        # Gone on since: somebody knew of it then.
        return tuple(r for r in found if RESOLVED_BY in r.facts.get(r.state.value, {}))

    def found_by(self, name: str, number: str, limit: int) -> tuple[Record, ...]:
        """Return the settlements of a person, newest first, without opening others.

        Args:
            name: what is searched by, one of ``personal_search.SEARCHABLE``.
            number: whose.
            limit: at most so many, the newest.
        """
        hashed = hash_of(self._sealer, name, number)
        rows = self._query(
            "SELECT personal_hash.settlement_id AS whose, entry.* "
            "FROM personal_hash JOIN entry USING (seq) "
            "WHERE field = ? AND hash = ? ORDER BY seq DESC LIMIT ?",
            name,
            hashed,
            limit,
        )
        for row in rows:
            entry = self._sound(row)
            kept = self._body_of(entry).get("hashes", {})
            if kept.get(name) != hashed or entry.settlement_id != row["whose"]:
                self._damaged("a hash is not the one its entry holds")
        return tuple(self.record(str(row["whose"])) for row in rows)

    def notes(self, kind: str) -> tuple[dict[str, JsonValue], ...]:
        """Return the facts of every note of a kind, oldest first, each proven."""
        rows = self._query(
            "SELECT * FROM entry WHERE kind = ? AND state IS NULL ORDER BY seq", kind
        )
        with self._reading():
            return tuple(self._body_of(self._sound(row))["facts"] for row in rows)

    def noted(self, *kinds: str) -> tuple[tuple[str, dict[str, JsonValue]], ...]:
        """Return kind and facts of every note of some kinds, in their order."""
        marks = ", ".join("?" for _ in kinds)
        rows = self._query(
            f"SELECT * FROM entry WHERE kind IN ({marks}) "  # noqa: S608 - marks only
            "AND state IS NULL ORDER BY seq",
            *kinds,
        )
        with self._reading():
            return tuple(
                (str(row["kind"]), self._body_of(self._sound(row))["facts"])
                for row in rows
            )

    def postings(self, settlement_id: str) -> tuple[Posting, ...]:
        """Return every leg ever posted for a settlement."""
        rows = self._query(
            "SELECT account, fen FROM posting JOIN entry USING (seq) "
            "WHERE settlement_id = ? ORDER BY seq, leg",
            settlement_id,
        )
        legs = [(str(row["account"]), int(str(row["fen"]))) for row in rows]
        entries = self._rows_of(self._reader(), settlement_id)
        kept = [
            tuple(leg)
            for row in entries
            for leg in self._body_of(row).get("postings", [])
        ]
        if legs != kept:
            self._damaged("postings are not those their entries hold")
        return tuple(Posting(Account(name), Money(fen)) for name, fen in legs)

    def digest_at(self, seq: int) -> str:
        """Return the digest (hex) of entry *seq*; empty if there is no such entry."""
        if seq == 0:
            return GENESIS.hex()
        rows = self._query("SELECT digest FROM entry WHERE seq = ?", seq)
        return "".join(bytes_of(row["digest"]).hex() for row in rows)

    def _reader(self) -> Database:
        """Return this thread's own connection; the writer's is the one it writes by."""
        found: Database | None = getattr(self._readers, "db", None)
        if found is None:
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro",
                uri=True,
                check_same_thread=False,  # closed by whoever closes the journal
            )
            found = Database(connection)
            self._readers.db = found
            with self._guard:
                self._all_readers.append(connection)
        return found

    def _query(self, sql: str, *values: str | int) -> list[dict[str, object]]:
        with self._reading():
            # Past sqlite-utils, which reads each statement before it runs it.
            found = self._reader().conn.execute(sql, values)
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found]

    def _rows_of(self, db: Database, settlement_id: str) -> list[Row]:
        with self._reading():
            return [
                self._sound(row)
                for row in db.query(
                    "SELECT * FROM entry WHERE settlement_id = ? "
                    "AND state IS NOT NULL ORDER BY seq",
                    [settlement_id],
                )
            ]

    def _sound(self, row: Mapping[str, object]) -> Row:
        """Read one entry; what its digest does not prove is told to nobody."""
        found = row_from(row)
        if digest_of(found) != found.digest:
            self._damaged(f"row {found.seq} is not what its digest says")
        return found

    def _body_of(self, row: Row) -> dict[str, Any]:
        with self._reading():
            body: dict[str, Any] = json.loads(row.body)
            return body

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Say of whatever does not read that the journal is damaged."""
        try:
            yield
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            # ProgrammingError is ours: a closed journal, a wrong thread.
            if isinstance(error, sqlite3.ProgrammingError):
                raise
            self._damaged(type(error).__name__)

    def _damaged(self, found: str) -> NoReturn:
        raise JournalDamagedError(self._path.name, found)
