"""A copy of the journal while it is written, and the proof that the copy is one.

A copy takes its own anchor along, so that it proves itself whole like the journal
does, and the ring of keys as it is; the key around the ring is kept elsewhere. What
was settled after the copy is not in it: the centre knows that, and fences a terminal
that goes on from an old copy until a person has seen to it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from settlement.chain import GENESIS, Anchor, Head, anchor_path, read_anchor
from settlement.durable_files import DurableFiles
from settlement.journal_errors import BackupError, KeyFileError
from settlement.journal_proof import Verdict, verify
from settlement.key_ring import last_rotation, read_ring, ring_path
from settlement.seal import Sealer

#: Pages between two looks at whether the writer waits.
_PAGES = 1000


@dataclass(frozen=True, slots=True)
class Drill:
    """What trying a copy came to."""

    verdict: Verdict  #: of the copy alone
    behind: int | None  #: entries the journal has more; None: it is not this one's
    ring_problem: str = ""  #: what is wrong with the copy's ring of keys

    @property
    def ok(self) -> bool:
        """True if the copy is whole, has its keys and goes on into the journal."""
        return self.verdict.ok and self.behind is not None and not self.ring_problem


def back_up(journal: Path, to: Path, sealer: Sealer) -> Head:
    """Copy *journal* to *to* while its daemon may be writing; prove the copy.

    Args:
        journal: the SQLite file.
        to: a file that is not there yet.
        sealer: authenticates the copy's anchor.

    Returns:
        The newest entry of the copy.

    Raises:
        BackupError: the copy is there already, or does not prove itself.
        OSError: it cannot be written.
    """
    for taken in (to, anchor_path(to), ring_path(to)):
        if taken.exists():
            raise BackupError(to.name, f"{taken.name} is there already")
    unfinished = to.with_name(to.name + ".unfinished")
    with suppress(FileNotFoundError):
        unfinished.unlink()
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    # Read before the copy is made: a journal that was cut or forged must not get an
    # anchor of its own by being copied.
    anchored = read_anchor(journal, sealer.anchor_key)
    try:
        _copy(journal, unfinished)
        head = _head(unfinished)
        problem = _problem(unfinished, head, anchored, sealer)
        if problem:
            raise BackupError(to.name, problem)  # noqa: TRY301 - what is left is removed
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        # Read after the copy was made: a ring only grows, so it has every key of it.
        if ring_path(journal).exists():
            DurableFiles().write(ring_path(to), ring_path(journal).read_bytes())
        # The anchor first: a copy is never there without its own.
        anchor_path(unfinished).rename(anchor_path(to))
        unfinished.rename(to)
    except BaseException:
        for left in (unfinished, anchor_path(unfinished), ring_path(to)):
            left.unlink(missing_ok=True)
        raise
    return head


def drill(copy: Path, journal: Path, sealer: Sealer) -> Drill:
    """Try a copy: prove it, and see that *journal* goes on from where it ends.

    Nothing is written, neither to the copy nor to the journal.

    Raises:
        OSError: one of the two is not there.
    """
    verdict = verify(copy, sealer)
    anchored = read_anchor(copy, sealer.anchor_key)
    goes_on = _holds(journal, verdict.head) and anchored == verdict.head
    behind = _head(journal).seq - verdict.head.seq
    problem = _ring_problem(copy) if verdict.ok else ""
    return Drill(verdict, behind if goes_on else None, problem)


def _ring_problem(copy: Path) -> str:
    """Say whether the ring beside a copy lacks the key that it noted last."""
    with closing(_reading(copy)) as db:
        noted = last_rotation(db)
    try:
        ring = read_ring(ring_path(copy))
    except KeyFileError as error:
        return str(error)
    if noted is not None and (ring is None or noted[0] not in ring.key_ids):
        return f"{ring_path(copy).name} lacks the key {noted[0]}, or is not there"
    return ""


def _problem(copy: Path, head: Head, anchored: Head | None, sealer: Sealer) -> str:
    """Give a copy its anchor and prove it; say what is wrong with it, if anything."""
    if head.seq and (anchored is None or not _holds(copy, anchored)):
        return "the journal does not hold the row that was anchored"
    anchor = Anchor(copy, sealer.anchor_key)
    anchor.begin(head)
    anchor.close()
    return "; ".join(fault.detail for fault in verify(copy, sealer).faults)


def _copy(journal: Path, to: Path) -> None:
    try:
        with closing(_reading(journal)) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy, pages=_PAGES, sleep=0.01)
            # One file and no log beside it: what is moved is the whole of it.
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        raise BackupError(to.name, str(error)) from error


def _head(path: Path) -> Head:
    with closing(_reading(path)) as db:
        row = db.execute(
            "SELECT seq, digest FROM entry ORDER BY seq DESC LIMIT 1"
        ).fetchone()
    return Head(row[0], row[1].hex()) if row else Head(0, GENESIS.hex())


def _holds(path: Path, head: Head) -> bool:
    """Say whether a journal has that entry in that place."""
    if head.seq == 0:
        return True
    with closing(_reading(path)) as db:
        found = db.execute(
            "SELECT 1 FROM entry WHERE seq = ? AND digest = ?",
            (head.seq, bytes.fromhex(head.digest)),
        ).fetchone()
    return found is not None


def _reading(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
