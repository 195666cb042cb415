"""The reasons of a split as rows and sentences, Chinese or English.

Every row is one amount with its rule, value, arithmetic and clause; `tree` leads from
a printed amount to them. That they add up is proved by `settlement.verify`, which
knows nothing of the engine (`check`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from settlement.attribution import Suspect
from settlement.errors import ExplanationWrongError
from settlement.money import Money
from settlement.split import (
    Basis,
    Clause,
    Part,
    Payer,
    Reason,
    Refused,
    Split,
    Term,
)
from settlement.verify import verify

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
    Payer.FAMILY_ACCOUNT.value: ("个人账户共济支付金额", "Family's account"),
    Payer.CASH.value: ("个人现金支出", "Patient pays now"),
}

#: What each rule of a `Reason` is called.
RULES: dict[str, tuple[str, str]] = {
    "class_c": ("丙类或目录外，全额自费", "class C or not in the catalogue"),
    "restriction_unmet": (
        "不符合限定支付范围或限制使用未获审批，全额自费",
        "outside the item's restriction, or its use not approved",
    ),
    "over_price_limit": ("超过限价的部分", "above the price limit"),
    "over_price_limit_hospital": (
        "超过限价的部分，由医院负担",
        "above the price limit, borne by the hospital",
    ),
    "upfront_share": ("按比例先行自付", "upfront share of the item"),
    "upfront_share_item": (
        "按目录该项目的比例先行自付",
        "upfront share the catalogue gives for the item",
    ),
    "in_scope": ("其余进入政策范围", "the rest is within scope"),
    "quota": ("超过单病种定额，由医院负担", "above the quota, borne by the hospital"),
    "deductible": ("起付线", "deductible"),
    "band": ("分段按比例支付", "paid by band and ratio"),
    "as_stated": ("文件所定", "as the text states"),
    "change_factor": ("乘以系数", "times a factor"),
    "change_minus": ("减少", "less an amount"),
    "change_at_least": ("不低于", "never below"),
    "change_points": ("增减百分点", "plus points"),
    "change_own_share": ("个人负担部分乘以系数", "the person's share times a factor"),
    "change_age_points": ("按年龄每岁增加", "points for every year of age"),
    "change_limits": ("上下限", "between limits"),
    "at_least": ("保底补偿", "guaranteed minimum"),
    "caught_up": ("补足年度累计应付", "made up to what the year's sum is due"),
    "cap": ("封顶线，只付限额内的部分", "cap: only what is left of it"),
    "scope_cap": ("限额内的部分计入", "as far as the limit lets it in"),
    "no_pooled_benefit": (
        "统筹基金不支付此类费用",
        "the pooled fund pays nothing here",
    ),
    "account": ("个人账户按余额支付", "as far as the account goes"),
    "cash": ("其余由个人支付", "the person bears the rest"),
}

#: Figures a base may name (`docs/policy-packs.md`): the bill's own, then a fund's.
FIGURES: dict[str, tuple[str, str]] = {
    "total": ("医疗费总额", "total fee"),
    "uncovered": ("全自费金额", "not covered"),
    "over_price_limit": ("超限价自费费用", "over the price limit"),
    "upfront_share": ("先行自付金额", "upfront share"),
    "in_scope": ("符合政策范围金额", "within policy scope"),
    "in_scope.": ("其中单列的范围内费用", "within scope, of its own sort"),
    "prepay": ("转外先行自付", "paid before anything, away from home"),
    "over_quota": ("超过定额的部分", "above the quota"),
    "hospital": ("医院负担金额", "borne by the hospital"),
    "deductible": ("起付线", "deductible"),
    "pooled_share": (
        "基本待遇未付的范围内费用",
        "within scope, left by the basic benefit",
    ),
    ".paid": ("支付额", "paid"),
    ".base": ("的计算基数", "its base"),
    ".deductible": ("的起付线", "its deductible"),
    ".over_cap": ("因封顶未付的金额", "due and not paid because of a cap"),
    ".over_cap_scope": ("封顶以上的费用", "of its base, above the cap"),
}

_KINDS = {
    "outpatient": ("普通门诊", "outpatient care"),
    "inpatient": ("普通住院", "inpatient care"),
    "pharmacy": ("药店购药", "a pharmacy purchase"),
    "chronic": ("门诊慢性病", "outpatient care for a chronic disease"),
    "special": ("门诊特殊病", "outpatient care for a special disease"),
    "dual_channel": ("双通道药品", "a dual-channel drug"),
    "maternity_check": ("产前检查", "a prenatal check"),
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
    "refund-not-newest": (
        "这笔之后本年度还有{later}笔结算以它为基础，不能单独退费。请先退较晚的结算，或到经办机构办理。",
        (
            "{later} later settlements of the year stand on this one. Take the later "
            "ones back first, or go to the bureau."
        ),
    ),
    "year-closed": (
        "{year}年度已结转，不能在终端退费。请到经办机构办理。",
        "The insured year {year} is closed. Take it back at the bureau.",
    ),
    "": (
        "不能按医保结算（{code}）。请到经办机构核实，或按自费收取。",
        "This cannot be settled ({code}). Ask the bureau, or charge it as own pay.",
    ),
}

_BASE = ("计算基数", "taken of")
_BEFORE = ("本年度此前已计入 {}", "earlier in the year {}")
#: Around a clause's article, after a title, between sentences.
_PUNCTUATION = (("（{}）", "：", "；"), (" ({})", ": ", "; "))

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
    ``rule_label``, ``value``, ``arithmetic``, ``derived`` (how the value came about,
    often empty), ``base`` and ``base_arithmetic`` (what it is taken of, in words and in
    sums between ``;``; empty where that is the in-scope sum), ``document``,
    ``article``, ``quote``, ``grade``, ``since``.
    Parts add up to the total fee, and so do charges; the deductible lies inside the
    in-scope part and is not added.
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


@dataclass(frozen=True, slots=True)
class Node:
    """One step from a printed amount towards its clause; ``below`` leads further."""

    label: str
    amount: str  #: yuan; empty where the node is a value and not an amount
    value: str  #: the policy's value as printed, or empty
    arithmetic: str
    clause: Clause | None
    below: tuple[Node, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Write the node and all below it for a program."""
        clause = self.clause
        return {
            "label": self.label,
            "amount": self.amount,
            "value": self.value,
            "arithmetic": self.arithmetic,
            "clause": None
            if clause is None
            else {
                "document": clause.document,
                "article": clause.article,
                "quote": clause.quote,
                "url": clause.url,
                "grade": clause.grade,
                "since": clause.since.isoformat(),
            },
            "below": [node.to_json() for node in self.below],
        }


