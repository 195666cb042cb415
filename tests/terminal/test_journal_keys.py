"""Keys of the journal by command: rotated, noted in the chain, backed up, proven."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from config.settings import Settings, load_settings
from run_terminal import main
from settlement.chain import anchor_path
from settlement.journal import Journal
from settlement.journal_errors import KeyFileError
from settlement.key_ring import read_ring, ring_path
from settlement.lifecycle import State
from settlement.seal import FIRST_KEY
from terminal.journal_keys import sealer_to_read, sealer_to_write
from tests.settlement.test_journal import intent

ZONE = dt.timezone(dt.timedelta(hours=8))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return a terminal's settings, its data in a folder of the test."""
    return load_settings(environ={"TERMINAL_DATA_DIR": str(tmp_path / "data")})


def opened(settings: Settings) -> Journal:
    """Open the journal as the daemon does."""
    return Journal.open(
        settings.journal_file,
        sealer=sealer_to_write(settings),
        institution="H99010000001",
        terminal_no=0,
        now=lambda: dt.datetime.now(ZONE),
    )


def with_settlement(settings: Settings, number: int) -> None:
    """Write an intent with personal fields, and close."""
    journal = opened(settings)
    journal.advance(journal.intend(intent(number)), State.SENDING, {})
    journal.close()


def command(settings: Settings, *words: str) -> Result:
    """Run ``journal`` with *words*."""
    env = {"TERMINAL_DATA_DIR": str(settings.data_dir)}
    return CliRunner(env=env).invoke(main, ["journal", *words])


def rotations(settings: Settings) -> list[dict[str, object]]:
    """Return what the chain says of rotations."""
    journal = opened(settings)
    notes = journal.notes("key-rotated")
    journal.close()
    return [dict(note) for note in notes]


@pytest.mark.parametrize("options", [(), ("--outer",)])
def test_a_rotation_is_noted_and_everything_goes_on_opening(
    settings: Settings, options: tuple[str, ...]
):
    """The chain holds ids and no keys; verify, backup and drill work with the ring."""
    with_settlement(settings, 1)

    rotated = command(settings, "rotate-key", *options)
    with_settlement(settings, 2)

    assert rotated.exit_code == 0, rotated.output
    ring = read_ring(ring_path(settings.journal_file))
    assert ring is not None
    assert rotations(settings) == [
        {"keys": [*ring.key_ids], "outer": f"file {ring.outer_id}"}
    ]
    assert ring.key_ids[-1] in rotated.output
    journal = opened(settings)
    names = {journal.record(f"s{number}").personal["name"] for number in (1, 2)}
    journal.close()
    assert len(names) == 1
    assert command(settings, "verify").output.startswith("ok")
    copy = settings.data_dir.parent / "copy.db"
    assert command(settings, "backup", str(copy)).exit_code == 0
    assert ring_path(copy).read_bytes() == ring_path(settings.journal_file).read_bytes()
    assert command(settings, "drill", str(copy)).exit_code == 0


def test_a_rebuilt_journal_is_proven_before_it_has_its_place(settings: Settings):
    """It lies beside the journal and has no ring of its own: the keys are the same."""
    with_settlement(settings, 1)
    command(settings, "rotate-key", "--outer")
    path = settings.journal_file
    new = path.with_name("new.db")
    for one, other in ((path, new), (anchor_path(path), anchor_path(new))):
        other.write_bytes(one.read_bytes())

    proven = command(settings, "verify", str(new))

    assert proven.output.startswith("ok")
    assert not ring_path(new).exists()


def test_the_daemon_notes_a_rotation_whose_command_died(settings: Settings):
    """The ring was written, and the note was not."""
    with_settlement(settings, 1)
    assert command(settings, "rotate-key").exit_code == 0
    copied = ring_path(settings.journal_file).read_bytes()
    # As if the second had died between ring and chain: its ring, the chain before it.
    kept = {
        path: path.read_bytes()
        for path in (settings.journal_file, anchor_path(settings.journal_file))
    }
    assert command(settings, "rotate-key").exit_code == 0
    for path, data in kept.items():
        path.write_bytes(data)

    noted = [len(note["keys"]) for note in rotations(settings)]  # type: ignore[arg-type]  # a list of ids

    assert noted == [2, 3]
    assert len(rotations(settings)) == 2, "it is noted once"
    assert ring_path(settings.journal_file).read_bytes() != copied


