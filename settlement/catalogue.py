"""The catalogue of items (医保目录): what each item is, as far as money goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from settlement.claim import FeeLine, ItemClass, Tier
from settlement.errors import CatalogueItemUnknownError
from settlement.money import Money


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


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All items of one catalogue file, by code."""

    name: str
    sample: bool  #: synthetic items, to be said where they are shown
    items: Mapping[str, CatalogueItem]

    def item(self, code: str) -> CatalogueItem:
        """Look up one item.

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
    ) -> FeeLine:
        """Say what the catalogue knows of a bill line.

        *tier* is the institution's level for price limits (lmtpric_hosp_lv).

        Raises:
            CatalogueItemUnknownError: the code is not in the catalogue.
        """
        item = self.item(code)
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
            restriction_unmet=item.restricted and not restriction_approved,
        )

    def search(self, text: str) -> tuple[CatalogueItem, ...]:
        """Find items whose code or name holds *text*, in the catalogue's order."""
        wanted = text.strip().casefold()
        return tuple(
            item
            for item in self.items.values()
            if wanted in item.code.casefold() or wanted in item.name.casefold()
        )
