"""What the centre works out for a message: its own classes, pack and accumulators.

Nothing the terminal says about a fee is trusted but code, price, quantity and amount.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from settlement.catalogue import Known
from settlement.centre import persons
from settlement.centre.book import Page
from settlement.centre.port import (
    CentreSettlement,
    Certificate,
    Coverage,
    Person,
    age_on,
)
from settlement.centre.records import FundShare
from settlement.centre.refusal import Refusal
from settlement.claim import (
    Accumulators,
    Claim,
    FeeLine,
    Hospital,
    Insurance,
    Insured,
    Visit,
    VisitKind,
)
from settlement.money import Money
from settlement.split import (
    LinePart,
    Outcome,
    Part,
    Payer,
    Refused,
    SettledAmounts,
    Split,
)

OUT_OF_HOSPITAL = frozenset({VisitKind.OUTPATIENT, VisitKind.PHARMACY})

#: 清算类别 by kind of care (HN dictionary; births are cleared with inpatient care).
CLEARING_TYPE = {
    VisitKind.OUTPATIENT: "11",
    VisitKind.PHARMACY: "41",
    VisitKind.INPATIENT: "21",
    VisitKind.BIRTH_NATURAL: "21",
    VisitKind.BIRTH_CAESAREAN: "21",
}

#: 基金支付类型 by insurance and payer (HN dictionary). The pool of outpatient care
#: has its own code. 其他支出 has none of its own; 优抚 stands for it here.
FUND_CODE = {
    (Insurance.EMPLOYEE, Payer.POOLED_FUND): "310100",
    (Insurance.RESIDENT, Payer.POOLED_FUND): "390100",
    (Insurance.EMPLOYEE, Payer.CIVIL_SERVANT_FUND): "320100",
    (Insurance.RESIDENT, Payer.CIVIL_SERVANT_FUND): "320100",
    (Insurance.EMPLOYEE, Payer.EMPLOYER_FUND): "370100",
    (Insurance.RESIDENT, Payer.EMPLOYER_FUND): "370100",
    (Insurance.EMPLOYEE, Payer.CRITICAL_ILLNESS_FUND): "310300",
    (Insurance.RESIDENT, Payer.CRITICAL_ILLNESS_FUND): "390200",
    (Insurance.EMPLOYEE, Payer.LARGE_CLAIM_FUND): "330100",
    (Insurance.RESIDENT, Payer.LARGE_CLAIM_FUND): "390300",
    (Insurance.EMPLOYEE, Payer.MEDICAL_AID): "610100",
    (Insurance.RESIDENT, Payer.MEDICAL_AID): "610100",
    (Insurance.EMPLOYEE, Payer.OTHER_FUND): "610200",
    (Insurance.RESIDENT, Payer.OTHER_FUND): "610200",
    (Insurance.EMPLOYEE, Payer.HOSPITAL): "999996",
    (Insurance.RESIDENT, Payer.HOSPITAL): "999996",
    (Insurance.EMPLOYEE, Payer.ACCOUNT): "310200",
    (Insurance.RESIDENT, Payer.ACCOUNT): "390500",
}
OUTPATIENT_POOL = {Insurance.EMPLOYEE: "310102", Insurance.RESIDENT: "390102"}

FUND_NAME = {
    "310100": "城镇职工基本医疗保险统筹基金",
    "310102": "职工门诊统筹基金",
    "310200": "城镇职工基本医疗保险个人账户基金",
    "310300": "职工大病补助基金",
    "320100": "公务员医疗补助基金",
    "330100": "大额医疗费用补助基金",
    "370100": "企业补充医疗保险基金",
    "390100": "城乡居民基本医疗保险基金",
    "390102": "居民门诊统筹基金",
    "390200": "城乡居民大病医疗保险基金",
    "390300": "城乡居民大病补充保险基金",
    "390500": "居民家庭账户金",
    "610100": "医疗救助基金",
    "610200": "优抚对象医疗补助基金",
    "999996": "医院垫付基金",
}


@dataclass(frozen=True, slots=True)
class AskedLine:
    """One fee line as it came: what the terminal may say of it, and no more."""

    line_no: int
    item_code: str
    own_code: str  #: 医药机构目录编码
    unit_price: Fraction
    quantity: Fraction
    amount: Money
    approved: bool  #: 医院审批标志 1: a restricted item was approved
    days: int | None = None  #: 周期天数, where it was sent


class Policy(Protocol):
    """The engine, the packs and the catalogue, as the centre asks them."""

    def classify(self, asked: AskedLine, hospital: Hospital, known: Known) -> FeeLine:
        """Look the item up in the centre's own catalogue, for this person and day.

        Raises:
            Refusal: price, quantity and amount contradict each other.
        """

    def year_of(self, insurance: Insurance, region: str, on: dt.date) -> int:
        """Name the insured year a day lies in.

        Raises:
            Refusal: no pack is in force there on that day.
        """

    def split_lines(self, claim: Claim) -> tuple[LinePart, ...]:
        """Split only the lines into their four parts, before any benefit.

        Raises:
            Refusal: no pack is in force there on that day.
        """

    def settle(self, claim: Claim) -> Outcome:
        """Split a claim by the pack of the insured region and the day.

        Raises:
            Refusal: no pack is in force there on that day.
        """


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """A settlement or presettlement as asked, at a hospital or a pharmacy alike."""

    certificate: Certificate
    person_id: str
    insurance: Insurance
    insured_region: str
    kind: VisitKind
    on: dt.date
    lines: tuple[FeeLine, ...]
    total_fee: Money
    use_account: bool


@dataclass(frozen=True, slots=True, repr=False)
class Computed:
    """What a settlement comes to at the centre, booked or not."""

    person: Person
    coverage: Coverage
    split: Split
    amounts: SettledAmounts
    shares: tuple[FundShare, ...]


def compute(page: Page, policy: Policy, asked: Asked, hospital: Hospital) -> Computed:
    """Work out what *asked* comes to over the book's own accumulators.

    Raises:
        Refusal: the person, the coverage, the total or the policy stands against it.
    """
    person = holder(page, asked)
    covered = enjoyed(page, person, asked)
    if Money.total(line.amount for line in asked.lines) != asked.total_fee:
        code, sentence = (
            "total-mismatch",
            "医疗费总额与费用明细合计不一致，请核对后重传",
        )
        raise Refusal(code, sentence)
    year = policy.year_of(asked.insurance, covered.region, asked.on)
    before = persons.accumulators(page, person.person_id, asked.insurance, year)
    claim = claim_of(person, covered, asked, hospital, before)
    split = split_or_refuse(policy, claim)
    amounts = SettledAmounts.of(split)
    return Computed(person, covered, split, amounts, fund_shares(asked, split))


def holder(page: Page, asked: Asked) -> Person:
    """Find the person and see that the certificate shown is his.

    Raises:
        Refusal: nobody by that number, or somebody else's certificate.
    """
    person = persons.find_by_certificate(page, asked.certificate)
    if person is None or person.person_id != asked.person_id:
        code, sentence = "holder-mismatch", "就诊凭证与人员编号不符，请重新读卡"
        raise Refusal(code, sentence)
    return person


def enjoyed(page: Page, person: Person, asked: Asked) -> Coverage:
    """Find the coverage that pays, in force and with its pool enjoyed.

    Raises:
        Refusal: not insured there, suspended, or the pool is denied.
    """
    covered = persons.coverage(person, asked.insurance, asked.insured_region)
    if covered is None:
        code, sentence = "not-insured", "该人员在参保地无此险种的参保信息，请核对"
        raise Refusal(code, sentence)
    if not covered.active:
        code, sentence = "coverage-suspended", "参保状态为暂停参保，请到经办机构办理"
        raise Refusal(code, sentence)
    denied = persons.denials(page, person.person_id, asked.insurance, asked.kind)
    reason = denied.get(pool_code(asked.insurance, asked.kind))
    if reason is not None:
        code = "benefit-denied"
        raise Refusal(code, reason)
    return covered


def claim_of(
    person: Person,
    covered: Coverage,
    asked: Asked,
    hospital: Hospital,
    before: Accumulators,
) -> Claim:
    """Put together what the engine needs from what the book knows."""
    return Claim(
        visit=Visit(kind=asked.kind, on=asked.on, hospital=hospital),
        insured=Insured(
            insurance=asked.insurance,
            region=covered.region,
            age_years=age_on(person.birth_date, asked.on),
            category=covered.category,
            supplement=covered.supplement,
            assistance=person.assistance,
            account_balance=covered.account_balance,
            use_account=asked.use_account,
        ),
        before=before,
        lines=asked.lines,
    )


def known_of(person: Person, on: dt.date) -> Known:
    """Say what a catalogue's restrictions may ask of a person."""
    age = age_on(person.birth_date, on)
    return Known(on=on, sex=person.sex or None, age_years=age)


