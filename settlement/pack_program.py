"""A pack ready to split bills: the plan for each kind of bill, written when first met.

Which wordings hold depends on a few facts only (day, kind, tier, person …); bills that
share them share a plan. Where a number decides (age, nth admission) the plan holds
for the whole stretch between two limits that the pack names.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from operator import itemgetter

from settlement.claim import Cause
from settlement.compiler import write_plan
from settlement.plan import Choice, Denied, Plan
from settlement.policy import (
    NONE,
    NUMBERS,
    WORDS,
    Amount,
    Change,
    Pack,
    RoundingRule,
)
from settlement.program import (
    ABSENT,
    LINE_SCALE,
    SUMS,
    LineRule,
    LineTrace,
    Sort,
    traced,
)

#: The class of a restricted item without approval, besides 甲 A, 乙 B and 丙 C.
UNMET = "R"
#: Plans kept at once; a site meets a few dozen, random bills some thousands.
_MOST_PLANS = 20_000
_FAR = dt.date.max
#: Nobody insured is older.
_OLDEST = 150


class Program:
    """A pack ready to split bills: one plan for every kind of bill it has met.

    ``groups`` and ``causes`` are the words of lines that the pack tells apart; any
    other word counts as none, so that `sort` names what a plan knows.
    """

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.groups = _line_words(pack, "group")
        self.causes = _line_words(pack, "cause")
        self.names = (
            *SUMS,
            "prepay",
            "hospital",
            "deductible",
            *(fund.id for fund in pack.funds),
            "cash",
        )
        #: Words a pack may make up; another one counts as none.
        self._words = {n: _line_words(pack, n) for n in ("disease", "premium")}
        self._days = _change_days(pack)
        self._keys: dict[tuple[int, int], _Key] = {}

    def sort(self, item_class: str, group: str = "", cause: str = "") -> str:
        """Name the sort of a line as this pack's plans know it."""
        if item_class in {"C", UNMET}:
            return item_class
        if group not in self.groups and cause not in self.causes:
            return item_class
        return _sort(
            item_class,
            group if group in self.groups else "",
            cause if cause in self.causes else "",
        )

    def plan(self, bill: Mapping[str, object]) -> Plan | Denied:
        """Find the plan for a bill's facts, writing it at the first such bill.

        Raises:
            KeyError: the bill lacks a fact that this pack asks for.
            PackGapError: the pack says nothing, or two things, for such a bill.
        """
        key = self._key(bill)
        index = key.words(bill)
        if key.stretches:
            index = (index, *[of(bill) for of in key.stretches])
        found = key.plans.get(index)
        if found is None:
            found = self._written(bill, key)
            if len(key.plans) >= _MOST_PLANS:
                key.plans.clear()
            key.plans[index] = found
        return found

    def split(self, bill: Mapping[str, object]) -> tuple[int, ...] | None:
        """Split one bill into the figures `names`; None where there is no benefit."""
        plan = self.plan(bill)
        return None if isinstance(plan, Denied) else plan.run(bill)

    def key_facts(self) -> tuple[list[tuple[str, list[int] | None]], list[int]]:
        """List the facts that choose a plan, on whatever day.

        Returns:
            Each fact's name with its limits (None: a word), and the ordinal days on
            which something changes.
        """
        names: dict[str, None] = {}
        cuts: dict[str, set[int]] = {}
        for rule in self.pack.rules:
            for wording in rule.wordings:
                names |= {n: None for n, _ in wording.when.words if n in WORDS}
                for name, least, most in wording.when.numbers:
                    cuts.setdefault(name, set()).add(least)
                    if most is not None:
                        cuts[name].add(most + 1)
        if "tier" in names:
            names["deductible_tier"] = None
        for name, steps in _stepwise(self.pack).items():
            cuts.setdefault(name, set()).update(steps)
        facts: list[tuple[str, list[int] | None]] = [(name, None) for name in names]
        return [*facts, *((n, sorted(c)) for n, c in cuts.items())], self._days

    def lines_of(self, bill: Mapping[str, object]) -> tuple[Choice, list[LineTrace]]:
        """Take only the lines apart; no benefit has to speak for the bill."""
        choice = self._choice(bill, self._key(bill))
        rule = self._line_rule(
            choice, self._lanes(choice), choice.one(self.pack.rounding).value
        )
        _, lines = traced((), rule)(bill)
        return choice, lines

    def _key(self, bill: Mapping[str, object]) -> _Key:
        on: int = bill["on"]  # type: ignore[assignment] # an ordinal, by the contract of a bill
        known: int = bill.get("known", 0)  # type: ignore[assignment] # as above
        # No day of knowledge is not an early one: all texts are seen then.
        seen = bisect_right(self._days, known) if known else -1
        epoch = (bisect_right(self._days, on), seen)
        key = self._keys.get(epoch)
        if key is None:
            day = dt.date.fromordinal(on)
            known_day = dt.date.fromordinal(known) if known else None
            key = self._keys[epoch] = _Key(self.pack, epoch, day, known_day)
        return key

    def _choice(self, bill: Mapping[str, object], key: _Key) -> Choice:
        facts: dict[str, str | int] = {
            name: value for name, value in bill.items() if isinstance(value, str | int)
        }
        for name, words in self._words.items():
            if name in facts and facts[name] not in words:
                facts[name] = NONE
        return Choice(self.pack, key.day, key.known, facts, self.groups, self.causes)

    def _written(self, bill: Mapping[str, object], key: _Key) -> Plan | Denied:
        choice = self._choice(bill, key)
        applying = [
            (fund, wordings[0])
            for fund in self.pack.funds
            if (wordings := choice.all(fund.applies))
        ]
        if not any(fund.benefit for fund, _ in applying):
            return Denied(choice.facts)
        rule = self._line_rule(
            choice, self._lanes(choice), choice.one(self.pack.rounding).value
        )
        return write_plan(choice, applying, self.names, rule)

    def _lanes(self, choice: Choice) -> tuple[str, ...]:
        lane = self.pack.scope.lane
        if lane is None:
            return ()
        found = (wording.value for wording in lane.in_force(choice.day, choice.known))
        return tuple(dict.fromkeys(found))

    def _line_rule(
        self, choice: Choice, lanes: tuple[str, ...], rounding: RoundingRule
    ) -> LineRule:
        sorts = {
            name: Sort(ABSENT, own_ratio=False, lane=ABSENT) for name in ("C", UNMET)
        }
        scope = self.pack.scope
        own = choice.one(scope.item_ratio).value
        every_cause = self.causes == {cause.value for cause in Cause}
        causes = (*(() if every_cause else ("",)), *sorted(self.causes))
        for item_class in ("A", "B"):
            for group in ("", *sorted(self.groups)):
                for cause in causes:
                    facts = choice.line(item_class, group, cause)
                    ratio = choice.one(scope.upfront, facts).value
                    lane = choice.maybe(scope.lane, facts)
                    sorts[_sort(item_class, group, cause)] = Sort(
                        int(ratio * LINE_SCALE),
                        own,
                        ABSENT if lane is None else lanes.index(lane.value),
                    )
        how = rounding.how
        return LineRule(sorts, lanes, how.unit_fen, how.mode)


