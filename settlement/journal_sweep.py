"""One quick pass over a journal that proves it whole, or says that it is not.

It names nothing: a journal that does not pass is gone through again, row by row, by
``journal_proof``. What is proved is the same. Bytes are compared as they lie in the
file: an entry's body is the canonical text that this program wrote, so what the side
tables say is written as that text again and must stand where it belongs.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

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
#: No quote, no backslash, no control character.
_NEEDS_NO_ESCAPE = re.compile(rb"[ !#-\[\]-\xff]*").fullmatch


#: As much of a body as one table says; None: the two contradict each other.
_Part = bytes | None


@dataclass(frozen=True, slots=True)
class Swept:
    """What the pass found."""

    whole: bool
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
    sides = _Sides(db)
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
        said = _digest(seq, at, settlement_id, kind, state, body, sealed, prev)
        if said != digest or not sides.agree(seq, settlement_id, body):
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
        whole=sides.exhausted,
        entries=count,
        head=Head(count, before.hex()),
        anchored=anchored,
        opened_without_anchor=not bare,
    )


def _broken(count: int) -> Swept:
    nothing = Head(0, GENESIS.hex())
    return Swept(False, count, nothing, None, opened_without_anchor=False)  # noqa: FBT003 - named in Swept


def _digest(  # noqa: PLR0913, PLR0917 - the columns of a row, as ``chain`` frames them
    seq: int,
    at: bytes,
    settlement_id: bytes | None,
    kind: bytes,
    state: bytes | None,
    body: bytes,
    sealed: bytes,
    prev: bytes,
) -> bytes:
    number = str(seq).encode()
    whose, where = settlement_id or b"", state or b""
    frames = _FRAMES
    framed: tuple[bytes, ...]
    try:
        framed = (
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
    except IndexError:
        parts = (prev, number, at, whose, kind, where, body, sealed)
        framed = tuple(
            piece for part in parts for piece in (len(part).to_bytes(8, "big"), part)
        )
    return sha256(b"".join(framed)).digest()


class _Sides:
    """The side tables in the order of their entries, beside the pass over those."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._keys = _Reading(
            db,
            "SELECT seq, action, digest, key, settlement_id FROM idempotency_key "
            "ORDER BY seq",
        )
        self._answers = _Reading(
            db, "SELECT seq, body, key, status FROM answer ORDER BY seq"
        )
        self._intents = _Reading(
            db,
            "SELECT seq, bill_no, created_on, infno, insured_region, kind, msgid, "
            "person_id, settlement_id FROM intent ORDER BY seq",
        )
        # A copy from before there were hashes has no table of them.
        self._hashes: Iterator[tuple[Any, ...]] = iter(
            db.execute(
                "SELECT seq, field, hash, settlement_id FROM personal_hash "
                "ORDER BY seq, field"
            )
            if has_hashes(db)
            else ()
        )
        self._hash = next(self._hashes, _END)
        self._names: dict[bytes, bytes] = {}
        self._unbalanced = False
        self._accounts: dict[bytes, bytes] = {}
        self._postings = _Reading(
            db, "SELECT seq, account, fen, leg FROM posting ORDER BY seq, leg"
        )

    def agree(self, seq: int, settlement_id: bytes | None, body: bytes) -> bool:
        """Say whether the body holds what the tables say of it, and no more."""
        hashes = self._hashed(seq, settlement_id, body)
        intent = self._intent(seq, settlement_id, body)
        key = self._key(seq, settlement_id, body)
        legs = self._legs(seq, body)
        if hashes is None or intent is None or key is None or legs is None:
            return False
        tail = hashes + intent + key + legs
        if tail and not body.endswith(tail + b"}"):
            return False
        return self._answered(seq, body)

    def _hashed(self, seq: int, settlement_id: bytes | None, body: bytes) -> _Part:
        row = self._hash
        if row[0] != seq:
            return None if b'"hashes":{' in body else b""
        told = []
        names, rows = self._names, self._hashes
        while row[0] == seq:
            _, field, hashed, whose = row
            if whose != settlement_id:
                return None
            name = names.get(field)
            if name is None:
                name = names[field] = _text(field)
            # Letters and digits need no escape; this is the quickest way to see it.
            text = b'"%b"' % hashed if hashed.isalnum() else _text(hashed)
            told.append(b"%b:%b" % (name, text))
            row = next(rows, _END)
        self._hash = row
        return b',"hashes":{' + b",".join(told) + b"}"

    def _intent(self, seq: int, settlement_id: bytes | None, body: bytes) -> _Part:
        if self._intents.seq != seq:
            return None if b'"intent":{' in body else b""
        *texts, whose = self._intents.take()[1:]
        if whose != settlement_id:
            return None
        return (
            b',"intent":{"bill_no":%b,"created_on":%b,"infno":%b,'
            b'"insured_region":%b,"kind":%b,"msgid":%b,"person_id":%b}'
        ) % tuple(map(_text, texts))

    def _key(self, seq: int, settlement_id: bytes | None, body: bytes) -> _Part:
        if self._keys.seq != seq:
            return None if b'"key":{' in body else b""
        *texts, whose = self._keys.take()[1:]
        if whose != settlement_id:
            return None
        return b',"key":{"action":%b,"digest":%b,"key":%b}' % tuple(map(_text, texts))

    @property
    def exhausted(self) -> bool:
        """True if no table says anything of an entry that is not there."""
        return (
            all(
                table.seq is None
                for table in (self._keys, self._answers, self._intents, self._postings)
            )
            and self._hash is _END
            and not self._unbalanced
        )

    def _legs(self, seq: int, body: bytes) -> _Part:
        if self._postings.seq != seq:
            return None if b'"postings":[' in body else b""
        legs, total, number = [], 0, 0
        postings, names = self._postings, self._accounts
        while postings.seq == seq:
            _, account, fen, leg = postings.take()
            if leg != number:
                self._unbalanced = True
            number += 1
            total += fen
            name = names.get(account)
            if name is None:
                name = names[account] = _text(account)
            legs.append(b"[%b,%d]" % (name, fen))
        if total:
            self._unbalanced = True
        return b',"postings":[' + b",".join(legs) + b"]"

    def _answered(self, seq: int, body: bytes) -> bool:
        if self._answers.seq != seq:
            return not body.startswith(b'{"answer":')
        _, said, key, status = self._answers.take()
        return body.startswith(
            b'{"answer":{"body":%b,"key":%b,"status":%d},'
            % (_text(said), _text(key), status)
        )


_END: tuple[Any, ...] = (None,)


class _Reading:
    """A query read one row ahead."""

    def __init__(self, db: sqlite3.Connection, sql: str) -> None:
        self._rows: Iterator[tuple[Any, ...]] = iter(db.execute(sql))
        self._next = next(self._rows, _END)
        self.seq: int | None = self._next[0]  #: what the next row is about

    def take(self) -> tuple[Any, ...]:
        """Return the next row and read on."""
        taken = self._next
        self._next = next(self._rows, _END)
        self.seq = self._next[0]
        return taken


def _text(value: bytes) -> bytes:
    """Write a text as JSON does in a body."""
    if _NEEDS_NO_ESCAPE(value):
        return b'"%b"' % value
    return json.dumps(value.decode(), ensure_ascii=False).encode()
