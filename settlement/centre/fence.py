"""One terminal, one journal: a copy of it, or an older one, books nothing.

To work, a terminal has to show that the entry it told last is in the journal it has
now: a restored image lacks it, a clone that went on has another in its place. Whoever
showed it last has the terminal, and the run before it books nothing any more. So two
copies never settle beside each other.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, bindparam, insert, select, update

from settlement.centre.book import Page
from settlement.centre.heads import (
    FENCED_WORDS,
    NO_ENTRY,
    NOTHING_KNOWN,
    Entry,
    Known,
    Told,
    read,
)
from settlement.centre.refusal import Refusal
from settlement.centre.tables import DEVICE

FENCED = "terminal-fenced"
_REMEMBERED = select(DEVICE.c.run, DEVICE.c.turn, DEVICE.c.seq, DEVICE.c.digest).where(
    DEVICE.c.institution == bindparam("institution"),
    DEVICE.c.dev_no == bindparam("dev_no"),
)
#: Something of this terminal came between the two sign-ins, or this is a late copy.
_OVERTAKEN = ("not-signed-in", "签到流水号已被更新，请重新签到")


def remembered(page: Page, institution: str, dev_no: str) -> Known:
    """Return what a terminal has told last."""
    _, known = _remembered(page, institution, dev_no)
    return known


def take(page: Page, institution: str, dev_no: str, told: Told) -> None:
    """Give the terminal to the run that signs in, if its journal goes on from there.

    Raises:
        Refusal: it does not; the run that has the terminal keeps it.
    """
    run, last = _remembered(page, institution, dev_no)
    if run == told.run:
        # It has it already: its messages may overtake each other.
        return
    known = told.known or NOTHING_KNOWN
    if (known.turn, known.entry.seq) != (last.turn, last.entry.seq):
        # It shows another place than the one remembered now. A late message of the run
        # before may have moved it meanwhile: that is no sign of a copy, so ask again.
        raise Refusal(*_OVERTAKEN)
    if known.entry != last.entry or told.head.seq < last.entry.seq:
        raise Refusal(
            FENCED,
            f"{FENCED_WORDS}（中心记到第{last.entry.seq}条，"
            f"本机第{told.head.seq}条），可能是恢复或复制的终端，请联系管理员",
        )
    values = {"run": told.run, "turn": last.turn + 1, "at": page.at_text}
    mine = (*_is(institution, dev_no), DEVICE.c.turn == last.turn)
    if page.connection.execute(update(DEVICE).where(*mine).values(**values)).rowcount:
        return
    if last is not NOTHING_KNOWN:
        raise Refusal(*_OVERTAKEN)
    page.connection.execute(
        insert(DEVICE).values(
            institution=institution,
            dev_no=dev_no,
            seq=last.entry.seq,
            digest=last.entry.digest,
            **values,
        )
    )


def require(page: Page, institution: str, dev_no: str, told: str) -> None:
    """Let only the run that has the terminal move money, and remember its head.

    A message that tells nothing of a journal is not fenced.

    Raises:
        Refusal: another run has it now, or the terminal was released.
    """
    found = read(told)
    if not dev_no or found is None:
        return
    mine = (*_is(institution, dev_no), DEVICE.c.run == found.run)
    at = {"at": page.at_text}
    head = {"seq": found.head.seq, "digest": found.head.digest}
    # Messages of one terminal may overtake each other: the head never goes back.
    ahead = update(DEVICE).where(*mine, DEVICE.c.seq <= found.head.seq)
    if page.connection.execute(ahead.values(**head, **at)).rowcount:
        return
    if page.connection.execute(select(DEVICE.c.seq).where(*mine)).first() is None:
        raise Refusal(FENCED, f"{FENCED_WORDS}：该终端已在别处签到，请联系管理员")


def release(page: Page, institution: str, dev_no: str) -> bool:
    """Forget what a terminal told: the next run that signs in has it.

    Returns:
        False if there is no such terminal.
    """
    values = {"run": "", "seq": 0, "digest": NO_ENTRY.digest, "at": page.at_text}
    released = page.connection.execute(
        update(DEVICE)
        .where(*_is(institution, dev_no))
        .values(turn=DEVICE.c.turn + 1, **values)
    )
    return bool(released.rowcount)


def _remembered(page: Page, institution: str, dev_no: str) -> tuple[str, Known]:
    """Return which run has the terminal, and what it told last."""
    asked = {"institution": institution, "dev_no": dev_no}
    row = page.connection.execute(_REMEMBERED, asked).one_or_none()
    if row is None:
        return "", NOTHING_KNOWN
    run, turn, seq, digest = row
    return run, Known(turn, Entry(seq, digest))


def _is(institution: str, dev_no: str) -> tuple[ColumnElement[bool], ...]:
    return (DEVICE.c.institution == institution, DEVICE.c.dev_no == dev_no)
