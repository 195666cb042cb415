"""Is a pack whole: for every bill it speaks for, exactly one wording of every rule.

Walks every day on which something changes and every combination of the facts that the
pack tells apart, one bill for each stretch between two limits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from itertools import product

from settlement.claim import (
    Category,
    Cause,
    Filing,
    Insurance,
    ItemClass,
    Place,
    Supplement,
    Tier,
    VisitKind,
)
from settlement.policy import NONE, NUMBERS, Fund, Pack, Rule, Wording

Refusal = Callable[[str, str], Exception]
Facts = dict[str, str | int]

_EMPLOYEES = (Category.ACTIVE, Category.RETIRED, Category.FLEXIBLE, Category.UNEMPLOYED)
_RESIDENTS = (Category.RESIDENT, Category.STUDENT, Category.NEWBORN)
_ALL: dict[str, tuple[str, ...]] = {
    "kind": tuple(word.value for word in VisitKind),
    "tier": tuple(word.value for word in Tier),
    "place": tuple(word.value for word in Place),
    "filing": tuple(word.value for word in Filing),
    "supplement": tuple(word.value for word in Supplement),
    "accident": ("no", "yes"),
    "signed": ("no", "yes"),
    "class": (ItemClass.A.value, ItemClass.B.value),
    "cause": tuple(word.value for word in Cause),
}


def check_whole(pack: Pack, refusal: Refusal) -> None:
    """Refuse a pack with a gap or an overlap.

    Raises:
        Exception: what *refusal* makes of the rule's key and the problem, with the
            day and the facts of a bill that nothing, or two things, speak for.
    """
    for day in change_days(pack):
        _check_lines(pack, day, refusal)
        for fund in pack.funds:
            _check_fund(pack, fund, day, refusal)


def change_days(pack: Pack) -> tuple[dt.date, ...]:
    """List the first day of the pack and every later day on which its text changes."""
    days = {pack.since}
    for clause in pack.clauses:
        days.add(clause.since)
        if clause.until is not None and clause.until < dt.date.max:
            days.add(clause.until + dt.timedelta(days=1))
    return tuple(day for day in sorted(days) if pack.in_force(day))


def _check_lines(pack: Pack, day: dt.date, refusal: Refusal) -> None:
    scope = pack.scope
    for rule in (scope.upfront, scope.lane):
        if rule is None:
            continue
        found = rule.in_force(day)
        for facts in every(pack, [found]):
            _one(rule, found, facts, day, refusal, needed=rule is scope.upfront)
    for optional in (scope.prepay, scope.quota):
        if optional is not None:
            found_there = optional.in_force(day)
            for facts in every(pack, [found_there]):
                _one(optional, found_there, facts, day, refusal, needed=False)


def _check_fund(pack: Pack, fund: Fund, day: dt.date, refusal: Refusal) -> None:
    applies = fund.applies.in_force(day)
    needed: list[Rule[object]] = [fund.base, fund.bands]
    optional: list[Rule[object]] = [
        rule
        for rule in (fund.deductible, fund.at_least, fund.counts, *fund.caps.values())
        if rule is not None
    ]
    for rule in (*needed, *optional):
        found = rule.in_force(day)
        for facts in every(pack, [applies, found]):
            if any(wording.when.holds(facts) for wording in applies):
                _one(rule, found, facts, day, refusal, needed=rule in needed)
    for changes in (fund.deductible_changes, fund.ratio_changes):
        if changes is None:
            continue
        rows = changes.in_force(day)
        for facts in every(pack, [applies, rows]):
            orders = [row.value.order for row in rows if row.when.holds(facts)]
            if len(set(orders)) < len(orders):
                problem = (
                    f"an overlap: on {day} two changes have the same place in the "
                    f"order for {_said(facts)}"
                )
                raise refusal(changes.name, problem)


def _one(  # noqa: PLR0913 # a rule, what holds of it, and where to say so
    rule: Rule[object],
    found: Iterable[Wording[object]],
    facts: Facts,
    day: dt.date,
    refusal: Refusal,
    *,
    needed: bool,
) -> None:
    held = sum(wording.when.holds(facts) for wording in found)
    if held > 1:
        problem = f"an overlap: on {day} two wordings hold for {_said(facts)}"
        raise refusal(rule.name, problem)
    if not held and needed:
        problem = f"a gap: on {day} no wording holds for {_said(facts)}"
        raise refusal(rule.name, problem)


def every(pack: Pack, rules: Iterable[Iterable[Wording[object]]]) -> Iterator[Facts]:
    """Walk every combination of the facts that *rules* ask for."""
    words: dict[str, set[str]] = {}
    cuts: dict[str, set[int]] = {}
    for rule in rules:
        for wording in rule:
            for name, allowed in wording.when.words:
                words.setdefault(name, set()).update(allowed)
            for name, least, most in wording.when.numbers:
                cuts.setdefault(name, {0}).add(least)
                if most is not None:
                    cuts[name].add(most + 1)
    names = [*words, *(name for name in NUMBERS if name in cuts)]
    choices: list[tuple[str | int, ...]] = [
        *(_values(pack, name, words[name]) for name in words),
        *(tuple(sorted(cuts[name])) for name in NUMBERS if name in cuts),
    ]
    for chosen in product(*choices):
        yield dict(zip(names, chosen, strict=True))


def _values(pack: Pack, name: str, mentioned: set[str]) -> tuple[str, ...]:
    if name == "person":
        employee = pack.insurance is Insurance.EMPLOYEE
        return tuple(word.value for word in (_EMPLOYEES if employee else _RESIDENTS))
    if name == "assistance":
        return (NONE, *pack.assistance_order)
    if name in _ALL:
        return _ALL[name]
    # A word the pack does not tell apart counts as none.
    return tuple(sorted(mentioned | {NONE}))


def _said(facts: Facts) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items()) or "every bill"
