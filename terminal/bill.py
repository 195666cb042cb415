"""A bill as the HIS, a POS or the keyboard states it, before the catalogue speaks."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from fractions import Fraction

from settlement.claim import Filing, VisitKind
from settlement.ledger import Tender
from settlement.money import Money

#: What 周期天数 (prd_days, N(4,2)) can carry in whole days.
MOST_DAYS = 99


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line: what, how much of it, at what price, and the amount the sender sums."""

    item_code: str  #: 医疗目录编码
    quantity: Fraction
    unit_price: Fraction  #: yuan
    amount: Money  #: checked against price x quantity to the fen
    restriction_approved: bool = True  #: 医院审批标志
    supply_days: int | None = None  #: 周期天数; None: not said


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill. ``bill_no`` is the institution's own and lives at most once."""

    bill_no: str
    kind: VisitKind
    on: dt.datetime  #: begin of the visit, local to the site, with offset
    lines: tuple[BillLine, ...]
    filing: Filing = Filing.NONE
    accident: bool = False
    use_account: bool = True
    tender: Tender = Tender.CASH  #: with what the person pays his share

    @property
    def total_fee(self) -> Money:
        """医疗费总额 (medfee_sumamt)."""
        return Money.total(line.amount for line in self.lines)
