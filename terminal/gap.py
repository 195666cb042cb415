"""What the centre booked in the days that a journal lost, and how it is asked.

Statements (3201, 3202) tell what there is, look-ups (5204, 5203) what each is. Nothing
about money is sent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from settlement.centre.errors import CentreRejectedError
from settlement.centre.port import Centre, CentreSettlement, StatementResult
from settlement.chain import Row
from settlement.facts import JsonValue, settlement_from_json
from settlement.journal import Journal
from settlement.journal_records import Record
from settlement.journal_salvage import Whose, body_of
from settlement.money import Money
from settlement.msgids import is_of
from terminal.by_statement import negative_under
from terminal.day import GroupKey, only_at_centre
from terminal.lost_intent import Clues


@dataclass(frozen=True, slots=True)
class Asking:
    """How a centre is asked about a gap."""

    whose: Whose
    region: str  #: 就医地医保区划, where no evidence tells the person's own
    timezone: dt.tzinfo
    always: Sequence[GroupKey]
    finds_by_visit: bool


class Gap:
    """The centre's rows of some days that a journal does not have.

    Args:
        centre: is asked at once for every day's statement.
        journal: the new one, as far as it chains.
        asking: how.
        days: which.

    Raises:
        CentreError: the centre could not be asked.
    """

    def __init__(
        self,
        centre: Centre,
        journal: Journal,
        asking: Asking,
        days: Sequence[dt.date],
    ) -> None:
        self._centre = centre
        self._asking = asking
        self._rows: dict[str, StatementResult] = {}
        self.newest_second = ""  #: of our message numbers that the centre knows
        whose = asking.whose
        for _, told in only_at_centre(
            journal=journal,
            centre=centre,
            dates=days,
            timezone=asking.timezone,
            always=asking.always,
        ):
            one = told if told.msgid else self._named(told)
            # A statement is the institution's: other terminals' rows are theirs.
            if is_of(one.msgid, whose.institution, whose.terminal_no):
                self.newest_second = max(self.newest_second, one.msgid[12:26])
                self._rows[one.msgid] = one
            elif not one.msgid:
                self._rows[f"/{one.settlement_id}"] = one

    @property
    def rows(self) -> tuple[StatementResult, ...]:
        """Every row under our numbers, and those that tell no number."""
        return tuple(self._rows.values())

    def _named(self, told: StatementResult) -> StatementResult:
        """Ask whose message a row was, where a statement does not tell (5203)."""
        if not (told.visit_id and told.settlement_id):
            return told
        try:
            found = self._centre.settlement(
                told.person_id, self._asking.region, told.visit_id, told.settlement_id
            )
        except CentreRejectedError:
            return told
        return replace(told, msgid=found.msgid)

    def may_be_nameless(self, record: Record) -> bool:
        """Say whether the centre has a row of this person that names no message."""
        return any(
            told.person_id == record.person_id and not told.msgid and not told.refund
            for told in self._rows.values()
        )

    def look_up(
        self, clues: Clues, visit_id: str, settled: Row | None
    ) -> CentreSettlement | None:
        """Look for what a message booked: by the statement, the visit, the evidence."""
        told = self._rows.get(clues.msgid)
        if told is not None and told.visit_id:
            found = self._read(clues, told.visit_id, told.settlement_id)
            if found is not None:
                return found
        if visit_id and self._asking.finds_by_visit:
            try:
                found = self._centre.find(
                    clues.person_id, clues.region, visit_id, clues.msgid
                )
            except CentreRejectedError:
                found = None
            if found is not None:
                return found
        facts = (body_of(settled) or {}).get("facts") if settled is not None else None
        if isinstance(facts, dict):
            said = settlement_from_json(facts)
            return self._read(clues, said.visit_id, said.settlement_id)
        return None

    def _read(
        self, clues: Clues, visit_id: str, settlement_id: str
    ) -> CentreSettlement | None:
        try:
            found = self._centre.settlement(
                clues.person_id, clues.region, visit_id, settlement_id
            )
        except CentreRejectedError:
            return None
        return found if found.msgid == clues.msgid else None

    def negative(self, record: Record) -> CentreSettlement | None:
        """Look whether the centre has taken a settlement back."""
        settled = settlement_from_json(record.facts["settled"])
        region = record.insured_region
        try:
            now = self._centre.settlement(
                record.person_id, region, settled.visit_id, settled.settlement_id
            )
            if not now.refunded:
                return None
            if self._asking.finds_by_visit:
                return self._centre.find_cancellation(settled, region)
            return self._negative_row(record, settled)
        except CentreRejectedError:
            return None

    def _negative_row(
        self, record: Record, settled: CentreSettlement
    ) -> CentreSettlement | None:
        """Read the row of the lost days that took a settlement back."""
        for told in self._rows.values():
            if not (told.refund and told.visit_id == settled.visit_id):
                continue
            found = negative_under(self._centre, record, told.settlement_id)
            if found is not None:
                return found
        return None


def row_to_json(told: StatementResult) -> dict[str, JsonValue]:
    """Write a row that only the centre has, without the person."""

    def yuan(amount: Money | None) -> JsonValue:
        return None if amount is None else amount.to_yuan()

    return {
        "settlement_id": told.settlement_id,
        "visit_id": told.visit_id,
        "msgid": told.msgid,
        "refund": told.refund,
        "total_fee": yuan(told.total_fee),
        "fund_total": yuan(told.fund_total),
        "account_pay": yuan(told.account_pay),
    }
