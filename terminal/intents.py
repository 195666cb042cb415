"""The intent of a settlement: all that is durable before its first byte leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from settlement import explain
from settlement.centre.port import Order
from settlement.claim import VisitKind
from settlement.claim_facts import accumulators_to_json, claim_to_json
from settlement.facts import (
    JsonValue,
    amounts_to_json,
    pack_to_json,
    suspects_to_json,
)
from settlement.journal_records import Intent
from settlement.nhsa import Infno
from settlement.split import SettledAmounts
from terminal.holder_lookup import Holder
from terminal.quoting import Worked


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to settle: its settlement's id, and what makes it happen only once."""

    settlement_id: str
    key: str
    digest: str  #: SHA-256 of the canonical request, hex


def intent_of(
    asked: Asked,
    msgid: str,
    worked: Worked,
    who: Holder,
    evidence: Mapping[str, JsonValue],
) -> Intent:
    """Build the intent of a bill that was worked out on both sides.

    Args:
        asked: Under which id and key.
        msgid: 报文ID of the message that will carry it.
        worked: The bill with its order and both splits.
        who: Whose bill it is.
        evidence: How he proved himself, or why he need not.
    """
    order, split, centre = worked.order, worked.split, worked.centre
    if order is None or split is None or centre is None:
        msg = "an intent without both splits"
        raise AssertionError(msg)
    pharmacy = order.kind is VisitKind.PHARMACY
    facts: dict[str, JsonValue] = {
        "on": order.on.isoformat(),
        "insurance": order.insurance.value,
        "use_account": order.use_account,
        "tender": worked.view.bill.tender.value,
        "visit_id": order.visit_id or "",
        "total_fee": order.total_fee.to_yuan(),
        "ours": amounts_to_json(SettledAmounts.of(split)),
        "presettled": amounts_to_json(centre.amounts),
        "suspects": suspects_to_json(worked.view.suspects),
        "pack": pack_to_json(split.pack),
        "claim": None if worked.claim is None else claim_to_json(worked.claim),
        "after": accumulators_to_json(split.after),
        "explanation": _json_rows(explain.rows(split, "zh")),
        "explanation_en": _json_rows(explain.rows(split, "en")),
        "lines": _lines(order),
    }
    return Intent(
        settlement_id=asked.settlement_id,
        key=asked.key,
        digest=asked.digest,
        bill_no=order.bill_no,
        kind=order.kind.value,
        msgid=msgid,
        infno=str(Infno.PHARMACY_SETTLE if pharmacy else Infno.OUTPATIENT_SETTLE),
        person_id=order.person_id,
        insured_region=order.insured_region,
        facts=facts,
        personal={
            "name": who.name,
            "person_cert_no": who.person_cert_no,
            "card_no": who.number,
            "card_serial": who.card_serial,
        },
        evidence=evidence,
    )


def _lines(order: Order) -> list[JsonValue]:
    return [
        {
            "line_no": str(line.line_no),
            "item_code": line.item_code,
            "item_name": line.item_name,
            "item_class": line.item_class.value,
            "unit_price": _plain(
                line.unit_price.numerator, line.unit_price.denominator
            ),
            "quantity": _plain(line.quantity.numerator, line.quantity.denominator),
            "amount": line.amount.to_yuan(),
        }
        for line in order.lines
    ]


def _json_rows(rows: tuple[dict[str, str], ...]) -> list[JsonValue]:
    return [dict(row) for row in rows]


def _plain(numerator: int, denominator: int) -> str:
    """Print a quantity or unit price: at most six decimals, no trailing zeros."""
    micro = numerator * 1_000_000 // denominator
    whole, rest = divmod(micro, 1_000_000)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
