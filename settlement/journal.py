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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from settlement.chain import (
    GENESIS,
    Anchor,
    Head,
    Row,
    chained,
)
from settlement.facts import JsonValue
from settlement.filelock import FileLock
from settlement.journal_errors import (
    IllegalStepError,
    IntentKnownError,
    JournalDamagedError,
    JournalStoppedError,
    KeyFileError,
    OvertakenError,
)
from settlement.journal_migration import bring_up
from settlement.journal_opening import Opening, judge
from settlement.journal_reading import JournalReading
from settlement.journal_records import (
    Answer,
    Intent,
    KeyRecord,
    Record,
    begun,
    bytes_of,
    preview,
    stepped,
)
from settlement.key_ring import ROTATED, last_rotation, ring_path
from settlement.lean_sqlite import Database
from settlement.ledger import Entry, Posting
from settlement.lifecycle import OPEN, State, may_go
from settlement.msgids import Msgids
from settlement.personal_search import MOST, hashes_of
from settlement.seal import Sealer

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


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
        self._reading = JournalReading(path, sealer)
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
        # The writer last: who leaves the file last brings its log back into it, and a
        # reader would leave the log lying beside it.
        self._reading.close()
        self._writer.submit(self._end).result()
        self._writer.shutdown()
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
            hashes = hashes_of(self._sealer, intent.personal)
            if hashes:
                body["hashes"] = dict(hashes)
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
            self._keep_hashes(row, intent.settlement_id, hashes)
            record = begun(intent, row)
            if sending:
                sent = self._append(
                    intent.settlement_id, State.SENDING, {"facts": {}}, {}
                )
                record = stepped(record, State.SENDING, {}, sent)
            self._live[intent.settlement_id] = record
            return record

        return self._write(work)

    def advance(
        self,
        seen: Record,
        to: State,
        facts: Mapping[str, JsonValue],
        *,
        postings: Entry | None = None,
        answer: Callable[[Record], Answer] | None = None,
    ) -> Record:
        """Move a settlement to its next state, with what belongs to it, in one commit.

        Args:
            seen: The settlement as it stood when this was decided; it must stand there
                still, or what was found out is about what is over.
            to: Where to; the drawing must have the arrow.
            facts: What is known now.
            postings: The balanced entry this step makes.
            answer: Prints what every retry of the caller will get, from the record
                as this step leaves it; stored with it.

        Raises:
            OvertakenError: it went on since; nothing was changed.
            IllegalStepError: the drawing has no such arrow.
            UnknownSettlementError: no settlement has that id.
        """
        settlement_id = seen.settlement_id

        def work() -> Record:
            before = self._live.get(settlement_id) or self.record(settlement_id)
            if before.seq != seen.seq:
                raise OvertakenError(settlement_id, seen.state, before.state)
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
                stored = answer(preview(before, to, facts, at))
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
            done = stepped(before, to, facts, row)
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
            done = stepped(before, State.CANCELLING, facts, row)
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
        return self._reading.key(key)

    def answer(self, key: str) -> Answer | None:
        """Return the stored answer of *key*; None while it is undecided."""
        return self._reading.answer(key)

    def record(self, settlement_id: str) -> Record:
        """Return a settlement as its entries tell it.

        Raises:
            UnknownSettlementError: no settlement has that id.
        """
        return self._reading.record(settlement_id)

    def living_bill(self, bill_no: str) -> Record | None:
        """Return the settlement that holds *bill_no*, if one is not at its end."""
        return self._reading.living_bill(bill_no)

    def records(
        self,
        *,
        states: frozenset[State] | None = None,
        created_on: dt.date | None = None,
        limit: int = 500,
    ) -> tuple[Record, ...]:
        """Return settlements oldest first, the newest *limit* of them."""
        return self._reading.records(states=states, created_on=created_on, limit=limit)

    def notes(self, kind: str) -> tuple[dict[str, JsonValue], ...]:
        """Return the facts of every note of a kind, oldest first, each proven."""
        return self._reading.notes(kind)

    def noted(self, *kinds: str) -> tuple[tuple[str, dict[str, JsonValue]], ...]:
        """Return kind and facts of every note of some kinds, in their order."""
        return self._reading.noted(*kinds)

    def postings(self, settlement_id: str) -> tuple[Posting, ...]:
        """Return every leg ever posted for a settlement."""
        return self._reading.postings(settlement_id)

    def digest_at(self, seq: int) -> str:
        """Return the digest (hex) of entry *seq*; empty if there is no such entry."""
        return self._reading.digest_at(seq)

    def found_by(self, name: str, number: str, limit: int = MOST) -> tuple[Record, ...]:
        """Return the settlements of a person, newest first, without opening others.

        Args:
            name: what is searched by, one of ``personal_search.SEARCHABLE``.
            number: whose.
            limit: at most so many, the newest.
        """
        return self._reading.found_by(name, number, limit)

    def found_out(self) -> tuple[Record, ...]:
        """Return what was open and was decided afterwards, the newest first.

        Among the newest entries only: it is news, and no history.
        """
        return self._reading.found_out()

    def open_items(self) -> tuple[Record, ...]:
        """Return what is undecided, oldest first."""
        with self._guard:
            ids = list(self._open_ids)
        return tuple(self.record(settlement_id) for settlement_id in ids)

    def head(self) -> Head:
        """Return the newest entry's number and digest, for the day-end slip."""
        return self._head

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
            self._reading.read_by(self._db)
            bring_up(connection, self._path)
            self._load()
            self._anchor_again(found)
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            connection.close()
            raise JournalDamagedError(self._path.name, str(error)) from error
        except BaseException:
            connection.close()
            raise

    def _load(self) -> None:
        """Read where the chain ends and what is undecided."""
        last = list(
            self._db.query("SELECT seq, digest FROM entry ORDER BY seq DESC LIMIT 1")
        )
        if last:
            self._head = Head(int(last[0]["seq"]), bytes_of(last[0]["digest"]).hex())
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
        self._note_keys()
        self._anchor_file = Anchor(self._path, self._sealer.anchor_key)
        try:
            self._anchor_file.begin(self._head)
        except OSError as error:
            self._stopped = type(error).__name__

    def _note_keys(self) -> None:
        """Note keys that came since the journal was open last; ids, never keys.

        Raises:
            KeyFileError: what is here was sealed under a key that is not.
        """
        keys, outer = self._sealer.key_ids, self._sealer.outer
        noted = last_rotation(self._db.conn)
        if noted is None and len(keys) == 1:
            return
        if noted is not None:
            if noted[0] not in keys:
                problem = f"it lacks the key {noted[0]} that sealed what is here"
                name = ring_path(self._path).name
                raise KeyFileError(name, problem)
            if noted == (keys[-1], outer):
                return
        facts: dict[str, JsonValue] = {"keys": [*keys], "outer": outer}
        with self._transaction():
            self._append_note(ROTATED, {"facts": facts}, None)

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
        row = chained(
            seq=self._head.seq + 1,
            at=at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
            settlement_id=settlement_id,
            kind=kind,
            state=state,
            body=_canonical(body),
            sealed=sealed,
            prev=bytes.fromhex(self._head.digest),
        )
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

    def _keep_hashes(
        self, row: Row, settlement_id: str, hashes: Mapping[str, str]
    ) -> None:
        rows = [(row.seq, settlement_id, *each) for each in hashes.items()]
        if rows:
            self._db.conn.executemany(
                "INSERT INTO personal_hash (seq, settlement_id, field, hash) "
                "VALUES (?,?,?,?)",
                rows,
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
