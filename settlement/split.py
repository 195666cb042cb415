"""What comes out of the engine: the sums, and on demand the reason for every fen.

The sums are the engine's. The parts and charges with their reasons are told from the
same figures when somebody asks; that they add up is proved for every settlement by
`settlement.verify`, which shares no code with the engine.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cached_property

from settlement.claim import Accumulators
from settlement.money import Money


class Payer(StrEnum):
    """Who bears a charge."""

    POOLED_FUND = "pooled_fund"  #: 基本医疗保险统筹基金支出 (hifp_pay)
    CIVIL_SERVANT_FUND = "civil_servant_fund"  #: 公务员医疗补助资金支出 (cvlserv_pay)
    EMPLOYER_FUND = "employer_fund"  #: 企业补充医疗保险基金支出 (hifes_pay)
    CRITICAL_ILLNESS_FUND = "critical_illness_fund"  #: 居民大病保险资金支出 (hifmi_pay)
    LARGE_CLAIM_FUND = "large_claim_fund"  #: 职工大额医疗费用补助 (hifob_pay)
    MEDICAL_AID = "medical_aid"  #: 医疗救助基金支出 (maf_pay)
    OTHER_FUND = "other_fund"  #: 其他支出 (oth_pay)
    HOSPITAL = "hospital"  #: 医院负担金额 (hosp_part_amt)
    ACCOUNT = "account"  #: 个人账户支出 (acct_pay)
    FAMILY_ACCOUNT = "family_account"  #: 个人账户共济支付金额 (acct_mulaid_pay)
    CASH = "cash"  #: 个人现金支出 (psn_cash_pay)


FUNDS = (
    Payer.POOLED_FUND,
    Payer.CIVIL_SERVANT_FUND,
    Payer.EMPLOYER_FUND,
    Payer.CRITICAL_ILLNESS_FUND,
    Payer.LARGE_CLAIM_FUND,
    Payer.MEDICAL_AID,
    Payer.OTHER_FUND,
)


class Part(StrEnum):
    """The four disjoint parts of every line."""

    UNCOVERED = "uncovered"  #: 全自费金额 (fulamt_ownpay_amt)
    OVER_PRICE_LIMIT = "over_price_limit"  #: 超限价自费费用 (overlmt_selfpay)
    UPFRONT_SHARE = "upfront_share"  #: 先行自付金额 (preselfpay_amt)
    IN_SCOPE = "in_scope"  #: 符合政策范围金额 (inscp_scp_amt)


@dataclass(frozen=True, slots=True)
class Clause:
    """Where a value comes from: document, place in it, its words, how sure we are."""

    document: str
    article: str
    quote: str
    url: str
    grade: str  #: A public body … E unverified repository (see docs/policy-packs.md)
    since: dt.date  #: in force from
    checked_on: dt.date  #: the day somebody last looked
    published: dt.date = dt.date.min  #: known from: the day the text was given out
    until: dt.date | None = None  #: last day; None: until a newer wording


@dataclass(frozen=True, slots=True)
class Term:
    """One figure of a base, as the pack names it."""

    sign: int  #: 1 or -1
    figure: str  #: ``deductible``, ``paid`` … (`docs/policy-packs.md`)
    amount: Money
    fund: str = ""  #: the fund whose figure it is, Chinese; empty: the bill's own
    fund_en: str = ""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a fund's amounts are taken of, where that takes more than one look.

    ``sums`` leads from the terms to the sum that counts, step by step, in the signs of
    a ``Reason``: ``800.00 + 1200.00 = 2000.00; min(2000.00, 1500.00) = 1500.00``.
    """

    terms: tuple[Term, ...]
    weight: str  #: the share of them that counts, as printed; empty: all
    sums: tuple[str, ...]
    clause: Clause
    limit: Reason | None  #: a cap on what enters, where it bites
    before: Money  #: what earlier bills of the year have entered
    threshold: Reason | None = None  #: what is taken off first; a benefit's has a row


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an amount is what it is.

    ``rule`` is a stable word (``band``, ``deductible`` …), ``value`` the policy value
    as printed (``"65%"``, ``"700.00"``), ``arithmetic`` the sum with its numbers
    (``"(3000.00 - 700.00) x 65% = 1495.00"``) in signs any language reads.
    """

    rule: str
    value: str
    arithmetic: str
    clause: Clause
    because: tuple[Reason, ...] = ()  #: how ``value`` came about, in its order
    fund: str = ""  #: the fund's name in the pack, Chinese
    fund_en: str = ""
    basis: Basis | None = None  #: None: the in-scope sum of the bill, nothing else


@dataclass(frozen=True, slots=True)
class LinePart:
    """A part of one fee line with the reason for it."""

    line_no: int
    part: Part
    amount: Money
    reason: Reason


@dataclass(frozen=True, slots=True)
class Charge:
    """An amount that one payer bears, with the reason for it."""

    payer: Payer
    amount: Money
    reason: Reason


@dataclass(frozen=True, slots=True)
class PackId:
    """Which policy pack computed a split; stored with every settlement."""

    name: str
    version: int
    digest: str  #: SHA-256 of the pack's bytes, hex
    verified: bool  #: False: sample figures, to be said on every screen and receipt


@dataclass(frozen=True, slots=True)
class Told:
    """A split told in full: every amount with its reason."""

    parts: tuple[LinePart, ...]
    charges: tuple[Charge, ...]
    deductible_reason: Reason | None


@dataclass(frozen=True)
class Split:
    """Who pays what for one claim, and why."""

    by_part: Mapping[Part, Money]
    by_payer: Mapping[Payer, Money]
    deductible: Money  #: 实际支付起付线, lies inside in_scope (act_pay_dedc)
    pooled_ratio_bp: int  #: 统筹基金支付比例 in basis points (pool_prop_selfpay)
    account_balance: Money  #: 余额 after the settlement (balc)
    before: Accumulators
    after: Accumulators
    pack: PackId
    tell: Callable[[], Told] = field(repr=False, compare=False)

    @cached_property
    def told(self) -> Told:
        """Every amount with its reason; told once, when first asked for."""
        return self.tell()

    @property
    def parts(self) -> tuple[LinePart, ...]:
        """The parts of the lines with their reasons."""
        return self.told.parts

    @property
    def charges(self) -> tuple[Charge, ...]:
        """What every payer bears, with the reasons; together the whole bill."""
        return self.told.charges

    @property
    def deductible_reason(self) -> Reason | None:
        """Why the deductible is what it is; None where there is none."""
        return self.told.deductible_reason

    def part(self, which: Part) -> Money:
        """Return the sum of one part over all lines."""
        return self.by_part.get(which, Money.ZERO)

    def paid_by(self, payer: Payer) -> Money:
        """Return what *payer* bears."""
        return self.by_payer.get(payer, Money.ZERO)

    @property
    def total_fee(self) -> Money:
        """医疗费总额 (medfee_sumamt)."""
        return Money.total(self.by_part.values())

    @property
    def fund_total(self) -> Money:
        """基金支付总额 (fund_pay_sumamt)."""
        return Money.total(self.paid_by(fund) for fund in FUNDS)

    @property
    def person_total(self) -> Money:
        """个人负担总金额 (psn_part_amt)."""
        return Money.total(
            self.paid_by(payer)
            for payer in (Payer.ACCOUNT, Payer.FAMILY_ACCOUNT, Payer.CASH)
        )

    @property
    def cash_pay(self) -> Money:
        """个人现金支出, what the patient pays now (psn_cash_pay)."""
        return self.paid_by(Payer.CASH)


@dataclass(frozen=True, slots=True)
class Refused:
    """A foreseen refusal: the policy has no benefit here, with the reason to print.

    ``code`` is stable and kebab-case; ``facts`` fill the sentence for the screen.
    """

    code: str
    facts: dict[str, str]
    clause: Clause | None = None


Outcome = Split | Refused


@dataclass(frozen=True, slots=True)
class SettledAmounts:
    """The amounts of a settlement as the centre answered them: the money.

    The same shape carries the local split's sums for comparison; a cancellation
    has every amount negative (I9).
    """

    total_fee: Money
    uncovered: Money
    over_price_limit: Money
    upfront_share: Money
    in_scope: Money
    deductible: Money
    pooled_fund: Money
    pooled_ratio_bp: int
    civil_servant_fund: Money
    employer_fund: Money
    critical_illness_fund: Money
    large_claim_fund: Money
    medical_aid: Money
    other_fund: Money
    fund_total: Money
    person_total: Money
    account_pay: Money
    family_account_pay: Money
    cash_pay: Money
    hospital_share: Money
    account_balance: Money

    def turned(self) -> SettledAmounts:
        """Turn every amount around (I9); ratio and balance are no amounts of it."""
        kept = {"pooled_ratio_bp", "account_balance"}
        names = {one.name for one in fields(self)} - kept
        return replace(self, **{name: -getattr(self, name) for name in names})

    @classmethod
    def of(cls, split: Split) -> SettledAmounts:
        """Read the sums off a local *split*."""
        return cls(
            total_fee=split.total_fee,
            uncovered=split.part(Part.UNCOVERED),
            over_price_limit=split.part(Part.OVER_PRICE_LIMIT),
            upfront_share=split.part(Part.UPFRONT_SHARE),
            in_scope=split.part(Part.IN_SCOPE),
            deductible=split.deductible,
            pooled_fund=split.paid_by(Payer.POOLED_FUND),
            pooled_ratio_bp=split.pooled_ratio_bp,
            civil_servant_fund=split.paid_by(Payer.CIVIL_SERVANT_FUND),
            employer_fund=split.paid_by(Payer.EMPLOYER_FUND),
            critical_illness_fund=split.paid_by(Payer.CRITICAL_ILLNESS_FUND),
            large_claim_fund=split.paid_by(Payer.LARGE_CLAIM_FUND),
            medical_aid=split.paid_by(Payer.MEDICAL_AID),
            other_fund=split.paid_by(Payer.OTHER_FUND),
            fund_total=split.fund_total,
            person_total=split.person_total,
            account_pay=split.paid_by(Payer.ACCOUNT),
            family_account_pay=split.paid_by(Payer.FAMILY_ACCOUNT),
            cash_pay=split.cash_pay,
            hospital_share=split.paid_by(Payer.HOSPITAL),
            account_balance=split.account_balance,
        )
