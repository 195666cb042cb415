"""A journal brought up to this program's schema, with the one before kept beside it.

Forward only: a newer journal is refused where it is judged. Before a journal with
entries is changed, it is copied as it is, with its anchor and its ring of keys, to
``<name>.before-<number>``: whoever has to go back to the older program has the file
that it wrote. A process that dies in between does it again.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from settlement.chain import anchor_path
from settlement.durable_files import DurableFiles
from settlement.journal_errors import JournalStoppedError
from settlement.key_ring import ring_path
from settlement.schema import MIGRATIONS, PRAGMAS


def bring_up(db: sqlite3.Connection, path: Path) -> None:
    """Run what the journal at *path* has not had yet, each step whole or not at all.

    Args:
        db: a connection for writing, in no transaction.
        path: the journal's file.

    Raises:
        JournalStoppedError: the disk does not take the copy; nothing was changed.
        sqlite3.DatabaseError: SQLite does not do it.
    """
    for pragma in PRAGMAS:
        db.execute(pragma)
    (done,) = db.execute("PRAGMA user_version").fetchone()
    for number, script in enumerate(MIGRATIONS, start=1):
        if number <= done:
            continue
        if number > 1 and db.execute("SELECT 1 FROM entry LIMIT 1").fetchone():
            _keep_before(db, path, number)
        db.executescript(
            f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;"
        )


def _keep_before(db: sqlite3.Connection, path: Path, number: int) -> None:
    """Leave a copy beside the journal as it is before migration *number*."""
    name = f"{path.name}.before-{number}"
    try:
        fresh = path.with_name(name + ".unfinished")
        fresh.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(fresh)) as copy:
            db.backup(copy)
            # One file and no log beside it: what is moved is the whole of it.
            copy.execute("PRAGMA journal_mode = DELETE")
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        kept = _free(path.with_name(name), fresh)
        files = DurableFiles()
        for beside in (anchor_path, ring_path):
            # They come first: a copy is never there without its own.
            if beside(path).is_file():
                files.write(beside(kept), beside(path).read_bytes())
        files.rename(fresh, kept)
    except (OSError, sqlite3.OperationalError) as error:
        raise JournalStoppedError(type(error).__name__) from error


def _free(path: Path, fresh: Path) -> Path:
    """Name a file that is free, or holds this very copy of an attempt before."""
    for number in itertools.count(1):
        kept = path if number == 1 else path.with_name(f"{path.name}-{number}")
        if not kept.exists() or kept.read_bytes() == fresh.read_bytes():
            return kept
    raise AssertionError
