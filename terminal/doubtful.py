"""A quarantined settlement that a person gives back to the worker."""

from __future__ import annotations

from collections.abc import Callable

from settlement.facts import JsonValue
from settlement.journal import Journal
from settlement.lifecycle import DOUBTED, State
from terminal.errors import NotQuarantinedError
from terminal.looking_up import LookingUp
from terminal.reservations import Reservations
from terminal.telling import Telling
from terminal.views import SettlementView


class Doubtful:
    """What a person decides of a settlement that no machine could decide."""

    def __init__(
        self,
        *,
        journal: Journal,
        reservations: Reservations,
        looking_up: LookingUp,
        telling: Telling,
        wake: Callable[[], None],
    ) -> None:
        """Take what it works with; *wake*: lets the worker look at once."""
        self._journal = journal
        self._reservations = reservations
        self._looking_up = looking_up
        self._telling = telling
        self._wake = wake

    def look_again(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Give a quarantined settlement back to the worker, where it stood before.

        Args:
            settlement_id: Which.
            reason: Why a person thinks that it can be decided now; chained with it.

        Raises:
            SettlementNotFoundError: no settlement has that id.
            NotQuarantinedError: it waits for nobody.
        """
        with self._reservations.reserved(settlement_id, f"decide:{settlement_id}"):
            record = self._looking_up.record(settlement_id)
            if record.state is not State.QUARANTINED:
                raise NotQuarantinedError(settlement_id, record.state.value)
            before = State(record.history[-2].kind)
            if before not in DOUBTED:
                msg = f"{settlement_id} was quarantined out of {before.value}"
                raise AssertionError(msg)
            # What that state was entered with is still what has to be done.
            facts: dict[str, JsonValue] = {
                **record.facts[before.value],
                "looked_at_again": reason,
            }
            record = self._journal.advance(record, before, facts)
        view = self._telling.tell(record)
        self._wake()
        return view
