"""Which messages came: each may book once, and a reversed one never again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select

from settlement.centre import persons, records
from settlement.centre.book import Page
from settlement.centre.refusal import Refusal
from settlement.centre.tables import MESSAGE, TOMBSTONE

_SEEN = select(MESSAGE.c.infno, MESSAGE.c.person_id).where(
    MESSAGE.c.msgid == bindparam("msgid")
)
_BURIED = select(TOMBSTONE.c.msgid).where(TOMBSTONE.c.msgid == bindparam("msgid"))


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that may book something, reduced to what identifies it."""

    msgid: str
    infno: str
    person_id: str
    digest: str  #: SHA-256 of what it asks


def admit(page: Page, message: Arrived) -> None:
    """Let a message in that was never here and was not reversed before it came.

    What a centre does with a repeated 报文ID is not public. Ours refuses it and
    leaves the first one untouched, whether the content is the same or not: the sender
    that lost our answer asks for the record (5204, 5203) or reverses it (2601).

    Raises:
        Refusal: the msgid was seen, or was reversed before it was seen.
    """
    if _row(page, message.msgid) is not None:
        code = "message-repeated"
        raise Refusal(code, "报文ID重复，该报文已处理，请查询原结果，不要重新发送")
    if _is_tombstoned(page, message.msgid):
        code = "message-reversed"
        raise Refusal(code, "该报文已被冲正，不再受理，请使用新的报文ID重新发起")


def note(page: Page, message: Arrived, *, accepted: bool, answer: str) -> None:
    """Write down what became of a message."""
    page.connection.execute(
        insert(MESSAGE).values(
            msgid=message.msgid,
            infno=message.infno,
            person_id=message.person_id,
            digest=message.digest,
            accepted=int(accepted),
            answer=answer,
            at=page.at_text,
        )
    )


def reverse(page: Page, original: Arrived, *, msgid: str) -> None:
    """Reverse what *original* booked, or see to it that it never will (2601).

    Repeating it changes nothing. ``original.digest`` is not looked at: whoever lost
    an answer knows only the msgid.

    Raises:
        Refusal: person or transaction are not those of the message, or the record
            cannot be reversed any more.
    """
    if persons.find(page, original.person_id) is None:
        code, sentence = "person-unknown", "人员编号不存在，请重新获取人员信息"
        raise Refusal(code, sentence)
    seen = _row(page, original.msgid)
    if seen is None:
        _bury(page, original)
        return
    if seen != (original.infno, original.person_id):
        code, sentence = "reversal-mismatch", "人员编号或交易编号与原报文不符，不能冲正"
        raise Refusal(code, sentence)
    record = records.by_msgid(page, original.msgid)
    if record is not None:
        records.reverse(page, record, msgid=msgid)


def came(page: Page, msgid: str) -> bool:
    """Say whether a message that may book something was ever let in."""
    return _row(page, msgid) is not None


def _bury(page: Page, original: Arrived) -> None:
    if not _is_tombstoned(page, original.msgid):
        page.connection.execute(
            insert(TOMBSTONE).values(
                msgid=original.msgid,
                infno=original.infno,
                person_id=original.person_id,
                at=page.at_text,
            )
        )


def _row(page: Page, msgid: str) -> tuple[str, str] | None:
    row = page.connection.execute(_SEEN, {"msgid": msgid}).one_or_none()
    return None if row is None else (row[0], row[1])


def _is_tombstoned(page: Page, msgid: str) -> bool:
    return page.connection.execute(_BURIED, {"msgid": msgid}).first() is not None
