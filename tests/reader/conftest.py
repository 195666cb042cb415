"""The session suite runs three times: see ``tests.reader.ways``."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.pcsc.service import require_pcsc
from tests.reader import cards
from tests.reader.ways import WAYS, InProcess, Way

SUITE = {
    f"tests.reader.{name}"
    for name in (
        "test_session",
        "test_sessions_further",
        "test_session_pin",
        "test_session_files",
        "test_pulled",
    )
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test of the suite its three ways."""
    if metafunc.module.__name__ in SUITE:
        metafunc.fixturenames.append("way")
        metafunc.parametrize("way", WAYS, indirect=True, scope="session")


#: Each pull through pcscd costs the time until it is noticed; CI goes to every place.
EVERYDAY_STEP = 5


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave every place of a session to CI; the everyday run pulls at each fifth."""
    if "CI" in os.environ:
        return
    items[:] = [item for item in items if not _is_for_ci(item)]


def _is_for_ci(item: pytest.Item) -> bool:
    chosen = getattr(getattr(item, "callspec", None), "params", {})
    return chosen.get("way") == "pcsc" and chosen.get("place", 0) % EVERYDAY_STEP > 0


@pytest.fixture(scope="session")
def way(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Way]:
    """Open one way for all tests that go it."""
    name = str(request.param)
    if name == "pcsc":
        require_pcsc()
    way = WAYS[name](tmp_path_factory.mktemp(name))
    yield way
    way.close()


@pytest.fixture(autouse=True)
def _this_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let ``a_slot`` and ``read`` go the way of the test."""
    if request.module.__name__ not in SUITE:
        yield
        return
    cards.WAY = request.getfixturevalue("way")
    yield
    cards.WAY = InProcess()
