"""A lock on a file that the system takes back when the process dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from settlement.journal_errors import JournalLockedError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FileLock:
    """Held from ``take`` until ``release`` or the end of the process."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def take(cls, path: Path) -> FileLock:
        """Take the lock at *path*.

        Raises:
            JournalLockedError: another process holds it.
        """
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if sys.platform == "win32":
                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise JournalLockedError(path.stem) from error
        return cls(handle)

    def release(self) -> None:
        """Let the lock go; the file stays, since removing it would race."""
        os.close(self._handle)
