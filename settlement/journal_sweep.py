"""One quick pass over a journal that proves it whole, or says that it is not.

It names nothing: a journal that does not pass is gone through again, row by row, by
``journal_proof``. What is proved is the same. Bytes are compared as they lie in the
file: an entry's body is the canonical text that this program wrote, so what the side
tables say is written as that text again and must stand where it belongs.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from settlement.chain import GENESIS, Head
from settlement.lifecycle import WAYS
from settlement.personal_search import has_hashes

#: Lengths as the digest frames them; longer ones are worked out.
_FRAMES = tuple(length.to_bytes(8, "big") for length in range(16_384))
_WAYS = {
    None if start is None else start.value.encode(): frozenset(
        end.value.encode() for end in ends
    )
    for start, ends in WAYS.items()
}


@dataclass(frozen=True, slots=True)
class Swept:
    """What the pass found."""

    whole: bool
    spoken_of: tuple[int, ...]  #: of how many entries each side table says something
    entries: int
    head: Head
    anchored: bytes | None  #: the digest of the row that was asked for
    opened_without_anchor: bool


def sweep(db: sqlite3.Connection, anchored_seq: int) -> Swept:
    """Go once through the entries and what the side tables say of them.

    Args:
        db: a connection in a transaction; its ``text_factory`` is set to bytes.
        anchored_seq: the row whose digest the anchor tells.
    """
    db.text_factory = bytes
    sides, frames = _Sides(db), _FRAMES
    before, count, anchored = GENESIS, 0, None
    states: dict[bytes, bytes] = {}
    bare = True
    rows = db.execute(
        "SELECT seq, at, settlement_id, kind, state, body, sealed, prev, digest "
        "FROM entry ORDER BY seq"
    )
    for seq, at, settlement_id, kind, state, body, sealed, prev, digest in rows:
        count += 1
        if seq != count or prev != before:
            return _broken(count)
        number, whose, where = b"%d" % seq, settlement_id or b"", state or b""
        try:
            # Written out, because a call for each row costs as much as the hash.
            framed = b"".join(
                (
                    frames[len(prev)],
                    prev,
                    frames[len(number)],
                    number,
                    frames[len(at)],
                    at,
                    frames[len(whose)],
                    whose,
                    frames[len(kind)],
                    kind,
                    frames[len(where)],
                    where,
                    frames[len(body)],
                    body,
                    frames[len(sealed)],
                    sealed,
                )
            )
        except IndexError:
            framed = _framed(prev, number, at, whose, kind, where, body, sealed)
        if sha256(framed).digest() != digest:
            return _broken(count)
        if seq == sides.next and not sides.agree(seq, body):
            return _broken(count)
        if state is not None:
            if state not in _WAYS.get(states.get(settlement_id), ()):
                return _broken(count)
            states[settlement_id] = state
        elif kind == b"anchor-missing":
            bare = False
        if seq == anchored_seq:
            anchored = digest
        before = digest
    return Swept(
        # What is left would be about entries that are not there.
        whole=sides.next == _NO_ENTRY,
        spoken_of=sides.counts(),
        entries=count,
        head=Head(count, before.hex()),
        anchored=anchored,
        opened_without_anchor=not bare,
    )


def _broken(count: int) -> Swept:
    nothing = Head(0, GENESIS.hex())
    return Swept(False, (), count, nothing, None, opened_without_anchor=False)  # noqa: FBT003 - named in Swept


def _framed(*parts: bytes) -> bytes:
    """Frame the columns of a row as ``chain.digest_of`` does, however long they are."""
    return b"".join(
        piece for part in parts for piece in (len(part).to_bytes(8, "big"), part)
    )


#: What each side table says of an entry, as the text that must stand in its body: in
#: the order of a body's keys, and quoted by SQLite itself. It quotes a control
#: character otherwise than we do now and then; such a journal is gone through slowly.
_HASHES = (
    "SELECT seq, ',\"hashes\":{' || "
    "group_concat(json_quote(field) || ':' || json_quote(hash)) || '}' "
    "FROM personal_hash GROUP BY seq ORDER BY seq"
)
_INTENTS = (
    'SELECT seq, \',"intent":{"bill_no":\' || json_quote(bill_no) '
    "|| ',\"created_on\":' || json_quote(created_on) "
    "|| ',\"infno\":' || json_quote(infno) "
    "|| ',\"insured_region\":' || json_quote(insured_region) "
    "|| ',\"kind\":' || json_quote(kind) || ',\"msgid\":' || json_quote(msgid) "
    "|| ',\"person_id\":' || json_quote(person_id) || '}' FROM intent ORDER BY seq"
)
_KEYS = (
    'SELECT seq, \',"key":{"action":\' || json_quote(action) '
    "|| ',\"digest\":' || json_quote(digest) || ',\"key\":' || json_quote(key) "
    "|| '}' FROM idempotency_key ORDER BY seq"
)
#: Legs are numbered from nought without a gap, and add up to nothing; else no text.
_POSTINGS = (
    "SELECT seq, CASE WHEN sum(fen) = 0 AND min(leg) = 0 "
    "AND max(leg) = count(*) - 1 THEN ',\"postings\":[' "
    "|| group_concat('[' || json_quote(account) || ',' || fen || ']') || ']' END "
    "FROM posting GROUP BY seq ORDER BY seq"
)
_ANSWERS = (
    'SELECT seq, \'{"answer":{"body":\' '
    "|| json_quote(CAST(body AS TEXT)) || ',\"key\":' || json_quote(key) "
    "|| ',\"status\":' || status || '},' FROM answer ORDER BY seq"
)
#: With what the text of each begins in a body.
_SAID = ('"hashes":{', '"intent":{', '"key":{', '"postings":[', '{"answer":')
#: Which of them also say whose they are.
_OWNED = ("personal_hash", "intent", "idempotency_key")
_NO_ENTRY = sys.maxsize
_END = (_NO_ENTRY, None)


def belong(db: sqlite3.Connection) -> tuple[int, ...] | None:
    """Count the entries whose body holds something that a side table must say.

    With ``Swept.spoken_of`` the same, no body holds more than its tables say.

    Returns:
        None if a row of a side table is not its entry's settlement's.
    """
    hashes = has_hashes(db)
    for table in _OWNED if hashes else _OWNED[1:]:
        stray = db.execute(
            f"SELECT 1 FROM {table} AS side JOIN entry USING (seq) "  # noqa: S608 - names of ours
            "WHERE side.settlement_id IS NOT entry.settlement_id LIMIT 1"
        )
        if stray.fetchone() is not None:
            return None
    sums = ", ".join("coalesce(sum(instr(body, ?) > 0), 0)" for _ in _SAID)
    row = db.execute(f"SELECT {sums} FROM entry", _SAID).fetchone()  # noqa: S608 - no text of anybody's
    return tuple(row)


class _Sides:
    """The side tables in the order of their entries, beside the pass over those."""

    def __init__(self, db: sqlite3.Connection) -> None:
        # A copy from before there were hashes has no table of them.
        hashes = _HASHES if has_hashes(db) else "SELECT NULL, NULL WHERE FALSE"
        tails = (hashes, _INTENTS, _KEYS, _POSTINGS)
        self._tails = tuple(_Reading(db, sql) for sql in tails)
        self._answers = _Reading(db, _ANSWERS)
        each = (*self._tails, self._answers)
        self.next = min(table.seq for table in each)  #: what is said of next

    def agree(self, seq: int, body: bytes) -> bool:
        """Say whether the body of entry ``next`` holds what the tables say of it."""
        answers = self._answers
        if answers.seq == seq:
            if answers.text is None or not body.startswith(answers.text):
                return False
            answers.step()
        told, nearest = b"", answers.seq
        for table in self._tails:
            if table.seq == seq:
                if table.text is None:
                    return False
                told += table.text
                table.step()
            nearest = min(nearest, table.seq)
        self.next = nearest
        return not told or body.endswith(told + b"}")

    def counts(self) -> tuple[int, ...]:
        """Tell of how many entries each table spoke."""
        return tuple(table.count for table in (*self._tails, self._answers))


class _Reading:
    """A query read one row ahead: ``text`` is what it says of the entry ``seq``."""

    def __init__(self, db: sqlite3.Connection, sql: str) -> None:
        self._rows: Iterator[tuple[int, bytes | None]] = iter(db.execute(sql))
        self.seq, self.text = next(self._rows, _END)
        self.count = 0

    def step(self) -> None:
        """Read on."""
        self.count += 1
        self.seq, self.text = next(self._rows, _END)
