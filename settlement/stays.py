"""A stay over the end of the insured year: whole by its last day, or in two parts."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from settlement.claim import Accumulators, Claim, FeeLine, Insured
from settlement.engine import settle
from settlement.money import Money
from settlement.policy import Pack
from settlement.split import Payer, Split


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
    begun = min(line.on for line in earlier if line.on is not None)
    days = min((turn - begun).days, claim.visit.days)
    first = replace(
        claim,
        visit=replace(claim.visit, on=turn - dt.timedelta(days=1), days=days),
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
            days=claim.visit.days - days,
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
    family = outcome.paid_by(Payer.FAMILY_ACCOUNT)
    return replace(
        claim.insured,
        account_balance=outcome.account_balance,
        family_balance=claim.insured.family_balance - family,
    )


def _year(line: FeeLine, claim: Claim, pack: Pack) -> int:
    """Name the insured year of a line, as the text of the last day counts years."""
    day = line.on or claim.visit.on
    starts = _first_day(pack, day.year, claim.visit.on)
    return day.year if day >= starts else day.year - 1


def _first_day(pack: Pack, year: int, on: dt.date) -> dt.date:
    starts = pack.year.on(on).value
    return dt.date(year, starts.starts_month, starts.starts_day)
