"""What was settled: positive and negative records, their reversal, the postings.

A record never changes. A cancellation (2208, 2103) is a negative record of its own;
a reversal (2601) is a mark beside the record it takes out of the statement. Either
takes exactly what the record had added out of the year's accumulators and gives the
personal account back, so for the newest record of the year everything stands as
before it. For an older one the later records stay as they were computed: public text
names no recomputation, and money that was answered is not answered again.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Table,
    bindparam,
    exists,
    insert,
    select,
)

from settlement.centre import bulk, persons
from settlement.centre.book import Page, stamp
from settlement.centre.bulk import Row, Rows
from settlement.centre.port import CentreSettlement
from settlement.centre.refusal import Refusal
from settlement.centre.tables import AMOUNTS, NEGATIVE, POSTING, REVERSAL, SETTLEMENT
from settlement.claim import Accumulators, Insurance, VisitKind
from settlement.money import Money
from settlement.split import PackId, SettledAmounts

_REVERSED = select(REVERSAL.c.reversal_id).where(
    REVERSAL.c.settlement_id == bindparam("settlement_id")
)
_CANCELLED = select(SETTLEMENT.c.settlement_id).where(
    NEGATIVE,
    SETTLEMENT.c.cancels == bindparam("settlement_id"),
    ~exists().where(REVERSAL.c.settlement_id == SETTLEMENT.c.settlement_id),
)


@dataclass(frozen=True, slots=True)
class FundShare:
    """One setldetail row: a fund, the personal account, or the hospital's part."""

    fund_code: str  #: fund_pay_type
    fund_name: str
    in_scope: Money
    amount: Money
    note: str  #: 结算过程信息


@dataclass(frozen=True, slots=True)
class Record:
    """A settlement or a negative record with everything the centre knows of it."""

    settled: CentreSettlement
    infno: str
    kind: VisitKind
    region: str
    batch_no: str
    invoice_no: str
    institution: str
    served_on: dt.date
    before: Accumulators
    after: Accumulators
    shares: tuple[FundShare, ...]
    pack: PackId
    reversed: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """Which records a statement is about; both days are included."""

    institution: str
    clearing_type: str
    clearing_office: str
    begin: dt.date
    end: dt.date


def new_id(page: Page) -> str:
    """Draw the next 结算ID."""
    return page.next_id("settlement", 4)


def new_ids(page: Page, count: int) -> list[str]:
    """Draw so many of them at once."""
    return page.next_ids("settlement", 4, count)


def post(page: Page, record: Record) -> Record:
    """Book a record: the row, the accumulators, the account, the double entry."""
    post_all(page, (record,))
    return record


def post_all(page: Page, records: Sequence[Record]) -> None:
    """Book records that were worked out on this page, each as ``post`` does.

    Of the records of one person the later ones have to go on from the earlier ones.
    """
    bulk.write(page, rows_of(page, records))


def rows_of(page: Page, records: Sequence[Record]) -> Rows:
    """Write down all that ``post_all`` writes, table by table."""
    moved = [
        (record, record.settled.settlement_id, record.before, record.after)
        for record in records
    ]
    booked = [_columns(record) for record in records]
    return {SETTLEMENT: booked, **_moved(page, moved)}


def cancel(page: Page, original: Record, *, msgid: str, infno: str) -> Record:
    """Take a settlement back whole by a negative record of its own (2208, 2103).

    Raises:
        Refusal: it is a negative record, was reversed, or was cancelled before.
    """
    settled = original.settled
    if settled.cancels or original.reversed:
        code, sentence = "not-cancellable", "该结算记录已冲正或为撤销记录，不能撤销"
        raise Refusal(code, sentence)
    if settled.refunded:
        code, sentence = "already-cancelled", "该结算已撤销，不能重复撤销"
        raise Refusal(code, sentence)
    person_id, insurance = settled.person_id, settled.insurance
    before = _now(page, original)
    left = persons.balance(page, person_id, insurance) + settled.amounts.account_pay
    negative = replace(
        settled,
        settlement_id=new_id(page),
        msgid=msgid,
        settled_at=page.at,
        amounts=replace(settled.amounts.turned(), account_balance=left),
        cancels=settled.settlement_id,
        refunded=False,
    )
    record = replace(
        original,
        settled=negative,
        infno=infno,
        before=before,
        after=persons.without(before, original.before, original.after),
        shares=tuple(_negative_share(share) for share in original.shares),
    )
    return post(page, record)


