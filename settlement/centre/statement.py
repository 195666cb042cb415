"""The files of 3202: TAB-separated text in a ZIP, ours out and the centre's back.

Source: HN tables 148-151: UTF-8, no header, one row a line, empty is ``null``.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from settlement.centre.port import StatementResult, StatementRow, StatementVerdict
from settlement.centre.replies import UnreadableAnswerError
from settlement.money import Money

EMPTY = "null"
UPLOAD_NAME = "detail.txt"
#: A day of the largest hospital is far below; more is an attack or a mistake.
MAX_UNPACKED = 64 * 1024 * 1024

#: Columns before the memo, and the amounts after it: read from both ends, because
#: the columns between shift by one at some centres.
_HEAD, _TAIL = 6, 3


def pack_rows(rows: Iterable[StatementRow], row_end: str = "\n") -> bytes:
    """Write our rows, *row_end* between them, as the ZIP that 9101 uploads."""
    lines = [
        "\t".join(
            (
                row.settlement_id or EMPTY,
                row.visit_id or EMPTY,
                row.person_id or EMPTY,
                row.total_fee.to_yuan(),
                row.fund_total.to_yuan(),
                row.account_pay.to_yuan(),
                "1" if row.refund else "0",
            )
        )
        for row in rows
    ]
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(UPLOAD_NAME, row_end.join(lines))
    return box.getvalue()


def unpack_results(
    content: bytes, verdicts: Mapping[str, StatementVerdict], charsets: Sequence[str]
) -> tuple[StatementResult, ...]:
    """Read the centre's result file.

    Args:
        content: The ZIP.
        verdicts: What each 对账结果 of a row means.
        charsets: Of the text, in the order to try.

    Raises:
        UnreadableAnswerError: not a ZIP of one readable TAB-separated text.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (info,) = archive.infolist()
            if info.file_size > MAX_UNPACKED:
                msg = "the result file is too large"
                raise UnreadableAnswerError(msg)
            raw = archive.read(info)
    except (zipfile.BadZipFile, ValueError) as error:
        msg = "the result is not a ZIP of one file"
        raise UnreadableAnswerError(msg) from error
    lines = _text(raw, charsets).splitlines()
    return tuple(_result(line, verdicts) for line in lines if line.strip())


def _text(raw: bytes, charsets: Sequence[str]) -> str:
    for charset in charsets:
        with suppress(UnicodeDecodeError):
            return raw.decode(charset)
    msg = "the result is in no known character set"
    raise UnreadableAnswerError(msg)


def _result(line: str, verdicts: Mapping[str, StatementVerdict]) -> StatementResult:
    columns = ["" if column == EMPTY else column for column in line.split("\t")]
    if len(columns) < _HEAD + _TAIL:
        msg = f"a result row has {len(columns)} columns"
        raise UnreadableAnswerError(msg)
    person, visit, settlement, msgid, verdict, refund = columns[:_HEAD]
    memo = "".join(columns[_HEAD:-_TAIL])
    total, fund, account = columns[-_TAIL:]
    if verdict not in verdicts:
        msg = "a result row has an unknown verdict"
        raise UnreadableAnswerError(msg)
    return StatementResult(
        verdict=verdicts[verdict],
        person_id=person,
        visit_id=visit,
        settlement_id=settlement,
        msgid=msgid,
        refund=refund == "1",
        memo=memo,
        total_fee=_money(total),
        fund_total=_money(fund),
        account_pay=_money(account),
    )


def _money(text: str) -> Money | None:
    try:
        return Money.yuan(text) if text else None
    except ValueError as error:
        msg = "a result row has an amount that is none"
        raise UnreadableAnswerError(msg) from error
