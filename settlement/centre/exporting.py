"""A day's statement as a file for analysts, and what the book comes to by account."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select

from settlement.centre.book import Page
from settlement.centre.tables import AMOUNTS, POSTING, REVERSAL, SETTLEMENT

#: Columns of a statement row, in order: ids and words first, then amounts in fen.
WORDS = (
    "settlement_id",
    "visit_id",
    "person_id",
    "msgid",
    "infno",
    "institution",
    "insurance",
    "kind",
    "clearing_type",
    "clearing_office",
    "region",
    "cancels",
    "settled_at",
)
FEN = tuple(f"{name}_fen" for name in AMOUNTS)


def statement(page: Page, day: dt.date) -> Iterator[tuple[str | int, ...]]:
    """Return the rows of *day* that count, by time: reversed ones are left out."""
    gone = select(REVERSAL.c.settlement_id)
    columns = [SETTLEMENT.c[name] for name in (*WORDS, *FEN)]
    rows = page.connection.execute(
        select(*columns)
        .where(
            SETTLEMENT.c.settled_at >= f"{day.isoformat()} 00:00:00",
            SETTLEMENT.c.settled_at <= f"{day.isoformat()} 23:59:59",
            SETTLEMENT.c.settlement_id.not_in(gone),
        )
        .order_by(SETTLEMENT.c.seq)
    )
    for row in rows:
        yield tuple(row)


@dataclass(frozen=True, slots=True)
class Sum:
    """What the postings of an institution and account come to, debit positive."""

    institution: str
    account: str  #: its class: personal accounts of an insurance are one
    fen: int


def balances(page: Page, begin: dt.date, end: dt.date) -> tuple[Sum, ...]:
    """Add up the postings of *begin* to *end* by institution and account."""
    undone = SETTLEMENT.alias("undone")
    of = func.coalesce(SETTLEMENT.c.institution, undone.c.institution)
    rows = page.connection.execute(
        select(
            of.label("institution"),
            POSTING.c.account,
            func.sum(POSTING.c.amount_fen).label("fen"),
        )
        .outerjoin(SETTLEMENT, SETTLEMENT.c.settlement_id == POSTING.c.entry_id)
        .outerjoin(REVERSAL, REVERSAL.c.reversal_id == POSTING.c.entry_id)
        .outerjoin(undone, undone.c.settlement_id == REVERSAL.c.settlement_id)
        .where(
            POSTING.c.at >= f"{begin.isoformat()} 00:00:00",
            POSTING.c.at <= f"{end.isoformat()} 23:59:59",
        )
        .group_by(of, POSTING.c.account)
    )
    sums: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (str(row.institution), _class_of(str(row.account)))
        sums[key] = sums.get(key, 0) + int(row.fen)
    return tuple(Sum(*key, fen) for key, fen in sorted(sums.items()) if fen)


def _class_of(account: str) -> str:
    """Leave out of an account's name whose it is: that would be a list of persons."""
    kind, *rest = account.split(":")
    match kind:
        case "account":
            return f"{kind}:{rest[0]}"
        case "hospital" | "fees":
            return kind
        case _:
            return account
