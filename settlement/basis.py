"""What a fund's amounts are taken of, told: terms, share, limit, the year before.

A fund on the in-scope sum of the bill alone needs no such words. Critical illness, a
supplement or assistance pays on what others left, and a yearly limit on scope lets in
less than the bill holds; where those sums come from is told here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from settlement.money import Money
from settlement.numerals import percent, yuan
from settlement.plan import CapPlan, FundPlan
from settlement.policy import Fund, Measure, Per
from settlement.split import Basis, Reason, Term

Look = Callable[[int], int]  #: what lies in a register

_PLAIN = ((1, "in_scope"),)


def basis_of(
    plan: FundPlan,
    at: Look,
    funds: Mapping[str, Fund],
    threshold: Reason | None = None,
) -> Basis | None:
    """Tell what *plan* pays on; None where it is the in-scope sum and all of it.

    Args:
        plan: the fund.
        at: the figures of the bill.
        funds: the pack's funds by their id, for the names of their figures.
        threshold: what the fund takes off first, where no row of its own says so.
    """
    limit = _limit(plan, at)
    before = Money(at(plan.before))
    named = tuple((sign, figure) for sign, figure, _ in plan.base_terms)
    weight = plan.base_text.value.weight
    plain = named == _PLAIN and weight == 1 and limit is None and not before
    if plain and threshold is None:
        return None
    terms = _terms(plan, at, funds)
    sums = [_added(terms, at(plan.sum))]
    if weight != 1:
        sums.append(_weighted(at(plan.sum), weight, at(plan.base)))
    if limit is not None:
        sums.append(limit.arithmetic)
    told = tuple(each for each in sums if each)
    share = "" if weight == 1 else percent(weight)
    return Basis(terms, share, told, plan.base_text.clause, limit, before, threshold)


def room(cap: CapPlan, at: Look, taken: int = 0) -> str:
    """Write what a cap leaves: the cap, less the year so far, less *taken* of it."""
    used, left = at(cap.used), at(cap.room)
    if not left and used:
        if cap.whole is None or cap.wording.value.per is Per.DAY:
            return "0.00"
        return f"max({Money.rounded(cap.whole)} - {Money(used)}, 0.00)"
    steps = [left + used, *(fen for fen in (used, taken) if fen)]
    return " - ".join(str(Money(fen)) for fen in steps)


def _terms(plan: FundPlan, at: Look, funds: Mapping[str, Fund]) -> tuple[Term, ...]:
    """Name the figures that are not nothing; the first one where all are."""
    told = []
    for sign, name, register in plan.base_terms:
        owner, _, figure = name.partition(".")
        fund = funds.get(owner) if figure else None
        amount = Money(at(register))
        if fund is None:
            told.append(Term(sign, name, amount))
        else:
            told.append(Term(sign, figure, amount, fund.name, fund.name_en))
    return tuple(term for term in told if term.amount) or tuple(told[:1])


def _added(terms: tuple[Term, ...], total: int) -> str:
    """Write the sum of the terms; nothing for a single one."""
    first, *others = terms
    if not others and first.sign > 0:
        return ""
    text = str(first.amount) if first.sign > 0 else f"0.00 - {first.amount}"
    for term in others:
        text += f" {'+' if term.sign > 0 else '-'} {term.amount}"
    if sum(term.sign * term.amount.fen for term in terms) < 0:
        text = f"max({text}, 0.00)"
    return f"{text} = {Money(total)}"


def _weighted(total: int, weight: Fraction, base: int) -> str:
    exact = total * weight
    text = f"{Money(total)} x {percent(weight)} = {yuan(exact)}"
    return text if exact == base else f"{text} -> {Money(base)}"


def _limit(plan: FundPlan, at: Look) -> Reason | None:
    """Tell the tightest cap on the scope, where it lets in less than there is."""
    base, entered = at(plan.base), at(plan.entered)
    caps = [cap for cap in plan.caps if cap.wording.value.measure is Measure.SCOPE]
    if entered == base or not caps:
        return None
    cap = min(caps, key=lambda each: at(each.room))
    entering = Money(entered)
    return Reason(
        "scope_cap",
        str(entering) if cap.whole is None else yuan(cap.whole),
        f"min({Money(base)}, {room(cap, at)}) = {entering}",
        cap.wording.clause,
        (),
        plan.fund.name,
        plan.fund.name_en,
    )
