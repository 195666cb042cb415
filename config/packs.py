"""Policy packs: TOML files in, `settlement.policy` values out, nothing assumed.

A value without source, article, quote and first day does not load; an unknown key, a
float, a gap or an overlap is refused by file and key. What no text states is written
in the pack with the grade ``assumption`` and the reason in the place of the quote.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from config.toml_table import Table, read
from settlement.claim import Assistance, Insurance, ItemClass, Tier, VisitKind
from settlement.errors import PackError, PackMissingError, PolicyNotInForceError
from settlement.money import Money, Rounding, RoundingMode
from settlement.policy import (
    ASSUMPTION,
    GRADES,
    SOURCED,
    Away,
    Axis,
    Band,
    CompliantOwnPay,
    CriticalIllness,
    Dated,
    Inpatient,
    MedicalAid,
    Outpatient,
    OwnPay,
    Pack,
    PoorFactor,
    Rate,
    RoundAt,
    RoundingRule,
    Scope,
    Text,
)
from settlement.split import Clause, PackId

T = TypeVar("T")
K = TypeVar("K", Tier, Away)

UNLIMITED = "unlimited"
_BIRTHS = (VisitKind.BIRTH_NATURAL, VisitKind.BIRTH_CAESAREAN)


def load_packs(folder: Path) -> tuple[Pack, ...]:
    """Load every pack below *folder*, by name.

    Raises:
        PackError: a file is not a pack, or two packs claim the same days, region and
            insurance.
        OSError: a file cannot be read.
    """
    packs = tuple(load_pack(path, folder) for path in sorted(folder.rglob("*.toml")))
    for number, one in enumerate(packs):
        for other in packs[number + 1 :]:
            _check_apart(one, other)
    return packs


def load_pack(path: Path, folder: Path) -> Pack:
    """Load one pack; its name is the path below *folder* without the suffix.

    Raises:
        PackError: names file and key of the first thing wrong.
        OSError: the file cannot be read.
    """
    data = path.read_bytes()
    name = path.relative_to(folder).with_suffix("").as_posix()

    def refusal(key: str, problem: str) -> PackError:
        return PackError(f"{name}.toml", key, problem)

    return _Reader(read(data, refusal), name, hashlib.sha256(data).hexdigest()).pack()


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
    checked_on: dt.date


@dataclass(slots=True)
class _Reader:
    """Reads one file; collects its clauses on the way."""

    top: Table
    name: str
    digest: str
    since: dt.date = dt.date.min
    sources: dict[str, _Source] = field(default_factory=dict)
    clauses: list[Clause] = field(default_factory=list)

    def pack(self) -> Pack:
        """Read the whole file."""
        head = self.top.table("pack")
        self.since = head.day("since")
        until = head.day("until") if head.has("until") else None
        if until is not None and until < self.since:
            head.refuse("until", "must not be before since")
        version, region = head.whole("version"), head.text("region")
        if len(region) != len("230800") or not region.isdecimal():
            head.refuse("region", "must be six digits")
        region_name = head.text("region_name")
        insurance = head.word("insurance", Insurance)
        head.finish()
        self._read_sources()
        top = self.top
        rounding = self.dated(top, "rounding", _rounding)
        scope = self.scope(top.table("scope"))
        inpatient = self._maybe("inpatient", self.inpatient)
        outpatient = self._maybe("outpatient", self.outpatient)
        pharmacy = self._maybe(
            "pharmacy", lambda table: self.dated(table, "ratio", _ratio)
        )
        birth = self._maybe("birth", self.birth)
        compliant = self.dated(top, "compliant_own_pay", _compliant)
        critical = self._maybe("critical_illness", self.critical_illness)
        aid = self._maybe("medical_aid", self.medical_aid)
        account = self.dated(top, "account", lambda row: row.words("pays", OwnPay))
        cash = self.dated(top, "cash", lambda row: row.flag("person_bears_rest"))
        top.finish()
        return Pack(
            id=PackId(self.name, version, self.digest, verified=self._verified()),
            region=region,
            region_name=region_name,
            insurance=insurance,
            since=self.since,
            until=until,
            rounding=rounding,
            scope=scope,
            inpatient=inpatient,
            outpatient=outpatient,
            pharmacy=pharmacy,
            birth=birth or {},
            compliant_own_pay=compliant,
            critical_illness=critical,
            medical_aid=aid,
            account=account,
            cash=cash,
            clauses=tuple(self.clauses),
        )

    def _maybe(self, key: str, reader: Callable[[Table], T]) -> T | None:
        if not self.top.has(key):
            return None
        table = self.top.table(key)
        value = reader(table)
        table.finish()
        return value

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
                row.day("checked_on"),
            )
            row.finish()

    # --- values ---

    def dated(self, table: Table, key: str, value: Callable[[Table], T]) -> Dated[T]:
        """Read the wordings of one rule; the first one starts with the pack."""
        texts = []
        rule = table.at(key)
        for row in table.rows(key):
            read_value = value(row)
            texts.append(Text(read_value, self._clause(row)))
            row.finish()
        starts = [text.clause.since for text in texts]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            table.refuse(key, "list the wordings oldest first, one per first day")
        if starts[0] > self.since:
            table.refuse(key, f"a gap: nothing holds from {self.since} on")
        return Dated(rule, tuple(texts))

    def _clause(self, row: Table) -> Clause:
        key = row.text("source")
        if key not in self.sources:
            row.refuse("source", f"no [source.{key}] in this file")
        source = self.sources[key]
        clause = Clause(
            document=source.document,
            article=row.text("article"),
            quote=row.text("quote"),
            url=source.url,
            grade=source.grade,
            since=row.day("since"),
            checked_on=source.checked_on,
        )
        self.clauses.append(clause)
        return clause

    # --- sections ---

    def scope(self, table: Table) -> Scope:
        """Read [scope]: the person's share by item class."""
        classes = {kind: self.dated(table, kind.value, _ratio) for kind in ItemClass}
        own = self.dated(table, "item_ratio", lambda row: row.flag("applies"))
        over = self.dated(table, "over_price_limit", _ratio)
        restriction = self.dated(table, "restriction_unmet", _ratio)
        whole = {
            "C": classes[ItemClass.C],
            "over_price_limit": over,
            "restriction_unmet": restriction,
        }
        for key, dated in whole.items():
            if any(text.value != 1 for text in dated.texts):
                table.refuse(key, "must be '1': the person bears it whole")
        table.finish()
        return Scope(classes, own, over, restriction)

    def inpatient(self, table: Table) -> Inpatient:
        """Read [inpatient]."""
        local = self._rates(table.table("local"), Tier)
        elsewhere = self._rates(table.table("away"), Away) if table.has("away") else {}
        points = (
            self._by_class(table, "assistance_points", _points)
            if table.has("assistance_points")
            else {}
        )
        return Inpatient(
            local=local,
            away=elsewhere,
            points=points,
            points_away=self.dated(
                table, "assistance_points_away", lambda row: row.flag("apply")
            ),
            axis=self.dated(table, "axis", lambda row: row.word("axis", Axis)),
            cap=self.dated(table, "cap", _cap),
            accident_cap=(
                self.dated(table, "accident_cap", _cap)
                if table.has("accident_cap")
                else None
            ),
        )

    def outpatient(self, table: Table) -> Outpatient:
        """Read [outpatient]."""
        return Outpatient(
            rates=self._rates(table.table("local"), Tier),
            axis=self.dated(table, "axis", lambda row: row.word("axis", Axis)),
            cap=self.dated(table, "cap", _cap),
        )

    def birth(self, table: Table) -> dict[VisitKind, Dated[Money]]:
        """Read [birth]: lump sums by kind of delivery."""
        return {
            kind: self.dated(table, kind.value, lambda row: row.amount("yuan"))
            for kind in _BIRTHS
            if table.has(kind.value)
        }

    def critical_illness(self, table: Table) -> CriticalIllness:
        """Read [critical_illness]."""
        return CriticalIllness(
            deductible=self.dated(table, "deductible", lambda row: row.amount("yuan")),
            bands=self.dated(table, "bands", _bands),
            cap=self.dated(table, "cap", _cap_only),
            poor=(self._by_class(table, "poor", _poor) if table.has("poor") else {}),
        )

    def medical_aid(self, table: Table) -> MedicalAid:
        """Read [medical_aid]: threshold and ratio by class, one annual cap."""
        threshold = self._by_class(table, "threshold", lambda row: row.amount("yuan"))
        ratio = self._by_class(table, "ratio", _ratio)
        if threshold.keys() != ratio.keys():
            table.refuse("ratio", "must name the same classes as threshold")
        return MedicalAid(threshold, ratio, self.dated(table, "cap", _cap_only))

    def _rates(self, table: Table, words: type[K]) -> dict[K, Rate]:
        rates = {}
        for word in words:
            if not table.has(word.value):
                continue
            row = table.table(word.value)
            rates[word] = Rate(
                deductible=(
                    self.dated(row, "deductible", lambda text: text.amount("yuan"))
                    if row.has("deductible")
                    else None
                ),
                bands=self.dated(row, "bands", _bands),
            )
            row.finish()
        table.finish()
        return rates

    def _by_class(
        self, table: Table, key: str, value: Callable[[Table], T]
    ) -> dict[Assistance, Dated[T]]:
        """Read rows that say for which assistance classes they hold."""
        texts: dict[Assistance, list[Text[T]]] = {}
        for row in table.rows(key):
            classes = row.words("assistance", Assistance)
            if not classes:
                row.refuse("assistance", "must name at least one class")
            text = Text(value(row), self._clause(row))
            row.finish()
            for kind in sorted(classes):
                texts.setdefault(kind, []).append(text)
        for wordings in texts.values():
            starts = [text.clause.since for text in wordings]
            if any(later <= earlier for earlier, later in pairwise(starts)):
                table.refuse(key, "list the wordings oldest first, one per first day")
            if starts[0] > self.since:
                table.refuse(key, f"a gap: nothing holds from {self.since} on")
        rule = table.at(key)
        return {kind: Dated(rule, tuple(found)) for kind, found in texts.items()}


