"""Tells the counter's pages and Prometheus what changed at the desk and in the journal.

The service knows neither of them: it is given ``card`` and ``settlement`` to call.
"""

from __future__ import annotations

import threading

from terminal.api_models import Card, as_json
from terminal.events import EventHub
from terminal.metrics import Metrics
from terminal.record_view import BOOKED_OTHERWISE
from terminal.views import CardState, CardView, ProblemView, QuoteView, SettlementView

_READ = frozenset({CardState.READY, CardState.VERIFIED})


class Announcer:
    """The listener of the card desk and the cashier."""

    def __init__(self, events: EventHub, metrics: Metrics) -> None:
        self._events = events
        self._metrics = metrics
        self._guard = threading.Lock()
        self._was_reading = False

    def card(self, view: CardView) -> None:
        """Tell what the slot holds now; the end of a read is counted."""
        with self._guard:
            ended = self._was_reading and view.state is not CardState.READING
            self._was_reading = view.state is CardState.READING
        if ended:
            self._metrics.saw_card_read(_outcome(view))
        self._events.publish("card", as_json(Card.of(view)))

    def quote(self, view: QuoteView) -> None:
        """Tell that a bill was worked out, so that the counter shows a pushed one."""
        self._events.publish(
            "quote",
            {"bill_no": view.bill.bill_no, "patient_pays": view.patient_pays},
        )

    def pad(self, digits: int) -> None:
        """Tell how many digits stand on the PIN pad, for the counter's asterisks."""
        self._events.publish("pad", {"digits": digits})

    def notice(self, problem: ProblemView) -> None:
        """Tell what happened beside any page's own asking, as a refused scan."""
        self._events.publish(
            "notice",
            {
                "code": problem.code,
                "sentence_zh": problem.sentence_zh,
                "sentence_en": problem.sentence_en,
            },
        )

    def settlement(self, view: SettlementView) -> None:
        """Tell that a settlement came to a new state."""
        self._metrics.saw_settlement(view.state.value)
        if view.problem is not None and view.problem.code == BOOKED_OTHERWISE:
            self._metrics.saw_problem(BOOKED_OTHERWISE)
        self._events.publish(
            "settlement",
            {
                "settlement_id": view.settlement_id,
                "bill_no": view.bill_no,
                "state": view.state.value,
                "state_since": view.state_since.isoformat(),
                "reversal_status": view.reversal_status,
            },
        )


def _outcome(view: CardView) -> str:
    if view.state in _READ:
        return "read"
    return view.problem.code if view.problem else view.state.value
