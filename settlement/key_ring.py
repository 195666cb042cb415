"""The ring of a journal's keys: a file beside it, wrapped under an outer key.

A journal's bytes are chained, so what an older key sealed cannot be sealed anew: a
rotation adds a key, and those before it go on opening. A journal without a ring has
one key, ``journal.key``: data key number 0 and outer key at once. The ring is written
whole; whoever dies while it is written leaves the old one or the new one.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from settlement.ciphers import CipherName
from settlement.durable_files import DurableFiles
from settlement.journal_errors import KeyFileError, OuterKeyError
from settlement.key_files import FileKeys
from settlement.outer_key import KeySource, KeySourceName, OuterKey
from settlement.seal import (
    FIRST_KEY,
    DataKey,
    KnownOuterKey,
    Sealer,
    load_or_create_key,
    read_key,
)

#: The note that a rotation leaves in the chain.
ROTATED = "key-rotated"
_VERSION = 1
_CHECK = b"journal ring: "
_KEY = b"journal ring, key: "


def ring_path(journal: Path) -> Path:
    """Return where the ring of *journal* lies; the ring of a copy lies beside it."""
    name = journal.name.removesuffix(".db")
    return journal.with_name(name + ".ring")


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it lies in the ring."""

    key_id: str
    made_at: str  #: ISO 8601
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Ring:
    """The ring as it lies in its file; nothing in it is secret."""

    source: KeySourceName  #: where the outer key is kept
    outer_id: str
    keys: tuple[WrappedKey, ...]  #: oldest first
    check: bytes  #: the digest of all this, wrapped: nothing was taken out or moved

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Name its keys, oldest first."""
        return tuple(key.key_id for key in self.keys)


@dataclass(frozen=True, slots=True, repr=False)
class OpenedKeys:
    """What a journal's ring holds, opened; or its one key where it has no ring."""

    keys: tuple[DataKey, ...]
    source: KeySourceName
    outer: OuterKey
    made_at: tuple[str, ...]  #: of each key; empty: before there was a ring

    def sealer(self, cipher: CipherName = CipherName.AES_GCM) -> Sealer:
        """Return what seals under the newest of them and opens under each."""
        first, *later = self.keys
        outer = f"{self.source.value} {self.outer.key_id}"
        return Sealer(first.key, later=later, outer=outer, cipher=cipher)


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation came to."""

    key_id: str  #: of the new data key
    source: KeySourceName
    outer_id: str  #: of the outer key, new or not


class KeyRing:
    """The keys of one journal, where they lie.

    Args:
        journal: its file, beside which the ring lies.
        key_file: the file of the outer key, where it is kept in one.
        source_of: opens the other places an outer key is kept in.
        files: writes and renames.
    """

    def __init__(
        self,
        journal: Path,
        key_file: Path,
        source_of: Callable[[KeySourceName], KeySource],
        files: DurableFiles | None = None,
    ) -> None:
        self._journal = journal
        self._path = ring_path(journal)
        self._key_file = key_file
        self._source_of = source_of
        self._files = files or DurableFiles()
        self._file_keys = FileKeys(key_file, self._files)

    def open(self, source: KeySourceName) -> OpenedKeys:
        """Open what is there; nothing is made.

        Args:
            source: where the site says that its outer key is kept.

        Raises:
            KeyFileError: ring or key file is not as it must be.
            OuterKeyError: the outer key is kept elsewhere, or cannot be reached.
        """
        ring = read_ring(self._path)
        if ring is None:
            self._needs_no_ring(source)
            return self._alone()
        if ring.source is not source:
            problem = f"the ring of keys names {ring.source}; set journal.key_source so"
            raise OuterKeyError(source, problem)
        return self._opened(ring)

    def open_or_make(
        self, source: KeySourceName, now: Callable[[], dt.datetime]
    ) -> OpenedKeys:
        """Open what is there; make what a new journal needs.

        The journal's lock is held by the caller: names that a rotation left behind
        when it died are put right.

        Raises:
            KeyFileError, OuterKeyError, OSError: as ``open``.
        """
        new = not self._journal.exists()
        if read_ring(self._path) is not None or not new:
            opened = self.open(source)
            self._settle(opened, now)
            return opened
        if source is KeySourceName.FILE:
            return _alone(load_or_create_key(self._key_file))
        self._needs_no_key_file(source)
        outer = self._source(source).make()
        first = OpenedKeys((_first(),), source, outer, (_time(now),))
        self._write(first)
        return first

    def rotate(
        self, now: Callable[[], dt.datetime], to: KeySourceName | None = None
    ) -> Rotated:
        """Add a data key; the journal's lock is held by the caller.

        Args:
            now: the clock.
            to: make a new outer key too, kept there; None: the outer key stays.

        Raises:
            KeyFileError, OuterKeyError: as ``open``; nothing was changed.
            OSError: the disk does not take it; the old ring is in force.
        """
        ring = read_ring(self._path)
        before = self._opened(ring) if ring else self._alone()
        self._settle(before, now)
        source, outer = before.source, before.outer
        if to is not None:
            source = to
            outer = self._source(to).make()
        fresh = DataKey.fresh()
        after = OpenedKeys(
            (*before.keys, fresh), source, outer, (*before.made_at, _time(now))
        )
        self._write(after)
        self._settle(after, now)
        return Rotated(fresh.key_id, source, outer.key_id)

    @property
    def source(self) -> KeySourceName:
        """Say where the outer key in force is kept, as the ring names it."""
        ring = read_ring(self._path)
        return ring.source if ring else KeySourceName.FILE

    def _alone(self) -> OpenedKeys:
        """Open a journal without a ring."""
        try:
            return _alone(read_key(self._key_file))
        except FileNotFoundError as error:
            raise KeyFileError(self._key_file.name, "it is gone") from error

    def _needs_no_ring(self, source: KeySourceName) -> None:
        """Refuse a source that only a ring can have."""
        if source is KeySourceName.FILE:
            return
        self._needs_no_key_file(source)
        problem = f"{self._path.name} is gone: put it back from the safe copy"
        raise OuterKeyError(source, problem)

    def _needs_no_key_file(self, source: KeySourceName) -> None:
        if self._key_file.exists():
            problem = (
                f"this journal's key is still in {self._key_file.name}: run "
                f"run_terminal.py journal rotate-key --outer --to {source}"
            )
            raise OuterKeyError(source, problem)

    def _source(self, name: KeySourceName) -> KeySource:
        return self._file_keys if name is KeySourceName.FILE else self._source_of(name)

    def _settle(self, opened: OpenedKeys, now: Callable[[], dt.datetime]) -> None:
        of_a_file = opened.source is KeySourceName.FILE
        in_force = opened.outer.key_id if of_a_file else ""
        self._file_keys.settle(in_force, now().date())

    def _opened(self, ring: Ring) -> OpenedKeys:
        outer = self._source(ring.source).find(ring.outer_id)
        check = outer.unwrap(ring.check, _CHECK + ring.outer_id.encode())
        if not hmac.compare_digest(check, _digest(ring.keys)):
            raise KeyFileError(self._path.name, "keys were taken out, added or moved")
        keys = tuple(
            DataKey(key.key_id, outer.unwrap(key.wrapped, _KEY + key.key_id.encode()))
            for key in ring.keys
        )
        return OpenedKeys(keys, ring.source, outer, tuple(k.made_at for k in ring.keys))

    def _write(self, opened: OpenedKeys) -> None:
        outer = opened.outer
        keys = tuple(
            WrappedKey(
                key.key_id, made_at, outer.wrap(key.key, _KEY + key.key_id.encode())
            )
            for key, made_at in zip(opened.keys, opened.made_at, strict=True)
        )
        check = outer.wrap(_digest(keys), _CHECK + outer.key_id.encode())
        ring = Ring(opened.source, outer.key_id, keys, check)
        self._files.write(self._path, _bytes_of(ring))


def read_ring(path: Path) -> Ring | None:
    """Read a ring; None if there is none.

    Raises:
        KeyFileError: it does not read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        said: dict[str, Any] = json.loads(data)
        ring = Ring(
            source=KeySourceName(said["source"]),
            outer_id=str(said["outer"]),
            keys=tuple(
                WrappedKey(
                    _hex(row["id"]), str(row["made_at"]), _unprinted(row["wrapped"])
                )
                for row in said["keys"]
            ),
            check=_unprinted(said["check"]),
        )
        known = said["version"] == _VERSION
    except (ValueError, KeyError, TypeError) as error:
        raise KeyFileError(path.name, "it is no ring of keys, or is cut") from error
    if not known:
        raise KeyFileError(path.name, "a newer program made it")
    if ring.key_ids[:1] != (FIRST_KEY,) or len({*ring.key_ids}) != len(ring.keys):
        raise KeyFileError(path.name, "its keys are not numbered as they must be")
    return ring


