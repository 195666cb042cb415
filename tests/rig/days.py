"""Live through many days, one seed each, and say what was kept and what was not.

python -m tests.rig.days --seeds 0-9999
python -m tests.rig.days --seeds 17 --history
python -m tests.rig.days --seeds 0-999 --busy
python -m tests.rig.days --seeds 0-199 --mutant adopts-over-reversed
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tests.rig.laws import said_aloud, violations
from tests.rig.mutants import MUTANTS, Mutant
from tests.rig.terminal import REAL, Kinds
from tests.rig.world import Event, World, overheard

DOINGS = 40
#: Memory where there is some: what a simulated day writes need not outlive it.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it


@dataclass
class Day:
    """What one seed came to."""

    seed: int
    broken: tuple[str, ...]
    history: tuple[Event, ...]
    fates: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)

    @property
    def digest(self) -> str:
        """Hash everything that happened: the same seed gives the same."""
        told = "\n".join(f"{e.at} {e.terminal} {e.what} {e.came}" for e in self.history)
        return hashlib.sha256(told.encode()).hexdigest()


def live(
    seed: int, kinds: Kinds = REAL, doings: int = DOINGS, *, busy: bool = False
) -> Day:
    """Live through the day that *seed* decides, and check it."""
    folder = Path(tempfile.mkdtemp(dir=_MEMORY if _MEMORY.is_dir() else None))
    try:
        with overheard() as log:
            world = World(seed, folder, kinds=kinds, busy=busy)
            try:
                world.live_through(doings)
                found = (*violations(world), *said_aloud(world, log.getvalue()))
                broken = tuple(str(violation) for violation in found)
                ends: Counter[str] = Counter()
                for terminal in world.terminals:
                    for record in terminal.journal.records(limit=1_000_000):
                        ends[record.state.value] += 1
            finally:
                world.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    fates = Counter({fate.value: count for fate, count in world.network.fates.items()})
    return Day(seed, broken, tuple(world.history), fates, ends)


def survived(
    seed: int,
    doings: int = DOINGS,
    *,
    busy: bool = False,
    province: str = REAL.province,
) -> Day:
    """Live through a day; a program that breaks down in it has broken a promise."""
    kinds = replace(REAL, province=province)
    try:
        return live(seed, kinds, doings=doings, busy=busy)
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed is told
        return Day(seed, (f"breakdown: {error!r}",), ())


def caught(mutant: Mutant, seeds: Iterable[int]) -> tuple[int, str] | None:
    """Return the first seed that catches *mutant*, and by what; None if none does."""
    with mutant.planted() as kinds:
        for seed in seeds:
            try:
                day = live(seed, kinds)
            except AssertionError as error:
                return seed, f"assertion: {error}"
            if day.broken:
                return seed, day.broken[0]
    return None


def main(arguments: list[str]) -> int:
    """Run the seeds asked for; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.rig.days")
    parser.add_argument("--seeds", default="0-99", help="one, or first-last")
    parser.add_argument("--doings", type=int, default=DOINGS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mutant", choices=[mutant.name for mutant in MUTANTS])
    parser.add_argument(
        "--busy", action="store_true", help="far more goes on at once at each terminal"
    )
    parser.add_argument(
        "--province", default=REAL.province, help="whose profile the terminals have"
    )
    parser.add_argument("--history", action="store_true", help="print what happened")
    asked = parser.parse_args(arguments)
    first, _, last = asked.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    if asked.mutant:
        return _hunt(next(m for m in MUTANTS if m.name == asked.mutant), seeds)
    begun = time.monotonic()
    total = Total()
    with ProcessPoolExecutor(asked.jobs) as pool:
        for day in pool.map(
            partial(
                survived,
                doings=asked.doings,
                busy=asked.busy,
                province=asked.province,
            ),
            seeds,
            chunksize=8,
        ):
            total.add(day)
            for broken in day.broken:
                sys.stdout.write(f"seed {day.seed}: {broken}\n")
            if asked.history:
                for event in day.history:
                    sys.stdout.write(
                        f"{event.at} T{event.terminal} {event.what}: {event.came}\n"
                    )
    total.seconds = round(time.monotonic() - begun, 1)
    sys.stdout.write(json.dumps(total.to_json(), ensure_ascii=False) + "\n")
    return 1 if total.broken else 0


@dataclass
class Total:
    """What many days came to."""

    days: int = 0
    doings: int = 0
    messages: int = 0
    cuts: int = 0
    broken: int = 0
    seconds: float = 0.0
    fates: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)

    def add(self, day: Day) -> None:
        """Count one day more."""
        self.days += 1
        self.doings += len(day.history)
        self.messages += day.fates.total()
        self.cuts += sum(event.what == "power" for event in day.history)
        self.broken += len(day.broken)
        self.fates += day.fates
        self.ends += day.ends

    def to_json(self) -> dict[str, object]:
        """Write the counts for a program."""
        return {
            "days": self.days,
            "violations": self.broken,
            "doings": self.doings,
            "messages": self.messages,
            "power_cuts": self.cuts,
            "fates": dict(self.fates.most_common()),
            "settlements": dict(self.ends.most_common()),
            "seconds": self.seconds,
        }


def _hunt(mutant: Mutant, seeds: Iterable[int]) -> int:
    found = caught(mutant, seeds)
    if found is None:
        sys.stdout.write(f"{mutant.name}: not caught\n")
        return 1
    sys.stdout.write(f"{mutant.name}: caught by seed {found[0]}: {found[1]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
