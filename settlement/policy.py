"""What a region's text says, as typed and dated values; every value has its clause.

Absence is stated, never defaulted: a benefit the text does not give is ``None`` here
and a refusal in the engine. No value is worked out in this module.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Generic, TypeVar

from settlement.claim import Assistance, Insurance, ItemClass, Tier, VisitKind
from settlement.errors import PolicyNotInForceError
from settlement.money import Money, Rounding
from settlement.split import Clause, PackId

T = TypeVar("T")

#: The grade of a value that no text states: a reading of this pack, said as such.
ASSUMPTION = "assumption"
#: The grades of a text that somebody can be held to.
SOURCED = frozenset({"A", "B"})
GRADES = frozenset({"A", "B", "C", "D", "E", ASSUMPTION})

#: A region of six digits covers every region that starts with it, zero pairs dropped.
_PROVINCE_DIGITS = 2
_CITY_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Text(Generic[T]):
    """One wording: a value and the clause that says it, in force from its first day."""

    value: T
    clause: Clause


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """The wordings of one rule, oldest first, each in force until the next one."""

    rule: str
    texts: tuple[Text[T], ...]

    def on(self, day: dt.date) -> Text[T]:
        """Return the wording in force on *day*.

        Raises:
            PolicyNotInForceError: *day* is before the first wording.
        """
        for text in reversed(self.texts):
            if text.clause.since <= day:
                return text
        raise PolicyNotInForceError(self.rule, day, self.texts[0].clause.since)


class Axis(StrEnum):
    """What band limits are measured on."""

    NET = "net"  #: the in-scope fee after the deductible
    GROSS = "gross"  #: the in-scope fee; the deductible eats the lowest bands


class RoundAt(StrEnum):
    """Where a step rounds."""

    BAND = "band"  #: every band by itself
    SUM = "sum"  #: the sum of the bands, once


class OwnPay(StrEnum):
    """The parts of what the person bears before any later fund."""

    DEDUCTIBLE = "deductible"  #: 起付线
    POOLED_SHARE = "pooled_share"  #: what the pooled fund leaves, also above its cap
    UPFRONT_SHARE = "upfront_share"  #: 先行自付
    OVER_PRICE_LIMIT = "over_price_limit"  #: 超限价自费
    UNCOVERED = "uncovered"  #: 全自费


class Away(StrEnum):
    """Care outside the insured region, as the own table counts it."""

    IN_PROVINCE = "in_province"  #: 省内异地, 备案或转诊
    OTHER_PROVINCE = "other_province"  #: 跨省异地, 备案或转诊
    UNFILED = "unfiled"  #: 未备案未转诊


@dataclass(frozen=True, slots=True)
class Band:
    """A marginal band ``[low, high)``; ``high`` None has no upper limit."""

    low: Fraction  #: fen
    high: Fraction | None  #: fen
    ratio: Fraction


@dataclass(frozen=True, slots=True)
class RoundingRule:
    """The pack's rounding: how, and at which place of a step."""

    how: Rounding
    at: RoundAt


@dataclass(frozen=True, slots=True)
class Scope:
    """The person's share of each kind of line, as a ratio (甲 0, 乙 some, 丙 1)."""

    item_class: Mapping[ItemClass, Dated[Fraction]]
    item_ratio: Dated[bool]  #: does an item's own ratio go before its class's
    over_price_limit: Dated[Fraction]
    restriction_unmet: Dated[Fraction]


@dataclass(frozen=True, slots=True)
class Rate:
    """One row of a benefit table: deductible (None: there is none) and bands."""

    deductible: Dated[Money] | None
    bands: Dated[tuple[Band, ...]]


@dataclass(frozen=True, slots=True)
class Inpatient:
    """住院: tables at home and away, points for assistance classes, annual caps."""

    local: Mapping[Tier, Rate]
    away: Mapping[Away, Rate]
    points: Mapping[Assistance, Dated[Fraction]]  #: added to every band's ratio
    points_away: Dated[bool]  #: do they apply outside the region too
    axis: Dated[Axis]
    cap: Dated[Money]  #: what the pooled fund pays in a year at most
    accident_cap: Dated[Money] | None  #: of that, for accidents (意外伤害)


@dataclass(frozen=True, slots=True)
class Outpatient:
    """普通门诊统筹: ratio by tier, what the fund pays in a year at most."""

    rates: Mapping[Tier, Rate]
    axis: Dated[Axis]
    cap: Dated[Money]


@dataclass(frozen=True, slots=True)
class PoorFactor:
    """What changes in critical illness for an assistance class."""

    deductible_factor: Fraction
    uncapped: bool


@dataclass(frozen=True, slots=True)
class CriticalIllness:
    """大病保险: bands lie on the year's cumulative compliant own pay (absolute)."""

    deductible: Dated[Money]
    bands: Dated[tuple[Band, ...]]
    cap: Dated[Money]
    poor: Mapping[Assistance, Dated[PoorFactor]]


@dataclass(frozen=True, slots=True)
class MedicalAid:
    """医疗救助: above a threshold of the year's own pay, by class, capped per year."""

    threshold: Mapping[Assistance, Dated[Money]]
    ratio: Mapping[Assistance, Dated[Fraction]]
    cap: Dated[Money]


@dataclass(frozen=True, slots=True)
class CompliantOwnPay:
    """合规个人负担: which own pay of which visits enters the year's sum."""

    counts: frozenset[OwnPay]
    kinds: frozenset[VisitKind]


@dataclass(frozen=True, slots=True)
class Pack:
    """The policy of one pool region for one insurance from one day on."""

    id: PackId
    region: str  #: 参保地医保区划, six digits; covers its districts
    region_name: str  #: 黑龙江省佳木斯市
    insurance: Insurance
    since: dt.date
    until: dt.date | None  #: last day; None: open
    rounding: Dated[RoundingRule]
    scope: Scope
    inpatient: Inpatient | None
    outpatient: Outpatient | None
    pharmacy: Dated[Fraction] | None  #: the pooled fund's ratio at pharmacies
    birth: Mapping[VisitKind, Dated[Money]]  #: 生育定额, per delivery
    compliant_own_pay: Dated[CompliantOwnPay]
    critical_illness: CriticalIllness | None
    medical_aid: MedicalAid | None
    account: Dated[frozenset[OwnPay]]  #: which own pay the personal account may pay
    cash: Dated[bool]  #: that the person bears the rest: the clause of the cash row
    clauses: tuple[Clause, ...]  #: of every value, in the file's order

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


def pool(region: str) -> str:
    """Return the digits a pool region shares with its districts.

    >>> pool("231000"), pool("230000"), pool("231081")
    ('2310', '23', '231081')
    """
    while len(region) > _PROVINCE_DIGITS and region.endswith("00"):
        region = region[:-2]
    return region


def away(insured_region: str, care_region: str, *, filed: bool) -> Away | None:
    """Say which row of the away table holds; None is care at home.

    Home is the same city (the first four digits, 统筹区 at city level).

    >>> away("230800", "230803", filed=False) is None
    True
    >>> away("230800", "230100", filed=True).value
    'in_province'
    """
    if insured_region[:_CITY_DIGITS] == care_region[:_CITY_DIGITS]:
        return None
    if not filed:
        return Away.UNFILED
    if insured_region[:_PROVINCE_DIGITS] == care_region[:_PROVINCE_DIGITS]:
        return Away.IN_PROVINCE
    return Away.OTHER_PROVINCE
