"""Numbers for messages (发送方报文ID): institution, second, number; never twice.

A number is given out from memory. What is durable is a promise: every number of a
second before the promised one may have been given out. A process that died begins at
its promise, so what it had not used is lost and nothing is used twice.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

#: A terminal owns this many numbers of every second, of the institution's 10 000.
NUMBERS_PER_TERMINAL = 1000
#: How far a promise reaches: a durable write every so many seconds of use.
PROMISED_S = 10
_SECOND = "%Y%m%d%H%M%S"


class Msgids:
    """Draws the numbers of one terminal.

    Args:
        institution: 定点医药机构编号, 12 characters.
        terminal_no: 0 to 9; owns its own thousand of every second's numbers.
        now: the clock, in the site's local time.
    """

    def __init__(
        self, institution: str, terminal_no: int, *, now: Callable[[], dt.datetime]
    ) -> None:
        self._institution = institution
        self._first = terminal_no * NUMBERS_PER_TERMINAL
        self._now = now
        self._guard = threading.Lock()
        self._second = ""
        self._number = -1
        self._promised = ""

    def not_before(self, second: str) -> None:
        """Begin after *second*: what lies before may have been given out."""
        # And *second* itself: a journal of before kept the last number there.
        first = _after(second, 1)
        self._second, self._number, self._promised = first, -1, first

    def draw(self, promise: Callable[[str], None]) -> str:
        """Give out the next number.

        A clock that steps back does not bring an old second back.

        Args:
            promise: makes a second durable that numbers may be given out before.
        """
        now = self._now().strftime(_SECOND)
        with self._guard:
            second, number = self._second, self._number + 1
            if number == NUMBERS_PER_TERMINAL:
                second, number = _after(second, 1), 0
            if now > second:
                second, number = now, 0
            if second >= self._promised:
                promised = _after(second, PROMISED_S)
                promise(promised)
                self._promised = promised
            self._second, self._number = second, number
        return f"{self._institution}{second}{self._first + number:04d}"


def _after(second: str, count: int) -> str:
    moment = dt.datetime.strptime(second, _SECOND)  # noqa: DTZ007 - only the digits count
    return (moment + dt.timedelta(seconds=count)).strftime(_SECOND)


def is_of(msgid: str, institution: str, terminal_no: int) -> bool:
    """Say whether a terminal gave out this number.

    >>> is_of("H99010000001202611230900001042", "H99010000001", 1)
    True
    """
    rest = msgid.removeprefix(institution)
    digits = len("yyyymmddhhmmss") + 4
    whole = rest != msgid and len(rest) == digits and rest.isdecimal()
    return whole and int(rest[-4:]) // NUMBERS_PER_TERMINAL == terminal_no


def seconds_after(second: str) -> str:
    """Return the second up to which a promise made in *second* may reach."""
    return _after(second, PROMISED_S)
