"""A settlement taken back, or settled again under a text that came later.

The newest settlement of a person's year is undone from the snapshot it stored. What
was settled after an older one stood on it: either that is refused, or every later
settlement is worked out again with the pack it used, and the differences are separate
vouchers. History is never edited.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

from settlement.claim import Accumulators, Claim
from settlement.engine import settle
from settlement.money import Money
from settlement.policy import Pack
from settlement.split import Refused, SettledAmounts, Split

#: What an amount of a voucher is named by: the fields of `SettledAmounts`.
_AMOUNTS = tuple(
    field.name
    for field in fields(SettledAmounts)
    if field.name not in {"pooled_ratio_bp", "account_balance"}
)


@dataclass(frozen=True, slots=True)
class Settled:
    """One settlement of a person's insured year, as it was worked out."""

    settlement_id: str
    claim: Claim
    split: Split
    pack: Pack  #: the very version it used


@dataclass(frozen=True, slots=True)
class Voucher:
    """What a settlement would have been, less what it was: a record of its own."""

    settlement_id: str
    differences: dict[str, Money]  #: by field of `SettledAmounts`; only what differs
    refused: Refused | None = None  #: it would not have been settled at all


@dataclass(frozen=True, slots=True)
class Undone:
    """How the year stands without a settlement, and what that changes later."""

    accumulators: Accumulators
    vouchers: tuple[Voucher, ...]


def undo(
    history: Sequence[Settled], settlement_id: str, *, newest_year: int
) -> Undone | Refused:
    """Take one settlement back.

    Args:
        history: all live settlements of the person and year, oldest first.
        settlement_id: the one to take back.
        newest_year: the newest insured year the person has settled in.

    Returns:
        The year without it, or a refusal: the year is closed, or later settlements
        stand on it and the pack does not replay a year.

    Raises:
        KeyError: no settlement of the history has this id.
    """
    place = _place(history, settlement_id)
    taken = history[place]
    if taken.claim.before.year < newest_year:
        return Refused("year-closed", {"year": str(taken.claim.before.year)})
    before, later = taken.split.before, history[place + 1 :]
    if not later:
        return Undone(before, ())
    if not taken.pack.replay_refunds.on(taken.claim.visit.on).value:
        return Refused("refund-not-newest", {"later": str(len(later))})
    return _replayed(later, before, lambda settled: (settled.claim, settled.pack))


def settle_again(
    history: Sequence[Settled],
    pack_for: Callable[[Settled], Pack],
    *,
    known_on: dt.date | None = None,
) -> Undone:
    """Work a year out again under other packs, or with texts that came later.

    Args:
        history: all live settlements of the person and year, oldest first.
        pack_for: the pack each one would be settled with now.
        known_on: texts published after this day are not seen; None: all are.

    Returns:
        The year as it would stand, and a voucher for every settlement that differs.
    """
    if not history:
        msg = "a year without settlements cannot be settled again"
        raise ValueError(msg)

    def asked(settled: Settled) -> tuple[Claim, Pack]:
        visit = replace(settled.claim.visit, known_on=known_on)
        return replace(settled.claim, visit=visit), pack_for(settled)

    return _replayed(history, history[0].split.before, asked)


def _replayed(
    history: Sequence[Settled],
    before: Accumulators,
    asked: Callable[[Settled], tuple[Claim, Pack]],
) -> Undone:
    vouchers = []
    standing = before
    for settled in history:
        claim, pack = asked(settled)
        outcome = settle(replace(claim, before=standing), pack)
        if isinstance(outcome, Refused):
            gone = _negated(SettledAmounts.of(settled.split))
            vouchers.append(Voucher(settled.settlement_id, gone, outcome))
            continue
        standing = outcome.after
        found = differences(
            SettledAmounts.of(settled.split), SettledAmounts.of(outcome)
        )
        if found:
            vouchers.append(Voucher(settled.settlement_id, found))
    return Undone(standing, tuple(vouchers))


def differences(was: SettledAmounts, now: SettledAmounts) -> dict[str, Money]:
    """Return what *now* has more than *was*, amount by amount; equal ones left out."""
    found = {name: getattr(now, name) - getattr(was, name) for name in _AMOUNTS}
    return {name: amount for name, amount in found.items() if amount}


def _negated(amounts: SettledAmounts) -> dict[str, Money]:
    found = {name: -getattr(amounts, name) for name in _AMOUNTS}
    return {name: amount for name, amount in found.items() if amount}


def _place(history: Sequence[Settled], settlement_id: str) -> int:
    for place, settled in enumerate(history):
        if settled.settlement_id == settlement_id:
            return place
    raise KeyError(settlement_id)
