"""Packs of a few rows and bills of a few lines, for one question each."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace

from config.packs import read_pack
from settlement.claim import (
    Accumulators,
    Category,
    Claim,
    Hospital,
    Insurance,
    Insured,
    Tier,
    Visit,
    VisitKind,
)
from settlement.policy import Pack
from tests.independent.random_packs import plain_line

ON = dt.date(2024, 6, 1)
HEAD = """
[pack]
version = 1
region = "230800"
region_name = "样本市"
insurance = "resident"
since = 2024-01-01
[source.text]
document = "样本文件"
url = "https://example.invalid/"
grade = "E"
published = 2024-01-01
checked_on = 2026-11-23
[clause.text]
source = "text"
article = "第一条"
quote = "样本"
"""
FRAME = {
    "rounding": 'unit_fen = 1\nmode = "half_up"\nat = "sum"',
    "year": "starts_month = 1\nstarts_day = 1\nsplits_stays = false",
    "scope.upfront": 'ratio = "0"',
    "scope.outside": "person_bears_all = true",
    "scope.item_ratio": "applies = true",
    "scope.over_price_limit": 'bearer = "person"',
    "scope.restriction_unmet": "person_bears_all = true",
    "cash": "person_bears_rest = true",
    "refund": "replays_the_year = false",
}
CLAUSE = 'since = 2024-01-01\nclause = "text"'
HEADS = ""  #: what stands for itself
PLAIN = 'plus = ["in_scope"]\nspan = "visit"\naxis = "net"'
FLAT = 'bands = [{ from = "0", to = "unlimited", ratio = "%s" }]'


@dataclass
class Text:
    """A pack of a few rows; a fund's rows come after its head."""

    tallies: str = ""
    rows: list[tuple[str, str]] = field(default_factory=list)
    frame: dict[str, str] = field(default_factory=dict)

    def fund(self, key: str, payer: str = "pooled_fund", **rules: str) -> Text:
        """Add a fund; ``ratio`` writes its one band."""
        benefit = "true" if payer == "pooled_fund" else "false"
        names = f'name = "{key}"\nname_en = "{key}"'
        self.rows.append((HEADS, f"[fund.{key}]\n{names}"))
        self.rows.append((HEADS, f'payer = "{payer}"\nbenefit = {benefit}'))
        bands = FLAT % rules.pop("ratio", "1")
        ordinary = {"applies": "", "base": PLAIN, "bands": bands}
        for rule, text in {**ordinary, **rules}.items():
            self.rows.append((f"fund.{key}.{rule.replace('__', '.')}", text))
        return self

    def pack(self) -> Pack:
        """Read it."""
        out = [HEAD, self.tallies]
        for path, text in [*(FRAME | self.frame).items(), *self.rows]:
            if path == HEADS:
                out.append(text)
                continue
            out += [f"[[{path}]]\n{row}\n{CLAUSE}" for row in text.split("\n\n")]
        return read_pack("\n".join(out).encode(), "small")


def bill(*fen: int, **said: object) -> Claim:
    """Make a bill of class A lines for an ordinary person."""
    claim = Claim(
        Visit(
            VisitKind.INPATIENT,
            ON,
            Hospital(Tier.TERTIARY, Tier.TERTIARY, Tier.TERTIARY, "230800"),
        ),
        Insured(Insurance.RESIDENT, "230800", 50, category=Category.RESIDENT),
        Accumulators(2024),
        tuple(plain_line(number, each) for number, each in enumerate(fen, start=1)),
    )
    for part in ("visit", "insured"):
        held = getattr(claim, part)
        mine = {name: value for name, value in said.items() if hasattr(held, name)}
        claim = replace(claim, **{part: replace(held, **mine)})
    return claim
