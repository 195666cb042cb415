"""``bench``: figures, each against a reference measured in the same run.

An absolute time says little on a shared machine; the ratio to something everybody
knows, taken in turns within one process, does. Durations here are floats: no money.
"""

from __future__ import annotations

import datetime as dt
import gc
import json
import os
import secrets
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import click

from config.settings import ROOT

BENCH_BILL = ROOT / "config" / "bills" / "inpatient.toml"
BENCH_CARD = "v3-jia"
ROUNDS = 15
STARTS = 5
START_LIMIT_S = 60.0
NS_PER_US = 1_000
NS_PER_MS = 1_000_000
KIB_PER_MB = 1_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure and what it was measured against. ``ratio`` is value / reference."""

    name: str
    value: float
    unit: str
    reference: str
    ratio: float
    goal: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Goal:
    """What the ratio, or the value itself, must not exceed."""

    at_most: float
    of_value: bool = False

    def __str__(self) -> str:
        return f"{'value' if self.of_value else 'ratio'} <= {self.at_most:g}"

    def figure(
        self, name: str, unit: str, value: float, against: float, what: str
    ) -> Figure:
        """Compare *value* with *against*, both in *unit*."""
        ratio = value / against
        holds = (value if self.of_value else ratio) <= self.at_most
        reference = f"{what}: {against:.3g} {unit}"
        return Figure(
            name, round(value, 3), unit, reference, round(ratio, 3), str(self), holds
        )


def run_bench(names: tuple[str, ...], *, as_json: bool, folder: Path) -> int:
    """Measure the figures *names* ask for; all of them if none is named.

    Args:
        names: dotted names or their beginnings.
        as_json: one array of objects instead of a table.
        folder: where files are written meanwhile, on the disk the data lies on.

    Returns:
        0 if every goal is held, 1 if one is not.

    Raises:
        click.BadParameter: a name that no figure has.
    """
    for name in names:
        if not any(known.startswith(name) for known in FIGURES):
            known_names = ", ".join(FIGURES)
            msg = f"no figure is called {name}; there are: {known_names}"
            raise click.BadParameter(msg)
    chosen = [
        measure
        for known, measure in FIGURES.items()
        if not names or known.startswith(names)
    ]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    figures = []
    try:
        for measure in chosen:
            figure = measure(folder)
            figures.append(figure)
            if not as_json:
                click.echo(_line(figure))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        click.echo(json.dumps([asdict(figure) for figure in figures], indent=2))
    return 0 if all(figure.holds for figure in figures) else 1


def _line(figure: Figure) -> str:
    held = "holds" if figure.holds else "DOES NOT HOLD"
    return (
        f"{figure.name:<24} {figure.value:>10} {figure.unit:<3} "
        f"{figure.ratio:>8} x {figure.reference}; goal {figure.goal}: {held}"
    )


# --- taking times ---------------------------------------------------------------


def in_turns(
    ours: Callable[[], object], reference: Callable[[], object], *, each: int
) -> tuple[float, float, list[int]]:
    """Run both in turns; return both medians and all of ours, in nanoseconds.

    Both see the same moments of a noisy machine. *each* is how often a round runs one.
    """
    ours()
    reference()
    mine: list[int] = []
    theirs: list[int] = []
    gc.collect()
    for _ in range(ROUNDS):
        _time(ours, each, mine)
        _time(reference, each, theirs)
    return statistics.median(mine), statistics.median(theirs), mine


def _time(work: Callable[[], object], times: int, into: list[int]) -> None:
    for _ in range(times):
        begun = time.perf_counter_ns()
        work()
        into.append(time.perf_counter_ns() - begun)


# --- the engine -----------------------------------------------------------------


def quote_us(_folder: Path) -> Figure:
    """A whole split with its reasons against plain integers doing the same bands."""
    split, plain = _quote_and_plain()
    ours, reference, _ = in_turns(split, plain, each=40)
    return Goal(2).figure(
        "engine.quote_us",
        "us",
        ours / NS_PER_US,
        reference / NS_PER_US,
        "the same lines, bands and caps on plain integers, no reasons",
    )


def quote_p99_us(_folder: Path) -> Figure:
    """The slowest splits against the usual one."""
    split, plain = _quote_and_plain()
    ours, _, times = in_turns(split, plain, each=100)
    p99 = statistics.quantiles(times, n=100)[-1]
    return Goal(4).figure(
        "engine.quote_p99_us",
        "us",
        p99 / NS_PER_US,
        ours / NS_PER_US,
        "the median of the same splits",
    )


def _quote_and_plain() -> tuple[Callable[[], object], Callable[[], object]]:
    from config.catalogue import load_catalogue
    from config.packs import load_packs, pack_for
    from settlement.engine import settle
    from settlement.split import Payer, Split
    from terminal.quote_file import load_claim

    now = dt.datetime.now().astimezone()
    catalogue = load_catalogue(ROOT / "config" / "catalogue" / "sample.toml")
    claim = load_claim(BENCH_BILL, catalogue, now=now)
    insured, day = claim.insured, claim.visit.on
    packs = load_packs(ROOT / "config" / "packs")
    pack = pack_for(packs, insured.region, insured.insurance, day)
    plan = _Plan.of(claim, pack)
    outcome = settle(claim, pack)
    if not isinstance(outcome, Split):
        msg = "the bench's bill has a benefit under its pack"
        raise AssertionError(msg)
    paid = tuple(
        outcome.paid_by(payer).fen
        for payer in (Payer.POOLED_FUND, Payer.CRITICAL_ILLNESS_FUND, Payer.CASH)
    )
    if plan.work() != paid:
        msg = f"the reference does other work: {plan.work()} where {paid} is due"
        raise AssertionError(msg)
    return lambda: settle(claim, pack), plan.work


@dataclass(frozen=True, slots=True)
class _Plan:
    """The bench's bill and pack boiled down to integers, as by hand for this one case.

    Ratios are in ten-thousandths. It is the floor: what the arithmetic itself costs.
    """

    lines: tuple[tuple[int, int, int], ...]  #: amount, limit, the person's ratio
    deductible: int
    bands: tuple[tuple[int, int, int], ...]  #: low, high, the fund's ratio
    cap: int
    critical_deductible: int
    critical_bands: tuple[tuple[int, int, int], ...]
    critical_cap: int

    @classmethod
    def of(cls, claim: Claim, pack: Pack) -> _Plan:
        """Read the integers off *claim* and *pack*."""
        from settlement.money import line_amount

        day = claim.visit.on
        inpatient, critical = pack.inpatient, pack.critical_illness
        if inpatient is None or critical is None:
            msg = "the bench's pack has inpatient care and critical illness"
            raise AssertionError(msg)
        rate = inpatient.local[claim.visit.hospital.ratio_tier]
        lines = []
        for line in claim.lines:
            ratio = pack.scope.item_class[line.item_class].on(day).value
            if line.upfront_ratio is not None and ratio != 1:
                ratio = line.upfront_ratio
            limit = line.amount
            if line.price_limit is not None:
                limit = min(limit, line_amount(line.price_limit, line.quantity))
            lines.append((line.amount.fen, limit.fen, _bp(ratio)))
        deductible = 0
        if rate.deductible is not None:
            deductible = rate.deductible.on(day).value.fen
        return cls(
            lines=tuple(lines),
            deductible=deductible,
            bands=_whole_bands(rate.bands.on(day).value),
            cap=inpatient.cap.on(day).value.fen,
            critical_deductible=critical.deductible.on(day).value.fen,
            critical_bands=_whole_bands(critical.bands.on(day).value),
            critical_cap=critical.cap.on(day).value.fen,
        )

    def work(self) -> tuple[int, int, int]:
        """Return what the pooled fund, critical illness and the person pay, in fen."""
        total = in_scope = upfront = 0
        for amount, limit, ratio in self.lines:
            total += amount
            if ratio < _WHOLE:
                share = (limit * ratio + _WHOLE // 2) // _WHOLE
                upfront += share
                in_scope += limit - share
        deductible = min(in_scope, self.deductible)
        pooled = min(_plain_bands(self.bands, in_scope - deductible), self.cap)
        own = upfront + in_scope - pooled
        critical = min(
            _plain_bands(self.critical_bands, max(own - self.critical_deductible, 0)),
            self.critical_cap,
        )
        return pooled, critical, total - pooled - critical


_WHOLE = 10_000
_ENDLESS = 10**18


def _bp(ratio: Fraction) -> int:
    return int(ratio * _WHOLE)


def _whole_bands(bands: tuple[Band, ...]) -> tuple[tuple[int, int, int], ...]:
    return tuple(
        (
            int(band.low),
            _ENDLESS if band.high is None else int(band.high),
            _bp(band.ratio),
        )
        for band in bands
    )


def _plain_bands(bands: tuple[tuple[int, int, int], ...], base: int) -> int:
    paid = 0
    for low, high, ratio in bands:
        if base <= low:
            break
        paid += (min(base, high) - low) * ratio
    return (paid + _WHOLE // 2) // _WHOLE
