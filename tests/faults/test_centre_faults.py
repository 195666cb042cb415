"""The centre told to misbehave: an answer is spoilt, the book never is."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from settlement.centre import persons, records
from settlement.centre.book import Book
from settlement.centre.serving import listen
from settlement.claim import Insurance
from settlement.money import Money
from tests.settlement.centre.counter import (
    FIRST,
    Answer,
    Clock,
    Counter,
    Post,
    centre,
    line,
    open_book,
    pharmacy,
    reversal,
)

WHO = FIRST.person.person_id
BILL = pharmacy([line(1, "A1", "30.00")], "30.00")
LOSE = {"X-Demo-Fault": "lose-answer"}


def over_http(port: int, timeout_s: float = 10) -> Post:
    """Post over a real socket, one connection per message."""

    def post(headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        try:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    return post


@contextmanager
def served(book: Book, clock: Clock, *, demonstration: bool) -> Iterator[int]:
    """Serve a centre on a free port of this machine until the block ends."""
    server = listen(centre(book, clock, demonstration=demonstration), "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.port
    finally:
        server.stop()
        thread.join(timeout=10)


@pytest.fixture
def clock() -> Clock:
    """The centre's clock."""
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock) -> Iterator[Book]:
    """The centre's book."""
    kept = open_book(tmp_path, clock)
    yield kept
    kept.close()


@pytest.fixture
def counter(book: Book, clock: Clock) -> Iterator[Counter]:
    """A counter on a socket to a demonstration centre."""
    with served(book, clock, demonstration=True) as port:
        signed = Counter(over_http(port), clock)
        signed.sign_in()
        yield signed


def booked(book: Book, msgid: str) -> bool:
    """Whether a live record stands for the message."""
    with book.reading() as page:
        record = records.by_msgid(page, msgid)
    return record is not None and not record.reversed


def balance(book: Book) -> Money:
    """The person's account."""
    with book.reading() as page:
        return persons.balance(page, WHO, Insurance.RESIDENT)


def fault(counter: Counter, msgid: str, headers: Answer) -> tuple[int, bytes]:
    """Settle with a fault asked for."""
    return counter.raw("2102", BILL, msgid=msgid, headers=headers)


def test_a_lost_answer_is_booked_once_and_breaks_off(
    counter: Counter, book: Book
) -> None:
    """The client cannot know: it sees a stream that ends before its promised end."""
    msgid = counter.msgid()

    with pytest.raises(http.client.IncompleteRead):
        fault(counter, msgid, LOSE)

    assert booked(book, msgid)
    assert balance(book) == Money(5650)
    assert "重复" in counter.refused("2102", BILL, msgid=msgid)
    assert balance(book) == Money(5650)


def test_a_lost_answer_is_undone_by_its_msgid(counter: Counter, book: Book) -> None:
    """2601 needs nothing but what was durable before the message left."""
    msgid = counter.msgid()
    with pytest.raises(http.client.IncompleteRead):
        fault(counter, msgid, LOSE)

    counter.ok("2601", reversal(msgid, "2102"))

    assert not booked(book, msgid)
    assert balance(book) == Money(8650)
    assert book.check() == ()


def test_a_503_after_booking_is_booked_once(counter: Counter, book: Book) -> None:
    """A server error says nothing about the books."""
    msgid = counter.msgid()

    status, body = fault(counter, msgid, {"X-Demo-Fault": "status-503"})

    assert status == 503
    assert "infcode" not in json.loads(body)
    assert booked(book, msgid)
    assert balance(book) == Money(5650)


def test_a_late_answer_is_booked_before_the_client_gives_up(
    counter: Counter, book: Book
) -> None:
    """The client's time-out is no proof that nothing happened."""
    msgid = counter.msgid()
    port = counter.post
    hurried = Counter(port, counter.clock, sign_no=counter.sign_no)
    started = time.monotonic()

    status, body = fault(hurried, msgid, {"X-Demo-Fault": "late=1"})

    assert time.monotonic() - started >= 1
    assert (status, json.loads(body)["infcode"]) == (200, 0)
    assert booked(book, msgid)


def test_a_client_that_hung_up_is_booked_all_the_same(book: Book, clock: Clock) -> None:
    """The answer is late, the connection is gone, the record stands."""
    with served(book, clock, demonstration=True) as port:
        patient = Counter(over_http(port), clock)
        patient.sign_in()
        msgid = patient.msgid()
        hurried = Counter(over_http(port, 0.3), clock, sign_no=patient.sign_no)

        with pytest.raises(TimeoutError):
            fault(hurried, msgid, {"X-Demo-Fault": "late=1"})

        assert booked(book, msgid)
        assert "重复" in patient.refused("2102", BILL, msgid=msgid)


@pytest.mark.parametrize("asked", ["lose-answer", "status-503", "late=60"])
def test_outside_a_demonstration_no_fault_can_be_asked_for(
    book: Book, clock: Clock, asked: str
) -> None:
    """A header must not be a way to break a centre that counts."""
    with served(book, clock, demonstration=False) as port:
        counter = Counter(over_http(port), clock)
        counter.sign_in()

        status, body = fault(counter, counter.msgid(), {"X-Demo-Fault": asked})

    assert (status, json.loads(body)["infcode"]) == (200, 0)


@pytest.mark.parametrize("asked", ["", "late=soon", "late=-1", "burn-down"])
def test_a_fault_that_is_none_changes_nothing(counter: Counter, asked: str) -> None:
    """An unknown knob is not obeyed by guesswork."""
    status, body = fault(counter, counter.msgid(), {"X-Demo-Fault": asked})

    assert (status, json.loads(body)["infcode"]) == (200, 0)


def test_a_fault_on_a_refused_message_books_nothing(
    counter: Counter, book: Book
) -> None:
    """Losing the answer to a refusal leaves nothing behind either."""
    wrong = pharmacy([line(1, "A1", "30.00")], "31.00")
    msgid = counter.msgid()

    with pytest.raises(http.client.IncompleteRead):
        counter.raw("2102", wrong, msgid=msgid, headers=LOSE)

    assert not booked(book, msgid)
    counter.ok("2601", reversal(msgid, "2102"))
    assert balance(book) == Money(8650)


def test_the_centre_listens_on_this_machine_only(book: Book, clock: Clock) -> None:
    """Its messages are not encrypted: no other address is taken."""
    with pytest.raises(ValueError, match=r"127\.0\.0\.1"):
        listen(centre(book, clock), "0.0.0.0", 0)  # noqa: S104 - the point of the test
