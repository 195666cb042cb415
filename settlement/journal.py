"""The terminal's own durable record: append-only, chained, one writer.

Every method that writes returns only after the bytes are on the disk. The state of
a settlement is whatever its newest entry says; there is no status to overwrite.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from settlement.chain import (
    GENESIS,
    Anchor,
    Head,
    Row,
    digest_of,
)
from settlement.facts import JsonValue
from settlement.filelock import FileLock
from settlement.journal_errors import (
    IllegalStepError,
    IntentKnownError,
    JournalDamagedError,
    JournalStoppedError,
    UnknownSettlementError,
)
from settlement.journal_opening import Opening, judge
from settlement.lean_sqlite import Database
from settlement.ledger import Account, Entry, Posting
from settlement.lifecycle import FINAL, OPEN, State, may_go
from settlement.money import Money
from settlement.msgids import Msgids
from settlement.schema import MIGRATIONS, PRAGMAS
from settlement.seal import Sealer

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


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


class Journal:
    """Open with ``Journal.open``; close when done."""

    def __init__(  # noqa: PLR0913 - what ``open`` was given, and the lock it took
        self,
        path: Path,
        lock: FileLock,
        sealer: Sealer,
        *,
        institution: str,
        terminal_no: int,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._path = path
        self._lock = lock
        self._sealer = sealer
        self._now = now
        self._msgids = Msgids(institution, terminal_no, now=now)
        self._stopped = ""
        self._open_ids: dict[str, None] = {}
        self._live: dict[str, Record] = {}  #: what the writer knows of open ones
        self._readers = threading.local()
        self._all_readers: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._db: Database
        self._head = Head(0, GENESIS.hex())
        try:
            self._writer.submit(self._begin).result()
        except BaseException:
            self._writer.shutdown()
            raise

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        sealer: Sealer,
        institution: str,
        terminal_no: int,
        now: Callable[[], dt.datetime],
    ) -> Journal:
        """Open or create the journal at *path*, for this process alone.

        Args:
            path: The SQLite file; its folder is made if missing.
            sealer: Seals personal fields and authenticates the anchor.
            institution: 定点医药机构编号, 12 characters, begins every msgid.
            terminal_no: 0 to 9; owns its own thousand of every second's numbers.
            now: The clock, with time zone; the site's local time on the wire.

        Raises:
            JournalLockedError: another process has it open.
            JournalDamagedError: the file fails SQLite's own check, is newer than
                this program, or is not the one whose end was anchored.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock.take(path.with_name(path.name + ".lock"))
        try:
            return cls(
                path,
                lock,
                sealer,
                institution=institution,
                terminal_no=terminal_no,
                now=now,
            )
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Finish what is being written and let the file go."""
        self._writer.submit(self._end).result()
        self._writer.shutdown()
        with self._guard:
            for connection in self._all_readers:
                connection.close()
            self._all_readers.clear()
        self._lock.release()

    # -- writing ----------------------------------------------------------------

    def next_msgid(self) -> str:
        """Give out the next 发送方报文ID: institution, second, number; never twice.

        A clock that steps back does not bring an old second back.
        """
        return self._msgids.draw(self._promise)

    def _promise(self, until: str) -> None:
        """Make durable that numbers up to the second *until* may be given out."""

        def work() -> None:
            self._db.execute(
                "INSERT INTO counter (name, second, number) VALUES ('msgid', ?, 0) "
                "ON CONFLICT (name) DO UPDATE SET second = excluded.second, "
                "number = excluded.number",
                [until],
            )

        self._write(work)

    def intend(self, intent: Intent, *, sending: bool = False) -> Record:
        """Make an intent durable: nothing is sent before this returns.

        Args:
            intent: What is to be sent.
            sending: It is sent at once: SENDING becomes durable in the same commit.

        Raises:
            IntentKnownError: the key, or a living settlement of the bill, exists.
        """

        def work() -> Record:
            if self.key(intent.key) is not None:
                known = self.key(intent.key)
                raise IntentKnownError(known.settlement_id if known else "", "key")
            living = self.living_bill(intent.bill_no)
            if living is not None:
                raise IntentKnownError(living.settlement_id, "bill")
            created_on = self._now().date().isoformat()
            body: dict[str, JsonValue] = {
                "facts": dict(intent.facts),
                "evidence": dict(intent.evidence),
                "intent": {
                    "bill_no": intent.bill_no,
                    "kind": intent.kind,
                    "msgid": intent.msgid,
                    "infno": intent.infno,
                    "person_id": intent.person_id,
                    "insured_region": intent.insured_region,
                    "created_on": created_on,
                },
                "key": _key_json(intent.key, intent.digest, "settle"),
            }
            row = self._append(
                intent.settlement_id, State.INTENT, body, intent.personal
            )
            self._db.execute(
                "INSERT INTO intent (settlement_id, seq, bill_no, kind, msgid, infno, "
                "person_id, insured_region, created_on) VALUES (?,?,?,?,?,?,?,?,?)",
                [
                    intent.settlement_id,
                    row.seq,
                    intent.bill_no,
                    intent.kind,
                    intent.msgid,
                    intent.infno,
                    intent.person_id,
                    intent.insured_region,
                    created_on,
                ],
            )
            self._keep_key(row, intent.settlement_id, body["key"])
            record = _begun(intent, row)
            if sending:
                sent = self._append(
                    intent.settlement_id, State.SENDING, {"facts": {}}, {}
                )
                record = _stepped(record, State.SENDING, {}, sent)
            self._live[intent.settlement_id] = record
            return record

        return self._write(work)

    def advance(
        self,
        settlement_id: str,
        to: State,
        facts: Mapping[str, JsonValue],
        *,
        postings: Entry | None = None,
        answer: Callable[[Record], Answer] | None = None,
    ) -> Record:
        """Move a settlement to its next state, with what belongs to it, in one commit.

        Args:
            settlement_id: Which.
            to: Where to; the drawing must have the arrow.
            facts: What is known now.
            postings: The balanced entry this step makes.
            answer: Prints what every retry of the caller will get, from the record
                as this step leaves it; stored with it.

        Raises:
            IllegalStepError: the drawing has no such arrow.
            UnknownSettlementError: no settlement has that id.
        """

        def work() -> Record:
            before = self._live.get(settlement_id) or self.record(settlement_id)
            if not may_go(before.state, to):
                raise IllegalStepError(settlement_id, before.state, to)
            body: dict[str, JsonValue] = {"facts": dict(facts)}
            legs = postings.postings if postings is not None else ()
            if legs:
                body["postings"] = [[leg.account.value, leg.amount.fen] for leg in legs]
            stored: Answer | None = None
            if answer is not None:
                # The answer is part of the chained bytes, so it is printed first,
                # from the record as it will be.
                at = self._now()
                stored = answer(_preview(before, to, facts, at))
                key = self._unanswered_key(before)
                body["answer"] = {
                    "key": key,
                    "status": stored.status,
                    "body": stored.body.decode(),
                }
                row = self._append(settlement_id, to, body, {}, at)
                self._db.execute(
                    "INSERT INTO answer (key, seq, status, body) VALUES (?,?,?,?)",
                    [key, row.seq, stored.status, stored.body],
                )
            else:
                row = self._append(settlement_id, to, body, {})
            for number, leg in enumerate(legs):
                self._db.execute(
                    "INSERT INTO posting (seq, leg, account, fen) VALUES (?,?,?,?)",
                    [row.seq, number, leg.account.value, leg.amount.fen],
                )
            done = _stepped(before, to, facts, row)
            self._keep_live(done)
            return replace(done, answer=stored)

        return self._write(work)

    def claim_cancellation(
        self,
        settlement_id: str,
        key: str,
        digest: str,
        facts: Mapping[str, JsonValue],
        *,
        owing: str = "",
    ) -> Record:
        """Make the decision to cancel durable, under a key of its own.

        Args:
            settlement_id: Which.
            key: The idempotency key of the decision.
            digest: Of the request.
            facts: What it is done with.
            owing: A kind of note that is durable with it: what is owed afterwards.

        Raises:
            IllegalStepError: it is not settled.
            IntentKnownError: the key is known.
        """

        def work() -> Record:
            before = self._live.get(settlement_id) or self.record(settlement_id)
            if not may_go(before.state, State.CANCELLING):
                raise IllegalStepError(settlement_id, before.state, State.CANCELLING)
            if self.key(key) is not None:
                raise IntentKnownError(settlement_id, "key")
            body: dict[str, JsonValue] = {
                "facts": dict(facts),
                "key": _key_json(key, digest, "cancel"),
            }
            row = self._append(settlement_id, State.CANCELLING, body, {})
            self._keep_key(row, settlement_id, body["key"])
            if owing:
                owed: dict[str, JsonValue] = {"settlement_id": settlement_id}
                self._append_note(owing, {"facts": owed}, settlement_id)
            done = _stepped(before, State.CANCELLING, facts, row)
            done = replace(done, cancel_key=key)
            self._keep_live(done)
            return done

        return self._write(work)

    def note(
        self,
        kind: str,
        facts: Mapping[str, JsonValue],
        settlement_id: str | None = None,
    ) -> None:
        """Chain something that is not a state: evidence, a reconciliation."""
        body: dict[str, JsonValue] = {"facts": dict(facts)}
        self._write(lambda: self._append_note(kind, body, settlement_id))

    # -- reading ----------------------------------------------------------------

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
        answer = Answer(int(str(rows[0]["status"])), _bytes(rows[0]["said"]))
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
        return self._fold(rows)

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

    def open_items(self) -> tuple[Record, ...]:
        """Return what is undecided, oldest first."""
        with self._guard:
            ids = list(self._open_ids)
        return tuple(self.record(settlement_id) for settlement_id in ids)

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

    def head(self) -> Head:
        """Return the newest entry's number and digest, for the day-end slip."""
        return self._head

    def digest_at(self, seq: int) -> str:
        """Return the digest (hex) of entry *seq*; empty if there is no such entry."""
        if seq == 0:
            return GENESIS.hex()
        rows = self._query("SELECT digest FROM entry WHERE seq = ?", seq)
        return "".join(_bytes(row["digest"]).hex() for row in rows)

    def writable(self) -> bool:
        """Say whether the journal still takes entries."""
        return not self._stopped

    # -- inside -----------------------------------------------------------------

    def _begin(self) -> None:
        found = judge(self._path, self._sealer)
        # Made for its owner's eyes only; SQLite gives the log the same rights.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            self._db = Database(connection)
            self._migrate()
            self._load()
            self._anchor_again(found)
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            connection.close()
            raise JournalDamagedError(self._path.name, str(error)) from error
        except BaseException:
            connection.close()
            raise

    def _migrate(self) -> None:
        for pragma in PRAGMAS:
            self._db.execute(pragma)
        (done,) = self._db.execute("PRAGMA user_version").fetchone()
        for number, script in enumerate(MIGRATIONS, start=1):
            if number > done:
                self._db.conn.executescript(
                    f"BEGIN IMMEDIATE; {script}; "
                    f"PRAGMA user_version = {number}; COMMIT;"
                )

    def _load(self) -> None:
        """Read where the chain ends and what is undecided."""
        last = list(
            self._db.query("SELECT seq, digest FROM entry ORDER BY seq DESC LIMIT 1")
        )
        if last:
            self._head = Head(int(last[0]["seq"]), _bytes(last[0]["digest"]).hex())
        for row in self._db.query("SELECT second FROM counter WHERE name = 'msgid'"):
            self._msgids.not_before(str(row["second"]))
        newest: dict[str, str] = {}
        for row in self._db.query(
            "SELECT settlement_id, state FROM entry WHERE state IS NOT NULL "
            "ORDER BY seq"
        ):
            newest[str(row["settlement_id"])] = str(row["state"])
        self._open_ids = {
            i: None for i, state in newest.items() if State(state) in OPEN
        }

    def _anchor_again(self, found: Opening) -> None:
        """Note what was found of the anchor, then make it anew.

        The note comes first, so that the finding is not lost with the old anchor.
        """
        if found.note:
            facts: dict[str, JsonValue] = {"last": self._head.seq}
            if found.anchored:
                facts["anchored"] = found.anchored
            with self._transaction():
                self._append_note(found.note, {"facts": facts}, None)
        self._anchor_file = Anchor(self._path, self._sealer.anchor_key)
        try:
            self._anchor_file.begin(self._head)
        except OSError as error:
            self._stopped = type(error).__name__

    def _end(self) -> None:
        self._anchor_file.close()
        self._db.conn.close()

    def _write(self, work: Callable[[], T]) -> T:
        """Run *work* on the writer's thread in one durable transaction."""
        return self._writer.submit(self._in_transaction, work).result()

    def _in_transaction(self, work: Callable[[], T]) -> T:
        if self._stopped:
            raise JournalStoppedError(self._stopped)
        head, open_ids = self._head, dict(self._open_ids)
        try:
            with self._transaction():
                result = work()
        except BaseException as error:
            # What is in memory must not run ahead of what is on the disk.
            self._head = head
            self._live.clear()
            with self._guard:
                self._open_ids = open_ids
            if _is_of_the_disk(error):
                self._stopped = type(error).__name__
                raise JournalStoppedError(self._stopped) from error
            raise
        if self._head != head:
            self._anchor()
        return result

    def _anchor(self) -> None:
        try:
            self._anchor_file.write(self._head)
        except OSError as error:
            # The entry is durable; only what comes after it is refused.
            self._stopped = type(error).__name__

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # On a failing disk the way back can fail too; the first error is told.
            with suppress(sqlite3.Error):
                if self._db.conn.in_transaction:
                    self._db.execute("ROLLBACK")
            raise

    def _append(
        self,
        settlement_id: str,
        state: State,
        body: Mapping[str, JsonValue],
        personal: Mapping[str, str],
        at: dt.datetime | None = None,
    ) -> Row:
        sealed = (
            self._sealer.seal(_canonical(dict(personal)), settlement_id)
            if personal
            else b""
        )
        row = self._chain(
            settlement_id, state.value, state.value, body, sealed, at or self._now()
        )
        with self._guard:
            if state in OPEN:
                self._open_ids.setdefault(settlement_id)
            else:
                self._open_ids.pop(settlement_id, None)
        return row

    def _append_note(
        self, kind: str, body: Mapping[str, JsonValue], settlement_id: str | None
    ) -> None:
        self._chain(settlement_id, kind, None, body, b"", self._now())

    def _chain(  # noqa: PLR0913, PLR0917 - the columns of a row
        self,
        settlement_id: str | None,
        kind: str,
        state: str | None,
        body: Mapping[str, JsonValue],
        sealed: bytes,
        at: dt.datetime,
    ) -> Row:
        row = Row(
            seq=self._head.seq + 1,
            at=at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
            settlement_id=settlement_id,
            kind=kind,
            state=state,
            body=_canonical(body),
            sealed=sealed,
            prev=bytes.fromhex(self._head.digest),
            digest=b"",
        )
        row = replace(row, digest=digest_of(row))
        self._db.execute(
            "INSERT INTO entry (seq, at, settlement_id, kind, state, body, sealed, "
            "prev, digest) VALUES (?,?,?,?,?,?,?,?,?)",
            [
                row.seq,
                row.at,
                row.settlement_id,
                row.kind,
                row.state,
                row.body,
                row.sealed,
                row.prev,
                row.digest,
            ],
        )
        self._head = Head(row.seq, row.digest.hex())
        return row

    def _keep_key(self, row: Row, settlement_id: str, key: JsonValue) -> None:
        if not isinstance(key, dict):
            msg = "a key is an object"
            raise TypeError(msg)
        self._db.execute(
            "INSERT INTO idempotency_key (key, seq, digest, settlement_id, action) "
            "VALUES (?,?,?,?,?)",
            [
                str(key["key"]),
                row.seq,
                str(key["digest"]),
                settlement_id,
                str(key["action"]),
            ],
        )

    def _keep_live(self, record: Record) -> None:
        """Remember an open settlement as its writer left it; forget an ended one."""
        if record.state in OPEN:
            self._live[record.settlement_id] = record
        else:
            self._live.pop(record.settlement_id, None)

    def _unanswered_key(self, record: Record) -> str:
        """Return whose caller waits: an open settlement has exactly one such key."""
        for key in (record.cancel_key, record.key):
            if key and self.answer(key) is None:
                return key
        msg = f"every key of {record.settlement_id} has its answer already"
        raise AssertionError(msg)

    def _reader(self) -> Database:
        """Return this thread's own connection; the writer reads what it just wrote."""
        if threading.current_thread().name.startswith("journal"):
            return self._db
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
            return list(self._reader().query(sql, list(values)))

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

    def _fold(self, rows: list[Row]) -> Record:
        """Tell a settlement from its entries, oldest first."""
        first, last = rows[0], rows[-1]
        bodies = [json.loads(row.body) for row in rows]
        head = bodies[0]["intent"]
        keys = [body["key"] for body in bodies if "key" in body]
        cancels = [k["key"] for k in keys if k["action"] == "cancel"]
        personal = json.loads(
            self._sealer.open(first.sealed, first.settlement_id or "")
        )
        facts = {
            row.kind: body["facts"] for row, body in zip(rows, bodies, strict=True)
        }
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
        sealed=_bytes(row["sealed"]),
        prev=_bytes(row["prev"]),
        digest=_bytes(row["digest"]),
    )


def _begun(intent: Intent, row: Row) -> Record:
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


def _stepped(
    before: Record, to: State, facts: Mapping[str, JsonValue], row: Row
) -> Record:
    """Return *before* as the entry *row* leaves it."""
    return _preview(before, to, facts, dt.datetime.fromisoformat(row.at), seq=row.seq)


def _preview(
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


def _key_json(key: str, digest: str, action: str) -> dict[str, JsonValue]:
    return {"key": key, "digest": digest, "action": action}


def _canonical(body: Mapping[str, JsonValue]) -> str:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _is_of_the_disk(error: BaseException) -> bool:
    """Tell a failing disk from a row that SQLite refuses by a rule of the schema."""
    refused_by_rule = (sqlite3.IntegrityError, sqlite3.ProgrammingError)
    return isinstance(error, OSError | sqlite3.DatabaseError) and not isinstance(
        error, refused_by_rule
    )


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        msg = "a column of bytes holds something else"
        raise TypeError(msg)
    return value
