"""What a spoilt journal still proves, and the new one that is made of it.

Whatever is spoilt: the new journal proves itself, begins with the very bytes of the
old, and no entry that could be read and proved itself is lost.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import shutil
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from settlement.chain import GENESIS, Head, anchor_path, digest_of
from settlement.filelock import FileLock
from settlement.journal_backup import back_up
from settlement.journal_errors import (
    JournalDamagedError,
    JournalLockedError,
    KeyFileError,
    RebuildError,
)
from settlement.journal_opening import judge
from settlement.journal_proof import verify
from settlement.journal_rebuild import (
    REBUILT,
    REBUILT_TO,
    begin,
    finish,
    install,
    require_new,
    source_json,
)
from settlement.journal_records import row_from
from settlement.journal_salvage import Salvage, Whose, salvage
from settlement.msgids import is_of
from settlement.schema import APPEND_ONLY
from settlement.seal import Sealer
from tests.faults.test_f16_corrupted_journal import SPOILS, written
from tests.settlement.test_journal import KEY, Clock, intent, open_at, settled
from tests.settlement.test_journal_proof import tamper

SEALER = Sealer(KEY)
WHOSE = Whose("H99010000001", 0)
TODAY = dt.date(2026, 11, 24)
BATCHES, CASES = 8, 12
#: An entry that does not fit on a page, as a real settlement's does not.
LONG = {"explanation": "统筹基金支付" * 1500}


def checkpointed(path: Path) -> None:
    """Bring the log into the file, as a quiet night does."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def salvaged(path: Path, *copies: Path) -> Salvage:
    """Look at a journal."""
    return salvage(path, copies, SEALER, WHOSE)


def made(found: Salvage, new: Path) -> Path:
    """Write a new journal of what was found, and put down that it was rebuilt."""
    begun = begin(found, new, SEALER)
    journal = open_at(begun.path)
    journal.note(REBUILT, {"sources": [source_json(one) for one in found.sources]})
    journal.note(REBUILT_TO, {})
    journal.close()
    finish(new, SEALER, "")
    return new


def tables(path: Path, up_to: int) -> list[list[tuple[Any, ...]]]:
    """Read every table up to an entry."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return [
            db.execute(
                f"SELECT * FROM {table} WHERE seq <= ? ORDER BY 1, 2",  # noqa: S608
                [up_to],
            ).fetchall()
            for table in APPEND_ONLY
        ]


def readable(path: Path, last: int) -> set[str]:
    """Ask SQLite for every entry, one by one; return those that prove themselves."""
    found: set[str] = set()
    try:
        db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        return found
    with closing(db):
        db.row_factory = sqlite3.Row
        for seq in range(1, last + 1):
            try:
                told = db.execute("SELECT * FROM entry WHERE seq = ?", [seq]).fetchone()
                row = row_from(dict(told)) if told else None
            except (sqlite3.Error, ValueError, TypeError, KeyError):
                continue
            if row is not None and digest_of(row) == row.digest:
                found.add(row.digest.hex())
    return found


def digests(path: Path) -> set[str]:
    """List the digests of a journal's entries."""
    with closing(sqlite3.connect(path)) as db:
        return {row[0].hex() for row in db.execute("SELECT digest FROM entry")}


