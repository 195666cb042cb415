"""The journal under SIGKILL and on a full disk: what was acknowledged is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from settlement.journal import Journal
from settlement.journal_proof import verify
from settlement.journal_records import Record
from settlement.ledger import Account
from settlement.lifecycle import OPEN, State
from settlement.money import Money
from settlement.seal import Sealer

if os.name != "posix":
    pytest.skip("limits and SIGKILL are those of POSIX", allow_module_level=True)

from tests.faults.writing_journal import KEY, open_at

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]
#: How far a settlement is, to compare what was said with what is there.
FAR = (
    State.INTENT,
    State.SENDING,
    State.SETTLED,
    State.CANCELLING,
    State.CANCELLED,
)


def program(what: str, path: Path) -> subprocess.Popen[str]:
    """Start the writing program."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.writing_journal", what, str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def killed_after(path: Path, steps: int) -> dict[str, State]:
    """Kill the writer after so many acknowledged steps; return the newest of each."""
    with program("write", path) as process:
        out = process.stdout
        if out is None:
            raise AssertionError
        lines = [out.readline() for _ in range(steps)]
        process.kill()
        # What it said before it died counts as acknowledged too.
        lines += [line for line in out if line.endswith("\n")]
    newest: dict[str, State] = {}
    for line in lines:
        settlement_id, state = line.split()
        newest[settlement_id] = State(state)
    return newest


def check_consistent(journal: Journal, record: Record) -> None:
    """Check that a settlement has what its state says, and nothing half."""
    legs = journal.postings(record.settlement_id)
    booked = record.state in {State.SETTLED, State.CANCELLING}
    income = -Money.total(x.amount for x in legs if x.account is Account.MEDICAL_INCOME)

    assert Money.total(leg.amount for leg in legs) == Money.ZERO
    assert income == (Money(4001) if booked else Money.ZERO)
    assert (journal.answer(record.key) is not None) == ("settled" in record.facts)
    if record.cancel_key:
        answered = journal.answer(record.cancel_key) is not None
        assert answered == (record.state is State.CANCELLED)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6, 7, 8, 23])
def test_a_writer_killed_anywhere_leaves_a_whole_journal(tmp_path: Path, steps: int):
    """Nothing acknowledged is lost, nothing is half, and the chain is proven."""
    path = tmp_path / "journal.db"
    acknowledged = killed_after(path, steps)

    proven = verify(path, Sealer(KEY))
    journal = open_at(path)
    records = {record.settlement_id: record for record in journal.records()}

    assert proven.ok, proven.lines()
    for settlement_id, state in acknowledged.items():
        assert FAR.index(records[settlement_id].state) >= FAR.index(state)
    for record in records.values():
        check_consistent(journal, record)
    assert sum(record.state in OPEN for record in records.values()) <= 1
    assert len({record.msgid for record in records.values()}) == len(records)
    journal.close()
    assert verify(path, Sealer(KEY)).ok


def test_a_journal_killed_again_and_again_stays_whole(tmp_path: Path):
    """Each start goes on after the last acknowledged entry."""
    path = tmp_path / "journal.db"
    acknowledged: dict[str, State] = {}
    for steps in (4, 1, 9, 2):
        acknowledged |= killed_after(path, steps)

    proven = verify(path, Sealer(KEY))
    journal = open_at(path)
    there = {record.settlement_id for record in journal.records()}
    journal.close()

    assert proven.ok, proven.lines()
    assert acknowledged.keys() <= there


def test_f14_a_full_disk_stops_the_journal_and_loses_nothing(tmp_path: Path):
    """No more is promised, what was is readable, and a restart goes on."""
    path = tmp_path / "journal.db"
    with program("full", path) as process:
        out, _ = process.communicate(timeout=60)
    state = json.loads(out.splitlines()[-1])

    proven = verify(path, Sealer(KEY))
    journal = open_at(path)
    open_ids = [record.settlement_id for record in journal.open_items()]
    journal.close()

    assert process.returncode == 0
    assert state == {
        "said": ["journal-stopped"] * 3,
        "writable": False,
        "open_items": ["s3"],
        "settled": "settled",
    }
    assert proven.ok, proven.lines()
    assert open_ids == ["s3"]
