"""A PostgreSQL of one's own: a cluster in a folder, reached by a socket in it.

For figures and tests; what it holds is gone with it.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

INSTALL = "sudo apt-get install postgresql"
#: Where Debian keeps the programs that are on nobody's path.
DEBIAN = Path("/usr/lib/postgresql")
OLDEST = 15


def programs() -> Path | None:
    """Return the folder of the newest server's programs; None if there is none."""
    found = [path for path in DEBIAN.glob("*/bin") if (path / "initdb").exists()]
    found = [path for path in found if int(path.parent.name) >= OLDEST]
    if found:
        return max(found, key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


def schema_of(url: str) -> str:
    """Return the schema that a cluster's ``url`` is about."""
    return url.rsplit("%3D", 1)[-1]


class Cluster:
    """A server that is started, asked, and thrown away.

    Args:
        programs: The folder of the server's programs.
        settings: Of the server, as ``name=value``.
    """

    def __init__(self, programs: Path, *, settings: tuple[str, ...] = ()) -> None:
        self._bin = programs
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

    def bench(self, *arguments: str, schema: str = "public") -> str:
        """Run pgbench on the tables of *schema*; return what it says."""
        where = f"dbname=postgres options=-csearch_path={schema}"
        return self._run(
            "pgbench", *("-h", self._folder, "-U", "postgres"), *arguments, where
        )

    def _run(self, program: str, *arguments: str | Path) -> str:
        done = subprocess.run(  # noqa: S603 - fixed programs, arguments of ours
            [*self._as, str(self._bin / program), *map(str, arguments)],
            check=False,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "pgbench" else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            msg = f"{program} ended with {done.returncode}: {done.stderr}"
            raise AssertionError(msg)
        return done.stdout or ""
