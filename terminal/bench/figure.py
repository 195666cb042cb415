"""A figure, its goal, and two things timed in turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 15
NS_PER_US = 1_000
NS_PER_MS = 1_000_000


class MissingError(Exception):
    """What a figure is measured with is not on this machine; says how to get it."""


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
