"""Run the whole rig for a stated budget and write down what it came to.

    make certificate                      # ten thousand days, every write, two minutes
    .venv/bin/python -m tests.rig.certificate --days 500 --sample 50 --seconds 10

Everything stands in ``docs/certificate.md``: how much was run on which version, with
which seeds, and what was broken. It is written whatever came of it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terminal.bench.postgresql import programs
from tests.faults.test_f16_corrupted_journal import (
    SPOILS,
    bytes_of,
    outcome,
    told,
    written,
)
from tests.rig.crashes import shimmed
from tests.rig.days import caught
from tests.rig.mutants import MUTANTS
from tests.settlement.test_journal import open_at

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "certificate.md"
HOWS = ("kill", "torn", "power", "no-space", "io-error", "sync-error")
MUTANT_SEEDS = 200


@dataclass(frozen=True)
class Part:
    """One part of the rig: what was run, and what it came to."""

    name: str
    promise: str
    lines: tuple[str, ...]
    violations: int


def days(count: int, name: str = "Simulated days", *options: str) -> Part:
    """Live through *count* simulated days."""
    said = _run("tests.rig.days", "--seeds", f"0-{count - 1}", *options)
    fates = ", ".join(f"{name} {number}" for name, number in said["fates"].items())
    ends = ", ".join(f"{name} {n}" for name, n in said["settlements"].items())
    return Part(
        name,
        "I1 to I6, I8 and I9 at the end of every day",
        (
            f"{said['days']} days, seeds 0 to {count - 1}, in {said['seconds']} s",
            f"{said['doings']} doings, {said['power_cuts']} power cuts",
            f"{said['messages']} messages: {fates}",
            f"settlements: {ends}",
            *said["before"][:20],
        ),
        said["violations"],
    )


def planted_bugs() -> Part:
    """See that every planted bug is caught."""
    lines, missed = [], 0
    for mutant in MUTANTS:
        found = caught(mutant, range(MUTANT_SEEDS))
        missed += found is None
        by = f"by seed {found[0]}: {found[1]}" if found else "NOT CAUGHT"
        lines.append(f"{mutant.name}: {by}")
    return Part(
        "Planted bugs",
        f"each is caught within {MUTANT_SEEDS} seeds",
        tuple(lines),
        missed,
    )


def crashes(sample: int) -> Part:
    """Fail at the writes of a scripted day, and in every recovery."""
    halves = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.rig.crashes"),
                *("--how", *HOWS, "--nested", "some"),
                *("--sample", str(sample), "--part", f"{part}/2"),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in range(2)
    ]
    points: Counter[str] = Counter()
    nested = violations = writes = 0
    seconds = 0.0
    broken: list[str] = []
    for half in halves:
        out, _ = half.communicate()
        *wrong, counts = out.splitlines()
        said = json.loads(counts)
        broken += wrong
        points += Counter(said["crash_points"])
        nested += said["nested"]
        violations += said["violations"]
        writes = said["writes"]
        seconds = max(seconds, said["seconds"])
    every = "every one" if not sample else f"about {sample} of them in each half"
    return Part(
        "Failing disks",
        "after each recovery: all of the above, and again after a death in it",
        (
            f"a scripted day makes {writes} writes, syncs and renames",
            f"failed: {every}, in {seconds} s",
            "points: " + ", ".join(f"{how} {count}" for how, count in points.items()),
            f"deaths in a recovery: {nested}",
            *broken[:20],
        ),
        violations,
    )


def rotations() -> Part:
    """Die at every write of a change of keys: of the first and of a later one."""
    lines: list[str] = []
    violations = 0
    for before, which in ((0, "the first"), (1, "a later one")):
        done = shimmed(["--before", str(before)], "tests.faults.rotating_keys")
        *broken, counts = done.stdout.splitlines()
        said = json.loads(counts)
        violations += said["violations"]
        lines.append(f"{which}: {said['writes']} writes, {said['points']} deaths")
        lines += broken[:20]
    return Part(
        "New keys for a journal",
        "killed, torn or without power at any write: everything sealed opens",
        tuple(lines),
        violations,
    )


def spoilt_journals(count: int) -> Part:
    """Spoil a journal's files *count* times."""
    came: Counter[str] = Counter()
    folder = Path(tempfile.mkdtemp())
    try:
        whole = folder / "whole" / "closed"
        whole.mkdir(parents=True)
        written(whole / "journal.db")
        shutil.copytree(whole, folder / "read")
        journal = open_at(folder / "read" / "journal.db")
        content = told(journal)
        journal.close()
        for number in range(count):
            came[_spoilt(number, whole, folder / "case", content)] += 1
    finally:
        shutil.rmtree(folder)
    return Part(
        "Spoilt journals",
        "found out, or the content is the same; never a wrong figure",
        (
            f"{count} files, seeds 0 to {count - 1}",
            ", ".join(f"{what}: {number}" for what, number in came.most_common()),
        ),
        came["broken"],
    )


