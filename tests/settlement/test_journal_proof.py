"""The proof finds every kind of tampering and names the row."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from settlement.chain import anchor_path
from settlement.journal_proof import FaultKind, Verdict, slip_of, verify
from settlement.lifecycle import State
from settlement.schema import APPEND_ONLY
from settlement.seal import Sealer
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
    """Do what somebody with the file could do who cleans up after himself."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA foreign_keys = OFF")
    triggers = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in triggers:
        connection.execute(sql)
    connection.commit()
    connection.close()


def proven(path: Path) -> Verdict:
    """Run the proof."""
    return verify(path, Sealer(KEY))


def contents(path: Path) -> list[list[tuple[object, ...]]]:
    """Return every row of every table."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608 - the journal's own tables
            for table in APPEND_ONLY
        ]


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
        "DELETE FROM personal_hash WHERE seq > 6",
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


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE intent SET created_on = '1999-01-01' WHERE seq = 4",
        "UPDATE intent SET person_id = 'P2' WHERE seq = 4",
        "UPDATE idempotency_key SET digest = 'other' WHERE seq = 4",
        "DELETE FROM idempotency_key WHERE seq = 4",
        "INSERT INTO posting VALUES (4, 0, 'cash', 1)",
        "UPDATE personal_hash SET hash = 'other' WHERE seq = 4",
        "UPDATE personal_hash SET field = 'card_no' WHERE seq = 4",
        "UPDATE personal_hash SET settlement_id = 's1' WHERE seq = 4",
        "DELETE FROM personal_hash WHERE seq = 4",
        "INSERT INTO personal_hash VALUES (4, 's2', 'card_no', 'x')",
    ],
)
def test_a_side_table_that_says_something_else_is_named(path: Path, statement: str):
    """Lists, retries and books are read from these tables."""
    tamper(path, statement)

    assert found(path) == {(FaultKind.SIDE_TABLE, 4)}


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        "[]",
        '{"postings": 1}',
        '{"postings": [["cash"]]}',
        '{"postings": [["cash", "1"]]}',
        "[" * 100_000,
    ],
)
def test_an_edited_row_is_named_whatever_it_holds_now(path: Path, body: str):
    """The proof itself must not fall over what somebody wrote there."""
    tamper(path, f"UPDATE entry SET body = '{body}' WHERE seq = 3")  # noqa: S608 - the test's own text

    assert (FaultKind.EDITED, 3) in found(path)


def test_postings_that_do_not_balance_are_named(path: Path):
    """Also where entry and side table were changed alike."""
    body = '{"postings": [["cash", 1]]}'
    tamper(path, f"UPDATE entry SET body = '{body}' WHERE seq = 3")  # noqa: S608 - the test's own text

    assert (FaultKind.UNBALANCED, 3) in found(path)


def test_a_rewritten_chain_is_named(path: Path, tmp_path: Path):
    """Whole in itself, made with the code at hand, and not the anchored one."""
    other = tmp_path / "other.db"
    journal = open_at(other)
    for number in (4, 5, 6):
        settled(journal, number)
    journal.close()
    path.write_bytes(other.read_bytes())

    assert found(path) == {(FaultKind.REWRITTEN, 9)}


def forge(path: Path) -> None:
    """Put another journal in its place, anchored with the key itself."""
    for beside in path.parent.glob(f"{path.name}*"):
        beside.unlink()
    journal = open_at(path)
    for number in (4, 5, 6):
        settled(journal, number)
    journal.close()


@pytest.mark.parametrize("digits", [16, 64])
def test_a_day_end_slip_names_a_journal_that_was_written_anew(path: Path, digits: int):
    """Who has the key can forge chain and anchor, and not the paper."""
    head = proven(path).head
    slip = slip_of(f"{head.seq}:{head.digest[:digits]}")
    honest = verify(path, Sealer(KEY), [slip])
    forge(path)
    forged, told = proven(path), verify(path, Sealer(KEY), [slip])

    assert honest.ok
    assert forged.ok
    assert [(f.kind, f.seq) for f in told.faults] == [(FaultKind.REWRITTEN, head.seq)]


def test_a_day_end_slip_names_a_journal_that_ends_before_it(path: Path):
    """An older copy is whole in itself as well."""
    later = slip_of("10:" + "a" * 16)

    told = verify(path, Sealer(KEY), [later])

    assert [(f.kind, f.seq) for f in told.faults] == [(FaultKind.TRUNCATED, 10)]


@pytest.mark.parametrize("text", ["", "9", "9:abc", "0:" + "a" * 16, "9:" + "g" * 16])
def test_what_is_on_no_slip_is_refused(text: str):
    """Fifteen digits or a typing mistake prove nothing."""
    with pytest.raises(ValueError, match="day-end slip"):
        slip_of(text)


def test_a_step_without_an_arrow_is_named(path: Path):
    """A state edited in place goes where the drawing has no way."""
    tamper(path, "UPDATE entry SET state = 'reversed' WHERE seq = 2")

    assert {(FaultKind.EDITED, 2), (FaultKind.ILLEGAL_STEP, 2)} <= found(path)


def test_rows_moved_up_to_fill_a_gap_are_named(path: Path):
    """Renumbering does not hide a removed row."""
    tamper(
        path,
        "DELETE FROM entry WHERE seq = 7",
        "UPDATE entry SET seq = 7 WHERE seq = 8",
        "UPDATE entry SET seq = 8 WHERE seq = 9",
    )

    assert {(FaultKind.REORDERED, 7), (FaultKind.TRUNCATED, 9)} <= found(path)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER entry_never_goes",
        "DROP INDEX entry_of_settlement",
        "CREATE TRIGGER helpful AFTER INSERT ON entry BEGIN SELECT 1; END",
    ],
)
def test_a_file_that_lost_its_protection_is_named(path: Path, statement: str):
    """The triggers are part of what is proven."""
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.close()

    (fault,) = proven(path).faults

    assert (fault.kind, fault.seq) == (FaultKind.UNPROTECTED, 0)


def test_f16_every_flipped_bit_is_found_or_changes_nothing(path: Path):
    """A dying disk is told from an honest one, and the proof never crashes."""
    whole = path.read_bytes()
    before = contents(path)
    dice = random.Random(20261123)  # noqa: S311 - the same bits in every run
    unseen = []
    for _ in range(300):
        bent = bytearray(whole)
        bent[dice.randrange(len(bent))] ^= 1 << dice.randrange(8)
        path.write_bytes(bent)
        if proven(path).ok:
            unseen.append(contents(path) == before)

    assert all(unseen)
    assert len(unseen) < 300


@pytest.mark.parametrize("left", [0, 100, 4096, 8192])
def test_a_file_cut_short_is_found(path: Path, left: int):
    """As a full disk or a broken copy leaves it."""
    path.write_bytes(path.read_bytes()[:left])

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
    journal.advance(journal.record("s1"), State.SENDING, {})
    journal.close()

    assert during.ok
    assert proven(where).entries == 2


def test_a_journal_that_is_not_there_is_an_error(tmp_path: Path):
    """No file is not an empty proof."""
    with pytest.raises(FileNotFoundError):
        proven(tmp_path / "none.db")
