"""What is asked of the engine: a visit, its fee lines, the person and the year so far.

Every amount is what somebody else says; nothing is worked out here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType

from settlement.money import Money


def _no_tallies() -> Mapping[str, Money]:
    return MappingProxyType({})


class Insurance(StrEnum):
    """险种类型 (insutype)."""

    EMPLOYEE = "employee"  #: 职工基本医疗保险
    RESIDENT = "resident"  #: 城乡居民基本医疗保险


class VisitKind(StrEnum):
    """医疗类别 (med_type), as far as this terminal settles it."""

    OUTPATIENT = "outpatient"  #: 普通门诊
    INPATIENT = "inpatient"  #: 普通住院
    PHARMACY = "pharmacy"  #: 定点药店购药
    CHRONIC = "chronic"  #: 门诊慢性病
    SPECIAL = "special"  #: 门诊特殊病
    DUAL_CHANNEL = "dual_channel"  #: 双通道/国谈药
    MATERNITY_CHECK = "maternity_check"  #: 产前检查
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
    REFERRED = "referred"  #: 转诊, where a text tells it from 备案
    EMERGENCY = "emergency"  #: 急诊抢救
    LONG_TERM = "long_term"  #: 长期异地居住备案


class Place(StrEnum):
    """Where care was given, seen from the insured region."""

    LOCAL = "local"  #: 统筹区内
    IN_PROVINCE = "in_province"  #: 省内异地
    OTHER_PROVINCE = "other_province"  #: 跨省异地


class Category(StrEnum):
    """人员类别 (psn_type), as policy texts tell persons apart."""

    ACTIVE = "active"  #: 在职
    RETIRED = "retired"  #: 退休
    FLEXIBLE = "flexible"  #: 灵活就业
    UNEMPLOYED = "unemployed"  #: 领取失业保险金
    RESIDENT = "resident"  #: 成年居民
    STUDENT = "student"  #: 学生儿童
    NEWBORN = "newborn"  #: 新生儿


#: Who is insured how. Another category beside an insurance is an error somewhere, and
#: no text speaks for such a person.
CATEGORIES_OF: Mapping[Insurance, frozenset[Category]] = MappingProxyType(
    {
        Insurance.EMPLOYEE: frozenset(
            {
                Category.ACTIVE,
                Category.RETIRED,
                Category.FLEXIBLE,
                Category.UNEMPLOYED,
            }
        ),
        Insurance.RESIDENT: frozenset(
            {Category.RESIDENT, Category.STUDENT, Category.NEWBORN}
        ),
    }
)


class Supplement(StrEnum):
    """补充保障: what a person has besides the basic insurance."""

    NONE = "none"
    CIVIL_SERVANT = "civil_servant"  #: 公务员医疗补助
    ENTERPRISE = "enterprise"  #: 企业补充医疗保险


class Cause(StrEnum):
    """What made a line necessary: who has to pay it first (社会保险法第三十条)."""

    ILLNESS = "illness"  #: 疾病
    WORK_INJURY = "work_injury"  #: 工伤
    THIRD_PARTY = "third_party"  #: 第三人责任, and the third party pays
    THIRD_PARTY_UNPAID = "third_party_unpaid"  #: 第三人不支付或无法确定
    MATERNITY = "maternity"  #: 生育


class Assistance(StrEnum):
    """医疗救助人员类别 (psn_idet_type), as policy texts name them."""

    EXTREME_POVERTY = "extreme_poverty"  #: 特困
    LOW_INCOME_ALLOWANCE = "low_income_allowance"  #: 低保
    REGISTERED_POOR = "registered_poor"  #: 建档立卡
    ORPHAN = "orphan"  #: 孤儿
    RETURNED_POOR = "returned_poor"  #: 返贫致贫
    LOW_INCOME_MARGIN = "low_income_margin"  #: 低保边缘
    MONITORED = "monitored"  #: 监测对象(脱贫不稳定、边缘易致贫)
    EXPENSE_POOR = "expense_poor"  #: 支出型困难、因病致贫
    LOW_INCOME = "low_income"  #: 低收入


@dataclass(frozen=True, slots=True)
class FeeLine:
    """One line of the bill with what the catalogue says of it.

    ``upfront_ratio`` is 先行自付比例 of this item (None: the pack's for its class);
    ``price_limit`` is 限价 in yuan per unit; ``restriction_unmet`` means that
    限制使用 applies and is broken or not approved, which makes the line full own pay.
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
    group: str = ""  #: the catalogue's group (special_exam, implant, negotiated_drug …)
    cause: Cause = Cause.ILLNESS
    on: dt.date | None = None  #: 费用发生日期, where a stay is split at the year's end
    supply_days: int | None = None  #: 周期天数 the item is for, where the bill says


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
    disease: str = ""  #: 慢特病或单病种 code the visit is for; "": none
    days: int = 0  #: 住院天数
    known_on: dt.date | None = None  #: texts published later are not seen; None: all
    deductible_taken: Money = Money.ZERO  #: in the same stay, before the year's end
    carried_on: bool = False  #: the rest of a stay whose admission was counted before


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
    category: Category | None = None  #: None: read off insurance and ``retired``
    supplement: Supplement = Supplement.NONE
    family_balance: Money = Money.ZERO  #: 家庭共济账户余额, as far as it may be used
    signed: bool = False  #: 签约家庭医生
    insured_months: int = 0  #: 连续参保月数
    premium: str = ""  #: 缴费档次
    registered_on: dt.date | None = None  #: 参保登记日
    arrears_since: dt.date | None = None  #: first unpaid month; None: paid up
    paid_back_on: dt.date | None = None  #: 补缴日

    @property
    def person(self) -> Category:
        """人员类别: as the centre states it, else by insurance and retirement."""
        if self.category is not None:
            return self.category
        if self.insurance is Insurance.RESIDENT:
            return Category.RESIDENT
        return Category.RETIRED if self.retired else Category.ACTIVE


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
    #: What only some packs count (``large_claim_paid``, ``chronic.diabetes@2026-11``).
    tallies: Mapping[str, Money] = field(default_factory=_no_tallies)

    @classmethod
    def of(
        cls, year: int, admissions: int, amounts: Mapping[str, Money]
    ) -> Accumulators:
        """Make a vector of amounts by name; what is none of `AMOUNTS` is a tally."""
        known = {name: amounts.get(name, Money.ZERO) for name in AMOUNTS}
        tallies = {
            name: amount for name, amount in amounts.items() if name not in known
        }
        return cls(year, admissions, **known, tallies=tallies)

    def amount(self, name: str) -> Money:
        """Read one accumulator by name; a tally nobody has touched is zero."""
        if name in AMOUNTS:
            value: Money = getattr(self, name)
            return value
        return self.tallies.get(name, Money.ZERO)


#: The amounts every person has, whatever the pack.
AMOUNTS = (
    "deductible_paid",
    "scope_entered",
    "pooled_inpatient_paid",
    "pooled_outpatient_paid",
    "accident_paid",
    "compliant_own_pay",
    "critical_illness_paid",
    "medical_aid_paid",
)


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
