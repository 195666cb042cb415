"""The catalogue of items (医保目录): what each item is, as far as money goes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from settlement.claim import FeeLine, ItemClass, Tier
from settlement.errors import CatalogueItemUnknownError
from settlement.money import Money


@dataclass(frozen=True, slots=True)
class Known:
    """What the counter knows of person and visit; None: not known."""

    on: dt.date | None = None
    sex: str | None = None  #: "male", "female"
    age_years: int | None = None
    days: int | None = None  #: of supply


_NOTHING = Known()


@dataclass(frozen=True, slots=True)
class Restriction:
    """限定支付范围: for whom and where an item is paid."""

    tiers: frozenset[Tier] = frozenset()  #: empty: at every level
    sex: str = ""
    age_from: int | None = None
    age_to: int | None = None
    most_days: int | None = None
    needs_indication: bool = False  #: 适应症: the institution has to confirm it

    def broken(self, tier: Tier, known: Known) -> bool:
        """Say whether what is known breaks the restriction; approval or not."""
        age, days = known.age_years, known.days
        return (
            bool(self.tiers and tier not in self.tiers)
            or bool(self.sex and known.sex and known.sex != self.sex)
            or (age is not None and self.age_from is not None and age < self.age_from)
            or (age is not None and self.age_to is not None and age > self.age_to)
            or (
                days is not None
                and self.most_days is not None
                and days > self.most_days
            )
        )


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """One item. ``upfront_ratio`` None: the pack's ratio of its class holds."""

    code: str
    name: str
    kind: str  #: 西药, 检查 …, as the catalogue sorts it
    unit: str
    item_class: ItemClass
    price: Fraction  #: yuan per unit, what the counter proposes
    upfront_ratio: Fraction | None
    price_limits: Mapping[Tier, Fraction]  #: 限价, yuan per unit
    restricted: bool  #: 限制使用: needs the institution's approval
    group: str = ""  #: a pack may treat it apart: special_exam, implant, tcm …
    pinyin: str = ""  #: initials of the name, to find it by
    restriction: Restriction | None = None
    since: dt.date | None = None  #: None: always
    until: dt.date | None = None  #: last day; None: open


@dataclass(frozen=True)
class Catalogue:
    """All items of one catalogue, by code."""

    name: str
    sample: bool  #: synthetic items, to be said where they are shown
    items: Mapping[str, CatalogueItem]

    def item(self, code: str, on: dt.date | None = None) -> CatalogueItem:  # noqa: ARG002 - one wording an item here; a store has several
        """Look up one item, as it stands on a day (None: as it stands last).

        Raises:
            CatalogueItemUnknownError: the code is not in the catalogue.
        """
        try:
            return self.items[code]
        except KeyError:
            raise CatalogueItemUnknownError(code, self.name) from None

    def fee_line(  # noqa: PLR0913, PLR0917 # a line of a bill has these seven facts
        self,
        line_no: int,
        code: str,
        unit_price: Fraction,
        quantity: Fraction,
        amount: Money,
        tier: Tier,
        restriction_approved: bool,  # noqa: FBT001 # 医院审批标志, a column of the bill
        known: Known = _NOTHING,
    ) -> FeeLine:
        """Say what the catalogue knows of a bill line.

        *tier* is the institution's level for price limits (lmtpric_hosp_lv). A
        restriction that *known* breaks is not met, approved or not; what is not known
        counts against the line only where nobody approved it.

        Raises:
            CatalogueItemUnknownError: the code is not in the catalogue.
        """
        item = self.item(code, known.on)
        unmet = item.restricted and not restriction_approved
        if item.restriction is not None:
            unmet = (
                unmet
                or item.restriction.broken(tier, known)
                or (item.restriction.needs_indication and not restriction_approved)
            )
        return FeeLine(
            line_no=line_no,
            item_code=code,
            item_name=item.name,
            item_class=item.item_class,
            unit_price=unit_price,
            quantity=quantity,
            amount=amount,
            upfront_ratio=item.upfront_ratio,
            price_limit=item.price_limits.get(tier),
            restriction_unmet=unmet,
            group=item.group,
            supply_days=known.days,
        )

    def search(self, text: str) -> tuple[CatalogueItem, ...]:
        """Find items by a part of code or name, or by initials, in their order."""
        wanted = text.strip().casefold()
        return tuple(
            item
            for item in self.items.values()
            if wanted in item.code.casefold()
            or wanted in item.name.casefold()
            or (wanted and wanted in item.pinyin)
        )
