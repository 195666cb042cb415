"""Policy packs: TOML files in, `settlement.policy` values out, nothing assumed.

A value without first day, source, article and quote does not load; an unknown key, a
float, a gap or an overlap is refused by file, line and key. What no text states is
written in the pack with the grade ``assumption`` and the reason in the place of the
quote. A pack may fill in what a province fixes: ``extends`` names the province's file
(``*.base.toml``), and a rule that both state is refused unless the pack says that it
``overrides`` it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from config.pack_whole import check_whole
from config.toml_table import Table, line_of, read
from settlement.claim import (
    AMOUNTS,
    Assistance,
    Category,
    Cause,
    Filing,
    Insurance,
    ItemClass,
    Place,
    Supplement,
    Tier,
    VisitKind,
)
from settlement.errors import PackError, PackMissingError, PolicyNotInForceError
from settlement.money import Money, Rounding, RoundingMode
from settlement.policy import (
    ASSUMPTION,
    GRADES,
    LINE_WORDS,
    NONE,
    NUMBERS,
    SOURCED,
    WORDS,
    Amount,
    AtLeast,
    Axis,
    Band,
    Base,
    Bearer,
    Cap,
    Change,
    Counts,
    Deductible,
    Entitlement,
    Fund,
    Measure,
    Modifier,
    Pack,
    Per,
    RoundAt,
    RoundingRule,
    Rule,
    Scope,
    Span,
    When,
    Wording,
    Year,
)
from settlement.program import LINE_SCALE
from settlement.split import Clause, PackId, Payer

T = TypeVar("T")

UNLIMITED = "unlimited"
#: Files beside a pack that are not packs: a province's part, and golden cases.
BASE_SUFFIX, CASES_SUFFIX = ".base.toml", ".cases.toml"
#: Figures every bill has, besides those of the funds (``<fund>.paid`` …).
FIGURES = (
    "total",
    "uncovered",
    "over_price_limit",
    "upfront_share",
    "in_scope",
    "prepay",
    "over_quota",
    "hospital",
    "deductible",
    "pooled_share",
)
FUND_FIGURES = ("paid", "base", "deductible", "over_cap", "over_cap_scope")
#: What a cap may be instead of an amount.
BALANCES = ("account_balance", "family_balance")

#: Every word a fact may be; a fact not named here is open (a disease, a group).
CLOSED_WORDS: dict[str, frozenset[str]] = {
    "kind": frozenset(word.value for word in VisitKind),
    "tier": frozenset(word.value for word in Tier),
    "place": frozenset(word.value for word in Place),
    "filing": frozenset(word.value for word in Filing),
    "person": frozenset(word.value for word in Category),
    "assistance": frozenset([NONE, *(word.value for word in Assistance)]),
    "supplement": frozenset(word.value for word in Supplement),
    "accident": frozenset(["yes", "no"]),
    "signed": frozenset(["yes", "no"]),
    "class": frozenset([ItemClass.A.value, ItemClass.B.value]),
    "cause": frozenset(word.value for word in Cause),
}
_DEDUCTIBLE_CHANGES = frozenset({Change.FACTOR, Change.MINUS, Change.AT_LEAST})
_RATIO_CHANGES = frozenset(
    {
        Change.POINTS,
        Change.FACTOR,
        Change.OWN_SHARE,
        Change.AGE_POINTS,
        Change.LIMITS,
    }
)
_MONTHS, _DAYS = 12, 31


def load_packs(folder: Path) -> tuple[Pack, ...]:
    """Load every pack below *folder*, by name.

    Raises:
        PackError: a file is not a pack, or two packs claim the same days, region and
            insurance.
        OSError: a file cannot be read.
    """
    packs = tuple(load_pack(path, folder) for path in pack_files(folder))
    check_apart(packs)
    return packs


def pack_files(folder: Path) -> tuple[Path, ...]:
    """List the packs below *folder*: every TOML file that is not a base or cases."""
    return tuple(
        path
        for path in sorted(folder.rglob("*.toml"))
        if not path.name.endswith((BASE_SUFFIX, CASES_SUFFIX))
    )


def check_apart(packs: tuple[Pack, ...]) -> None:
    """Refuse packs that speak for the same persons on the same day.

    Raises:
        PackError: names both packs.
    """
    for number, one in enumerate(packs):
        for other in packs[number + 1 :]:
            _check_apart(one, other)


def load_pack(path: Path, folder: Path) -> Pack:
    """Load one pack; its name is the path below *folder* without the suffix.

    Raises:
        PackError: names file, line and key of the first thing wrong.
        OSError: the file cannot be read.
    """
    data = path.read_bytes()
    name = path.relative_to(folder).with_suffix("").as_posix()
    base = base_of(data)
    under = None if base is None else (folder / f"{base}{BASE_SUFFIX}").read_bytes()
    return read_pack(data, name, under)


def base_of(data: bytes) -> str | None:
    """Read which province's file a pack fills in; None where it stands alone."""
    for line in data.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "extends":
            return value.strip().strip("\"'")
    return None


