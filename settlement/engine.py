"""The steps of a settlement in their order: a claim and a pack in, who pays what out.

A pure function: the same claim and pack give the same split on every machine for ever.
"""

from __future__ import annotations

from settlement import rules
from settlement.claim import Claim, VisitKind
from settlement.money import Money
from settlement.policy import Pack
from settlement.split import Charge, Part, Reason, Refused, Split


def settle(claim: Claim, pack: Pack) -> Split | Refused:
    """Work out who pays what for *claim* under *pack*.

    Returns:
        The split with a reason for every amount, or a refusal where the policy has
        no benefit for this person, visit, level or place.

    Raises:
        PolicyNotInForceError: the day of the visit is outside the pack's days.
        ClaimError: the claim contradicts itself.
    """
    on = claim.visit.on
    pack.check_in_force(on)
    rules.check_claim(claim)
    if not pack.covers(claim.insured.region, claim.insured.insurance):
        facts = {
            "region": claim.insured.region,
            "insurance": claim.insured.insurance.value,
            "pack": pack.id.name,
        }
        return Refused("not-in-pack", facts)
    lines = rules.split_lines(claim, pack)
    parts = dict.fromkeys(Part, Money.ZERO)
    for line in lines:
        parts[line.part] += line.amount
    benefit = _pooled_benefit(parts[Part.IN_SCOPE], claim, pack)
    if isinstance(benefit, Refused):
        return benefit
    deductible, deductible_reason, pooled = benefit
    own = rules.own_pay(parts, deductible, pooled.paid)
    compliant = rules.compliant(own, claim, pack)
    critical = rules.pay_critical_illness(compliant, claim, pack)
    critical_paid = _sum(critical)
    aid = rules.pay_medical_aid(compliant, critical_paid, claim, pack)
    account = rules.pay_account(own, critical_paid + _sum(aid), claim, pack)
    charges = (*pooled.charges, *critical, *aid, *account)
    cash = rules.pay_cash(claim.total_fee, charges, pack.cash.on(on).clause)
    moved = {
        "in_scope": parts[Part.IN_SCOPE],
        "deductible": deductible,
        "pooled": pooled.paid,
        "compliant": compliant,
        "critical": critical_paid,
        "aid": _sum(aid),
    }
    return Split(
        parts=lines,
        charges=(*charges, cash),
        deductible=deductible,
        deductible_reason=deductible_reason,
        pooled_ratio_bp=pooled.ratio_bp,
        account_balance=claim.insured.account_balance - _sum(account),
        before=claim.before,
        after=rules.accumulate(claim.before, claim, moved),
        pack=pack.id,
    )


def _pooled_benefit(
    in_scope: Money, claim: Claim, pack: Pack
) -> tuple[Money, Reason | None, rules.Pooled] | Refused:
    """Let the pooled fund pay by the branch of the visit's kind."""
    kind = claim.visit.kind
    if kind is VisitKind.PHARMACY:
        outcome = rules.pay_pharmacy(in_scope, claim, pack)
    elif kind in {VisitKind.BIRTH_NATURAL, VisitKind.BIRTH_CAESAREAN}:
        outcome = rules.pay_birth(in_scope, claim, pack)
    else:
        return _pooled_bands(in_scope, claim, pack)
    if isinstance(outcome, Refused):
        return outcome
    return Money.ZERO, None, outcome


def _pooled_bands(
    in_scope: Money, claim: Claim, pack: Pack
) -> tuple[Money, Reason | None, rules.Pooled] | Refused:
    """Take the deductible and pay the bands, for stays and ordinary outpatients."""
    rate = rules.choose_rate(claim, pack)
    if isinstance(rate, Refused):
        return rate
    deductible, reason = rules.take_deductible(in_scope, rate, claim)
    pooled = rules.pay_pooled(in_scope, deductible, rate, claim, pack)
    return deductible, reason, pooled


def _sum(charges: tuple[Charge, ...]) -> Money:
    return Money.total(charge.amount for charge in charges)
