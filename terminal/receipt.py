"""A settlement as a receipt: rows for the screen, text for the shell, PDF for the hand.

A receipt exists only of a settlement that is certain: settled, or settled and taken
back. Of anything else there is a slip, which says that it is no receipt and what
to do. The PDF is typeset by typst from data, so that a name is never markup, with
the fonts of this project embedded; the same settlement gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from settlement.facts import JsonValue
from settlement.lifecycle import State
from settlement.money import FEN_PER_YUAN, Money
from settlement.split import SettledAmounts
from terminal.split_panel import Why, money_of, whys
from terminal.views import ProblemView, SettlementView
from terminal.words import Language, Words

HERE = Path(__file__).parent
TEMPLATE = HERE / "templates" / "receipt.typ"
FONTS = HERE / "static" / "fonts"

#: Certain and settled: what a receipt may be printed of.
RECEIPTED = frozenset({State.SETTLED, State.CANCELLED})
#: Certain, and nothing was booked: a slip that says so.
NOT_SETTLED = frozenset({State.REJECTED, State.REVERSED})

#: What the bill consists of, in the order of the interface's 结算信息 (setlinfo).
PART_FIELDS = (
    "total_fee",
    "uncovered",
    "over_price_limit",
    "upfront_share",
    "in_scope",
    "deductible",
)
#: Who bears it, in the same order.
PAYER_FIELDS = (
    "pooled_fund",
    "civil_servant_fund",
    "employer_fund",
    "critical_illness_fund",
    "large_claim_fund",
    "medical_aid",
    "other_fund",
    "fund_total",
    "hospital_share",
    "account_pay",
    "family_account_pay",
    "person_total",
    "cash_pay",
    "account_balance",
)
#: What is printed of a line of the bill.
_LINE_FIELDS = ("item_name", "item_class", "quantity", "unit_price", "amount")
_STRONG = frozenset({"total_fee", "fund_total", "person_total", "cash_pay"})


class Group(StrEnum):
    """The blocks of a receipt, top to bottom."""

    IDENTITY = "identity"  #: who, where, when, under which numbers
    PARTS = "parts"  #: 费用构成
    PAYERS = "payers"  #: 由谁支付
    POLICY = "policy"  #: by which policy


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """One row: a label in the reader's language and what stands beside it."""

    group: Group
    label: str
    value: str  #: an amount is yuan with two decimals
    negative: str = ""  #: the cancellation's amount, where the settlement is cancelled
    strong: bool = False  #: a sum
    zero: bool = False  #: an amount of 0.00, printed but quiet


def is_receipt(view: SettlementView) -> bool:
    """Say whether *view* may be printed as a receipt rather than as a slip."""
    return view.state in RECEIPTED and view.amounts is not None


def title(view: SettlementView, language: Language) -> str:
    """Return what the paper is called: receipt, pending slip, or not settled."""
    words = Words(language)
    if is_receipt(view):
        return words["receipt"]
    return words["slip_none" if view.state in NOT_SETTLED else "slip"]


def marks(view: SettlementView, language: Language) -> tuple[str, ...]:
    """Return what must be said across the paper: cancelled, demonstration, sample."""
    words = Words(language)
    said = []
    if view.state is State.CANCELLED:
        said.append(words["receipt_cancelled"])
    if view.demonstration:
        said.append(words["receipt_demo"])
    if not view.pack.verified:
        said.append(words["unverified"])
    return tuple(said)


def receipt_rows(
    view: SettlementView, language: Language, institution: str = ""
) -> tuple[ReceiptRow, ...]:
    """List every row of the paper, in its order.

    The amounts are the centre's. A slip has no amounts but the total of the bill.

    Args:
        view: The settlement.
        language: Of the labels.
        institution: Name of the hospital or pharmacy; left out when empty.
    """
    words = Words(language)
    rows = _identity(view, words, institution)
    if view.amounts is not None and is_receipt(view):
        for group, fields in (
            (Group.PARTS, PART_FIELDS),
            (Group.PAYERS, PAYER_FIELDS),
        ):
            rows += [
                _amount_row(group, field, view.amounts, view.cancellation, words)
                for field in fields
            ]
        ratio = view.amounts.pooled_ratio_bp
        rows.append(ReceiptRow(Group.PAYERS, words["pooled_ratio_bp"], percent(ratio)))
    else:
        rows.append(
            ReceiptRow(Group.PARTS, words["total_fee"], view.total_fee, strong=True)
        )
    pack = view.pack
    verified = words["pack_verified" if pack.verified else "unverified_short"]
    named = f"{pack.name} {words.fill('pack_version', n=pack.version)} ({verified})"
    rows.append(ReceiptRow(Group.POLICY, words["pack"], named))
    rows.append(ReceiptRow(Group.POLICY, words["receipt_digest"], pack.digest[:16]))
    return tuple(rows)