def tree(split: Split, language: Language) -> tuple[Node, ...]:
    """Explain *split* as a tree: printed amount, then line or band, rule, clause.

    The roots are the four parts, the deductible and every payer that bears something.
    """
    roots = []
    for part in Part:
        below = tuple(
            _node(p.amount, p.reason, language, prefix=_line_label(p.line_no, language))
            for p in split.parts
            if p.part is part
        )
        if below:
            roots.append(_root(part.value, split.part(part), below, language))
    reason = split.deductible_reason
    if reason is not None:
        node = _node(split.deductible, reason, language)
        roots.append(_root("deductible", split.deductible, (node,), language))
    for payer in Payer:
        below = tuple(
            _node(c.amount, c.reason, language)
            for c in split.charges
            if c.payer is payer
        )
        if below:
            roots.append(_root(payer.value, split.paid_by(payer), below, language))
    return tuple(roots)


def _root(key: str, amount: Money, below: tuple[Node, ...], language: Language) -> Node:
    arithmetic = " + ".join(node.amount for node in below)
    if len(below) > 1:
        arithmetic += f" = {amount}"
    return Node(label(key, language), str(amount), "", arithmetic, None, below)


def _node(
    amount: Money | None, reason: Reason, language: Language, prefix: str = ""
) -> Node:
    words = RULES[reason.rule][_index(language)]
    return Node(
        label=f"{prefix}{_fund(reason, language)}{words}",
        amount="" if amount is None else str(amount),
        value=reason.value,
        arithmetic=reason.arithmetic,
        clause=reason.clause,
        below=(
            *(_node(None, below, language) for below in reason.because),
            *_base_nodes(reason.basis, language),
        ),
    )


def _base_nodes(basis: Basis | None, language: Language) -> tuple[Node, ...]:
    """Lead from a base to its terms, and to the limit of what enters."""
    if basis is None:
        return ()
    terms = tuple(
        Node(_figure(term, language), str(term.amount), "", "", None)
        for term in basis.terms
    )
    told = (basis.limit, basis.threshold)
    rules = tuple(_node(None, reason, language) for reason in told if reason)
    arithmetic = basis_sums(basis)
    words = _BASE[_index(language)]
    return (Node(words, "", basis.weight, arithmetic, basis.clause, (*terms, *rules)),)


def basis_sums(basis: Basis) -> str:
    """Write the sums of a base in a row; the term alone where nothing is added."""
    return "; ".join(basis.sums) or str(basis.terms[0].amount)


def base_words(basis: Basis | None, language: Language) -> str:
    """Say what an amount is taken of: terms, share, limit, and the year before."""
    if basis is None:
        return ""
    words = _index(language)
    place, colon, stop = _PUNCTUATION[words]
    said = ""
    for number, term in enumerate(basis.terms):
        if number or term.sign < 0:
            said += " + " if term.sign > 0 else " - "
        said += f"{_figure(term, language)} {term.amount}"
    steps = list(basis.sums)
    if len(basis.terms) > 1 or basis.terms[0].sign < 0:
        # The terms are named here; in signs alone they stand in `basis_sums`.
        left, _, total = steps.pop(0).partition(" = ")
        said += f" {'->' if left.startswith('max(') else '='} {total}"
    if basis.limit is not None:
        steps.pop()
    pieces = [_BASE[words] + colon + said + place.format(basis.clause.article), *steps]
    if basis.limit is not None:
        rule = RULES[basis.limit.rule][words]
        place_of_limit = place.format(basis.limit.clause.article)
        pieces.append(f"{rule} {basis.limit.arithmetic}{place_of_limit}")
    if basis.threshold is not None:
        rule = _fund(basis.threshold, language) + RULES[basis.threshold.rule][words]
        where = place.format(basis.threshold.clause.article)
        way = derived(basis.threshold, language)
        pieces.append(f"{rule} {basis.threshold.value}{where}{way and colon + way}")
    if basis.before:
        pieces.append(_BEFORE[words].format(basis.before))
    return stop.join(pieces)


