"""A PostgreSQL of the tests' own: a cluster in a folder, reached by a socket in it."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

INSTALL = "sudo apt-get install postgresql"
#: Where Debian keeps the programs that are on nobody's path.
DEBIAN = Path("/usr/lib/postgresql")
OLDEST = 15
#: Nobody's database survives a test, so nothing is synced for it.
FAST = ("fsync=off", "full_page_writes=off")


def programs() -> Path | None:
    """Return the folder of the newest server's programs; None if there is none."""
    found = [path for path in DEBIAN.glob("*/bin") if (path / "initdb").exists()]
    found = [path for path in found if int(path.parent.name) >= OLDEST]
    if found:
        return max(found, key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


def require_postgresql() -> Path:
    """Skip without a server on a developer's machine; never skip in CI."""
    found = programs()
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail(f"PostgreSQL {OLDEST} is missing. Run: {INSTALL}")
    pytest.skip(f"PostgreSQL {OLDEST} is missing. Run: {INSTALL}")


class Cluster:
    """A server that is started, asked, and thrown away."""

    def __init__(self, *, settings: tuple[str, ...] = FAST) -> None:
        self._bin = require_postgresql()
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._schemas = itertools.count(1)
        # initdb refuses to run as root, as it should.
        self._as: list[str] = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
            self._as = ["runuser", "-u", "postgres", "--"]
        data = self._folder / "data"
        self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8")
        options = " ".join(f"-c {setting}" for setting in settings)
        self._run(
            "pg_ctl",
            *("-D", data, "-w", "-l", self._folder / "log"),
            *("-o", f"-k {self._folder} -c listen_addresses='' {options}"),
            "start",
        )

    @property
    def socket(self) -> Path:
        """The folder of its socket."""
        return self._folder

    def url(self) -> str:
        """Return the address of an empty book, as SQLAlchemy takes it."""
        schema = f"book_{next(self._schemas)}"
        self._run(
            "psql",
            *("-h", self._folder, "-U", "postgres", "-q"),
            *("-c", f"CREATE SCHEMA {schema}"),
        )
        return (
            f"postgresql+psycopg://postgres@/postgres?host={self._folder}"
            f"&options=-csearch_path%3D{schema}"
        )

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self._run("pg_ctl", "-D", self._folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [*self._as, str(self._bin / program), *map(str, arguments)],
            check=False,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            msg = f"{program} ended with {done.returncode}: {done.stderr}"
            raise AssertionError(msg)
