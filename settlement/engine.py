"""A claim and a pack in, who pays what out.

A pure function: the same claim and pack give the same split on every machine for ever.
"""

from __future__ import annotations

from functools import partial
from weakref import WeakKeyDictionary

from settlement.claim import Claim, Place, Tier, VisitKind
from settlement.entitlement import refuse_entitlement
from settlement.lowering import bill_of, check_claim, moved
from settlement.money import Money
from settlement.pack_program import Program
from settlement.plan import Denied, Plan
from settlement.policy import Pack
from settlement.reasons import line_parts, tell
from settlement.split import LinePart, Part, Payer, Refused, Split

_BASIS_POINTS = 10_000
_NO_STAY = frozenset(
    {
        VisitKind.OUTPATIENT,
        VisitKind.PHARMACY,
        VisitKind.CHRONIC,
        VisitKind.SPECIAL,
        VisitKind.DUAL_CHANNEL,
        VisitKind.MATERNITY_CHECK,
    }
)
_PROGRAMS: WeakKeyDictionary[Pack, Program] = WeakKeyDictionary()


def program_of(pack: Pack) -> Program:
    """Return the pack ready to split bills; it keeps what it has worked out."""
    program = _PROGRAMS.get(pack)
    if program is None:
        program = _PROGRAMS[pack] = Program(pack)
    return program


def settle(claim: Claim, pack: Pack) -> Split | Refused:
    """Work out who pays what for *claim* under *pack*.

    Returns:
        The split, or a refusal where the policy has no benefit for this person,
        visit, level or place, or the person does not enjoy it on the day.

    Raises:
        PolicyNotInForceError: the day of the visit is outside the pack's days.
        ClaimError: the claim contradicts itself.
        PackGapError: the pack says nothing, or two things, for such a bill.
    """
    pack.check_in_force(claim.visit.on)
    check_claim(claim, pack)
    if not pack.covers(claim.insured.region, claim.insured.insurance):
        facts = {
            "region": claim.insured.region,
            "insurance": claim.insured.insurance.value,
            "pack": pack.id.name,
        }
        return Refused("not-in-pack", facts)
    refused = refuse_entitlement(claim, pack)
    if refused is not None:
        return refused
    program = program_of(pack)
    bill = bill_of(claim, program)
    plan = program.plan(bill)
    if isinstance(plan, Denied):
        return _denied(program, bill, claim)
    return _split(claim, pack, plan, bill)


def split_lines(claim: Claim, pack: Pack) -> tuple[LinePart, ...]:
    """Split only the lines into their four parts, before any benefit.

    Raises:
        ClaimError: the claim contradicts itself.
        PackGapError: the pack says nothing, or two things, for a line.
    """
    check_claim(claim, pack)
    program = program_of(pack)
    bill = bill_of(claim, program)
    return line_parts(claim, pack, *program.lines_of(bill))


def _split(claim: Claim, pack: Pack, plan: Plan, bill: dict[str, object]) -> Split:
    registers, lines = plan.trace(bill)
    by_payer = dict.fromkeys(Payer, Money.ZERO)
    for fund in plan.funds:
        by_payer[fund.fund.payer] += Money(registers[fund.paid])
    by_payer[Payer.HOSPITAL] += Money(registers[plan.figures["hospital"]])
    cash = Money(registers[plan.figures["cash"]])
    if cash.fen < 0:
        msg = f"{pack.id.name}: the funds were charged more than the bill"
        raise AssertionError(msg)
    by_payer[Payer.CASH] += cash
    moves = {name: registers[register] for name, register in plan.moves.items()}
    return Split(
        by_part={
            Part.UNCOVERED: Money(registers[plan.figures["uncovered"]]),
            Part.OVER_PRICE_LIMIT: Money(registers[plan.figures["over_price_limit"]]),
            Part.UPFRONT_SHARE: Money(registers[plan.figures["upfront_share"]]),
            Part.IN_SCOPE: Money(registers[plan.figures["in_scope"]]),
        },
        by_payer=by_payer,
        deductible=Money(registers[plan.figures["deductible"]]),
        pooled_ratio_bp=_ratio_bp(plan, registers),
        account_balance=claim.insured.account_balance - by_payer[Payer.ACCOUNT],
        before=claim.before,
        after=moved(claim.before, claim, moves, admitted=_admitted(claim)),
        pack=pack.id,
        tell=partial(tell, claim, pack, plan, registers, lines),
    )


def _admitted(claim: Claim) -> bool:
    return claim.visit.kind not in _NO_STAY and not claim.visit.carried_on


def _ratio_bp(plan: Plan, registers: tuple[int, ...]) -> int:
    """Read the ratio of the highest band a benefit reached, in basis points."""
    for fund in plan.funds:
        if not fund.fund.benefit:
            continue
        for band in reversed(fund.bands):
            if registers[band.part]:
                share = registers[band.ratio.numerator] * _BASIS_POINTS
                return (2 * share + fund.denominator) // (2 * fund.denominator)
    return 0


def _denied(program: Program, bill: dict[str, object], claim: Claim) -> Refused:
    """Say what stands in the way: the place, the tier, or the kind of visit."""
    visit = claim.visit
    facts = {
        "kind": visit.kind.value,
        "tier": visit.hospital.ratio_tier.value,
        "pack": program.pack.id.name,
    }

    def has_benefit(**other: str) -> bool:
        return not isinstance(program.plan({**bill, **other}), Denied)

    place = str(bill["place"])
    if place != Place.LOCAL.value and (
        has_benefit(place=Place.LOCAL.value)
        or any(has_benefit(place=Place.LOCAL.value, tier=tier.value) for tier in Tier)
    ):
        unfiled = visit.filing.value == "none"
        facts["away"] = "unfiled" if unfiled else place
        del facts["tier"]
        return Refused("no-benefit-away", facts)
    if any(has_benefit(tier=tier.value) for tier in Tier):
        return Refused("no-benefit-for-tier", facts)
    del facts["tier"]
    return Refused("no-benefit-for-visit-kind", facts)
