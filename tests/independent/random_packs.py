"""Packs nobody ever wrote, as TOML, and bills nobody ever had; the same for a seed.

Every feature of the language occurs: conditions by word and number, wordings that
succeed each other or end, texts published later than they hold, every kind of
deductible, span, axis, band, modifier, cap, rounding, lane, quota and prepayment.
Bills lie where it hurts: at a deductible, a band's edge or a cap, a fen to either side.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

from config.packs import read_pack
from settlement.claim import (
    AMOUNTS,
    Accumulators,
    Assistance,
    Category,
    Cause,
    Claim,
    FeeLine,
    Filing,
    Hospital,
    Insurance,
    Insured,
    ItemClass,
    Place,
    Supplement,
    Tier,
    Visit,
    VisitKind,
)
from settlement.money import Money, line_amount
from settlement.policy import Amount, Cap, Deductible, Pack

SINCE = dt.date(2024, 1, 1)
#: Days on which texts change, and the day a late text becomes known.
LATER = (dt.date(2024, 7, 1), dt.date(2025, 1, 1), dt.date(2025, 9, 15))
LATE_PUBLISHED = dt.date(2025, 10, 10)
REGION, NEIGHBOUR = "230800", "220100"
REGIONS = (REGION, "230803", "230100", "220100", "110000", "220200")
EMPLOYEES = ("active", "retired", "flexible", "unemployed")
RESIDENTS = ("resident", "student", "newborn")
DISEASES = ("diabetes", "dialysis")
PREMIUMS = ("low", "high")
GROUPS = ("implant", "special_exam", "negotiated_drug")
OTHER = "(other)"  #: as `config.pack_whole` calls a word that no pack names
RATIOS = (
    *("0", "0.05", "0.3", "0.5", "0.55", "0.65"),
    *("0.7", "0.85", "0.875", "0.912", "1"),
)
WORDS: dict[str, tuple[str, ...]] = {
    "kind": tuple(VisitKind),
    "tier": tuple(Tier),
    "place": tuple(Place),
    "filing": tuple(Filing),
    "supplement": tuple(Supplement),
    "accident": ("no", "yes"),
    "signed": ("no", "yes"),
    "disease": ("none", *DISEASES),
    "premium": ("none", *PREMIUMS),
    "group": ("none", OTHER, *GROUPS),
    "cause": tuple(Cause),
    "class": ("A", "B"),
}
BILL_WORDS = ("kind", "tier", "place", "filing", "person", "assistance", "signed")
MORE_WORDS = (*BILL_WORDS, "supplement", "accident")
NUMBERS = {
    "admission": (2, 3, 4),
    "age": (18, 60, 65, 70, 80),
    "insured_months": (6, 12, 36),
    "days": (2, 15, 31, 91),
}
FUND_PAYERS = (
    *("pooled_fund", "civil_servant_fund", "employer_fund", "critical_illness_fund"),
    *("large_claim_fund", "medical_aid", "other_fund"),
)
TALLIES = (
    *("large_claim_paid", "aid_base", "scope_special"),
    *("monthly@month", "daily@day"),
)
FIGURES = (
    *("total", "uncovered", "over_price_limit", "upfront_share", "in_scope", "prepay"),
    *("over_quota", "hospital", "deductible", "pooled_share"),
)
FUND_FIGURES = ("paid", "base", "deductible", "over_cap", "over_cap_scope")
Row = Mapping[str, object]


def seeded(*words: object) -> Random:
    """Make chances that are the same for the same words."""
    return Random(" ".join(map(str, words)))  # noqa: S311 - repeatable, not secret


def random_pack(chance: Random, name: str = "random/pack") -> Pack:
    """Make a valid pack of any kind."""
    return read_pack(random_toml(chance).encode(), name)


def random_toml(chance: Random) -> str:
    """Write a valid pack of any kind as TOML."""
    return _Any(chance).text()


def annual_pack(chance: Random) -> Pack:
    """Make a pack whose funds all lie on the year: bands, deductible and caps.

    Its first fund pools, its second is a critical illness insurance on what the first
    leaves, its third assists with the rest; they share no accumulator.
    """
    return read_pack(_Annual(chance).text().encode(), "random/annual")


def two_pass_pack(chance: Random) -> Pack:
    """Make such a pack whose assistance pays in two passes under one cap."""
    text = _Annual(chance, passes=2).text()
    return read_pack(text.encode(), "random/two-pass")


def simple_pack(chance: Random) -> Pack:
    """Make a pack with one benefit in bands on one visit, without a cap."""
    return read_pack(_Simple(chance).text().encode(), "random/simple")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key} = {_toml(each)}" for key, each in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value)


def yuan(fen: int) -> str:
    """Write fen as a text writes yuan."""
    return Money(fen).to_yuan()


@dataclass
class _Writer:
    """Writes one pack, row by row."""

    chance: Random
    out: list[str] = field(default_factory=list)
    insurance: str = "resident"
    order: tuple[str, ...] = ()

    # --- TOML ---

    def table(self, path: str, row: Row) -> None:
        self.out.append(f"[{path}]")
        self.out += [f"{json.dumps(key)} = {_toml(row[key])}" for key in row]

    def row(self, path: str, row: Row, **clause: object) -> None:
        stated = {"since": SINCE, "clause": "early", **clause}
        self.out.append(f"[[{path}]]")
        self.out += [
            f"{key} = {_toml(value)}" for key, value in {**row, **stated}.items()
        ]

    def head(self, tallies: Sequence[str]) -> None:
        """Write who the pack is for, and its two documents."""
        chance = self.chance
        self.insurance = chance.choice(["resident", "employee"])
        classes = chance.sample(list(Assistance), chance.randint(0, 4))
        self.order = tuple(word.value for word in classes)
        head: dict[str, object] = {
            "version": 1,
            "region": REGION,
            "region_name": "随机市",
            "insurance": self.insurance,
            "since": SINCE,
        }
        if self.order:
            head["assistance_order"] = list(self.order)
        if chance.random() < 0.4:
            head["neighbours"] = [NEIGHBOUR]
        self.table("pack", head)
        for name, published in (("early", SINCE), ("late", LATE_PUBLISHED)):
            self.table(
                f"source.{name}",
                {
                    "document": f"随机文件 {name}",
                    "url": "https://example.invalid/",
                    "grade": "E",
                    "published": published,
                    "checked_on": dt.date(2026, 11, 23),
                },
            )
            self.table(
                f"clause.{name}",
                {"source": name, "article": "第一条", "quote": "随机"},
            )
        if tallies:
            self.table("tally", dict.fromkeys(tallies, "随机累计"))

    # --- rules ---

    def flat(self, path: str, value: Callable[[], Row]) -> None:
        """Write a rule without conditions, sometimes with a later wording."""
        self.row(path, value())
        if self.chance.random() < 0.25:
            clause = self.chance.choice(["early", "late"])
            self.row(path, value(), since=self.chance.choice(LATER), clause=clause)

    def ruled(
        self,
        path: str,
        value: Callable[[], Row],
        words: Sequence[str] = MORE_WORDS,
        *,
        keep: float = 1.0,
    ) -> None:
        """Write a rule in cells that cover everything, or a part where it may.

        A cell's text may be followed by a newer one; or all of them end and other
        cells begin.
        """
        chance = self.chance
        if chance.random() < 0.15:
            day = chance.choice(LATER)
            eve = day - dt.timedelta(days=1)
            self._cells(path, value, words, keep, until=eve)
            self._cells(path, value, words, keep, since=day)
        else:
            self._cells(path, value, words, keep)

    def _cells(
        self,
        path: str,
        value: Callable[[], Row],
        words: Sequence[str],
        keep: float,
        **clause: object,
    ) -> None:
        cells = [c for c in self.cells(words) if self.chance.random() <= keep] or [{}]
        for cell in cells:
            self.row(path, {**cell, **value()}, **clause)
            if not clause and self.chance.random() < 0.12:
                known = self.chance.choice(["early", "late"])
                day = self.chance.choice(LATER)
                self.row(path, {**cell, **value()}, since=day, clause=known)

    def cells(self, words: Sequence[str]) -> list[dict[str, object]]:
        """Cut what a rule may ask for into cells: every bill lies in exactly one."""
        chance = self.chance
        if not words:
            return [{}]
        out: list[dict[str, object]] = [{}]
        # A line has no numbers to ask for, and entitlement asks for the person only.
        plain = "class" in words or words == ("person",)
        names = [*words, *(() if plain else NUMBERS)]
        for name in chance.sample(
            names, min(len(names), chance.choice([0, 0, 1, 1, 1, 2]))
        ):
            out = [{**cell, **piece} for cell in out for piece in self.pieces(name)]
        return out

    def pieces(self, name: str) -> list[dict[str, object]]:
        """Cut one fact into two or three pieces."""
        chance = self.chance
        if name in NUMBERS:
            cuts = sorted(chance.sample(NUMBERS[name], chance.choice([1, 1, 2])))
            lows = [0, *cuts]
            out: list[dict[str, object]] = []
            for low, high in zip(lows, [*cuts, None], strict=True):
                piece: dict[str, object] = {f"{name}_from": low} if low else {}
                if high is not None:
                    piece[f"{name}_to"] = high - 1
                out.append(piece)
            return out
        values = [str(value) for value in self.values(name)]
        if len(values) < 2:
            return [{}]
        chance.shuffle(values)
        if name == "group":
            # Whatever no pack names counts as none: the two go together.
            values.remove(OTHER)
            values.remove("none")
            values.insert(chance.randrange(len(values) + 1), "none")
        pieces = chance.randint(2, min(3, len(values)))
        cuts = sorted(chance.sample(range(1, len(values)), pieces - 1))
        groups = [
            values[low:high]
            for low, high in zip([0, *cuts], [*cuts, len(values)], strict=True)
        ]
        if name == "group":
            groups = [[*g, OTHER] if "none" in g else g for g in groups]
        return [{name: group} for group in groups]

    def values(self, name: str) -> Sequence[str]:
        """List the values of one word."""
        if name == "person":
            return EMPLOYEES if self.insurance == "employee" else RESIDENTS
        if name == "assistance":
            return ("none", *self.order)
        return WORDS[name]

    # --- values ---

    def ratio(self) -> Row:
        return {"ratio": self.chance.choice(RATIOS)}

    def amount(self, most: int) -> dict[str, object]:
        """Write an amount: round or not, by an index, growing with months."""
        chance = self.chance
        out: dict[str, object] = {"yuan": yuan(self.fen(most))}
        kind = chance.random()
        if kind < 0.1:
            out = {"index": "wage", "factor": chance.choice(["0.05", "0.123456", "4"])}
        elif kind < 0.15:
            out |= {"index": "wage", "factor": "0.0333"}
        if chance.random() < 0.1:
            out |= {
                "growth": yuan(self.fen(most // 10 + 100)),
                "growth_months": chance.choice([1, 12]),
                "growth_most": yuan(self.fen(most // 2 + 100)),
            }
        return out

    def fen(self, most: int) -> int:
        chance = self.chance
        if chance.random() < 0.1:
            return 0
        fen = chance.randint(1, most)
        return fen if chance.random() < 0.3 else -(-fen // 10000) * 10000

    def band_table(self, most: int = 6) -> Row:
        chance = self.chance
        count = chance.randint(0, most - 1)
        edges = sorted({self.fen(10_000_000) for _ in range(count)})
        lows = [0, *(edge for edge in edges if edge)]
        return {
            "bands": [
                {
                    "from": yuan(low),
                    "to": "unlimited" if high is None else yuan(high),
                    "ratio": chance.choice(RATIOS),
                }
                for low, high in zip(lows, [*lows[1:], None], strict=True)
            ]
        }

    def rounding(self) -> Row:
        chance = self.chance
        return {
            "unit_fen": chance.choice([1, 1, 10, 100]),
            "mode": chance.choice(["half_up", "half_up", "up", "down"]),
            "at": chance.choice(["sum", "band"]),
        }

    def year(self) -> Row:
        return {
            "starts_month": self.chance.choice([1, 1, 7]),
            "starts_day": 1,
            "splits_stays": self.chance.random() < 0.5,
        }

    def frame(self) -> None:
        """Write the rules every pack has, besides scope and funds."""
        self.row("rounding", self.rounding())
        self.row("year", self.year())
        for path, key in (
            ("scope.outside", "person_bears_all"),
            ("scope.restriction_unmet", "person_bears_all"),
            ("cash", "person_bears_rest"),
        ):
            self.row(path, {key: True})
        self.row("refund", {"replays_the_year": self.chance.random() < 0.5})

    def plain_scope(self) -> None:
        self.row("scope.upfront", {"class": ["A"], "ratio": "0"})
        self.row("scope.upfront", {"class": ["B"], "ratio": "0.10"})
        self.row("scope.item_ratio", {"applies": True})
        self.row("scope.over_price_limit", {"bearer": "person"})

    def fund_head(self, key: str, payer: str, *, benefit: bool) -> None:
        self.table(
            f"fund.{key}",
            {
                "name": f"基金{key}",
                "name_en": f"Fund {key}",
                "payer": payer,
                "benefit": benefit,
            },
        )


class _Any(_Writer):
    """A pack of any kind."""

    def text(self) -> str:
        chance = self.chance
        self.tallies = chance.sample(TALLIES, chance.randint(0, len(TALLIES)))
        self.counters = [*AMOUNTS, *self.tallies]
        self.known = list(FIGURES)
        self.head(self.tallies)
        self.row("index.wage", {"yuan": yuan(self.fen(1_000_000) + 1)})
        if chance.random() < 0.3:
            wage = {"yuan": yuan(self.fen(1_000_000))}
            self.row("index.wage", wage, since=chance.choice(LATER))
        self.frame()
        if chance.random() < 0.2:
            self.ruled("entitlement", self.entitlement, ("person",), keep=0.7)
        self.scope()
        benefits = chance.randint(1, 3)
        others = chance.randint(0, 3)
        for number in range(benefits + others):
            self.fund(f"f{number}", number, benefit=number < benefits)
        for key, balance in (
            ("account", "account"),
            ("account_rest", "account"),
            ("family", "family_account"),
        ):
            if chance.random() < (0.2 if key == "account_rest" else 0.6):
                self.account(key, balance)
        return "\n".join(self.out) + "\n"

    def entitlement(self) -> Row:
        chance = self.chance
        return {
            "from_month": chance.randint(1, 3),
            "arrears_months": chance.randint(1, 3),
            "back_payment_months": chance.randint(0, 6),
        }

    def scope(self) -> None:
        chance = self.chance
        line = ("class", "group", "cause", *BILL_WORDS)
        self.ruled("scope.upfront", self.upfront, line)
        self.flat("scope.item_ratio", lambda: {"applies": chance.random() < 0.6})
        bearers = ("person", "person", "hospital")
        self.flat("scope.over_price_limit", lambda: {"bearer": chance.choice(bearers)})
        if chance.random() < 0.5:
            lanes = ["special", "drug", "injury"][: chance.randint(1, 3)]
            self.known += [f"in_scope.{lane}" for lane in lanes]
            for lane in lanes:  # each occurs at least once, each in a cause of its own
                cause = list(Cause)[lanes.index(lane)]
                more = self.pieces("group") if chance.random() < 0.5 else [{}]
                self.row("scope.lane", {"cause": [cause], **more[0], "lane": lane})
        if chance.random() < 0.3:
            self.ruled("scope.prepay", self.ratio, ("place", "filing"), keep=0.7)
        if chance.random() < 0.3:
            words = ("kind", "disease", "tier")
            self.ruled("scope.quota", lambda: self.amount(3_000_000), words, keep=0.5)

    def upfront(self) -> Row:
        ratios = ("0", "0", "0.05", "0.1", "0.125", "0.3", "0.333333", "0.666667")
        return {"ratio": self.chance.choice(ratios)}

    def fund(self, key: str, number: int, *, benefit: bool) -> None:
        chance = self.chance
        payer = "pooled_fund" if benefit else chance.choice(FUND_PAYERS)
        self.fund_head(key, payer, benefit=benefit)
        path = f"fund.{key}"
        keep = 0.9 if number == 0 else 0.6
        who = ("kind", "place", "tier", "filing", "person", "disease", "premium")
        self.ruled(f"{path}.applies", dict, who, keep=keep)
        self.span = chance.choice(["visit", "visit", "year", "cumulative"])
        self.ruled(f"{path}.base", lambda: self.base(number), ())
        if chance.random() < 0.6:
            words = (*MORE_WORDS, "disease")
            self.ruled(f"{path}.deductible", self.deductible, words, keep=0.9)
            self.changes(f"{path}.deductible_change", self.deductible_change)
        self.ruled(f"{path}.bands", self.band_table, ("tier", "person", "assistance"))
        if chance.random() < 0.6:
            self.changes(f"{path}.ratio_change", self.ratio_change)
        if chance.random() < 0.2:
            self.ruled(f"{path}.at_least", self.at_least, MORE_WORDS, keep=0.7)
        count = chance.choice([0, 1, 1, 2])
        for cap in chance.sample(["annual", "short", "scope"], count):
            words = (*MORE_WORDS, "premium")
            self.ruled(f"{path}.cap.{cap}", self.cap(cap), words, keep=0.85)
        if chance.random() < 0.8:
            self.ruled(f"{path}.counts", self.counts, ("kind", "accident"), keep=0.9)
        self.known += [f"{key}.{figure}" for figure in FUND_FIGURES]

    def base(self, number: int) -> Row:
        chance = self.chance
        plus = ["in_scope"] if chance.random() < 0.4 else self.some(self.known, 1, 3)
        if number and chance.random() < 0.5:
            plus = chance.choice([["pooled_share"], ["deductible", "pooled_share"]])
        out: dict[str, object] = {
            "plus": plus,
            "span": self.span,
            "axis": chance.choice(["net", "gross"]),
        }
        if chance.random() < 0.3:
            out["minus"] = self.some([k for k in self.known if k not in plus], 1, 2)
        if chance.random() < 0.15:
            out["weight"] = chance.choice(["0.5", "0.333", "0"])
        if self.span != "visit":
            out["entered"] = self.some(self.counters, 1, 2)
        if self.span == "cumulative" and chance.random() < 0.4:
            out["paid"] = self.some(self.counters, 1, 1)
        return out

    def some(self, names: Sequence[str], least: int, most: int) -> list[str]:
        count = min(len(names), self.chance.randint(least, most))
        return self.chance.sample(list(names), count)

    def deductible(self) -> Row:
        chance = self.chance
        out = self.amount(200_000)
        out["per"] = chance.choice(["visit", "visit", "year", "day", "days"])
        if out["per"] == "year":
            out["used"] = self.some(self.counters, 1, 2)
        if out["per"] == "days":
            out["days"] = chance.choice([1, 7, 30, 90])
        return out

    def changes(self, path: str, change: Callable[[], Row]) -> None:
        """Write one to four changes, some under the same conditions."""
        chance = self.chance
        shared = chance.choice(self.cells(MORE_WORDS))
        for order in range(1, chance.choice([1, 2, 2, 3, 4]) + 1):
            cell = shared if chance.random() < 0.5 else self.cells(MORE_WORDS)[0]
            self.row(path, {**cell, "order": order, **change()})

    def deductible_change(self) -> Row:
        chance = self.chance
        change = chance.choice(["factor", "minus", "at_least"])
        if change == "factor":
            factor = chance.choice(["0.5", "0.3", "0", "1.2"])
            return {"change": change, "factor": factor}
        return {"change": change, "yuan": yuan(self.fen(60_000))}

    def ratio_change(self) -> Row:
        chance = self.chance
        changes = ["points", "factor", "own_share", "age_points", "limits"]
        change = chance.choice(changes)
        if change == "points":
            points = chance.choice(["0.05", "-0.1", "0.005"])
            return {"change": change, "points": points}
        if change == "age_points":
            return {"change": change, "points": chance.choice(["0.002", "0.0005"])}
        if change == "limits":
            low, high = sorted(chance.sample(RATIOS, 2), key=Fraction)
            return {"change": change, "ratio_least": low, "ratio_most": high}
        factor = chance.choice(["0.9", "0.7", "0.65", "1.1"])
        return {"change": change, "factor": factor}

    def at_least(self) -> Row:
        of = self.chance.choice(["total", "in_scope", "pooled_share"])
        return {"ratio": self.chance.choice(["0.1", "0.25", "0.6"]), "of": [of]}

    def cap(self, name: str) -> Callable[[], Row]:
        chance = self.chance
        measure = "scope" if name == "scope" else "paid"
        per = "year" if name == "annual" else chance.choice(["visit", "day", "month"])

        def value() -> Row:
            out: dict[str, object] = {"measure": measure, "per": per}
            if per != "visit" or chance.random() < 0.5:
                out["used"] = self.some(self.counters, 1, 2)
            if chance.random() < 0.1:
                return {**out, "unlimited": True}
            return {**out, **self.amount(8_000_000 if per == "year" else 300_000)}

        return value

    def counts(self) -> Row:
        chance = self.chance
        # What every bill moves by itself is no fund's to move again.
        names = [name for name in self.counters if name != "scope_entered"]
        out = {
            what: self.some(names, 1, 2)
            for what in ("base", "deductible", "paid")
            if chance.random() < 0.6
        }
        return out or {"paid": self.some(names, 1, 1)}

    def account(self, key: str, payer: str) -> None:
        self.fund_head(key, payer, benefit=False)
        path = f"fund.{key}"
        self.ruled(f"{path}.applies", dict, ("kind", "place"), keep=0.9)
        self.span = "visit"
        plus = self.chance.choice(
            [["deductible", "pooled_share", "upfront_share"], ["total"], ["in_scope"]]
        )
        base = {"plus": plus, "span": "visit", "axis": "net"}
        self.row(f"{path}.base", base)
        band = {"from": "0", "to": "unlimited", "ratio": "1"}
        self.row(f"{path}.bands", {"bands": [band]})
        of = "account_balance" if payer == "account" else "family_balance"
        self.row(f"{path}.cap.balance", {"of": of})
        self.known += [f"{key}.{figure}" for figure in FUND_FIGURES]


@dataclass
class _Annual(_Writer):
    """A pack on the year's axis."""

    passes: int = 1
    most: str = "0"

    def text(self) -> str:
        self.head(("pooled_base", "aid_base"))
        self.frame()
        self.plain_scope()
        left = {"plus": ["deductible", "pooled_share"]}
        pooled = {"plus": ["in_scope"], "span": "year", "entered": ["pooled_base"]}
        critical = {**left, "span": "cumulative", "entered": ["compliant_own_pay"]}
        per_year = {"per": "year", "used": ["deductible_paid"]}
        fen = yuan(self.fen(200_000))
        self.annual("pooled", pooled, "pooled_inpatient_paid", per_year | {"yuan": fen})
        fen = yuan(self.fen(2_000_000))
        self.annual(
            "critical", critical, "critical_illness_paid", {"per": "visit", "yuan": fen}
        )
        aid = {**left, "span": "year", "entered": ["aid_base"]}
        aid["minus"] = ["critical.paid"]
        self.annual("aid", aid, "medical_aid_paid", {})
        if self.passes > 1:
            more = {**left, "span": "visit", "minus": ["critical.paid", "aid.paid"]}
            self.annual("tilt", more, "medical_aid_paid", {})
        return "\n".join(self.out) + "\n"

    def annual(self, key: str, base: Row, paid: str, deductible: Row) -> None:
        payers = {"pooled": "pooled_fund", "critical": "critical_illness_fund"}
        benefit = key == "pooled"
        self.fund_head(key, payers.get(key, "medical_aid"), benefit=benefit)
        path = f"fund.{key}"
        self.row(f"{path}.applies", {})
        self.row(f"{path}.base", {**base, "axis": "gross"})
        if deductible:
            self.row(f"{path}.deductible", deductible)
        self.row(f"{path}.bands", self.band_table())
        shared = self.passes > 1 and paid == "medical_aid_paid"
        if key == "aid" or not shared:
            self.most = yuan(self.fen(100_000 if shared else 9_000_000))
        if shared or self.chance.random() < 0.7:
            cap = {"measure": "paid", "per": "year", "used": [paid]}
            self.row(f"{path}.cap.annual", {"yuan": self.most, **cap})
        counts: dict[str, object] = {"paid": [paid]}
        if "entered" in base:
            counts["base"] = base["entered"]
        if benefit:
            counts["deductible"] = ["deductible_paid"]
        self.row(f"{path}.counts", counts)


