"""What the doctor looks at where the data lies: room on the disk, and the journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from config.settings import Settings
from settlement.journal_errors import (
    JournalDamagedError,
    KeyFileError,
    OuterKeyError,
)
from settlement.journal_opening import judge
from terminal.commands.doctor_finding import Finding, Verdict
from terminal.disk_room import STOP_PERCENT, WARN_PERCENT, Room, room_of
from terminal.journal_keys import sealer_to_read

ENOUGH_DISK = 500_000_000


def look_at_disk(
    settings: Settings, usage: Callable[[Path], Room] | None = None
) -> Iterator[Finding]:
    """Look whether the data's folder can be written and has room."""
    folder = settings.data_dir
    nearest = next(p for p in (folder, *folder.parents) if p.exists())
    if not os.access(nearest, os.W_OK):
        yield Finding(
            "data", Verdict.WRONG, f"{folder} cannot be written", "Set data_dir."
        )
        return
    room = (usage or room_of)(nearest)
    percent = room.percent
    found = f"{folder} ({room.free // 1_000_000} MB free, {percent} %)"
    do = "Free some room: old backups and logs first, never the journal."
    if percent < STOP_PERCENT:
        yield Finding("data", Verdict.WRONG, found, do)
    elif percent < WARN_PERCENT or room.free < ENOUGH_DISK:
        yield Finding("data", Verdict.WARNING, found, do)
    else:
        yield Finding("data", Verdict.OK, found)


def look_at_journal(settings: Settings) -> Iterator[Finding]:
    """Look whether the journal may be settled on; also while the daemon runs."""
    path = settings.journal_file
    if not path.exists():
        yield Finding("journal", Verdict.OK, "none yet; the first start makes it")
        return
    try:
        opening = judge(path, sealer_to_read(settings))
    except JournalDamagedError as error:
        yield Finding(
            "journal",
            Verdict.WRONG,
            str(error),
            "Keep the file and all beside it; run_terminal.py journal rebuild says "
            "what it still proves and how to go on: docs/runbook.zh.md, "
            "journal-damaged.",
        )
    except (KeyFileError, OuterKeyError) as error:
        do = "Put the key back from the safe copy; do not start without it."
        yield Finding("journal", Verdict.WRONG, str(error), do)
    else:
        if opening.note:
            found = f"whole, and its anchor is {opening.note.removeprefix('anchor-')}"
            do = "run_terminal.py journal verify; compare with the last day-end slip."
            yield Finding("journal", Verdict.WARNING, found, do)
        else:
            yield Finding(
                "journal", Verdict.OK, "whole, and ends where it was anchored"
            )
