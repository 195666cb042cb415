"""When to stop knocking at a centre that does not answer, and when to knock again.

It opens by failed messages and not by pings: a centre that answers pings and loses
messages is away. While it is open nothing about money is sent, and nobody waits for a
time-out; a question now and then goes through and shows that the centre is back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from settlement.centre.errors import CentreNotSentError

#: So many messages in a row without any answer, and it opens.
OPENS_AFTER = 5
#: While it is open, one question goes through every so many seconds.
PROBE_EVERY_S = 5.0

WHY = "circuit-open"


class Circuit:
    """Counts failed messages of one gateway; any thread may ask and tell."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._failed = 0
        self._tried_at = 0.0

    @property
    def is_open(self) -> bool:
        """Say whether the centre is taken to be away."""
        with self._guard:
            return self._failed >= OPENS_AFTER

    def require(self, *, money: bool) -> None:
        """Let a message through, or refuse to send it.

        Args:
            money: It moves money: no probe is made of it.

        Raises:
            CentreNotSentError: the centre is away; nothing was sent.
        """
        now = self._monotonic()
        with self._guard:
            if self._failed >= OPENS_AFTER and (
                money or now - self._tried_at < PROBE_EVERY_S
            ):
                raise CentreNotSentError(WHY)
            self._tried_at = now

    def answered(self) -> None:
        """Take note that something came back, whatever it said."""
        with self._guard:
            self._failed = 0

    def failed(self) -> None:
        """Take note that nothing came back, or nothing went out."""
        with self._guard:
            self._failed += 1
            self._tried_at = self._monotonic()
