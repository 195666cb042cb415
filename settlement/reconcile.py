"""Our book of a day against the centre's: groups, rows, differences by kind.

The kinds are a closed set and there is no tolerance: a fen is a difference.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from settlement.centre.port import (
    CentreSettlement,
    StatementGroup,
    StatementResult,
    StatementRow,
    StatementVerdict,
    TotalsVerdict,
)
from settlement.facts import JsonValue
from settlement.money import Money
from settlement.nhsa import INSURANCE


class Kind(StrEnum):
    """How a record differs. Closed: a new kind needs its next step here."""

    OURS_ONLY = "ours-only"  #: 医药机构多
    THEIRS_ONLY = "theirs-only"  #: 中心多
    AMOUNT = "amount"  #: 金额不一致
    STATUS = "status"  #: 一方已撤销，另一方没有
    DAY = "day"  #: 双方记在不同的日期
    TOTALS_ONLY = "totals-only"  #: 总额不平而逐笔相符


NEXT_STEP = {
    Kind.OURS_ONLY: (
        "中心没有这笔：核对是否已在中心撤销，或日期、类别不同；不要直接改账。",
        "The centre lacks it: see whether it was cancelled there, or has another day.",
    ),
    Kind.THEIRS_ONLY: (
        "本地没有这笔：按报文ID查找；确认未收费的由两人复核后冲正（2601）。",
        "We lack it: look its msgid up; two people reverse what was not charged.",
    ),
    Kind.AMOUNT: (
        "以中心金额为准：打开该笔的试算与中心答复逐项比较，查明原因后登记。",
        "The centre's amount stands: compare both splits line by line and note why.",
    ),
    Kind.STATUS: (
        "一方已撤销而另一方没有：核对真实情况；确是在中心撤销的，按“补登中心撤销”登记。",
        "One side cancelled and the other did not: take the centre's over if it is so.",
    ),
    Kind.DAY: (
        "双方记在不同日期：对相邻一天再对账一次，两天合起来应当相符。",
        "It is booked on another day: reconcile the day beside; both together agree.",
    ),
    Kind.TOTALS_ONLY: (
        "逐笔相符而总额不平：核对清算类别和退费计数口径，重新对账。",
        "Rows agree and totals do not: check the group and how refunds are counted.",
    ),
}

_KIND_OF = {
    StatementVerdict.CENTRE_ONLY: Kind.THEIRS_ONLY,
    StatementVerdict.INSTITUTION_ONLY: Kind.OURS_ONLY,
    StatementVerdict.AMOUNTS_DIFFER: Kind.AMOUNT,
}


@dataclass(frozen=True, slots=True)
class Booked:
    """One record of ours: a settlement, or the negative one of a cancellation."""

    settlement: CentreSettlement
    bill_no: str
    our_id: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference with both sides and the next step."""

    kind: Kind
    settlement_id: str
    msgid: str
    bill_no: str
    ours: Money | None
    theirs: Money | None
    memo: str
    our_id: str = ""  #: our settlement that it is about, where we have one


@dataclass(frozen=True, slots=True)
class GroupReport:
    """One group: our totals and what the centre said of them."""

    group: StatementGroup
    verdict: TotalsVerdict
    differences: tuple[Difference, ...]

    @property
    def balanced(self) -> bool:
        """True if the centre agrees with our totals."""
        return self.verdict.balanced


