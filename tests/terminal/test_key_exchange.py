"""Card keys from the centre over real HTTP, and every answer that is not used."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import Client

from reader.crypto import Algorithm
from reader.emulator.key_service import KeyService
from reader.errors import KeyServiceError
from reader.keys import Question, TestKeys
from reader.providers.two_step import CentreKeys
from settlement.centre import gate
from settlement.centre.gate import Secrets
from settlement.centre.serving import listen
from terminal import key_seal
from terminal.centre_command import serve_card_keys
from terminal.centre_keys import load_or_make_secrets
from terminal.key_exchange import KeyExchange, KeyExchangeSettings
from terminal.key_window import KeyWindow
from tests.reader.cards import V3, a_card, a_slot, read
from tests.reader.providers import PROCESS, SOURCE, context

SECRETS = Secrets("key-of-the-tests", "secret-of-the-tests")
NOW = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)
TERMINAL_NO = "990100000001"
ADDRESSES = {name: name for name in V3.keys}
IRK, RKSSSE = V3.keys["IRK"], V3.keys["RKSSSE"]
#: A question the service answers; its words are looked for where they must not be.
PROCESS_HEX, SOURCE_HEX = PROCESS.hex().upper(), SOURCE.hex().upper()
ASKED = f"01|RK1DF04|{PROCESS_HEX}|{SOURCE_HEX}|990100|{context().historical}|"


def at_nine() -> dt.datetime:
    """Return the hour of these tests."""
    return NOW


#: A centre as a process, over a folder of the test's.
CENTRE = """
import sys
from pathlib import Path
from functools import partial
from config.packs import load_packs
from terminal.centre_command import run_centre

folder = Path(sys.argv[1])
sys.exit(
    run_centre(
        host="127.0.0.1",
        port=0,
        db_url=f"sqlite:///{folder / 'centre.db'}",
        secret_file=folder / "centre.keys",
        demonstration=sys.argv[2] == "True",
        region="230800",
        packs=partial(load_packs, Path("config/packs")),
        catalogue_file=Path("config/catalogue/sample.toml"),
        leave_with_parent=True,
    )
)
"""


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Serve *app* on loopback; give its address."""
    server = listen(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def centre() -> Iterator[str]:
    """Serve card keys beside a national interface that answers something else."""
    app = Flask(__name__, static_folder=None)
    app.add_url_rule("/", "national", lambda: "national")
    serve_card_keys(app, SECRETS, at_nine)
    with serving(app) as url:
        yield url


@contextmanager
def saying(answer: bytes, *, drip_s: float = 0) -> Iterator[str]:
    """Answer one connection with these bytes, as a server does that is not ours."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                head, _, body = answer.partition(b"\r\n\r\n")
                connection.sendall(head + b"\r\n\r\n" if body else answer)
                pieces = [body[i : i + 1] for i in range(len(body))]
                try:
                    for piece in pieces if drip_s else [body]:
                        connection.sendall(piece)
                        done.wait(drip_s)
                except OSError:
                    return  # the terminal has hung up, as it should

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            done.set()
            thread.join(10)
            assert not thread.is_alive()


def exchange(url: str, **changed: object) -> KeyExchange:
    """Return a terminal's exchange with the centre at *url*."""
    settings: dict[str, object] = {
        "url": url + key_seal.PATH,
        "access_key": SECRETS.access_key,
        "secret_key": SECRETS.secret_key,
        "terminal_no": TERMINAL_NO,
    }
    now = changed.pop("now", at_nine)
    made = KeyExchangeSettings(**(settings | changed))  # type: ignore[arg-type] # what a test changes
    return KeyExchange(made, now=now)  # type: ignore[arg-type] # a clock


def signed(body: bytes, *, counter: str = "1", session: str = "s") -> dict[str, str]:
    """Sign a request as a terminal does, with a counter and session of the test's."""
    fields = {
        gate.NAME: key_seal.NAME,
        gate.VERSION: key_seal.VERSION,
        gate.TIMESTAMP: str(int(NOW.timestamp() * 1000)),
        gate.ACCESS_KEY: SECRETS.access_key,
    }
    bound = (TERMINAL_NO, session, counter)
    seal = key_seal.question_seal(
        SECRETS.secret_key, (*bound, fields[gate.TIMESTAMP]), body
    )
    fields[gate.SIGNATURE] = gate.sign(fields, SECRETS.secret_key)
    return {
        **fields,
        **dict(zip(key_seal.SEALED, bound, strict=True)),
        key_seal.SEAL: seal,
    }


def send(
    url: str, body: bytes, headers: dict[str, str], method: str = "POST"
) -> tuple[int, bytes]:
    """Send a request as it is; return status and body."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, key_seal.PATH, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


# --- what works


@pytest.mark.parametrize("algorithm", [Algorithm.TDES, Algorithm.SM4])
def test_the_centre_gives_the_bytes_of_the_test_keys(centre, algorithm):
    """Over HTTP as in one process: whoever holds the root, the proof is the same."""
    keys = CentreKeys(exchange(centre), ADDRESSES, TERMINAL_NO)
    asked = [Question(IRK, PROCESS, SOURCE), Question(RKSSSE, PROCESS, SOURCE)]

    answers = keys.answer(asked, context(algorithm))

    assert answers == TestKeys().answer(asked, context(algorithm))


@pytest.mark.parametrize("card_id", ["v3-jia", "v2-yi"])
def test_a_card_is_read_and_its_pin_reset_through_the_centre(centre, card_id):
    """All forms of the strings: a basic read, a protected file, Step3."""
    keys = CentreKeys(exchange(centre), ADDRESSES, TERMINAL_NO)

    session = read(a_slot(a_card(card_id, tries=0))[1], keys)

    assert session.credential.proof.verified_by == "centre"
    assert session.read_file("DF04EF05")["insured_region"] == "990100"
    assert session.reset_pin(bytearray(b"975310")).tries_left == 3
    assert session.verify_pin(bytearray(b"975310")).verified


def test_one_session_asks_many_times_and_another_beside_it(centre):
    """Counters rise within a session; a second terminal does not disturb them."""
    one, other = exchange(centre), exchange(centre)

    answers = [ask(ASKED) for ask in (one, other, one, one, other)]

    assert len(set(answers)) == 1


def test_threads_share_an_exchange(centre):
    """Two slots of one terminal: a number that overtakes another is refused."""
    ask = exchange(centre)
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask(ASKED))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(answers) == 8


def test_the_national_interface_stays_where_it_was(centre):
    """The key service is a path beside it."""
    connection = http.client.HTTPConnection(centre.removeprefix("http://"), timeout=10)
    connection.request("GET", "/")

    assert connection.getresponse().read() == b"national"
    connection.close()


# --- what the terminal refuses


def test_nobody_at_the_address_is_a_service_that_does_not_answer():
    """The sentence says the key service, not the card."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(KeyServiceError, match="NewConnectionError"):
        exchange(f"http://127.0.0.1:{port}")(ASKED)


@pytest.mark.parametrize(
    "url",
    [
        "http://centre.example/",
        "http://192.0.2.1/",
        "http://localhost.example/",
        "ftp://127.0.0.1/",
        "",
    ],
)
def test_nothing_is_sent_in_the_clear_beyond_this_machine(url):
    """Card numbers and a new PIN travel in the strings."""
    with pytest.raises(KeyServiceError, match="https"):
        exchange(url)


def test_https_beyond_this_machine_is_taken():
    """The same address, with nobody reading along."""
    assert callable(exchange("https://centre.example/"))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nABCD", "sealed"),
        (
            b"HTTP/1.1 200 OK\r\nX-Key-Seal: 00\r\nContent-Length: 4\r\n\r\nABCD",
            "sealed",
        ),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "302"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nABCD", "503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + b"A" * 900, "too long"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nABCD", "ProtocolError"),
        (b"not HTTP at all\r\n\r\n", "ProtocolError"),
        (b"", "ProtocolError"),
    ],
)
def test_an_answer_that_is_none_is_not_used_and_not_shown(answer, why):
    """Cut, redirected, forged, endless: the card gets no byte, the log no word."""
    with saying(answer) as url, pytest.raises(KeyServiceError, match=why) as caught:
        exchange(url)(ASKED)

    shown = "".join(traceback.format_exception(caught.value, limit=0))
    assert "ABCD" not in shown
    assert "not HTTP" not in shown
    assert SOURCE_HEX not in shown