def last_rotation(db: sqlite3.Connection) -> tuple[str, str] | None:
    """Return the newest data key and the outer key that a journal noted last.

    Raises:
        ValueError: the note does not read.
    """
    row = db.execute(
        "SELECT body FROM entry WHERE kind = ? AND state IS NULL "
        "ORDER BY seq DESC LIMIT 1",
        (ROTATED,),
    ).fetchone()
    if row is None:
        return None
    try:
        facts = json.loads(row[0])["facts"]
        return str(facts["keys"][-1]), str(facts["outer"])
    except (LookupError, TypeError) as error:
        msg = "a note of a rotation does not read"
        raise ValueError(msg) from error


def _bytes_of(ring: Ring) -> bytes:
    said = {
        "version": _VERSION,
        "source": ring.source.value,
        "outer": ring.outer_id,
        "keys": _rows(ring.keys),
        "check": _printed(ring.check),
    }
    return json.dumps(said, indent=1).encode() + b"\n"


def _rows(keys: Sequence[WrappedKey]) -> list[dict[str, str]]:
    return [
        {"id": key.key_id, "made_at": key.made_at, "wrapped": _printed(key.wrapped)}
        for key in keys
    ]


def _digest(keys: Sequence[WrappedKey]) -> bytes:
    return hashlib.sha256(json.dumps(_rows(keys)).encode()).digest()


def _alone(key: bytes) -> OpenedKeys:
    """Return the keys of a journal without a ring: one, which is the outer one too."""
    first = DataKey(FIRST_KEY, key)
    return OpenedKeys((first,), KeySourceName.FILE, KnownOuterKey(key), ("",))


def _first() -> DataKey:
    return DataKey(FIRST_KEY, DataKey.fresh().key)


def _time(now: Callable[[], dt.datetime]) -> str:
    return now().isoformat(timespec="seconds")


def _printed(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unprinted(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError from error


def _hex(text: str) -> str:
    if len(bytes.fromhex(text)) != len(FIRST_KEY) // 2:
        raise ValueError
    return text
