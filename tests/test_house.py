"""The house itself: nothing of this machine in it, and CI runs what it says."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.test_architecture import ROOMS

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted(ROOT.glob("requirements*.lock"))
SIZE_LIMIT = 120
#: How a lock pins a package: its name, its extras if it has any, one version.
PINNED = re.compile(r"(?m)^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([0-9][0-9a-z.]*)(?: |;)")
TEXT = {".py", ".md", ".toml", ".lock", ".html", ".css", ".js", ".yaml", ".typ", ""}
#: Where a fact was read in public may be cited; where this machine lies may not.
MACHINE = re.compile(r"/w[o]rk/|/root/|/home/[a-z]|\.\./shared|\.library\b|/opt/pypi")


def house() -> list[Path]:
    """List the files of the repository, whether committed yet or not."""
    named = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    paths = [ROOT / name for name in named.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and path.suffix in TEXT]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_host_and_no_folder(lock):
    """A lock made here must install everywhere, through whatever index is set there."""
    text = lock.read_text(encoding="utf-8")

    assert re.search(r"://|--index|--find-links| @ |(?<![\w-])/\w", text) is None


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_package_has_one_version_and_its_hashes(lock):
    """Without a hash an index could serve anything under the name."""
    blocks = re.split(r"(?m)^(?=[a-z0-9])", lock.read_text(encoding="utf-8"))
    packages = [block for block in blocks if block.strip()]

    assert packages
    for package in packages:
        assert PINNED.match(package), package[:60]
        assert "--hash=sha256:" in package, package[:60]


def test_what_several_locks_hold_has_one_version():
    """The tests would otherwise run with other libraries than the terminal."""
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        text = lock.read_text(encoding="utf-8")
        for name, version in PINNED.findall(text):
            versions.setdefault(name, set()).add(version)

    assert {name for name, found in versions.items() if len(found) > 1} == set()


def test_no_file_names_this_machine():
    """The repository is read on machines that have none of these folders."""
    named = [
        f"{path.relative_to(ROOT)}: {found.group()}"
        for path in house()
        if path != Path(__file__).resolve()
        and (found := MACHINE.search(path.read_text(encoding="utf-8")))
    ]

    assert named == []


def test_ci_runs_the_checks_and_the_tests():
    """What the README tells people to run is what decides."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert "make check" in script
    assert "make test" in script
    assert "set -euo pipefail" in script


def test_the_makefile_has_no_logic():
    """One line each; anything longer is Python with a docstring."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"(?m)^([a-z]+): ;", text)

    assert set(targets) == {
        *("setup", "run", "demo", "test"),
        *("check", "cover", "fuzz", "certificate", "bench", "lock", "image"),
    }
    assert "\t" not in text


def test_the_readme_is_short_and_has_the_two_commands():
    """It is the first page; the second ones are in docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert len(text.splitlines()) <= SIZE_LIMIT
    assert "make run" in text
    assert "make test" in text
    assert "docs/img/counter.png" in text


def test_nothing_is_left_open_in_the_code():
    """What is not done is said in the README or an issue, not in a comment."""
    word = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b|raise NotImpl" + "emented")
    code = [path for path in house() if path.suffix == ".py"]

    assert code
    assert [p.name for p in code if word.search(p.read_text(encoding="utf-8"))] == []


def test_no_module_is_called_utils():
    """A function that has no home has no name yet."""
    homeless = {"utils", "common", "helpers", "manager", "misc"}
    names = {path.stem for room in ROOMS for path in (ROOT / room).rglob("*.py")}

    assert not names & homeless


def test_the_image_runs_as_nobody_and_builds_from_the_locks():
    """Root in a container is root too near the card reader."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert re.search(r"(?m)^USER 10001$", text)
    assert "HEALTHCHECK" in text
    assert text.count("--require-hashes") == text.count("pip install")
