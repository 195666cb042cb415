"""Clearing periods (清算期): the month a posting belongs to, and what a month comes to.

A settlement belongs to the month of the centre's settlement time. Once a month is
closed nothing posts into it: a refund that comes later goes into the next open month,
with the month it corrects beside it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from settlement.ledger import Account, Posting
from settlement.money import Money

_PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_DECEMBER = 12


def is_period(text: str) -> bool:
    """Say whether *text* names a month, as in ``2026-11``."""
    return _PERIOD.fullmatch(text) is not None


def period_of(day: dt.date) -> str:
    """Return the month of a day of the centre's.

    >>> period_of(dt.date(2026, 11, 24))
    '2026-11'
    """
    return f"{day.year:04d}-{day.month:02d}"


def period_after(period: str) -> str:
    """Return the month after *period*.

    >>> period_after("2026-12")
    '2027-01'
    """
    year, month = int(period[:4]), int(period[5:])
    return f"{year + month // _DECEMBER:04d}-{month % _DECEMBER + 1:02d}"


def open_period(wanted: str, closed: Collection[str]) -> str:
    """Return *wanted*, or the first month after it that is not closed."""
    while wanted in closed:
        wanted = period_after(wanted)
    return wanted


@dataclass(frozen=True, slots=True)
class Line:
    """One account of a trial balance (试算平衡表); exactly one side is above zero."""

    account: Account
    debit: Money
    credit: Money


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """What the postings of a month, a day or a shift come to, account by account.

    Raises:
        AssertionError: debits and credits differ, which no posting can bring about.
    """

    period: str
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        if self.debit != self.credit:
            msg = f"{self.period} is off by {self.debit - self.credit}"
            raise AssertionError(msg)

    @property
    def debit(self) -> Money:
        """Return the sum of all debits."""
        return Money.total(line.debit for line in self.lines)

    @property
    def credit(self) -> Money:
        """Return the sum of all credits."""
        return Money.total(line.credit for line in self.lines)


def trial_balance(period: str, postings: Iterable[Posting]) -> TrialBalance:
    """Add legs up by account, in the order of the chart of accounts.

    *period* names what they are of: a month, a day, from when to when.
    """
    sums: Counter[Account] = Counter()
    for posting in postings:
        sums[posting.account] += posting.amount.fen
    lines = tuple(
        Line(account, Money(max(sums[account], 0)), Money(max(-sums[account], 0)))
        for account in Account
        if sums[account]
    )
    return TrialBalance(period, lines)
