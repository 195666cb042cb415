"""Real processes for the fault tests: a centre that stays, a terminal that dies."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from settlement.centre import records
from settlement.centre.book import Book
from settlement.centre.records import Period
from tests.conftest import LOGS
from tests.faults.bills import PIN

ROOT = Path(__file__).parents[2]
INSTITUTION = "H99010000001"
REGION = "230800"
#: What the issue allows from the fault to the end of the unknown.
ALLOWED_S = 15.0


@dataclass
class Place:
    """One data folder, its centre and its terminal."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    url: str = ""
    child: subprocess.Popen[str] | None = None

    @property
    def data(self) -> Path:
        """Where terminal and centre keep theirs."""
        return self.folder / "data"

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        key: str = "",
        raw: bytes = b"",
    ) -> tuple[int, Any, dict[str, str]]:
        """Ask the terminal as a POS does."""
        token = (self.data / "pos.token").read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {token}"}
        if key:
            headers["Idempotency-Key"] = key
        headers["Content-Type"] = (
            "application/octet-stream" if raw else "application/json"
        )
        payload = raw or (json.dumps(body).encode() if body is not None else b"")
        with urllib3.PoolManager(retries=False, timeout=30) as pool:
            answer = pool.request(
                method, f"{self.url}/api/v1{path}", body=payload, headers=headers
            )
            return answer.status, json.loads(answer.data), dict(answer.headers)

    def card_and_pin(self, card: str = "v3-jia") -> None:
        """Insert a card and verify its PIN."""
        assert self.ask("POST", "/card/demo", {"card_id": card})[0] == 200
        status, said, _ = self.ask("PUT", "/card/pin", raw=PIN)
        assert (status, said["verified"]) == (200, True)

    def page(self, path: str) -> str:
        """Look at a page of the counter."""
        with urllib3.PoolManager(retries=False, timeout=30) as pool:
            answer = pool.request("GET", f"{self.url}{path}")
            assert answer.status == 200, answer.data
            return answer.data.decode()

    def today(self) -> list[dict[str, Any]]:
        """Return today's settlements."""
        found: list[dict[str, Any]] = self.ask("GET", "/settlements?day=today")[1][
            "settlements"
        ]
        return found

    def ends(self, settlement_id: str) -> tuple[str, float]:
        """Wait until a settlement is decided; return its state and the seconds."""
        begun = time.monotonic()
        while True:
            _, said, _ = self.ask("GET", f"/settlements/{settlement_id}")
            waited = time.monotonic() - begun
            if said["state"] in {"settled", "reversed", "rejected"}:
                return str(said["state"]), waited
            if waited > ALLOWED_S:
                return str(said["state"]), waited
            time.sleep(0.1)

    def living(self) -> int:
        """Count what stands in the centre's own book for our institution."""
        zone = dt.timezone(dt.timedelta(hours=8))
        day = dt.datetime.now(zone).date()
        book = Book(
            f"sqlite:///{self.data / 'centre.db'}", lambda: dt.datetime.now(zone)
        )
        try:
            with book.reading() as page:
                found = [
                    record
                    for kind in ("11", "41")
                    for record in records.in_period(
                        page,
                        Period(
                            institution=INSTITUTION,
                            clearing_type=kind,
                            clearing_office=REGION,
                            begin=day,
                            end=day,
                        ),
                    )
                ]
        finally:
            book.close()
        return len(found)

    def kill(self) -> None:
        """Kill the terminal as a power cut would."""
        assert self.child is not None
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()
        if self.child.stdout is not None:
            self.child.stdout.close()
        self.child = None


@contextmanager
def centre_beside(folder: Path) -> Iterator[Place]:
    """Run a centre that outlives the terminals of one test."""
    place = Place(folder)
    place.data.mkdir(parents=True)
    place.environment = {**os.environ, "TERMINAL_DATA_DIR": str(place.data)}
    for name in ("TERMINAL_CENTRE_PORT", "TERMINAL_SERVER_PORT"):
        place.environment[name] = "0"
    child = _start(place, ["run_terminal.py", "centre", "--port", "0"])
    port = _said(child, "centre.listening")["port"]
    keys = json.loads((place.data / "centre.keys").read_text(encoding="utf-8"))
    place.environment |= {
        "TERMINAL_CENTRE_URL": f"http://127.0.0.1:{port}/",
        "TERMINAL_CENTRE_ACCESS_KEY": keys["access_key"],
        "TERMINAL_CENTRE_SECRET_KEY": keys["secret_key"],
        "TERMINAL_CENTRE_READ_TIMEOUT_S": "3",
    }
    try:
        yield place
    finally:
        _stop(child)


@contextmanager
def terminal_at(place: Place) -> Iterator[Place]:
    """Serve a terminal out of *place*."""
    child = _start(place, ["run_terminal.py", "serve"])
    place.child = child
    place.url = str(_said(child, "terminal.listening")["url"])
    try:
        yield place
    finally:
        if place.child is not None:
            _stop(child)
            place.child = None


def die_at(place: Place, where: str) -> int:
    """Run the terminal that kills itself at *where*; return its exit code."""
    child = _start(place, ["-m", "tests.faults.dying_terminal", where])
    try:
        return child.wait(60)
    finally:
        if child.stdout is not None:
            child.stdout.close()


def _start(place: Place, arguments: list[str]) -> subprocess.Popen[str]:
    with (LOGS / "processes.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
        )


def _said(child: subprocess.Popen[str], event: str) -> dict[str, Any]:
    assert child.stdout is not None
    for line in child.stdout:
        if event in line:
            said: dict[str, Any] = json.loads(line)
            return said
    pytest_message = f"the process ended before {event}"
    raise AssertionError(pytest_message)


def _stop(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(30)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout is not None:
        child.stdout.close()