def claim_for_lines(  # noqa: PLR0913, PLR0917 - what a claim is made of
    person: Person,
    covered: Coverage,
    lines: tuple[FeeLine, ...],
    hospital: Hospital,
    visit: tuple[VisitKind, dt.date],
    year: int,
) -> Claim:
    """Put together as much as splitting lines needs: no sums and no account."""
    kind, on = visit
    return Claim(
        visit=Visit(kind=kind, on=on, hospital=hospital),
        insured=Insured(
            insurance=covered.insurance,
            region=covered.region,
            age_years=age_on(person.birth_date, on),
            category=covered.category,
            supplement=covered.supplement,
        ),
        before=Accumulators(year),
        lines=lines,
    )


def split_or_refuse(policy: Policy, claim: Claim) -> Split:
    """Split a claim; a foreseen refusal of the policy becomes the centre's.

    Raises:
        Refusal: the policy has no benefit here.
    """
    outcome = policy.settle(claim)
    if isinstance(outcome, Refused):
        facts = "，".join(outcome.facts.values())
        sentence = f"按参保地政策不予结算（{outcome.code}）{facts}"
        raise Refusal(outcome.code, sentence)
    return outcome


def draft(
    page: Page, asked: Asked, computed: Computed, *, ids: tuple[str, str, str]
) -> CentreSettlement:
    """State what *computed* is as a settlement; ``ids`` are 结算, 就诊 and msgid."""
    settlement_id, visit_id, msgid = ids
    return CentreSettlement(
        settlement_id=settlement_id,
        visit_id=visit_id,
        person_id=asked.person_id,
        msgid=msgid,
        settled_at=page.at,
        amounts=computed.amounts,
        insurance=asked.insurance,
        clearing_type=CLEARING_TYPE[asked.kind],
        clearing_office=computed.coverage.region,
    )