@dataclass(frozen=True, slots=True)
class DayReport:
    """A day's reconciliation."""

    date: dt.date
    groups: tuple[GroupReport, ...]
    open_items: tuple[str, ...]  #: settlements of ours that are undecided
    #: The journal's newest entry once the day was closed, as ``number:digest``. On
    #: paper it is an anchor that nobody at this machine can rewrite.
    journal_head: str = ""

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Every difference of every group."""
        return tuple(d for group in self.groups for d in group.differences)

    @property
    def balanced(self) -> bool:
        """True if every group agrees and nothing is undecided."""
        return all(group.balanced for group in self.groups) and not self.open_items

    def to_json(self) -> dict[str, JsonValue]:
        """Write the report for a program."""
        return {
            "date": self.date.isoformat(),
            "balanced": self.balanced,
            "groups": [_group_json(group) for group in self.groups],
            "differences": [_difference_json(d) for d in self.differences],
            "open_items": list(self.open_items),
            "journal_head": self.journal_head,
        }

    def table(self, language: str = "zh") -> str:
        """Print the report as a table for people."""
        return _table(self, 0 if language == "zh" else 1)


class RefundCounting(StrEnum):
    """How a centre counts in 3201 what was given back; no public text says."""

    BOTH = "both"  #: the settlement and its negative record, two records
    NET = "net"  #: the sums of both, and one record less for each negative
    LEFT_OUT = "left-out"  #: neither of the two, on whatever day


def groups(
    booked: Iterable[Booked],
    date: dt.date,
    *,
    counting: RefundCounting = RefundCounting.BOTH,
    refunded: Collection[str] = (),
) -> tuple[StatementGroup, ...]:
    """Sum our records by insurance, clearing type and office.

    Args:
        booked: Our records of *date*, negative ones too.
        date: Which day.
        counting: How the centre counts what was given back.
        refunded: 结算ID of what was given back, on whatever day.
    """
    sorted_out: dict[tuple[str, str, str], list[CentreSettlement]] = {}
    for record in booked:
        settled = record.settlement
        key = (
            settled.insurance.value,
            settled.clearing_type,
            settled.clearing_office,
        )
        sorted_out.setdefault(key, []).append(settled)
    return tuple(
        StatementGroup(
            insurance=records[0].insurance,
            clearing_type=records[0].clearing_type,
            clearing_office=records[0].clearing_office,
            begin=date,
            end=date,
            total_fee=Money.total(r.amounts.total_fee for r in counted),
            fund_total=Money.total(r.amounts.fund_total for r in counted),
            account_pay=Money.total(r.amounts.account_pay for r in counted),
            cash_pay=Money.total(r.amounts.cash_pay for r in counted),
            count=_count(counted, counting),
        )
        for _, records in sorted(sorted_out.items())
        for counted in (_counted(records, counting, refunded),)
    )


def _counted(
    records: list[CentreSettlement],
    counting: RefundCounting,
    refunded: Collection[str],
) -> list[CentreSettlement]:
    if counting is not RefundCounting.LEFT_OUT:
        return records
    return [r for r in records if not r.cancels and r.settlement_id not in refunded]


def _count(records: list[CentreSettlement], counting: RefundCounting) -> int:
    if counting is not RefundCounting.NET:
        return len(records)
    negative = sum(1 for r in records if r.cancels)
    return len(records) - 2 * negative


def rows(booked: Iterable[Booked], group: StatementGroup) -> tuple[StatementRow, ...]:
    """Return the rows of *group*, as 3202 wants them."""
    return tuple(
        StatementRow(
            settlement_id=r.settlement.settlement_id,
            visit_id=r.settlement.visit_id,
            person_id=r.settlement.person_id,
            total_fee=r.settlement.amounts.total_fee,
            fund_total=r.settlement.amounts.fund_total,
            account_pay=r.settlement.amounts.account_pay,
            refund=bool(r.settlement.cancels),
        )
        for r in booked
        if _is_in(r.settlement, group)
    )


Answered = tuple[StatementGroup, TotalsVerdict, tuple[StatementResult, ...] | None]


def report(
    date: dt.date,
    booked: Iterable[Booked],
    answered: Iterable[Answered],
    open_items: tuple[str, ...],
    *,
    others: Iterable[Booked] = (),
) -> DayReport:
    """Name every difference the centre found, each with both sides.

    Args:
        date: Which day.
        booked: Our records of that day.
        answered: Each group with what the centre said of its totals and rows.
        open_items: Our settlements that are undecided.
        others: Our records of other days, to tell a record on another day from one
            that is not ours at all.
    """
    ours = _Ours.of(booked, others)
    return DayReport(
        date=date,
        groups=tuple(
            GroupReport(group, verdict, _differences(ours, group, verdict, results))
            for group, verdict, results in answered
        ),
        open_items=open_items,
    )


@dataclass(frozen=True, slots=True)
class _Ours:
    """Our records, to be found by what a row of the centre tells."""

    by_id: dict[str, Booked]
    by_msgid: dict[str, Booked]
    by_visit: dict[str, Booked]  #: settlements we did not cancel
    of_the_day: frozenset[str]  #: 结算ID

    @classmethod
    def of(cls, booked: Iterable[Booked], others: Iterable[Booked]) -> _Ours:
        today = tuple(booked)
        records = (*others, *today)
        cancelled = {record.settlement.cancels for record in records}
        return cls(
            {record.settlement.settlement_id: record for record in records},
            {record.settlement.msgid: record for record in records},
            {
                record.settlement.visit_id: record
                for record in records
                if not record.settlement.cancels
                and record.settlement.settlement_id not in cancelled
            },
            frozenset(record.settlement.settlement_id for record in today),
        )

    def find(self, result: StatementResult) -> Booked | None:
        """Find our side; where the centre has more, the msgid may be all it tells.

        A cancellation that only the centre has finds the settlement it takes back.
        """
        found = self.by_id.get(result.settlement_id) if result.settlement_id else None
        if found is None and result.msgid:
            found = self.by_msgid.get(result.msgid)
        if found is None and result.refund and result.visit_id:
            return self.by_visit.get(result.visit_id)
        if found is None and result.refund:
            return self._taken_back(result)
        return found

    def _taken_back(self, result: StatementResult) -> Booked | None:
        """Find what a row without ids may take back, if only one settlement can be."""
        turned = [
            one
            for one in self.by_visit.values()
            if one.settlement.person_id == result.person_id
            and may_turn(result, one.settlement)
        ]
        return turned[0] if len(turned) == 1 else None


def _differences(
    ours: _Ours,
    group: StatementGroup,
    verdict: TotalsVerdict,
    results: tuple[StatementResult, ...] | None,
) -> tuple[Difference, ...]:
    found = []
    lacking = {
        result.settlement_id
        for result in results or ()
        if result.verdict is StatementVerdict.INSTITUTION_ONLY
    }
    agreed = _agreed(ours, results or ())
    for result in results or ():
        mine = ours.find(result)
        if result.verdict not in _KIND_OF or _is_elsewhere(mine, result, group):
            continue
        if result.msgid in agreed or _is_unnumbered(result, agreed.values()):
            continue
        found.append(_difference(_kind(ours, mine, result, lacking), mine, result))
    if verdict.balanced or found:
        return tuple(found)
    return (Difference(Kind.TOTALS_ONLY, "", "", "", None, None, verdict.description),)


def may_turn(result: StatementResult, settled: CentreSettlement) -> bool:
    """Say whether a row has exactly a settlement's amounts, turned around."""
    amounts = settled.amounts
    return (result.total_fee, result.fund_total, result.account_pay) == (
        -amounts.total_fee,
        -amounts.fund_total,
        -amounts.account_pay,
    )


