"""``make check``: formatter, linter, types, dead code; then the verdict.

Needs the development packages; ``make check`` sees to that.
"""

from __future__ import annotations

import subprocess
import sys

STEPS = (
    ("format", ["-m", "ruff", "format", "--check", "--quiet"]),
    ("lint", ["-m", "ruff", "check", "--quiet"]),
    ("types", ["-m", "mypy", "--no-error-summary"]),
    ("dead code", ["-m", "vulture"]),
)
#: These read their paths from pyproject.toml.
CONFIGURED = frozenset({"types", "dead code"})


def main(paths: list[str]) -> int:
    """Run every step over *paths*; 1 if any of them found something."""
    failed = []
    for name, arguments in STEPS:
        command = [sys.executable, *arguments]
        if name not in CONFIGURED:
            command += paths
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - fixed
            failed.append(name)
    if failed:
        sys.stderr.write(f"make check: not clean: {', '.join(failed)}\n")
        return 1
    sys.stdout.write("make check: formatted, linted, typed, nothing dead\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
