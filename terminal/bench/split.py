"""A bill split: bare, explained, in batches; against the same work done by hand."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from config.packs import read_pack
from settlement.engine import settle
from settlement.pack_program import Program
from settlement.plan import Denied
from settlement.split import Refused, Split
from terminal.bench.figure import NS_PER_MS, NS_PER_US, Figure, Goal, in_turns
from terminal.bench.split_work import (
    PACK_FILE,
    SAME,
    Bill,
    by_hand,
    claim_of,
    random_bills,
)

_SINGLES = 2_000
_QUOTES = 200
_BATCH = 20_000
_HAND = "plain integers, written for this policy alone"


@cache
def _program() -> Program:
    return Program(read_pack(PACK_FILE.read_bytes(), "bench"))


def _one_after_another(
    work: Callable[[Bill], object], bills: list[Bill]
) -> Callable[[], object]:
    """Run *work* on the next bill at every call."""
    place = -1

    def run() -> object:
        nonlocal place
        place = (place + 1) % len(bills)
        return work(bills[place])

    return run


def _explained(bill: Bill) -> object:
    plan = _program().plan(bill)
    if isinstance(plan, Denied):
        msg = "the bench's pack speaks for every bill of the bench"
        raise AssertionError(msg)  # noqa: TRY004 - not a matter of types
    return plan, *plan.trace(bill)


def _prove(bills: list[Bill]) -> None:
    """Compare every figure with the reference's before anything is timed."""
    names = _program().names
    for bill in bills:
        found = _program().split(bill)
        figures = dict(zip(names, found or (), strict=True))
        if tuple(figures[name] for name in SAME) != by_hand(bill):
            msg = "the engine and the reference do other work"
            raise AssertionError(msg)


def bare_us(_folder: Path) -> Figure:
    """One split without its explanation."""
    bills = random_bills(_SINGLES)
    _prove(bills)
    ours, reference, _ = in_turns(
        _one_after_another(_program().split, bills),
        _one_after_another(by_hand, bills),
        each=400,
    )
    return Goal(2).figure(
        "split.bare_us", "us", ours / NS_PER_US, reference / NS_PER_US, _HAND
    )


def explained_us(_folder: Path) -> Figure:
    """One split with every figure and line kept, each tied to its wording."""
    bills = random_bills(_SINGLES)
    ours, reference, _ = in_turns(
        _one_after_another(_explained, bills),
        _one_after_another(by_hand, bills),
        each=400,
    )
    return Goal(6).figure(
        "split.explained_us", "us", ours / NS_PER_US, reference / NS_PER_US, _HAND
    )


def explained_p99_us(_folder: Path) -> Figure:
    """The slowest explained splits against the usual one."""
    bills = random_bills(_SINGLES)
    ours, _, times = in_turns(
        _one_after_another(_explained, bills),
        _one_after_another(by_hand, bills),
        each=400,
    )
    p99 = statistics.quantiles(times, n=100)[-1]
    return Goal(4).figure(
        "split.explained_p99_us",
        "us",
        p99 / NS_PER_US,
        ours / NS_PER_US,
        "the median of the same splits",
    )


def claim_us(_folder: Path) -> Figure:
    """A whole quote: the claim checked, lowered, split, the year carried forward."""
    return _quoted("split.claim_us", 2, lambda split: split)


def told_us(_folder: Path) -> Figure:
    """A whole quote with every reason written out as sentences and sums."""
    return _quoted("split.told_us", 6, lambda split: split.told)


def _quoted(name: str, goal: float, then: Callable[[Split], object]) -> Figure:
    bills = random_bills(_QUOTES)
    pack = _program().pack
    claims = {id(bill): claim_of(bill) for bill in bills}

    def quote(bill: Bill) -> object:
        outcome = settle(claims[id(bill)], pack)
        return outcome if isinstance(outcome, Refused) else then(outcome)

    ours, reference, _ = in_turns(
        _one_after_another(quote, bills), _one_after_another(by_hand, bills), each=40
    )
    return Goal(goal).figure(name, "us", ours / NS_PER_US, reference / NS_PER_US, _HAND)


def batch_dicts_us(_folder: Path) -> Figure:
    """Many bills that come as mappings, a bill."""
    bills = random_bills(_SINGLES)
    split = _program().split
    ours, reference, _ = in_turns(
        lambda: [split(bill) for bill in bills],
        lambda: [by_hand(bill) for bill in bills],
        each=1,
    )
    count = len(bills) * NS_PER_US
    return Goal(1.6).figure(
        "split.batch_dicts_us", "us", ours / count, reference / count, _HAND
    )


def batch_columns_us(_folder: Path) -> Figure:
    """Many bills that come as columns, a bill."""
    return _columns("split.batch_columns_us", "NumPy, written for this policy alone")


def batch_duckdb_us(_folder: Path) -> Figure:
    """The same against DuckDB, which uses every core."""
    return _columns("split.batch_duckdb_us", "DuckDB, the same split as SQL")


def _columns(name: str, reference_name: str) -> Figure:
    # Heavy libraries: only these figures load them.
    from settlement.columns import columns_of, split_columns  # noqa: PLC0415
    from terminal.bench.split_columns import ByDuckDb, ByHand  # noqa: PLC0415

    bills = random_bills(_BATCH)
    columns = columns_of(bills)
    hand = ByHand()
    inputs = hand.inputs(columns, bills)
    figures = split_columns(_program(), columns).columns
    for one, found in zip(SAME, hand.split(inputs), strict=True):
        if (figures[one] != found).any():
            msg = f"columns and reference differ in {one}"
            raise AssertionError(msg)
    work: Callable[[], object] = lambda: hand.split(inputs)  # noqa: E731 - one of two
    if "duckdb" in name:
        work = ByDuckDb(inputs).split
    ours, reference, _ = in_turns(
        lambda: split_columns(_program(), columns), work, each=1
    )
    count = len(bills) * NS_PER_US
    return Goal(1).figure(name, "us", ours / count, reference / count, reference_name)


def import_ms(_folder: Path) -> Figure:
    """From nothing to the first split: import, load a pack, write the plan."""
    first = (
        "from terminal.bench.split import first_split; "
        "from terminal.bench.split_work import random_bills; "
        "first_split(random_bills(1)[0])"
    )
    bare = "import decimal, fractions, json, tomllib, dataclasses, enum, datetime"

    def spawn(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our interpreter, our code

    ours, reference, _ = in_turns(spawn(first), spawn(bare), each=1)
    return Goal(4).figure(
        "split.import_ms",
        "ms",
        ours / NS_PER_MS,
        reference / NS_PER_MS,
        "importing the standard library's parts it rests on",
    )


def first_split(bill: Bill) -> object:
    """Split one bill from a standing start."""
    return _program().split(bill)
