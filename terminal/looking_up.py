"""Settlements found in the journal: one, today's, and what is not decided yet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from settlement.journal import Journal
from settlement.journal_errors import UnknownSettlementError
from settlement.journal_records import Record
from settlement.lifecycle import State
from terminal.errors import SettlementNotFoundError
from terminal.remainder import Owed
from terminal.telling import Telling
from terminal.views import SettlementView


class LookingUp:
    """Finds settlements, as records and as they are shown."""

    def __init__(
        self,
        journal: Journal,
        telling: Telling,
        owed: Owed,
        today: Callable[[], dt.date],
    ) -> None:
        self._journal = journal
        self._telling = telling
        self._owed = owed
        self._today = today

    def record(self, settlement_id: str) -> Record:
        """Return the record of one settlement.

        Raises:
            SettlementNotFoundError: no settlement has that id.
        """
        try:
            return self._journal.record(settlement_id)
        except UnknownSettlementError as error:
            raise SettlementNotFoundError(settlement_id) from error

    def settlement(self, settlement_id: str) -> SettlementView:
        """Return one settlement.

        Raises:
            SettlementNotFoundError: no settlement has that id.
        """
        return self._telling.view(self.record(settlement_id))

    def today(self) -> tuple[SettlementView, ...]:
        """Return what was begun today, newest first."""
        records = self._journal.records(created_on=self._today())
        return tuple(self._telling.view(r) for r in reversed(records))

    def of_person(self, field: str, number: str) -> tuple[SettlementView, ...]:
        """Return a person's settlements, newest first."""
        found = self._journal.found_by(field, number)
        return tuple(self._telling.view(record) for record in found)

    def found_out(self) -> tuple[SettlementView, ...]:
        """Return what was open and was decided today, newest first."""
        found = [self._telling.view(record) for record in self._journal.found_out()]
        return tuple(one for one in found if one.state_since.date() == self._today())

    def open_items(self) -> tuple[SettlementView, ...]:
        """Return what is not decided yet, oldest first."""
        undecided = [self._telling.view(r) for r in self._journal.open_items()]
        owed = [self.record(one) for one in self._owed.ids()]
        waiting = [
            self._telling.view(record, owed=True)
            for record in owed
            if record.state is State.CANCELLED
        ]
        return tuple(sorted([*undecided, *waiting], key=lambda one: one.created_at))
