"""A part of a settlement goes back: the whole is cancelled, the rest settled anew.

There is no partial interface (全退重收). Both halves are one intention: what is kept is
durable in the same transaction as the decision to cancel, and is owed until it is
settled or a person waives it, whatever dies in between.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from reader.credential import CertificateType
from settlement.claim import FeeLine
from settlement.claim_facts import claim_from_json
from settlement.facts import JsonValue
from settlement.journal import Journal
from settlement.journal_records import Record
from settlement.money import line_amount
from terminal.bill import Bill, BillLine
from terminal.errors import HolderNeededError, RequestInvalidError
from terminal.periods import tender_of

#: How long a try that failed is waited for, at first and at most.
_FIRST_WAIT, _LONGEST_WAIT = dt.timedelta(seconds=1), dt.timedelta(minutes=5)

OWED, ENDED = "remainder-owed", "remainder-ended"
#: How one ended that says nothing of a refund that is asked again.
REFUSED = "cancellation-refused"


@dataclass(frozen=True, slots=True)
class Kept:
    """How much of one line of the bill stays."""

    line_no: int
    quantity: Fraction


@dataclass(frozen=True, slots=True)
class PartRefund:
    """What stays of a settlement; the rest goes back."""

    bill_no: str  #: of the remainder: a number of its own, as a new bill has
    kept: tuple[Kept, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """Write it for the journal."""
        kept: list[JsonValue] = [
            {"line_no": one.line_no, "quantity": str(one.quantity)} for one in self.kept
        ]
        return {"bill_no": self.bill_no, "kept": kept}


def part_refund(facts: Mapping[str, JsonValue]) -> PartRefund:
    """Read one off the facts of a cancellation."""
    told = facts["remainder"]
    if not isinstance(told, dict) or not isinstance(told["kept"], list):
        msg = "a remainder is a bill number and its lines"
        raise TypeError(msg)
    rows = [row for row in told["kept"] if isinstance(row, dict)]
    kept = tuple(
        Kept(int(str(row["line_no"])), Fraction(str(row["quantity"]))) for row in rows
    )
    return PartRefund(str(told["bill_no"]), kept)


@dataclass(frozen=True, slots=True, repr=False)
class FormerHolder:
    """Whose settlement it was, as the journal keeps him. Its repr tells nothing."""

    certificate: CertificateType
    number: str
    card_serial: str
    person_cert_no: str
    name: str


def holder_of(record: Record) -> FormerHolder:
    """Read who showed what when *record* was settled.

    Raises:
        HolderNeededError: it was a voucher, whose token is good for one settlement.
    """
    told = record.personal
    if told["card_serial"]:
        kind = CertificateType.SOCIAL_CARD
    elif told["card_no"] == told["person_cert_no"]:
        kind = CertificateType.ID_CARD
    else:
        raise HolderNeededError(record.settlement_id)
    return FormerHolder(
        kind,
        told["card_no"],
        told["card_serial"],
        told["person_cert_no"],
        told["name"],
    )


def bill_of(record: Record, part: PartRefund) -> Bill:
    """Return the bill of what stays, as of the day of the first.

    Raises:
        RequestInvalidError: a line that is not there, more of it than there was,
            nothing kept, or nothing given back.
    """
    intent = record.facts["intent"]
    told = intent["claim"]
    if not isinstance(told, dict):
        raise RequestInvalidError(
            where="kept", expected="a settlement that kept its claim"
        )
    claim = claim_from_json(told)
    lines = {line.line_no: line for line in claim.lines}
    kept = {one.line_no: one for one in part.kept}
    if len(kept) != len(part.kept) or not set(kept) <= set(lines):
        raise RequestInvalidError(
            where="kept", expected="lines of the settlement, each once"
        )
    if not all(0 < one.quantity <= lines[n].quantity for n, one in kept.items()):
        raise RequestInvalidError(
            where="kept", expected="above nothing and at most what was settled"
        )
    if not kept:
        raise RequestInvalidError(
            where="kept", expected="a line that stays; else cancel the whole"
        )
    if all(n in kept and kept[n].quantity == lines[n].quantity for n in lines):
        raise RequestInvalidError(where="kept", expected="less than was settled")
    if part.bill_no == record.bill_no:
        raise RequestInvalidError(where="bill_no", expected="a number of its own")
    return Bill(
        bill_no=part.bill_no,
        kind=claim.visit.kind,
        on=dt.datetime.fromisoformat(str(intent["on"])),
        lines=tuple(_line(lines[n], kept[n].quantity) for n in sorted(kept)),
        filing=claim.visit.filing,
        accident=claim.visit.accident,
        use_account=bool(intent["use_account"]),
        tender=tender_of(record),
    )


def _line(line: FeeLine, quantity: Fraction) -> BillLine:
    return BillLine(
        item_code=line.item_code,
        quantity=quantity,
        unit_price=line.unit_price,
        amount=line_amount(line.unit_price, quantity),
        restriction_approved=not line.restriction_unmet,
        supply_days=line.supply_days,
    )


def id_of(settlement_id: str) -> str:
    """Return the id the remainder of a settlement has: known before it is begun."""
    return hashlib.sha256(f"remainder/{settlement_id}".encode()).hexdigest()[:16]


def key_of(cancel_key: str) -> str:
    """Return the idempotency key of a remainder: that of the refund, and its place."""
    return f"{cancel_key}#remainder"


class Owed:
    """The remainders that are not begun yet, as the journal's notes tell."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        # A refund the centre refused, and one that is asked again, are one note each.
        left = Counter(str(facts["settlement_id"]) for facts in journal.notes(OWED))
        left.subtract(str(facts["settlement_id"]) for facts in journal.notes(ENDED))
        self._ids: dict[str, None] = dict.fromkeys(+left)
        self._again_at: dict[str, dt.datetime] = {}
        self._waits: dict[str, dt.timedelta] = {}

    def ids(self) -> tuple[str, ...]:
        """List whose remainders are owed, oldest first."""
        return tuple(self._ids)

    def due(self, now: dt.datetime) -> tuple[str, ...]:
        """List those that are to be tried at *now*."""
        return tuple(one for one in self._ids if self._again_at.get(one, now) <= now)

    def put_off(self, settlement_id: str, now: dt.datetime) -> None:
        """Wait with the next try, twice as long as before."""
        wait = min(self._waits.get(settlement_id, _FIRST_WAIT) * 2, _LONGEST_WAIT)
        self._waits[settlement_id] = wait
        self._again_at[settlement_id] = now + wait

    def add(self, settlement_id: str) -> None:
        """Know one whose note was written with the decision to cancel."""
        self._ids[settlement_id] = None

    def end(self, settlement_id: str, how: str, reason: str = "") -> None:
        """Note how one ended; durable before it is forgotten."""
        facts: dict[str, JsonValue] = {"settlement_id": settlement_id, "how": how}
        if reason:
            facts["reason"] = reason
        self._journal.note(ENDED, facts, settlement_id)
        for table in (self._ids, self._again_at, self._waits):
            table.pop(settlement_id, None)