def _ratio(row: Table) -> Fraction:
    return row.ratio("ratio")


def _points(row: Table) -> Fraction:
    return row.ratio("points")


def _cap(row: Table) -> Money:
    measured = row.text("measured_on")
    if measured != "paid":
        row.refuse("measured_on", "must be 'paid': no other cap is implemented")
    return _cap_only(row)


def _cap_only(row: Table) -> Money:
    per = row.text("per")
    if per != "year":
        row.refuse("per", "must be 'year': no other cap is implemented")
    return row.amount("yuan")


def _poor(row: Table) -> PoorFactor:
    cap = row.text("cap")
    if cap not in {"same", UNLIMITED}:
        row.refuse("cap", f"must be 'same' or '{UNLIMITED}'")
    return PoorFactor(row.ratio("deductible_factor"), cap == UNLIMITED)


def _compliant(row: Table) -> CompliantOwnPay:
    return CompliantOwnPay(row.words("counts", OwnPay), row.words("kinds", VisitKind))


def _rounding(row: Table) -> RoundingRule:
    unit = row.whole("unit_fen")
    if unit not in {1, 10, 100}:
        row.refuse("unit_fen", "must be 1 (分), 10 (角) or 100 (元)")
    how = Rounding(unit, row.word("mode", RoundingMode))
    return RoundingRule(how, row.word("at", RoundAt))


def _bands(row: Table) -> tuple[Band, ...]:
    bands = []
    for item in row.rows("bands"):
        low = Fraction(item.amount("from").fen)
        top = item.text("to")
        high = None if top == UNLIMITED else Fraction(_yuan(item, "to", top).fen)
        if high is not None and high <= low:
            item.refuse("to", "must lie above from")
        bands.append(Band(low, high, item.ratio("ratio")))
        item.finish()
    if bands[0].low != 0:
        row.refuse("bands", "a gap: the first band starts at '0'")
    for lower, upper in pairwise(bands):
        if lower.high is None or upper.low < lower.high:
            row.refuse("bands", "an overlap: a band starts before the last one ends")
        if upper.low > lower.high:
            row.refuse("bands", "a gap: a band starts after the last one ends")
    return tuple(bands)


def _yuan(row: Table, key: str, text: str) -> Money:
    try:
        return Money.yuan(text)
    except ValueError as error:
        row.refuse(key, str(error))
