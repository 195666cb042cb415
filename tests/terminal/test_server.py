"""The real server: one settlement for fifty posts, streams that end, a clean stop."""

from __future__ import annotations

import dataclasses
import http.client
import io
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from terminal.errors import AddressNotLoopbackError, PortTakenError
from terminal.guard import AppSettings
from terminal.server import Server, listen
from tests.terminal.terminal_client import BEARER, TOKENS, Terminal, bill_json

POSTS = 50


class Running:
    """A terminal on a free port of this machine."""

    def __init__(self) -> None:
        taken = listen("127.0.0.1", 0)
        self.port: int = taken.getsockname()[1]
        settings = AppSettings(
            port=self.port, tokens=TOKENS, demonstration=True, max_streams=4
        )
        self.terminal = Terminal(settings=settings)
        self.server = Server(self.terminal.app, taken, events=self.terminal.events)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def stop(self) -> bool:
        """Drain, and say whether the server ended by itself."""
        self.server.stop()
        self.thread.join(10)
        return not self.thread.is_alive()

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def settle(self, key: str = "k1") -> tuple[int, bytes, str]:
        """Post the usual settlement: status, body and Location."""
        connection = self.connect()
        headers = {
            **BEARER,
            "Idempotency-Key": key,
            "Content-Type": "application/json",
        }
        body = json.dumps({"bill": bill_json()})
        connection.request("POST", "/api/v1/settlements", body, headers)
        answer = connection.getresponse()
        location = str(answer.headers.get("Location", ""))
        body_read = answer.read()
        connection.close()
        return int(answer.status), bytes(body_read), location


@pytest.fixture
def running() -> Iterator[Running]:
    """Run a server for one test, and see that it stops."""
    made = Running()
    yield made
    assert made.stop()


def test_fifty_posts_with_one_key_settle_once(running):
    """Impatient fingers, two tabs and a retrying POS: one settlement."""
    running.terminal.ready_to_settle()
    start = threading.Barrier(POSTS)

    def post(_number: int):
        start.wait()
        return running.settle()

    with ThreadPoolExecutor(POSTS) as crowd:
        answers = list(crowd.map(post, range(POSTS)))

    statuses = Counter(status for status, _, _ in answers)
    assert running.terminal.service.settled == 1
    assert set(statuses) <= {201, 409}
    assert len({body for status, body, _ in answers if status == 201}) == 1
    assert {location for _, _, location in answers} == {"/api/v1/settlements/s-B1"}
    assert running.settle()[0] == 201


def test_a_settlement_in_flight_finishes_before_the_stop(running):
    """SIGTERM in the middle of a settlement must not lose its answer."""
    running.terminal.ready_to_settle()
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go_on.wait(10)

    running.terminal.service.orders.before_settling = hold
    with ThreadPoolExecutor(1) as pos:
        answer = pos.submit(running.settle)
        assert begun.wait(5)
        running.server.stop()
        go_on.set()
        status, body, _ = answer.result(10)

    assert status == 201
    assert json.loads(body)["state"] == "settled"


def test_an_open_stream_does_not_hold_up_the_stop(running):
    """A forgotten tab ends with the daemon, not the other way round."""
    connection = running.connect()
    connection.request("GET", "/api/v1/events", headers=BEARER)
    stream = connection.getresponse()
    assert stream.readline() == b"retry: 2000\n"

    running.server.stop()

    assert b"event: card" in stream.read()
    connection.close()


def test_an_event_reaches_an_open_stream(running):
    """The counter hears of the card while the stream stays open."""
    connection = running.connect()
    connection.request("GET", "/api/v1/events", headers=BEARER)
    stream = connection.getresponse()

    running.terminal.events.publish("settlement", {"state": "settled"})

    heard = iter(stream.readline, b"")
    assert b"event: settlement\n" in heard
    connection.close()


def test_a_client_that_went_away_gives_its_place_back(running):
    """Four tabs closed without a word must not lock the fifth one out."""
    for _ in range(4):
        connection = running.connect()
        connection.request("GET", "/api/v1/events", headers=BEARER)
        connection.getresponse().readline()
        connection.close()

    gone = threading.Event()
    for _ in range(200):
        if running.terminal.events.streams == 0:
            gone.set()
            break
        gone.wait(0.05)

    assert gone.is_set()


def test_the_answers_name_no_software(running):
    """A version is where an attacker begins."""
    connection = running.connect()
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    connection.close()

    assert answer.status == 200
    assert answer.headers.get("Server") is None


def test_two_host_headers_are_refused(running):
    """What a proxy and the daemon read differently is an attack."""
    connection = running.connect()
    connection.putrequest("GET", "/healthz", skip_host=True)
    connection.putheader("Host", f"127.0.0.1:{running.port}")
    connection.putheader("Host", "evil.example")
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()

    assert answer.status in {400, 421}


def test_the_address_is_announced_in_one_json_line(running):
    """Whoever started the daemon waits for this line, with the real port."""
    out = io.StringIO()

    running.server.announce(out)

    assert json.loads(out.getvalue()) == {
        "event": "terminal.listening",
        "url": f"http://127.0.0.1:{running.port}",
    }


@pytest.mark.process
def test_a_signal_ends_the_daemon_in_order():
    """Supervision sends SIGTERM; an open stream and the exit code are both clean."""
    command = [sys.executable, "-m", "tests.terminal.serve_fake"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as daemon:
        url = json.loads((daemon.stdout or io.StringIO()).readline())["url"]
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
        connection.request("GET", "/api/v1/events", headers=BEARER)
        stream = connection.getresponse()
        stream.readline()
        daemon.terminate()
        out, log_lines = daemon.communicate(timeout=15)
    connection.close()

    assert daemon.returncode == 0
    assert out == "ended\n"
    assert [json.loads(line)["event"] for line in log_lines.splitlines()] == [
        "http.request",
        "terminal.stopping",
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - the addresses that must be refused
def test_only_the_loopback_is_listened_on(host):
    """Other machines never reach the port unless somebody decides that."""
    with pytest.raises(AddressNotLoopbackError, match="loopback"):
        listen(host, 0)


def test_a_taken_port_is_an_error_and_not_a_second_terminal():
    """Two terminals on one port would answer in turns."""
    first = listen("localhost", 0)
    first.listen()

    with pytest.raises(PortTakenError, match=r"server\.port"):
        listen("127.0.0.1", first.getsockname()[1])
    first.close()


def test_settings_are_frozen():
    """What the guard read at the start is what stays true."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        AppSettings(port=1).port = 2  # type: ignore[misc] # that it cannot be set is the point
