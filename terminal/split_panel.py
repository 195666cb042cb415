"""Who pays what, as the counter draws it: a bar, two tables, and the reasons.

Nothing is worked out here but the widths of the bar; amounts come from the centre or
from our split, reasons from ``settlement.explain``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from settlement.money import Money
from settlement.policy import ASSUMPTION
from settlement.split import SettledAmounts
from terminal.words import Language, Words

#: The bar's length in units of its drawing; a payer with any amount gets its place.
BAR = 1000
_LABEL_FROM = 185  #: a shorter piece has no room for its name

#: Field of ``SettledAmounts`` -> the payer whose charges explain it.
_PAYERS = {
    "pooled_fund": "pooled_fund",
    "critical_illness_fund": "critical_illness_fund",
    "medical_aid": "medical_aid",
    "civil_servant_fund": "civil_servant_fund",
    "employer_fund": "employer_fund",
    "large_claim_fund": "large_claim_fund",
    "other_fund": "other_fund",
    "hospital_share": "hospital",
    "account_pay": "account",
    "family_account_pay": "family_account",
    "cash_pay": "cash",
}
_PARTS = ("in_scope", "upfront_share", "over_price_limit", "uncovered")


@dataclass(frozen=True, slots=True)
class Why:
    """One reason as it is read: rule, value, arithmetic, and where it is written."""

    amount_key: str
    label: str
    where: str  #: the line of the bill, for a part of one
    amount: str
    rule: str
    value: str
    arithmetic: str
    derived: str  #: how the value came about, where it was changed
    base: str  #: what it is taken of, where that is not the in-scope sum
    source: str  #: document, article, first day, grade
    quote: str


@dataclass(frozen=True, slots=True)
class Piece:
    """One row of a table, and a piece of the bar where there is one."""

    key: str
    label: str
    short: str
    amount: str
    percent: str
    x: int
    width: int
    whys: tuple[Why, ...]

    @property
    def middle(self) -> int:
        """Where the name on the bar is centred."""
        return self.x + self.width // 2

    @property
    def named(self) -> bool:
        """Say whether the piece is long enough to carry its name."""
        return self.width >= _LABEL_FROM


@dataclass(frozen=True, slots=True)
class SplitPanel:
    """The split of one bill, ready to be drawn."""

    payers: tuple[Piece, ...]  #: who pays, and who would but for a reason
    parts: tuple[Piece, ...]  #: what the bill consists of, zeros left out
    deductible: Piece | None


def whys(
    rows: Iterable[Mapping[str, str]], names: Mapping[str, str], language: Language
) -> tuple[Why, ...]:
    """Turn the rows of ``settlement.explain`` into reasons to be read.

    Args:
        rows: As ``explain.rows`` made them, or as the journal kept them.
        names: Line number -> item name, to say which line a part belongs to.
        language: Of the words around the rows' own.
    """
    words = Words(language)
    return tuple(
        Why(
            amount_key=row["amount_key"],
            label=row["label"],
            where=_where(row["line_no"], names, words),
            amount=row["amount"],
            rule=row["rule_label"],
            value=row["value"],
            arithmetic=_signs(row["arithmetic"]),
            # A record kept by an older version has neither of these keys.
            derived=row.get("derived", ""),
            base=_signs(row.get("base", "")),
            source=_source(row, words),
            quote=row["quote"],
        )
        for row in rows
    )


def _signs(sums: str) -> str:
    """Print sums in the signs of print instead of those of a keyboard."""
    return sums.replace(" x ", " × ").replace("->", "→")


def _where(line_no: str, names: Mapping[str, str], words: Words) -> str:
    if not line_no:
        return ""
    return f"{words.fill('why_line', n=line_no)} {names.get(line_no, '')}".strip()


def _source(row: Mapping[str, str], words: Words) -> str:
    place = f"{row['document']} {row['article']}".strip()
    since = words.fill("rule_since", day=row["since"])
    assumed = row["grade"] == ASSUMPTION
    grade = (
        words["grade_assumption"]
        if assumed
        else words.fill("rule_grade", grade=row["grade"])
    )
    return words["list_comma"].join((place, since, grade))


def split_panel(
    amounts: SettledAmounts, reasons: tuple[Why, ...], language: Language
) -> SplitPanel:
    """Lay the split out: payers along the bar, parts of the bill beside them.

    Args:
        amounts: What is paid; the centre's where it has answered.
        reasons: From ``whys``; ours, so they may differ from the centre's amounts.
        language: Of the labels.
    """
    words = Words(language)
    by_key: dict[str, list[Why]] = {}
    for why in reasons:
        by_key.setdefault(why.amount_key, []).append(why)
    # A payer of nothing stays if there is a reason, such as a cap that is used up.
    paid = {
        field: money_of(amounts, field)
        for field, payer in _PAYERS.items()
        if money_of(amounts, field) > Money.ZERO or payer in by_key
    }
    # The drawing's length divided among the payers, the spare units to the largest.
    weights = [amount.fen for amount in paid.values()]
    widths = Money(BAR).split(*weights) if any(weights) else [Money.ZERO] * len(paid)
    payers, at = [], 0
    for (field, amount), width in zip(paid.items(), widths, strict=True):
        payer = _PAYERS[field]
        share = _percent(amount, amounts.total_fee)
        payers.append(
            Piece(
                field,
                words[field],
                words[f"short_{payer}"],
                amount.to_yuan(),
                share,
                at,
                width.fen,
                tuple(by_key.get(payer, ())),
            )
        )
        at += width.fen
    parts = tuple(
        _plain(field, amounts, by_key, words)
        for field in _PARTS
        if money_of(amounts, field)
    )
    deductible = (
        _plain("deductible", amounts, by_key, words) if amounts.deductible else None
    )
    return SplitPanel(tuple(payers), parts, deductible)


def _plain(
    field: str, amounts: SettledAmounts, by_key: Mapping[str, list[Why]], words: Words
) -> Piece:
    amount = money_of(amounts, field)
    return Piece(
        field,
        words[field],
        words[field],
        amount.to_yuan(),
        _percent(amount, amounts.total_fee),
        0,
        0,
        tuple(by_key.get(field, ())),
    )


def _percent(amount: Money, whole: Money) -> str:
    """Print a share to one decimal, for the eye only."""
    if not whole:
        return ""
    tenths = (amount.fen * 2000 + whole.fen) // (2 * whole.fen)
    return f"{tenths // 10}.{tenths % 10}%"


def money_of(amounts: SettledAmounts, field: str) -> Money:
    """Return one amount by its name.

    Raises:
        AssertionError: *field* is not an amount of ``SettledAmounts``.
    """
    value = getattr(amounts, field)
    if not isinstance(value, Money):
        msg = f"{field} is not an amount"
        raise AssertionError(msg)  # noqa: TRY004 - a programmer's error
    return value
