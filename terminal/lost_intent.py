"""What is left of a settlement whose intent is lost with its entry.

Key, bill and message also stand in the side tables and in the answer that was given:
enough that a retry is never a second settlement. Lines, reasons and holder are gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from settlement.centre.port import CentreSettlement
from settlement.chain import Row
from settlement.claim import VisitKind
from settlement.facts import (
    JsonValue,
    amounts_from_json,
    amounts_to_json,
    settlement_from_json,
)
from settlement.journal_records import Answer, Intent, Record
from settlement.journal_salvage import Side, body_of
from settlement.ledger import Account, Tender
from settlement.money import Money
from settlement.nhsa import Infno
from settlement.seal import Sealer
from settlement.split import SettledAmounts

_LOST = "its own entry is lost"
#: Of the answer to whoever asked to settle; one about cancelling has another key.
_CREATED = 201
#: What an answer must say alike to be the one that was given before.
_COMPARED = (
    "settlement_id",
    "state",
    "bill_no",
    "kind",
    "msgid",
    "centre_settlement_id",
    "visit_id",
    "settled_at",
    "total_fee",
    "patient_pays",
    "amounts",
    "cancellation",
    "cancellation_id",
    "remainder_id",
    "remainder_bill_no",
    "reversal_status",
)
_KINDS = frozenset(kind.value for kind in VisitKind)
_NOBODY = {"name": "", "person_cert_no": "", "card_no": "", "card_serial": ""}
_NOTHING = amounts_from_json(
    {
        one.name: 0 if one.type == "int" else Money.ZERO.to_yuan()
        for one in fields(SettledAmounts)
    }
)
_NO_PACK: dict[str, JsonValue] = {
    "name": "rebuilt",
    "version": 0,
    "digest": "",
    "verified": False,
}


@dataclass(frozen=True, slots=True)
class Clues:
    """What is left of an intent whose own entry is lost."""

    key: str
    digest: str  #: of the request; empty: no retry is taken for the same one
    bill_no: str
    kind: str
    msgid: str
    infno: str
    person_id: str
    region: str


def clues_of(record: Record) -> Clues:
    """Return what a settlement that is whole can be looked up by."""
    return Clues(
        key=record.key,
        digest="",
        bill_no=record.bill_no,
        kind=record.kind,
        msgid=record.msgid,
        infno=record.infno,
        person_id=record.person_id,
        region=record.insured_region,
    )


def gather(
    settlement_id: str, sides: Sequence[Side], settled: Row | None, region: str
) -> Clues | None:
    """Gather key, bill and message of a settlement whose intent is lost.

    Args:
        settlement_id: ours.
        sides: what the side tables say of lost entries.
        settled: the entry that says it was settled, if that is left.
        region: where the person is insured, if nothing tells.

    Returns:
        None if its key or its message is told nowhere.
    """
    digests = {
        str(side.columns[0]): str(side.columns[2])
        for side in sides
        if side.table == "idempotency_key"
        and side.columns[3:] == (settlement_id, "settle")
    }
    body = (body_of(settled) if settled is not None else None) or {}
    answer = body.get("answer")
    key = next(iter(digests), "")
    if not key and isinstance(answer, dict) and answer["status"] == _CREATED:
        key = str(answer["key"])
    found = _in_side(settlement_id, sides) or _in_answer(body, region)
    if found is None or not key or found.kind not in _KINDS:
        return None
    return replace(found, key=key, digest=digests.get(key, ""))


def _in_side(settlement_id: str, sides: Sequence[Side]) -> Clues | None:
    for side in sides:
        if side.table == "intent" and side.columns[0] == settlement_id:
            bill_no, kind, msgid, infno, person, region = map(str, side.columns[2:8])
            return Clues("", "", bill_no, kind, msgid, infno, person, region)
    return None


def _in_answer(body: Mapping[str, JsonValue], region: str) -> Clues | None:
    answer, facts = body.get("answer"), body.get("facts")
    if not isinstance(answer, dict) or not isinstance(facts, dict):
        return None
    told = json.loads(str(answer["body"]))
    kind = str(told["kind"])
    pharmacy = kind == VisitKind.PHARMACY
    return Clues(
        key="",
        digest="",
        bill_no=str(told["bill_no"]),
        kind=kind,
        msgid=str(told["msgid"]),
        infno=str(Infno.PHARMACY_SETTLE if pharmacy else Infno.OUTPATIENT_SETTLE),
        person_id=str(facts["person_id"]),
        region=region,
    )


def intent_in(row: Row, sealer: Sealer) -> Intent:
    """Read the intent of an entry, whole."""
    body = json.loads(row.body)
    told, key = body["intent"], body["key"]
    settlement_id = row.settlement_id or ""
    return Intent(
        settlement_id=settlement_id,
        key=key["key"],
        digest=key["digest"],
        bill_no=told["bill_no"],
        kind=told["kind"],
        msgid=told["msgid"],
        infno=told["infno"],
        person_id=told["person_id"],
        insured_region=told["insured_region"],
        facts=body["facts"],
        personal=json.loads(sealer.open(row.sealed, settlement_id)),
        evidence=body["evidence"],
    )


def intent_of(
    settlement_id: str,
    clues: Clues,
    booked: CentreSettlement | None,
    settled: Row | None = None,
) -> Intent:
    """Make an intent of what is left of one, with the centre's own figures.

    Its lines, its reasons and its holder are lost with its entry.
    """
    legs = ((body_of(settled) if settled is not None else None) or {}).get("postings")
    by_card = Account.BANK_CARD.value in json.dumps(legs)
    told = _NOTHING if booked is None else booked.amounts
    amounts = amounts_to_json(told)
    at = None if booked is None else booked.settled_at
    facts: dict[str, JsonValue] = {
        "on": "" if at is None else at.isoformat(),
        "insurance": "" if booked is None else booked.insurance.value,
        "use_account": bool(told.account_pay),
        "tender": (Tender.BANK_CARD if by_card else Tender.CASH).value,
        "visit_id": "" if booked is None else booked.visit_id,
        "total_fee": told.total_fee.to_yuan(),
        "ours": amounts,
        "presettled": amounts,
        "suspects": [],
        "pack": _NO_PACK,
        "claim": None,
        "after": None,
        "explanation": [],
        "explanation_en": [],
        "lines": [],
        "rebuilt": _LOST,
    }
    return Intent(
        settlement_id=settlement_id,
        key=clues.key,
        digest=clues.digest,
        bill_no=clues.bill_no,
        kind=clues.kind,
        msgid=clues.msgid,
        infno=clues.infno,
        person_id=clues.person_id,
        insured_region=clues.region,
        facts=facts,
        personal=_NOBODY,
        evidence={"rebuilt": _LOST},
    )


def agree(told: Mapping[str, JsonValue], booked: CentreSettlement) -> bool:
    """Say whether an old entry has what the centre says, but for later balances."""
    mine = settlement_from_json(told)
    return (
        mine.settlement_id == booked.settlement_id
        and mine.msgid == booked.msgid
        and replace(mine.amounts, account_balance=Money.ZERO)
        == replace(booked.amounts, account_balance=Money.ZERO)
    )


def given_before(sides: Sequence[Side], key: str, now: Answer) -> Answer | None:
    """Find the bytes a caller was given, if they say what would be said now.

    A row of the side table proves nothing by itself, so everything about money and
    identity is compared; only times, and what is lost with the intent, may differ.
    """
    fresh = json.loads(now.body)
    for side in sides:
        if side.table != "answer" or side.columns[0] != key:
            continue
        status, body = side.columns[2], side.columns[3]
        if status != now.status or not isinstance(body, bytes):
            continue
        try:
            told = json.loads(body)
        except ValueError:
            continue
        same = isinstance(told, dict) and all(
            told.get(name) == fresh.get(name) for name in _COMPARED
        )
        if same:
            return Answer(now.status, body)
    return None
