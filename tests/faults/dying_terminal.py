"""A terminal that is killed at one exact place: run as a program of its own.

    python -m tests.faults.dying_terminal intent|answer

Real parts, real centre, real journal; only the place of death is chosen. The kill is
SIGKILL to itself, so nothing is flushed, closed or said.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from config.settings import load_settings
from settlement.centre.gateway import Gateway
from settlement.facts import JsonValue
from settlement.journal import Journal
from settlement.journal_records import Answer, Intent, Record
from settlement.ledger import Entry
from settlement.lifecycle import State
from terminal.commands.serve import load_or_make_token
from terminal.parts import build_parts
from tests.faults.bills import BILL_NO, KEY, PIN, a_bill


def die() -> NoReturn:
    """Leave as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class DyingJournal:
    """The journal, until the chosen entry is durable."""

    def __init__(self, journal: Journal, place: str) -> None:
        self._journal = journal
        self._place = place

    def __getattr__(self, name: str) -> object:
        return getattr(self._journal, name)

    def intend(self, intent: Intent, *, sending: bool = False) -> Record:
        """Write the intent; die before a byte leaves, if that is the place."""
        record = self._journal.intend(intent, sending=sending)
        if self._place == "intent":
            die()
        return record

    def advance(
        self,
        seen: Record,
        to: State,
        facts: Mapping[str, JsonValue],
        *,
        postings: Entry | None = None,
        answer: Callable[[Record], Answer] | None = None,
    ) -> Record:
        """Write a step; die before SETTLED if that is the place."""
        if self._place == "answer" and to is State.SETTLED:
            die()
        return self._journal.advance(seen, to, facts, postings=postings, answer=answer)


def main(place: str) -> None:
    """Insert, verify, settle; the settlement does not come back."""
    settings = load_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    load_or_make_token(settings.pos_token_file)
    with build_parts(settings) as parts:
        cashier = parts.cashier
        if not isinstance(parts.gateway, Gateway):
            raise TypeError
        cashier.insert_card("v3-jia")
        cashier.verify_pin(bytearray(PIN))
        dying = DyingJournal(parts.journal, place)
        for part in (cashier._settling, cashier._concluding):  # noqa: SLF001 - the chosen place of death
            part._journal = dying  # type: ignore[assignment] # noqa: SLF001 - as the journal, until it dies
        bill = a_bill(BILL_NO, parts.now())
        digest = hashlib.sha256(b"by hand").hexdigest()
        cashier.settle(bill, key=KEY, digest=digest, patient_pays=None)
    sys.exit("it was to die and did not")


if __name__ == "__main__":
    main(sys.argv[1])
