"""The line to the centre is gone: wholly, one way, now and then, or not trusted."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from settlement.centre.circuit import OPENS_AFTER, PROBE_EVERY_S, Circuit
from settlement.centre.errors import CentreNotSentError, CentreUnknownError
from settlement.centre.wire import HttpWire
from settlement.lifecycle import State
from tests.certificates import certificate
from tests.rig.network import Fate
from tests.rig.one_day import OneDay, one_day

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
BODY = b'{"infno":"2207"}'


@pytest.fixture
def day(tmp_path: Path) -> Iterator[OneDay]:
    """Open a day in which the test cuts the line."""
    with one_day(tmp_path) as opened:
        yield opened


@contextmanager
def secure_centre(context: ssl.SSLContext) -> Iterator[tuple[str, list[bytes]]]:
    """Answer over TLS; every message that arrived is kept."""
    arrived: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(line, server_side=True) as talk:
                    message = b""
                    while part := talk.recv(65536):
                        message += part
                        # Closed with something unread, the line would be reset.
                        if message.endswith(BODY):
                            arrived.append(message)
                            talk.sendall(ANSWER)
                            break
            except OSError:
                line.close()

    thread = threading.Thread(target=serve, name="centre", daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/", arrived
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def wire(url: str, ca_file: str = "") -> HttpWire:
    """Be a terminal on that line; an answer late by five seconds is listened for."""
    return HttpWire(
        url,
        connect_timeout_s=1.0,
        read_timeout_s=1.0,
        late_answer_s=5.0,
        ca_file=ca_file,
    )


# -- a centre that cannot be trusted ------------------------------------------------


def test_f18_a_good_certificate_of_the_named_authority_is_talked_to(tmp_path: Path):
    """The bureau's own authority, named by ``centre.ca_file``."""
    good = certificate(tmp_path, -1, 400)
    with secure_centre(good) as (url, arrived):
        answer = wire(url, str(tmp_path / "centre.pem")).post("", {}, BODY)

    assert answer == (200, b"{}")
    assert len(arrived) == 1


@pytest.mark.parametrize(
    ("begins_days", "ends_days", "address", "says"),
    [
        (-20, -3, "127.0.0.1", "expired"),
        (2, 400, "127.0.0.1", "not yet valid"),
        (-1, 400, "127.0.0.9", "mismatch"),
    ],
)
@pytest.mark.parametrize("listens", [False, True])
def test_f18_a_certificate_that_is_not_good_stops_before_the_first_byte(  # noqa: PLR0913, PLR0917 - the certificate's own
    tmp_path: Path,
    begins_days: int,
    ends_days: int,
    address: str,
    says: str,
    listens: bool,  # noqa: FBT001 - a parameter of pytest
):
    """Not sent, for certain, and the reason is told: no unknown comes of it."""
    bad = certificate(tmp_path, begins_days, ends_days, address=address)
    late = (lambda *_: None) if listens else None
    with secure_centre(bad) as (url, arrived), pytest.raises(CentreNotSentError) as why:
        wire(url, str(tmp_path / "centre.pem")).post("", {}, BODY, late=late)

    assert says in why.value.why
    assert arrived == []


def test_f18_a_certificate_of_nobody_we_know_stops_before_the_first_byte(
    tmp_path: Path,
):
    """A box in the middle that signs for itself."""
    stranger = certificate(tmp_path, -1, 400)
    certificate(tmp_path, -1, 400, name="other.pem")
    for trusted in ("", str(tmp_path / "other.pem")):
        with (
            secure_centre(stranger) as (url, arrived),
            pytest.raises(CentreNotSentError) as why,
        ):
            wire(url, trusted).post("", {}, BODY)

        assert "certificate" in why.value.why
        assert arrived == []


def test_f18_a_centre_that_is_silent_before_tls_was_sent_nothing():
    """It takes the connection and never shakes hands."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(CentreNotSentError):
            wire(url).post("", {}, BODY)


def test_f18_a_centre_that_is_silent_after_the_message_is_unknown():
    """One way is open: it may have been carried out."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(CentreUnknownError):
            wire(url).post("", {}, BODY)


def test_f18_a_name_nobody_knows_was_sent_nothing():
    """DNS is away: ``.invalid`` is reserved never to resolve (RFC 2606)."""
    with pytest.raises(CentreNotSentError):
        wire("http://centre.invalid/").post("", {}, BODY)


# -- a line that is cut ---------------------------------------------------------------


def every_message(day: OneDay, fate: Fate) -> None:
    """Let one thing become of every message from now on."""

    def drawn(infno: str) -> Fate:
        del infno
        return fate

    day.world.network.fate = drawn  # type: ignore[method-assign] # a hand on the line


def partition(day: OneDay) -> None:
    """Cut the line: no connection can be made."""
    every_message(day, Fate.REFUSED)


