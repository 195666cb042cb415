"""What is worked out once for all bills that share a few facts: a `Plan`.

A plan holds the wordings that were chosen and the registers in which every figure of
a fund lies, so that a split can be told from them (`settlement.reasons`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from settlement.errors import PackGapError
from settlement.policy import (
    NONE,
    Amount,
    AtLeast,
    Band,
    Base,
    Cap,
    Counts,
    Deductible,
    Fund,
    Modifier,
    Pack,
    RoundingRule,
    Rule,
    Wording,
)
from settlement.program import Bare, LineRule, Op, Traced, traced

T = TypeVar("T")
Facts = Mapping[str, str | int]


class Choice:
    """The wordings in force on one day, as known on one day, for given facts."""

    def __init__(  # noqa: PLR0913, PLR0917 # what the choice is among, and by
        self,
        pack: Pack,
        day: dt.date,
        known: dt.date | None,
        facts: Facts,
        groups: frozenset[str] = frozenset(),
        causes: frozenset[str] = frozenset(),
    ) -> None:
        self.pack = pack
        self.day = day
        self.known = known
        self.facts = facts
        self._groups = groups
        self._causes = causes

    def line(self, item_class: str, group: str, cause: str) -> Facts:
        """Add what is known of a line; a word the pack does not tell apart is none."""
        return {
            **self.facts,
            "class": item_class,
            "group": group if group in self._groups else NONE,
            "cause": cause if cause in self._causes else NONE,
        }

    def all(
        self, rule: Rule[T] | None, facts: Facts | None = None
    ) -> tuple[Wording[T], ...]:
        """Return every wording that holds for the facts."""
        if rule is None:
            return ()
        given = self.facts if facts is None else facts
        return tuple(
            wording
            for wording in rule.in_force(self.day, self.known)
            if wording.when.holds(given)
        )

    def maybe(
        self, rule: Rule[T] | None, facts: Facts | None = None
    ) -> Wording[T] | None:
        """Return the one wording that holds, or None.

        Raises:
            PackGapError: two hold at once.
        """
        found = self.all(rule, facts)
        if len(found) > 1 and rule is not None:
            given = self.facts if facts is None else facts
            raise PackGapError(self.pack.id.name, rule.name, self.day, given, "two")
        return found[0] if found else None

    def one(self, rule: Rule[T], facts: Facts | None = None) -> Wording[T]:
        """Return the wording that holds.

        Raises:
            PackGapError: none holds, or two do.
        """
        found = self.maybe(rule, facts)
        if found is None:
            given = self.facts if facts is None else facts
            raise PackGapError(self.pack.id.name, rule.name, self.day, given, "none")
        return found

    def fen(self, amount: Amount) -> Fraction:
        """Work out an amount of the text, indexes and growth included."""
        total = amount.fen
        if amount.index:
            index = self.one(self.pack.indexes[amount.index]).value
            total += index * amount.factor
        if amount.growth_months:
            months = self.facts.get("insured_months", 0)
            steps = int(months) // amount.growth_months
            total += min(amount.growth * steps, amount.growth_most)
        return total


@dataclass(frozen=True, slots=True)
class Changed:
    """One modifier at work, with what it made of the value."""

    wording: Wording[Modifier]
    before: Fraction
    after: Fraction


@dataclass(frozen=True, slots=True)
class RatioPlan:
    """The ratio of one band, as the text states it and as changed."""

    wording: Wording[tuple[Band, ...]]
    text: Fraction  #: as the band says
    changes: tuple[Changed, ...]
    fixed: Fraction
    numerator: int  #: register, over the fund's denominator


@dataclass(frozen=True, slots=True)
class BandPlan:
    """One band of one fund."""

    band: Band
    ratio: RatioPlan
    part: int  #: register: fen of the axis inside the band


@dataclass(frozen=True, slots=True)
class CapPlan:
    """One cap of one fund."""

    name: str
    wording: Wording[Cap]
    room: int  #: register: what is left of it
    used: int  #: register
    whole: Fraction | None  #: fen; None: a fact (a balance)


@dataclass(frozen=True, slots=True)
class DeductiblePlan:
    """The deductible of one fund."""

    wording: Wording[Deductible]
    text: Fraction  #: fen, as the wording says, indexes worked out
    changes: tuple[Changed, ...]
    whole: int  #: register: due for the whole year or visit, changed
    used: int  #: register: of that taken before in the year
    times: int  #: register: how often it is due (each so many days)
    earlier: int  #: register: taken in an earlier part of the same stay
    due: int  #: register: due now
    taken: int  #: register: as far as the base reaches


@dataclass(frozen=True, slots=True)
class FundPlan:
    """One fund of one plan: its wordings, and the registers its figures lie in."""

    fund: Fund
    applies: Wording[bool]
    base_text: Wording[Base]
    base_terms: tuple[tuple[int, str, int], ...]  #: sign, figure, register
    sum: int  #: plus less minus
    base: int  #: weighted
    entered: int  #: as far as caps on the scope let it in
    deductible: DeductiblePlan | None
    taken: int  #: the deductible as taken; zero without one
    start: int  #: where this bill begins on the axis
    end: int
    before: int  #: where the year stood (X0 or B)
    bands: tuple[BandPlan, ...]
    denominator: int
    least: Wording[AtLeast] | None
    least_due: int
    caps: tuple[CapPlan, ...]
    due: int  #: by the bands and the guarantee
    paid: int
    over_cap: int
    counts: Wording[Counts] | None
    rounding: RoundingRule


@dataclass(frozen=True, slots=True)
class Denied:
    """No benefit of the pack speaks for such a bill."""

    facts: Mapping[str, str | int]


@dataclass(slots=True)
class Plan:
    """What is worked out for every bill with the same key."""

    ops: tuple[Op, ...]
    lines: LineRule
    outputs: tuple[int, ...]  #: by `Program.names`
    funds: tuple[FundPlan, ...]
    figures: Mapping[str, int]
    moves: Mapping[str, int]  #: register added to each accumulator
    chosen: Choice
    run: Bare
    _traced: Traced | None = None

    @property
    def trace(self) -> Traced:
        """The same line with every register and every line's parts returned."""
        if self._traced is None:
            self._traced = traced(self.ops, self.lines)
        return self._traced
