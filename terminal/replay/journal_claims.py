"""The settled claims of a journal, read while the daemon runs."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from settlement.claim import Accumulators, Claim
from settlement.claim_facts import accumulators_from_json, claim_from_json
from settlement.lifecycle import State
from settlement.money import Money

#: Settlements that stand, each with its intent: no step came after its settling.
_STANDING = (
    "SELECT settled.settlement_id, intent.body, settled.body FROM entry AS settled "
    "JOIN entry AS intent ON intent.settlement_id = settled.settlement_id "
    "AND intent.kind = ? "
    "WHERE settled.kind = ? AND NOT EXISTS (SELECT 1 FROM entry AS later "
    "WHERE later.settlement_id = settled.settlement_id AND later.seq > settled.seq) "
    "ORDER BY settled.seq"
)


@dataclass(frozen=True, slots=True)
class SettledClaim:
    """One settled bill: whose, what was asked, what each payer bore."""

    settlement_id: str
    person: str  #: the centre's number of the person; it stays in memory
    claim: Claim
    paid: dict[str, Money]  #: by `SettledAmounts` name, as the centre settled it
    after: Accumulators  #: how the year stood after it


@dataclass(slots=True)
class SettledClaims:
    """What was settled on some days and stands, in the order it was settled.

    Args:
        path: the journal.
        first: the first day of care.
        last: the last one.

    Raises:
        OSError: the journal is not there, or is none (at the first claim).
    """

    path: Path
    first: dt.date
    last: dt.date
    #: Settlements of these days kept by a version that stored no claim yet; known
    #: once all were read.
    left_out: int = 0

    def __iter__(self) -> Iterator[SettledClaim]:
        if not self.path.is_file():
            raise FileNotFoundError(2, "No such file", str(self.path))
        self.left_out = 0
        try:
            yield from self._rows()
        except sqlite3.DatabaseError as error:
            msg = f"{self.path.name} cannot be read as a journal: {error}"
            raise OSError(msg) from error

    def _rows(self) -> Iterator[SettledClaim]:
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as db:
            rows = db.execute(_STANDING, (State.INTENT.value, State.SETTLED.value))
            for name, intent, settled in rows:
                found = self._read(name, json.loads(intent), json.loads(settled))
                if found is not None:
                    yield found

    def _read(
        self, settlement_id: str, intent: dict[str, Any], settled: dict[str, Any]
    ) -> SettledClaim | None:
        facts = intent["facts"]
        on = dt.datetime.fromisoformat(facts["on"]).date()
        if not self.first <= on <= self.last:
            return None
        if not facts.get("claim") or not facts.get("after"):
            self.left_out += 1
            return None
        amounts = settled["facts"]["amounts"]
        paid = {
            name: Money.yuan(text)
            for name, text in amounts.items()
            if isinstance(text, str)
        }
        return SettledClaim(
            settlement_id=settlement_id,
            person=str(intent["intent"]["person_id"]),
            claim=claim_from_json(facts["claim"]),
            paid=paid,
            after=accumulators_from_json(facts["after"]),
        )
