"""The negative record of a settlement, found among the rows of a statement (3202).

Where a visit cannot be asked what it booked, the centre's file of a day still names
every row's 结算ID and 报文ID, "用于冲正" (HN 3202), and 5203 reads a row by its 结算ID.
Nothing about money is sent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import replace

from settlement.centre.port import Centre, CentreSettlement
from settlement.facts import settlement_from_json
from settlement.journal import Journal
from settlement.journal_records import Record
from terminal.day import GroupKey, only_at_centre


class ByStatement:
    """Asks a centre for a day's rows that this terminal does not know."""

    def __init__(self, centre: Centre, journal: Journal, timezone: dt.tzinfo) -> None:
        self._centre = centre
        self._journal = journal
        self._timezone = timezone

    def negatives(
        self, record: Record, days: Iterable[dt.date]
    ) -> Iterator[CentreSettlement]:
        """Read what takes a settlement back, day by day, as it is asked for.

        Args:
            record: A settlement that the centre says was taken back.
            days: Of the centre's settlement time, in the order to ask.

        Raises:
            CentreError: the centre could not be asked, or refuses a statement of such
                a day.
        """
        settled = settlement_from_json(record.facts["settled"])
        key = GroupKey(
            settled.insurance, settled.clearing_type, settled.clearing_office
        )
        for told in only_at_centre(
            journal=self._journal,
            centre=self._centre,
            dates=days,
            timezone=self._timezone,
            always=[key],
        ):
            if not (told.refund and told.settlement_id):
                continue
            # The ids of a row may be missing; what 5203 says of it is what counts.
            if told.visit_id not in {"", settled.visit_id}:
                continue
            found = self._centre.settlement(
                record.person_id,
                record.insured_region,
                settled.visit_id,
                told.settlement_id,
            )
            of_this = found.visit_id == settled.visit_id
            if of_this and found.amounts.total_fee == -settled.amounts.total_fee:
                yield replace(found, cancels=settled.settlement_id)

    def since(self, at: dt.datetime, until: dt.datetime, most: int) -> list[dt.date]:
        """List the days from *at* on, at most so many of them, none after *until*."""
        first, last = (
            moment.astimezone(self._timezone).date() for moment in (at, until)
        )
        count = min(most, (last - first).days + 1)
        return [first + dt.timedelta(days=number) for number in range(count)]
