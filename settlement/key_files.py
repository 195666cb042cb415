"""Outer keys in a file beside the journal: the one in force, and those before it.

``journal.key`` is in force. A new one lies in ``journal.key.next`` until the ring is
wrapped under it, and takes its name then; the one before is kept for old backups as
``journal.key.retired-<date>`` and never deleted. A process that dies in between leaves
names that ``settle`` puts right.
"""

from __future__ import annotations

import datetime as dt
import itertools
import secrets
from pathlib import Path

from settlement.durable_files import DurableFiles
from settlement.journal_errors import KeyFileError
from settlement.outer_key import KeySourceName, OuterKey
from settlement.seal import KEY_BYTES, KnownOuterKey, read_key


class FileKeys:
    """A KeySource over one file and those beside it.

    Args:
        path: the key in force.
        files: writes and renames.
    """

    name = KeySourceName.FILE

    def __init__(self, path: Path, files: DurableFiles | None = None) -> None:
        self._path = path
        self._next = path.with_name(path.name + ".next")
        self._files = files or DurableFiles()

    def find(self, key_id: str) -> OuterKey:
        """Return the key with that id.

        Raises:
            KeyFileError: neither file holds it, or one is not as it must be.
        """
        for path in (self._path, self._next):
            if path.is_file():
                key = KnownOuterKey(read_key(path))
                if key.key_id == key_id:
                    return key
        problem = f"the ring of keys was wrapped under another one ({key_id})"
        if not self._path.is_file():
            problem = f"it is gone, and the ring of keys needs it ({key_id})"
        raise KeyFileError(self._path.name, problem)

    def make(self) -> OuterKey:
        """Make a new one, beside the one in force."""
        key = secrets.token_bytes(KEY_BYTES)
        self._files.write(self._next, key)
        return KnownOuterKey(key)

    def settle(self, in_force: str, day: dt.date) -> None:
        """Let the names say which key is in force, and keep the one before.

        Args:
            in_force: its id; empty: the ring is wrapped under a key kept elsewhere.
            day: names the file of one that is retired.
        """
        if self._id_of(self._path) == in_force:
            return
        waits = in_force != "" and self._id_of(self._next) == in_force
        if self._path.is_file():
            retired = self._retired(day)
            if waits:
                # The name in force is never without a key.
                self._files.write(retired, self._path.read_bytes())
            else:
                self._files.rename(self._path, retired)
        if waits:
            self._files.rename(self._next, self._path)

    def _id_of(self, path: Path) -> str:
        return KnownOuterKey(read_key(path)).key_id if path.is_file() else ""

    def _retired(self, day: dt.date) -> Path:
        """Name a file that is free, or holds this very key already."""
        name = f"{self._path.name}.retired-{day.isoformat()}"
        for number in itertools.count(1):
            path = self._path.with_name(name if number == 1 else f"{name}-{number}")
            if not path.exists() or path.read_bytes() == self._path.read_bytes():
                return path
        raise AssertionError
