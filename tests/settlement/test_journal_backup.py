"""Copies of a journal that prove themselves, and those that are refused."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from run_terminal import main
from settlement.chain import anchor_path
from settlement.journal_backup import back_up, drill
from settlement.journal_errors import BackupError
from settlement.journal_proof import verify
from settlement.seal import Sealer
from tests.settlement.test_journal import KEY, open_at
from tests.settlement.test_journal_proof import contents, tamper

SEALER = Sealer(KEY)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return a journal of twenty notes that nobody writes any more."""
    path = tmp_path / "journal.db"
    written = open_at(path)
    for number in range(20):
        written.note("noted", {"number": number})
    written.close()
    return path


def test_a_copy_has_every_row_and_proves_itself(journal: Path, tmp_path: Path):
    """Row for row, with an anchor of its own."""
    to = tmp_path / "copy.db"

    head = back_up(journal, to, SEALER)

    assert contents(to) == contents(journal)
    assert verify(to, SEALER).ok
    assert verify(to, SEALER).head == head
    assert to.stat().st_mode & 0o077 == 0
    assert sorted(p.name for p in tmp_path.glob("copy.db*")) == [
        "copy.db",
        "copy.db.head",
    ]


def test_a_copy_can_be_settled_on(journal: Path, tmp_path: Path):
    """Put in the journal's place it opens, and goes on where it ended."""
    to = tmp_path / "copy.db"
    head = back_up(journal, to, SEALER)

    opened = open_at(to)
    before = opened.head()
    opened.note("goes-on", {})
    opened.close()

    assert before == head
    assert verify(to, SEALER).ok


def test_a_copy_is_made_while_the_journal_is_written(tmp_path: Path):
    """The daemon goes on; the copy ends at some entry and is whole up to it."""
    path, to = tmp_path / "journal.db", tmp_path / "copy.db"
    written = open_at(path)
    written.note("first", {})
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            written.note("noted", {"filler": "x" * 500})

    writer = threading.Thread(target=write, name="daemon")
    writer.start()
    try:
        heads = [back_up(path, tmp_path / f"{n}.db", SEALER) for n in range(5)]
        back_up(path, to, SEALER)
    finally:
        ended.set()
        writer.join()
        tried = drill(to, path, SEALER)
        written.close()

    assert [head.seq for head in heads] == sorted(head.seq for head in heads)
    assert tried.ok
    assert tried.behind is not None
    assert tried.behind >= 0


def test_a_drill_says_how_far_the_journal_went_on(journal: Path, tmp_path: Path):
    """Three entries later the copy is three behind, and still good."""
    to = tmp_path / "copy.db"
    back_up(journal, to, SEALER)
    written = open_at(journal)
    before = written.head().seq
    for _ in range(3):
        written.note("later", {})
    written.close()

    tried = drill(to, journal, SEALER)

    assert (tried.ok, tried.behind) == (True, before + 3 - verify(to, SEALER).head.seq)


def test_no_copy_is_written_over_another(journal: Path, tmp_path: Path):
    """The older one may be the one that is needed."""
    to = tmp_path / "copy.db"
    back_up(journal, to, SEALER)
    before = to.read_bytes()

    with pytest.raises(BackupError) as refused:
        back_up(journal, to, SEALER)

    assert refused.value.code == "backup-failed"
    assert to.read_bytes() == before


def test_a_journal_that_was_edited_is_not_copied(journal: Path, tmp_path: Path):
    """A copy would be whole by its anchor; so none is made, and nothing is left."""
    tamper(journal, "UPDATE entry SET body = replace(body, '7', '8') WHERE seq = 8")

    with pytest.raises(BackupError):
        back_up(journal, tmp_path / "copy.db", SEALER)

    assert list(tmp_path.glob("copy.db*")) == []


def test_a_journal_that_was_cut_gets_no_anchor_by_being_copied(
    journal: Path, tmp_path: Path
):
    """Its last rows are gone, and the anchor that knew them is not replaced."""
    tamper(journal, "DELETE FROM entry WHERE seq > 15")

    with pytest.raises(BackupError):
        back_up(journal, tmp_path / "copy.db", SEALER)

    assert list(tmp_path.glob("copy.db*")) == []


def test_a_journal_whose_anchor_is_gone_is_not_copied(journal: Path, tmp_path: Path):
    """What its end is cannot be told any more."""
    anchor_path(journal).unlink()

    with pytest.raises(BackupError):
        back_up(journal, tmp_path / "copy.db", SEALER)


def test_a_copy_that_was_spoilt_fails_its_drill(journal: Path, tmp_path: Path):
    """A disk that forgets is found out before the copy is needed."""
    to = tmp_path / "copy.db"
    back_up(journal, to, SEALER)
    spoilt = bytearray(to.read_bytes())
    spoilt[spoilt.index(b'"number":13')] ^= 0xFF
    to.write_bytes(spoilt)

    assert not drill(to, journal, SEALER).ok


def test_a_copy_of_another_journal_fails_its_drill(journal: Path, tmp_path: Path):
    """Whole, but not of this terminal."""
    other = tmp_path / "other.db"
    written = open_at(other)
    written.note("another", {})
    written.close()
    to = tmp_path / "copy.db"
    back_up(other, to, SEALER)

    tried = drill(to, journal, SEALER)

    assert tried.verdict.ok
    assert (tried.ok, tried.behind) == (False, None)


def test_backup_and_drill_by_command(journal: Path, tmp_path: Path):
    """Exit codes: 0 good, 1 not to be relied on, 2 could not run."""
    (tmp_path / "journal.key").write_bytes(KEY)
    (tmp_path / "journal.key").chmod(0o600)
    env = {"TERMINAL_DATA_DIR": str(journal.parent)}
    to = str(tmp_path / "copy.db")
    run = CliRunner(env=env)

    made = run.invoke(main, ["journal", "backup", to])
    tried = run.invoke(main, ["journal", "drill", to])
    again = run.invoke(main, ["journal", "backup", to])
    missing = run.invoke(main, ["journal", "drill", str(tmp_path / "none.db")])

    assert made.exit_code == 0, made.output
    assert tried.exit_code == 0, tried.output
    assert "0 entries more" in tried.output
    assert again.exit_code != 0
    assert missing.exit_code == 2
