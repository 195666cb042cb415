"""The statement: the institution's sums and rows against the book (3201, 3202).

A statement counts records by the day of 结算时间, a settlement and its negative record
each for itself; reversed records are not in it at all.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

from settlement.centre import records
from settlement.centre.book import Page
from settlement.centre.intake import Totals
from settlement.centre.port import (
    StatementResult,
    StatementRow,
    StatementVerdict,
)
from settlement.centre.records import Period, Record
from settlement.centre.refusal import Refusal
from settlement.money import Money
from settlement.nhsa import INSURANCE

RESULT_NAME = "result.txt"
#: Nothing an institution uploads for one day needs more; a bigger one is an attack.
MAX_UNPACKED = 64 * 1024 * 1024

_COLUMNS = 7
_EMPTY = "null"
_VERDICT = {
    StatementVerdict.EQUAL: "0",
    StatementVerdict.CENTRE_ONLY: "1",
    StatementVerdict.INSTITUTION_ONLY: "2",
    StatementVerdict.AMOUNTS_DIFFER: "3",
}
_MEMO = {
    StatementVerdict.EQUAL: "平",
    StatementVerdict.CENTRE_ONLY: "中心多",
    StatementVerdict.INSTITUTION_ONLY: "医药机构多",
    StatementVerdict.AMOUNTS_DIFFER: "数据不一致",
}


def period_of(institution: str, totals: Totals) -> Period:
    """Say which records the totals are about."""
    if totals.end < totals.begin:
        code, sentence = "period-invalid", "对账结束日期早于开始日期，请更正"
        raise Refusal(code, sentence)
    return Period(
        institution=institution,
        clearing_type=totals.clearing_type,
        clearing_office=totals.clearing_office,
        begin=totals.begin,
        end=totals.end,
    )


def compare_totals(page: Page, institution: str, totals: Totals) -> tuple[str, ...]:
    """Name every sum of 3201 in which the book differs; nothing if it balances."""
    kept = [
        record.settled
        for record in records.in_period(page, period_of(institution, totals))
        if record.settled.insurance is totals.insurance
    ]
    ours = (
        (
            "医疗费总额",
            Money.total(s.amounts.total_fee for s in kept),
            totals.total_fee,
        ),
        (
            "基金支付总额",
            Money.total(s.amounts.fund_total for s in kept),
            totals.fund_total,
        ),
        (
            "个人账户支付",
            Money.total(s.amounts.account_pay for s in kept),
            totals.account_pay,
        ),
        ("结算笔数", len(kept), totals.count),
    )
    return tuple(
        f"{name}不一致：中心{centre}，机构{theirs}"
        for name, centre, theirs in ours
        if centre != theirs
    )


def compare_rows(
    page: Page, institution: str, totals: Totals, rows: tuple[StatementRow, ...]
) -> tuple[StatementResult, ...]:
    """Judge every uploaded row, and name every record that was not uploaded.

    3202 names no insurance, so the answer covers them all for the clearing type; the
    memo ends with the insurance, by which a caller can leave out what it did not ask.

    Raises:
        Refusal: the rows do not add up to the totals sent with them.
    """
    _check_header(totals, rows)
    period = period_of(institution, totals)
    kept = {r.settled.settlement_id: r for r in records.in_period(page, period)}
    results = []
    for row in rows:
        record = kept.pop(row.settlement_id, None)
        results.append(_unknown(row) if record is None else _judged(record, row))
    missing = (_stated(r, StatementVerdict.CENTRE_ONLY) for r in kept.values())
    return (*results, *missing)


def _check_header(totals: Totals, rows: tuple[StatementRow, ...]) -> None:
    sums = (
        Money.total(row.total_fee for row in rows),
        Money.total(row.fund_total for row in rows),
        len(rows),
    )
    if sums != (totals.total_fee, totals.fund_total, totals.count):
        code, sentence = (
            "header-mismatch",
            "上传明细合计与对账汇总不一致，请重新生成明细",
        )
        raise Refusal(code, sentence)


def _judged(record: Record, row: StatementRow) -> StatementResult:
    amounts = record.settled.amounts
    theirs = (
        row.visit_id,
        row.person_id,
        row.total_fee,
        row.fund_total,
        row.account_pay,
        row.refund,
    )
    ours = (
        record.settled.visit_id,
        record.settled.person_id,
        amounts.total_fee,
        amounts.fund_total,
        amounts.account_pay,
        bool(record.settled.cancels),
    )
    if theirs == ours:
        return _stated(record, StatementVerdict.EQUAL)
    return _stated(record, StatementVerdict.AMOUNTS_DIFFER)


def _stated(record: Record, verdict: StatementVerdict) -> StatementResult:
    settled = record.settled
    return StatementResult(
        verdict=verdict,
        person_id=settled.person_id,
        visit_id=settled.visit_id,
        settlement_id=settled.settlement_id,
        msgid=settled.msgid,
        refund=bool(settled.cancels),
        memo=f"{_MEMO[verdict]} {INSURANCE[settled.insurance]}",
        total_fee=settled.amounts.total_fee,
        fund_total=settled.amounts.fund_total,
        account_pay=settled.amounts.account_pay,
    )


def _unknown(row: StatementRow) -> StatementResult:
    return StatementResult(
        verdict=StatementVerdict.INSTITUTION_ONLY,
        person_id=row.person_id,
        visit_id=row.visit_id,
        settlement_id=row.settlement_id,
        msgid="",
        refund=row.refund,
        memo=_MEMO[StatementVerdict.INSTITUTION_ONLY],
        total_fee=None,
        fund_total=None,
        account_pay=None,
    )


def unpack_rows(content: bytes) -> tuple[StatementRow, ...]:
    """Read an upload: a ZIP of one text, UTF-8, TAB between columns, no heading.

    A carriage return before the line feed and one empty eighth column are taken, as
    clients in the field send them.

    Raises:
        Refusal: it is not such a file; the sentence names the row.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            (entry,) = packed.infolist()
            if entry.file_size > MAX_UNPACKED:
                raise ValueError  # noqa: TRY301 - unreadable like the rest
            text = packed.read(entry).decode("utf-8-sig")
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError):
        code, sentence = "file-unreadable", "明细文件应为仅含一个UTF-8文本的ZIP"
        raise Refusal(code, sentence) from None
    lines = (line for line in text.splitlines() if line.strip())
    return tuple(_row(line, number) for number, line in enumerate(lines, 1))


