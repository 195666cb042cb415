"""A program that writes a journal and says what was acknowledged: to be killed.

    python -m tests.faults.writing_journal write PATH
    python -m tests.faults.writing_journal full PATH

``write`` goes on for ever and prints one line after every step that returned.
``full`` lets the disk take no more after some steps and prints what it then says.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import resource
import sys
from pathlib import Path

from settlement.journal import Journal
from settlement.journal_errors import JournalStoppedError
from settlement.journal_records import Answer, Intent
from settlement.ledger import entry_for
from settlement.lifecycle import State
from settlement.money import Money
from settlement.seal import Sealer
from tests.terminal.small_centre import half_paid, negative

KEY = bytes(range(32))
BILL = half_paid(Money(4001))


def open_at(path: Path) -> Journal:
    """Open the journal this program and its test share."""
    return Journal.open(
        path,
        sealer=Sealer(KEY),
        institution="H99010000001",
        terminal_no=1,
        now=lambda: dt.datetime.now(dt.UTC),
    )


def tell(settlement_id: str, state: State) -> None:
    """Say that a step was acknowledged."""
    sys.stdout.write(f"{settlement_id} {state.value}\n")
    sys.stdout.flush()


def begin(journal: Journal, number: int) -> str:
    """Write an intent under a msgid of its own."""
    settlement_id = f"s{number}"
    journal.intend(
        Intent(
            settlement_id=settlement_id,
            key=f"k{number}",
            digest="d",
            bill_no=f"B{number}",
            kind="outpatient",
            msgid=journal.next_msgid(),
            infno="2207",
            person_id="P1",
            insured_region="990100",
            facts={"total_fee": "40.01"},
            personal={"name": "测试甲"},
            evidence={},
        )
    )
    return settlement_id


def settle(journal: Journal, settlement_id: str) -> None:
    """Send and settle, with postings and the caller's answer."""
    journal.advance(journal.record(settlement_id), State.SENDING, {})
    tell(settlement_id, State.SENDING)
    journal.advance(
        journal.record(settlement_id),
        State.SETTLED,
        {},
        postings=entry_for(settlement_id, BILL),
        answer=lambda record: Answer(201, record.state.value.encode()),
    )
    tell(settlement_id, State.SETTLED)


def cancel(journal: Journal, settlement_id: str) -> None:
    """Take it back, with its own key and answer."""
    journal.claim_cancellation(settlement_id, f"c-{settlement_id}", "d", {})
    tell(settlement_id, State.CANCELLING)
    journal.advance(
        journal.record(settlement_id),
        State.CANCELLED,
        {},
        postings=entry_for(settlement_id, negative(BILL), cancels=True),
        answer=lambda record: Answer(200, record.state.value.encode()),
    )
    tell(settlement_id, State.CANCELLED)


def write(path: Path) -> None:
    """Settle for ever, and cancel every other one."""
    journal = open_at(path)
    for number in itertools.count(len(journal.records()) + 1):
        settlement_id = begin(journal, number)
        tell(settlement_id, State.INTENT)
        settle(journal, settlement_id)
        if number % 2:
            cancel(journal, settlement_id)


def full(path: Path) -> None:
    """Settle twice, then let no file grow: the disk is full."""
    journal = open_at(path)
    for number in (1, 2):
        settle(journal, begin(journal, number))
    begin(journal, 3)
    size = path.with_name(path.name + "-wal").stat().st_size
    unlimited = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, unlimited))
    said = [refused(lambda: begin(journal, 4)), refused(lambda: settle(journal, "s3"))]
    resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
    # Room again, and still refused: what reached the disk is not known here.
    said.append(refused(lambda: begin(journal, 5)))
    open_items = [record.settlement_id for record in journal.open_items()]
    state = {
        "said": said,
        "writable": journal.writable(),
        "open_items": open_items,
        "settled": journal.record("s2").state.value,
    }
    journal.close()
    sys.stdout.write(json.dumps(state) + "\n")


def refused(step: object) -> str:
    """Return the code a step is refused with."""
    if not callable(step):
        raise TypeError
    try:
        step()
    except JournalStoppedError as error:
        return error.code
    return "done"


if __name__ == "__main__":
    {"write": write, "full": full}[sys.argv[1]](Path(sys.argv[2]))
