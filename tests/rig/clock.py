"""Time of a simulated world; a terminal may lose its power at any look at it."""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
from collections.abc import Callable

ZONE = dt.timezone(dt.timedelta(hours=8))
#: A Tuesday of a month that has both a past and a future in the shipped packs.
DAWN = dt.datetime(2026, 11, 24, 8, 0, tzinfo=ZONE)
_LOOK = dt.timedelta(milliseconds=1)


class PowerCut(BaseException):
    """The power of one terminal is gone; nothing it would do next happens."""

    def __init__(self, terminal_no: int) -> None:
        super().__init__(f"terminal {terminal_no} lost its power")
        self.terminal_no = terminal_no


class Clock:
    """The world's own time; what is due happens when time passes over it."""

    def __init__(self) -> None:
        self.now = DAWN
        self.elapsed_s = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def look(self) -> dt.datetime:
        """Tell the time; every look is a millisecond later than the one before."""
        self.now += _LOOK
        self.elapsed_s += _LOOK.total_seconds()
        return self.now

    def later(self, seconds: float, happens: Callable[[], None]) -> None:
        """Let something happen *seconds* from now."""
        entry = (self.elapsed_s + seconds, next(self._numbers), happens)
        heapq.heappush(self._due, entry)

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and everything happen that falls due meanwhile, in order."""
        until = self.elapsed_s + seconds
        while self._due and self._due[0][0] <= until:
            at, _, happens = heapq.heappop(self._due)
            self._go_to(at)
            happens()
        self._go_to(until)

    @property
    def pending(self) -> int:
        """Count what has not happened yet."""
        return len(self._due)

    def _go_to(self, elapsed_s: float) -> None:
        if elapsed_s > self.elapsed_s:
            self.now += dt.timedelta(seconds=elapsed_s - self.elapsed_s)
            self.elapsed_s = elapsed_s


class TerminalClock:
    """A terminal's clock: the world's, some seconds off, and mortal."""

    def __init__(self, clock: Clock, terminal_no: int) -> None:
        self._clock = clock
        self._terminal_no = terminal_no
        self.off_s = 0.0
        self.looks_left: int | None = None  #: then the power is cut
        self.dead = False

    def __call__(self) -> dt.datetime:
        """Tell the terminal's time."""
        self.live()
        return self._clock.look() + dt.timedelta(seconds=self.off_s)

    def monotonic(self) -> float:
        """Tell how much time passed; it never steps."""
        return self._clock.elapsed_s

    def live(self) -> None:
        """Go on living, unless this is where the power is cut.

        Raises:
            PowerCut: it is.
        """
        if self.looks_left is not None:
            self.looks_left -= 1
            if self.looks_left <= 0:
                self.dead = True
        if self.dead:
            raise PowerCut(self._terminal_no)

    def revive(self) -> None:
        """Have power again."""
        self.dead = False
        self.looks_left = None