class _Simple(_Writer):
    """A pack with one benefit."""

    def text(self) -> str:
        chance = self.chance
        self.head(())
        self.frame()
        self.plain_scope()
        self.fund_head("pooled", "pooled_fund", benefit=True)
        self.row("fund.pooled.applies", {})
        axis = chance.choice(["net", "gross"])
        base = {"plus": ["in_scope"], "span": "visit", "axis": axis}
        self.row("fund.pooled.base", base)
        if chance.random() < 0.7:
            fen = yuan(self.fen(200_000))
            self.row("fund.pooled.deductible", {"yuan": fen, "per": "visit"})
        self.row("fund.pooled.bands", self.band_table(5))
        return "\n".join(self.out) + "\n"


# --- bills ----------------------------------------------------------------------


class Bills:
    """Bills for one pack: its words, and amounts at its edges."""

    def __init__(self, pack: Pack, chance: Random) -> None:
        self.pack = pack
        self.chance = chance
        self.edges = sorted({0, 1, *_edges(pack)})
        self.named = _named(pack)
        days = {day for clause in pack.clauses for day in _around(clause.since)}
        days |= {
            day
            for clause in pack.clauses
            if clause.until is not None
            for day in _around(clause.until)
        }
        days |= set(_around(LATE_PUBLISHED)) | {pack.since + dt.timedelta(days=400)}
        self.days = sorted(day for day in days if pack.in_force(day))

    def bill(self, *, before: Accumulators | None = None) -> Claim:
        """Make one bill."""
        chance = self.chance
        on = chance.choice(self.days)
        visit = self.visit(on)
        insured = self.insured(on)
        return Claim(
            visit,
            insured,
            before if before is not None else self.before(on),
            self.lines(),
        )

    def visit(self, on: dt.date) -> Visit:
        """Make a visit on a day."""
        chance = self.chance
        tier = chance.choice(list(Tier))
        other = chance.choice(list(Tier)) if chance.random() < 0.2 else tier
        known = None
        if chance.random() < 0.2:
            known = chance.choice(self.days)
        elif chance.random() < 0.02:  # before any of it was published
            known = self.pack.since - dt.timedelta(days=30)
        kind = self.word("kind", list(VisitKind))
        return Visit(
            kind=VisitKind(kind),
            on=on,
            hospital=Hospital(tier, tier, other, self.region()),
            filing=chance.choice(list(Filing)),
            accident=chance.random() < 0.2,
            disease=self.word("disease", ["", "unheard"]).replace("none", ""),
            days=chance.choice([0, 0, 1, 2, 7, 14, 15, 30, 31, 90, 91, 200]),
            known_on=known,
            deductible_taken=Money(
                chance.choice(self.edges) if chance.random() < 0.1 else 0
            ),
            carried_on=chance.random() < 0.05,
        )

    def region(self) -> str:
        """Choose where care was given: mostly at home."""
        home = self.pack.region
        if self.chance.random() < 0.6:
            return home
        return self.chance.choice([*REGIONS, home[:4] + "03", home[:2] + "0900"])

    def insured(self, on: dt.date) -> Insured:
        """Make a person of the pack."""
        chance = self.chance
        employee = self.pack.insurance is Insurance.EMPLOYEE
        held = [*self.pack.assistance_order, *Assistance]
        classes = chance.sample(held, chance.choice([0, 0, 1, 2]))
        premium = self.word("premium", ["", "unheard"]).replace("none", "")
        return Insured(
            insurance=self.pack.insurance,
            region=self.pack.region,
            age_years=chance.choice([0, 17, 18, 45, 59, 60, 64, 65, 70, 79, 80, 101]),
            assistance=frozenset(Assistance(word) for word in classes),
            account_balance=Money(self.fen() if chance.random() < 0.6 else 0),
            use_account=chance.random() < 0.9,
            category=Category(chance.choice(EMPLOYEES if employee else RESIDENTS)),
            supplement=chance.choice(list(Supplement)),
            family_balance=Money(self.fen() if chance.random() < 0.4 else 0),
            signed=chance.random() < 0.3,
            insured_months=chance.choice([0, 1, 5, 6, 11, 12, 13, 24, 35, 36, 240]),
            premium=premium,
            registered_on=self.near(on) if chance.random() < 0.3 else None,
            arrears_since=self.near(on) if chance.random() < 0.2 else None,
            paid_back_on=self.near(on) if chance.random() < 0.2 else None,
        )

    def near(self, on: dt.date) -> dt.date:
        """Choose a day some months to either side."""
        return on + dt.timedelta(days=self.chance.choice([-200, -95, -40, -31, 0, 35]))

    def word(self, name: str, others: Sequence[str]) -> str:
        """Choose a word the pack mentions, or another."""
        mentioned = sorted(self.named.get(name, ()))
        if mentioned and self.chance.random() < 0.7:
            return self.chance.choice(mentioned).replace(OTHER, "")
        return str(self.chance.choice(list(others)))

    def fen(self) -> int:
        """Choose an amount: at an edge, a fen beside it, or anywhere."""
        chance = self.chance
        kind = chance.random()
        if kind < 0.5:
            return max(0, chance.choice(self.edges) + chance.choice([-1, 0, 0, 1]))
        if kind < 0.6:
            one, other = chance.choice(self.edges), chance.choice(self.edges)
            return max(0, one + other + chance.choice([-1, 0, 1]))
        return int(10 ** chance.uniform(0, 7.5))

    def before(self, on: dt.date) -> Accumulators:
        """Make a year so far: nothing, or each amount near an edge."""
        chance = self.chance
        year = self.pack.year_of(on)
        admissions = chance.choice([0, 0, 1, 2, 3])
        if chance.random() < 0.3:
            return Accumulators(year, admissions)
        known = {name: Money(self.fen()) for name in AMOUNTS if chance.random() < 0.5}
        tallies = {}
        for name in self.pack.tallies:
            base, _, period = name.partition("@")
            stamp = {"": name, "month": f"{base}@{on:%Y-%m}", "day": f"{base}@{on}"}
            if chance.random() < 0.5:
                tallies[stamp[period]] = Money(self.fen())
        return Accumulators(year, admissions, tallies=tallies, **known)

    def lines(self) -> tuple[FeeLine, ...]:
        """Make one to forty lines that mostly come to an amount at an edge."""
        chance = self.chance
        count = chance.choice([1, 1, 2, 3, 5, chance.randint(1, 40)])
        if chance.random() < 0.5:
            return in_parts(chance, self.fen(), count)
        return tuple(self.line(number) for number in range(1, count + 1))

    def line(self, number: int) -> FeeLine:
        """Make a line of any class, with everything a catalogue may say of it."""
        chance = self.chance
        parts = chance.choice([100, 1000, 10**6])
        price = Fraction(chance.randint(0, 3_000_000), parts)
        quantity = Fraction(chance.randint(0, 300), chance.choice([1, 1, 10, 10_000]))
        ratio = None
        if chance.random() < 0.2:
            ratio = Fraction(chance.choice(["0", "0.05", "0.123456", "0.5", "1"]))
        limit = None
        if chance.random() < 0.25:
            limit = price * Fraction(chance.choice([5, 9, 10, 20]), 10)
            limit = Fraction(round(limit * 10**6), 10**6)
        return FeeLine(
            line_no=number,
            item_code=f"R{number:04d}",
            item_name="随机",
            item_class=chance.choice([*ItemClass, ItemClass.A, ItemClass.B]),
            unit_price=price,
            quantity=quantity,
            amount=line_amount(price, quantity),
            upfront_ratio=ratio,
            price_limit=limit,
            restriction_unmet=chance.random() < 0.05,
            group=chance.choice(["", "", *GROUPS, "unheard"]),
            cause=chance.choice([Cause.ILLNESS, *Cause]),
        )