def _spoilt(number: int, whole: Path, case: Path, content: list[Any]) -> str:
    draw = random.Random(number)
    shutil.copytree(draw.choice((whole, whole.parent / "with-log")), case)
    try:
        victims = sorted(path for path in case.iterdir() if path.name in bytes_of(case))
        draw.choice(SPOILS)(draw.choice(victims), draw)
        return outcome(case / "journal.db", content)
    except AssertionError:
        return "broken"
    finally:
        shutil.rmtree(case)


def contention(seconds: float, database: str) -> Part:
    """Let eight terminals settle for the same fifty persons."""
    said = _run(
        "tests.rig.contention",
        *("--seconds", str(seconds), "--database", database),
    )
    ends = ", ".join(f"{name} {n}" for name, n in said["settlements"].items())
    wire = ", ".join(f"{name} {n}" for name, n in said["wire"].items())
    return Part(
        f"Contention on {said['database']}",
        "caps to the fen, both books equal, every terminal reconciled to zero",
        (
            f"8 terminals, 2 servers, 50 persons, {seconds:g} s",
            f"settlements: {ends}; records at the centre: {said['centre_records']}",
            f"wire: {wire}",
            *said["violations"][:20],
        ),
        len(said["violations"]),
    )


def page(parts: list[Part], seconds: float) -> str:
    """Write the certificate."""
    total = sum(part.violations for part in parts)
    lines = [
        "# Certificate",
        "",
        "What was run on this version to see whether the promises hold. Written by",
        "`make certificate`; nothing here is typed by hand.",
        "",
        "| | |",
        "|---|---|",
        f"| version | {_commit()} |",
        f"| written | {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC |",
        f"| Python, SQLite, PostgreSQL | {_versions()} |",
        f"| took | {seconds:.0f} s on {os.cpu_count()} processors |",
        f"| **violations** | **{total}** |",
        "",
    ]
    for part in parts:
        lines += [f"## {part.name}", "", f"Promise: {part.promise}.", ""]
        lines += [f"- {line}" for line in part.lines]
        lines += [f"- **violations: {part.violations}**", ""]
    lines += [
        "## What is not in it",
        "",
        "- I7 (one original of each receipt): nothing prints in the simulation.",
        "- A disk that says it has synced and has not is simulated by a shim under",
        "  the C library, not by a device.",
    ]
    return "\n".join(lines) + "\n"


def _run(module: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    *before, last = done.stdout.splitlines()
    said: dict[str, Any] = json.loads(last)
    # What was broken, and by which seed: a count alone cannot be replayed.
    return {**said, "before": before}


def _commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    dirty = " with changes" if changed.stdout.strip() else ""
    return f"commit {asked.stdout.strip() or 'unknown'}{dirty}"


def _versions() -> str:
    server = programs()
    postgresql = server.parent.name if server else "none"
    return f"{platform.python_version()}, {sqlite3.sqlite_version}, {postgresql}"


def main(arguments: list[str]) -> int:
    """Run the rig and write the page; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.rig.certificate")
    parser.add_argument("--days", type=int, default=10_000)
    parser.add_argument("--sample", type=int, default=0, help="writes; 0: every one")
    parser.add_argument("--spoilt", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=120.0, help="of contention")
    asked = parser.parse_args(arguments)
    begun = time.monotonic()
    parts: list[Part] = []
    for make in (
        planted_bugs,
        lambda: spoilt_journals(asked.spoilt),
        lambda: crashes(asked.sample),
        rotations,
        lambda: contention(asked.seconds, "sqlite"),
        lambda: contention(asked.seconds, "postgresql"),
        lambda: days(asked.days // 10, "Days in Hunan", "--province", "hunan"),
        lambda: days(asked.days // 10, "Days in Guangdong", "--province", "guangdong"),
        lambda: days(asked.days // 10, "Busy days", "--busy"),
        lambda: days(asked.days),
    ):
        part = make()
        parts.append(part)
        sys.stdout.write(f"{part.name}: {part.violations} violations\n")
        sys.stdout.flush()
    PAGE.write_text(page(parts, time.monotonic() - begun), encoding="utf-8")
    sys.stdout.write(f"written: {PAGE.relative_to(ROOT)}\n")
    return 1 if any(part.violations for part in parts) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
