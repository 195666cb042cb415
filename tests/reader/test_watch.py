"""The watch over a slot: each change once, in order, and after every trouble."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from reader.errors import ReaderError, ReaderUnavailableError
from reader.watch import SlotEvent, SlotState, SlotWatch

EMPTY, PRESENT, NO_READER = SlotState.EMPTY, SlotState.PRESENT, SlotState.NO_READER
#: Exact as a float: the test's clock adds it up.
DEBOUNCE_S = 0.0625
WAIT_S = 5.0


class Slot:
    """A link of which only the slot matters, and a clock beside it."""

    name = "Sim"

    def __init__(self) -> None:
        self.holds: bool | Exception = False
        self.now = 100.0
        self.looks = 0

    def present(self) -> bool:
        """Say what the slot holds."""
        self.looks += 1
        if isinstance(self.holds, Exception):
            raise self.holds
        return self.holds

    def monotonic(self) -> float:
        """Tell the time."""
        return self.now

    def power_on(self) -> bytes:
        """Nobody powers a card here."""
        raise AssertionError

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Nobody talks to a card here."""
        raise AssertionError(command)

    def power_off(self) -> None:
        """Nobody powers a card here."""
        raise AssertionError


class Listener:
    """Hears events, and may fail at them."""

    def __init__(self) -> None:
        self.events: list[SlotEvent] = []
        self.heard = threading.Semaphore(0)
        self.fails = 0

    def __call__(self, event: SlotEvent) -> None:
        """Hear one event."""
        self.events.append(event)
        self.heard.release()
        if self.fails:
            self.fails -= 1
            detail = "a listener with a fault"
            raise ValueError(detail)

    @property
    def states(self) -> list[SlotState]:
        """What was told, in its order."""
        return [event.state for event in self.events]


@pytest.fixture
def slot() -> Slot:
    """Make an empty slot."""
    return Slot()


@pytest.fixture
def listener() -> Listener:
    """Make a listener."""
    return Listener()


@pytest.fixture
def watch(slot: Slot, listener: Listener) -> SlotWatch:
    """Make a watch that looks when the test says so."""
    return SlotWatch(slot, listener, debounce_s=DEBOUNCE_S, monotonic=slot.monotonic)


def settle(watch: SlotWatch, slot: Slot, holds: bool | Exception) -> None:  # noqa: FBT001 - what a slot holds
    """Let the slot hold something for long enough."""
    slot.holds = holds
    watch.look()
    slot.now += DEBOUNCE_S
    watch.look()


def test_each_change_is_told_once(slot, listener, watch):
    """A card that lies in the slot all day is one event."""
    for holds in (False, True, True, True, False, False):
        settle(watch, slot, holds)

    assert listener.states == [EMPTY, PRESENT, EMPTY]


def test_the_generation_rises_with_each_change(slot, listener, watch):
    """What was read of one card is told apart from the next, even of the same state."""
    for holds in (True, False, True):
        settle(watch, slot, holds)

    assert [event.generation for event in listener.events] == [1, 2, 3]
    assert watch.generation == 3


def test_a_card_that_bounces_is_told_when_it_lies_still(slot, listener, watch):
    """Contacts bounce when a card slides in; nobody starts to read three times."""
    settle(watch, slot, holds=False)
    for holds in (True, False, True, False, True):
        slot.holds = holds
        watch.look()
        slot.now += DEBOUNCE_S / 2
    settle(watch, slot, holds=True)

    assert listener.states == [EMPTY, PRESENT]


def test_a_bounce_that_comes_to_nothing_is_not_told(slot, listener, watch):
    """A card that was shown to the slot and not put in."""
    settle(watch, slot, holds=False)
    slot.holds = True
    watch.look()

    settle(watch, slot, holds=False)

    assert listener.states == [EMPTY]


def test_a_reader_that_is_gone_is_told_with_its_reason(slot, listener, watch):
    """The light goes red, and the sentence says what to plug in."""
    problem = ReaderUnavailableError("Sim")
    settle(watch, slot, problem)
    settle(watch, slot, holds=False)

    assert listener.states == [NO_READER, EMPTY]
    assert listener.events[0].problem is problem
    assert listener.events[1].problem is None


@pytest.fixture
def running(slot: Slot, listener: Listener) -> Iterator[SlotWatch]:
    """Run a watch on its own thread."""
    watch = SlotWatch(slot, listener, poll_s=0.01, debounce_s=0)
    watch.start()
    yield watch
    watch.stop()


@pytest.mark.usefixtures("running")
def test_a_listener_that_fails_does_not_end_the_watch(slot, listener):
    """One fault at the counter must not blind it for the rest of the day."""
    assert listener.heard.acquire(timeout=WAIT_S)
    listener.fails = 1
    slot.holds = True
    assert listener.heard.acquire(timeout=WAIT_S)

    slot.holds = False

    assert listener.heard.acquire(timeout=WAIT_S)
    assert listener.states == [EMPTY, PRESENT, EMPTY]


@pytest.mark.usefixtures("running")
def test_a_link_that_fails_in_a_new_way_does_not_end_the_watch(slot, listener):
    """A driver finds errors that nobody has thought of."""
    assert listener.heard.acquire(timeout=WAIT_S)
    slot.holds = ZeroDivisionError()
    looks = slot.looks
    while slot.looks < looks + 3:
        threading.Event().wait(0.01)

    slot.holds = True

    assert listener.heard.acquire(timeout=WAIT_S)
    assert listener.states == [EMPTY, PRESENT]


def test_while_an_operation_runs_the_watch_looks_away(slot, listener, running):
    """Asking a reader that talks to the card would disturb both."""
    assert listener.heard.acquire(timeout=WAIT_S)
    with running.paused():
        slot.holds = True
        assert not listener.heard.acquire(timeout=0.1)

    assert listener.heard.acquire(timeout=WAIT_S)
    assert listener.states == [EMPTY, PRESENT]


def test_after_the_stop_nothing_is_told(slot, listener, running):
    """The counter is being taken down."""
    assert listener.heard.acquire(timeout=WAIT_S)
    running.stop()
    slot.holds = True

    assert not listener.heard.acquire(timeout=0.1)


class NotifyingSlot(Slot):
    """A link that knows by itself when its slot changes."""

    def __init__(self) -> None:
        super().__init__()
        self.news = threading.Event()

    def wait_for_change(self, timeout_s: float) -> None:
        """Return when there is news."""
        self.news.wait(timeout_s)
        self.news.clear()


def test_a_link_with_news_is_looked_at_at_once(listener):
    """The poll is for links that cannot tell; here it would take a minute."""
    slot = NotifyingSlot()
    watch = SlotWatch(slot, listener, poll_s=60.0, debounce_s=0)
    watch.start()
    assert listener.heard.acquire(timeout=WAIT_S)

    slot.holds = True
    slot.news.set()

    assert listener.heard.acquire(timeout=WAIT_S)
    slot.news.set()
    watch.stop()


def test_only_errors_of_a_reader_are_a_reader_that_is_gone(slot, watch):
    """A fault of ours is not blamed on a cable."""
    slot.holds = ZeroDivisionError()

    with pytest.raises(ZeroDivisionError):
        watch.look()
    assert not isinstance(slot.holds, ReaderError)
