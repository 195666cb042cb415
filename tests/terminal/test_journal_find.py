"""``journal find``: a number typed unseen, a person's settlements without a name."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import ROOT, Settings, load_settings
from settlement.journal import Journal
from terminal.commands.journal import run_journal_find
from terminal.errors import RequestInvalidError
from terminal.journal_keys import sealer_to_write
from tests.settlement.test_journal import CANARY, intent
from tests.settlement.test_personal_search import CARD, CERT, OTHER_CERT, of, older

ZONE = dt.timezone(dt.timedelta(hours=8))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return a terminal's settings, its data in a folder of the test."""
    return load_settings(environ={"TERMINAL_DATA_DIR": str(tmp_path)})


def opened(settings: Settings) -> Journal:
    """Open the journal as the daemon does."""
    return Journal.open(
        settings.journal_file,
        sealer=sealer_to_write(settings),
        institution="H99010000001",
        terminal_no=0,
        now=lambda: dt.datetime.now(ZONE),
    )


class Typed:
    """Somebody at the keyboard."""

    def __init__(self, text: str) -> None:
        self.given = bytearray(text.encode())
        self.asked = ""

    def __call__(self, prompt: str, *, longest: int) -> bytearray:
        """Type it."""
        self.asked = prompt
        assert longest >= len(CERT)
        return self.given


def test_a_person_is_found_while_the_terminal_runs(
    settings: Settings, capsys: pytest.CaptureFixture[str]
):
    """Newest first; what was typed is wiped, and nothing personal is printed."""
    daemon = opened(settings)
    daemon.intend(of(1))
    daemon.intend(of(2, OTHER_CERT))
    daemon.intend(of(3))
    typed = Typed(CERT)

    code = run_journal_find(settings, "person_cert_no", as_json=True, ask=typed)
    daemon.close()

    said = capsys.readouterr().out
    rows = json.loads(said)
    assert code == 0
    assert [row["settlement_id"] for row in rows["found"]] == ["s3", "s1"]
    assert rows["not_searched"] == 0
    assert typed.given == bytearray(len(CERT))
    for personal in (CERT, CARD, "测试甲", CANARY):
        assert personal not in said + typed.asked


def test_nobody_found_is_a_plain_no(
    settings: Settings, capsys: pytest.CaptureFixture[str]
):
    """Exit code 1, and how many could not be searched."""
    opened(settings).close()
    (settings.data_dir / "journal.db").unlink()
    (settings.data_dir / "journal.db.head").unlink()
    settings.journal_key_file.write_bytes(bytes(range(32)))
    older(settings.journal_file)

    code = run_journal_find(settings, "card_no", as_json=False, ask=Typed(CARD))

    assert code == 1
    assert "2 keep no hash" in capsys.readouterr().out


@pytest.mark.parametrize("typed", ["", "  ", "9" * 51])
def test_what_is_no_number_is_refused(settings: Settings, typed: str):
    """An empty line finds nobody, and least of all everybody."""
    opened(settings).close()

    with pytest.raises(RequestInvalidError) as refused:
        run_journal_find(settings, "card_no", as_json=False, ask=Typed(typed))

    assert "99999" not in str(refused.value)


def test_a_search_makes_neither_journal_nor_key(settings: Settings):
    """A typing error in data_dir is told."""
    with pytest.raises(FileNotFoundError):
        run_journal_find(settings, "card_no", as_json=False, ask=Typed(CARD))

    assert not settings.journal_key_file.exists()


@pytest.mark.process
def test_the_number_comes_through_standard_input(settings: Settings):
    """As from a script; no argument takes it."""
    journal = opened(settings)
    journal.intend(intent(1))
    journal.close()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "run_terminal.py", "journal", "find", *words],
            cwd=ROOT,
            env={**os.environ, "TERMINAL_DATA_DIR": str(settings.data_dir)},
            input=f"{CERT}\n",
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )

    typed, named = run(), run(CERT)

    assert typed.returncode == 0, typed.stderr
    assert "1 settlements found" in typed.stdout
    assert CERT not in typed.stdout + typed.stderr
    assert named.returncode == 2