def _sort(item_class: str, group: str, cause: str) -> str:
    return f"{item_class}:{group}:{cause}" if group or cause else item_class


def _line_words(pack: Pack, name: str) -> frozenset[str]:
    return frozenset(
        word
        for rule in pack.rules
        for wording in rule.wordings
        for asked, words in wording.when.words
        if asked == name
        for word in words
        if word != NONE
    )


def _change_days(pack: Pack) -> list[int]:
    """List the days on which anything the pack says begins, ends or becomes known."""
    days = set()
    for clause in pack.clauses:
        days |= {clause.since, clause.published}
        if clause.until is not None and clause.until < _FAR:
            days.add(clause.until + dt.timedelta(days=1))
    return sorted(day.toordinal() for day in days)


class _Key:
    """Which facts choose the wordings on a day, each as coarse as the pack needs it."""

    def __init__(
        self,
        pack: Pack,
        epoch: tuple[int, int],
        day: dt.date,
        known: dt.date | None,
    ) -> None:
        self.epoch = epoch
        self.day = day
        self.known = known
        names: set[str] = set()
        cuts: dict[str, set[int]] = {}
        for rule in pack.rules:
            for wording in rule.in_force(day, known):
                names |= {name for name, _ in wording.when.words}
                for name, least, most in wording.when.numbers:
                    cuts.setdefault(name, set()).add(least)
                    if most is not None:
                        cuts[name].add(most + 1)
        if "tier" in names:
            names.add("deductible_tier")
        for name, steps in _stepwise(pack).items():
            cuts.setdefault(name, set()).update(steps)
        asked = [name for name in (*WORDS, "deductible_tier") if name in names]
        self.words: Callable[[Mapping[str, object]], object] = (
            itemgetter(*asked) if asked else _nothing
        )
        self.stretches: list[Callable[[Mapping[str, object]], object]] = [
            _stretch(name, sorted(cuts[name])) for name in NUMBERS if name in cuts
        ]
        self.plans: dict[object, Plan | Denied] = {}


def _nothing(_bill: Mapping[str, object]) -> object:
    return None


def _stretch(name: str, cuts: list[int]) -> Callable[[Mapping[str, object]], object]:
    def read(bill: Mapping[str, object]) -> object:
        return bisect_right(cuts, bill[name])  # type: ignore[call-overload] # a whole number, by the contract of a bill

    return read


def _stepwise(pack: Pack) -> dict[str, set[int]]:
    """List the numbers at which a value takes its next step, by fact.

    An amount that grows with the insured months steps with them; a ratio that grows
    with age is another one every year.
    """
    steps: dict[str, set[int]] = {}
    amounts: list[Amount | None] = []
    if pack.scope.quota is not None:
        amounts += [wording.value for wording in pack.scope.quota.wordings]
    for fund in pack.funds:
        amounts += [w.value.amount for r in fund.caps.values() for w in r.wordings]
        if fund.deductible is not None:
            amounts += [w.value.amount for w in fund.deductible.wordings]
        changes = () if fund.ratio_changes is None else fund.ratio_changes.wordings
        if any(w.value.change is Change.AGE_POINTS for w in changes):
            steps["age"] = set(range(1, _OLDEST + 1))
    for amount in amounts:
        if amount is not None and amount.growth_months and amount.growth:
            count = math.ceil(amount.growth_most / amount.growth)
            months = steps.setdefault("insured_months", set())
            months |= {amount.growth_months * n for n in range(1, count + 1)}
    return steps
