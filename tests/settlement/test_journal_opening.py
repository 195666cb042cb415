"""Opening a journal: one that lost its end must not be settled on."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from settlement.chain import anchor_path, read_anchor
from settlement.journal import Journal
from settlement.journal_errors import JournalDamagedError
from settlement.journal_proof import FaultKind, verify
from settlement.schema import APPEND_ONLY, MIGRATIONS
from settlement.seal import Sealer
from tests.settlement.test_journal import KEY, Clock, intent, open_at, settled
from tests.settlement.test_journal_proof import tamper

SEALER = Sealer(KEY)
CUT_AFTER_6 = tuple(
    f"DELETE FROM {table} WHERE seq > 6"  # noqa: S608 - the journal's own tables
    for table in reversed(APPEND_ONLY)
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a closed journal with three settlements: nine entries."""
    where = tmp_path / "journal.db"
    journal = open_at(where)
    for number in (1, 2, 3):
        settled(journal, number)
    journal.close()
    return where


def written_without_anchoring(path: Path, *numbers: int) -> None:
    """Settle, and put the anchor back as it was before."""
    before = anchor_path(path).read_bytes()
    journal = open_at(path)
    for number in numbers:
        journal.intend(intent(number))
    journal.close()
    anchor_path(path).write_bytes(before)


def test_a_journal_that_lost_its_end_is_refused(path: Path):
    """Its lost keys would be settled a second time, and the finding be buried."""
    tamper(path, *CUT_AFTER_6, "UPDATE sqlite_sequence SET seq = 6")

    with pytest.raises(JournalDamagedError, match=r"row 9 was written and row 6 is"):
        open_at(path)

    assert (FaultKind.TRUNCATED, 7) in {
        (fault.kind, fault.seq) for fault in verify(path, SEALER).faults
    }


def test_a_journal_put_back_from_an_old_copy_is_refused(path: Path, tmp_path: Path):
    """A cloned or restored terminal does not know what it settled since."""
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    journal = open_at(path)
    settled(journal, 4)
    journal.close()
    shutil.copy(copy, path)

    with pytest.raises(JournalDamagedError, match="row 12 was written"):
        open_at(path)


def test_a_rewritten_journal_is_refused(path: Path, tmp_path: Path):
    """A chain whole in itself is still not the one that was anchored."""
    other = tmp_path / "other.db"
    journal = open_at(other)
    for number in range(4, 8):
        settled(journal, number)
    journal.close()
    shutil.copy(other, path)

    with pytest.raises(JournalDamagedError, match="is not the one that was anchored"):
        open_at(path)


def test_an_anchor_of_another_key_is_refused(path: Path):
    """A new key in place of the lost one must not pass for the old."""
    with pytest.raises(JournalDamagedError, match="another key"):
        Journal.open(
            path,
            sealer=Sealer(bytes(32)),
            institution="H99010000001",
            terminal_no=0,
            now=Clock(),
        )


def test_a_journal_of_a_newer_program_is_refused(path: Path):
    """An old program would write rows the new one does not expect."""
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()

    with pytest.raises(JournalDamagedError, match="this program knows"):
        open_at(path)


def test_a_refused_journal_is_left_as_it_is_and_not_locked(path: Path):
    """The file is evidence; who looks at it next must be able to."""
    anchor_path(path).write_text("{}", encoding="utf-8")
    before = path.read_bytes()

    for _ in range(2):
        with pytest.raises(JournalDamagedError):
            open_at(path)

    assert path.read_bytes() == before


def test_a_missing_anchor_is_noted_for_ever(path: Path):
    """Removing it is how somebody would hide a truncation: the note stays."""
    anchor_path(path).unlink()
    journal = open_at(path)
    settled(journal, 4)
    journal.close()

    faults = verify(path, SEALER).faults

    assert [(fault.kind, fault.seq) for fault in faults] == [
        (FaultKind.ANCHOR_MISSING, 10)
    ]


def test_a_journal_killed_before_it_wrote_its_anchor_goes_on(path: Path):
    """One entry beyond the anchor is what a kill leaves; it is no alarm."""
    written_without_anchoring(path, 4)
    proven_before = verify(path, SEALER).ok

    open_at(path).close()

    anchor = read_anchor(path, SEALER.anchor_key)
    assert proven_before
    assert anchor is not None
    assert anchor.seq == 10
    assert verify(path, SEALER).ok


def test_more_entries_beyond_the_anchor_are_named_and_noted(path: Path):
    """A power cut can leave some; so can somebody who adds rows."""
    written_without_anchoring(path, 4, 5, 6, 7)
    named = [(fault.kind, fault.seq) for fault in verify(path, SEALER).faults]

    journal = open_at(path)
    head = journal.head().seq
    journal.close()

    assert named == [(FaultKind.UNANCHORED, 12), (FaultKind.UNANCHORED, 13)]
    assert head == 14
    assert verify(path, SEALER).ok


def test_a_journal_without_entries_opens_again(tmp_path: Path):
    """The first anchor is there before the first entry."""
    path = tmp_path / "journal.db"
    open_at(path).close()

    open_at(path).close()

    assert verify(path, SEALER).entries == 0
    assert verify(path, SEALER).ok


def test_the_file_is_for_its_owner_only(path: Path):
    """It tells who was ill when, sealed names or not."""
    journal = open_at(path)
    journal.intend(intent(4))
    files = [path, path.with_name("journal.db-wal")]
    modes = {stat.S_IMODE(file.stat().st_mode) for file in files}
    journal.close()

    assert modes == {0o600}


def test_an_anchor_cut_in_the_middle_of_a_write_leaves_the_one_before(path: Path):
    """Its two places are written in turn; a torn one is no anchor."""
    whole = read_anchor(path, SEALER.anchor_key)
    content = bytearray(anchor_path(path).read_bytes())
    places = [json.loads(content[at : at + 256])["seq"] for at in (0, 256)]
    newest = places.index(max(places)) * 256
    content[newest + 100 : newest + 256] = bytes(156)
    anchor_path(path).write_bytes(content)

    left = read_anchor(path, SEALER.anchor_key)

    assert whole is not None
    assert left is not None
    assert left.seq == min(places) < whole.seq
    open_at(path).close()
    assert verify(path, SEALER).ok


def test_an_anchor_of_an_older_program_is_read(path: Path):
    """One whole JSON object was all there was; nothing is taken for tampering."""
    content = anchor_path(path).read_bytes()
    places = [content[:256], content[256:]]
    newest = max(places, key=lambda place: int(json.loads(place)["seq"]))
    anchor_path(path).write_bytes(json.dumps(json.loads(newest)).encode())

    open_at(path).close()

    assert verify(path, SEALER).ok


def test_a_first_opening_that_died_is_begun_again(tmp_path: Path):
    """Its rollback journal is SQLite's own to take back; no entry can be in it."""
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("CREATE TABLE begun (x)")
        db.execute("PRAGMA cache_spill = 1")
        kept = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    for name, content in kept.items():
        (tmp_path / name).write_bytes(content)

    journal = open_at(path)
    settled(journal)
    journal.close()

    assert "journal.db-journal" in kept
    assert verify(path, SEALER).ok