def read_pack(data: bytes, name: str, under: bytes | None = None) -> Pack:
    """Read a pack from its bytes, over the province's where it extends one.

    Raises:
        PackError: names file, line and key of the first thing wrong.
    """
    text = data.decode("utf-8", "replace")

    def refusal(key: str, problem: str) -> PackError:
        line = line_of(text, key)
        return PackError(
            f"{name}.toml:{line}" if line else f"{name}.toml", key, problem
        )

    digest = hashlib.sha256(data)
    top = read(data, refusal)
    if under is not None:
        digest.update(under)
        top = _filled_in(top, read(under, refusal))
    pack = _Reader(top, name, digest.hexdigest()).pack()
    check_whole(pack, refusal)
    return pack


def _filled_in(city: Table, province: Table) -> Table:
    """Lay a city's rules beside a province's; both may not state the same one."""
    overrides = city.peek("pack").get("overrides", [])
    taken = overrides if isinstance(overrides, list) else []
    return city.beside(province, frozenset(map(str, taken)))


def pack_for(
    packs: Iterable[Pack], region: str, insurance: Insurance, on: dt.date
) -> Pack:
    """Choose the pack of a person's region and insurance in force on a day.

    Raises:
        PackMissingError: no pack speaks for this region and insurance.
        PolicyNotInForceError: one does, but not on this day.
    """
    mine = [pack for pack in packs if pack.covers(region, insurance)]
    if not mine:
        raise PackMissingError(region, insurance.value)
    for pack in mine:
        if pack.in_force(on):
            return pack
    nearest = min(mine, key=lambda pack: abs((pack.since - on).days))
    raise PolicyNotInForceError(nearest.id.name, on, nearest.since, nearest.until)


def _check_apart(one: Pack, other: Pack) -> None:
    if one.insurance is not other.insurance or not (
        one.covers(other.region, one.insurance)
        or other.covers(one.region, one.insurance)
    ):
        return
    first, second = sorted((one, other), key=lambda pack: pack.since)
    if first.until is None or first.until >= second.since:
        file = f"{first.id.name}.toml"
        problem = f"overlaps {second.id.name}, which starts on {second.since}"
        raise PackError(file, "pack.until", problem)


@dataclass(frozen=True, slots=True)
class _Source:
    document: str
    url: str
    grade: str
    published: dt.date
    checked_on: dt.date


@dataclass(frozen=True, slots=True)
class _Sentence:
    """What a [clause.<name>] table says once for several values."""

    source: _Source
    article: str
    quote: str


