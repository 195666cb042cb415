"""Room on the disk the journal lies on: told in time, and kept for what is under way.

A bill that is begun must be able to end. So selling stops while there is room left,
before the centre hears of a new bill, and a ballast file that nobody needs is given
up then: what is on its way is written down in the room it leaves.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from terminal.errors import DiskNearlyFullError

#: Of the whole disk: less than this is told, and less than that stops selling.
WARN_PERCENT, STOP_PERCENT = 10, 2
#: A settlement takes some 20 kB of the journal, and a day has some hundred under way
#: at the worst.
BALLAST_BYTES = 16 * 1024 * 1024
BALLAST = "ballast"

LOW = "disk-low"
_MEGA = 1_000_000


class Room(NamedTuple):
    """How large a disk is and what is left, in bytes; as ``shutil.disk_usage``."""

    total: int
    used: int
    free: int

    @property
    def percent(self) -> int:
        """What is left, in whole percent of the disk."""
        return self.free * 100 // max(self.total, 1)


def room_of(folder: Path) -> Room:
    """Look at the disk a folder lies on."""
    return Room(*shutil.disk_usage(folder))


class DiskRoom:
    """Watches the disk of one folder, and keeps the ballast in it.

    Args:
        folder: Where the journal lies; it exists.
        usage: How to look at the disk.
    """

    def __init__(self, folder: Path, usage: Callable[[Path], Room] = room_of) -> None:
        self._folder = folder
        self._usage = usage
        self._ballast = folder / BALLAST
        if self._usage(folder).percent >= WARN_PERCENT:
            self._load()

    def require(self) -> None:
        """Let a new bill begin only where there is room for it and the others.

        Raises:
            DiskNearlyFullError: there is not; the ballast has been given up.
        """
        room = self._usage(self._folder)
        if room.percent >= STOP_PERCENT:
            return
        self._ballast.unlink(missing_ok=True)
        raise DiskNearlyFullError(room.free // _MEGA)

    def trouble(self) -> str:
        """Name how the disk stands: nothing, ``disk-low`` or ``disk-nearly-full``."""
        percent = self._usage(self._folder).percent
        if percent < STOP_PERCENT:
            return DiskNearlyFullError.code
        return LOW if percent < WARN_PERCENT else ""

    def _load(self) -> None:
        """Take the ballast's room, in blocks and not in name only."""
        if self._ballast.exists():
            return
        try:
            with self._ballast.open("wb") as file:
                file.write(bytes(BALLAST_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            # A disk that does not take it has no room for selling either; the
            # journal's own writes find that out and say so.
            self._ballast.unlink(missing_ok=True)
