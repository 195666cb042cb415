"""Rotate a journal's keys in processes that die at a write, and look what is left.

    tests.rig.crashes.shimmed(["--before", "1"], "tests.faults.rotating_keys")

The journal has been rotated *before* times. Every write, sync and rename of one more
rotation is counted; for each of them a process is forked that dies there. Afterwards
the terminal must start, everything sealed must open, the chain must say which keys
there are, and the next rotation must go through.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from config.settings import Settings, load_settings
from settlement.journal_errors import JournalError
from settlement.journal_proof import verify
from settlement.key_ring import read_ring, ring_path
from terminal.journal_keys import rotate, sealer_to_read
from tests.rig.crashes import COUNT, HOW, watching
from tests.terminal.test_journal_keys import opened, rotations, with_settlement

HOWS = ("kill", "torn", "power")


def settings_in(folder: Path) -> Settings:
    """Return the settings of the terminal whose data lies in *folder*."""
    return load_settings(environ={"TERMINAL_DATA_DIR": str(folder)})


def rotated(folder: Path, *, at: int = 0, how: int = COUNT) -> int | None:
    """Fork a process that rotates and fails at write *at*.

    Returns:
        How many writes it made; None if it was killed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        shim = watching()
        shim.rig_arm(str(folder).encode(), at, how, at)
        rotate(settings_in(folder), None, outer=True)
        os.write(writing, str(shim.rig_counted()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="ascii") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    return int(said)


def broken_promises(folder: Path, before: int) -> Iterator[str]:
    """Start again on what is left; say what is not as it must be."""
    settings = settings_in(folder)
    try:
        with_settlement(settings, 2)
        keys = _keys(settings)
        if keys not in {before + 1, before + 2}:
            yield f"there are {keys} data keys"
        noted = [len(note["keys"]) for note in rotations(settings)]  # type: ignore[arg-type]  # a list of ids
        if keys > 1 and noted != list(range(2, keys + 1)):
            yield f"{keys} keys, and the chain notes {noted}"
        rotate(settings, None, outer=True)
        with_settlement(settings, 3)
        if _keys(settings) != keys + 1:
            yield f"{keys} keys, and after the next rotation {_keys(settings)}"
        yield from _unreadable(settings)
    except JournalError as error:
        yield f"{error.code}: {error}"
    if left := sorted(path.name for path in folder.glob("*.next")):
        yield f"left behind: {left}"


def _keys(settings: Settings) -> int:
    ring = read_ring(ring_path(settings.journal_file))
    return len(ring.key_ids) if ring else 1


def _unreadable(settings: Settings) -> Iterator[str]:
    journal = opened(settings)
    names = {journal.record(f"s{number}").personal["name"] for number in (1, 2, 3)}
    journal.close()
    if len(names) != 1 or "" in names:
        yield "what was sealed opens differently"
    proven = verify(settings.journal_file, sealer_to_read(settings))
    if not proven.ok:
        yield "; ".join(proven.lines())


def main(arguments: list[str]) -> int:
    """Die at every write each way; exit code 1 if anything was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.rotating_keys")
    parser.add_argument("--before", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="of so many writes one")
    asked = parser.parse_args(arguments)
    before = asked.before
    broken: list[str] = []
    points = 0
    with tempfile.TemporaryDirectory() as scratch:
        whole, spoilt = Path(scratch, "whole"), Path(scratch, "spoilt")
        with_settlement(settings_in(whole), 1)
        for _ in range(before):
            rotate(settings_in(whole), None, outer=True)
        shutil.copytree(whole, spoilt)
        writes = rotated(spoilt) or 0
        for at in range(1, writes + 1, asked.every):
            for how in HOWS:
                shutil.rmtree(spoilt)
                shutil.copytree(whole, spoilt)
                points += 1
                where = f"{how} at write {at}"
                if rotated(spoilt, at=at, how=HOW[how]) is not None:
                    broken.append(f"{where}: it did not die")
                found = broken_promises(spoilt, before)
                broken += [f"{where}: {promise}" for promise in found]
    sys.stdout.write("".join(f"{line}\n" for line in broken))
    said = {"writes": writes, "points": points, "violations": len(broken)}
    sys.stdout.write(json.dumps(said) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
