"""A world of one terminal in which a test decides what happens, step by step."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from settlement.centre.gateway import Gateway
from settlement.centre.port import Centre
from settlement.claim import VisitKind
from settlement.journal import Journal
from settlement.journal_records import Record
from settlement.money import Money
from terminal.bill import Bill, BillLine
from tests.rig.laws import CentreRow, centre_rows, violations
from tests.rig.network import Fate
from tests.rig.terminal import REAL
from tests.rig.world import PIN, Asked, World


class OneDay:
    """One terminal, its centre, and a hand on the wire."""

    def __init__(self, folder: Path, world: World | None = None) -> None:
        self.world = world or World(1, folder, terminals=1)
        self.terminal = self.world.terminals[0]
        self.world.network.meanwhile = lambda _number: None

    def bill(
        self,
        number: str = "B-1",
        kind: VisitKind = VisitKind.OUTPATIENT,
        price: str = "18.60",
    ) -> Bill:
        """Return a bill of one line, of now."""
        line = BillLine("XA0001", Fraction(1), Fraction(price), Money.yuan(price))
        on = self.world.clock.now.replace(microsecond=0)
        return Bill(number, kind, on, (line,))

    def settle(
        self, bill: Bill, *fates: Fate, key: str = "", delays_s: tuple[float, ...] = ()
    ) -> tuple[int, dict[str, Any]]:
        """Serve the holder of a card; the messages about money have these fates."""
        self.world.network.scripted = list(fates)
        self.world.network.delays_s = list(delays_s)
        terminal = self.terminal
        terminal.cashier.insert_card("v3-jia")
        terminal.cashier.verify_pin(bytearray(PIN))
        asked = Asked(key or bill.bill_no, bill)
        answer = terminal.cashier.settle(
            bill, key=asked.key, digest=asked.digest, patient_pays=None
        )
        return answer.status, json.loads(answer.body)

    def cancel(self, settlement_id: str, *fates: Fate) -> tuple[int, dict[str, Any]]:
        """Take a settlement back."""
        self.world.network.scripted = list(fates)
        asked = Asked(f"c-{settlement_id}", None, settlement_id)
        answer = self.terminal.cashier.cancel(
            settlement_id, key=asked.key, digest=asked.digest
        )
        return answer.status, json.loads(answer.body)

    def look(self, *fates: Fate, seconds: float = 5.0) -> None:
        """Let the worker look once, and *seconds* pass."""
        self.world.network.scripted = list(fates)
        self.terminal.resolver.sweep()
        self.world.clock.pass_by(seconds)

    def record(self) -> Record:
        """Return the newest settlement."""
        return self.terminal.journal.records()[-1]

    def messages(self, infno: str) -> int:
        """Count the messages of one transaction that were sent."""
        return self.world.network.sent[infno]

    def centre_rows(self) -> tuple[CentreRow, ...]:
        """Return what lies in the centre's book."""
        return tuple(centre_rows(self.world).values())

    def late_answers(self) -> int:
        """Count the late answers that are kept as evidence."""
        with closing(sqlite3.connect(self.terminal.path)) as db:
            (count,) = db.execute(
                "SELECT count(*) FROM entry WHERE kind = 'late-answer'"
            ).fetchone()
        return int(count)


@contextmanager
def one_day(
    folder: Path,
    *,
    province: str = REAL.province,
    centre: Callable[[Gateway, Journal], Centre] = REAL.centre,
) -> Iterator[OneDay]:
    """Open a day somewhere; at its end every promise must hold."""
    kinds = replace(REAL, province=province, centre=centre)
    day = OneDay(folder, World(1, folder, terminals=1, kinds=kinds))
    try:
        yield day
        day.world.come_to_rest()
        assert violations(day.world) == ()
    finally:
        day.world.close()
