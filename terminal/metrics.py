"""What Prometheus scrapes. Labels are codes and routes, never a person or a bill.

Every figure is in ``DOCUMENTED``; a test compares that with the registry.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from settlement.lifecycle import OPEN
from terminal.views import SettlementView

#: Every figure and what it says, as docs/operations.md explains it.
DOCUMENTED: Mapping[str, str] = {
    "terminal_settlements_total": (
        "Settlements that reached an outcome: settled, rejected, unknown, reversed, "
        "cancelled, quarantined."
    ),
    "terminal_settlement_unknown_age_seconds": (
        "Age of the oldest settlement whose outcome is not decided; 0 with none."
    ),
    "terminal_open_items": "Settlements not decided yet, by state.",
    "terminal_card_reads_total": "Card reads: read, or the code of the refusal.",
    "terminal_problems_total": (
        "Problems by code: of requests answered with one, and booked-otherwise."
    ),
    "terminal_http_requests_total": "Requests by route template, method and status.",
    "terminal_http_request_seconds": (
        "Time to answer by route template; event streams are not counted."
    ),
    "terminal_event_streams": "Open event streams.",
    "terminal_part_ready": "1 where a part of the terminal is in order, else 0.",
}

OUTCOMES = frozenset(
    {"settled", "rejected", "unknown", "reversed", "cancelled", "quarantined"}
)
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The figures of one daemon, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._settlements = self._counter("terminal_settlements_total", "outcome")
        self._card_reads = self._counter("terminal_card_reads_total", "outcome")
        self._problems = self._counter("terminal_problems_total", "code")
        self._requests = self._counter(
            "terminal_http_requests_total", "route", "method", "status"
        )
        self._unknown_age = self._gauge("terminal_settlement_unknown_age_seconds")
        self._open_items = self._gauge("terminal_open_items", "state")
        self._streams = self._gauge("terminal_event_streams")
        self._parts = self._gauge("terminal_part_ready", "part")
        name = "terminal_http_request_seconds"
        self._durations = Histogram(
            name,
            DOCUMENTED[name],
            ("route",),
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def _counter(self, name: str, *labels: str) -> Counter:
        return Counter(name, DOCUMENTED[name], labels, registry=self._registry)

    def _gauge(self, name: str, *labels: str) -> Gauge:
        return Gauge(name, DOCUMENTED[name], labels, registry=self._registry)

    def saw_settlement(self, state: str) -> None:
        """Count a settlement that came to *state*, if that is an outcome."""
        if state in OUTCOMES:
            self._settlements.labels(state).inc()

    def saw_card_read(self, outcome: str) -> None:
        """Count a card read: ``read``, or the code of its refusal."""
        self._card_reads.labels(outcome).inc()

    def saw_problem(self, code: str) -> None:
        """Count a request answered with a problem."""
        self._problems.labels(code).inc()

    def saw_request(
        self, route: str, method: str, status: int, seconds: float | None
    ) -> None:
        """Count a request; *seconds* is None for an event stream."""
        self._requests.labels(route, method, str(status)).inc()
        if seconds is not None:
            self._durations.labels(route).observe(seconds)

    def saw_parts(self, parts: Iterable[tuple[str, bool, str]]) -> None:
        """Note which parts are in order."""
        for part, in_order, _ in parts:
            self._parts.labels(part).set(1 if in_order else 0)

    def exposition(
        self, open_items: Iterable[SettlementView], streams: int, now: dt.datetime
    ) -> bytes:
        """Print everything in the text format, with what is open at *now*."""
        items = tuple(open_items)
        for state in sorted(OPEN):
            count = sum(1 for item in items if item.state is state)
            self._open_items.labels(state.value).set(count)
        ages = [(now - item.created_at).total_seconds() for item in items]
        self._unknown_age.set(max(ages, default=0))
        self._streams.set(streams)
        return generate_latest(self._registry)

    def names(self) -> frozenset[str]:
        """Return the names of everything that is exposed."""
        counted = {
            f"{family.name}_total" if family.type == "counter" else family.name
            for family in self._registry.collect()
        }
        return frozenset(counted)
