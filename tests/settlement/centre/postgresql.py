"""A PostgreSQL of the tests' own: skipped without a server, but never in CI."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from terminal.bench.postgresql import INSTALL, OLDEST, Cluster, programs

#: Nobody's database survives a test, so nothing is synced for it.
FAST = ("fsync=off", "full_page_writes=off")


def require_postgresql() -> Path:
    """Skip without a server on a developer's machine; never skip in CI."""
    found = programs()
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail(f"PostgreSQL {OLDEST} is missing. Run: {INSTALL}")
    pytest.skip(f"PostgreSQL {OLDEST} is missing. Run: {INSTALL}")


def start(*, settings: tuple[str, ...] = FAST) -> Cluster:
    """Start a server for tests."""
    return Cluster(require_postgresql(), settings=settings)