@dataclass(slots=True)
class _Reader:
    """Reads one file; collects its clauses and rules on the way."""

    top: Table
    name: str
    digest: str
    since: dt.date = dt.date.min
    sources: dict[str, _Source] = field(default_factory=dict)
    sentences: dict[str, _Sentence] = field(default_factory=dict)
    clauses: list[Clause] = field(default_factory=list)
    rules: list[Rule[object]] = field(default_factory=list)
    tallies: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, Rule[Fraction]] = field(default_factory=dict)
    known: list[str] = field(default_factory=lambda: list(FIGURES))

    def pack(self) -> Pack:
        """Read the whole file."""
        top = self.top
        head = top.table("pack")
        self.since = head.day("since")
        until = head.day("until") if head.has("until") else None
        if until is not None and until < self.since:
            head.refuse("until", "must not be before since")
        version = head.whole("version")
        region = self._region(head, "region", head.text("region"))
        region_name = head.text("region_name")
        insurance = head.word("insurance", Insurance)
        neighbours = tuple(
            self._region(head, "neighbours", text)
            for text in (head.texts("neighbours") if head.has("neighbours") else ())
        )
        order = head.texts("assistance_order") if head.has("assistance_order") else ()
        for word in order:
            if word not in CLOSED_WORDS["assistance"] - {NONE}:
                head.refuse("assistance_order", f"{word!r} is not an assistance class")
        for key in ("extends", "overrides"):
            if head.has(key):
                head.skip(key)
        head.finish()
        self._read_sources()
        self._read_tallies()
        rounding = self.rule(top, "rounding", _rounding, whens=False)
        year = self.rule(top, "year", _year, whens=False)
        if top.has("index"):
            table = top.table("index")
            for key in table.names():
                self.indexes[key] = self.rule(
                    table,
                    key,
                    lambda row: Fraction(row.amount("yuan").fen),
                    whens=False,
                )
        entitlement = self._entitlement()
        scope = self._scope(top.table("scope"))
        funds = tuple(self._funds(top.table("fund")))
        cash = self._always(top, "cash", "person_bears_rest")
        refund = self.rule(
            top, "refund", lambda row: row.flag("replays_the_year"), whens=False
        )
        top.finish()
        if not any(fund.benefit for fund in funds):
            top.refuse("fund", "no fund is a benefit: every visit would be refused")
        return Pack(
            id=PackId(self.name, version, self.digest, verified=self._verified()),
            region=region,
            region_name=region_name,
            insurance=insurance,
            since=self.since,
            until=until,
            neighbours=neighbours,
            assistance_order=order,
            rounding=rounding,
            year=year,
            indexes=self.indexes,
            entitlement=entitlement,
            scope=scope,
            funds=funds,
            cash=cash,
            replay_refunds=refund,
            tallies=self.tallies,
            clauses=tuple(self.clauses),
            rules=tuple(self.rules),
        )

    @staticmethod
    def _region(table: Table, key: str, text: str) -> str:
        if len(text) != len("230800") or not text.isdecimal():
            table.refuse(key, "must be six digits")
        return text

    def _verified(self) -> bool:
        """Say whether every text of the pack can be held to; readings do not count."""
        grades = {clause.grade for clause in self.clauses} - {ASSUMPTION}
        return bool(grades) and grades <= SOURCED

    def _read_sources(self) -> None:
        table = self.top.table("source")
        for key in table.names():
            row = table.table(key)
            grade = row.text("grade")
            if grade not in GRADES:
                row.refuse("grade", f"must be one of {', '.join(sorted(GRADES))}")
            self.sources[key] = _Source(
                row.text("document"),
                row.text("url", empty=grade == ASSUMPTION),
                grade,
                row.day("published"),
                row.day("checked_on"),
            )
            row.finish()
        if not self.top.has("clause"):
            return
        table = self.top.table("clause")
        for key in table.names():
            row = table.table(key)
            self.sentences[key] = self._sentence(row)
            row.finish()

    def _read_tallies(self) -> None:
        if not self.top.has("tally"):
            return
        table = self.top.table("tally")
        for name in table.names():
            _, at, period = name.partition("@")
            if at and period not in {"month", "day"}:
                table.refuse(name, "must be of the year, or end in @month or @day")
            if name in AMOUNTS:
                table.refuse(name, "is counted for everybody already")
            self.tallies[name] = table.text(name)

    # --- values ---

    def rule(
        self,
        table: Table,
        key: str,
        value: Callable[[Table], T],
        *,
        whens: bool = True,
        lines: bool = False,
    ) -> Rule[T]:
        """Read the wordings of one rule.

        Args:
            table: where its rows stand.
            key: their name there.
            value: reads one row's value.
            whens: may a row state conditions.
            lines: may they ask for a line's class, group and cause.
        """
        wordings = []
        name = table.at(key)
        for row in table.rows(key):
            read_value = value(row)
            when = self._when(row, lines=lines) if whens else When()
            wordings.append(Wording(read_value, when, self._clause(row)))
            row.finish()
        if not whens:
            starts = [wording.clause.since for wording in wordings]
            if any(later <= earlier for earlier, later in pairwise(starts)):
                table.refuse(key, "list the wordings oldest first, one per first day")
            if starts[0] > self.since:
                table.refuse(key, f"a gap: nothing holds from {self.since} on")
        seen: set[tuple[When, dt.date, object]] = set()
        for number, wording in enumerate(wordings):
            order = wording.value.order if isinstance(wording.value, Modifier) else 0
            mark = (wording.when, wording.clause.since, order)
            if mark in seen:
                where = f"{key}[{number}]"
                table.refuse(where, "the same conditions and first day as a row above")
            seen.add(mark)
        rule = Rule(name, tuple(wordings))
        self.rules.append(rule)
        return rule

    def _maybe(
        self,
        table: Table,
        key: str,
        value: Callable[[Table], T],
        *,
        lines: bool = False,
    ) -> Rule[T] | None:
        return self.rule(table, key, value, lines=lines) if table.has(key) else None

    def _when(self, row: Table, *, lines: bool) -> When:
        words = []
        for name in (*WORDS, *(LINE_WORDS if lines else ())):
            if not row.has(name):
                continue
            allowed = frozenset(row.texts(name))
            closed = CLOSED_WORDS.get(name)
            if closed is not None and not allowed <= closed:
                strange = ", ".join(sorted(allowed - closed))
                row.refuse(name, f"{strange} is not one of {', '.join(sorted(closed))}")
            words.append((name, allowed))
        numbers = []
        for name in NUMBERS:
            least, most = f"{name}_from", f"{name}_to"
            if not row.has(least) and not row.has(most):
                continue
            low = row.whole(least) if row.has(least) else 0
            high = row.whole(most) if row.has(most) else None
            if high is not None and high < low:
                row.refuse(most, "must not be below the lower end")
            numbers.append((name, low, high))
        return When(tuple(words), tuple(numbers))

    def _clause(self, row: Table) -> Clause:
        if row.has("clause"):
            key = row.text("clause")
            if key not in self.sentences:
                row.refuse("clause", f"no [clause.{key}] in this file")
            sentence = self.sentences[key]
        else:
            sentence = self._sentence(row)
        since = row.day("since")
        until = row.day("until") if row.has("until") else None
        if until is not None and until < since:
            row.refuse("until", "must not be before since")
        clause = Clause(
            document=sentence.source.document,
            article=sentence.article,
            quote=sentence.quote,
            url=sentence.source.url,
            grade=sentence.source.grade,
            since=since,
            checked_on=sentence.source.checked_on,
            published=sentence.source.published,
            until=until,
        )
        self.clauses.append(clause)
        return clause

    def _sentence(self, row: Table) -> _Sentence:
        key = row.text("source")
        if key not in self.sources:
            row.refuse("source", f"no [source.{key}] in this file")
        return _Sentence(self.sources[key], row.text("article"), row.text("quote"))

    # --- sections ---

    def _entitlement(self) -> Rule[Entitlement] | None:
        rule = self._maybe(self.top, "entitlement", _entitlement)
        for wording in () if rule is None else rule.wordings:
            strange = ", ".join(sorted(wording.when.names - {"person", "premium"}))
            if strange:
                problem = f"asks for {strange}: only for person and premium"
                self.top.refuse("entitlement", problem)
        return rule

    def _scope(self, table: Table) -> Scope:
        """Read [scope]: how a line falls into its four parts."""
        scope = Scope(
            upfront=self.rule(table, "upfront", _line_ratio, lines=True),
            outside=self._always(table, "outside", "person_bears_all"),
            item_ratio=self.rule(
                table, "item_ratio", lambda row: row.flag("applies"), whens=False
            ),
            over_price_limit=self.rule(
                table,
                "over_price_limit",
                lambda row: row.word("bearer", Bearer),
                whens=False,
            ),
            restriction_unmet=self._always(
                table, "restriction_unmet", "person_bears_all"
            ),
            lane=self._maybe(table, "lane", lambda row: row.text("lane"), lines=True),
            prepay=self._maybe(table, "prepay", _ratio),
            quota=self._maybe(table, "quota", self._amount),
        )
        table.finish()
        if scope.lane is not None:
            lanes = dict.fromkeys(wording.value for wording in scope.lane.wordings)
            self.known += [f"in_scope.{lane}" for lane in lanes]
        return scope

    def _always(self, table: Table, key: str, flag: str) -> Rule[bool]:
        """Read what every text says, for the clause that says it."""
        rule = self.rule(table, key, lambda row: row.flag(flag), whens=False)
        if not all(wording.value for wording in rule.wordings):
            table.refuse(key, "must be true: nothing else is known to be in any text")
        return rule

    def _funds(self, table: Table) -> Iterator[Fund]:
        for key in table.names():
            if key in FIGURES or "." in key:
                table.refuse(key, "is the name of a figure")
            row = table.table(key)
            yield self._fund(key, row)
            row.finish()
            self.known += [f"{key}.{figure}" for figure in FUND_FIGURES]

    def _fund(self, key: str, table: Table) -> Fund:
        """Read one [fund.<key>]: the values of the one machine."""
        caps: dict[str, Rule[Cap]] = {}
        name, name_en = table.text("name"), table.text("name_en")
        payer = table.word("payer", Payer)
        if payer in {Payer.CASH, Payer.HOSPITAL}:
            table.refuse("payer", "is not a fund")
        benefit = table.flag("benefit")
        applies = self.rule(table, "applies", lambda _: True)
        base = self.rule(table, "base", self._base)
        deductible = self._maybe(table, "deductible", self._deductible)
        changes = self._maybe(
            table, "deductible_change", lambda row: _modifier(row, _DEDUCTIBLE_CHANGES)
        )
        bands = self.rule(table, "bands", _bands)
        ratio_changes = self._maybe(
            table, "ratio_change", lambda row: _modifier(row, _RATIO_CHANGES)
        )
        at_least = self._maybe(table, "at_least", self._at_least)
        if table.has("cap"):
            limits = table.table("cap")
            caps = {
                limit: self.rule(limits, limit, self._cap) for limit in limits.names()
            }
            limits.finish()
        return Fund(
            id=key,
            name=name,
            name_en=name_en,
            payer=payer,
            benefit=benefit,
            applies=applies,
            base=base,
            deductible=deductible,
            deductible_changes=changes,
            bands=bands,
            ratio_changes=ratio_changes,
            at_least=at_least,
            caps=caps,
            counts=self._maybe(table, "counts", self._counts),
        )

    def _base(self, row: Table) -> Base:
        weight = row.ratio("weight") if row.has("weight") else Fraction(1)
        span = row.word("span", Span)
        entered, paid = self._counters(row, "entered"), self._counters(row, "paid")
        if span is Span.VISIT and entered:
            row.refuse("entered", "a visit's bands start at nothing; span is not year")
        if span is not Span.VISIT and not entered:
            row.refuse("entered", "name the accumulators that say where the year is")
        if span is not Span.CUMULATIVE and paid:
            row.refuse("paid", "is taken off with span = cumulative only")
        return Base(
            plus=self._figures(row, "plus"),
            minus=self._figures(row, "minus") if row.has("minus") else (),
            weight=weight,
            span=span,
            axis=row.word("axis", Axis),
            entered=entered,
            paid=paid,
        )

    def _figures(self, row: Table, key: str) -> tuple[str, ...]:
        names = row.texts(key)
        for name in names:
            if name not in self.known:
                row.refuse(
                    key, f"{name!r} is no figure known here; funds come in order"
                )
        return names

    def _counters(self, row: Table, key: str) -> tuple[str, ...]:
        if not row.has(key):
            return ()
        names = row.texts(key)
        for name in names:
            if name not in AMOUNTS and name not in self.tallies:
                row.refuse(key, f"{name!r} is no accumulator and not in [tally]")
        return names

    def _amount(self, row: Table) -> Amount:
        if not row.has("yuan") and not row.has("index"):
            row.refuse("yuan", "is missing: an amount, or an index and its factor")
        fixed = Fraction(row.amount("yuan").fen) if row.has("yuan") else Fraction(0)
        index, factor = "", Fraction(0)
        if row.has("index"):
            index, factor = row.text("index"), row.number("factor")
            if index not in self.indexes:
                row.refuse("index", f"no [[index.{index}]] in this file")
        growth, months, most = Fraction(0), 0, Fraction(0)
        if row.has("growth"):
            growth = Fraction(row.amount("growth").fen)
            months = row.whole("growth_months")
            most = Fraction(row.amount("growth_most").fen)
            if months < 1:
                row.refuse("growth_months", "must be at least one month")
        return Amount(fixed, index, factor, growth, months, most)

    def _deductible(self, row: Table) -> Deductible:
        per = row.word("per", Per)
        if per is Per.MONTH:
            row.refuse("per", "a deductible is per visit, day, days or year")
        days = row.whole("days") if per is Per.DAYS else 1
        used = self._counters(row, "used") if per is Per.YEAR else ()
        if per is Per.YEAR and not used:
            row.refuse("used", "name the accumulators that hold what was taken")
        return Deductible(self._amount(row), per, days, used)

    def _cap(self, row: Table) -> Cap:
        if row.has("of"):
            of = row.text("of")
            if of not in BALANCES:
                row.refuse("of", f"must be one of {', '.join(BALANCES)}")
            return Cap(None, Measure.PAID, Per.VISIT, (), of)
        if row.has("unlimited"):
            if not row.flag("unlimited"):
                row.refuse("unlimited", "is true or is left out")
            # Nothing is limited, so nothing is measured; older packs still say how.
            for key in ("measure", "per", "used"):
                if row.has(key):
                    row.skip(key)
            return Cap(None, Measure.PAID, Per.VISIT, (), "")
        measure, per = row.word("measure", Measure), row.word("per", Per)
        if per is Per.DAYS:
            row.refuse("per", "a cap is per visit, day, month or year")
        used = self._counters(row, "used")
        if per in {Per.YEAR, Per.MONTH} and not used:
            row.refuse("used", "name the accumulators that share it")
        return Cap(self._amount(row), measure, per, used, "")

    def _at_least(self, row: Table) -> AtLeast:
        return AtLeast(row.ratio("ratio"), self._figures(row, "of"))

    def _counts(self, row: Table) -> Counts:
        counts = Counts(
            base=self._counters(row, "base"),
            deductible=self._counters(row, "deductible"),
            paid=self._counters(row, "paid"),
        )
        if not (counts.base or counts.deductible or counts.paid):
            row.refuse("paid", "name at least one accumulator")
        return counts


