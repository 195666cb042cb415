"""What is asked of the engine: a visit, its fee lines, the person and the year so far.

Every amount is what somebody else says; nothing is worked out here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from settlement.money import Money


class Insurance(StrEnum):
    """险种类型 (insutype)."""

    EMPLOYEE = "employee"  #: 职工基本医疗保险
    RESIDENT = "resident"  #: 城乡居民基本医疗保险


class VisitKind(StrEnum):
    """医疗类别 (med_type), as far as this terminal settles it."""

    OUTPATIENT = "outpatient"  #: 普通门诊
    INPATIENT = "inpatient"  #: 普通住院
    PHARMACY = "pharmacy"  #: 定点药店购药
    BIRTH_NATURAL = "birth_natural"  #: 生育平产(居民)
    BIRTH_CAESAREAN = "birth_caesarean"  #: 生育剖宫产(居民)


class Tier(StrEnum):
    """医疗机构级别, as policy texts count it."""

    TOWNSHIP = "township"  #: 乡镇卫生院
    PRIMARY = "primary"  #: 一级
    SECONDARY = "secondary"  #: 二级
    TERTIARY = "tertiary"  #: 三级


class ItemClass(StrEnum):
    """收费项目等级 (chrgitm_lv)."""

    A = "A"  #: 甲类
    B = "B"  #: 乙类
    C = "C"  #: 丙类, and whatever is not in the catalogue


class Filing(StrEnum):
    """异地就医备案: how a visit outside the insured region came about."""

    NONE = "none"  #: 未备案未转诊
    FILED = "filed"  #: 备案或转诊


class Assistance(StrEnum):
    """医疗救助人员类别 (psn_idet_type), as policy texts name them."""

    EXTREME_POVERTY = "extreme_poverty"  #: 特困
    LOW_INCOME_ALLOWANCE = "low_income_allowance"  #: 低保
    REGISTERED_POOR = "registered_poor"  #: 建档立卡


@dataclass(frozen=True, slots=True)
class FeeLine:
    """One line of the bill with what the catalogue says of it.

    ``upfront_ratio`` is 先行自付比例 of this item (None: the pack's for its class);
    ``price_limit`` is 限价 in yuan per unit; ``restriction_unmet`` means that
    限制使用 applies and was not approved, which makes the line full own pay.
    """

    line_no: int
    item_code: str
    item_name: str
    item_class: ItemClass
    unit_price: Fraction
    quantity: Fraction
    amount: Money
    upfront_ratio: Fraction | None = None
    price_limit: Fraction | None = None
    restriction_unmet: bool = False


@dataclass(frozen=True, slots=True)
class Hospital:
    """The institution's three levels (5203: hosp_lv, lmtpric_hosp_lv, dedc_hosp_lv)."""

    ratio_tier: Tier
    price_limit_tier: Tier
    deductible_tier: Tier
    region: str  #: 就医地医保区划, six digits


@dataclass(frozen=True, slots=True)
class Visit:
    """When, where and why care was given; ``on`` is the day that chooses the text."""

    kind: VisitKind
    on: dt.date
    hospital: Hospital
    filing: Filing = Filing.NONE
    accident: bool = False  #: 意外伤害


@dataclass(frozen=True, slots=True)
class Insured:
    """The person as the centre knows him (1101, 2001); never a name or a number."""

    insurance: Insurance
    region: str  #: 参保地医保区划, six digits
    age_years: int
    retired: bool = False
    assistance: frozenset[Assistance] = frozenset()
    account_balance: Money = Money.ZERO
    use_account: bool = True  #: 个人账户使用标志 (acct_used_flag)


@dataclass(frozen=True, slots=True)
class Accumulators:
    """累计信息 of one person, insurance and year before this settlement (5206)."""

    year: int
    admissions: int = 0
    deductible_paid: Money = Money.ZERO
    scope_entered: Money = Money.ZERO
    pooled_inpatient_paid: Money = Money.ZERO
    pooled_outpatient_paid: Money = Money.ZERO
    accident_paid: Money = Money.ZERO
    compliant_own_pay: Money = Money.ZERO
    critical_illness_paid: Money = Money.ZERO
    medical_aid_paid: Money = Money.ZERO


@dataclass(frozen=True, slots=True)
class Claim:
    """Everything the engine needs besides the policy."""

    visit: Visit
    insured: Insured
    before: Accumulators
    lines: tuple[FeeLine, ...] = field(default=())

    @property
    def total_fee(self) -> Money:
        """医疗费总额 (medfee_sumamt)."""
        return Money.total(line.amount for line in self.lines)