def test_a_running_terminal_keeps_its_keys(settings: Settings):
    """The command is refused with the lock's own error, and nothing is changed."""
    daemon = opened(settings)
    daemon.intend(intent(1))

    refused = command(settings, "rotate-key", "--outer")
    daemon.close()

    assert refused.exit_code == 2
    assert "journal-locked" in refused.output
    assert not ring_path(settings.journal_file).exists()
    assert sorted(p.name for p in settings.data_dir.glob("journal.key*")) == [
        "journal.key"
    ]


def test_a_journal_that_is_not_there_gets_no_keys(settings: Settings):
    """A typing error in data_dir makes nothing."""
    assert command(settings, "rotate-key").exit_code == 2
    assert not settings.data_dir.exists()


def test_a_damaged_journal_gets_no_new_keys(settings: Settings):
    """Keep everything beside it as it was found."""
    with_settlement(settings, 1)
    anchor_path(settings.journal_file).write_bytes(b"{}")

    refused = command(settings, "rotate-key")

    assert refused.exit_code == 2
    assert "journal-damaged" in refused.output
    assert not ring_path(settings.journal_file).exists()


def test_a_ring_older_than_the_journal_is_refused(settings: Settings):
    """Fields sealed since would not open; the newest ring is to be put back."""
    with_settlement(settings, 1)
    command(settings, "rotate-key")
    older = ring_path(settings.journal_file).read_bytes()
    command(settings, "rotate-key")
    ring_path(settings.journal_file).write_bytes(older)

    with pytest.raises(KeyFileError, match="lacks the key"):
        opened(settings)

    ring_path(settings.journal_file).unlink()
    with pytest.raises(KeyFileError, match="lacks the key"):
        opened(settings)


def test_a_copy_without_its_ring_fails_its_drill(settings: Settings):
    """The rows are whole, and half of the names would not open."""
    with_settlement(settings, 1)
    command(settings, "rotate-key")
    copy = settings.data_dir.parent / "copy.db"
    command(settings, "backup", str(copy))
    ring_path(copy).write_bytes(b"{}")
    spoilt = command(settings, "drill", str(copy), "--json")
    ring_path(copy).unlink()
    missing = command(settings, "drill", str(copy))

    assert (spoilt.exit_code, json.loads(spoilt.output)["ok"]) == (1, False)
    assert missing.exit_code == 1
    assert "copy.ring lacks the key" in missing.output


def test_a_copy_is_verified_with_the_ring_and_key_beside_it(settings: Settings):
    """As it is put back on another machine; without a ring the key stands alone."""
    with_settlement(settings, 1)
    copy = settings.data_dir.parent / "copy.db"
    command(settings, "backup", str(copy))
    command(settings, "rotate-key", "--outer")
    newer = settings.data_dir.parent / "newer.db"
    command(settings, "backup", str(newer))
    (retired,) = settings.data_dir.glob("journal.key.retired-*")

    old = command(settings, "verify", str(copy), "--key", str(retired))
    new = command(
        settings, "verify", str(newer), "--key", str(settings.journal_key_file)
    )
    crossed = command(settings, "verify", str(newer), "--key", str(retired))

    assert old.output.startswith("ok"), old.output
    assert new.output.startswith("ok"), new.output
    assert crossed.exit_code == 2
    assert "key-file-invalid" in crossed.output


def test_opening_the_first_time_makes_a_key_and_no_ring(settings: Settings):
    """As before: a journal that was never rotated has one file of a key."""
    sealer = sealer_to_write(settings)

    assert sealer.key_ids == (FIRST_KEY,)
    assert sealer_to_read(settings).anchor_key == sealer.anchor_key
    assert not ring_path(settings.journal_file).exists()
