"""Start and memory of the daemon, against Python itself and the libraries it needs."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from config.settings import ROOT
from config.taker import CONFIG_VARIABLE, PREFIX
from terminal.bench.figure import NS_PER_MS, Figure, Goal

STARTS = 5
KB_PER_MB = 1_000
SETTLE_S = 1.0
_BARE = "pass"
_PEER = "import flask, waitress, sqlite3"
_OURS = "import terminal.commands.serve"


def import_ms(_folder: Path) -> Figure:
    """Everything the daemon imports, process included, against Flask and waitress."""
    ours, peer = [], []
    for _ in range(STARTS):
        ours.append(_timed(_OURS))
        peer.append(_timed(_PEER))
    return Goal(2).figure(
        "start.import_ms",
        "ms",
        statistics.median(ours) / NS_PER_MS,
        statistics.median(peer) / NS_PER_MS,
        "a process that imports flask, waitress and sqlite3",
    )


def ready_ms(folder: Path) -> Figure:
    """From start to listening, the centre elsewhere, against bare Python."""
    ours, bare = [], []
    for number in range(STARTS):
        begun = time.perf_counter_ns()
        with _daemon(folder / f"start{number}"):
            ours.append(time.perf_counter_ns() - begun)
        bare.append(_timed(_BARE))
    return Goal(25).figure(
        "start.ready_ms",
        "ms",
        statistics.median(ours) / NS_PER_MS,
        statistics.median(bare) / NS_PER_MS,
        "python -c pass",
    )


def rss_mb(folder: Path) -> Figure:
    """Memory of the idle daemon, against its web libraries alone."""
    with _idle(_PEER) as process:
        peer = _resident_kb(process.pid) / KB_PER_MB
    with _daemon(folder / "idle") as daemon:
        time.sleep(SETTLE_S)
        ours = _resident_kb(daemon.pid) / KB_PER_MB
    return Goal(60, of_value=True).figure(
        "start.rss_mb",
        "MB",
        ours,
        peer,
        "a process that imports flask, waitress, sqlite3",
    )


def _timed(code: str) -> int:
    begun = time.perf_counter_ns()
    _output(code)
    return time.perf_counter_ns() - begun


def _output(code: str) -> str:
    return _run([sys.executable, "-c", code])


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(  # noqa: S603 - fixed programs and arguments
        command, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return done.stdout


def _resident_kb(pid: int) -> int:
    """Ask the system what *pid* holds in memory now."""
    return int(_run(["ps", "-o", "rss=", "-p", str(pid)]))


@contextmanager
def _idle(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run *code* in a process that then waits, and yield it when it does."""
    command = [sys.executable, "-c", f"{code}; print(flush=True); input()"]
    with subprocess.Popen(  # noqa: S603 - fixed program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        if child.stdout is not None:
            child.stdout.readline()
        yield child
        # Its input ends, and so does it.
        child.communicate(b"\n")


@contextmanager
def _daemon(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the daemon on a free port and yield it once it listens."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(PREFIX)
    }
    environment |= {
        CONFIG_VARIABLE: "",
        "TERMINAL_DATA_DIR": str(folder),
        "TERMINAL_SERVER_PORT": "0",
        # Nobody is there: only the daemon is measured, and it starts all the same.
        "TERMINAL_CENTRE_URL": "http://127.0.0.1:9/",
    }
    command = [sys.executable, "run_terminal.py", "serve"]
    folder.mkdir(parents=True)
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(  # noqa: S603 - our own program
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log
        ) as child,
    ):
        try:
            _await_listening(child, folder / "log")
            yield child
        finally:
            child.terminate()
            child.wait()


def _await_listening(child: subprocess.Popen[bytes], log: Path) -> None:
    for line in child.stdout or ():
        if line.startswith(b"{") and "url" in json.loads(line):
            return
    msg = f"the daemon did not start: {log.read_text(encoding='utf-8')[-500:]}"
    raise OSError(msg)
