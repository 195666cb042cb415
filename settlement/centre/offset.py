"""How far this machine's clock is from the centre's, as its newest answer shows.

Every answer of the interface carries 响应报文时间 (respond_time, C(17),
yyyyMMddHHmmssSSS). A terminal whose clock is far off signs messages that the gateway
refuses for their age, and dates bills wrongly, so it stops selling before that.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from dataclasses import dataclass

#: From here on people are told. The travel of an answer is part of what is measured,
#: so no fewer seconds than an answer may take.
DRIFT = dt.timedelta(seconds=30)
#: From here on nothing that moves money is signed. A gateway refuses at 30 minutes.
LIMIT = dt.timedelta(minutes=5)

_DIGITS = 17


@dataclass(frozen=True, slots=True)
class _Seen:
    ahead: dt.timedelta
    wall: dt.datetime
    passed_s: float


class ClockOffset:
    """Remembers what the newest answer showed; any thread may tell or ask.

    Between two answers the steady clock tells whether the other one was set.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._seen: _Seen | None = None

    def saw(self, respond_time: str, heard_at: dt.datetime) -> None:
        """Take an answer's time; one that is none says nothing.

        Args:
            respond_time: As the answer tells it, in the site's local time.
            heard_at: When it was here, by this machine's clock, with its zone.
        """
        theirs = _read(respond_time, heard_at.tzinfo)
        if theirs is None:
            return
        seen = _Seen(heard_at - theirs, heard_at, self._monotonic())
        with self._guard:
            self._seen = seen

    def ahead(self, now: dt.datetime) -> dt.timedelta | None:
        """Tell how much this clock is ahead at *now*, which it says it is.

        Returns:
            Negative where it is behind; None before any answer.
        """
        with self._guard:
            seen = self._seen
        if seen is None:
            return None
        passed = dt.timedelta(seconds=self._monotonic() - seen.passed_s)
        return seen.ahead + (now - seen.wall) - passed


def _read(text: str, zone: dt.tzinfo | None) -> dt.datetime | None:
    if len(text) != _DIGITS or not (text.isascii() and text.isdigit()):
        return None
    try:
        # %f reads three digits as milliseconds.
        return dt.datetime.strptime(text, "%Y%m%d%H%M%S%f").replace(tzinfo=zone)
    except ValueError:
        return None