def _identity(view: SettlementView, words: Words, institution: str) -> list[ReceiptRow]:
    facts = (
        ("receipt_hospital", institution),
        ("holder", view.holder_name),
        ("cert_no", view.person_cert_no),
        ("bill_no", view.bill_no),
        ("bill_kind", words[f"kind_{view.kind}"]),
        ("receipt_settled_at", moment(view.settled_at)),
        ("state", words[f"state_{view.state.value}"]),
        ("receipt_centre_id", view.centre_settlement_id),
        ("receipt_visit_id", view.visit_id),
        ("receipt_cancel_id", view.cancellation_id),
        ("receipt_id", view.settlement_id),
        ("receipt_msgid", view.msgid),
    )
    return [
        ReceiptRow(Group.IDENTITY, words[key], value) for key, value in facts if value
    ]


def _amount_row(
    group: Group,
    field: str,
    amounts: SettledAmounts,
    cancellation: SettledAmounts | None,
    words: Words,
) -> ReceiptRow:
    amount = money_of(amounts, field)
    taken_back = money_of(cancellation, field) if cancellation else None
    return ReceiptRow(
        group,
        words[field],
        amount.to_yuan(),
        "" if taken_back is None else taken_back.to_yuan(),
        strong=field in _STRONG,
        zero=not amount,
    )


def percent(bp: int) -> str:
    """Print basis points as a percentage.

    >>> percent(6500), percent(5525)
    ('65%', '55.25%')
    """
    whole, rest = divmod(bp, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") + "%" if rest else f"{whole}%"


def moment(at: dt.datetime | None) -> str:
    """Print an instant as the site's clock showed it; nothing for None."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def sentence(problem: ProblemView | None, language: Language) -> str:
    """Return a problem's sentence in one language, empty without a problem."""
    if problem is None:
        return ""
    return problem.sentence_zh if language == "zh" else problem.sentence_en


# -- in words -------------------------------------------------------------------

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("", "拾", "佰", "仟")
_MYRIADS = ("", "万", "亿", "万亿")


def capitals(amount: Money) -> str:
    """Write an amount in Chinese capitals (大写金额), as cash slips must carry it.

    Source: 《支付结算办法》 (银发〔1997〕393号) 附一 正确填写票据和结算凭证的基本规定
    第二至四条; a negative amount starts with 负.

    >>> capitals(Money.yuan("1409.50"))
    '壹仟肆佰零玖元伍角整'
    """
    yuan, cents = divmod(abs(amount.fen), FEN_PER_YUAN)
    jiao, fen = divmod(cents, 10)
    text = "负" if amount.fen < 0 else ""
    if yuan or not cents:
        text += f"{_whole(yuan)}元"
    if jiao:
        text += f"{_DIGITS[jiao]}角"
    if not fen:
        return f"{text}整"
    if yuan and not jiao:
        text += "零"
    return f"{text}{_DIGITS[fen]}分"


def _whole(number: int) -> str:
    """Write a whole number: myriads of four digits, one 零 for any run of zeros."""
    if number == 0:
        return _DIGITS[0]
    text, gap = "", False
    digits = str(number)
    for index, digit in enumerate(digits):
        place = len(digits) - 1 - index
        myriad, inside = divmod(place, 4)
        if digit == "0":
            gap = True
        else:
            text += ("零" if gap and text else "") + _DIGITS[int(digit)]
            text += _PLACES[inside]
            gap = False
        if inside == 0 and int(digits[max(0, index - 3) : index + 1]):
            text += _MYRIADS[myriad]
    return text


# -- for the shell --------------------------------------------------------------

_COLUMNS = 46  #: of an 80 mm roll: 23 Chinese characters


def receipt_text(
    view: SettlementView, language: Language, institution: str = ""
) -> str:
    """Print the paper as lines of text for a shell, Chinese counted double."""
    lines = [_centred(title(view, language))]
    lines += [_centred(f"* {mark} *") for mark in marks(view, language)]
    group: Group | None = None
    for row in receipt_rows(view, language, institution):
        if row.group is not group:
            lines.append("-" * _COLUMNS)
            group = row.group
        if not row.zero:
            value = f"{row.value}  {row.negative}".rstrip()
            lines.append(_spread(row.label, value))
    lines.append("-" * _COLUMNS)
    words = Words(language)
    if view.amounts is not None and is_receipt(view):
        cash = view.amounts.cash_pay
        lines.append(_spread(words["pays_now"], f"{cash} {words['yuan']}"))
        lines.append(_spread(words["capitals"], capitals(cash)))
    else:
        lines += [sentence(view.problem, language), words["slip_note"]]
    return "\n".join(line for line in lines if line)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "FW" else 1 for c in text)


