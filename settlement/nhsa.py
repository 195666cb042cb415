"""The national interface's names, codes and labels beside ours: one table.

Official names are code in the wire modules of ``settlement.centre`` and here, nowhere
else; everywhere else they may only be cited. ``docs/glossary.md`` is made from this.

Source: 《湖南省医疗保障信息平台定点医药机构接口规范》V1.1.27 (October 2024), on the
national baseline of 2021-12-30 (HN): matrix of setlinfo, dictionaries.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from settlement.claim import (
    CATEGORIES_OF,
    Assistance,
    Category,
    Insurance,
    ItemClass,
    VisitKind,
)
from settlement.money import Money
from settlement.split import SettledAmounts


class Infno(StrEnum):
    """交易编号, as far as this terminal speaks it."""

    SIGN_IN = "9001"
    SIGN_OUT = "9002"
    PERSON = "1101"
    ENTITLEMENTS = "2001"
    ACCUMULATORS = "5206"
    PHARMACY_PRESETTLE = "2101"
    PHARMACY_SETTLE = "2102"
    PHARMACY_CANCEL = "2103"
    REGISTER = "2201"
    REGISTER_CANCEL = "2202"
    VISIT_INFO = "2203"
    FEE_UPLOAD = "2204"
    FEE_WITHDRAW = "2205"
    OUTPATIENT_PRESETTLE = "2206"
    OUTPATIENT_SETTLE = "2207"
    OUTPATIENT_CANCEL = "2208"
    REVERSE = "2601"
    COMPARE_TOTALS = "3201"
    COMPARE_ROWS = "3202"
    SETTLEMENT_QUERY = "5203"
    FEE_QUERY = "5204"
    FILE_UPLOAD = "9101"
    FILE_DOWNLOAD = "9102"


@dataclass(frozen=True, slots=True)
class Name:
    """One amount: ours, the official name, the official label, the wire type."""

    ours: str  #: field of SettledAmounts
    official: str
    label_zh: str
    label_en: str
    wire: str


#: Every field of SettledAmounts, once.
AMOUNTS: tuple[Name, ...] = (
    Name("total_fee", "medfee_sumamt", "医疗费总额", "Total fee", "N(16,2)"),
    Name("uncovered", "fulamt_ownpay_amt", "全自费金额", "Not covered", "N(16,2)"),
    Name(
        "over_price_limit",
        "overlmt_selfpay",
        "超限价自费费用",
        "Over the price limit",
        "N(16,2)",
    ),
    Name("upfront_share", "preselfpay_amt", "先行自付金额", "Upfront share", "N(16,2)"),
    Name("in_scope", "inscp_scp_amt", "符合政策范围金额", "In scope", "N(16,2)"),
    Name("deductible", "act_pay_dedc", "实际支付起付线", "Deductible", "N(16,2)"),
    Name("pooled_fund", "hifp_pay", "统筹基金支出", "Pooled fund", "N(16,2)"),
    Name(
        "pooled_ratio_bp",
        "pool_prop_selfpay",
        "统筹基金支付比例",
        "Pooled fund ratio",
        "N(5,4)",
    ),
    Name(
        "civil_servant_fund",
        "cvlserv_pay",
        "公务员医疗补助",
        "Civil servants' fund",
        "N(16,2)",
    ),
    Name("employer_fund", "hifes_pay", "企业补充", "Employer's fund", "N(16,2)"),
    Name(
        "critical_illness_fund",
        "hifmi_pay",
        "居民大病保险",
        "Critical illness fund",
        "N(16,2)",
    ),
    Name(
        "large_claim_fund",
        "hifob_pay",
        "职工大额医疗费用补助",
        "Large claim fund",
        "N(16,2)",
    ),
    Name("medical_aid", "maf_pay", "医疗救助基金支出", "Medical aid", "N(16,2)"),
    Name("other_fund", "oth_pay", "其他支出", "Other funds", "N(16,2)"),
    Name("fund_total", "fund_pay_sumamt", "基金支付总额", "Funds in total", "N(16,2)"),
    Name("person_total", "psn_part_amt", "个人负担总金额", "Person pays", "N(16,2)"),
    Name("account_pay", "acct_pay", "个人账户支出", "Personal account", "N(16,2)"),
    Name(
        "family_account_pay",
        "acct_mulaid_pay",
        "个人账户共济",
        "Family's shared account",
        "N(16,2)",
    ),
    Name("cash_pay", "psn_cash_pay", "个人现金支出", "Cash", "N(16,2)"),
    Name(
        "hospital_share", "hosp_part_amt", "医院负担金额", "Hospital bears", "N(16,2)"
    ),
    Name("account_balance", "balc", "余额", "Account balance", "N(16,2)"),
)

INSURANCE = {Insurance.EMPLOYEE: "310", Insurance.RESIDENT: "390"}
VISIT_KIND = {
    VisitKind.OUTPATIENT: "11",
    VisitKind.INPATIENT: "21",
    VisitKind.PHARMACY: "41",
    VisitKind.BIRTH_NATURAL: "2106",
    VisitKind.BIRTH_CAESAREAN: "2107",
}
ITEM_CLASS = {ItemClass.A: "01", ItemClass.B: "02", ItemClass.C: "03"}
ASSISTANCE = {
    Assistance.EXTREME_POVERTY: "2304",
    Assistance.LOW_INCOME_ALLOWANCE: "2303",
    Assistance.REGISTERED_POOR: "2302",
    Assistance.LOW_INCOME: "2305",
    Assistance.EXPENSE_POOR: "2306",
}
CLEARING_TYPE = {VisitKind.OUTPATIENT: "11", VisitKind.PHARMACY: "41"}

#: 人员类别 (psn_type) of the dictionary. 灵活就业 has no code of its own there.
PERSON_TYPE = {
    Category.ACTIVE: "11",
    Category.UNEMPLOYED: "116003",
    Category.RETIRED: "12",
    Category.NEWBORN: "1401",
    Category.STUDENT: "1403",
    Category.RESIDENT: "1701",
}
#: How a code begins, the longest first; provinces lengthen the codes (1560, 116032).
_CATEGORY_BEGINS = (
    ("116003", Category.UNEMPLOYED),
    ("1401", Category.NEWBORN),
    ("11", Category.ACTIVE),
    ("12", Category.RETIRED),
    ("13", Category.RETIRED),  # 离休
    ("14", Category.STUDENT),
)
#: 性别 (gend).
SEX = {"male": "1", "female": "2"}
#: 参保状态 1: 正常参保.
INSURED = "1"


def category(person_type: str, insurance: Insurance) -> Category:
    """Tell 人员类别 from its code.

    A code that is unknown, or of nobody who is insured so, says what the insurance
    says: no text speaks for a student among employees, not even a cap.
    """
    for begins, known in _CATEGORY_BEGINS:
        if person_type.startswith(begins) and known in CATEGORIES_OF[insurance]:
            return known
    return Category.RESIDENT if insurance is Insurance.RESIDENT else Category.ACTIVE


#: 累计类别代码 (cum_type_code). The national dictionary is not public: these are the
#: reference centre's own [B]; a province's real ones are profile data.
CUMULATIVE = {
    "admissions": "L01",
    "deductible_paid": "L02",
    "scope_entered": "L03",
    "pooled_inpatient_paid": "L04",
    "pooled_outpatient_paid": "L05",
    "accident_paid": "L06",
    "compliant_own_pay": "L07",
    "critical_illness_paid": "L08",
    "medical_aid_paid": "L09",
}


def identity_faults(amounts: SettledAmounts) -> tuple[str, ...]:
    """Name the identities of the interface that *amounts* break, to the fen.

    I1 total = funds + person + hospital; I2 person = account + cash; I3 the family's
    account is inside the account; I4 funds = the sum of the funds; I5 total = the four
    parts; N2 the deductible is inside the scope. Source: HN 2207 重点说明; I5 and
    N2 on anonymised payloads.
    """
    funds = Money.total(
        (
            amounts.pooled_fund,
            amounts.civil_servant_fund,
            amounts.employer_fund,
            amounts.critical_illness_fund,
            amounts.large_claim_fund,
            amounts.medical_aid,
            amounts.other_fund,
        )
    )
    parts = Money.total(
        (
            amounts.uncovered,
            amounts.over_price_limit,
            amounts.upfront_share,
            amounts.in_scope,
        )
    )
    person = amounts.account_pay + amounts.cash_pay
    whole = amounts.fund_total + amounts.person_total + amounts.hospital_share
    holds = {
        "I1": amounts.total_fee == whole,
        "I2": amounts.person_total == person,
        "I3": _is_inside(amounts.family_account_pay, amounts.account_pay),
        "I4": amounts.fund_total == funds,
        "I5": amounts.total_fee == parts,
        "N2": _is_inside(amounts.deductible, amounts.in_scope),
    }
    return tuple(name for name, held in holds.items() if not held)


def _is_inside(part: Money, whole: Money) -> bool:
    """Say whether *part* lies between nothing and *whole*, of either sign."""
    low, high = sorted((Money.ZERO, whole))
    return low <= part <= high