def kept(evidence: Path) -> set[str]:
    """List the digests of what is kept beside a new journal."""
    lines = evidence.read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    return {one["digest"] for one in told if one["table"] == "entry" and one["proven"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return folders with one journal: closed, with its log, and in one file."""
    folder = tmp_path_factory.mktemp("whole") / "closed"
    folder.mkdir()
    written(folder / "journal.db")
    one_file = folder.parent / "one-file"
    shutil.copytree(folder, one_file)
    journal = open_at(one_file / "journal.db")
    for number in range(30, 40):
        journal.intend(intent(number))
        journal.note("reconciled", LONG)
    journal.close()
    checkpointed(one_file / "journal.db")
    return [folder, folder.parent / "with-log", one_file]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a closed journal with six settlements: eighteen entries."""
    where = tmp_path / "journal.db"
    journal = open_at(where)
    for number in range(1, 7):
        settled(journal, number)
    journal.close()
    checkpointed(where)
    return where


@pytest.mark.parametrize("batch", range(BATCHES))
def test_f16_of_a_spoilt_journal_nothing_is_lost_that_proves_itself(
    batch: int, whole: list[Path], tmp_path: Path
):
    """Bytes flipped, pages zeroed, swapped or doubled, files cut short or gone."""
    came: Counter[str] = Counter()

    for case in range(CASES):
        draw = random.Random(batch * CASES + case)  # noqa: S311 - a seed replays it
        source = draw.choice(whole)
        folder = tmp_path / str(case)
        shutil.copytree(source, folder)
        victims = [p for p in folder.iterdir() if p.suffix not in {".lock", ".db-shm"}]
        for _ in range(draw.randint(1, 3)):
            victim = draw.choice(sorted(victims))
            if victim.exists():
                draw.choice(SPOILS)(victim, draw)
        came[_salvaged_and_compared(source, folder, tmp_path / f"{case}.db")] += 1

    assert came["rebuilt"] > CASES // 3


def _salvaged_and_compared(source: Path, folder: Path, new: Path) -> str:
    """Rebuild a spoilt journal; say what came of it."""
    spoilt = folder / "journal.db"
    if not any(folder.glob("journal.db*[!k]")):
        return "gone"
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with salvaged(spoilt) as found:
        assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
        if not found.head.seq and not found.beyond():
            return "nothing left"
        made(found, new)
        head = found.head.seq
    assert verify(new, SEALER).ok
    assert tables(new, head) == tables(source / "journal.db", head)
    still = readable(spoilt, 100)
    assert still <= digests(new) | kept(new.with_name(new.name + ".evidence"))
    open_at(new).close()
    return "rebuilt"


def test_a_first_page_of_zeros_costs_nothing(path: Path, tmp_path: Path):
    """SQLite does not open such a file at all; every entry is still in it."""
    content = path.read_bytes()
    path.write_bytes(bytes(1024) + content[1024:])

    with salvaged(path) as found:
        assert found.head.seq == found.anchor.seq == 18  # type: ignore[union-attr]
        assert found.trouble
        made(found, tmp_path / "new.db")

    assert verify(tmp_path / "new.db", SEALER).ok


def test_keys_bills_and_answers_of_the_chain_are_known_again(
    path: Path, tmp_path: Path
):
    """A retry of what the chain tells gets the bytes it got before."""
    tamper(path, "DELETE FROM answer", "DELETE FROM idempotency_key WHERE seq > 4")
    with salvaged(path) as found:
        new = made(found, tmp_path / "new.db")

    journal = open_at(new)
    told = [(journal.key(f"k{n}"), journal.answer(f"k{n}")) for n in range(1, 7)]
    living = journal.living_bill("B6")
    journal.close()

    assert all(key and answer and answer.status == 201 for key, answer in told)
    assert living is not None


def test_a_copy_and_what_came_after_it_make_one_chain(path: Path, tmp_path: Path):
    """The copy has the beginning, the damaged file the end: nothing is lost."""
    copy = tmp_path / "copy.db"
    back_up(path, copy, SEALER)
    journal = open_at(path)
    for number in (7, 8):
        settled(journal, number)
    journal.close()
    tamper(path, "DELETE FROM entry WHERE seq < 10")

    with salvaged(path) as alone:
        assert (alone.head.seq, alone.lost) == (0, 9)
    with salvaged(path, copy) as found:
        assert (found.head.seq, found.lost) == (24, 0)
        made(found, tmp_path / "new.db")

    assert verify(tmp_path / "new.db", SEALER).entries == 26


def test_of_a_rewritten_journal_only_what_a_copy_vouches_for_is_taken(
    path: Path, tmp_path: Path
):
    """A chain whole in itself is not believed where the anchor tells another."""
    copy = tmp_path / "copy.db"
    back_up(path, copy, SEALER)
    journal = open_at(path)
    settled(journal, 7)
    journal.close()
    anchor = anchor_path(path).read_bytes()
    shutil.copy(copy, path)
    anchor_path(path).unlink()
    journal = open_at(path)
    for number in (8, 9):
        settled(journal, number)
    journal.close()
    anchor_path(path).write_bytes(anchor)

    with salvaged(path) as alone:
        assert alone.head == Head(0, GENESIS.hex())
    with salvaged(path, copy) as found:
        assert found.head.seq == 18
        assert len(found.evidence()) == 7


def test_what_stands_beyond_a_gap_is_evidence_and_named(path: Path, tmp_path: Path):
    """It proves itself, and not that it belongs there."""
    tamper(path, "DELETE FROM entry WHERE seq IN (8, 9)")

    with salvaged(path) as found:
        new = made(found, tmp_path / "new.db")
        assert found.head.seq == 7
        assert [row.seq for row in found.beyond()] == list(range(10, 19))
        assert found.lost == 2
        assert found.in_doubt() == ("s3", "s4", "s5", "s6")

    assert len(kept(new.with_name("new.db.evidence"))) == 9


def test_what_is_sealed_stays_sealed_in_the_evidence(path: Path, tmp_path: Path):
    """The file beside the journal tells no name."""
    tamper(path, "DELETE FROM entry WHERE seq = 1")
    with salvaged(path) as found:
        new = made(found, tmp_path / "new.db")

    content = new.with_name("new.db.evidence").read_text(encoding="utf-8")
    assert "测试金丝雀" not in content
    assert "990100198001010018" not in content
    assert new.with_name("new.db.evidence").stat().st_mode & 0o077 == 0


def test_an_edited_entry_ends_the_chain_before_it(path: Path):
    """Its bytes are kept as they read; nobody believes them."""
    tamper(path, "UPDATE entry SET body = replace(body, '40', '41') WHERE seq = 10")

    with salvaged(path) as found:
        assert found.head.seq == 9
        (unproven,) = found.unproven()

    assert json.loads(unproven)["seq"] == 10


def test_numbers_go_on_after_every_number_ever_seen(tmp_path: Path):
    """A message number that came twice would be taken for the old message."""
    path, clock = tmp_path / "journal.db", Clock()
    journal = open_at(path, clock)
    settled(journal, 1)
    clock.at += dt.timedelta(hours=3)
    given = journal.next_msgid()
    journal.close()
    clock.at -= dt.timedelta(hours=3)
    tamper(path, "DELETE FROM entry WHERE seq = 3")

    with salvaged(path) as found:
        new = made(found, tmp_path / "new.db")
    journal = open_at(new, clock)
    again = journal.next_msgid()
    journal.close()

    assert again > given
    assert is_of(again, "H99010000001", 0)


@pytest.mark.parametrize(
    ("msgid", "ours"),
    [
        ("H99010000001202611230900000999", True),
        ("H99010000001202611230900001000", False),
        ("H99010000002202611230900000999", False),
        ("H9901000000120261123090000999", False),
        ("", False),
    ],
)
def test_a_terminal_knows_its_own_numbers(msgid: str, ours: bool):  # noqa: FBT001
    """A statement is the institution's; other terminals' rows are not ours."""
    assert is_of(msgid, "H99010000001", 0) is ours


# -- refusals ----------------------------------------------------------------------


def test_a_whole_journal_has_no_trouble(path: Path):
    """There is nothing to rebuild, and the command says so."""
    with salvaged(path) as found:
        assert found.trouble == ""


def test_another_key_is_refused(path: Path):
    """What it cannot open it cannot vouch for."""
    with pytest.raises(KeyFileError, match=r"sealed fields of journal\.db"):
        salvage(path, (), Sealer(bytes(32)), WHOSE)


@pytest.mark.parametrize("other", ["terminal", "key", "journal"])
def test_a_copy_of_another_terminal_is_refused(path: Path, tmp_path: Path, other: str):
    """Its settlements would come back to life at the wrong counter."""
    copy = tmp_path / "copy.db"
    key = bytes(32) if other == "key" else KEY
    number = 1000 if other == "terminal" else 1
    journal = open_at_with(copy, key)
    journal.note("begun", {})
    journal.intend(intent(1, msgid=f"H9901000000120261123090000{number:04d}"))
    journal.close()

    with pytest.raises(RebuildError, match="another"):
        salvaged(path, copy)


def open_at_with(path: Path, key: bytes) -> Any:
    """Open a journal under a key of its own."""
    from settlement.journal import Journal  # noqa: PLC0415

    return Journal.open(
        path,
        sealer=Sealer(key),
        institution="H99010000001",
        terminal_no=0,
        now=Clock(),
    )


def test_no_journal_at_all_is_said(tmp_path: Path):
    """A wrong folder is no damaged journal."""
    with pytest.raises(FileNotFoundError):
        salvaged(tmp_path / "journal.db")


def test_a_copy_that_is_not_there_is_said(path: Path, tmp_path: Path):
    """A typing error must not look like a copy that proves nothing."""
    with pytest.raises(FileNotFoundError):
        salvaged(path, tmp_path / "none.db")


@pytest.mark.parametrize("suffix", ["", ".head", ".evidence"])
def test_nothing_is_written_over(path: Path, tmp_path: Path, suffix: str):
    """Whatever has the name keeps it."""
    (tmp_path / f"new.db{suffix}").write_text("there")

    with pytest.raises(RebuildError, match="is there already"):
        require_new(tmp_path / "new.db", path, ())


def test_the_damaged_file_itself_is_no_new_one(path: Path):
    """Never in place, also where the file itself is gone."""
    path.unlink()

    with pytest.raises(RebuildError, match="name another"):
        require_new(path, path, ())


# -- putting it in its place -------------------------------------------------------


@pytest.fixture
def ready(path: Path) -> Path:
    """Damage the journal and rebuild it; return the new one, in the same folder."""
    tamper(path, "DELETE FROM entry WHERE seq IN (17, 18)")
    with salvaged(path) as found:
        new = made(found, path.with_name("new.db"))
    path.with_name("journal.db-wal").write_bytes(b"a log of before")
    return new


def test_everything_of_before_is_kept(path: Path, ready: Path):
    """Its files are moved, none is changed."""
    before = {
        name: path.with_name(name).read_bytes()
        for name in ("journal.db", "journal.db-wal", "journal.db.head")
    }

    folder = install(ready, path, SEALER, TODAY)

    assert folder == path.with_name("journal.damaged-2026-11-24")
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert (folder / "new.db.evidence").exists()
    assert not ready.exists()
    judge(path, SEALER)
    assert verify(path, SEALER).ok


def test_a_second_damage_of_the_day_has_a_folder_of_its_own(path: Path, ready: Path):
    """The first damaged journal is not written over by the second."""
    first = install(ready, path, SEALER, TODAY)
    tamper(path, "DELETE FROM entry WHERE seq > 15")
    with salvaged(path) as found:
        new = made(found, path.with_name("new.db"))

    second = install(new, path, SEALER, TODAY)

    assert second.name == "journal.damaged-2026-11-24-2"
    assert (first / "journal.db").exists()
    assert (second / "journal.db").exists()


def test_it_is_not_put_in_place_while_a_daemon_has_the_journal(path: Path, ready: Path):
    """Its writes would go into the file that was moved away."""
    held = FileLock.take(path.with_name("journal.db.lock"))

    with pytest.raises(JournalLockedError):
        install(ready, path, SEALER, TODAY)

    held.release()
    assert ready.exists()


def test_a_journal_that_went_on_meanwhile_is_not_replaced(path: Path):
    """A lost trigger stops no terminal: what it settled since would be forgotten."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TRIGGER entry_never_changes")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with salvaged(path) as found:
        assert found.trouble
        new = made(found, path.with_name("new.db"))
    journal = open_at(path)
    settled(journal, 7)
    journal.close()
    later = tables(path, 99)

    with pytest.raises(RebuildError, match="was written to since"):
        install(new, path, SEALER, TODAY)

    assert new.exists()
    assert tables(path, 99) == later


def test_a_journal_that_another_began_meanwhile_is_not_replaced(
    path: Path, ready: Path
):
    """Somebody moved the damaged one away and started: it has settled since."""
    path.rename(path.with_name("away.db"))
    anchor_path(path).unlink()
    path.with_name("journal.db-wal").unlink()
    journal = open_at(path)
    settled(journal, 7)
    journal.close()

    with pytest.raises(RebuildError, match="was written to since"):
        install(ready, path, SEALER, TODAY)


@pytest.mark.parametrize("second", ["99991231235959", "99991331000000", "0", ""])
def test_a_counter_that_is_spoilt_stops_no_rebuilding(
    path: Path, tmp_path: Path, second: str
):
    """Nothing proves it; numbers go on after those that are seen otherwise."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT OR REPLACE INTO counter VALUES ('msgid', ?, 0)", [second])
        db.commit()
    tamper(path, "DELETE FROM entry WHERE seq = 9")

    with salvaged(path) as found:
        new = made(found, tmp_path / "new.db")

    journal = open_at(new)
    assert is_of(journal.next_msgid(), "H99010000001", 0)
    journal.close()


def test_what_was_not_rebuilt_is_not_put_in_place(path: Path, ready: Path):
    """An old backup lacks what was settled since; it goes through rebuild first."""
    ready.rename(ready.with_name("other"))
    anchor_path(ready).unlink()
    journal = open_at(ready)
    settled(journal, 1)
    journal.close()

    with pytest.raises(RebuildError, match="not made by journal rebuild"):
        install(ready, path, SEALER, TODAY)


def test_a_new_journal_in_another_folder_is_not_put_in_place(
    path: Path, ready: Path, tmp_path: Path
):
    """Moving it between disks is a copy that can be cut."""
    elsewhere = tmp_path / "elsewhere" / "new.db"
    elsewhere.parent.mkdir()
    ready.rename(elsewhere)

    with pytest.raises(RebuildError, match="in the folder of the journal"):
        install(elsewhere, path, SEALER, TODAY)


def test_nothing_to_put_in_place_is_said(path: Path):
    """A typing error moves nothing."""
    with pytest.raises((FileNotFoundError, RebuildError)):
        install(path.with_name("none.db"), path, SEALER, TODAY)

    judge(path, SEALER)


@pytest.mark.skipif(os.name != "posix", reason="forks are POSIX's")
@pytest.mark.parametrize("step", range(1, 12))
def test_killed_at_any_step_it_goes_on_and_no_start_finds_half_of_it(
    path: Path, ready: Path, step: int
):
    """A daemon that starts between two steps is refused, and never begins anew."""
    child = os.fork()
    if child == 0:
        _die_at(step)
        install(ready, path, SEALER, TODAY)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    finished = os.waitstatus_to_exitcode(status) == 0
    if not finished and ready.exists():
        with pytest.raises(JournalDamagedError):
            judge(path, SEALER)

    folder = install(ready, path, SEALER, TODAY)

    assert verify(path, SEALER).ok
    assert {p.name for p in folder.iterdir()} - {"journal.db-shm"} == {
        "journal.db",
        "journal.db-wal",
        "journal.db.head",
        "new.db.evidence",
    }
    assert list(path.parent.glob("*.damaged-*")) == [folder]


def _die_at(step: int) -> None:
    """Let this process die at its so-many-th change of a folder."""
    left = [step]

    def heard(event: str, _arguments: tuple[Any, ...]) -> None:
        if event in {"os.mkdir", "os.link", "os.rename"}:
            left[0] -= 1
            if not left[0]:
                os._exit(9)

    sys.addaudithook(heard)
