"""``journal rebuild`` as somebody types it: look, write, install, and every no."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from run_terminal import main
from settlement.filelock import FileLock

Run = Callable[..., Result]
REASON = ("--reason", "the disk had a bad sector")


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data of a demonstration that settled once and closed its day."""
    folder = tmp_path_factory.mktemp("sold") / "data"
    where = {"TERMINAL_DATA_DIR": str(folder), "TERMINAL_CENTRE_PORT": "0"}
    done = CliRunner(env=where).invoke(main, ["demo"])
    assert done.exit_code == 0, done.output
    journal = folder / "journal.db"
    with closing(sqlite3.connect(journal)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


@pytest.fixture
def data(sold: Path, tmp_path: Path) -> Path:
    """Return a copy of it to be spoilt."""
    return Path(shutil.copytree(sold, tmp_path / "data"))


@pytest.fixture
def run(data: Path) -> Run:
    """Run a command of the journal on that data."""

    def invoke(*arguments: str | Path) -> Result:
        where = {"TERMINAL_DATA_DIR": str(data), "TERMINAL_CENTRE_PORT": "0"}
        runner = CliRunner(env=where)
        return runner.invoke(main, [str(one) for one in arguments])

    return invoke


def spoil(data: Path) -> None:
    """Lose the first page, which SQLite cannot do without."""
    journal = data / "journal.db"
    content = journal.read_bytes()
    journal.write_bytes(bytes(4096) + content[4096:])


def lose(data: Path, *entries: int) -> None:
    """Lose some entries, and what the side tables say of them."""
    with closing(sqlite3.connect(data / "journal.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        named = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in named.fetchall():
            db.execute(f"DROP TRIGGER {name}")
        for table in ("posting", "answer", "idempotency_key", "intent", "entry"):
            for seq in entries:
                db.execute(f"DELETE FROM {table} WHERE seq = ?", [seq])  # noqa: S608
        db.execute("VACUUM")


def names(data: Path) -> set[str]:
    """List what lies in the folder."""
    return {path.name for path in data.iterdir()}


def test_from_the_damage_to_a_balanced_day_by_the_commands_it_prints(
    run: Run, data: Path
):
    """Look, write, install, reconcile: each is what the one before said."""
    lose(data, 3, 4)
    new = data / "new.db"
    before = names(data)

    looked = run("journal", "rebuild")
    untouched = names(data)
    written = run("journal", "rebuild", "--write", new, *REASON)
    installed = run("journal", "rebuild", "--install", new)
    again = run("journal", "rebuild", "--install", new)
    proven = run("journal", "verify")
    balanced = run("reconcile")

    results = (looked, written, installed, again, proven, balanced)
    assert [one.exit_code for one in results] == [0] * 6, written.output
    assert untouched == before
    assert "entries 1 to 2 in one chain" in looked.output
    assert "--write" in looked.output
    assert "1 settled, as the centre has it" in written.output
    assert "--install" in written.output
    assert "release-terminal T000" in installed.output
    assert "reconcile --date" in again.output
    assert any(name.startswith("journal.damaged-") for name in names(data))


def test_a_program_reads_the_same(run: Run, data: Path):
    """One document each, with the days to reconcile."""
    spoil(data)
    new = data / "new.db"

    looked = json.loads(run("journal", "rebuild", "--json").stdout)
    written = json.loads(
        run("journal", "rebuild", "--json", "--write", new, *REASON).stdout
    )
    installed = json.loads(run("journal", "rebuild", "--json", "--install", new).stdout)

    assert (looked["rebuildable"], looked["lost"], looked["beyond"]) == (True, 0, [])
    assert written["days"] == looked["days"]
    assert written["only_at_centre"] == written["held"] == []
    assert installed["kept_in"].startswith("journal.damaged-")


def test_a_lost_settlement_is_listed_for_finance_with_its_amounts(run: Run, data: Path):
    """Nothing of its key is left; the list warns before somebody sends it again."""
    lose(data, 1, 2, 3)
    new = data / "new.db"

    written = run("journal", "rebuild", "--write", new, *REASON)

    assert written.exit_code == 0, written.output
    assert "! 1 that only the centre has" in written.output
    assert "239.20" in written.output
    assert "settled a second time" in written.output


def test_a_machine_that_lost_everything_begins_with_its_backup(
    run: Run, data: Path, tmp_path: Path
):
    """There is no journal at all: a copy of it is what there is."""
    copy = tmp_path / "copy.db"
    assert run("journal", "backup", copy).exit_code == 0
    for path in data.glob("journal.db*"):
        path.unlink()

    looked = run("journal", "rebuild", "--copy", copy)
    written = run(
        "journal", "rebuild", "--copy", copy, "--write", data / "new.db", *REASON
    )
    installed = run("journal", "rebuild", "--install", data / "new.db")

    assert [r.exit_code for r in (looked, written, installed)] == [0, 0, 0]
    assert "the file is gone" in looked.output
    assert f"--copy {copy}" in looked.output
    assert run("journal", "verify").exit_code == 0


def test_a_whole_journal_is_not_rebuilt(run: Run, data: Path):
    """A plain no, and nothing is written."""
    answer = run("journal", "rebuild", "--write", data / "new.db", *REASON)

    assert answer.exit_code == 1
    assert "whole" in answer.output
    assert "new.db" not in names(data)


@pytest.mark.parametrize("as_json", [False, True])
def test_where_nothing_proves_itself_it_says_what_a_new_one_means(
    run: Run,
    data: Path,
    as_json: bool,  # noqa: FBT001 - a parameter of the test
):
    """Exit code 1: old keys are forgotten, so retries have to be stopped first."""
    (data / "journal.db").write_bytes(bytes(8192))

    answer = run("journal", "rebuild", *(["--json"] if as_json else []))

    assert answer.exit_code == 1
    assert "start with a new journal" in answer.output
    assert "settled a second time" in answer.output


def test_another_key_could_not_run(run: Run, data: Path):
    """Exit code 2, and the code leads to the runbook."""
    spoil(data)
    (data / "journal.key").write_bytes(bytes(32))

    answer = run("journal", "rebuild")

    assert answer.exit_code == 2
    assert "key-file-invalid" in answer.output


def test_a_missing_key_is_not_made(run: Run, data: Path):
    """A fresh key would open nothing and look like one."""
    (data / "journal.key").unlink()

    assert run("journal", "rebuild").exit_code == 2
    assert "journal.key" not in names(data)


@pytest.mark.parametrize("reason", ["", "   "])
def test_nothing_is_written_without_a_reason(run: Run, data: Path, reason: str):
    """It stands in the chain for whoever asks next year."""
    spoil(data)

    answer = run("journal", "rebuild", "--write", data / "new.db", "--reason", reason)

    assert answer.exit_code == 2
    assert "rebuild-failed" in answer.output


def test_a_name_that_is_taken_stays_as_it_is(run: Run, data: Path):
    """Nothing is written over."""
    spoil(data)
    (data / "new.db").write_text("somebody's")

    answer = run("journal", "rebuild", "--write", data / "new.db", *REASON)

    assert answer.exit_code == 2
    assert (data / "new.db").read_text() == "somebody's"


def test_a_running_daemon_is_left_alone(run: Run, data: Path):
    """Its journal changes while it is read, and its place is not free."""
    spoil(data)
    held = FileLock.take(data / "journal.db.lock")

    answers = [
        run("journal", "rebuild"),
        run("journal", "rebuild", "--install", data / "new.db"),
    ]

    held.release()
    assert [answer.exit_code for answer in answers] == [2, 2]
    assert all("journal-locked" in answer.output for answer in answers)


def test_a_run_before_this_one_that_was_killed_is_begun_again(run: Run, data: Path):
    """What it left has another name, and the name that was asked for is free."""
    spoil(data)
    (data / "new.db.unfinished").write_bytes(b"half of one")
    (data / "new.db.evidence").write_bytes(b"")

    answer = run("journal", "rebuild", "--write", data / "new.db", *REASON)

    assert answer.exit_code == 0, answer.output
    assert not {name for name in names(data) if "unfinished" in name}
