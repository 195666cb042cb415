"""What a message booked, or that it booked nothing, by a statement's rows (3202).

Where a visit cannot be asked what it booked, the centre's file of a day still names
the 报文ID of every row, "用于冲正" (HN 3202). A row that names its 结算ID too is read
by it (5203). Where the ids stay empty, as the Hunan text has it for what only the
centre has, a row of the same person with the amounts turned is such a record, and who
asks decides by its 报文ID.
Nothing about money is sent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import replace

from settlement.centre.port import Centre, CentreSettlement
from settlement.claim import Insurance
from settlement.facts import settlement_from_json
from settlement.journal import Journal
from settlement.journal_records import Record
from settlement.lifecycle import State
from settlement.reconcile import may_turn
from terminal.day import GroupKey, only_at_centre

#: Days within which a centre carries a message out that it has: over a midnight.
CARRIED_OUT = 2
#: So long after it was sent nobody carries a message out any more.
PROVEN_AFTER = dt.timedelta(hours=12)
#: From so many of the newest settlements it is learnt where such are cleared.
_LEARNT_FROM = 2_000


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

        One that a row tells of without its ids has no 结算ID, and may be of another
        settlement of the same person with the same amounts.

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
        for day, told in only_at_centre(
            journal=self._journal,
            centre=self._centre,
            dates=days,
            timezone=self._timezone,
            always=[key],
        ):
            if not told.refund or told.visit_id not in {"", settled.visit_id}:
                continue
            if told.person_id not in {"", settled.person_id}:
                continue
            if told.settlement_id:
                found = negative_under(self._centre, record, told.settlement_id)
                if found is not None:
                    yield found
            elif told.msgid and may_turn(told, settled):
                yield self._unnumbered(settled, told.msgid, day)

    def lacks(self, record: Record, now: dt.datetime) -> bool:
        """Say whether its days' statements prove that a settlement was never booked.

        They do when the day is over on which it was sent: a sign-in ends with its day,
        so a message that is not on them then is not carried out any more.

        Asked are the groups in which the centre has booked such settlements of this
        region before; where it has booked none, no statement proves anything.

        Raises:
            CentreError: the centre could not be asked, or refuses a statement.
        """
        sendings = (e.at for e in record.history if e.kind == State.SENDING.value)
        sent = next(sendings, now)
        days = self.since(sent, now, CARRIED_OUT)
        if len(days) < CARRIED_OUT or now - sent < PROVEN_AFTER:
            return False
        keys = self._groups_like(record)
        if not keys:
            return False
        for _, told in only_at_centre(
            journal=self._journal,
            centre=self._centre,
            dates=days,
            timezone=self._timezone,
            always=keys,
        ):
            nameless = not told.msgid and told.person_id in {"", record.person_id}
            if told.msgid == record.msgid or nameless:
                return False
        return True

    def _groups_like(self, record: Record) -> list[GroupKey]:
        """Learn from what was booked where the centre clears such a settlement.

        Its 清算经办机构 is the centre's to name: a guessed one could hide the row.
        """
        booked = (
            settlement_from_json(one.facts["settled"])
            for one in self._journal.records(limit=_LEARNT_FROM)
            if "settled" in one.facts
            and (one.insured_region, one.kind) == (record.insured_region, record.kind)
        )
        keys = {(one.clearing_type, one.clearing_office) for one in booked}
        return [GroupKey(Insurance.RESIDENT, *key) for key in sorted(keys)]

    def since(self, at: dt.datetime, until: dt.datetime, most: int) -> list[dt.date]:
        """List the days from *at* on, at most so many of them, none after *until*."""
        first, last = (
            moment.astimezone(self._timezone).date() for moment in (at, until)
        )
        count = min(most, (last - first).days + 1)
        return [first + dt.timedelta(days=number) for number in range(count)]

    def _unnumbered(
        self, settled: CentreSettlement, msgid: str, day: dt.date
    ) -> CentreSettlement:
        """State what a message booked on a *day*, as far as it is known."""
        return replace(
            settled,
            settlement_id="",
            msgid=msgid,
            # A statement tells the day; its hour is nobody's to know.
            settled_at=dt.datetime.combine(day, dt.time.min, tzinfo=self._timezone),
            amounts=settled.amounts.turned(),
            cancels=settled.settlement_id,
            refunded=False,
        )


def negative_under(
    centre: Centre, record: Record, settlement_id: str
) -> CentreSettlement | None:
    """Read a row by its number (5203); None if it takes another settlement back.

    Raises:
        CentreError: the centre could not be asked, or knows no such number.
    """
    settled = settlement_from_json(record.facts["settled"])
    found = centre.settlement(
        record.person_id, record.insured_region, settled.visit_id, settlement_id
    )
    turned = found.amounts.total_fee == -settled.amounts.total_fee
    if found.visit_id != settled.visit_id or not turned:
        return None
    return replace(found, cancels=settled.settlement_id)
