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


@dataclass(frozen=True, slots=True)
class SettledClaim:
    """One settled bill: whose, what was asked, what each payer bore."""

    person: str  #: the centre's number of the person; it stays in memory
    claim: Claim
    paid: dict[str, Money]  #: by `SettledAmounts` name, as the centre settled it
    after: Accumulators  #: how the year stood after it


def settled_claims(path: Path, first: dt.date, last: dt.date) -> Iterator[SettledClaim]:
    """Read what was settled and stands, oldest first.

    A settlement kept by a version that did not store its claim or what it moved in
    the year is left out.

    Raises:
        OSError: the journal is not there.
    """
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    bodies: dict[str, dict[str, Any]] = {}
    state: dict[str, str] = {}
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    ) as db:
        rows = db.execute(
            "SELECT settlement_id, kind, body FROM entry "
            "WHERE settlement_id IS NOT NULL ORDER BY seq"
        )
        for settlement_id, kind, body in rows:
            state[settlement_id] = kind
            if kind in {State.INTENT.value, State.SETTLED.value}:
                bodies.setdefault(settlement_id, {})[kind] = json.loads(body)
    for settlement_id, kept in bodies.items():
        if state[settlement_id] != State.SETTLED.value:
            continue
        found = _settled(kept)
        if found is not None and first <= found.claim.visit.on <= last:
            yield found


def _settled(kept: dict[str, Any]) -> SettledClaim | None:
    intent, settled = kept.get(State.INTENT.value), kept.get(State.SETTLED.value)
    if intent is None or settled is None:
        return None
    if not intent["facts"].get("claim") or not intent["facts"].get("after"):
        return None
    claim = claim_from_json(intent["facts"]["claim"])
    amounts = settled["facts"].get("settled", {}).get("amounts")
    if not isinstance(amounts, dict):
        amounts = intent["facts"]["presettled"]
    paid = {
        name: Money.yuan(text)
        for name, text in amounts.items()
        if isinstance(text, str)
    }
    person = str(intent["intent"]["person_id"])
    after = accumulators_from_json(intent["facts"]["after"])
    return SettledClaim(person, claim, paid, after)