def in_parts(chance: Random, fen: int, count: int) -> tuple[FeeLine, ...]:
    """Make *count* class A lines that come to *fen*."""
    cuts = sorted(chance.randint(0, fen) for _ in range(count - 1))
    amounts = [high - low for low, high in zip([0, *cuts], [*cuts, fen], strict=True)]
    return tuple(plain_line(n, amount) for n, amount in enumerate(amounts, start=1))


def plain_line(number: int, fen: int) -> FeeLine:
    """Make a class A line of one unit."""
    return FeeLine(
        number,
        f"A{number:04d}",
        "随机",
        ItemClass.A,
        Fraction(fen, 100),
        Fraction(1),
        Money(fen),
    )


def _around(day: dt.date) -> tuple[dt.date, dt.date, dt.date]:
    one = dt.timedelta(days=1)
    return day - one, day, day + one


def _named(pack: Pack) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for rule in pack.rules:
        for wording in rule.wordings:
            for name, words in wording.when.words:
                found.setdefault(name, set()).update(words)
    return found


def _edges(pack: Pack) -> set[int]:
    """List the amounts at which something of the pack turns, in fen."""
    found: set[int] = set()
    amounts: list[Amount | None] = []
    for fund in pack.funds:
        for bands in fund.bands.wordings:
            found |= {int(band.low) for band in bands.value}
        if fund.deductible is not None:
            amounts += [_amount_of(w.value) for w in fund.deductible.wordings]
        for rule in fund.caps.values():
            amounts += [_amount_of(w.value) for w in rule.wordings]
    if pack.scope.quota is not None:
        amounts += [wording.value for wording in pack.scope.quota.wordings]
    return found | {int(amount.fen) for amount in amounts if amount is not None}


def _amount_of(value: Deductible | Cap) -> Amount | None:
    return value.amount
