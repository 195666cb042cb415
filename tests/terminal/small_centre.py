"""A small real centre in memory: keeps a book, and misbehaves when told to.

It implements ``settlement.centre.port.Centre`` by the book's rules and nothing of
the wire, so that a test can lose an answer at an exact place.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

from settlement.centre.errors import (
    CentreNotSentError,
    CentreRejectedError,
    CentreUnknownError,
)
from settlement.centre.port import (
    CentreSettlement,
    Certificate,
    Coverage,
    Entitlement,
    LateAnswer,
    Order,
    Person,
    StatementGroup,
    StatementResult,
    StatementRow,
    TotalsVerdict,
    age_on,
)
from settlement.claim import Accumulators, Insurance, VisitKind
from settlement.facts import amounts_from_json, amounts_to_json
from settlement.money import Money
from settlement.split import SettledAmounts

ZERO = Money.ZERO


def half_paid(total: Money) -> SettledAmounts:
    """Let the fund pay half of *total* and the person the rest in cash."""
    fund = Money(total.fen // 2)
    return SettledAmounts(
        total_fee=total,
        uncovered=ZERO,
        over_price_limit=ZERO,
        upfront_share=ZERO,
        in_scope=total,
        deductible=ZERO,
        pooled_fund=fund,
        pooled_ratio_bp=5000,
        civil_servant_fund=ZERO,
        employer_fund=ZERO,
        critical_illness_fund=ZERO,
        large_claim_fund=ZERO,
        medical_aid=ZERO,
        other_fund=ZERO,
        fund_total=fund,
        person_total=total - fund,
        account_pay=ZERO,
        family_account_pay=ZERO,
        cash_pay=total - fund,
        hospital_share=ZERO,
        account_balance=ZERO,
    )


def negative(amounts: SettledAmounts) -> SettledAmounts:
    """Return every amount with its sign turned."""
    return amounts_from_json(
        {
            name: (-Money.yuan(text)).to_yuan() if isinstance(text, str) else text
            for name, text in amounts_to_json(amounts).items()
        }
    )


class SmallCentre:
    """A centre whose every record can be looked at, and whose answers can get lost."""

    def __init__(self, now: Callable[[], dt.datetime]) -> None:
        self.now = now
        self.book: dict[str, CentreSettlement] = {}  # by msgid
        self.tombstones: set[str] = set()
        self.reversed: set[str] = set()
        self.asked: list[str] = []
        self.lose_next: str = ""  #: "before" or "after" booking
        self.refuse_next = ""
        self.late: LateAnswer | None = (
            None  #: who hears the newest answer if it is late
        )
        #: What comes between presettling and settling: other amounts are booked.
        self.books_otherwise: Callable[[SettledAmounts], SettledAmounts] | None = None
        self.down = False
        self.active = True
        self.enjoyed = True
        #: How everybody is insured, and what is asked of the year.
        self.insured = Coverage(Insurance.RESIDENT, True, "230800", "1701", ZERO)  # noqa: FBT003 - 正常参保
        self.insured_too: list[Coverage] = []  #: besides, in the order of 1101
        self.birth_date, self.sex = dt.date(1980, 1, 1), "female"
        self.years: list[int] = []
        self.ahead: dt.timedelta | None = dt.timedelta(0)

    @property
    def living(self) -> list[CentreSettlement]:
        """Return what stands in the book: booked, not reversed, not cancelled."""
        taken_back = {record.cancels for record in self.book.values()}
        return [
            record
            for msgid, record in self.book.items()
            if msgid not in self.reversed
            and not record.cancels
            and record.settlement_id not in taken_back
        ]

    def _ask(self, what: str) -> None:
        if self.down:
            msg = "connection refused"
            raise CentreNotSentError(msg)
        self.asked.append(what)

    def sign_in(self) -> str:
        """Sign in."""
        return "1"

    def is_away(self) -> bool:
        """Tell whether it is down."""
        return self.down

    def clock_ahead(self) -> dt.timedelta | None:
        """Tell how far the terminal's clock is ahead."""
        return self.ahead

    def person(self, certificate: Certificate) -> Person:
        """Know everybody alike; a resident insured at home unless a story says else."""
        self._ask("person")
        coverage = dataclasses.replace(self.insured, active=self.active)
        others = tuple(self.insured_too)
        return Person(
            person_id="P1",
            name=certificate.name,
            person_cert_no=certificate.person_cert_no,
            birth_date=self.birth_date,
            age_years=age_on(self.birth_date, self.now().date()),
            sex=self.sex,
            coverages=(coverage, *others),
            assistance=frozenset(),
        )

    def entitlements(
        self,
        person_id: str,
        insurance: Insurance,
        region: str,
        kind: VisitKind,
        on: dt.datetime,
    ) -> tuple[Entitlement, ...]:
        """Answer one fund."""
        del person_id, insurance, region, kind, on
        self._ask("entitlements")
        return (
            Entitlement("390100", self.enjoyed, "" if self.enjoyed else "暂停参保"),
        )

    def accumulators(
        self, person_id: str, insurance: Insurance, region: str, year: int
    ) -> Accumulators:
        """Answer an empty year."""
        del person_id, insurance, region
        self._ask("accumulators")
        self.years.append(year)
        return Accumulators(year=year)

    def open_visit(self, order: Order) -> str:
        """Number the visit."""
        self._ask("open_visit")
        return f"V-{order.bill_no}"

    def withdraw_visit(self, order: Order) -> None:
        """Forget the visit."""
        self._ask(f"withdraw {order.visit_id}")

    def presettle(self, order: Order) -> CentreSettlement:
        """Work the bill out without booking."""
        self._ask("presettle")
        return self._record(order, "", "")

    def settle(
        self,
        order: Order,
        expected: SettledAmounts,
        msgid: str,
        late: LateAnswer | None = None,
    ) -> CentreSettlement:
        """Book once, or lose the message or the answer as told."""
        self._ask("settle")
        self.late = late
        if expected.total_fee != order.total_fee:
            msg = "费用总额不符"
            raise CentreRejectedError(msg)
        if self.refuse_next:
            reason, self.refuse_next = self.refuse_next, ""
            raise CentreRejectedError(reason)
        lost, self.lose_next = self.lose_next, ""
        if lost == "before":
            msg = "time-out"
            raise CentreUnknownError(msg)
        if msgid in self.tombstones:
            msg = "原交易已冲正"
            raise CentreRejectedError(msg)
        if msgid in self.book:
            msg = "报文重复"
            raise CentreRejectedError(msg)
        record = self._record(order, msgid, f"S{len(self.book) + 1}")
        if self.books_otherwise is not None:
            amounts = self.books_otherwise(record.amounts)
            record = dataclasses.replace(record, amounts=amounts)
        self.book[msgid] = record
        if lost == "after":
            msg = "time-out"
            raise CentreUnknownError(msg)
        return record

    def cancel(
        self,
        settled: CentreSettlement,
        kind: VisitKind,
        region: str,
        msgid: str,
        late: LateAnswer | None = None,
    ) -> CentreSettlement:
        """Book the negative record, or lose its answer as told."""
        del kind, region
        self.late = late
        self._ask("cancel")
        if any(r.cancels == settled.settlement_id for r in self.book.values()):
            msg = "已撤销"
            raise CentreRejectedError(msg)
        lost, self.lose_next = self.lose_next, ""
        if lost == "before":
            msg = "time-out"
            raise CentreUnknownError(msg)
        record = dataclasses.replace(
            settled,
            settlement_id=f"S{len(self.book) + 1}",
            msgid=msgid,
            amounts=negative(settled.amounts),
            settled_at=self.now(),
            cancels=settled.settlement_id,
        )
        self.book[msgid] = record
        if lost == "after":
            msg = "time-out"
            raise CentreUnknownError(msg)
        return record

    def reverse(self, person_id: str, region: str, msgid: str, infno: str) -> None:
        """Reverse by msgid; one never seen is tombstoned."""
        del person_id, region, infno
        self._ask("reverse")
        if msgid in self.book:
            self.reversed.add(msgid)
        else:
            self.tombstones.add(msgid)

    def find(
        self, person_id: str, region: str, visit_id: str, msgid: str
    ) -> CentreSettlement | None:
        """Look a message up in the book."""
        del person_id, region, visit_id
        self._ask("find")
        return None if msgid in self.reversed else self.book.get(msgid)

    def find_cancellation(
        self, settled: CentreSettlement, region: str
    ) -> CentreSettlement | None:
        """Look for what takes a settlement back."""
        del region
        self._ask("find-cancellation")
        for record in self.book.values():
            if record.cancels == settled.settlement_id:
                return record
        return None

    def settlement(
        self, person_id: str, region: str, visit_id: str, settlement_id: str
    ) -> CentreSettlement:
        """Read one record, with its refund flag."""
        del person_id, region, visit_id
        self._ask("settlement")
        for record in self.book.values():
            if record.settlement_id == settlement_id:
                taken = any(r.cancels == settlement_id for r in self.book.values())
                return dataclasses.replace(record, refunded=taken)
        msg = "未查询到结算信息"
        raise CentreRejectedError(msg)

    def compare_totals(self, group: StatementGroup) -> TotalsVerdict:
        """Compare the day's sums."""
        self._ask("compare_totals")
        rows = [
            r
            for msgid, r in self.book.items()
            if msgid not in self.reversed and r.clearing_type == group.clearing_type
        ]
        total = Money.total(r.amounts.total_fee for r in rows)
        same = total == group.total_fee and len(rows) == group.count
        return TotalsVerdict(same, "" if same else "不平")

    def compare_rows(
        self, group: StatementGroup, rows: tuple[StatementRow, ...]
    ) -> tuple[StatementResult, ...]:
        """Not part of the stories told with this centre."""
        del group, rows
        msg = "对账文件不可用"
        raise CentreRejectedError(msg)

    def _record(self, order: Order, msgid: str, settlement_id: str) -> CentreSettlement:
        return CentreSettlement(
            settlement_id=settlement_id,
            visit_id=order.visit_id or f"V-{order.bill_no}",
            person_id=order.person_id,
            msgid=msgid,
            settled_at=self.now() if settlement_id else None,
            amounts=half_paid(order.total_fee),
            insurance=order.insurance,
            clearing_type="11",
            clearing_office=order.insured_region,
        )
