"""A program that installs a pack and kills itself at one step of it.

    python -m tests.faults.installing_pack FOLDER FILE NUMBER

Each step it passes is a line on standard output.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.config.small_packs import exam, store_at


def main(folder: Path, file: Path, where: int) -> None:
    """Install *file*; die at step *where*, counted from 0, or never below that."""
    passed = 0

    def step(name: str) -> None:
        nonlocal passed
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        if passed == where:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    store_at(folder).install(file, exam, step)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
