"""What readiness says of each part: whether it can do its work, and why not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from settlement.centre.errors import (
    CentreClockError,
    CentreError,
    CentreFencedError,
    CentreNotSentError,
)
from settlement.centre.offset import DRIFT, LIMIT
from settlement.centre.port import Centre, Coverage
from settlement.claim import Insurance
from settlement.errors import PolicyNotInForceError
from settlement.journal import Journal
from settlement.money import Money
from settlement.policy import Pack
from terminal.desk import CardDesk
from terminal.disk_room import LOW, DiskRoom
from terminal.views import CardState

#: What readiness says of a clock that is off by more than 30 s: still in order.
CLOCK_DRIFTS = "clock-drifts"
#: What is told in time: the part still does its work.
IN_TIME = frozenset({CLOCK_DRIFTS, LOW})


class Readiness:
    """Looks at every part of the counter when it is asked."""

    def __init__(  # noqa: PLR0913 - the parts that are looked at, each by name
        self,
        *,
        region: str,
        desk: CardDesk,
        journal: Journal,
        centre: Centre,
        disk: DiskRoom | None,
        pack_on: Callable[[Coverage, dt.date], Pack | None],
        pack_trouble: Callable[[], str],
        today: Callable[[], dt.date],
    ) -> None:
        self._region = region
        self._desk = desk
        self._journal = journal
        self._centre = centre
        self._disk = disk
        self._pack_on = pack_on
        self._pack_store_trouble = pack_trouble
        self._today = today

    def look(self) -> tuple[tuple[str, bool, str], ...]:
        """Say of each part whether it can do its work, with the code if not."""
        no_reader = self._desk.view().state is CardState.NO_READER
        centre, fenced = self._centre_trouble()
        disk = self._disk.trouble() if self._disk is not None else ""
        checks = (
            ("reader", "reader-unavailable" if no_reader else ""),
            ("journal", "" if self._journal.writable() else "journal-stopped"),
            ("pack", self._pack_trouble()),
            ("centre", centre),
            ("clock", self._clock_trouble()),
            # Among the parts only in trouble: else there is nothing to say of them.
            *((("terminal", fenced),) if fenced else ()),
            *((("disk", disk),) if disk else ()),
        )
        return tuple(
            (part, not code or code in IN_TIME, code or "ok") for part, code in checks
        )

    def _pack_trouble(self) -> str:
        here = Coverage(
            insurance=Insurance.RESIDENT,
            active=True,
            region=self._region,
            person_type="",
            account_balance=Money.ZERO,
        )
        trouble = self._pack_store_trouble()
        if trouble:
            return trouble
        today = self._today()
        try:
            return "" if self._pack_on(here, today) else "no-policy-pack"
        except PolicyNotInForceError as error:
            return error.code

    def _centre_trouble(self) -> tuple[str, str]:
        """Say why the centre is not to be had, and why it wants nothing of us."""
        try:
            self._centre.sign_in()
        except CentreFencedError as error:
            return "", error.code
        except CentreError as error:
            return error.code, ""
        return (CentreNotSentError.code if self._centre.is_away() else ""), ""

    def _clock_trouble(self) -> str:
        """Say whether our clock agrees with the centre's; unknown is no trouble."""
        ahead = self._centre.clock_ahead()
        if ahead is None or abs(ahead) <= DRIFT:
            return ""
        return CentreClockError.code if abs(ahead) > LIMIT else CLOCK_DRIFTS
