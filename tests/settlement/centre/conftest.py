"""What the centre's tests share: a book on each database it is sold for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal.bench.postgresql import Cluster
from tests.settlement.centre.postgresql import start


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Run one PostgreSQL for all tests of this process."""
    running = start()
    yield running
    running.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty book, on either database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'centre.db'}"
    running: Cluster = request.getfixturevalue("cluster")
    return running.url()
