"""A holder's password at the centre: asked once, believed only when it says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reader.errors import KeyServiceError
from terminal.central_password import CARD_HEADER, CentralPasswords

TOKEN = "test-token"


class Judge(ThreadingHTTPServer):
    """A service that judges passwords as a test wants."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.answer: tuple[int, bytes] = (200, b'{"tries_left": null}')
        self.asked: list[tuple[str, str, bytes]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}/password"


class _Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        judge = self.server
        assert isinstance(judge, Judge)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = (self.headers["Authorization"], self.headers[CARD_HEADER], body)
        judge.asked.append(asked)
        status, said = judge.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_told: object) -> None:
        """Say nothing."""


@pytest.fixture
def judge() -> Iterator[Judge]:
    """Run a service that finds every password right."""
    with Judge() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_right_password_is_right(judge):
    """The digits alone are the body, the card's number stands beside them."""
    passwords = CentralPasswords(judge.url, TOKEN)

    assert passwords.check("A12345674", bytearray(b"246810")) is None
    assert judge.asked == [(f"Bearer {TOKEN}", "A12345674", b"246810")]


def test_a_wrong_password_tells_the_tries_left(judge):
    """The holder must know before the last one."""
    judge.answer = (200, b'{"tries_left": 2}')

    assert CentralPasswords(judge.url, TOKEN).check("A", bytearray(b"1111")) == 2


@pytest.mark.parametrize(
    "answer",
    [
        (500, b'{"tries_left": null}'),
        (302, b""),
        (200, b""),
        (200, b"null"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"tries_left": "none"}'),
        (200, b'{"tries_left": true}'),
        (200, b'{"tries_left": -1}'),
        (200, b'{"tries_left": 99}'),
    ],
)
def test_what_says_neither_is_no_yes(judge, answer):
    """A proxy's page must not let a holder in."""
    judge.answer = answer

    with pytest.raises(KeyServiceError):
        CentralPasswords(judge.url, TOKEN).check("A", bytearray(b"1111"))

    assert len(judge.asked) == 1


def test_a_service_that_is_away_is_asked_once():
    """Nobody knows whether a try was spent; nothing is sent twice."""
    with pytest.raises(KeyServiceError):
        CentralPasswords("http://127.0.0.1:1/", TOKEN).check("A", bytearray(b"1111"))


@pytest.mark.parametrize(
    "url", ["http://centre.example/", "http://10.1.1.1/", "ftp://127.0.0.1/", ""]
)
def test_a_password_does_not_travel_in_the_clear(url):
    """Nor does a card's number, beyond this machine."""
    with pytest.raises(KeyServiceError, match="https"):
        CentralPasswords(url, TOKEN).check("A", bytearray(b"1111"))


def test_its_token_is_not_shown():
    """It would stand in a traceback."""
    assert TOKEN not in repr(CentralPasswords("https://centre.example", TOKEN))