def reverse(page: Page, record: Record, *, msgid: str) -> None:
    """Take a record out of the statement as if it had never been (2601).

    Reversing a record that is reversed already changes nothing.

    Raises:
        Refusal: the record was cancelled, or the account has been spent since.
    """
    if record.reversed:
        return
    settled = record.settled
    if settled.refunded:
        code, sentence = "already-cancelled", "原结算已撤销，请先核对撤销记录，不能冲正"
        raise Refusal(code, sentence)
    account = persons.balance(page, settled.person_id, settled.insurance)
    if (account + settled.amounts.account_pay).fen < 0:
        code, sentence = "account-spent", "个人账户余额不足，不能冲正该撤销记录"
        raise Refusal(code, sentence)
    reversal_id = page.next_id("reversal", 5)
    page.connection.execute(
        insert(REVERSAL).values(
            reversal_id=reversal_id,
            settlement_id=settled.settlement_id,
            msgid=msgid,
            at=page.at_text,
        )
    )
    before = _now(page, record)
    after = persons.without(before, record.before, record.after)
    back = replace(record, settled=replace(settled, amounts=settled.amounts.turned()))
    bulk.write(page, _moved(page, ((back, reversal_id, before, after),)))


def by_id(page: Page, settlement_id: str) -> Record | None:
    """Read one record."""
    return _one(page, SETTLEMENT.c.settlement_id == settlement_id)


def by_msgid(page: Page, msgid: str) -> Record | None:
    """Read what a message booked."""
    return _one(page, SETTLEMENT.c.msgid == msgid)


def of_visit(page: Page, visit_id: str) -> tuple[Record, ...]:
    """Read every record of a visit that was not reversed, oldest first."""
    query = (
        select(SETTLEMENT)
        .where(SETTLEMENT.c.visit_id == visit_id)
        .order_by(SETTLEMENT.c.seq)
    )
    rows = page.connection.execute(query).mappings()
    found = (_record(page, row) for row in rows.all())
    return tuple(record for record in found if not record.reversed)


def in_period(page: Page, period: Period) -> tuple[Record, ...]:
    """Read what counts in a statement: by the day of 结算时间, reversed ones left out.

    A settlement and its negative record both count, each on its own day.
    """
    gone = exists().where(REVERSAL.c.settlement_id == SETTLEMENT.c.settlement_id)
    until = period.end + dt.timedelta(days=1)
    query = (
        select(SETTLEMENT)
        .where(
            SETTLEMENT.c.institution == period.institution,
            SETTLEMENT.c.clearing_type == period.clearing_type,
            SETTLEMENT.c.clearing_office == period.clearing_office,
            SETTLEMENT.c.settled_at >= period.begin.isoformat(),
            SETTLEMENT.c.settled_at < until.isoformat(),
            ~gone,
        )
        .order_by(SETTLEMENT.c.seq)
    )
    rows = page.connection.execute(query).mappings()
    return tuple(_record(page, row) for row in rows.all())


def _negative_share(share: FundShare) -> FundShare:
    return replace(share, in_scope=-share.in_scope, amount=-share.amount)


def _now(page: Page, record: Record) -> Accumulators:
    """Read how the record's year stands now."""
    settled = record.settled
    return persons.accumulators(
        page, settled.person_id, settled.insurance, record.before.year
    )


#: A record or reversal, its id, and the year so far before and after it.
_Moved = tuple[Record, str, Accumulators, Accumulators]


def _moved(page: Page, moved: Sequence[_Moved]) -> dict[Table, Sequence[Row]]:
    """Write down how everything that is added up follows records or reversals."""
    changes = [
        persons.Change(
            person_id=record.settled.person_id,
            insurance=record.settled.insurance,
            cause=entry_id,
            before=before,
            after=after,
            account=-record.settled.amounts.account_pay,
        )
        for record, entry_id, before, after in moved
    ]
    legs: list[Row] = [
        {
            "entry_id": entry_id,
            "account": account,
            "amount_fen": amount.fen,
            "at": page.at_text,
        }
        for record, entry_id, _, _ in moved
        for account, amount in _legs(record)
        if amount
    ]
    return {**persons.rows_of(page, changes), POSTING: legs}


