"""What a region's text says, as typed and dated values; every value has its clause.

A pack is a list of funds in the order they pay. Every fund is the same small machine,
``clamp(bands(base - deductible))``; what a region has of its own are the values, and
the conditions under which each value holds. Nothing is worked out in this module.

A `Rule` holds the wordings of one value. Wordings with the same conditions succeed
each other by their first day; wordings with different conditions hold side by side,
and for every bill exactly one may match (`config.packs` refuses gaps and overlaps).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Generic, TypeVar

from settlement.claim import Insurance, Place
from settlement.errors import PolicyNotInForceError
from settlement.money import Rounding
from settlement.split import Clause, PackId, Payer

T_co = TypeVar("T_co", covariant=True)

#: The grade of a value that no text states: a reading of this pack, said as such.
ASSUMPTION = "assumption"
#: The grades of a text that somebody can be held to.
SOURCED = frozenset({"A", "B"})
GRADES = frozenset({"A", "B", "C", "D", "E", ASSUMPTION})

#: A region of six digits covers every region that starts with it, zero pairs dropped.
_PROVINCE_DIGITS = 2
_CITY_DIGITS = 4
#: 北京、天津、上海、重庆 (GB/T 2260).
_MUNICIPALITIES = frozenset({"11", "12", "31", "50"})

#: What a condition may ask of a bill by word …
WORDS = (
    "kind",
    "tier",
    "place",
    "filing",
    "person",
    "assistance",
    "supplement",
    "accident",
    "disease",
    "premium",
    "signed",
)
#: … of one of its lines …
LINE_WORDS = ("class", "group", "cause")
#: … and by number, as ``<name>_from`` and ``<name>_to``, both ends included.
NUMBERS = ("admission", "age", "insured_months", "days")

#: The word of a condition for a fact the person or the visit does not have.
NONE = "none"


@dataclass(frozen=True, slots=True)
class When:
    """The conditions under which a wording holds; without any it always does."""

    words: tuple[tuple[str, frozenset[str]], ...] = ()
    numbers: tuple[tuple[str, int, int | None], ...] = ()  #: name, least, most

    def holds(self, facts: Mapping[str, str | int]) -> bool:
        """Say whether every condition is met; a fact not given meets none on it."""
        for name, allowed in self.words:
            if facts.get(name) not in allowed:
                return False
        for name, least, most in self.numbers:
            value = facts.get(name)
            if not isinstance(value, int) or value < least:
                return False
            if most is not None and value > most:
                return False
        return True

    @property
    def names(self) -> frozenset[str]:
        """The facts the conditions ask for."""
        asked = [name for name, _ in self.words]
        return frozenset([*asked, *(name for name, _, _ in self.numbers)])


@dataclass(frozen=True, slots=True)
class Wording(Generic[T_co]):
    """One wording: a value, when it holds, and the clause that says it."""

    value: T_co
    when: When
    clause: Clause


@dataclass(frozen=True, slots=True)
class Rule(Generic[T_co]):
    """The wordings of one value of the pack, oldest first."""

    name: str  #: where it stands in the file: ``fund.inpatient.deductible``
    wordings: tuple[Wording[T_co], ...]

    def in_force(
        self, day: dt.date, known: dt.date | None = None
    ) -> tuple[Wording[T_co], ...]:
        """Return the wordings in force on *day*, one for each set of conditions.

        Args:
            day: the day that chooses the text.
            known: texts published later are not seen; None: all are.
        """
        newest: dict[tuple[When, int], Wording[T_co]] = {}
        for wording in self.wordings:
            clause = wording.clause
            if clause.since > day or (known is not None and clause.published > known):
                continue
            # Two changes under the same conditions are two wordings, each in its place.
            order = wording.value.order if isinstance(wording.value, Modifier) else 0
            held = newest.get((wording.when, order))
            if held is None or held.clause.since <= clause.since:
                newest[wording.when, order] = wording
        return tuple(
            wording
            for wording in newest.values()
            if wording.clause.until is None or day <= wording.clause.until
        )

    def on(self, day: dt.date) -> Wording[T_co]:
        """Return the one wording of a rule without conditions.

        Raises:
            PolicyNotInForceError: none is in force on *day*.
        """
        found = self.in_force(day)
        if not found:
            first = min(wording.clause.since for wording in self.wordings)
            raise PolicyNotInForceError(self.name, day, first)
        return found[-1]


class Axis(StrEnum):
    """What band limits are measured on."""

    NET = "net"  #: the base after the deductible
    GROSS = "gross"  #: the base; the deductible eats the lowest bands


class RoundAt(StrEnum):
    """Where a fund rounds."""

    BAND = "band"  #: every band by itself
    SUM = "sum"  #: the sum of the bands, once


class Span(StrEnum):
    """What a fund's bands lie on."""

    VISIT = "visit"  #: this settlement alone
    YEAR = "year"  #: the year's sum: the bands start where the year stands
    CUMULATIVE = "cumulative"  #: G(B + b) - G(B), deductible and bands absolute


