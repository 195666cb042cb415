"""Small files that are whole whenever the power goes: the old one, or the new one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def _nothing(_step: str) -> None:
    """Let a step pass."""


class DurableFiles:
    """Writes and renames; each is on the disk when it returns.

    Args:
        passed: hears of every step that was done; tests stop there.
    """

    def __init__(self, passed: Callable[[str], None] = _nothing) -> None:
        self._passed = passed

    def write(self, path: Path, data: bytes) -> None:
        """Put *data* in the place of *path*, for its owner's eyes only.

        Raises:
            OSError: the disk does not take it; *path* is as it was.
        """
        fresh = path.with_name(path.name + ".new")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            self._passed(f"{path.name} half written")
            file.write(data[len(data) // 2 :])
            file.flush()
            os.fsync(file.fileno())
        self._passed(f"{path.name} written")
        self.rename(fresh, path)

    def rename(self, path: Path, to: Path) -> None:
        """Let *path* be *to* from now on.

        Raises:
            OSError: the disk does not take it.
        """
        path.replace(to)
        self._passed(f"{to.name} renamed")
        _sync_folder(to.parent)
        self._passed(f"{to.name} kept")


def create(path: Path, data: bytes) -> bool:
    """Make *path* with *data* in it, for its owner's eyes only.

    Whole or not at all, and once: of several who make it at the same moment one does.

    Returns:
        False if there is one already, whole; it is as it was.

    Raises:
        OSError: the disk does not take it.
    """
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if os.name == "posix":
            os.link(fresh, path)  # a rename would go over one that is there
        else:
            fresh.rename(path)  # and Windows refuses to
    except FileExistsError:
        return False
    finally:
        fresh.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return True


def _sync_folder(folder: Path) -> None:
    """Bring a rename to the disk; Windows does so by itself."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
