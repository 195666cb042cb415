"""The counter's stream: bounded, resumable, and gone when the client is gone."""

from __future__ import annotations

import itertools
import threading

import pytest

from terminal.errors import TooManyStreamsError
from terminal.events import EventHub, EventStream
from tests.terminal.terminal_client import Terminal, bill_json, told


@pytest.fixture
def hub() -> EventHub:
    """Return a hub with room for two streams, two queued and four remembered."""
    return EventHub(max_streams=2, queue_size=2, ring_size=4, heartbeat_s=0.01)


def read(stream: EventStream, count: int) -> list[str]:
    """Read *count* pieces off *stream*."""
    return list(itertools.islice(stream, count))


def last_id(hub: EventHub) -> str:
    """Publish something and return the id it got."""
    stream = hub.subscribe()
    hub.publish("card", {"n": 0})
    (_, event) = read(stream, 2)
    stream.close()
    return event.splitlines()[0].removeprefix("id: ")


def test_an_event_arrives_with_its_kind_number_and_data(hub):
    """The page knows what changed and where to resume."""
    stream = hub.subscribe()

    hub.publish("card", {"state": "ready", "holder": "测**"})

    retry, event = read(stream, 2)
    assert retry == "retry: 2000\n\n"
    identity, kind, data = event.splitlines()[:3]
    assert identity.startswith("id: ")
    assert identity.endswith("-1")
    assert kind == "event: card"
    assert data == 'data: {"state":"ready","holder":"测**"}'


def test_a_line_break_in_the_data_cannot_forge_an_event(hub):
    """JSON keeps it escaped, so a name cannot end the event early."""
    stream = hub.subscribe()

    hub.publish("card", {"holder": "x\n\nevent: settlement\ndata: {}"})

    assert read(stream, 2)[1].count("\n\n") == 1


def test_a_quiet_stream_beats(hub):
    """Writing is how a client that went away is noticed."""
    stream = hub.subscribe()

    assert read(stream, 3)[1:] == [": beat\n\n", ": beat\n\n"]


def test_streams_are_bounded_and_a_place_is_given_back(hub):
    """Each costs a thread; the third waits until one is closed."""
    first, _second = hub.subscribe(), hub.subscribe()
    with pytest.raises(TooManyStreamsError):
        hub.subscribe()

    first.close()
    first.close()

    assert hub.subscribe()
    assert hub.streams == 2


def test_a_slow_client_is_cut_off_and_never_waited_for(hub):
    """One sleeping tab must not hold the desk."""
    slow = hub.subscribe()

    for number in range(10):
        hub.publish("card", {"n": number})

    assert hub.streams == 0
    assert "retry" in read(slow, 1)[0]
    assert len(read(slow, 10)) <= 2


def test_a_client_resumes_after_the_last_event_it_saw(hub):
    """A reload misses nothing that the ring still has."""
    seen = last_id(hub)
    hub.publish("settlement", {"n": 1})
    hub.publish("settlement", {"n": 2})

    resumed = read(hub.subscribe(seen), 3)

    assert ['{"n":1}' in resumed[1], '{"n":2}' in resumed[2]] == [True, True]


def test_a_client_that_missed_nothing_gets_nothing_twice(hub):
    """The newest id resumes at now."""
    resumed = read(hub.subscribe(last_id(hub)), 2)

    assert resumed[1] == ": beat\n\n"


@pytest.mark.parametrize(
    "seen", ["other-1", "1", "-", "x", "{epoch}-99", "{epoch}-x", "{epoch}-" + "9" * 40]
)
def test_a_client_that_cannot_be_resumed_is_told_to_start_anew(hub, seen):
    """Another process's number, or a made up one: the page loads its state again."""
    epoch = last_id(hub).partition("-")[0]

    resumed = read(hub.subscribe(seen.format(epoch=epoch)), 2)

    assert resumed[1] == "event: reset\ndata: {}\n\n"


def test_a_client_that_comes_too_late_is_told_to_start_anew(hub):
    """The ring is bounded; what fell out of it is not passed over in silence."""
    seen = last_id(hub)
    for number in range(6):
        hub.publish("card", {"n": number})

    assert "event: reset" in read(hub.subscribe(seen), 2)[1]


def test_a_stopping_daemon_ends_its_streams(hub):
    """An open tab must not hold up the stop."""
    stream = hub.subscribe()
    reader = threading.Thread(target=list, args=(stream,))
    reader.start()

    hub.close()

    reader.join(5)
    assert not reader.is_alive()
    with pytest.raises(TooManyStreamsError):
        hub.subscribe()


# -- over the route


def test_the_stream_begins_with_what_the_slot_holds():
    """A page that has just opened shows the card at once."""
    terminal = Terminal()
    terminal.service.insert_card("sm4")

    response = terminal.get("/api/v1/events", buffered=False)

    pieces = iter(response.response)
    assert next(pieces) == b"retry: 2000\n\n"
    assert b'"state":"ready"' in next(pieces)
    assert response.mimetype == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    response.close()
    assert terminal.events.streams == 0


def test_a_stream_that_is_never_read_gives_its_place_back():
    """A client that hangs up at once must not take a place for good."""
    terminal = Terminal()

    for _ in range(5):
        terminal.get("/api/v1/events", buffered=False).close()

    assert terminal.events.streams == 0


def test_one_stream_too_many_is_refused_with_a_hint():
    """The page tells the cashier to close a tab, and tries again."""
    terminal = Terminal()
    open_ones = [terminal.get("/api/v1/events", buffered=False) for _ in range(2)]

    answer = terminal.get("/api/v1/events")

    assert answer.status_code == 503
    assert told(answer)["code"] == "too-many-streams"
    assert answer.headers["Retry-After"]
    for one in open_ones:
        one.close()


def test_a_stream_whose_beginning_fails_gives_its_place_back():
    """An error while the card is asked for must not leak a place."""
    terminal = Terminal()
    terminal.service.orders.raises = RuntimeError("the desk is gone")

    assert terminal.get("/api/v1/events").status_code == 500
    assert terminal.events.streams == 0


def test_a_quote_pushed_by_a_pos_reaches_the_counter():
    """The bill appears on the cashier's screen without a key press."""
    terminal = Terminal()
    terminal.service.insert_card("sm4")
    stream = terminal.events.subscribe()

    terminal.post("/api/v1/quotes", {"bill": bill_json()})

    assert '"bill_no":"B1"' in read(stream, 2)[1]
