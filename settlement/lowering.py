"""A claim as whole numbers and words: what a pack's program takes apart.

A bill is a mapping of facts (`facts_of` lists them) with its ``lines``; each line has
``amount`` and ``limit`` in fen, ``ratio`` in parts of `LINE_SCALE` and the ``sort``
its program knows it by. The same shape comes from a journal or a Parquet file.
"""

from __future__ import annotations

from collections.abc import Mapping

from settlement.claim import AMOUNTS, Accumulators, Claim, FeeLine, ItemClass
from settlement.errors import ClaimError
from settlement.money import Money, line_amount
from settlement.pack_program import UNMET, Program
from settlement.policy import NONE, Pack
from settlement.program import ABSENT, LINE_SCALE

_YES, _NO = "yes", "no"


def check_claim(claim: Claim, pack: Pack) -> None:
    """Refuse a claim that contradicts itself.

    Raises:
        ClaimError: no lines, an amount that is not price x quantity, a negative
            amount, a ratio outside 0..1, or accumulators of another insured year.
    """
    if not claim.lines:
        where = "The bill"
        raise ClaimError(where, "it has no lines")
    year = pack.year_of(claim.visit.on)
    if claim.before.year != year:
        where = "The year so far"
        problem = f"it is of {claim.before.year}, the visit of {year}"
        raise ClaimError(where, problem)
    check_lines(claim.lines)


def check_lines(lines: tuple[FeeLine, ...]) -> None:
    """Refuse lines that contradict themselves, each by its number.

    Raises:
        ClaimError: see `check_claim`.
    """
    seen: set[int] = set()
    for line in lines:
        _check_line(line)
        if line.line_no in seen:
            where = f"Line {line.line_no}"
            raise ClaimError(where, "the line number occurs twice")
        seen.add(line.line_no)


def _check_line(line: FeeLine) -> None:
    where = f"Line {line.line_no} ({line.item_code})"
    # Numerators, not fractions: every bill of 40 lines comes by here 40 times.
    if line.unit_price.numerator < 0 or line.quantity.numerator < 0:
        raise ClaimError(where, "price and quantity must not be negative")
    due = line_amount(line.unit_price, line.quantity)
    if line.amount.fen != due.fen:
        problem = f"the amount {line.amount} is not price x quantity = {due}"
        raise ClaimError(where, problem)
    own = line.upfront_ratio
    if own is not None:
        if not 0 <= own.numerator <= own.denominator:
            raise ClaimError(where, "the upfront ratio must lie between 0 and 1")
        if LINE_SCALE % own.denominator:
            raise ClaimError(where, "the upfront ratio has more than six decimals")
    if line.price_limit is not None and line.price_limit.numerator < 0:
        raise ClaimError(where, "the price limit must not be negative")


def bill_of(claim: Claim, program: Program) -> dict[str, object]:
    """Write *claim* as the bill that *program* takes apart."""
    bill: dict[str, object] = {**facts_of(claim, program.pack)}
    bill["lines"] = [line_of(line, program) for line in claim.lines]
    return bill


def line_of(line: FeeLine, program: Program) -> dict[str, int | str]:
    """Write one line: amount, limit, own ratio and sort."""
    item_class = UNMET if line.restriction_unmet else line.item_class.value
    if line.item_class is ItemClass.C:
        item_class = line.item_class.value
    limit = ABSENT
    if line.price_limit is not None:
        limit = line_amount(line.price_limit, line.quantity).fen
    ratio = ABSENT
    if line.upfront_ratio is not None:
        own = line.upfront_ratio
        ratio = own.numerator * LINE_SCALE // own.denominator
    return {
        "amount": line.amount.fen,
        "limit": limit,
        "ratio": ratio,
        "sort": program.sort(item_class, line.group, line.cause.value),
    }


def facts_of(claim: Claim, pack: Pack) -> dict[str, str | int]:
    """List what a pack may ask about visit, person and year; words and whole numbers.

    ``on`` and ``known`` are ordinal days, amounts are fen.
    """
    visit, insured, before = claim.visit, claim.insured, claim.before
    facts: dict[str, str | int] = {
        "on": visit.on.toordinal(),
        "known": 0 if visit.known_on is None else visit.known_on.toordinal(),
        "kind": visit.kind.value,
        "tier": visit.hospital.ratio_tier.value,
        "deductible_tier": visit.hospital.deductible_tier.value,
        "place": pack.place(insured.region, visit.hospital.region).value,
        "filing": visit.filing.value,
        "person": insured.person.value,
        "assistance": _assistance(claim, pack),
        "supplement": insured.supplement.value,
        "accident": _YES if visit.accident else _NO,
        "disease": visit.disease or NONE,
        "premium": insured.premium or NONE,
        "signed": _YES if insured.signed else _NO,
        "admission": before.admissions + (not visit.carried_on),
        "age": insured.age_years,
        "insured_months": insured.insured_months,
        "days": visit.days,
        "deductible_taken": visit.deductible_taken.fen,
        "account_balance": max(insured.account_balance.fen, 0),
        "family_balance": max(insured.family_balance.fen, 0),
    }
    if not insured.use_account:
        facts["account_balance"] = facts["family_balance"] = 0
    for name in AMOUNTS:
        facts[name] = before.amount(name).fen
    for name in pack.tallies:
        facts[name] = before.amount(stamped(name, claim)).fen
    return facts


def _assistance(claim: Claim, pack: Pack) -> str:
    """Name the one class that counts: the first of the pack's order."""
    held = {kind.value for kind in claim.insured.assistance}
    return next((name for name in pack.assistance_order if name in held), NONE)


def stamped(name: str, claim: Claim) -> str:
    """Name a tally of the day or month by its day or month: ``x@2026-11``."""
    base, at, period = name.partition("@")
    if not at:
        return name
    on = claim.visit.on
    return f"{base}@{on:%Y-%m}" if period == "month" else f"{base}@{on:%Y-%m-%d}"


def moved(
    before: Accumulators, claim: Claim, moves: Mapping[str, int], *, admitted: bool
) -> Accumulators:
    """Carry the year forward (累计信息) by what one settlement moved, in fen."""
    amounts = {
        name: getattr(before, name) + Money(moves.get(name, 0)) for name in AMOUNTS
    }
    tallies = dict(before.tallies)
    for name, fen in moves.items():
        if name not in amounts and fen:
            key = stamped(name, claim)
            tallies[key] = tallies.get(key, Money.ZERO) + Money(fen)
    return Accumulators(
        year=before.year,
        admissions=before.admissions + admitted,
        tallies=tallies,
        **amounts,
    )
