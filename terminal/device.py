"""This terminal as a centre tells it from copies of itself: its number, its journal."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from settlement.journal import Journal

_RUN_BYTES = 8


def _drawn() -> str:
    return secrets.token_hex(_RUN_BYTES)


@dataclass(frozen=True, slots=True)
class JournalDevice:
    """Implements ``settlement.centre.port.Device`` over a journal."""

    number: str  #: 设备编号
    journal: Journal
    run: str = field(default_factory=_drawn)  #: this run of the program

    def head(self) -> tuple[int, str]:
        """Return number and digest of the newest entry."""
        head = self.journal.head()
        return head.seq, head.digest

    def digest_at(self, seq: int) -> str:
        """Return the digest of an entry; empty if there is none."""
        return self.journal.digest_at(seq)


def number_of(terminal_no: int) -> str:
    """Return the 设备编号 of a terminal, the same as its operator's number."""
    return f"T{terminal_no:03d}"