def _figure(term: Term, language: Language) -> str:
    words = _index(language)
    if term.fund:
        figure = FIGURES[f".{term.figure}"][words]
        if language == "zh":
            return f"{term.fund}{figure}"
        return f"{term.fund_en}: {figure}"
    lane = "in_scope." if term.figure.startswith("in_scope.") else term.figure
    return FIGURES[lane][words]


def derived(reason: Reason, language: Language) -> str:
    """Say how a value came about: as the text states it, then every change in order."""
    steps = [
        f"{RULES[below.rule][_index(language)]} {below.value}（{below.clause.article}）"
        if language == "zh"
        else f"{RULES[below.rule][_index(language)]} {below.value} "
        f"({below.clause.article})"
        for below in reason.because
    ]
    if not steps:
        return ""
    said = ("；" if language == "zh" else "; ").join(steps)
    # A cap is not made of the ratio it cuts: that one only says what was due.
    return said if reason.rule == "cap" else f"{said} → {reason.value}"


def _line_label(number: int, language: Language) -> str:
    return f"第{number}行：" if language == "zh" else f"line {number}: "


def _fund(reason: Reason, language: Language) -> str:
    if not reason.fund:
        return ""
    return f"{reason.fund}：" if language == "zh" else f"{reason.fund_en}: "


def check(split: Split) -> None:
    """Prove from the printed rows alone that the explanation adds up to the split.

    Raises:
        ExplanationWrongError: names every row or sum that does not hold.
    """
    wrong = verify(rows(split, "en"), claims_of(split))
    if wrong:
        raise ExplanationWrongError(split.pack.name, wrong)


SUSPECTS: dict[str, tuple[str, str]] = {
    "balance": (
        "个人账户余额：本地{ours}，中心似为{centres}",
        "account balance: ours {ours}, the centre's seems {centres}",
    ),
    "class": (
        "第{line}行项目等级：本地{ours}，中心似为{centres}",
        "line {line}, class: ours {ours}, the centre's seems {centres}",
    ),
    "own_ratio": (
        "第{line}行先行自付比例：本地{ours}，中心似为{centres}",
        "line {line}, upfront ratio: ours {ours}, the centre's seems {centres}",
    ),
    "price_limit": (
        "第{line}行限价：本地{ours}，中心似为{centres}",
        "line {line}, price limit: ours {ours}, the centre's seems {centres}",
    ),
    "approval": (
        "第{line}行限制使用审批：本地{ours}，中心似为{centres}",
        "line {line}, approval: ours {ours}, the centre's seems {centres}",
    ),
    "accumulator": (
        "年度累计（{name}）：本地{ours}，中心似为{centres}",
        "year so far ({name}): ours {ours}, the centre's seems {centres}",
    ),
    "status": (
        "人员身份：本地{ours}，中心似为{centres}",
        "the person's status: ours {ours}, the centre's seems {centres}",
    ),
}
_UNSET = ("无", "none")


def suspect_sentence(suspect: Suspect, language: Language) -> str:
    """Say in one line what the centre seems to hold otherwise."""
    kind, _, name = suspect.kind.partition(":")
    unset = _UNSET[_index(language)]
    return SUSPECTS[kind][_index(language)].format(
        line=suspect.line_no,
        name=name,
        ours=suspect.ours or unset,
        centres=suspect.centres or unset,
    )


def claims_of(split: Split) -> dict[str, str]:
    """List the printed sums an explanation has to add up to, in yuan."""
    sums = {part.value: split.part(part) for part in Part}
    sums |= {payer.value: split.paid_by(payer) for payer in Payer}
    sums |= {
        "total_fee": split.total_fee,
        "fund_total": split.fund_total,
        "person_total": split.person_total,
        "deductible": split.deductible,
    }
    return {name: amount.to_yuan() for name, amount in sums.items()}


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
        "rule_label": _fund(reason, language) + RULES[reason.rule][_index(language)],
        "value": reason.value,
        "arithmetic": reason.arithmetic,
        "derived": derived(reason, language),
        "base": base_words(reason.basis, language),
        "base_arithmetic": "; ".join(reason.basis.sums) if reason.basis else "",
        "document": reason.clause.document,
        "article": reason.clause.article,
        "quote": reason.clause.quote,
        "grade": reason.clause.grade,
        "since": reason.clause.since.isoformat(),
    }


def _index(language: Language) -> int:
    return _ZH if language == "zh" else _EN