def heal(day: OneDay) -> None:
    """Mend the line."""
    every_message(day, Fate.DELIVERED)


def one_way(day: OneDay) -> None:
    """Let messages out, and no answer in."""
    every_message(day, Fate.ANSWER_LOST)


def light(day: OneDay) -> str:
    """Say what readiness tells of the centre."""
    return {part: code for part, _, code in day.terminal.cashier.readiness()}["centre"]


def test_f18_nobody_is_sold_anything_while_the_line_is_cut(day: OneDay):
    """Refused at once and without a word to the centre; the light says why."""
    assert day.settle(day.bill("B-0"))[0] == 201
    partition(day)
    for number in range(OPENS_AFTER):
        with pytest.raises(CentreNotSentError):
            day.settle(day.bill(f"B-{number + 1}"))
    tried = sum(day.world.network.sent.values())

    with pytest.raises(CentreNotSentError) as refused:
        day.settle(day.bill("B-9"))

    assert refused.value.why == "circuit-open"
    assert sum(day.world.network.sent.values()) == tried
    assert light(day) == "centre-not-sent"
    assert day.messages("2207") == 1
    heal(day)
    day.world.clock.pass_by(PROBE_EVERY_S)
    assert day.settle(day.bill("B-9"))[0] == 201
    assert light(day) == "ok"


def test_f18_what_is_unknown_waits_for_the_line_and_is_asked_about_now_and_then(
    day: OneDay,
):
    """An hour's cut: questions with patience, no settlement again, and one end."""
    day.settle(day.bill(), Fate.ANSWER_LOST)
    partition(day)
    before = sum(day.world.network.sent.values())
    for _ in range(720):
        day.look(seconds=5.0)
    asked = sum(day.world.network.sent.values()) - before
    waits = day.record().state

    heal(day)
    for _ in range(40):
        day.look(seconds=5.0)

    assert waits is State.UNKNOWN
    assert 30 < asked < 90
    assert day.messages("2207") == 1
    assert day.record().state is State.SETTLED


def test_f18_a_line_that_works_one_way_loses_and_doubles_nothing(day: OneDay):
    """Everything arrives and no answer comes: one unknown, and no more are made."""
    day.settle(day.bill("B-1"))
    booked = len(day.centre_rows())
    day.world.network.scripted = []
    status, _ = day.settle(day.bill("B-2"), Fate.ANSWER_LOST)
    one_way(day)
    for number in range(3, 12):
        with pytest.raises((CentreUnknownError, CentreNotSentError)):
            day.settle(day.bill(f"B-{number}"))

    heal(day)
    for _ in range(40):
        day.look(seconds=5.0)

    assert status == 202
    assert len(day.centre_rows()) == booked + 1
    assert not day.terminal.journal.open_items()


@pytest.mark.parametrize("beat", [10, 11, 23])
def test_f18_a_flapping_line_loses_and_doubles_nothing(day: OneDay, beat: int):
    """Down for two messages after every few, for thirty bills."""
    fates = [Fate.DELIVERED] * beat + [Fate.REFUSED, Fate.ANSWER_LOST]
    turns = 0

    def flapping(infno: str) -> Fate:
        nonlocal turns
        del infno
        turns += 1
        return fates[turns % len(fates)]

    day.world.network.fate = flapping  # type: ignore[method-assign] # a bad line
    for number in range(30):
        try:
            day.settle(day.bill(f"B-{number}"))
        except (CentreNotSentError, CentreUnknownError):
            day.world.clock.pass_by(PROBE_EVERY_S)
        day.look(seconds=1.0)
    heal(day)
    for _ in range(60):
        day.look(seconds=10.0)

    assert not day.terminal.journal.open_items()
    settled = day.terminal.journal.records(states=frozenset({State.SETTLED}))
    assert len({record.bill_no for record in settled}) == len(settled) > 0


# -- the circuit itself ---------------------------------------------------------------


def test_f18_the_circuit_opens_by_failed_messages_and_closes_by_an_answer():
    """While it is open money waits, and one question goes through now and then."""
    now = 100.0
    circuit = Circuit(lambda: now)
    for _ in range(OPENS_AFTER):
        circuit.require(money=True)
        circuit.failed()
    with pytest.raises(CentreNotSentError):
        circuit.require(money=False)

    now += PROBE_EVERY_S
    with pytest.raises(CentreNotSentError):
        circuit.require(money=True)
    circuit.require(money=False)
    with pytest.raises(CentreNotSentError):
        circuit.require(money=False)
    circuit.answered()

    circuit.require(money=True)
    assert not circuit.is_open


def test_f18_a_failure_now_and_then_opens_nothing():
    """Every answer begins the count anew, be it a refusal."""
    circuit = Circuit(lambda: 0.0)
    for _ in range(10 * OPENS_AFTER):
        circuit.failed()
        circuit.answered()

    assert not circuit.is_open
