"""Visits registered at the centre (2201) for a bill, and those nobody settled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from settlement.centre.errors import CentreError
from settlement.centre.port import Centre, Order
from settlement.claim import VisitKind

#: How long a registered visit waits for its bill to be settled.
_VISIT_LIFE = dt.timedelta(hours=2)


class Visits:
    """The visits that are registered and not used up yet."""

    def __init__(self, centre: Centre, now: Callable[[], dt.datetime]) -> None:
        self._centre = centre
        self._now = now
        #: (person, bill digest) -> the order with its visit, and since when
        self._visits: dict[tuple[str, str], tuple[Order, dt.datetime]] = {}

    def with_visit(self, order: Order) -> Order:
        """Register the visit once per person and bill; a pharmacy has none."""
        if order.kind is VisitKind.PHARMACY:
            return order
        name = _visit_name(order)
        registered = self._visits.get(name)
        if registered is not None:
            return replace(order, visit_id=registered[0].visit_id)
        order = replace(order, visit_id=self._centre.open_visit(order))
        if len(self._visits) > 1000:  # noqa: PLR2004 - a day's worth; forgetting costs a message
            self._visits.clear()
        self._visits[name] = (order, self._now())
        return order

    def use_up(self, order: Order) -> None:
        """Forget the visit of an order that is about to be settled."""
        self._visits.pop(_visit_name(order), None)

    def withdraw(self) -> int:
        """Take back the visits whose bill nobody came back to settle (2205, 2202).

        Returns how many. What the centre does not answer is left as it is: a visit
        without a settlement costs nobody anything.
        """
        old = self._now() - _VISIT_LIFE
        left = [name for name, (_, at) in list(self._visits.items()) if at < old]
        for name in left:
            registered = self._visits.pop(name, None)
            if registered is not None:
                with suppress(CentreError):
                    self._centre.withdraw_visit(registered[0])
        return len(left)


def _visit_name(order: Order) -> tuple[str, str]:
    """Name the visit that a person's bill, line by line, is registered under."""
    return (order.person_id, repr((order.bill_no, order.on, order.lines)))
