"""The commands of the packs: a key, a signed file, an install, a list."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from config.pack_store import open_store
from config.packs_in_force import PacksInForce
from config.settings import ROOT, load_settings
from run_terminal import main
from settlement.claim import Insurance

CLEAN = {name: None for name in os.environ if name.startswith("TERMINAL_")}
NAME = "heilongjiang-jiamusi/resident-2018"
HOUSE = ROOT / "config" / "packs" / "heilongjiang-jiamusi"


class Office:
    """A signer and one site that knows its key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = folder / "office.pem"
        made = self.call("packs", "keygen", str(self.key), "--json")
        self.environ = {
            "TERMINAL_DATA_DIR": str(folder / "data"),
            "TERMINAL_PACKS_KEYS": json.loads(made.output)["public_key"],
        }

    def call(self, *arguments: str) -> Result:
        """Call the program with the site's settings."""
        environ = {**CLEAN, **getattr(self, "environ", {})}
        return CliRunner(env=environ).invoke(main, arguments)

    def texts(self, version: int, *, wrong: bool = False) -> Path:
        """Write the house's own pack under another version."""
        folder = self.folder / str(version) / HOUSE.name
        shutil.copytree(HOUSE, folder)
        pack = folder / "resident-2018.toml"
        text = pack.read_text(encoding="utf-8")
        assert "\nversion = 1\n" in text
        pack.write_text(
            text.replace("\nversion = 1\n", f"\nversion = {version}\n"),
            encoding="utf-8",
        )
        if wrong:
            cases = folder / "resident-2018.cases.toml"
            text = cases.read_text(encoding="utf-8")
            cases.write_text(text.replace("0.01", "0.02"), encoding="utf-8")
        return folder

    def sign(self, version: int, *, wrong: bool = False) -> tuple[Result, Path]:
        """Sign that version; return the answer and where the file is."""
        out = self.folder / f"v{version}.pack"
        signed = self.call(
            *("packs", "sign", str(self.texts(version, wrong=wrong))),
            *("--pack", "resident-2018", "--key", str(self.key), "--out", str(out)),
        )
        return signed, out


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Make the office and its key."""
    return Office(tmp_path)


def test_a_pack_goes_from_the_office_into_the_terminal(office):
    """Signed, sent, installed, listed, and what the terminal settles with."""
    signed, file = office.sign(999)
    installed = office.call("packs", "install", str(file))
    listed = json.loads(office.call("packs", "list", "--json").output)

    assert (signed.exit_code, installed.exit_code) == (0, 0), signed.output
    assert f"installed: {NAME} v999" in installed.output
    rows = {
        (row["version"], row["origin"], row["current"])
        for row in listed["packs"]
        if row["name"] == NAME
    }
    assert rows == {(1, "built-in", False), (999, "installed", True)}
    settings = load_settings(environ=office.environ)
    (pack,) = [
        pack
        for pack in open_store(settings).in_force()
        if pack.covers("230803", Insurance.RESIDENT)
    ]
    assert pack.id.version == 999


def versions(packs: PacksInForce) -> list[int]:
    """List the versions in force of the office's pack."""
    return [pack.id.version for pack in packs() if pack.id.name == NAME]


def test_a_running_terminal_takes_up_what_is_installed(office):
    """Nobody restarts fifty counters in the morning of 1 January."""
    packs = PacksInForce(open_store(load_settings(environ=office.environ)))
    before = packs()
    for version in (998, 999):
        _, file = office.sign(version)
        assert office.call("packs", "install", str(file)).exit_code == 0
        assert versions(packs) == [version]

    assert packs() is packs(), "nothing is read again while nothing is installed"
    assert [pack.id.version for pack in before if pack.id.name == NAME] == [1]
    assert packs.trouble == ""


def test_a_list_that_cannot_be_taken_up_leaves_in_force_what_was(office):
    """The counter goes on by the text it has proven, and says that there is trouble."""
    _, file = office.sign(999)
    office.call("packs", "install", str(file))
    told: list[str] = []
    store = open_store(load_settings(environ=office.environ))
    packs = PacksInForce(store, lambda error: told.append(error.code))
    listed = next((office.folder / "data" / "packs").glob("*.json"))
    whole = listed.read_bytes()

    listed.write_bytes(b"[")
    assert versions(packs) == [999]
    assert packs.trouble == "pack-damaged"
    assert (versions(packs), told) == ([999], ["pack-damaged"])

    listed.write_bytes(whole)
    assert (versions(packs), packs.trouble) == ([999], "")


def test_packs_that_cannot_be_read_for_a_while_leave_in_force_what_was(office):
    """A disk that answers with an error must not stop every quote."""
    _, file = office.sign(999)
    office.call("packs", "install", str(file))
    told: list[str] = []
    store = open_store(load_settings(environ=office.environ))
    packs = PacksInForce(store, lambda error: told.append(error.code))
    (installed,) = (office.folder / "data" / "packs").glob("*/v999.pack")
    _, next_file = office.sign(1000)
    office.call("packs", "install", str(next_file))
    (newest,) = (office.folder / "data" / "packs").glob("*/v1000.pack")
    whole = newest.read_bytes()
    newest.unlink()
    newest.mkdir()  # reading it is an OSError, whoever we are

    assert versions(packs) == [999]
    assert (packs.trouble, told) == ("pack-damaged", ["pack-damaged"])

    newest.rmdir()
    newest.write_bytes(whole)
    assert (versions(packs), packs.trouble) == ([1000], "")
    assert installed.exists()


def test_a_refused_pack_is_exit_code_one_with_its_code(office):
    """A script that installs at fifty sites must see which one did not."""
    _, file = office.sign(999)
    office.call("packs", "install", str(file))

    again = office.call("packs", "install", str(file))
    for_programs = office.call("packs", "install", str(file), "--json")

    assert again.exit_code == for_programs.exit_code == 1
    assert again.stderr.startswith("pack-version-not-higher: ")
    assert again.stderr.count("\n") == 1
    assert json.loads(for_programs.output)["code"] == "pack-version-not-higher"


def test_a_pack_that_fails_its_exam_is_not_signed(office):
    """The mistake stays where it can be corrected."""
    signed, file = office.sign(999, wrong=True)

    assert signed.exit_code == 1
    assert signed.stderr.startswith("pack-exam-failed: ")
    assert not file.exists()


def test_a_list_with_a_damaged_pack_says_so(office):
    """The list is what one looks at when the terminal does not start."""
    _, file = office.sign(999)
    office.call("packs", "install", str(file))
    (kept,) = (office.folder / "data" / "packs").rglob("*.pack")
    kept.write_bytes(kept.read_bytes()[:-1])

    listed = office.call("packs", "list")

    assert listed.exit_code == 1
    assert "v999  installed, current  DAMAGED" in listed.output


def test_a_key_is_not_written_over(office):
    """Exit code 2 and one line; the key of every site stays what it is."""
    before = office.key.read_bytes()

    again = office.call("packs", "keygen", str(office.key))

    assert again.exit_code == 2
    assert again.stderr.startswith("system-error: ")
    assert office.key.read_bytes() == before


def test_a_folder_of_several_packs_asks_which(office, tmp_path):
    """Signing the wrong one would be noticed at the till."""
    folder = office.texts(999)
    shutil.copy(folder / "resident-2018.toml", folder / "second.toml")

    asked = office.call(
        *("packs", "sign", str(folder), "--key", str(office.key)),
        *("--out", str(tmp_path / "x.pack")),
    )

    assert asked.exit_code == 2
    assert "--pack" in asked.stderr
