"""Keeps every log line of the whole run, so that the last test can search them."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest

#: Everything any process of the run logged or printed.
LOGS = Path(__file__).parents[1] / "var" / "test-logs"
COMPILED = LOGS.parents[1] / ".cache" / "compiled"
LAST = "test_no_log_line_of_the_whole_run_holds_a_canary"


KEEP = "--keep-logs"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the search be a run of its own, after one in several processes."""
    parser.addoption(KEEP, action="store_true", help="keep the logs of the last run")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin with an empty folder and a handler that sees every record."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker and not session.config.getoption(KEEP):
        shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    # Programs that tests start begin as on a till: their modules are compiled once.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(COMPILED)
    # Imported here, so that collecting tests does not need the project to import.
    from terminal.log import JsonLines  # noqa: PLC0415

    handler = logging.FileHandler(LOGS / f"in-process{worker}.jsonl", encoding="utf-8")
    handler.setFormatter(JsonLines())
    logging.getLogger().addHandler(handler)
    logging.getLogger("terminal").setLevel(logging.INFO)


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make a token of SoftHSM2: one a run, as its library is set up only once."""
    from tests.reader.hsm import make_token, require_softhsm  # noqa: PLC0415 - as above

    require_softhsm()
    make_token(tmp_path_factory.mktemp("hsm"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the search come after everything that logs.

    One of several processes does not know when the others have done: there it is left
    to a run of its own.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        items[:] = [item for item in items if item.name != LAST]
    items.sort(key=lambda item: item.name == LAST)
