"""Suspicious shapes of a pack: warned about, never rewritten.

A text may well say such a thing (a real table pays 65, 75 and 65 %), so nothing is
refused here. Each warning names the rule, what was seen and why it is worth a look.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from settlement.numerals import percent, yuan
from settlement.policy import Fund, Pack, Rule, T_co, Wording

_TIERS = ("township", "primary", "secondary", "tertiary")
#: Band edges are round in every text that was seen; one that is not may be a slip.
_ROUND_FEN = 10_000
_HALF = 2


def warnings(pack: Pack) -> tuple[str, ...]:
    """List what is worth a second look, a sentence each."""
    return tuple(_all(pack))


def _all(pack: Pack) -> Iterator[str]:
    for fund in pack.funds:
        yield from _bands(fund)
        yield from _tiers(fund)
        yield from _deductibles(fund)
        yield from _caps(fund)
    yield from _uncounted(pack)
    yield from _late(pack)
    assumed = len(pack.assumptions)
    if assumed * _HALF > len(pack.clauses):
        yield (
            f"{assumed} of {len(pack.clauses)} clauses are assumptions of this pack: "
            "more than half of it stands in no text"
        )


def _bands(fund: Fund) -> Iterator[str]:
    for wording in fund.bands.wordings:
        for lower, upper in pairwise(wording.value):
            if upper.ratio < lower.ratio:
                yield (
                    f"{fund.bands.name} from {wording.clause.since}: the ratio falls "
                    f"from {percent(lower.ratio)} to {percent(upper.ratio)} at "
                    f"{yuan(upper.low)}"
                )
            if upper.low % _ROUND_FEN:
                yield (
                    f"{fund.bands.name} from {wording.clause.since}: the band edge "
                    f"{yuan(upper.low)} is not round"
                )


def _tiers(fund: Fund) -> Iterator[str]:
    """Warn where a higher hospital level is paid at a higher ratio."""
    by_tier = _by_tier(fund.bands)
    for lower, upper in pairwise(_TIERS):
        for one in by_tier.get(lower, ()):
            for other in by_tier.get(upper, ()):
                if _alike(one, other) and other.value[0].ratio > one.value[0].ratio:
                    yield (
                        f"{fund.bands.name}: {upper} hospitals are paid at "
                        f"{percent(other.value[0].ratio)}, {lower} ones at "
                        f"{percent(one.value[0].ratio)}"
                    )


def _deductibles(fund: Fund) -> Iterator[str]:
    if fund.deductible is None:
        return
    by_tier = _by_tier(fund.deductible)
    for lower, upper in pairwise(_TIERS):
        for one in by_tier.get(lower, ()):
            for other in by_tier.get(upper, ()):
                if _alike(one, other) and other.value.amount.fen < one.value.amount.fen:
                    yield (
                        f"{fund.deductible.name}: it is lower at {upper} hospitals "
                        f"({yuan(other.value.amount.fen)}) than at {lower} ones "
                        f"({yuan(one.value.amount.fen)})"
                    )


def _caps(fund: Fund) -> Iterator[str]:
    """Warn of a cap that holds for some bills only: the others have no limit."""
    if fund.payer.value in {"account", "family_account"}:
        return
    if not fund.caps:
        yield f"fund.{fund.id}: no cap at all; say so by a cap with unlimited = true"
    for rule in fund.caps.values():
        if all(wording.when.names for wording in rule.wordings) and len(fund.caps) == 1:
            asked = sorted({name for w in rule.wordings for name in w.when.names})
            yield (
                f"{rule.name}: it holds under conditions ({', '.join(asked)}); a bill "
                "that meets none of them has no limit"
            )


def _uncounted(pack: Pack) -> Iterator[str]:
    """Warn of an accumulator that is taken off and that no fund of the pack moves."""
    moved = {"scope_entered"}
    for fund in pack.funds:
        for counts in () if fund.counts is None else fund.counts.wordings:
            value = counts.value
            moved |= {*value.base, *value.deductible, *value.paid}
    for fund in pack.funds:
        for name in sorted(_used(fund) - moved):
            yield f"fund.{fund.id}: {name} is taken off, and no fund counts into it"


def _used(fund: Fund) -> set[str]:
    used: set[str] = set()
    for base in fund.base.wordings:
        used |= {*base.value.entered, *base.value.paid}
    for deductible in () if fund.deductible is None else fund.deductible.wordings:
        used |= set(deductible.value.used)
    for rule in fund.caps.values():
        for cap in rule.wordings:
            used |= set(cap.value.used)
    return used


def _late(pack: Pack) -> Iterator[str]:
    """Warn of a text that was given out after its first day."""
    for clause in dict.fromkeys(pack.clauses):
        if clause.published > clause.since:
            yield (
                f"{clause.article}: in force from {clause.since}, given out on "
                f"{clause.published}: bills in between are settled again"
            )


def _by_tier(rule: Rule[T_co]) -> dict[str, list[Wording[T_co]]]:
    found: dict[str, list[Wording[T_co]]] = {}
    for wording in rule.wordings:
        for name, allowed in wording.when.words:
            if name == "tier":
                for tier in allowed:
                    found.setdefault(tier, []).append(wording)
    return found


def _alike(one: Wording[object], other: Wording[object]) -> bool:
    """Say whether two wordings differ in nothing but the tier."""

    def rest(wording: Wording[object]) -> object:
        words = {name: words for name, words in wording.when.words if name != "tier"}
        return words, wording.when.numbers, wording.clause.since

    return one is not other and rest(one) == rest(other)
