"""Judge a journal's files before anything is opened for writing.

Reads only: a journal that is refused stays as it was found, to the last byte, with
its log and its anchor beside it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from settlement.chain import AT_ONCE, GENESIS, Head, anchor_path, read_anchor
from settlement.journal_errors import JournalDamagedError
from settlement.schema import MIGRATIONS
from settlement.seal import Sealer

#: Up to this size a journal is checked whole when it is opened; beyond, only quickly.
WHOLE_CHECK_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class Opening:
    """What was found, and what of it is to be noted in the chain."""

    note: str = ""  #: anchor-missing, anchor-behind, or nothing
    anchored: int = 0  #: the row that an anchor that is behind tells


def judge(path: Path, sealer: Sealer) -> Opening:
    """Say whether the journal at *path* may be settled on.

    Args:
        path: the SQLite file; it need not be there yet.
        sealer: authenticates the anchor.

    Raises:
        JournalDamagedError: SQLite finds it damaged, it is newer than this program,
            or it is not the one whose end was anchored: keys that are lost would be
            settled a second time.
    """
    anchor = read_anchor(path, sealer.anchor_key)
    try:
        head, anchored_digest = _read(path, anchor)
    except (sqlite3.DatabaseError, ValueError, TypeError) as error:
        raise JournalDamagedError(path.name, str(error)) from error
    if anchor is None:
        if head.seq and anchor_path(path).exists():
            problem = "its anchor was made with another key, or by somebody else"
            raise JournalDamagedError(path.name, problem)
        return Opening("anchor-missing") if head.seq else Opening()
    if anchor.seq > head.seq:
        problem = f"row {anchor.seq} was written and row {head.seq} is its last"
        raise JournalDamagedError(path.name, problem)
    if anchored_digest != anchor.digest:
        problem = f"row {anchor.seq} is not the one that was anchored"
        raise JournalDamagedError(path.name, problem)
    behind = head.seq - anchor.seq > AT_ONCE
    return Opening("anchor-behind", anchor.seq) if behind else Opening()


def _read(path: Path, anchor: Head | None) -> tuple[Head, str]:
    """Check the file; return its last entry, and the digest where the anchor points."""
    nothing = Head(0, GENESIS.hex())
    size = path.stat().st_size if path.exists() else 0
    log = path.with_name(path.name + "-wal")
    if not size:
        if log.exists() and log.stat().st_size:
            problem = "its log is here, and the journal itself is not"
            raise JournalDamagedError(path.name, problem)
        return nothing, nothing.digest
    if anchor is None and path.with_name(path.name + "-journal").exists():
        # The first opening died before the file was in WAL mode: it has no entry, and
        # SQLite takes back what was begun when it is opened for writing.
        return nothing, nothing.digest
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as db:
        # The whole check also proves every index, by which keys and bills are found.
        check = "integrity_check" if size <= WHOLE_CHECK_BYTES else "quick_check"
        (found,) = db.execute(f"PRAGMA {check}(1)").fetchone()
        if found != "ok":
            raise JournalDamagedError(path.name, str(found))
        (done,) = db.execute("PRAGMA user_version").fetchone()
        if done > len(MIGRATIONS):
            problem = f"its schema is {done}, this program knows {len(MIGRATIONS)}"
            raise JournalDamagedError(path.name, problem)
        if not done:
            return nothing, nothing.digest
        last = db.execute(
            "SELECT seq, digest FROM entry ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        head = Head(last[0], last[1].hex()) if last else nothing
        row = db.execute(
            "SELECT digest FROM entry WHERE seq = ?", [anchor.seq if anchor else 0]
        ).fetchone()
        return head, row[0].hex() if row else nothing.digest
