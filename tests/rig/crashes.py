"""Kill a terminal at every write of a scripted day, and again while it recovers.

    python -m tests.rig.crashes --how kill torn power --nested every
    python -m tests.rig.crashes --how io-error --sample 20

The day settles, cancels, loses an answer and closes; its writes, syncs, truncations
and renames are counted by a shim under the C library (``disk_shim.c``). For each of
them a process is forked that dies there. Another one recovers on the same disk and
must keep every promise, and so must a third one where the second was killed, too.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from settlement import journal_migration
from settlement.claim import VisitKind
from settlement.lifecycle import State
from settlement.money import Money
from terminal.bill import Bill, BillLine
from tests.rig.laws import violations
from tests.rig.network import Fate
from tests.rig.terminal import Terminal
from tests.rig.world import FORESEEN, PIN, Asked, World, overheard

SHIM = Path(__file__).with_name("disk_shim.c")
#: How the disk or the power fails, as the shim numbers it.
HOW = {"kill": 1, "torn": 2, "power": 3, "no-space": 4, "io-error": 5, "sync-error": 6}
COUNT = 0
#: After these the process lives on with a disk that fails.
LIVES_ON = ("no-space", "io-error", "sync-error")
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
_ENV = "RIG_DISK_SHIM"


def scripted_day(world: World, acked: Path) -> None:
    """Settle, cancel, lose an answer each way, look it up, close the day."""
    (terminal,) = world.terminals
    network = world.network
    network.scripted = [
        Fate.DELIVERED,  # a clinic's bill
        Fate.DELIVERED,  # a pharmacy's bill
        Fate.DELIVERED,  # the first one taken back
        Fate.ANSWER_LOST,  # a clinic's bill that nobody knows the end of
        Fate.ANSWER_LOST,  # a pharmacy's, that has to be reversed
        Fate.ANSWER_LOST,  # a cancellation that nobody knows the end of
    ]
    clinic, pharmacy = VisitKind.OUTPATIENT, VisitKind.PHARMACY
    _settle(world, terminal, acked, _bill(world, "D-1", clinic))
    _settle(world, terminal, acked, _bill(world, "D-2", pharmacy))
    _cancel(world, terminal, acked, 0)
    _settle(world, terminal, acked, _bill(world, "D-3", clinic))
    _sweep(world, terminal)
    _settle(world, terminal, acked, _bill(world, "D-4", pharmacy))
    _sweep(world, terminal)
    _cancel(world, terminal, acked, 0)
    _sweep(world, terminal)
    _try(lambda: terminal.cashier.reconcile(world.clock.now.date()))


def recover(world: World) -> None:
    """Start on the same disk and let everything come to its end."""
    world.come_to_rest()


def _settle(world: World, terminal: Terminal, acked: Path, bill: Bill) -> None:
    del world

    def work() -> None:
        terminal.cashier.insert_card("v3-jia")
        terminal.cashier.verify_pin(bytearray(PIN))
        asked = Asked(bill.bill_no, bill)
        answer = terminal.cashier.settle(
            bill, key=asked.key, digest=asked.digest, patient_pays=None
        )
        _remember(acked, asked.key, answer.status, answer.body)

    _try(work)


def _cancel(world: World, terminal: Terminal, acked: Path, number: int) -> None:
    del world

    def work() -> None:
        settled = terminal.journal.records(states=frozenset({State.SETTLED}))
        if len(settled) <= number:
            return
        asked = Asked(
            f"c-{settled[number].bill_no}", None, settled[number].settlement_id
        )
        answer = terminal.cashier.cancel(
            asked.settlement_id, key=asked.key, digest=asked.digest
        )
        _remember(acked, asked.key, answer.status, answer.body)

    _try(work)


def _sweep(world: World, terminal: Terminal) -> None:
    for _ in range(4):
        _try(terminal.resolver.sweep)
        world.clock.pass_by(5)


def _try(work: Callable[[], object]) -> None:
    """Do something; a coded refusal is an answer, and the day goes on."""
    try:
        work()
    except FORESEEN:
        return


def _bill(world: World, bill_no: str, kind: VisitKind) -> Bill:
    line = BillLine("XA0001", Fraction(1), Fraction("18.60"), Money.yuan("18.60"))
    return Bill(bill_no, kind, world.clock.now.replace(microsecond=0), (line,))


def _remember(acked: Path, key: str, status: int, body: bytes) -> None:
    """Keep what the caller was told where no power cut of the terminal reaches it."""
    with acked.open("a", encoding="utf-8") as file:
        file.write(json.dumps([key, status, body.decode()]) + "\n")


# -- one process each ------------------------------------------------------------


@dataclass
class Ending:
    """How a forked process ended."""

    died: bool  #: killed where it was told to
    counted: int  #: writes it made
    broken: tuple[str, ...]


def in_a_process(
    folder: Path, what: str, *, at: int = 0, how: int = COUNT, seed: int = 0
) -> Ending:
    """Fork a process that lives the day or recovers, and fails at write *at*.

    Args:
        folder: what lies on the disk; made if it is missing.
        what: ``day`` or ``recovery``.
        at: which write; 0: none.
        how: as the shim numbers it.
        seed: which writes a power cut takes back.
    """
    folder.mkdir(exist_ok=True)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _in_the_child(folder, what, writing, (at, how, seed))
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if died:
        return Ending(True, at, ())  # noqa: FBT003 - named in Ending
    if not said:
        return Ending(False, 0, (f"{what} ended with {status} and said nothing",))  # noqa: FBT003 - named in Ending
    told = json.loads(said)
    return Ending(False, told["counted"], tuple(told["broken"]))  # noqa: FBT003 - named in Ending


def _in_the_child(
    folder: Path, what: str, writing: int, fault: tuple[int, int, int]
) -> None:
    at, how, seed = fault
    shim = watching()
    broken: tuple[str, ...] = ()
    try:
        disk = folder / "terminals"
        shim.rig_arm(str(disk).encode(), at, how, seed)
        with overheard():
            later_s = 0.0 if what == "day" else 3600.0 * (1 + _starts(folder))
            world = World(1, folder, terminals=1, later_s=later_s)
            if what == "day":
                scripted_day(world, folder / "acked")
            else:
                recover(world)
                _recall(world, folder / "acked")
                broken = tuple(str(v) for v in violations(world))
            counted = shim.rig_counted()
            world.close()
    except FORESEEN as error:
        # A start that is refused with a coded sentence; for a disk that fails.
        counted = shim.rig_counted()
        broken = () if what == "day" else (f"refused to start: {error.code}",)
    except BaseException:  # noqa: BLE001 - told to the parent, whatever it is
        counted = shim.rig_counted()
        broken = (f"{what}: {traceback.format_exc()}",)
    os.write(writing, json.dumps({"counted": counted, "broken": broken}).encode())
    os._exit(0)


def watching() -> ctypes.CDLL:
    """Return the shim that this process runs under."""
    return ctypes.CDLL(os.environ[_ENV])


def _starts(folder: Path) -> int:
    """Count the recoveries on this disk: each is an hour later than the last."""
    place = folder / "starts"
    count = int(place.read_text(encoding="ascii")) if place.exists() else 0
    place.write_text(str(count + 1), encoding="ascii")
    return count


def _recall(world: World, acked: Path) -> None:
    """Give the world back what callers were told before the power went."""
    if not acked.exists():
        return
    (terminal,) = world.terminals
    for line in acked.read_text(encoding="utf-8").splitlines():
        key, status, body = json.loads(line)
        terminal.told.answers.setdefault(key, []).append((status, body.encode()))


# -- all of them -----------------------------------------------------------------


@dataclass
class Total:
    """What an enumeration came to."""

    writes: int = 0
    points: Counter[str] = field(default_factory=Counter)
    nested: int = 0
    broken: list[str] = field(default_factory=list)


def enumerate_crashes(
    hows: tuple[str, ...],
    *,
    sample: int = 0,
    nested: str = "some",
    part: tuple[int, int] = (0, 1),
) -> Total:
    """Fail at every write of the day, and at writes of every recovery.

    Args:
        hows: names of ``HOW``.
        sample: so many writes, evenly spread; 0: every one.
        nested: ``every`` write of each recovery, ``some``: one of each, or ``none``.
        part: which of how many parts, for several processes beside each other.
    """
    total = Total()
    with _scratch() as scratch:
        total.writes = in_a_process(scratch / "whole", "day").counted
        writes = range(1, total.writes + 1)
        step = max(1, total.writes // sample) if sample else 1
        for at in writes[part[0] :: part[1]][::step]:
            for how in hows:
                _one(scratch, total, at, how, nested)
    return total


def _one(scratch: Path, total: Total, at: int, how: str, nested: str) -> None:
    crashed = scratch / "crashed"
    ending = in_a_process(crashed, "day", at=at, how=HOW[how], seed=at)
    where = f"{how} at write {at}"
    total.points[how] += 1
    total.broken += [f"{where}: {broken}" for broken in ending.broken]
    if not ending.died and how not in LIVES_ON:
        total.broken.append(f"{where}: it did not die")
    whole = _copy(crashed, scratch / "recovered")
    found = in_a_process(whole, "recovery")
    total.broken += [f"{where}: {broken}" for broken in found.broken]
    deaths = {
        "every": range(1, found.counted + 1),
        "some": [1 + at % found.counted] if found.counted else [],
        "none": [],
    }[nested]
    for again in deaths:
        twice = _copy(crashed, scratch / "twice")
        deadly = how if how not in LIVES_ON else "kill"
        in_a_process(twice, "recovery", at=again, how=HOW[deadly], seed=at + again)
        found = in_a_process(twice, "recovery")
        total.nested += 1
        total.broken += [f"{where}, then {again}: {broken}" for broken in found.broken]
        shutil.rmtree(twice)
    shutil.rmtree(whole)
    shutil.rmtree(crashed)


def _copy(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


class _scratch:  # noqa: N801 - used as a block
    """A folder in memory where there is some, gone afterwards."""

    def __enter__(self) -> Path:
        self._path = Path(tempfile.mkdtemp(dir=_MEMORY if _MEMORY.is_dir() else None))
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


def shimmed(
    arguments: list[str], module: str = "tests.rig.crashes"
) -> subprocess.CompletedProcess[str]:
    """Run *module* in a process whose C library is watched.

    Raises:
        FileNotFoundError: there is no C compiler.
    """
    with _scratch() as scratch:
        shim = scratch / "disk_shim.so"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O2", "-o", str(shim), str(SHIM), "-ldl"],
            check=True,
        )
        environment = os.environ | {"LD_PRELOAD": str(shim), _ENV: str(shim)}
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=environment,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )


def main(arguments: list[str]) -> int:
    """Enumerate as asked; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.rig.crashes")
    parser.add_argument("--how", nargs="+", choices=HOW, default=["kill"])
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--nested", choices=("every", "some", "none"), default="some")
    parser.add_argument(
        "--careless", action="store_true", help="plant a bug: commits are not synced"
    )
    parser.add_argument("--part", default="0/1", help="for several beside each other")
    asked = parser.parse_args(arguments)
    if _ENV not in os.environ:
        done = shimmed(arguments)
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        return done.returncode
    if asked.careless:
        careless = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF")
        vars(journal_migration)["PRAGMAS"] = careless
    begun = time.monotonic()
    number, _, count = asked.part.partition("/")
    total = enumerate_crashes(
        tuple(asked.how),
        sample=asked.sample,
        nested=asked.nested,
        part=(int(number), int(count)),
    )
    for broken in total.broken:
        sys.stdout.write(broken + "\n")
    said = {
        "writes": total.writes,
        "crash_points": dict(total.points),
        "nested": total.nested,
        "violations": len(total.broken),
        "seconds": round(time.monotonic() - begun, 1),
    }
    sys.stdout.write(json.dumps(said) + "\n")
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