def _ratio(row: Table) -> Fraction:
    return row.ratio("ratio")


def _line_ratio(row: Table) -> Fraction:
    ratio = row.ratio("ratio")
    if LINE_SCALE % ratio.denominator:
        row.refuse("ratio", "must not have more than six decimals")
    return ratio


def _modifier(row: Table, allowed: frozenset[Change]) -> Modifier:
    change = row.word("change", Change)
    if change not in allowed:
        known = ", ".join(sorted(word.value for word in allowed))
        row.refuse("change", f"here it is one of {known}")
    order = row.whole("order")
    if change in {Change.MINUS, Change.AT_LEAST}:
        return Modifier(order, change, Fraction(row.amount("yuan").fen))
    if change is Change.LIMITS:
        low, high = row.ratio("ratio_least"), row.ratio("ratio_most")
        if high < low:
            row.refuse("ratio_most", "must not be below ratio_least")
        return Modifier(order, change, low, high)
    if change is Change.POINTS:
        return Modifier(order, change, row.signed("points"))
    if change is Change.AGE_POINTS:
        return Modifier(order, change, row.number("points"))
    return Modifier(order, change, row.number("factor"))


def _rounding(row: Table) -> RoundingRule:
    unit = row.whole("unit_fen")
    if unit not in {1, 10, 100}:
        row.refuse("unit_fen", "must be 1 (分), 10 (角) or 100 (元)")
    how = Rounding(unit, row.word("mode", RoundingMode))
    return RoundingRule(how, row.word("at", RoundAt))


