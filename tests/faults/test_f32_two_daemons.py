"""Two daemons on one machine and one journal: one sells, the others say why not."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from settlement.journal import Journal
from settlement.journal_errors import JournalLockedError
from settlement.seal import Sealer

if os.name != "posix":
    pytest.skip("a race of forks is one of POSIX", allow_module_level=True)

RACERS = 10
RACES = 10
WON, LOCKED, OTHER = 10, 11, 12


def race(path: Path, ready: int, leave: int) -> int:
    """Open the journal when everybody is ready; keep it until told to leave."""
    os.read(ready, 1)
    try:
        journal = Journal.open(
            path,
            sealer=Sealer(bytes(range(32))),
            institution="H99010000001",
            terminal_no=0,
            now=lambda: dt.datetime.now(dt.UTC),
        )
    except JournalLockedError as error:
        return LOCKED if error.code == "journal-locked" else OTHER
    os.read(leave, 1)
    journal.close()
    return WON


@pytest.mark.parametrize("_number", range(RACES))
def test_f32_of_ten_daemons_that_start_at_once_one_has_the_journal(
    tmp_path: Path, _number: int
):
    """A hundred starts in all: one wins each race, nine are told that it is open."""
    path = tmp_path / "journal.db"
    ready, start = os.pipe()
    leave, let_go = os.pipe()
    children = []
    for _ in range(RACERS):
        child = os.fork()
        if child == 0:
            code = OTHER
            try:
                os.close(start)
                os.close(let_go)
                code = race(path, ready, leave)
            finally:
                os._exit(code)
        children.append(child)
    os.write(start, b"x" * RACERS)
    ended = sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(RACERS - 1))
    os.close(let_go)
    winner = os.waitstatus_to_exitcode(os.wait()[1])
    for end in (ready, start, leave):
        os.close(end)

    assert ended == [LOCKED] * (RACERS - 1)
    assert winner == WON
    again = Journal.open(
        path,
        sealer=Sealer(bytes(range(32))),
        institution="H99010000001",
        terminal_no=0,
        now=lambda: dt.datetime.now(dt.UTC),
    )
    again.close()
