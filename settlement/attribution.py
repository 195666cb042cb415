"""Why the centre's figures differ from ours: the usual suspects, each one tried.

A suspect is a fact the centre may hold otherwise: the balance of the account, the
class or own ratio of a line, its price limit, its approval, how the year stands, the
person's status. Each is changed as the centre's figures suggest, and the bill is split
again. A suspect that brings every figure to the fen is named as the cause; otherwise
those are named that explain at least one of the differing figures without spoiling
another. Nothing is concluded from likeness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction

from settlement.claim import Claim, FeeLine, ItemClass
from settlement.engine import program_of, settle
from settlement.errors import SettlementError
from settlement.lowering import bill_of
from settlement.money import FEN_PER_YUAN, Money
from settlement.numerals import percent
from settlement.plan import Denied
from settlement.policy import Pack
from settlement.split import SettledAmounts, Split

_AMOUNTS = tuple(
    field.name
    for field in fields(SettledAmounts)
    if field.name not in {"pooled_ratio_bp", "account_balance"}
)
#: The accumulators that the year's other visits move.
_YEAR = (
    "deductible_paid",
    "pooled_inpatient_paid",
    "pooled_outpatient_paid",
    "compliant_own_pay",
    "critical_illness_paid",
    "medical_aid_paid",
)
#: Where the amounts of a bill differ too far, trying every line is no help.
_MOST_LINES = 200


@dataclass(frozen=True, slots=True)
class Suspect:
    """One fact the centre seems to hold otherwise."""

    kind: str  #: balance, class, own_ratio, price_limit, approval, accumulator, status
    line_no: int  #: 0: about the whole bill
    ours: str
    centres: str
    explains: tuple[str, ...]  #: the differing amounts it brings to the fen
    whole: bool  #: it explains all of them


@dataclass(frozen=True, slots=True)
class _Trial:
    kind: str
    line_no: int
    ours: str
    centres: str
    claim: Claim


def attribute(
    claim: Claim,
    pack: Pack,
    centre: SettledAmounts,
    centre_lines: Mapping[int, tuple[Money, Money, Money]] | None = None,
) -> tuple[Suspect, ...]:
    """Name what the centre seems to hold otherwise; the best explanation first.

    Args:
        claim: the bill as we split it.
        pack: the pack we split it under.
        centre: the centre's amounts.
        centre_lines: by line, what the centre says of it: full own pay, above the
            price limit, upfront. Only the lines that differ are suspected then.

    Returns:
        Nothing where the figures agree or no suspect explains a difference.
    """
    outcome = settle(claim, pack)
    if not isinstance(outcome, Split):
        return ()
    ours = SettledAmounts.of(outcome)
    differ = [name for name in _AMOUNTS if getattr(ours, name) != getattr(centre, name)]
    if not differ:
        return ()
    suspected = _suspected(claim, outcome, centre_lines)
    found = []
    capped = _capped(claim, pack, centre)
    for trial in _trials(claim, ours, centre, suspected, capped):
        explained = _explained(trial.claim, pack, ours, centre, differ)
        if explained:
            found.append(
                Suspect(
                    trial.kind,
                    trial.line_no,
                    trial.ours,
                    trial.centres,
                    explained,
                    whole=len(explained) == len(differ),
                )
            )
    found.sort(key=lambda suspect: -len(suspect.explains))
    whole = [suspect for suspect in found if suspect.whole]
    return tuple(whole or found)


def _explained(
    claim: Claim,
    pack: Pack,
    ours: SettledAmounts,
    centre: SettledAmounts,
    differ: list[str],
) -> tuple[str, ...]:
    """Say which differing amounts come out as the centre's, if none is spoilt."""
    try:
        outcome = settle(claim, pack)
    except SettlementError:
        return ()
    if not isinstance(outcome, Split):
        return ()
    amounts = SettledAmounts.of(outcome)
    for name in _AMOUNTS:
        agreed = getattr(ours, name) == getattr(centre, name)
        if agreed and getattr(amounts, name) != getattr(centre, name):
            return ()
    return tuple(
        name for name in differ if getattr(amounts, name) == getattr(centre, name)
    )


def _suspected(
    claim: Claim,
    split: Split,
    centre_lines: Mapping[int, tuple[Money, Money, Money]] | None,
) -> tuple[FeeLine, ...]:
    if centre_lines is None:
        return claim.lines if len(claim.lines) <= _MOST_LINES else ()
    ours: dict[int, dict[str, Money]] = {}
    for part in split.parts:
        ours.setdefault(part.line_no, {})[part.part.value] = part.amount
    names = ("uncovered", "over_price_limit", "upfront_share")
    return tuple(
        line
        for line in claim.lines
        if line.line_no in centre_lines
        and tuple(ours.get(line.line_no, {}).get(n, Money.ZERO) for n in names)
        != centre_lines[line.line_no]
    )


def _trials(
    claim: Claim,
    ours: SettledAmounts,
    centre: SettledAmounts,
    suspected: tuple[FeeLine, ...],
    capped: Mapping[str, Money],
) -> Iterator[_Trial]:
    yield from _balance(claim, ours, centre)
    for line in suspected:
        yield from _line_trials(claim, line, ours, centre)
    yield from _year_trials(claim, ours, centre, capped)
    yield from _status_trials(claim)


def _balance(
    claim: Claim, ours: SettledAmounts, centre: SettledAmounts
) -> Iterator[_Trial]:
    if ours.account_pay == centre.account_pay:
        return
    now = centre.account_pay + centre.account_balance
    insured = replace(claim.insured, account_balance=now, use_account=True)
    held = claim.insured.account_balance
    yield _Trial("balance", 0, str(held), str(now), replace(claim, insured=insured))
    if claim.insured.use_account:
        without = replace(claim.insured, use_account=False)
        asked = replace(claim, insured=without)
        yield _Trial("balance", 0, str(held), "0.00", asked)