def _agreed(
    ours: _Ours, results: Iterable[StatementResult]
) -> dict[str, CentreSettlement]:
    """Find our negative records without a 结算ID that the centre has all the same.

    What a statement alone told of has none (see ``terminal.by_statement``): the row we
    send of it is ours only, its own row only the centre's, and the 报文ID joins them.
    """
    agreed = {}
    for result in results:
        mine = ours.by_msgid.get(result.msgid) if result.msgid else None
        if result.verdict is StatementVerdict.CENTRE_ONLY and mine is not None:
            one = mine.settlement
            same = result.total_fee == one.amounts.total_fee
            if one.cancels and not one.settlement_id and same:
                agreed[result.msgid] = one
    return agreed


def _is_unnumbered(result: StatementResult, agreed: Iterable[CentreSettlement]) -> bool:
    """Say whether a row that the centre lacks is one that we sent without a number."""
    return (
        result.verdict is StatementVerdict.INSTITUTION_ONLY
        and not result.settlement_id
        and any(one.visit_id == result.visit_id for one in agreed)
    )


def _is_elsewhere(
    mine: Booked | None, result: StatementResult, group: StatementGroup
) -> bool:
    """Say whether a row the centre has more is one we count in another group.

    3202 names no insurance (险种), so its answer for a clearing type and office can
    bring the rows of every insurance.
    """
    return (
        result.verdict is StatementVerdict.CENTRE_ONLY
        and mine is not None
        and not _is_in(mine.settlement, group)
    )


def _kind(
    ours: _Ours, mine: Booked | None, result: StatementResult, lacking: set[str]
) -> Kind:
    """Name a difference; *lacking* are the numbers of ours that the centre lacks."""
    kind = _KIND_OF[result.verdict]
    if mine is None:
        return kind
    cancels = mine.settlement.cancels
    match result.verdict:
        case StatementVerdict.CENTRE_ONLY if result.refund and not cancels:
            return Kind.STATUS
        case StatementVerdict.CENTRE_ONLY:
            today = mine.settlement.settlement_id in ours.of_the_day
            return kind if today else Kind.DAY
        case StatementVerdict.INSTITUTION_ONLY:
            # Where the centre lacks the settlement too, its cancellation is no news.
            return Kind.STATUS if cancels and cancels not in lacking else kind
        case _:
            return Kind.STATUS if result.refund != bool(cancels) else kind


