"""The split: a whole quote with its reasons against the bare arithmetic."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from config.catalogue import load_catalogue
from config.packs import load_packs, pack_for
from config.settings import ROOT
from settlement.claim import Claim
from settlement.engine import settle
from settlement.money import line_amount
from settlement.policy import Band, Pack
from settlement.split import Payer, Refused
from terminal.bench.figure import NS_PER_US, Figure, Goal, in_turns
from terminal.quote_file import load_claim

BENCH_BILL = ROOT / "config" / "bills" / "inpatient.toml"
_WHOLE = 10_000
_ENDLESS = 10**18


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
    now = dt.datetime.now().astimezone()
    catalogue = load_catalogue(ROOT / "config" / "catalogue" / "sample.toml")
    claim = load_claim(BENCH_BILL, catalogue, now=now)
    insured, day = claim.insured, claim.visit.on
    packs = load_packs(ROOT / "config" / "packs")
    pack = pack_for(packs, insured.region, insured.insurance, day)
    plan = _Plan.of(claim, pack)
    outcome = settle(claim, pack)
    payers = (Payer.POOLED_FUND, Payer.CRITICAL_ILLNESS_FUND, Payer.CASH)
    paid: tuple[int, ...] = ()
    if not isinstance(outcome, Refused):
        paid = tuple(outcome.paid_by(payer).fen for payer in payers)
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
        total = in_scope = 0
        for amount, limit, ratio in self.lines:
            total += amount
            if ratio < _WHOLE:
                in_scope += limit - (limit * ratio + _WHOLE // 2) // _WHOLE
        deductible = min(in_scope, self.deductible)
        pooled = min(_plain_bands(self.bands, in_scope - deductible), self.cap)
        own = in_scope - pooled
        critical = min(
            _plain_bands(self.critical_bands, max(own - self.critical_deductible, 0)),
            self.critical_cap,
        )
        return pooled, critical, total - pooled - critical


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
