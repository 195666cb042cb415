"""The comparison as a table, as a workbook with charts, and as a drawing (SVG)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import xlsxwriter

from settlement import explain
from settlement.money import Money
from terminal.replay.comparison import GROUPINGS, PAYERS, Comparison, Group
from terminal.self_words import CATEGORIES
from terminal.words import Words

Language = explain.Language

_TITLES = {
    "person": ("人员类别", "Person category"),
    "tier": ("医疗机构级别", "Hospital level"),
    "kind": ("医疗类别", "Kind of visit"),
}
_NAMES = {
    **{kind.value: (word.zh, word.en) for kind, word in CATEGORIES.items()},
    "township": ("乡镇、社区", "township"),
    "primary": ("一级", "primary"),
    "secondary": ("二级", "secondary"),
    "tertiary": ("三级", "tertiary"),
}
_HEAD = (
    ("支付方", "原金额", "新金额", "增减"),
    ("Payer", "Was", "Would be", "Change"),
)
_GROUP_HEAD = (
    ("分组", "笔数", "个人多付", "个人少付", "不变", "个人负担增减", "基金支付增减"),
    ("Group", "Bills", "Pay more", "Pay less", "Same", "Persons", "Funds"),
)
_SVG = "http://www.w3.org/2000/svg"
_PERSONS = ("account", "family_account", "cash")
_BAR, _ROW, _LEFT = 360, 26, 250


@dataclass(frozen=True, slots=True)
class Title:
    """What is compared with what."""

    pack: str
    against: str | None  #: None: the settlements as they were made

    def sentence(self, language: Language) -> str:
        """Write it out."""
        if language == "zh":
            return f"政策包 {self.pack} 对比 {self.against or '原结算'}"
        return f"pack {self.pack} against {self.against or 'what was settled'}"


def table(comparison: Comparison, title: Title, language: Language) -> str:
    """Print the comparison for a person."""
    zh = language == "zh"
    whole = comparison.whole
    lines = [
        f"{title.sentence(language)}: {whole.bills} {'笔' if zh else 'bills'}",
    ]
    if comparison.outside:
        lines.append(
            f"{comparison.outside} 笔的就诊日不在政策包有效期内，按最近的有效日测算"
            "（--in-year 可将账单放到指定年度）。"
            if zh
            else f"{comparison.outside} bills lie outside a pack's days and were "
            "worked out on its nearest day (--in-year puts them into a year)."
        )
    if comparison.left_out:
        lines.append(
            f"{comparison.left_out} 笔由旧版本结算，未保存账单内容，未参加测算。"
            if zh
            else f"{comparison.left_out} settlements of an older version kept no claim "
            "and are left out."
        )
    if whole.denied:
        lines.append(
            f"{whole.denied} 笔在该政策包下没有待遇。"
            if zh
            else f"{whole.denied} bills have no benefit under the pack."
        )
    rows = [list(_HEAD[not zh])]
    rows += [
        [explain.label(payer, language), *_three(whole, payer)]
        for payer in _shown(whole)
    ]
    lines += ["", *_laid_out(rows)]
    for name in GROUPINGS:
        groups = comparison.groups[name]
        if not groups:
            continue
        rows = [[_TITLES[name][not zh], *_GROUP_HEAD[not zh][1:]]]
        rows += [_group_row(word, group, language) for word, group in groups.items()]
        lines += ["", *_laid_out(rows)]
    return "\n".join(lines)


def to_json(comparison: Comparison, title: Title) -> dict[str, object]:
    """Write the comparison for a program; amounts in yuan."""
    return {
        "pack": title.pack,
        "against": title.against,
        "left_out": comparison.left_out,
        "outside_the_packs_days": comparison.outside,
        "whole": _json(comparison.whole),
        "groups": {
            name: {word: _json(group) for word, group in groups.items()}
            for name, groups in comparison.groups.items()
        },
    }


def workbook(
    comparison: Comparison, title: Title, path: Path, language: Language
) -> None:
    """Write a workbook: payers, groups, and a chart of each."""
    zh = language == "zh"
    with xlsxwriter.Workbook(str(path), {"in_memory": True}) as book:
        bold = book.add_format({"bold": True})
        money = book.add_format({"num_format": "#,##0.00"})
        sheet = book.add_worksheet("支付方" if zh else "payers")
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, 3, 18)
        sheet.write(0, 0, title.sentence(language), bold)
        sheet.write_row(1, 0, _HEAD[not zh], bold)
        shown = _shown(comparison.whole)
        for number, payer in enumerate(shown, start=2):
            sheet.write(number, 0, explain.label(payer, language))
            for column, text in enumerate(_three(comparison.whole, payer), start=1):
                # A cell holds a number; the sums were made in whole fen.
                sheet.write_number(number, column, _cell(text), money)
        last = len(shown) + 1
        chart = book.add_chart({"type": "bar"})
        for column, name in ((1, _HEAD[not zh][1]), (2, _HEAD[not zh][2])):
            chart.add_series(
                {
                    "name": name,
                    "categories": [sheet.name, 2, 0, last, 0],
                    "values": [sheet.name, 2, column, last, column],
                }
            )
        chart.set_y_axis({"reverse": True})
        sheet.insert_chart("F2", chart)
        for name in GROUPINGS:
            groups = comparison.groups[name]
            if not groups:
                continue
            page = book.add_worksheet(_TITLES[name][not zh])
            page.set_column(0, 6, 18)
            page.write_row(0, 0, _GROUP_HEAD[not zh], bold)
            for number, (word, group) in enumerate(groups.items(), start=1):
                row = _group_row(word, group, language)
                page.write(number, 0, row[0])
                for column in range(1, 5):
                    page.write_number(number, column, int(row[column]))
                for column in (5, 6):
                    page.write_number(number, column, _cell(row[column]), money)
            drawn = book.add_chart({"type": "column"})
            for column in (5, 6):
                drawn.add_series(
                    {
                        "name": _GROUP_HEAD[not zh][column],
                        "categories": [page.name, 1, 0, len(groups), 0],
                        "values": [page.name, 1, column, len(groups), column],
                    }
                )
            page.insert_chart(f"A{len(groups) + 4}", drawn)


def drawing(comparison: Comparison, title: Title, language: Language) -> str:
    """Draw what every payer would bear more or less, as SVG."""
    zh = language == "zh"
    shown = _shown(comparison.whole)
    changes = [comparison.whole.change(payer) for payer in shown]
    most = max((abs(change) for change in changes), default=0) or 1
    height = _ROW * (len(shown) + 2)
    width = _LEFT + 2 * _BAR + 140
    middle = _LEFT + _BAR
    what = "各方增减（元）" if zh else "Change by payer, yuan"
    shape = f'viewBox="0 0 {width} {height}" role="img"'
    font = 'font-family="sans-serif" font-size="13"'
    name = escape(f"{what}: {title.sentence(language)}")
    ends = f'y1="{_ROW}" y2="{height}" stroke="#555555"'
    parts = [
        f'<svg xmlns="{_SVG}" {shape} aria-label="{name}" {font}>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="10" y="18" font-weight="bold">{name}</text>',
        f'<line x1="{middle}" x2="{middle}" {ends}/>',
    ]
    for number, (payer, change) in enumerate(zip(shown, changes, strict=True)):
        top = _ROW * (number + 1) + 5
        length = abs(change) * _BAR // most
        left = middle if change >= 0 else middle - length
        label = escape(explain.label(payer, language))
        amount = f"{'+' if change > 0 else ''}{Money(change)}"
        fill = "#1f6f8b" if change >= 0 else "#b4552d"
        parts += [
            f'<text x="{_LEFT - 8}" y="{top + 13}" text-anchor="end">{label}</text>',
            f'<rect x="{left}" y="{top}" width="{length}" height="16" fill="{fill}"/>',
            f'<text x="{width - 8}" y="{top + 13}" text-anchor="end">{amount}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _shown(group: Group) -> list[str]:
    return [p for p in PAYERS if group.was.get(p, 0) or group.now.get(p, 0)]


def _three(group: Group, payer: str) -> list[str]:
    was, now = group.was.get(payer, 0), group.now.get(payer, 0)
    return [str(Money(was)), str(Money(now)), str(Money(now - was))]


def _group_row(word: str, group: Group, language: Language) -> list[str]:
    zh = language == "zh"
    name = _NAMES.get(word)
    kinds = Words(language)
    shown = name[not zh] if name else kinds[f"kind_{word}"]
    persons = sum(group.change(payer) for payer in _PERSONS)
    funds = sum(
        group.change(payer) for payer in PAYERS if payer not in {*_PERSONS, "hospital"}
    )
    return [
        shown,
        str(group.bills),
        str(group.more),
        str(group.less),
        str(group.same),
        str(Money(persons)),
        str(Money(funds)),
    ]


def _json(group: Group) -> dict[str, object]:
    return {
        "bills": group.bills,
        "pay_more": group.more,
        "pay_less": group.less,
        "pay_the_same": group.same,
        "denied": group.denied,
        "was": {payer: str(Money(fen)) for payer, fen in group.was.items()},
        "now": {payer: str(Money(fen)) for payer, fen in group.now.items()},
    }


def _cell(text: str) -> object:
    """Give a spreadsheet its number; it knows no other than its own."""
    from decimal import Decimal  # noqa: PLC0415 - for the workbook alone

    return Decimal(text)


def _laid_out(rows: list[list[str]]) -> list[str]:
    widths = [max(_wide(row[n]) for row in rows) for n in range(len(rows[0]))]
    return [
        "  ".join(
            _padded(text, width, right=number > 0)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _wide(text: str) -> int:
    """Count columns: a Chinese sign takes two."""
    return sum(1 if sign.isascii() else 2 for sign in text)


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _wide(text))
    return f"{space}{text}" if right else f"{text}{space}"
