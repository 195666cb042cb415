"""Keeps every log line of the whole run, so that the last test can search them."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

#: Everything any process of the run logged or printed.
LOGS = Path(__file__).parents[1] / "var" / "test-logs"
LAST = "test_no_log_line_of_the_whole_run_holds_a_canary"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin with an empty folder and a handler that sees every record."""
    del session
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    # Imported here, so that collecting tests does not need the project to import.
    from terminal.log import JsonLines  # noqa: PLC0415

    handler = logging.FileHandler(LOGS / "in-process.jsonl", encoding="utf-8")
    handler.setFormatter(JsonLines())
    logging.getLogger().addHandler(handler)
    logging.getLogger("terminal").setLevel(logging.INFO)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the search come after everything that logs."""
    items.sort(key=lambda item: item.name == LAST)