def _legs(record: Record) -> tuple[tuple[str, Money], ...]:
    """Name who bears the fee, and the institution it is owed to; debit positive.

    The legs come from the amounts and not from the sums among them, so a sum that
    does not hold shows as an entry that does not balance.
    """
    settled, amounts = record.settled, record.settled.amounts
    insurance = settled.insurance.value
    return (
        (f"fund:{insurance}:pooled", amounts.pooled_fund),
        (f"fund:{insurance}:civil_servant", amounts.civil_servant_fund),
        (f"fund:{insurance}:employer", amounts.employer_fund),
        (f"fund:{insurance}:critical_illness", amounts.critical_illness_fund),
        (f"fund:{insurance}:large_claim", amounts.large_claim_fund),
        ("fund:medical_aid", amounts.medical_aid),
        ("fund:other", amounts.other_fund),
        (f"account:{insurance}:{settled.person_id}", amounts.account_pay),
        ("cash", amounts.cash_pay),
        (f"hospital:{record.institution}", amounts.hospital_share),
        (f"fees:{record.institution}", -amounts.total_fee),
    )


def _columns(record: Record) -> dict[str, str | int]:
    settled, amounts = record.settled, record.settled.amounts
    if settled.settled_at is None:
        msg = "a record is booked with the instant it was settled at"
        raise AssertionError(msg)
    shares = [
        [s.fund_code, s.fund_name, s.in_scope.fen, s.amount.fen, s.note]
        for s in record.shares
    ]
    return {
        "settlement_id": settled.settlement_id,
        "msgid": settled.msgid,
        "infno": record.infno,
        "visit_id": settled.visit_id,
        "person_id": settled.person_id,
        "insurance": settled.insurance.value,
        "region": record.region,
        "kind": record.kind.value,
        "batch_no": record.batch_no,
        "invoice_no": record.invoice_no,
        "institution": record.institution,
        "settled_at": stamp(settled.settled_at),
        "served_on": record.served_on.isoformat(),
        "clearing_type": settled.clearing_type,
        "clearing_office": settled.clearing_office,
        "cancels": settled.cancels,
        "pooled_ratio_bp": amounts.pooled_ratio_bp,
        **{f"{name}_fen": getattr(amounts, name).fen for name in AMOUNTS},
        "details": json.dumps(shares, ensure_ascii=False),
        "before": json.dumps(persons.accumulators_to_json(record.before)),
        "after": json.dumps(persons.accumulators_to_json(record.after)),
        "pack_name": record.pack.name,
        "pack_version": record.pack.version,
        "pack_digest": record.pack.digest,
        "pack_verified": int(record.pack.verified),
    }


def _one(page: Page, condition: ColumnElement[bool]) -> Record | None:
    row = page.connection.execute(select(SETTLEMENT).where(condition)).mappings()
    found = row.one_or_none()
    return None if found is None else _record(page, found)


def _record(page: Page, row: RowMapping) -> Record:
    settlement_id = row["settlement_id"]
    amounts = {name: Money(row[f"{name}_fen"]) for name in AMOUNTS}
    settled = CentreSettlement(
        settlement_id=settlement_id,
        visit_id=row["visit_id"],
        person_id=row["person_id"],
        msgid=row["msgid"],
        settled_at=dt.datetime.fromisoformat(row["settled_at"]),
        amounts=SettledAmounts(pooled_ratio_bp=row["pooled_ratio_bp"], **amounts),
        insurance=Insurance(row["insurance"]),
        clearing_type=row["clearing_type"],
        clearing_office=row["clearing_office"],
        cancels=row["cancels"],
        refunded=_is_cancelled(page, settlement_id),
    )
    return Record(
        settled=settled,
        infno=row["infno"],
        kind=VisitKind(row["kind"]),
        region=row["region"],
        batch_no=row["batch_no"],
        invoice_no=row["invoice_no"],
        institution=row["institution"],
        served_on=dt.date.fromisoformat(row["served_on"]),
        before=persons.accumulators_from_json(json.loads(row["before"])),
        after=persons.accumulators_from_json(json.loads(row["after"])),
        shares=_shares(row["details"]),
        pack=PackId(
            name=row["pack_name"],
            version=row["pack_version"],
            digest=row["pack_digest"],
            verified=bool(row["pack_verified"]),
        ),
        reversed=_is_reversed(page, settlement_id),
    )


def _shares(details: str) -> tuple[FundShare, ...]:
    return tuple(
        FundShare(code, name, Money(in_scope), Money(amount), note)
        for code, name, in_scope, amount, note in json.loads(details)
    )


def _is_reversed(page: Page, settlement_id: str) -> bool:
    asked = {"settlement_id": settlement_id}
    return page.connection.execute(_REVERSED, asked).first() is not None


def _is_cancelled(page: Page, settlement_id: str) -> bool:
    """Say whether a negative record stands against it that was not reversed."""
    asked = {"settlement_id": settlement_id}
    return page.connection.execute(_CANCELLED, asked).first() is not None
