"""What was asked before: the same request answered again, the same bill refused."""

from __future__ import annotations

from settlement.journal import Journal
from settlement.lifecycle import OPEN
from terminal.errors import (
    BillAlreadySettledError,
    KeyReusedError,
    SettlementInFlightError,
)
from terminal.service import Answer


def replayed(journal: Journal, key: str, digest: str) -> Answer | None:
    """Return the answer that *key* was given, byte for byte; None: it is new.

    Raises:
        KeyReusedError: the key belongs to another request.
        SettlementInFlightError: the same request is under way or undecided.
    """
    known = journal.key(key)
    if known is None:
        return None
    if known.digest != digest:
        raise KeyReusedError(known.settlement_id)
    answer = journal.answer(key)
    if answer is None:
        raise SettlementInFlightError(known.settlement_id)
    return Answer(answer.status, answer.body, replayed=True)


def refuse_settled_bill(journal: Journal, bill_no: str) -> None:
    """Let no bill number be settled twice.

    Raises:
        SettlementInFlightError: a settlement of it is not decided yet.
        BillAlreadySettledError: a living settlement has it.
    """
    living = journal.living_bill(bill_no)
    if living is None:
        return
    if living.state in OPEN:
        raise SettlementInFlightError(living.settlement_id)
    raise BillAlreadySettledError(living.settlement_id)