def test_an_answer_that_drips_in_does_not_hold_the_card():
    """Each byte comes in time; the whole does not."""
    slow = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"A" * 100
    with (
        saying(slow, drip_s=0.05) as url,
        pytest.raises(KeyServiceError, match="deadline"),
    ):
        exchange(url, deadline_s=0.3)(ASKED)


def test_silence_ends_at_the_deadline():
    """The holder's card waits under power for no longer than was set up."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(KeyServiceError, match="ReadTimeoutError"),
    ):
        exchange(f"http://127.0.0.1:{server.getsockname()[1]}", deadline_s=0.2)(ASKED)


def test_an_answer_to_another_question_does_not_fit():
    """A true answer of the same service, replayed to the next question."""
    window = KeyWindow(KeyService(V3, ADDRESSES).answer, SECRETS, now=at_nine)
    body = ASKED.encode()
    true = Client(window).post(key_seal.PATH, data=body, headers=signed(body))
    assert true.status_code == 200
    replayed = (
        f"HTTP/1.1 200 OK\r\n{key_seal.SEAL}: {true.headers[key_seal.SEAL]}\r\n"
        f"Content-Length: {len(true.data)}\r\n\r\n"
    ).encode() + true.data

    with saying(replayed) as url, pytest.raises(KeyServiceError, match="sealed"):
        exchange(url)(ASKED)


# --- what the centre refuses


@pytest.mark.parametrize(
    "changed",
    [
        {"access_key": "somebody"},
        {"secret_key": "something"},
        {"terminal_no": ""},
        {"now": lambda: NOW - dt.timedelta(hours=1)},
        {"now": lambda: NOW + dt.timedelta(hours=1)},
    ],
)
def test_a_stranger_is_not_answered(centre, changed):
    """A signature of nobody, of another secret, of no terminal, or an old one."""
    with pytest.raises(KeyServiceError, match="401"):
        exchange(centre, **changed)(ASKED)


def test_a_question_is_answered_once(centre):
    """A copied request would authenticate a copied card."""
    body = ASKED.encode()
    headers = signed(body, session="once")

    assert send(centre, body, headers)[0] == 200
    assert send(centre, body, headers)[0] == 401
    assert send(centre, body, signed(body, session="once", counter="2"))[0] == 200
    assert send(centre, body, signed(body, session="once", counter="1"))[0] == 401


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (key_seal.TERMINAL, "990100000002"),
        (key_seal.SESSION, "another"),
        (key_seal.COUNTER, "9"),
        (key_seal.SEAL, "0" * 64),
        (key_seal.SEAL, ""),
        (gate.NAME, "2207"),
        (gate.SIGNATURE, "AAAA"),
    ],
)
def test_whatever_is_bound_cannot_be_changed(centre, name, value):
    """Terminal, session, counter and name are part of what was signed."""
    body = ASKED.encode()
    headers = signed(body, session=f"bound-{name}-{value}") | {name: value}

    assert send(centre, body, headers)[0] == 401


def test_another_body_under_a_true_signature_is_not_answered(centre):
    """The gateway's signature leaves the body out; the seal does not."""
    headers = signed(ASKED.encode(), session="body")
    other = ASKED.replace(SOURCE_HEX, "F" * 16).encode()

    assert send(centre, other, headers)[0] == 401


