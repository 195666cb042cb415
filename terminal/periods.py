"""The clearing periods of this terminal: where postings go, and closing a month.

What is closed stands in the journal as a note of its own with the month's totals; it
is never opened again, and what comes later is posted into the month after.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from settlement.clearing import (
    TrialBalance,
    is_period,
    open_period,
    period_of,
    trial_balance,
)
from settlement.facts import JsonValue, settlement_from_json
from settlement.journal import Journal
from settlement.journal_records import Record
from settlement.ledger import Posting, Tender, entry_for
from terminal.errors import (
    PeriodClosedError,
    PeriodNotOverError,
    PeriodUndecidedError,
    RequestInvalidError,
)

CLOSED = "period-closed"
#: The facts of a booked step that say where its postings went.
PERIOD, CORRECTS = "clearing_period", "corrects_period"
_BOOKED = ("settled", "cancelled")
_EVERYTHING = 1_000_000


@dataclass(frozen=True, slots=True)
class ClosedPeriod:
    """A closed month: its number, its totals, and the hash that goes on the slip."""

    period: str
    number: int  #: of the closings, from 1
    digest: str  #: SHA-256 of the totals, hex
    carried_over: tuple[str, ...]  #: undecided settlements that were left open
    balance: TrialBalance


def tender_of(record: Record) -> Tender:
    """Tell with what the person paid; of before it was kept: cash."""
    return Tender(str(record.facts["intent"].get("tender", Tender.CASH.value)))


class Periods:
    """Knows the closed months of one journal; any thread may ask."""

    def __init__(
        self, journal: Journal, zone: dt.tzinfo, now: Callable[[], dt.datetime]
    ) -> None:
        self._journal = journal
        self._zone = zone
        self._now = now
        self._guard = threading.Lock()
        self._closed = [str(facts["period"]) for facts in journal.notes(CLOSED)]

    @contextmanager
    def posting(
        self, record: Record, settled_at: dt.datetime | None
    ) -> Iterator[dict[str, JsonValue]]:
        """Give the facts of where a posting goes; no month is closed meanwhile.

        Args:
            record: Whose posting it is.
            settled_at: By the centre's clock; None: nothing is posted.
        """
        if settled_at is None:
            yield {}
            return
        with self._guard:
            own = period_of(settled_at.astimezone(self._zone).date())
            facts: dict[str, JsonValue] = {PERIOD: open_period(own, self._closed)}
            before = record.facts.get("settled")
            if before and self._of(before) != facts[PERIOD]:
                facts[CORRECTS] = self._of(before)
            yield facts

    def balance(self, period: str) -> TrialBalance:
        """Add up what is posted into a month.

        Raises:
            RequestInvalidError: it names no month.
        """
        if not is_period(period):
            raise RequestInvalidError(where="period", expected="a month, as in 2026-11")
        return trial_balance(period, self._postings(period))

    def balance_of_day(self, day: dt.date) -> TrialBalance:
        """Add up what the centre booked on *day*, by its own time of settlement."""

        def is_of_it(facts: Mapping[str, JsonValue], _at: dt.datetime) -> bool:
            booked_at = settlement_from_json(facts).settled_at
            return (
                booked_at is not None and booked_at.astimezone(self._zone).date() == day
            )

        return trial_balance(day.isoformat(), self._legs(is_of_it))

    def balance_between(self, begin: dt.datetime, end: dt.datetime) -> TrialBalance:
        """Add up what was booked here from *begin* up to *end*: a shift (班次).

        Raises:
            RequestInvalidError: it ends before it begins, or has no zone.
        """
        if begin.tzinfo is None or end.tzinfo is None or begin >= end:
            raise RequestInvalidError(where="to", expected="after from, both with zone")

        def is_of_it(_facts: Mapping[str, JsonValue], at: dt.datetime) -> bool:
            return begin <= at < end

        span = f"{begin.isoformat()}/{end.isoformat()}"
        return trial_balance(span, self._legs(is_of_it))

    def close(self, period: str, *, carry_over: bool) -> ClosedPeriod:
        """Close a month for good.

        Args:
            period: Which.
            carry_over: Close it although something is undecided; that is listed.

        Raises:
            RequestInvalidError: it names no month.
            PeriodClosedError: it is closed.
            PeriodNotOverError: it is not over by this terminal's clock.
            PeriodUndecidedError: something of it is undecided.
        """
        with self._guard:
            balance = self.balance(period)
            if period in self._closed:
                raise PeriodClosedError(period)
            today = self._now().astimezone(self._zone).date()
            if period >= period_of(today):
                raise PeriodNotOverError(period)
            undecided = self._undecided(period)
            if undecided and not carry_over:
                raise PeriodUndecidedError(period, undecided)
            totals: dict[str, JsonValue] = {
                line.account.value: (line.debit - line.credit).fen
                for line in balance.lines
            }
            text = json.dumps([period, totals], sort_keys=True)
            digest = hashlib.sha256(text.encode()).hexdigest()
            number = len(self._closed) + 1
            self._journal.note(
                CLOSED,
                {
                    "period": period,
                    "number": number,
                    "totals_fen": totals,
                    "digest": digest,
                    "carried_over": list(undecided),
                },
            )
            self._closed.append(period)
        return ClosedPeriod(period, number, digest, undecided, balance)

    def _undecided(self, period: str) -> tuple[str, ...]:
        """List what was begun up to the end of a month and is not decided yet."""
        return tuple(
            record.settlement_id
            for record in self._journal.open_items()
            if period_of(record.created_at.astimezone(self._zone).date()) <= period
        )

    def _postings(self, period: str) -> Iterator[Posting]:
        return self._legs(lambda facts, _at: self._of(facts) == period)

    def _legs(
        self, wanted: Callable[[Mapping[str, JsonValue], dt.datetime], bool]
    ) -> Iterator[Posting]:
        """Return the legs of the booked steps that are *wanted*, by facts and time."""
        for record in self._journal.records(limit=_EVERYTHING):
            # A step is posted once: when it was first entered.
            entered: dict[str, dt.datetime] = {}
            for entry in record.history:
                entered.setdefault(entry.kind, entry.at)
            for state in _BOOKED:
                facts = record.facts.get(state)
                if facts and wanted(facts, entered[state]):
                    booked = settlement_from_json(facts)
                    yield from entry_for(
                        record.settlement_id,
                        booked.amounts,
                        cancels=bool(booked.cancels),
                        tender=tender_of(record),
                    ).postings

    def _of(self, facts: Mapping[str, JsonValue]) -> str:
        """Return the month a booked step was posted into."""
        said = facts.get(PERIOD)
        if isinstance(said, str):
            return said
        # Booked before months were kept: the month of the centre's time.
        at = settlement_from_json(facts).settled_at
        return "" if at is None else period_of(at.astimezone(self._zone).date())