def _year(row: Table) -> Year:
    month, day = row.whole("starts_month"), row.whole("starts_day")
    if not 1 <= month <= _MONTHS or not 1 <= day <= _DAYS:
        row.refuse("starts_month", "must be a day of the calendar")
    return Year(month, day, row.flag("splits_stays"))


def _entitlement(row: Table) -> Entitlement:
    return Entitlement(
        row.whole("from_month"),
        row.whole("arrears_months"),
        row.whole("back_payment_months"),
    )


def _bands(row: Table) -> tuple[Band, ...]:
    bands: list[Band] = []
    for item in row.rows("bands"):
        low = Fraction(item.amount("from").fen)
        top = item.text("to")
        high = None if top == UNLIMITED else Fraction(_yuan(item, "to", top).fen)
        if high is not None and high <= low:
            item.refuse("to", "must be above from")
        bands.append(Band(low, high, item.ratio("ratio")))
        item.finish()
    if bands[0].low:
        row.refuse("bands", "a gap: the first band must start at 0")
    for one, other in pairwise(bands):
        if one.high is None or one.high > other.low:
            row.refuse("bands", "an overlap: a band starts below the end of the last")
        if one.high < other.low:
            row.refuse("bands", "a gap between two bands")
    if bands[-1].high is not None:
        row.refuse("bands", f"a gap: the last band must end at '{UNLIMITED}'")
    return tuple(bands)


def _yuan(row: Table, key: str, text: str) -> Money:
    try:
        return Money.yuan(text)
    except ValueError as error:
        row.refuse(key, str(error))
