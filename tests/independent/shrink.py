"""A bill and a pack made as small as they may be while the sides still differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from settlement.claim import AMOUNTS, Claim, Filing, Supplement
from settlement.money import Money
from settlement.policy import Fund, Pack
from tests.independent.random_packs import plain_line

Fails = Callable[[Claim, Pack], bool]
_PLAIN_VISIT: dict[str, Any] = {
    "known_on": None,
    "deductible_taken": Money.ZERO,
    "carried_on": False,
    "accident": False,
    "disease": "",
    "days": 0,
    "filing": Filing.NONE,
}
_PLAIN_PERSON: dict[str, Any] = {
    "account_balance": Money.ZERO,
    "family_balance": Money.ZERO,
    "assistance": frozenset(),
    "supplement": Supplement.NONE,
    "premium": "",
    "registered_on": None,
    "arrears_since": None,
    "paid_back_on": None,
}
#: What a fund may do without.
_OPTIONAL = ("deductible_changes", "ratio_changes", "at_least", "counts", "deductible")
_TRIES = 400


def smallest(claim: Claim, pack: Pack, fails: Fails) -> tuple[Claim, Pack]:
    """Leave out of the pack and of the bill whatever does not matter."""
    tries = 0
    again = True
    while again and tries < _TRIES:
        again = False
        for less_claim, less_pack in _smaller(claim, pack):
            tries += 1
            if _still(fails, less_claim, less_pack):
                claim, pack, again = less_claim, less_pack, True
                break
    return claim, pack


def _still(fails: Fails, claim: Claim, pack: Pack) -> bool:
    try:
        return fails(claim, pack)
    except (ArithmeticError, AssertionError, LookupError, ValueError):
        return False


def _smaller(claim: Claim, pack: Pack) -> Iterator[tuple[Claim, Pack]]:
    for less in _smaller_packs(pack):
        yield claim, less
    for bill in _smaller_claims(claim):
        yield bill, pack


def _smaller_packs(pack: Pack) -> Iterator[Pack]:
    funds = pack.funds
    for number, fund in enumerate(funds):
        yield replace(pack, funds=(*funds[:number], *funds[number + 1 :]))
        for less in _smaller_funds(fund):
            yield replace(pack, funds=(*funds[:number], less, *funds[number + 1 :]))
    for name in ("lane", "prepay", "quota"):
        if getattr(pack.scope, name) is not None:
            nothing: dict[str, Any] = {name: None}
            yield replace(pack, scope=replace(pack.scope, **nothing))
    if pack.entitlement is not None:
        yield replace(pack, entitlement=None)


def _smaller_funds(fund: Fund) -> Iterator[Fund]:
    for name in fund.caps:
        rest = {key: cap for key, cap in fund.caps.items() if key != name}
        yield replace(fund, caps=MappingProxyType(rest))
    for name in _OPTIONAL:
        if getattr(fund, name) is not None:
            nothing: dict[str, Any] = {name: None}
            yield replace(fund, **nothing)


def _smaller_claims(claim: Claim) -> Iterator[Claim]:
    yield from _fewer_lines(claim)
    yield from _plainer(claim)


def _fewer_lines(claim: Claim) -> Iterator[Claim]:
    lines = claim.lines
    for number, line in enumerate(lines):
        if len(lines) > 1:
            yield replace(claim, lines=(*lines[:number], *lines[number + 1 :]))
        plain = plain_line(line.line_no, line.amount.fen)
        if line != plain:
            yield replace(claim, lines=(*lines[:number], plain, *lines[number + 1 :]))
            continue
        for fen in (10_000, 100_000, line.amount.fen // 2):
            if fen < line.amount.fen:
                less = plain_line(line.line_no, fen)
                rest = (*lines[:number], less, *lines[number + 1 :])
                yield replace(claim, lines=rest)


def _plainer(claim: Claim) -> Iterator[Claim]:
    visit, insured, before = claim.visit, claim.insured, claim.before
    for name, value in _PLAIN_VISIT.items():
        if getattr(visit, name) != value:
            yield replace(claim, visit=replace(visit, **{name: value}))
    for name, value in _PLAIN_PERSON.items():
        if getattr(insured, name) != value:
            yield replace(claim, insured=replace(insured, **{name: value}))
    for name in AMOUNTS:
        if getattr(before, name):
            nothing: dict[str, Any] = {name: Money.ZERO}
            yield replace(claim, before=replace(before, **nothing))
    if before.tallies:
        yield replace(claim, before=replace(before, tallies={}))
