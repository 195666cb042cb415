"""The reasons of a split as rows and sentences, Chinese or English.

Every row is one amount with its rule, value, arithmetic and clause; the rows add up
to the split because they are the split's own parts and charges (`check`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from settlement.money import Money
from settlement.split import Part, Payer, Reason, Refused, Split

Language = Literal["zh", "en"]

_ZH, _EN = 0, 1

#: Official labels of every amount, by the key of the row.
LABELS: dict[str, tuple[str, str]] = {
    Part.UNCOVERED.value: ("全自费金额", "Not covered"),
    Part.OVER_PRICE_LIMIT.value: ("超限价自费费用", "Over the price limit"),
    Part.UPFRONT_SHARE.value: ("先行自付金额", "Upfront share"),
    Part.IN_SCOPE.value: ("符合政策范围金额", "Within policy scope"),
    "deductible": ("实际支付起付线", "Deductible"),
    Payer.POOLED_FUND.value: ("统筹基金支出", "Pooled fund"),
    Payer.CIVIL_SERVANT_FUND.value: ("公务员医疗补助资金支出", "Civil servant fund"),
    Payer.EMPLOYER_FUND.value: ("企业补充医疗保险基金支出", "Employer fund"),
    Payer.CRITICAL_ILLNESS_FUND.value: (
        "居民大病保险资金支出",
        "Critical illness fund",
    ),
    Payer.LARGE_CLAIM_FUND.value: ("职工大额医疗费用补助基金支出", "Large claim fund"),
    Payer.MEDICAL_AID.value: ("医疗救助基金支出", "Medical assistance"),
    Payer.OTHER_FUND.value: ("其他支出", "Other fund"),
    Payer.HOSPITAL.value: ("医院负担金额", "Borne by the hospital"),
    Payer.ACCOUNT.value: ("个人账户支出", "Personal account"),
    Payer.CASH.value: ("个人现金支出", "Patient pays now"),
}

#: What each rule of a `Reason` is called.
RULES: dict[str, tuple[str, str]] = {
    "class_c": ("丙类或目录外，全额自费", "class C or not in the catalogue"),
    "restriction_unmet": ("限制使用未获审批，全额自费", "restricted use not approved"),
    "over_price_limit": ("超过限价的部分", "above the price limit"),
    "upfront_share": ("按比例先行自付", "upfront share of the item"),
    "upfront_share_item": (
        "按目录该项目的比例先行自付",
        "upfront share the catalogue gives for the item",
    ),
    "in_scope": ("其余进入政策范围", "the rest is within scope"),
    "deductible": ("起付线", "deductible"),
    "band": ("分段按比例支付", "paid by band and ratio"),
    "assistance_points": (
        "救助对象提高支付比例",
        "points for an assistance class",
    ),
    "cap": ("年度最高支付限额", "annual cap of the fund"),
    "outpatient_cap": ("门诊年度最高支付限额", "annual outpatient cap"),
    "accident_cap": ("意外伤害最高支付限额", "cap for accidents"),
    "delivery_lump": ("生育定额补助", "lump sum for a delivery"),
    "no_pooled_benefit": (
        "统筹基金不支付此类费用",
        "the pooled fund pays nothing here",
    ),
    "critical_illness_band": (
        "大病保险，年度累计分段",
        "critical illness, cumulative over the year",
    ),
    "critical_illness_cap": ("大病保险年度最高支付限额", "critical illness cap"),
    "medical_aid": ("医疗救助", "medical assistance"),
    "medical_aid_cap": ("医疗救助年度限额", "medical assistance cap"),
    "account": ("个人账户按余额支付", "as far as the account goes"),
    "cash": ("其余由个人支付", "the person bears the rest"),
}

_KINDS = {
    "outpatient": ("普通门诊", "outpatient care"),
    "inpatient": ("普通住院", "inpatient care"),
    "pharmacy": ("药店购药", "a pharmacy purchase"),
    "birth_natural": ("自然分娩", "a natural delivery"),
    "birth_caesarean": ("剖宫产", "a caesarean delivery"),
}
_TIERS = {
    "township": ("乡镇卫生院", "township hospitals"),
    "primary": ("一级医疗机构", "primary hospitals"),
    "secondary": ("二级医疗机构", "secondary hospitals"),
    "tertiary": ("三级医疗机构", "tertiary hospitals"),
}
_AWAY = {
    "in_province": ("省内异地", "elsewhere in the province"),
    "other_province": ("跨省异地", "in another province"),
    "unfiled": ("未备案异地", "away without filing"),
}
_INSURANCE = {
    "employee": ("职工医保", "employee insurance"),
    "resident": ("城乡居民医保", "resident insurance"),
}

_REFUSALS: dict[str, tuple[str, str]] = {
    "not-in-pack": (
        "参保地{region}的{insurance}不适用政策包{pack}。请核对参保信息，或到经办机构结算。",
        (
            "Policy pack {pack} does not speak for {insurance} of region {region}. "
            "Check the coverage, or settle at the bureau."
        ),
    ),
    "no-policy-pack": (
        "本机没有参保地{region}的政策包，无法试算。请联系管理员安装，或到经办机构结算。",
        (
            "No policy pack for region {region} is installed here. Ask the "
            "administrator to install it, or settle at the bureau."
        ),
    ),
    "policy-not-in-force": (
        "就诊日{on}没有生效的政策包，无法试算。请核对日期，或到经办机构结算。",
        "No policy pack is in force on {on}. Check the date, or settle at the bureau.",
    ),
    "no-benefit-for-visit-kind": (
        "政策包{pack}没有{kind}的待遇。请核对医疗类别，或按自费收取。",
        (
            "Policy pack {pack} has no benefit for {kind}. Check the kind of visit, or "
            "charge it as own pay."
        ),
    ),
    "no-benefit-for-tier": (
        "政策包{pack}没有{tier}的{kind}待遇。请核对医疗机构级别，或按自费收取。",
        (
            "Policy pack {pack} has no benefit for {kind} at {tier}. Check the level "
            "of the institution, or charge it as own pay."
        ),
    ),
    "no-benefit-away": (
        "政策包{pack}没有{away}的{kind}待遇。请先备案，或回参保地报销。",
        (
            "Policy pack {pack} has no benefit for {kind} {away}. File first, or "
            "claim at home."
        ),
    ),
    "not-insured": (
        "此人在本统筹区没有参保记录。请核对证件，或按自费收取。",
        "The person is not insured here. Check the card, or charge it as own pay.",
    ),
    "no-entitlement": (
        "此人目前不享受此项待遇（{reason}）。请到经办机构核实，或按自费收取。",
        (
            "The person does not enjoy this benefit now ({reason}). Ask the bureau, or "
            "charge it as own pay."
        ),
    ),
    "": (
        "不能按医保结算（{code}）。请到经办机构核实，或按自费收取。",
        "This cannot be settled ({code}). Ask the bureau, or charge it as own pay.",
    ),
}

_UNVERIFIED = (
    "样本政策，未经核实：金额仅供演示，不作结算依据。",
    "Sample policy, not verified: the amounts are for demonstration only.",
)


def label(amount_key: str, language: Language) -> str:
    """Return the official label of an amount.

    >>> label("cash", "zh")
    '个人现金支出'
    """
    return LABELS[amount_key][_index(language)]


def rows(split: Split, language: Language) -> tuple[dict[str, str], ...]:
    """Explain every amount of *split*: line parts, deductible, charges, in that order.

    Keys of a row (stable): ``amount_key``, ``line_no`` (line parts only, else empty),
    ``label``, ``payer`` (charges only, else empty), ``amount`` in yuan, ``rule``,
    ``rule_label``, ``value``, ``arithmetic``, ``document``, ``article``, ``quote``,
    ``grade``, ``since``. Parts add up to the total fee, and so do charges; the
    deductible lies inside the in-scope part and is not added.
    """
    out = [
        _row(part.part.value, part.amount, part.reason, language, line=part.line_no)
        for part in split.parts
    ]
    if split.deductible_reason is not None:
        out.append(
            _row("deductible", split.deductible, split.deductible_reason, language)
        )
    for charge in split.charges:
        row = _row(charge.payer.value, charge.amount, charge.reason, language)
        out.append(row | {"payer": charge.payer.value})
    return tuple(out)


def check(split: Split) -> None:
    """Prove from the printed rows alone that the explanation adds up to the split.

    Raises:
        AssertionError: names the first identity (I1, I2, I5) or row that does not hold.
    """
    printed = rows(split, "en")
    parts = _sum(row for row in printed if row["line_no"])
    charges = _sum(row for row in printed if row["payer"])
    _hold("I5: the parts of the lines are the total fee", parts, split.total_fee)
    _hold("I1: the charges are the total fee", charges, split.total_fee)
    person = _sum(row for row in printed if row["payer"] in {"account", "cash"})
    _hold("I2: account and cash are the person's total", person, split.person_total)
    borne = split.fund_total + split.person_total + split.paid_by(Payer.HOSPITAL)
    _hold("I1: funds, person and hospital are the total", borne, split.total_fee)
    if split.deductible > split.part(Part.IN_SCOPE):
        msg = "the deductible is more than the in-scope fee"
        raise AssertionError(msg)
    for row in printed:
        last = row["arithmetic"].split()[-1]
        _hold(
            f"{row['amount_key']}: the arithmetic ends in the amount",
            Money.yuan(last),
            Money.yuan(row["amount"]),
        )


def refusal_sentence(refused: Refused, language: Language) -> str:
    """Say in one sentence why there is no split and what to do now."""
    template = _REFUSALS.get(refused.code, _REFUSALS[""])[_index(language)]
    words = {"code": refused.code}
    tables = {
        "kind": _KINDS,
        "tier": _TIERS,
        "away": _AWAY,
        "insurance": _INSURANCE,
    }
    for key, value in refused.facts.items():
        named = tables.get(key, {}).get(value)
        words[key] = value if named is None else named[_index(language)]
    return template.format_map(_Known(words))


def unverified_mark(language: Language) -> str:
    """Return the sentence that every screen and receipt of a sample pack shows."""
    return _UNVERIFIED[_index(language)]


class _Known(dict[str, str]):
    """A fact the refusal does not carry is printed as a question mark, not a crash."""

    def __missing__(self, key: str) -> str:
        return "?"


def _row(
    amount_key: str,
    amount: Money,
    reason: Reason,
    language: Language,
    line: int | None = None,
) -> dict[str, str]:
    return {
        "amount_key": amount_key,
        "line_no": "" if line is None else str(line),
        "label": label(amount_key, language),
        "payer": "",
        "amount": amount.to_yuan(),
        "rule": reason.rule,
        "rule_label": RULES[reason.rule][_index(language)],
        "value": reason.value,
        "arithmetic": reason.arithmetic,
        "document": reason.clause.document,
        "article": reason.clause.article,
        "quote": reason.clause.quote,
        "grade": reason.clause.grade,
        "since": reason.clause.since.isoformat(),
    }


def _index(language: Language) -> int:
    return _ZH if language == "zh" else _EN


def _sum(chosen: Iterable[dict[str, str]]) -> Money:
    return Money.total(Money.yuan(row["amount"]) for row in chosen)


def _hold(what: str, found: Money, expected: Money) -> None:
    if found != expected:
        msg = f"{what}: {found} is not {expected}"
        raise AssertionError(msg)