def _spread(left: str, right: str) -> str:
    return left + " " * max(2, _COLUMNS - _columns(left) - _columns(right)) + right


def _centred(text: str) -> str:
    return " " * max(0, (_COLUMNS - _columns(text)) // 2) + text


# -- as PDF ---------------------------------------------------------------------


def receipt_pdf(
    view: SettlementView, language: Language, institution: str = ""
) -> bytes:
    """Typeset the paper; the same *view* gives the same bytes.

    Page one is the receipt (A5), what follows is the bill and the reasons. What is
    not certain comes out as a slip of one page, see the module.
    """
    # 30 MB of typesetting that a daemon need not hold before its first receipt.
    import typst  # noqa: PLC0415

    data = _document(view, language, institution)
    return typst.compile(
        str(TEMPLATE),
        root=str(TEMPLATE.parent),
        font_paths=[str(FONTS)],
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        # Part of the file's identity; the settlement's own instant keeps it stable.
        timestamp=int(view.created_at.timestamp()),
    )


def _document(
    view: SettlementView, language: Language, institution: str
) -> dict[str, JsonValue]:
    words = Words(language)
    rows = receipt_rows(view, language)  # the institution stands in the heading
    receipt = is_receipt(view)
    cash = view.amounts.cash_pay if view.amounts and receipt else None
    return {
        "language": language,
        "title": title(view, language),
        "institution": institution,
        "cancelled": view.cancellation is not None,
        "marks": list(marks(view, language)),
        "groups": {
            group.value: [
                {
                    "label": row.label,
                    "value": row.value,
                    "negative": row.negative,
                    "strong": row.strong,
                    "zero": row.zero,
                }
                for row in rows
                if row.group is group
            ]
            for group in Group
        },
        "pays": None
        if cash is None
        else {"amount": cash.to_yuan(), "capitals": capitals(cash)},
        "sentence": "" if receipt else sentence(view.problem, language),
        "note": words["receipt_note" if receipt else "slip_note"],
        "lines": [
            {key: line.get(key, "") for key in _LINE_FIELDS} for line in view.lines
        ]
        if receipt
        else [],
        "reasons": [dataclasses.asdict(why) for why in _payers_first(view, language)]
        if receipt
        else [],
        "differences": [
            {"label": words[row.amount], "ours": row.ours, "centres": row.centres}
            for row in view.differences
        ],
        "words": {
            key: words[key]
            for key in (
                "cash_pay",
                "yuan",
                "capitals",
                "split_of",
                "split_payers",
                "receipt_amount",
                "receipt_negative",
                "receipt_explained",
                "receipt_explained_intro",
                "receipt_explains_ours",
                "amount",
                "differ_ours",
                "differ_centres",
                "receipt_page",
                "bill_lines",
                "bill_name",
                "item_class",
                "bill_quantity",
                "bill_price",
                "bill_amount",
                "separator",
            )
        },
        "classes": {name: words[f"class_{name}"] for name in "ABC"},
    }


def reasons(view: SettlementView, language: Language) -> tuple[Why, ...]:
    """Return the reasons kept with the settlement, in one language."""
    rows = view.explanation if language == "zh" else view.explanation_en
    names = {line["line_no"]: line.get("item_name", "") for line in view.lines}
    return whys(rows, names, language)


def _payers_first(view: SettlementView, language: Language) -> list[Why]:
    """Order the reasons as they are asked: who pays, then line by line."""
    return sorted(reasons(view, language), key=lambda why: bool(why.where))
