"""The proof finds every kind of tampering and names the row."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from settlement.chain import anchor_path
from settlement.lifecycle import State
from settlement.schema import APPEND_ONLY
from settlement.seal import Sealer
from settlement.verify import FaultKind, Verdict, verify
from tests.settlement.test_journal import KEY, intent, open_at, settled


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a closed journal with three settlements: nine entries."""
    where = tmp_path / "journal.db"
    journal = open_at(where)
    for number in (1, 2, 3):
        settled(journal, number)
    journal.close()
    return where


def tamper(path: Path, *statements: str) -> None:
    """Do what somebody with the file and without scruples could do."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA foreign_keys = OFF")
    for table in APPEND_ONLY:
        connection.execute(f"DROP TRIGGER {table}_never_changes")
        connection.execute(f"DROP TRIGGER {table}_never_goes")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def proven(path: Path) -> Verdict:
    """Run the proof."""
    return verify(path, Sealer(KEY))


def found(path: Path) -> set[tuple[FaultKind, int]]:
    """Return the faults as (kind, row)."""
    return {(fault.kind, fault.seq) for fault in proven(path).faults}


def test_an_honest_journal_is_proven(path: Path):
    """No false alarm, and the head is told."""
    verdict = proven(path)

    assert verdict.ok
    assert verdict.entries == 9
    assert verdict.lines()[0].startswith("ok: 9 entries")


def test_an_edited_row_is_named(path: Path):
    """One amount in one body."""
    tamper(path, "UPDATE entry SET body = replace(body, '40.00', '41.00') WHERE seq=4")

    assert found(path) == {(FaultKind.EDITED, 4)}


def test_a_deleted_row_is_named(path: Path):
    """A row in the middle is gone with everything that belonged to it."""
    tamper(path, "DELETE FROM entry WHERE seq = 5")

    assert (FaultKind.DELETED, 5) in found(path)


def test_two_rows_that_changed_places_are_named(path: Path):
    """Same bytes, other order."""
    tamper(
        path,
        "UPDATE entry SET seq = 100 WHERE seq = 5",
        "UPDATE entry SET seq = 5 WHERE seq = 8",
        "UPDATE entry SET seq = 8 WHERE seq = 100",
        "UPDATE sqlite_sequence SET seq = 9 WHERE name = 'entry'",
    )

    assert {(FaultKind.REORDERED, 5), (FaultKind.REORDERED, 8)} <= found(path)


def test_rows_cut_off_the_end_are_named(path: Path):
    """Also by somebody who resets SQLite's own counter: the anchor remembers."""
    tamper(
        path,
        "DELETE FROM posting WHERE seq > 6",
        "DELETE FROM answer WHERE seq > 6",
        "DELETE FROM idempotency_key WHERE seq > 6",
        "DELETE FROM intent WHERE seq > 6",
        "DELETE FROM entry WHERE seq > 6",
        "UPDATE sqlite_sequence SET seq = 6 WHERE name = 'entry'",
    )

    assert found(path) == {
        (FaultKind.TRUNCATED, 7),
        (FaultKind.TRUNCATED, 8),
        (FaultKind.TRUNCATED, 9),
    }


def test_a_truncated_journal_without_its_anchor_is_found_too(path: Path):
    """SQLite remembers the highest number, and a missing anchor is a finding."""
    tamper(path, "DELETE FROM entry WHERE seq = 9")
    anchor_path(path).unlink()

    kinds = {kind for kind, _ in found(path)}

    assert {FaultKind.ANCHOR_MISSING, FaultKind.TRUNCATED} <= kinds


def test_a_changed_posting_is_named(path: Path):
    """The side tables must say what the chained bytes say."""
    tamper(path, "UPDATE posting SET fen = fen + 1 WHERE seq = 3 AND leg = 0")

    assert found(path) == {(FaultKind.SIDE_TABLE, 3)}


def test_a_changed_answer_is_named(path: Path):
    """What a retry would get is part of the proof."""
    tamper(path, "UPDATE answer SET body = X'00' WHERE key = 'k2'")

    assert found(path) == {(FaultKind.SIDE_TABLE, 6)}


def test_a_row_nobody_wrote_is_not_proven(path: Path):
    """An entry appended from outside follows nothing."""
    tamper(
        path,
        "INSERT INTO entry SELECT 10, at, settlement_id, kind, state, body, sealed, "
        "prev, digest FROM entry WHERE seq = 9",
    )

    assert not proven(path).ok


def test_an_anchor_of_another_key_counts_as_missing(path: Path):
    """A forged anchor is no anchor."""
    verdict = verify(path, Sealer(bytes(32)))

    assert [fault.kind for fault in verdict.faults] == [FaultKind.ANCHOR_MISSING]


def test_the_proof_runs_beside_the_daemon(tmp_path: Path):
    """Finance proves the journal while the counter is open."""
    where = tmp_path / "journal.db"
    journal = open_at(where)
    journal.intend(intent())
    during = proven(where)
    journal.advance("s1", State.SENDING, {})
    journal.close()

    assert during.ok
    assert proven(where).entries == 2


def test_a_journal_that_is_not_there_is_an_error(tmp_path: Path):
    """No file is not an empty proof."""
    with pytest.raises(FileNotFoundError):
        proven(tmp_path / "none.db")
