"""A new journal beside a damaged one: written, finished, and put in its place.

The damaged files are never written to. What is written has another name until it is
whole and proves itself, so a run that is killed is simply begun again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from settlement.chain import Anchor, Head, Row, anchor_path, read_anchor
from settlement.facts import JsonValue
from settlement.filelock import FileLock
from settlement.journal_errors import RebuildError
from settlement.journal_proof import FaultKind, verify
from settlement.journal_salvage import (
    Salvage,
    Source,
    body_of,
    raw_json,
    sha256_of,
    side_json,
)
from settlement.msgids import seconds_after
from settlement.schema import MIGRATIONS
from settlement.seal import Sealer

#: Notes of a rebuilt journal: where it begins, and what the rebuilding came to.
REBUILT, REBUILT_TO = "rebuilt", "rebuilt-to"
#: In its chain since before, or because of its past: no fault of the rebuilding.
_FROM_BEFORE = frozenset({FaultKind.ANCHOR_MISSING})
_UNFINISHED, _EVIDENCE = ".unfinished", ".evidence"
_LEFT = ("", "-wal", "-shm", "-journal", ".head", ".lock", _EVIDENCE)
_OF_A_JOURNAL = ("", "-wal", "-shm", "-journal")
_INTENT = (
    "bill_no",
    "kind",
    "msgid",
    "infno",
    "person_id",
    "insured_region",
    "created_on",
)


@dataclass(frozen=True, slots=True)
class Begun:
    """A new journal that holds the provable chain, and is not finished."""

    path: Path  #: where it lies until then
    evidence_sha256: str  #: of what is kept beside it, hex


def require_new(new: Path, journal: Path, copies: Iterable[Path]) -> None:
    """See that *new* is a name of its own that nothing has.

    Raises:
        RebuildError: it is not.
    """
    taken = [one.resolve() for one in (journal, *copies)]
    if new.resolve() in taken:
        raise RebuildError(new.name, "it is one of the files to be read: name another")
    unfinished = _beside(new, _UNFINISHED)
    for suffix in ("", ".head", _EVIDENCE):
        there = _beside(new, suffix)
        # A run that was killed while it gave the names leaves its own file beside.
        if there.exists() and not (suffix and unfinished.exists()):
            problem = f"{there.name} is there already; nothing is written over"
            raise RebuildError(new.name, problem)


def begin(found: Salvage, new: Path, sealer: Sealer) -> Begun:
    """Write the provable chain and its side tables, the anchor and the evidence.

    Raises:
        RebuildError: the name is taken.
        OSError: it cannot be written.
    """
    path = _beside(new, _UNFINISHED)
    found.saw_second(_counter_of(path))
    for suffix in _LEFT:
        _beside(path, suffix).unlink(missing_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for script in MIGRATIONS:
            db.executescript(script)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("BEGIN")
        for row in found.prefix():
            _write(db, row)
        if found.newest_second:
            _count_from(db, found.newest_second)
        db.execute("COMMIT")
    anchor = Anchor(path, sealer.anchor_key)
    anchor.begin(found.head)
    anchor.close()
    return Begun(path, _keep_evidence(found, _beside(path, _EVIDENCE)))


def finish(new: Path, sealer: Sealer, newest_second: str) -> None:
    """Prove what was written under its other name, and give it its own.

    Args:
        new: its name.
        sealer: holds the journal's key.
        newest_second: of every number seen at the centre.

    Raises:
        RebuildError: it does not prove itself.
        OSError: the disk does not take it.
    """
    path = _beside(new, _UNFINISHED)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        if newest_second:
            _count_from(db, newest_second)
        # One file and no log beside it: what is moved is the whole of it.
        db.execute("PRAGMA journal_mode = DELETE")
    faults = [f for f in verify(path, sealer).faults if f.kind not in _FROM_BEFORE]
    if faults:
        problem = f"what was written does not prove itself: {faults[0].detail}"
        raise RebuildError(new.name, problem)
    _sync(path)
    _beside(path, ".lock").unlink(missing_ok=True)
    # The journal last: it is never there without its anchor and its evidence.
    for suffix in (_EVIDENCE, ".head", ""):
        _beside(path, suffix).replace(_beside(new, suffix))
    _sync(new.parent)


def install(new: Path, journal: Path, sealer: Sealer, on: dt.date) -> Path:
    """Put a rebuilt journal in the place of the damaged one, which is kept.

    Files are renamed within their folder and nothing else. At every moment the place
    is refused at a start, until the rebuilt journal is there whole: its anchor comes
    first. Killed anywhere, it goes on where it was.

    Args:
        new: the rebuilt journal.
        journal: its place.
        sealer: holds the journal's key.
        on: the day, which names the folder of what is moved away.

    Returns:
        That folder.

    Raises:
        JournalLockedError: a daemon has the journal.
        RebuildError: *new* lies elsewhere, does not prove itself, was not rebuilt, or
            the journal is another one than it was made from.
        OSError: there is no rebuilt journal, or a file cannot be moved.
    """
    if new.resolve().parent != journal.resolve().parent:
        raise RebuildError(new.name, "it has to lie in the folder of the journal")
    if new.resolve() == journal.resolve():
        raise RebuildError(new.name, "it is the journal itself")
    lock = FileLock.take(_beside(journal, ".lock"))
    try:
        if _beside(new, ".head").exists():
            _require_rebuilt(new, sealer)
            _require_as_read(new, journal, sealer)
        elif not new.exists():
            # Everything is in place, but perhaps for the evidence.
            if not journal.exists():
                raise FileNotFoundError(2, "No such file", str(new))
            _require_rebuilt(journal, sealer)
        folder = _folder(new, journal, on)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(journal.parent)
        if _beside(new, ".head").exists():
            _keep(anchor_path(journal), folder / anchor_path(journal).name)
            _beside(new, ".head").replace(anchor_path(journal))
            _sync(folder)
            _sync(journal.parent)
        if new.exists():
            for suffix in _OF_A_JOURNAL:
                _move(_beside(journal, suffix), folder)
            _sync(folder)
            _sync(journal.parent)
            new.replace(journal)
        _move(_beside(new, _EVIDENCE), folder)
        _sync(folder)
        _sync(journal.parent)
    finally:
        lock.release()
    return folder


def days_of(journal: Path) -> tuple[str, ...]:
    """Return the days about which the centre was asked, as a rebuilt journal tells."""
    with closing(_reading(journal)) as db:
        row = db.execute(
            "SELECT body FROM entry WHERE kind = ? AND state IS NULL ORDER BY seq DESC",
            [REBUILT_TO],
        ).fetchone()
    facts = json.loads(row[0])["facts"] if row else {}
    return tuple(str(day) for day in facts.get("days", ()))


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _require_rebuilt(path: Path, sealer: Sealer) -> None:
    if not path.exists():
        raise FileNotFoundError(2, "No such file", str(path))
    faults = [f for f in verify(path, sealer).faults if f.kind not in _FROM_BEFORE]
    if faults:
        raise RebuildError(path.name, f"it does not prove itself: {faults[0].detail}")
    with closing(_reading(path)) as db:
        noted = db.execute(
            "SELECT 1 FROM entry WHERE kind = ? AND state IS NULL", [REBUILT_TO]
        ).fetchone()
    if noted is None:
        raise RebuildError(path.name, "it was not made by journal rebuild")


def _require_as_read(new: Path, journal: Path, sealer: Sealer) -> None:
    """See that nothing was written since: keys and bills of it would be lost.

    A terminal may start on a journal that the whole proof finds fault with.
    """
    with closing(_reading(new)) as db:
        row = db.execute(
            "SELECT body FROM entry WHERE kind = ? AND state IS NULL ORDER BY seq DESC",
            [REBUILT],
        ).fetchone()
    sources = json.loads(row[0])["facts"]["sources"] if row else []
    anchor = read_anchor(journal, sealer.anchor_key)
    now = _state_of(sha256_of(journal), anchor)
    if not sources or any(sources[0][name] != said for name, said in now.items()):
        problem = f"{journal.name} was written to since: rebuild it again"
        raise RebuildError(new.name, problem)


def source_json(source: Source) -> dict[str, JsonValue]:
    """Write what was read of a file, for the note of where a journal comes from."""
    return {
        "name": source.name,
        "proven": source.proven,
        "head": {"seq": source.head.seq, "digest": source.head.digest},
        **_state_of(source.sha256, source.anchor),
    }


def _state_of(sha256: str, anchor: Head | None) -> dict[str, JsonValue]:
    """Write how a file was found: what it held, and where its log had come to."""
    told: dict[str, JsonValue] | None = None
    if anchor is not None:
        told = {"seq": anchor.seq, "digest": anchor.digest}
    return {"sha256": sha256, "anchor": told}


def _folder(new: Path, journal: Path, on: dt.date) -> Path:
    """Name the folder of what is moved away: one that has nothing of that name."""
    moved = [_beside(journal, suffix) for suffix in _OF_A_JOURNAL if new.exists()]
    moved.append(_beside(new, _EVIDENCE))
    for number in range(1, 1000):
        again = f"-{number}" if number > 1 else ""
        folder = journal.with_name(f"{journal.stem}.damaged-{on.isoformat()}{again}")
        kept = folder / anchor_path(journal).name
        other_anchor = (
            _beside(new, ".head").exists()
            and kept.exists()
            and not _same(kept, anchor_path(journal))
        )
        taken = any(one.exists() and (folder / one.name).exists() for one in moved)
        if not taken and not other_anchor:
            return folder
    raise RebuildError(journal.name, "too many folders of damaged journals are there")


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


def _keep(anchor: Path, to: Path) -> None:
    """Let the old anchor have a second name, before the new one takes its first."""
    if not anchor.exists() or to.exists():
        return
    try:
        to.hardlink_to(anchor)
    except OSError:
        # A file system without links: a copy, whole before it has its name.
        part = to.with_name(to.name + _UNFINISHED)
        shutil.copyfile(anchor, part)
        _sync(part)
        part.replace(to)


def _move(file: Path, folder: Path) -> None:
    if file.exists():
        file.replace(folder / file.name)


def _sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if path.is_dir() and os.name != "posix":
        return  # such a system has no way to
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _counter_of(path: Path) -> str:
    """Return up to when a run before this one, which was killed, gave out numbers."""
    if not path.is_file():
        return ""
    with (
        suppress(sqlite3.DatabaseError),
        closing(sqlite3.connect(path)) as db,
    ):
        row = db.execute("SELECT second FROM counter WHERE name = 'msgid'").fetchone()
        return str(row[0]) if row else ""
    return ""


def _count_from(db: sqlite3.Connection, second: str) -> None:
    """Begin the numbers after *second*, and after what may have been promised then."""
    db.execute(
        "INSERT INTO counter (name, second, number) VALUES ('msgid', ?, 0) "
        "ON CONFLICT (name) DO UPDATE SET second = max(second, excluded.second)",
        [seconds_after(second)],
    )


def _write(db: sqlite3.Connection, row: Row) -> None:
    """Write an entry as it was, and what the side tables say of it."""
    db.execute(
        "INSERT INTO entry (seq, at, settlement_id, kind, state, body, sealed, prev, "
        "digest) VALUES (?,?,?,?,?,?,?,?,?)",
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
    body = body_of(row) or {}
    for sql, values in _sides_of(row, body):
        db.execute(sql, values)


def _sides_of(
    row: Row, body: dict[str, JsonValue]
) -> Iterator[tuple[str, list[object]]]:
    intent, key, answer = body.get("intent"), body.get("key"), body.get("answer")
    if isinstance(intent, dict):
        sql = (
            "INSERT INTO intent (settlement_id, seq, bill_no, kind, msgid, infno, "
            "person_id, insured_region, created_on) VALUES (?,?,?,?,?,?,?,?,?)"
        )
        yield (
            sql,
            [row.settlement_id, row.seq, *(intent[name] for name in _INTENT)],
        )
    if isinstance(key, dict):
        sql = (
            "INSERT INTO idempotency_key (key, seq, digest, settlement_id, action) "
            "VALUES (?,?,?,?,?)"
        )
        yield (
            sql,
            [key["key"], row.seq, key["digest"], row.settlement_id, key["action"]],
        )
    if isinstance(answer, dict):
        said = str(answer["body"]).encode()
        yield (
            "INSERT INTO answer (key, seq, status, body) VALUES (?,?,?,?)",
            [answer["key"], row.seq, answer["status"], said],
        )
    hashes = body.get("hashes")
    for field, hashed in (hashes if isinstance(hashes, dict) else {}).items():
        sql = (
            "INSERT INTO personal_hash (seq, settlement_id, field, hash) "
            "VALUES (?,?,?,?)"
        )
        yield sql, [row.seq, row.settlement_id, field, hashed]
    legs = body.get("postings")
    for number, leg in enumerate(legs if isinstance(legs, list) else ()):
        if isinstance(leg, list):
            yield (
                "INSERT INTO posting (seq, leg, account, fen) VALUES (?,?,?,?)",
                [row.seq, number, leg[0], leg[1]],
            )


def _keep_evidence(found: Salvage, to: Path) -> str:
    """Write what does not chain, line by line; return its SHA-256."""
    lines = [
        *(raw_json(row, proven=True) for row in found.evidence()),
        *(side_json(side) for side in found.sides()),
        *found.unproven(),
    ]
    content = "".join(line + "\n" for line in lines).encode()
    handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()
