"""A stay over the end of the insured year: whole by its last day, or in two parts."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from settlement.claim import Accumulators, Claim, FeeLine, Insured
from settlement.engine import settle
from settlement.money import Money
from settlement.policy import Pack
from settlement.split import Split


def split_at_year_end(
    claim: Claim, pack: Pack, new_year: Accumulators | None = None
) -> tuple[Claim, ...]:
    """Divide a stay where the insured year turned, if the pack divides stays.

    The first part is settled on the last day of its year. The second one is the same
    admission: it is not counted again, and what the first part took of the deductible
    is not taken twice.

    Args:
        claim: the stay; ``before`` is how the year stood in which it began. Lines
            without a day belong to the day of the visit.
        pack: the policy of the last day.
        new_year: how the new year stands; None: nobody has touched it.

    Returns:
        The claim as it is, or its two parts in order.
    """
    on = claim.visit.on
    last_year = pack.year_of(on)
    earlier = tuple(
        line for line in claim.lines if _year(line, claim, pack) < last_year
    )
    if not earlier or not pack.year.on(on).value.split_stays:
        return (claim,)
    turn = _first_day(pack, last_year, on)
    first = replace(
        claim,
        visit=replace(claim.visit, on=turn - dt.timedelta(days=1)),
        lines=earlier,
    )
    later = tuple(line for line in claim.lines if line not in earlier)
    if not later:
        return (first,)
    outcome = settle(first, pack)
    taken = outcome.deductible if isinstance(outcome, Split) else Money.ZERO
    second = replace(
        claim,
        visit=replace(
            claim.visit,
            deductible_taken=claim.visit.deductible_taken + taken,
            carried_on=True,
        ),
        before=new_year or Accumulators(last_year),
        insured=_with_balance(claim, outcome),
        lines=later,
    )
    return first, second


def _with_balance(claim: Claim, outcome: object) -> Insured:
    """Leave the second part what the first one left in the account."""
    if not isinstance(outcome, Split):
        return claim.insured
    return replace(claim.insured, account_balance=outcome.account_balance)


def _year(line: FeeLine, claim: Claim, pack: Pack) -> int:
    return pack.year_of(line.on or claim.visit.on)


def _first_day(pack: Pack, year: int, on: dt.date) -> dt.date:
    starts = pack.year.on(on).value
    return dt.date(year, starts.starts_month, starts.starts_day)
