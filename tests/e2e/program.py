"""The terminal as its users start it: one process, its own data folder and ports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import LOGS

ROOT = Path(__file__).parents[2]
STOP_S = 30


@contextmanager
def running_terminal(folder: Path, **settings: str) -> Iterator[str]:
    """Serve a demonstration out of *folder* and yield its address.

    Args:
        folder: Its data and what it logs.
        settings: Further environment variables, such as ``TERMINAL_LANGUAGE``.
    """
    environment = {
        **os.environ,
        "TERMINAL_DATA_DIR": str(folder / "data"),
        "TERMINAL_SERVER_PORT": "0",
        "TERMINAL_CENTRE_PORT": "0",
        # Every test opens a page; a closed one gives its stream back after a beat.
        "TERMINAL_SERVER_MAX_STREAMS": "48",
        **settings,
    }
    command = [sys.executable, "run_terminal.py", "serve"]
    with (
        (LOGS / "terminals.log").open("ab") as log,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log
        ) as child,
    ):
        try:
            yield _address(child)
        finally:
            child.terminate()
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()


def _address(child: subprocess.Popen[bytes]) -> str:
    """Read what the program prints until it says where it listens."""
    if child.stdout is None:
        msg = "a pipe was asked for and not given"
        raise AssertionError(msg)
    said = []
    for line in child.stdout:
        said.append(line.decode())
        if line.startswith(b"{"):
            told = json.loads(line)
            if told.get("event") == "terminal.listening":
                return str(told["url"])
    msg = f"the terminal ended without listening: {''.join(said)}"
    raise AssertionError(msg)