class Per(StrEnum):
    """How often a deductible or a cap counts."""

    VISIT = "visit"
    DAY = "day"  #: a deductible or cap for every day
    MONTH = "month"
    YEAR = "year"
    DAYS = "days"  #: a deductible again for every so many days of one stay


class Measure(StrEnum):
    """What a cap limits."""

    PAID = "paid"  #: what the fund pays
    SCOPE = "scope"  #: the base it pays on


class Bearer(StrEnum):
    """Who bears what lies above a price limit."""

    PERSON = "person"
    HOSPITAL = "hospital"


@dataclass(frozen=True, slots=True)
class Band:
    """A marginal band ``[low, high)``; ``high`` None has no upper limit."""

    low: Fraction  #: fen
    high: Fraction | None  #: fen
    ratio: Fraction


@dataclass(frozen=True, slots=True)
class RoundingRule:
    """The pack's rounding: how, and at which place of a fund."""

    how: Rounding
    at: RoundAt


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of the text, in fen, exact: fixed or a multiple of an index.

    ``growth`` is added for every whole ``per`` of a fact (insured years), up to
    ``growth_most``.
    """

    fen: Fraction
    index: str = ""  #: the [index.<name>] that ``factor`` multiplies
    factor: Fraction = Fraction(0)
    growth: Fraction = Fraction(0)
    growth_months: int = 0  #: one step of growth for every so many insured months
    growth_most: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Base:
    """What a fund pays on: named figures added and taken off, never below zero."""

    plus: tuple[str, ...]
    minus: tuple[str, ...]
    weight: Fraction
    span: Span
    axis: Axis
    entered: tuple[str, ...]  #: accumulators the year's bands start at
    paid: tuple[str, ...]  #: cumulative: what was paid, if it is taken off instead


@dataclass(frozen=True, slots=True)
class Deductible:
    """起付线: how much, how often, and what has been taken of it already."""

    amount: Amount
    per: Per
    days: int  #: with ``per = days``
    used: tuple[str, ...]  #: accumulators taken off, with ``per = year``


class Change(StrEnum):
    """What a modifier does, to a deductible or to a ratio."""

    FACTOR = "factor"  #: times
    MINUS = "minus"  #: a deductible less an amount
    AT_LEAST = "at_least"  #: a deductible never below
    POINTS = "points"  #: a ratio plus points
    OWN_SHARE = "own_share"  #: r' = 1 - m (1 - r)
    AGE_POINTS = "age_points"  #: a ratio plus points for every year of age
    LIMITS = "limits"  #: a ratio between ``value`` and ``most``


@dataclass(frozen=True, slots=True)
class Modifier:
    """One change of a deductible (fen) or a ratio, in its place of the order."""

    order: int
    change: Change
    value: Fraction
    most: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Cap:
    """封顶线: what a fund pays, or pays on, at most. ``amount`` None: without limit."""

    amount: Amount | None
    measure: Measure
    per: Per
    used: tuple[str, ...]  #: accumulators that share it
    of: str  #: a fact instead of an amount: ``account_balance``, ``family_balance``


@dataclass(frozen=True, slots=True)
class AtLeast:
    """保底: at least this ratio of the named figures."""

    ratio: Fraction
    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Which accumulators a fund moves, by what."""

    base: tuple[str, ...]
    deductible: tuple[str, ...]
    paid: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fund:
    """One payer's share: the machine's values."""

    id: str
    name: str  #: 统筹基金(住院), as explained to a person
    name_en: str
    payer: Payer
    benefit: bool  #: one that a visit must have, or it is refused
    applies: Rule[bool]
    base: Rule[Base]
    deductible: Rule[Deductible] | None
    deductible_changes: Rule[Modifier] | None
    bands: Rule[tuple[Band, ...]]
    ratio_changes: Rule[Modifier] | None
    at_least: Rule[AtLeast] | None
    caps: Mapping[str, Rule[Cap]]  #: by the name the pack gives each
    counts: Rule[Counts] | None


