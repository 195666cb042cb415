"""The bill that the fault tests settle, as values and as the API takes it."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

from settlement.claim import VisitKind
from settlement.money import Money
from terminal.bill import Bill, BillLine

BILL_NO = "KILLED-1"
KEY = "key-of-the-killed"
PIN = b"246810"
ITEM = "XA0001"
PRICE = "18.60"


def a_bill(
    bill_no: str, on: dt.datetime, kind: VisitKind = VisitKind.OUTPATIENT
) -> Bill:
    """Return a bill of one line."""
    line = BillLine(ITEM, Fraction(1), Fraction(PRICE), Money.yuan(PRICE))
    return Bill(bill_no=bill_no, kind=kind, on=on, lines=(line,))


def a_bill_json(bill_no: str, kind: str = "outpatient") -> dict[str, object]:
    """Return the same bill as a POS sends it."""
    on = dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).replace(microsecond=0)
    return {
        "bill_no": bill_no,
        "kind": kind,
        "on": on.isoformat(),
        "lines": [
            {
                "item_code": ITEM,
                "quantity": "1",
                "unit_price": PRICE,
                "amount": PRICE,
            }
        ],
    }