def _difference(kind: Kind, mine: Booked | None, result: StatementResult) -> Difference:
    return Difference(
        kind=kind,
        settlement_id=result.settlement_id,
        msgid=result.msgid or (mine.settlement.msgid if mine else ""),
        bill_no=mine.bill_no if mine else "",
        ours=mine.settlement.amounts.total_fee if mine else None,
        theirs=(
            None
            if result.verdict is StatementVerdict.INSTITUTION_ONLY
            else result.total_fee
        ),
        memo=result.memo,
        our_id=mine.our_id if mine else "",
    )


def _is_in(settled: CentreSettlement, group: StatementGroup) -> bool:
    return (
        settled.insurance,
        settled.clearing_type,
        settled.clearing_office,
    ) == (group.insurance, group.clearing_type, group.clearing_office)


def _group_json(one: GroupReport) -> dict[str, JsonValue]:
    group = one.group
    return {
        "insurance": group.insurance.value,
        "clearing_type": group.clearing_type,
        "clearing_office": group.clearing_office,
        "count": group.count,
        "total_fee": str(group.total_fee),
        "fund_total": str(group.fund_total),
        "account_pay": str(group.account_pay),
        "cash_pay": str(group.cash_pay),
        "balanced": one.balanced,
        "said": one.verdict.description,
    }


def _difference_json(one: Difference) -> dict[str, JsonValue]:
    zh, en = NEXT_STEP[one.kind]
    return {
        "kind": one.kind.value,
        "settlement_id": one.settlement_id,
        "msgid": one.msgid,
        "bill_no": one.bill_no,
        "ours": None if one.ours is None else str(one.ours),
        "theirs": None if one.theirs is None else str(one.theirs),
        "memo": one.memo,
        "our_id": one.our_id,
        "next_step": en,
        "next_step_zh": zh,
    }


_HEADINGS = (
    (
        "险种",
        "清算类别",
        "经办机构",
        "笔数",
        "医疗费总额",
        "基金支付",
        "个人账户",
        "现金",
        "结果",
    ),
    (
        "insurance",
        "clearing",
        "office",
        "count",
        "total",
        "funds",
        "account",
        "cash",
        "result",
    ),
)
_RESULT = (("平", "不平"), ("balanced", "differs"))
_TITLE = ("日终对账", "Reconciliation of")
_NOTHING = ("零差异", "no differences")
_OPEN = ("未决结算", "undecided settlements")
_HEAD = ("账本末条", "journal's newest entry")


def _table(report_: DayReport, language: int) -> str:
    table = [_HEADINGS[language]]
    for one in report_.groups:
        group = one.group
        table.append(
            (
                INSURANCE[group.insurance],
                group.clearing_type,
                group.clearing_office,
                str(group.count),
                str(group.total_fee),
                str(group.fund_total),
                str(group.account_pay),
                str(group.cash_pay),
                _RESULT[language][0 if one.balanced else 1],
            )
        )
    widths = [max(_width(row[i]) for row in table) for i in range(len(table[0]))]
    lines = [f"{_TITLE[language]} {report_.date}"]
    lines += [
        "  ".join(_pad(cell, width) for cell, width in zip(row, widths, strict=True))
        for row in table
    ]
    for one_difference in report_.differences:
        ours, theirs = one_difference.ours, one_difference.theirs
        lines.append(
            f"! {one_difference.kind.value} {one_difference.settlement_id} "
            f"{one_difference.bill_no} {ours or '-'} / {theirs or '-'}: "
            f"{NEXT_STEP[one_difference.kind][language]}"
        )
    if report_.open_items:
        lines.append(f"! {_OPEN[language]}: {', '.join(report_.open_items)}")
    if report_.balanced:
        lines.append(_NOTHING[language])
    if report_.journal_head:
        lines.append(f"{_HEAD[language]} {report_.journal_head}")
    return "\n".join(lines)


def _width(text: str) -> int:
    """Return the columns *text* takes on a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int) -> str:
    return " " * (width - _width(text)) + text
