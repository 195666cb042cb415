"""An install under SIGKILL at every step: the old pack or the new one, whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from config.pack_store import LIST
from settlement.errors import PackError
from tests.config.small_packs import NAME, archive, exam, store_at

if os.name != "posix":
    pytest.skip("SIGKILL is POSIX's", allow_module_level=True)

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]
NEVER = -1
#: Every step of an install, in its order; the first one into a folder writes its list.
BEGIN = ("proven", "locked", "examined")
FILES = tuple(
    f"{name} {done}"
    for name in ("v2.pack", LIST)
    for done in ("half written", "written", "renamed", "kept")
)
STEPS = (*BEGIN, "folder made", *FILES, "released")
FIRST = (*BEGIN, *FILES[4:], "folder made", *FILES, "released")
#: From here on the new pack is in force.
SWITCHED = STEPS.index(f"{LIST} renamed")


def run(folder: Path, step: int) -> list[str]:
    """Install version 2 in a process that dies at *step*; return those it passed."""
    sent = folder / "sent.pack"
    sent.write_bytes(archive(2))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults.installing_pack"),
            *(str(folder / "packs"), str(sent), str(step)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == (0 if step == NEVER else -signal.SIGKILL)
    return done.stdout.splitlines()


def with_version_1(folder: Path) -> None:
    """Install version 1."""
    sent = folder / "first.pack"
    sent.write_bytes(archive(1))
    store_at(folder / "packs").install(sent, exam)


def test_the_steps_here_are_the_steps_of_an_install(tmp_path):
    """A step added later must be one that is killed at, too."""
    first, further = tmp_path / "first", tmp_path / "further"
    first.mkdir()
    further.mkdir()
    with_version_1(further)

    assert run(first, NEVER) == list(FIRST)
    assert run(further, NEVER) == list(STEPS)


@pytest.mark.parametrize("number", range(len(STEPS)), ids=STEPS.__getitem__)
def test_an_install_killed_at_any_step_leaves_the_old_or_the_new(tmp_path, number):
    """Whichever it is, it is whole, the older is kept, and installing goes on."""
    with_version_1(tmp_path)
    old = store_at(tmp_path / "packs").in_force()[0]

    assert run(tmp_path, number) == list(STEPS[: number + 1])

    store = store_at(tmp_path / "packs")
    (pack,) = store.in_force()
    assert pack.text == ("text 2" if number >= SWITCHED else "text 1")
    assert store.pack_version(NAME, 1, old.id.digest) == old
    check_that_installing_goes_on(tmp_path, pack.id.version)


@pytest.mark.parametrize("number", range(len(FIRST)), ids=FIRST.__getitem__)
def test_a_first_install_killed_at_any_step_leaves_none_or_the_new(tmp_path, number):
    """An empty folder is the old state; the built-in packs hold then."""
    assert run(tmp_path, number) == list(FIRST[: number + 1])

    packs = store_at(tmp_path / "packs").in_force()
    switched = number >= len(FIRST) - 3  # renamed, kept, released
    assert [pack.text for pack in packs] == (["text 2"] if switched else [])
    check_that_installing_goes_on(tmp_path, 2 if switched else 0)


def check_that_installing_goes_on(folder: Path, version: int) -> None:
    """Install the same file again where it is not in force, and then the next."""
    store = store_at(folder / "packs")
    sent = folder / "again.pack"
    for following in range(max(version, 1) + 1, 4):
        sent.write_bytes(archive(following))
        store.install(sent, exam)
        assert [pack.text for pack in store.in_force()] == [f"text {following}"]
    assert list((folder / "packs").rglob("*.new")) == []


def test_a_pack_that_is_refused_in_its_process_leaves_no_trace(tmp_path):
    """The same program with a gap in the days: not a byte beside the list and lock."""
    with_version_1(tmp_path)
    sent = tmp_path / "sent.pack"
    sent.write_bytes(archive(2, days="[1, 3]"))
    before = sorted((tmp_path / "packs").rglob("*"))

    with pytest.raises(PackError):
        store_at(tmp_path / "packs").install(sent, exam)

    assert sorted((tmp_path / "packs").rglob("*")) == before