def fund_shares(asked: Asked, split: Split) -> tuple[FundShare, ...]:
    """List every payer but cash that bears something, as setldetail does."""
    payers = [payer for payer in Payer if payer is not Payer.CASH]
    in_scope = split.part(Part.IN_SCOPE)
    shares = []
    for payer in payers:
        amount = split.paid_by(payer)
        if amount:
            code = fund_code(asked.insurance, asked.kind, payer)
            rules = dict.fromkeys(
                charge.reason.rule for charge in split.charges if charge.payer is payer
            )
            note = ",".join(rules)
            shares.append(FundShare(code, FUND_NAME[code], in_scope, amount, note))
    return tuple(shares)


def enjoyable(insurance: Insurance, kind: VisitKind) -> tuple[str, ...]:
    """List the funds that may pay this kind of care, as 2001 checks them."""
    later = (Payer.CRITICAL_ILLNESS_FUND, Payer.MEDICAL_AID)
    return (
        pool_code(insurance, kind),
        *(fund_code(insurance, kind, payer) for payer in later),
    )


def pool_code(insurance: Insurance, kind: VisitKind) -> str:
    """Tell the code of the pool that pays this kind of care."""
    if kind in OUT_OF_HOSPITAL:
        return OUTPATIENT_POOL[insurance]
    return FUND_CODE[insurance, Payer.POOLED_FUND]


def fund_code(insurance: Insurance, kind: VisitKind, payer: Payer) -> str:
    """Tell the code of a payer."""
    if payer is Payer.POOLED_FUND:
        return pool_code(insurance, kind)
    return FUND_CODE[insurance, payer]


def part_of_line(parts: tuple[LinePart, ...], line_no: int, part: Part) -> Money:
    """Read one of the four parts of one line."""
    return Money.total(
        p.amount for p in parts if p.line_no == line_no and p.part is part
    )


def same_parts(ours: SettledAmounts, theirs: tuple[Money, Money, Money, Money]) -> bool:
    """Compare the four amounts 2207 must send back with ours, to the fen."""
    return theirs == (
        ours.uncovered,
        ours.over_price_limit,
        ours.upfront_share,
        ours.in_scope,
    )
