"""``make lock``: pin what pyproject.toml asks for, with hashes, for every system.

Releases younger than a week wait: a bad one is usually found and withdrawn by then.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COOL_DOWN = "7 days"
OLDEST_PYTHON = "3.11"
RUN_LOCK = "requirements.lock"
DEV_LOCK = "requirements-dev.lock"
PCSC_LOCK = "requirements-pcsc.lock"
BUILD_LOCK = "requirements-pcsc-build.lock"

OPTIONS = (
    "--universal",
    f"--python-version={OLDEST_PYTHON}",
    "--generate-hashes",
    f"--exclude-newer={COOL_DOWN}",
    "--upgrade",
    # An older pip takes a package with an extra for another one than the package
    # pinned without it, and then finds it not pinned at all.
    "--no-strip-extras",
    # A lock is for every machine: it names no host and no folder of this one.
    "--no-config",
    "--no-header",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--quiet",
)


def main() -> int:
    """Write the four locks; what several of them hold has one version."""
    root = Path(__file__).resolve().parent.parent
    lines = (
        (RUN_LOCK, ["pyproject.toml"]),
        (DEV_LOCK, ["--group=dev", f"--constraint={RUN_LOCK}"]),
        (PCSC_LOCK, ["--group=pcsc", f"--constraint={RUN_LOCK}"]),
        (BUILD_LOCK, ["--group=pcsc-build", f"--constraint={RUN_LOCK}"]),
    )
    for lock, sources in lines:
        command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS]
        done = subprocess.run(  # noqa: S603 - fixed program and arguments
            [*command, f"--output-file={lock}", *sources],
            cwd=root,
            check=False,
            stdout=subprocess.DEVNULL,
        )
        if done.returncode:
            sys.stderr.write(f"make lock: {lock} was not written; see above.\n")
            return done.returncode
        sys.stdout.write(f"make lock: {lock}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