def _line_trials(
    claim: Claim, line: FeeLine, ours: SettledAmounts, centre: SettledAmounts
) -> Iterator[_Trial]:
    def with_line(changed: FeeLine) -> Claim:
        lines = tuple(changed if old is line else old for old in claim.lines)
        return replace(claim, lines=lines)

    number = line.line_no
    for other in ItemClass:
        if other is not line.item_class:
            changed = replace(line, item_class=other, restriction_unmet=False)
            yield _Trial(
                "class", number, line.item_class.value, other.value, with_line(changed)
            )
    if line.restriction_unmet or line.item_class is not ItemClass.C:
        flipped = replace(line, restriction_unmet=not line.restriction_unmet)
        said = ("no", "yes") if line.restriction_unmet else ("yes", "no")
        yield _Trial("approval", number, *said, with_line(flipped))
    more = centre.over_price_limit - ours.over_price_limit
    if more and line.quantity:
        yield from _limit_trials(line, more, with_line)
    upfront = centre.upfront_share - ours.upfront_share
    if upfront and line.amount:
        yield from _ratio_trials(line, upfront, with_line)


def _limit_trials(
    line: FeeLine, more: Money, with_line: Callable[[FeeLine], Claim]
) -> Iterator[_Trial]:
    """Try the limit per unit under which this line alone would be *more* above it."""
    held = "" if line.price_limit is None else str(line.price_limit)
    over = Money.ZERO
    if line.price_limit is not None:
        limit = Money.rounded(line.price_limit * line.quantity * FEN_PER_YUAN)
        over = max(line.amount - limit, Money.ZERO)
    left = line.amount - over - more
    if left.fen < 0 or over + more < Money.ZERO:
        return
    price = Fraction(left.fen, FEN_PER_YUAN) / line.quantity
    limit_now = None if over + more == Money.ZERO else price
    changed = replace(line, price_limit=limit_now)
    shown = "" if limit_now is None else str(left)
    yield _Trial("price_limit", line.line_no, held, shown, with_line(changed))


def _ratio_trials(
    line: FeeLine, upfront: Money, with_line: Callable[[FeeLine], Claim]
) -> Iterator[_Trial]:
    """Try the whole-percent own ratios that move this line's share so far."""
    held = "" if line.upfront_ratio is None else percent(line.upfront_ratio)
    for hundredths in range(101):
        ratio = Fraction(hundredths, 100)
        if ratio == line.upfront_ratio:
            continue
        step = abs(line.amount.share(ratio).fen - abs(upfront.fen))
        # Only ratios near the one that would do: the engine decides to the fen.
        if line.upfront_ratio is None or step <= line.amount.fen:
            changed = replace(line, upfront_ratio=ratio)
            yield _Trial(
                "own_ratio", line.line_no, held, percent(ratio), with_line(changed)
            )


def _capped(claim: Claim, pack: Pack, centre: SettledAmounts) -> dict[str, Money]:
    """Say how each accumulator would stand if a cap had left what the centre paid."""
    program = program_of(pack)
    plan = program.plan(bill_of(claim, program))
    if isinstance(plan, Denied):
        return {}
    found = {}
    for fund in plan.funds:
        paid: Money = getattr(centre, fund.fund.payer.value, Money.ZERO)
        for cap in fund.caps:
            used = cap.wording.value.used
            if cap.whole is not None and len(used) == 1:
                found[used[0]] = Money.rounded(cap.whole) - paid
    return found


def _year_trials(
    claim: Claim,
    ours: SettledAmounts,
    centre: SettledAmounts,
    capped: Mapping[str, Money],
) -> Iterator[_Trial]:
    """Try how the year may stand: the deductible used up, another admission, none."""
    before = claim.before
    shift = {
        "deductible_paid": ours.deductible - centre.deductible,
        "pooled_inpatient_paid": ours.pooled_fund - centre.pooled_fund,
        "pooled_outpatient_paid": ours.pooled_fund - centre.pooled_fund,
        "critical_illness_paid": ours.critical_illness_fund
        - centre.critical_illness_fund,
        "medical_aid_paid": ours.medical_aid - centre.medical_aid,
    }
    for name in _YEAR:
        held = before.amount(name)
        tried = {Money.ZERO, held + shift.get(name, Money.ZERO)}
        tried |= {capped[name]} if name in capped else set()
        tried -= {held}
        for now in sorted(tried):
            if now >= Money.ZERO:
                changed = replace(before, **{name: now})  # type: ignore[arg-type] # an amount by its name
                yield _Trial(
                    f"accumulator:{name}",
                    0,
                    str(held),
                    str(now),
                    replace(claim, before=changed),
                )
    for step in (-1, 1):
        admissions = before.admissions + step
        if admissions >= 0:
            changed = replace(before, admissions=admissions)
            yield _Trial(
                "accumulator:admissions",
                0,
                str(before.admissions),
                str(admissions),
                replace(claim, before=changed),
            )


def _status_trials(claim: Claim) -> Iterator[_Trial]:
    insured = claim.insured
    if insured.assistance:
        said = ", ".join(sorted(kind.value for kind in insured.assistance))
        without = replace(insured, assistance=frozenset())
        yield _Trial("status", 0, said, "none", replace(claim, insured=without))
    if insured.category is None:
        other = replace(insured, retired=not insured.retired)
        said_now = "active" if insured.retired else "retired"
        said = "retired" if insured.retired else "active"
        yield _Trial("status", 0, said, said_now, replace(claim, insured=other))
