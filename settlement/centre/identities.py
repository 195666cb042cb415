"""The identities an answer about money must keep before it is believed.

Within the amounts (``nhsa.identity_faults``): I1 total = funds + person + hospital,
I2 person = account + cash, I3 the family's account is inside the account, I4 funds =
the sum of the funds, I5 total = the four parts, N2 the deductible is inside what is in
scope. I8 (person = the three parts outside the scope + what the scope leaves) follows
from I1 and I5. Here: I6 the lines' parts sum up to the header's, I9 a cancellation is
the original with every sign turned, under a number of its own on the same visit, N1 the
funds of setldetail without accounts and hospital are the funds in total.

N3 is a warning to the reader, not a check: the hospital's share may be more than what
is in scope. I7 (the balance is what was there less what the account paid) holds unless
somebody else paid from the account in between: it is watched, not held against anyone.

Source: HN V1.1.27 重点说明 of 2101-2207; I5-I9, N1-N3 on anonymised payloads.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from settlement.centre.port import CentreSettlement
from settlement.centre.profile import Profile
from settlement.money import Money
from settlement.nhsa import identity_faults
from settlement.split import SettledAmounts

#: 全自费, 超限价, 先行自付, 符合政策范围 in this order.
Parts = tuple[Money, Money, Money, Money]

#: What a cancellation does not turn: a ratio, and what is left afterwards.
_NOT_TURNED = frozenset({"pooled_ratio_bp", "account_balance"})


@dataclass(frozen=True, slots=True)
class Told:
    """An answer about a settlement, with the lists beside its amounts."""

    settled: CentreSettlement
    funds: tuple[tuple[str, Money], ...] = ()  #: setldetail: 基金支付类型 and amount
    lines: Parts | None = None  #: sums over the lines; None: none were told


def faults(
    told: Told, profile: Profile, *, original: CentreSettlement | None = None
) -> tuple[str, ...]:
    """Name the identities that an answer breaks, to the fen.

    Args:
        told: The answer.
        profile: Tells which rows of setldetail are no fund.
        original: What a cancellation takes back.
    """
    amounts = told.settled.amounts
    found = list(identity_faults(amounts))
    if told.lines is not None and told.lines != parts_of(amounts):
        found.append("I6")
    if original is not None and not _turned(told.settled, original):
        found.append("I9")
    if told.funds and _funds(told.funds, profile) != amounts.fund_total:
        found.append("N1")
    return tuple(found)


def balance_moved(found: SettledAmounts, expected: SettledAmounts) -> bool:
    """Say whether the account was moved by somebody else since *expected* (I7)."""
    return found.account_balance + _own(found) != expected.account_balance + _own(
        expected
    )


def parts_of(amounts: SettledAmounts) -> Parts:
    """Return the four parts of the total."""
    return (
        amounts.uncovered,
        amounts.over_price_limit,
        amounts.upfront_share,
        amounts.in_scope,
    )


def _own(amounts: SettledAmounts) -> Money:
    return amounts.account_pay - amounts.family_account_pay


def _funds(rows: tuple[tuple[str, Money], ...], profile: Profile) -> Money:
    no_fund = (*profile.account_funds, *profile.hospital_funds)
    return Money.total(paid for code, paid in rows if not code.startswith(no_fund))


def _turned(found: CentreSettlement, original: CentreSettlement) -> bool:
    if found.settlement_id == original.settlement_id:
        return False
    if found.visit_id != original.visit_id:
        return False
    return all(
        getattr(found.amounts, field.name) == -getattr(original.amounts, field.name)
        for field in fields(SettledAmounts)
        if field.name not in _NOT_TURNED
    )