@dataclass(frozen=True, slots=True)
class Scope:
    """How a line falls into its four parts."""

    upfront: Rule[Fraction]  #: 先行自付比例 by class, group, place …
    outside: Rule[bool]  #: 丙类: the clause that says it is the person's
    item_ratio: Rule[bool]  #: does an item's own ratio go before its class's
    over_price_limit: Rule[Bearer]
    restriction_unmet: Rule[bool]  #: the clause that says it is the person's
    lane: Rule[str] | None  #: sorts in-scope amounts, by class, group, cause
    prepay: Rule[Fraction] | None  #: 转外先行自付: of the in-scope sum
    quota: Rule[Amount] | None  #: 单病种定额: what lies above is the hospital's


@dataclass(frozen=True, slots=True)
class Year:
    """The insured year, and what decides which one a stay belongs to."""

    starts_month: int
    starts_day: int
    split_stays: bool  #: a stay over the year's end is settled in two parts


@dataclass(frozen=True, slots=True)
class Entitlement:
    """When a person of a category enjoys the benefits (待遇享受期)."""

    from_month: int  #: of registration: 1 the same, 2 the next natural month …
    arrears_months: int  #: unpaid months after which the benefits rest
    back_payment_months: int  #: paid back within so many months, the gap is payable


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Pack:
    """The policy of one pool region for one insurance from one day on."""

    id: PackId
    region: str  #: 参保地医保区划, six digits; covers its districts
    region_name: str  #: 黑龙江省佳木斯市
    insurance: Insurance
    since: dt.date
    until: dt.date | None  #: last day; None: open
    neighbours: tuple[str, ...]  #: regions away that count as local (京津冀 …)
    assistance_order: tuple[str, ...]  #: of several classes the first one counts
    rounding: Rule[RoundingRule]
    year: Rule[Year]
    indexes: Mapping[str, Rule[Fraction]]  #: fen, by name
    entitlement: Rule[Entitlement] | None
    scope: Scope
    funds: tuple[Fund, ...]  #: in the order they pay
    cash: Rule[bool]  #: that the person bears the rest: the clause of the cash row
    replay_refunds: Rule[bool]  #: a refund in mid-year recomputes what came later
    tallies: Mapping[str, str]  #: label of every accumulator only this pack has
    clauses: tuple[Clause, ...]  #: of every value, in the file's order
    rules: tuple[Rule[object], ...]  #: every rule, in the file's order

    @property
    def assumptions(self) -> tuple[Clause, ...]:
        """The values no text states; a reader must be able to see them."""
        return tuple(c for c in self.clauses if c.grade == ASSUMPTION)

    def covers(self, region: str, insurance: Insurance) -> bool:
        """Say whether a person insured so falls under this pack."""
        return insurance is self.insurance and region.startswith(pool(self.region))

    def in_force(self, day: dt.date) -> bool:
        """Say whether *day* lies inside the pack's days, both ends included."""
        return self.since <= day and (self.until is None or day <= self.until)

    def check_in_force(self, day: dt.date) -> None:
        """Refuse a day outside the pack's days.

        Raises:
            PolicyNotInForceError: names pack, day and the days it holds.
        """
        if not self.in_force(day):
            raise PolicyNotInForceError(self.id.name, day, self.since, self.until)

    def place(self, insured_region: str, care_region: str) -> Place:
        """Say where care was given; a neighbour of the pack counts as local."""
        if any(care_region.startswith(pool(region)) for region in self.neighbours):
            return Place.LOCAL
        return place(insured_region, care_region)

    def year_of(self, day: dt.date) -> int:
        """Name the insured year of *day* by the calendar year it starts in."""
        year = self.year.on(day).value
        begun = (day.month, day.day) >= (year.starts_month, year.starts_day)
        return day.year if begun else day.year - 1


def pool(region: str) -> str:
    """Return the digits a pool region shares with its districts.

    >>> pool("231000"), pool("230000"), pool("231081")
    ('2310', '23', '231081')
    """
    while len(region) > _PROVINCE_DIGITS and region.endswith("00"):
        region = region[:-2]
    return region


def place(insured_region: str, care_region: str) -> Place:
    """Say where care was given, seen from the insured region.

    Home is the same city (the first four digits, 统筹区 at city level); a municipality
    under the central government (直辖市) is one pool, whatever its district.

    >>> place("230800", "230803").value, place("230800", "230100").value
    ('local', 'in_province')
    >>> place("110000", "110105").value
    'local'
    """
    province = insured_region[:_PROVINCE_DIGITS]
    if province in _MUNICIPALITIES and care_region.startswith(province):
        return Place.LOCAL
    if insured_region[:_CITY_DIGITS] == care_region[:_CITY_DIGITS]:
        return Place.LOCAL
    if insured_region[:_PROVINCE_DIGITS] == care_region[:_PROVINCE_DIGITS]:
        return Place.IN_PROVINCE
    return Place.OTHER_PROVINCE
