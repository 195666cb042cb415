"""The end of the day over the wire: totals (3201), rows where they differ (3202)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from settlement.centre.port import (
    Centre,
    CentreSettlement,
    StatementGroup,
    StatementResult,
    StatementVerdict,
    TotalsVerdict,
)
from settlement.claim import Insurance
from settlement.facts import settlement_from_json
from settlement.journal import Journal
from settlement.journal_records import Record
from settlement.lifecycle import OPEN, State
from settlement.money import Money
from settlement.reconcile import (
    Booked,
    DayReport,
    RefundCounting,
    groups,
    report,
    rows,
)


@dataclass(frozen=True, slots=True)
class GroupKey:
    """A group the site always asks about, so that a row only the centre has shows."""

    insurance: Insurance
    clearing_type: str  #: 清算类别
    clearing_office: str  #: 清算经办机构


def reconcile_day(  # noqa: PLR0913 - what a day stands on, each passed in by name
    *,
    journal: Journal,
    centre: Centre,
    date: dt.date,
    timezone: dt.tzinfo,
    always: Iterable[GroupKey],
    refunds: Sequence[RefundCounting] = (RefundCounting.BOTH,),
) -> DayReport:
    """Compare our book of *date* with the centre's and name every difference.

    The day is that of the centre's settlement time in the site's time zone. Where the
    totals differ they are asked about again with refunds counted in the next of the
    ways *refunds*; the rows are those of the first.

    Raises:
        CentreError: the centre could not be asked; nothing is known then.
    """
    booked = _booked(journal)
    ours = tuple(one for one in booked if _is_on(one, date, timezone))
    others = tuple(one for one in booked if not _is_on(one, date, timezone))
    refunded = {one.settlement.cancels for one in booked} - {""}
    totals = groups(ours, date)
    for key in always:
        if not any(_key(group) == key for group in totals):
            totals = (*totals, _nothing(key, date))
    counted = [
        {_key(g): g for g in groups(ours, date, counting=way, refunded=refunded)}
        for way in refunds
    ]
    verdicts = []
    for group in totals:
        tried = [ways.get(_key(group), group) for ways in counted]
        told, verdict = _balance(centre, tried)
        results = (
            None if verdict.balanced else centre.compare_rows(group, rows(ours, group))
        )
        verdicts.append((told, verdict, results))
    open_ids = tuple(item.settlement_id for item in journal.open_items())
    done = report(date, ours, tuple(verdicts), open_ids, others=others)
    journal.note(
        "reconciled",
        {
            "date": date.isoformat(),
            "balanced": done.balanced,
            "differences": len(done.differences),
            "head": journal.head().digest,
        },
    )
    head = journal.head()  # with the note in it
    return replace(done, journal_head=f"{head.seq}:{head.digest}")


def _balance(
    centre: Centre, tried: Sequence[StatementGroup]
) -> tuple[StatementGroup, TotalsVerdict]:
    """Ask about the same group as counted in one way after the other.

    Returns the first that balances; if none does, the first.
    """
    asked: list[tuple[StatementGroup, TotalsVerdict]] = []
    for group in dict.fromkeys(tried):
        verdict = centre.compare_totals(group)
        if verdict.balanced:
            return group, verdict
        asked.append((group, verdict))
    return asked[0]


def only_at_centre(
    *,
    journal: Journal,
    centre: Centre,
    dates: Iterable[dt.date],
    timezone: dt.tzinfo,
    always: Sequence[GroupKey],
) -> Iterator[tuple[dt.date, StatementResult]]:
    """List what the centre booked on some days and our book lacks, each with its day.

    Asked row by row (3202), whatever the totals say: 3201 asks about one insurance,
    and what is missing may be of another.

    Raises:
        CentreError: the centre could not be asked; nothing is known then.
    """
    booked = _booked(journal)
    # A row may tell only its message; a negative record of ours may lack its number.
    known = {one.settlement.settlement_id for one in booked} - {""}
    heard = {one.settlement.msgid for one in booked}
    for date in dates:
        ours = tuple(one for one in booked if _is_on(one, date, timezone))
        totals = {_key(group): group for group in groups(ours, date)}
        for key in always:
            totals.setdefault(key, _nothing(key, date))
        more: dict[tuple[str, str], StatementResult] = {}
        for group in totals.values():
            for told in centre.compare_rows(group, rows(ours, group)):
                if told.verdict is StatementVerdict.CENTRE_ONLY:
                    more[told.settlement_id, told.msgid] = told
        for told in more.values():
            is_known = told.settlement_id in known or (
                not told.settlement_id and told.msgid in heard
            )
            if not is_known:
                yield date, told


def booked_on(
    journal: Journal, date: dt.date, timezone: dt.tzinfo
) -> tuple[Booked, ...]:
    """Return our settlements and cancellations of the centre's *date*."""
    return tuple(one for one in _booked(journal) if _is_on(one, date, timezone))


def _booked(journal: Journal) -> tuple[Booked, ...]:
    states = frozenset({State.SETTLED, State.CANCELLED}) | OPEN
    return tuple(
        Booked(settled, record.bill_no, record.settlement_id)
        for record in journal.records(states=states, limit=1_000_000)
        for settled in _records(record)
    )


def _is_on(one: Booked, date: dt.date, timezone: dt.tzinfo) -> bool:
    at = one.settlement.settled_at
    return at is not None and at.astimezone(timezone).date() == date


def _records(record: Record) -> tuple[CentreSettlement, ...]:
    found = []
    for name in ("settled", "cancelled"):
        facts = record.facts.get(name)
        if facts:
            found.append(settlement_from_json(facts))
    return tuple(found)


def _key(group: StatementGroup) -> GroupKey:
    return GroupKey(group.insurance, group.clearing_type, group.clearing_office)


def _nothing(key: GroupKey, date: dt.date) -> StatementGroup:
    return StatementGroup(
        insurance=key.insurance,
        clearing_type=key.clearing_type,
        clearing_office=key.clearing_office,
        begin=date,
        end=date,
        total_fee=Money.ZERO,
        fund_total=Money.ZERO,
        account_pay=Money.ZERO,
        cash_pay=Money.ZERO,
        count=0,
    )