def _row(line: str, number: int) -> StatementRow:
    columns = [column.strip() for column in line.split("\t")]
    if len(columns) == _COLUMNS + 1 and columns[-1] in {"", _EMPTY}:
        columns.pop()
    try:
        settlement_id, visit_id, person_id, total, fund, account, refund = columns
        return StatementRow(
            settlement_id=settlement_id,
            visit_id=visit_id,
            person_id=person_id,
            total_fee=Money.yuan(total),
            fund_total=Money.yuan(fund),
            account_pay=Money.yuan(account),
            refund={"0": False, "1": True}[refund],
        )
    except (ValueError, KeyError):
        code = "file-unreadable"
        raise Refusal(code, f"明细文件第{number}行格式错误，应为7列TAB分隔") from None


def pack_results(results: Iterable[StatementResult]) -> bytes:
    """Write a result file: ten columns, TAB between them, in a ZIP."""
    text = "".join("\t".join(_columns(result)) + "\n" for result in results)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        # A fixed day: the same results are the same bytes.
        entry = zipfile.ZipInfo(RESULT_NAME, (1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, text.encode())
    return packed.getvalue()


def _columns(result: StatementResult) -> tuple[str, ...]:
    amounts = (result.total_fee, result.fund_total, result.account_pay)
    return (
        result.person_id,
        result.visit_id or _EMPTY,
        result.settlement_id or _EMPTY,
        result.msgid or _EMPTY,
        _VERDICT[result.verdict],
        "1" if result.refund else "0",
        result.memo or _EMPTY,
        *(_EMPTY if amount is None else amount.to_yuan() for amount in amounts),
    )
