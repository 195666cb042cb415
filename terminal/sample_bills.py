"""The demonstration's sample bills, loaded anew for each sale under a new number."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from settlement.claim import VisitKind
from terminal.bill import Bill
from terminal.quote_file import load_bill

#: The order of the keys Alt+1, Alt+2, Alt+3; what is not there is left out.
_ORDER = (
    VisitKind.OUTPATIENT,
    VisitKind.PHARMACY,
    VisitKind.INPATIENT,
    VisitKind.BIRTH_NATURAL,
    VisitKind.BIRTH_CAESAREAN,
)


class SampleBills:
    """The files ``<kind>.toml`` of one folder, by number from 1."""

    def __init__(self, folder: Path) -> None:
        paths = [(kind, folder / f"{kind.value}.toml") for kind in _ORDER]
        self._files = [(kind, path) for kind, path in paths if path.is_file()]

    def kinds(self) -> tuple[VisitKind, ...]:
        """List what sample 1, 2, 3 … is."""
        return tuple(kind for kind, _ in self._files)

    def load(self, number: int, *, now: dt.datetime, bill_no: str) -> Bill | None:
        """Return sample *number* as a bill of its own, None if there is none.

        Args:
            number: From 1.
            now: The site's own time, for what is bought today.
            bill_no: The number this sale goes under.
        """
        if not 1 <= number <= len(self._files):
            return None
        return load_bill(self._files[number - 1][1], now=now, bill_no=bill_no)
