"""``make cover``: every branch of the reader's core is taken by its own tests.

In this process only: how the card is reached is another question.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/reader")
ONE_WAY = "not pcsc and not serial and not hsm"


def main() -> int:
    """Run the reader's tests under coverage, then judge; the worse exit code."""
    coverage = (sys.executable, "-m", "coverage")
    for step in (("run", *PYTEST, "-k", ONE_WAY), ("report",)):
        done = subprocess.run((*coverage, *step), cwd=ROOT, check=False)  # noqa: S603 - fixed programs
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
