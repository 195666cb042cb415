"""What may run only once at a time (a key, a bill, a voucher), reserved by name."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from terminal.errors import SettlementInFlightError


class Reservations:
    """The names that are taken, each by a settlement; of this process only.

    The lock is held for the names alone, never across a card, a disk or a network.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._running: dict[str, str] = {}  # reserved name -> settlement id
        # A settlement may be at work in two ways at once: the worker asks for what is
        # owed of it while its cancellation is still under way.
        self._at_work: Counter[str] = Counter()

    @contextmanager
    def reserved(self, settlement_id: str, *names: str) -> Iterator[None]:
        """Keep *names*, and the settlement itself, for as long as this runs.

        Raises:
            SettlementInFlightError: another has one of the names.
        """
        with self._guard:
            for name in names:
                if name in self._running:
                    raise SettlementInFlightError(self._running[name])
            self._running.update(dict.fromkeys(names, settlement_id))
            self._at_work[settlement_id] += 1
        try:
            yield
        finally:
            with self._guard:
                for name in names:
                    del self._running[name]
                self._at_work[settlement_id] -= 1
                if not self._at_work[settlement_id]:
                    del self._at_work[settlement_id]

    def is_running(self, settlement_id: str) -> bool:
        """Say whether this process is in the middle of that settlement."""
        with self._guard:
            return settlement_id in self._at_work