@pytest.mark.parametrize("counter", ["", "-1", "one", "1.5", "٣"])
def test_a_counter_is_a_number(counter):
    """What does not count cannot rise."""
    window = KeyWindow(lambda _: "", SECRETS, now=at_nine)

    assert not window._rises((TERMINAL_NO, "s", counter), NOW)  # noqa: SLF001 - HTTP carries no such header


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b"no question",
        b"01|nowhere|00|00|990100|00|",
        b"02|RK1DF04|1122334455667788|0102030405060708|990100|" + b"0" * 24 + b"|",
        b"xx|RK1DF04|zz|zz|990100|zz|",
        b"\xff\xfe",
    ],
)
def test_what_is_no_question_is_refused_without_a_word(centre, asked):
    """Unknown address, SSF33, no hex, no text: one status, nothing of the inside."""
    session = f"refused-{asked.hex()[:40]}"

    status, said = send(centre, asked, signed(asked, session=session))

    assert status == 422
    assert b"RK1DF04" not in said


def test_a_long_body_and_another_method_are_refused(centre):
    """No string of the driver's is longer than its buffer."""
    long = b"A" * (key_seal.LONGEST + 1)

    assert send(centre, long, signed(long, session="long"))[0] == 413
    assert send(centre, b"", signed(b"", session="get"), "GET")[0] == 405


def test_a_service_that_breaks_says_nothing_of_it(caplog):
    """Neither the caller nor the log sees the question."""

    def break_down(asked: str) -> str:
        raise RuntimeError(asked)

    window = KeyWindow(break_down, SECRETS, now=at_nine)
    body = ASKED.encode()
    response = Client(window).post(key_seal.PATH, data=body, headers=signed(body))

    assert response.status_code == 500
    assert SOURCE_HEX not in response.text + caplog.text
    assert "RuntimeError" in str([vars(record) for record in caplog.records])


def test_old_sessions_are_forgotten_when_their_questions_are_too_old():
    """A centre runs for months; each start of each terminal is a session."""
    clock = [NOW]
    window = KeyWindow(lambda _: "", SECRETS, now=lambda: clock[0])
    for hour in range(5):
        at = NOW + dt.timedelta(hours=2 * hour)
        assert window._rises((TERMINAL_NO, f"s{hour}", "1"), at)  # noqa: SLF001 - what it keeps

    assert len(window._last) == 1  # noqa: SLF001 - what it keeps


def test_secrets_are_not_shown():
    """Settings end up in tracebacks."""
    settings = KeyExchangeSettings("https://centre.example", "open", "hidden", "1")

    assert "hidden" not in repr(settings)
    assert "open" not in repr(settings)


@pytest.mark.process
@pytest.mark.parametrize("demonstration", [True, False])
def test_only_a_demonstration_serves_test_keys(tmp_path, demonstration):
    """The published root must prove nothing at a real centre: the path is not there."""
    child = subprocess.Popen(
        [sys.executable, "-c", CENTRE, str(tmp_path), str(demonstration)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            assert child.stdout is not None
            port = json.loads(child.stdout.readline())["port"]
            made = load_or_make_secrets(tmp_path / "centre.keys")
            ask = exchange(
                f"http://127.0.0.1:{port}",
                access_key=made.access_key,
                secret_key=made.secret_key,
                now=lambda: dt.datetime.now(dt.UTC),
            )
            if demonstration:
                assert ask(ASKED).endswith(f"{SOURCE_HEX}|")
            else:
                with pytest.raises(KeyServiceError, match="404"):
                    ask(ASKED)
        finally:
            child.terminate()
