"""A bill as the keyboard makes it: line by line, amounts worked out here.

And a bill as JSON in the form the API takes, so that what the page shows is to the
letter what it sends to be settled.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
from dataclasses import replace
from fractions import Fraction

from pydantic import ValidationError

from settlement.catalogue import Catalogue, CatalogueItem
from settlement.claim import VisitKind
from settlement.facts import JsonValue
from settlement.money import exact, line_amount
from terminal.api_models import BillIn
from terminal.bill import MOST_DAYS, Bill, BillLine
from terminal.errors import RequestInvalidError

#: Quantities have at most four decimals, unit prices six (数值型 16,4 and 16,6).
_QUANTITY_PLACES = 4
_PRICE_PLACES = 6
_MICRO = 10**_PRICE_PLACES


def new_bill_no(now: dt.datetime) -> str:
    """Mint the number of a bill made at this counter: its second and four digits.

    >>> len(new_bill_no(dt.datetime(2026, 11, 23, 9, 30)))
    19
    """
    return f"C{now:%Y%m%d%H%M%S}{secrets.token_hex(2)}"


def plain(value: Fraction) -> str:
    """Print a quantity or a unit price exactly, at most six decimals.

    >>> plain(Fraction(5, 2)), plain(Fraction(30))
    ('2.5', '30')

    Raises:
        ValueError: *value* needs more than six decimals.
    """
    micro = value * _MICRO
    if micro.denominator != 1:
        msg = f"{value} has more than {_PRICE_PLACES} decimals"
        raise ValueError(msg)
    whole, rest = divmod(micro.numerator, _MICRO)
    return f"{whole}.{rest:0{_PRICE_PLACES}d}".rstrip("0").rstrip(".")


def price_text(value: Fraction) -> str:
    """Print a unit price for the eye: exactly, with at least two decimals.

    >>> price_text(Fraction("18.6")), price_text(Fraction("0.125"))
    ('18.60', '0.125')
    """
    whole, _, rest = plain(value).partition(".")
    return f"{whole}.{rest.ljust(2, '0')}"


def bill_to_json(bill: Bill) -> dict[str, JsonValue]:
    """Print *bill* in the form ``POST /api/v1/settlements`` takes."""
    return {
        "bill_no": bill.bill_no,
        "kind": bill.kind.value,
        "on": bill.on.isoformat(),
        "filing": bill.filing.value,
        "accident": bill.accident,
        "use_account": bill.use_account,
        "lines": [
            {
                "item_code": line.item_code,
                "quantity": plain(line.quantity),
                "unit_price": plain(line.unit_price),
                "amount": line.amount.to_yuan(),
                "restriction_approved": line.restriction_approved,
                "supply_days": line.supply_days,
            }
            for line in bill.lines
        ],
    }


def bill_from_json(value: JsonValue) -> Bill:
    """Read a bill the page was given and sends back.

    Raises:
        RequestInvalidError: it is not one.
    """
    try:
        return BillIn.model_validate_json(json.dumps(value)).to_bill()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "bill"
        raise RequestInvalidError(where, str(first["msg"])) from None


#: Words for the screen: why a typed line was not taken.
NOT_A_NUMBER = "bill_line_wrong"
NO_ITEM = "bill_item_unknown"
SEVERAL_ITEMS = "bill_item_many"
NO_DAYS = "bill_days_wrong"


class LineError(ValueError):
    """A typed line the counter cannot take; ``word`` says why on the screen."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def typed_line(
    catalogue: Catalogue, item: str, quantity: str, unit_price: str, days: str = ""
) -> BillLine:
    """Make a line of what was typed; the amount is worked out, once, half up.

    Args:
        catalogue: Where *item* is looked up.
        item: A code, ``code name`` as the list offers it, or a name.
        quantity: Empty is one.
        unit_price: In yuan; empty is the catalogue's price.
        days: The item is for, whole; empty is not said.

    Raises:
        LineError: no item or several, not a number above zero, or no days.
    """
    found = find_item(catalogue, item)
    try:
        count = _number(quantity, _QUANTITY_PLACES) if quantity else Fraction(1)
        price = _number(unit_price, _PRICE_PLACES) if unit_price else found.price
    except ValueError:
        raise LineError(NOT_A_NUMBER) from None
    return BillLine(
        found.code,
        count,
        price,
        line_amount(price, count),
        supply_days=_days(days) if days else None,
    )


def find_item(catalogue: Catalogue, typed: str) -> CatalogueItem:
    """Find the one item that was meant.

    Raises:
        LineError: no item or several.
    """
    text = typed.strip()
    code = text.split(maxsplit=1)[0] if text else ""
    if code in catalogue.items:
        return catalogue.items[code]
    found = catalogue.search(text) if text else ()
    exact_name = [item for item in found if item.name == text]
    if len(exact_name) == 1:
        return exact_name[0]
    if len(found) == 1:
        return found[0]
    raise LineError(SEVERAL_ITEMS if found else NO_ITEM)


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_DAYS):
        raise LineError(NO_DAYS)
    return int(text)


def _number(text: str, places: int) -> Fraction:
    value = exact(text)
    if value <= 0 or (value * 10**places).denominator != 1:
        msg = f"{text!r} is not above zero with at most {places} decimals"
        raise ValueError(msg)
    return value


def with_line(
    bill: Bill | None, line: BillLine, kind: VisitKind, now: dt.datetime
) -> Bill:
    """Add *line*; the first one begins a new bill under a new number."""
    if bill is None:
        return Bill(new_bill_no(now), kind, now, (line,))
    return replace(bill, kind=kind, lines=(*bill.lines, line))


def without_line(bill: Bill, number: int) -> Bill | None:
    """Take line *number* (from 1) out; a bill without lines is none."""
    lines = tuple(x for n, x in enumerate(bill.lines, start=1) if n != number)
    return replace(bill, lines=lines) if lines else None
