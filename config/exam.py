"""A pack's exam: its golden cases, each a bill with the figures a clerk would get.

The cases lie beside the pack (``<pack>.cases.toml``). ``[cases]`` states what all of
them share; a ``[[case]]`` states its own. ``expected`` are amounts in yuan by the
names of `SettledAmounts` (what is not named is 0.00), ``after`` are accumulators by
name; ``splits_stays`` and ``replays_the_year`` are what the pack has to say of stays
and refunds on that day; ``refused`` is a refusal's code; ``wrong`` are figures that a
naive reading gives and this pack must not (a negative case).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from config.circumstances import age, flag, of_person, of_visit, yuan
from config.packs import CASES_SUFFIX
from config.toml_table import Table, line_of, read
from settlement.claim import (
    AMOUNTS,
    Accumulators,
    Cause,
    Claim,
    FeeLine,
    Filing,
    Hospital,
    Insured,
    ItemClass,
    Tier,
    Visit,
    VisitKind,
)
from settlement.engine import settle
from settlement.errors import ExplanationWrongError, PackError, SettlementError
from settlement.explain import check
from settlement.money import Money, line_amount
from settlement.policy import Pack
from settlement.split import Refused, SettledAmounts, Split

E = TypeVar("E")

_AMOUNTS = frozenset(field.name for field in fields(SettledAmounts)) - {
    "pooled_ratio_bp"
}


@dataclass(frozen=True, slots=True)
class Case:
    """One golden case."""

    name: str
    claim: Claim
    expected: dict[str, Money] | None
    after: dict[str, Money]
    refused: str
    wrong: dict[str, Money]
    told: dict[str, bool]  #: what the pack says of stays and refunds that day

    @property
    def negative(self) -> bool:
        """True where the case says what must not come out."""
        return bool(self.refused or self.wrong)


def cases_file(path: Path) -> Path:
    """Name the file of golden cases beside a pack."""
    return path.with_name(path.name.removesuffix(".toml") + CASES_SUFFIX)


def read_cases(data: bytes, pack: Pack) -> tuple[Case, ...]:
    """Read a pack's golden cases.

    Raises:
        PackError: names file, line and key of the first thing wrong.
    """
    text = data.decode("utf-8", "replace")

    def refusal(key: str, problem: str) -> PackError:
        line = line_of(text, key)
        file = f"{pack.id.name}{CASES_SUFFIX}"
        return PackError(f"{file}:{line}" if line else file, key, problem)

    top = read(data, refusal)
    shared = top.table("cases")
    cases = tuple(_case(row.over(shared), pack) for row in top.rows("case"))
    top.finish()
    return cases


def exam(pack: Pack, data: bytes) -> tuple[str, ...]:
    """Sit *pack* for its exam; return what it got wrong, a sentence each.

    Raises:
        PackError: the cases cannot be read.
    """
    cases = read_cases(data, pack)
    failures = [failure for case in cases for failure in failures_of(case, pack)]
    if not any(case.negative for case in cases):
        failures.append(
            f"{pack.id.name}: no case says what must not come out (refused, wrong)"
        )
    return tuple(failures)


def failures_of(case: Case, pack: Pack) -> Iterator[str]:
    """Run one case; yield what differs."""
    on = case.claim.visit.on
    for name, due in case.told.items():
        said = (
            pack.year.on(on).value.split_stays
            if name == "splits_stays"
            else pack.replay_refunds.on(on).value
        )
        if said is not due:
            yield f"{case.name}: {name} is {said}, expected {due}"
    try:
        outcome = settle(case.claim, pack)
    except (SettlementError, AssertionError) as error:
        yield f"{case.name}: {error}"
        return
    if isinstance(outcome, Refused):
        if outcome.code != case.refused:
            wanted = case.refused or "a split"
            yield f"{case.name}: refused as {outcome.code}, expected {wanted}"
        return
    if case.refused:
        yield f"{case.name}: settled, expected the refusal {case.refused}"
        return
    yield from _compared(case, outcome)


def _compared(case: Case, split: Split) -> Iterator[str]:
    try:
        check(split)
    except ExplanationWrongError as error:
        yield f"{case.name}: the explanation does not hold: {error}"
    amounts = SettledAmounts.of(split)
    if case.expected is not None:
        for name in sorted(_AMOUNTS - {"account_balance"}):
            due = case.expected.get(name, Money.ZERO)
            found = getattr(amounts, name)
            if found != due:
                yield f"{case.name}: {name} is {found}, expected {due}"
    for name, due in case.after.items():
        found = split.after.amount(name)
        if found != due:
            yield f"{case.name}: {name} stands at {found} after it, expected {due}"
    if case.wrong and all(
        getattr(amounts, name) == amount for name, amount in case.wrong.items()
    ):
        said = ", ".join(f"{name} {amount}" for name, amount in case.wrong.items())
        yield f"{case.name}: {said} came out, which is the naive reading"


def _case(row: Table, pack: Pack) -> Case:
    name = row.text("name")
    row.skip("arithmetic")
    on = row.day("on")
    lines = tuple(
        _line(number, line) for number, line in enumerate(row.rows("lines"), start=1)
    )
    year = row.whole("year") if row.has("year") else pack.year_of(on)
    claim = Claim(_visit(row, on), _insured(row, pack), _before(row, year), lines)
    expected = _amounts(row, "expected", _AMOUNTS) if row.has("expected") else None
    counters = frozenset(AMOUNTS) | frozenset(pack.tallies)
    case = Case(
        name=name,
        claim=claim,
        expected=expected,
        after=_amounts(row, "after", None) if row.has("after") else {},
        refused=row.text("refused") if row.has("refused") else "",
        wrong=_amounts(row, "wrong", _AMOUNTS) if row.has("wrong") else {},
        told={
            name: row.flag(name)
            for name in ("splits_stays", "replays_the_year")
            if row.has(name)
        },
    )
    for counter in case.after:
        if counter.partition("@")[0] not in {c.partition("@")[0] for c in counters}:
            row.refuse("after", f"{counter!r} is no accumulator of this pack")
    if expected is None and not case.refused and not case.wrong:
        row.refuse("expected", "is missing: expected, refused or wrong")
    row.finish()
    return case


def _line(number: int, row: Table) -> FeeLine:
    quantity = row.number("quantity") if row.has("quantity") else Fraction(1)
    price = row.number("amount")
    line = FeeLine(
        line_no=number,
        item_code=f"case-{number}",
        item_name="case",
        item_class=row.word("class", ItemClass),
        unit_price=price,
        quantity=quantity,
        amount=line_amount(price, quantity),
        upfront_ratio=row.ratio("upfront_ratio") if row.has("upfront_ratio") else None,
        price_limit=row.number("price_limit") if row.has("price_limit") else None,
        restriction_unmet=flag(row, "restriction_unmet"),
        group=row.text("group") if row.has("group") else "",
        cause=row.word("cause", Cause) if row.has("cause") else Cause.ILLNESS,
        on=row.day("on") if row.has("on") else None,
    )
    row.finish()
    return line


def _visit(row: Table, on: dt.date) -> Visit:
    tier = row.word("tier", Tier)
    other = row.word("deductible_tier", Tier) if row.has("deductible_tier") else tier
    ordinary = Visit(
        kind=row.word("kind", VisitKind),
        on=on,
        hospital=Hospital(tier, tier, other, row.text("care")),
        filing=row.word("filing", Filing) if row.has("filing") else Filing.NONE,
        accident=flag(row, "accident"),
    )
    return of_visit(row, ordinary)


def _insured(row: Table, pack: Pack) -> Insured:
    ordinary = Insured(
        insurance=pack.insurance,
        region=row.text("insured"),
        age_years=age(row, "age") if row.has("age") else 45,
        account_balance=yuan(row, "balance"),
        use_account=row.flag("use_account") if row.has("use_account") else True,
    )
    return of_person(row, ordinary)


def _before(row: Table, year: int) -> Accumulators:
    admissions = row.whole("admissions") if row.has("admissions") else 0
    stated = _amounts(row, "before", None) if row.has("before") else {}
    return Accumulators.of(year, admissions, stated)


def _amounts(row: Table, key: str, known: frozenset[str] | None) -> dict[str, Money]:
    table = row.table(key)
    names = table.names()
    if known is not None:
        for name in names:
            if name not in known:
                table.refuse(name, f"is not one of {', '.join(sorted(known))}")
    return {name: table.amount(name) for name in names}
