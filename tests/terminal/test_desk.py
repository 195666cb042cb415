"""The card desk: what it shows, what it survives, and what it never does."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from reader.apdu import Answer
from reader.errors import (
    CardRemovedError,
    CardResetError,
    NoCardError,
    PinCancelledError,
    ReaderUnavailableError,
)
from reader.link import Link
from reader.session import CardSession
from terminal.errors import CardBusyError, CardRequiredError
from terminal.views import CardState
from tests.terminal.desk_world import (
    PATIENCE_S,
    PIN,
    QUICK,
    WRONG,
    a_card,
    desk_at_work,
    open_session,
    typed,
)

#: What the counter must keep (acceptance): shown, and in order again.
SHOWN_S, BACK_S = 0.5, 5.0


@pytest.fixture
def world():
    """Run a desk over an empty slot."""
    with desk_at_work() as world:
        yield world


@pytest.fixture
def read(world):
    """Run a desk over a card that was read."""
    world.slot.insert(a_card())
    world.shows(CardState.READY)
    return world


# -- what it shows ---------------------------------------------------------------


def test_a_card_that_is_put_in_is_read_by_itself(world):
    """The cashier presses nothing; the screen follows the hand."""
    world.slot.insert(a_card())

    assert world.shows(CardState.READY) < SHOWN_S + QUICK.operation_timeout_s
    assert world.states == [CardState.READING, CardState.READY]
    assert world.desk.view().holder_name == "测**"


def test_a_card_that_is_taken_out_is_shown_within_half_a_second(read):
    """The next holder's card must not meet the last one's figures."""
    read.slot.remove()

    assert read.shows(CardState.EMPTY) < SHOWN_S
    with pytest.raises(CardRequiredError):
        read.desk.credential()


def test_a_reader_that_goes_away_is_shown_and_found_again(read):
    """Plugging it in again is all that anybody has to do."""
    read.link.gone = True
    assert read.shows(CardState.NO_READER) < SHOWN_S
    problem = read.desk.view().problem
    assert problem is not None
    assert problem.code == "reader-unavailable"

    read.link.gone = False
    assert read.shows(CardState.READY) < BACK_S


def test_every_view_has_a_higher_generation(read):
    """A page that asks late must see that what it shows is old."""
    read.slot.remove()
    read.shows(CardState.EMPTY)

    numbers = [view.generation for _, view in read.shown]
    assert numbers == sorted(set(numbers))


def test_a_card_put_in_by_the_demonstration_is_read_once(world):
    """The watch sees it too, and must not read it a second time."""
    world.desk.read(before=lambda: world.slot.insert(a_card()))
    time.sleep(5 * QUICK.poll_s)

    assert world.states == [CardState.READING, CardState.READY]


def test_an_empty_slot_is_no_refused_card(world):
    """There is nothing to refuse."""
    with pytest.raises(NoCardError):
        world.desk.read()

    assert world.desk.view().state is CardState.EMPTY


def test_a_forgotten_card_is_powered_down():
    """A verified PIN must not wait for whoever comes to the counter next."""
    with desk_at_work(replace(QUICK, idle_s=0.1)) as world:
        world.slot.insert(a_card())
        world.shows(CardState.DONE)

        assert CardState.READY in world.states


# -- what it survives ------------------------------------------------------------


def test_a_hung_reader_does_not_hold_the_next_card(read):
    """The driver never comes back; the counter does."""
    read.link.hangs_at = read.link.commands + 1
    read.desk.read()
    assert read.desk.view().state is CardState.NO_READER

    begun = time.monotonic()
    read.shows(CardState.READY)

    assert time.monotonic() - begun < BACK_S


def test_a_thread_that_hung_cannot_touch_the_reader_any_more(read):
    """It would power the next holder's card down, or worse, speak to it."""
    read.link.hangs_at = read.link.commands + 1
    read.desk.read()
    read.shows(CardState.READY)

    read.link.released.set()
    read.until(lambda: bool(read.link.after_hanging))
    time.sleep(0.05)

    assert read.desk.verify_pin(typed(PIN)).verified


def test_a_second_operation_waits_for_its_turn_and_no_longer(read):
    """Two keys pressed at once are two operations, one after the other."""
    begun, done = threading.Event(), threading.Event()

    def slow(_session: CardSession) -> None:
        begun.set()
        done.wait(PATIENCE_S)

    worker = threading.Thread(
        target=lambda: read.desk.with_session(slow, timeout_s=PATIENCE_S)
    )
    worker.start()
    begun.wait(PATIENCE_S)

    with pytest.raises(CardBusyError):
        read.desk.with_session(lambda session: session.credential)
    with pytest.raises(CardBusyError):
        read.desk.read()
    assert read.desk.view().state is CardState.READY
    assert read.desk.view().holder_name == "测**"
    done.set()
    worker.join()


def test_a_read_that_found_the_card_busy_does_not_bring_back_what_was_before(read):
    """The card was taken out while it waited: the holder is not at the counter."""
    begun, done = threading.Event(), threading.Event()

    def slow(_session: CardSession) -> None:
        begun.set()
        done.wait(PATIENCE_S)

    def second_read() -> None:
        with pytest.raises(CardBusyError):
            read.desk.read()

    first = threading.Thread(
        target=lambda: read.desk.with_session(slow, timeout_s=PATIENCE_S)
    )
    first.start()
    begun.wait(PATIENCE_S)
    second = threading.Thread(target=second_read)
    second.start()
    read.shows(CardState.READING)
    taken_out = read.desk.removed()
    second.join()

    later = [view for _, view in read.shown if view.generation > taken_out.generation]
    assert not any(view.holder_name for view in later)
    done.set()
    first.join()


def test_a_read_that_was_overtaken_by_the_next_holders_is_not_shown(read):
    """The name beside the figures must be that of the card that will settle."""
    earlier = read.desk._session  # noqa: SLF001 - its thread was slow to show it
    read.slot.insert(a_card("v2-yi"))
    now = read.desk.read()

    assert read.desk._show_session(earlier) == now  # noqa: SLF001 - it shows it now
    assert read.desk.view().person_cert_no == now.person_cert_no


def test_a_card_that_failed_and_lies_in_the_slot_is_looked_at_again(world):
    """A contact that bounced is no reason to ask for the card again."""
    failures = [CardRemovedError(), CardRemovedError()]

    def at_first_not(link: Link) -> CardSession:
        if failures:
            raise failures.pop()
        return open_session(link)

    world.desk._open_session = at_first_not  # noqa: SLF001 - a contact that bounces
    world.slot.insert(a_card())

    assert world.shows(CardState.READY) < BACK_S


def test_a_card_that_was_reset_is_not_read_again_unasked(world):
    """An authenticated step that was broken is aborted, never repeated in silence."""

    def reset(_link: Link) -> CardSession:
        raise CardResetError

    world.desk._open_session = reset  # noqa: SLF001 - another program resets the card
    world.slot.insert(a_card())
    world.shows(CardState.REFUSED)
    time.sleep(3 * QUICK.recheck_s)

    assert world.states == [CardState.READING, CardState.REFUSED]


# -- the session -----------------------------------------------------------------


def test_work_on_the_session_runs_on_the_card_thread(read):
    """One thread speaks to the card; routes have many."""
    names = read.desk.with_session(
        lambda session: (threading.current_thread().name, session.credential.name)
    )

    assert names == ("card", "测试甲")


def test_work_without_a_card_is_refused(world):
    """There is no session to work with."""
    with pytest.raises(CardRequiredError):
        world.desk.with_session(lambda session: session.credential)


def test_a_card_that_leaves_during_the_work_ends_its_session(read):
    """What follows must not find a holder who is gone."""

    def pulled(session: CardSession) -> None:
        read.slot.remove()
        session.still_same_card()

    with pytest.raises(CardRemovedError):
        read.desk.with_session(pulled)

    assert read.desk.view().state is CardState.EMPTY
    with pytest.raises(CardRequiredError):
        read.desk.credential()


# -- the PIN ---------------------------------------------------------------------


def test_at_one_try_left_nothing_is_sent_without_a_word(read):
    """The next wrong PIN would lock the card; the holder must want that try."""
    read.desk.verify_pin(typed(WRONG))
    read.desk.verify_pin(typed(WRONG))

    refused = read.desk.verify_pin(typed(WRONG))

    assert refused.problem is not None
    assert refused.problem.code == "pin-last-try"
    assert refused.tries_left == read.desk.view().tries_left == 1
    assert read.desk.view().state is CardState.READY


def test_the_last_try_is_spent_when_it_is_confirmed(read):
    """It is the holder's to spend."""
    read.desk.verify_pin(typed(WRONG))
    read.desk.verify_pin(typed(WRONG))

    assert read.desk.verify_pin(typed(PIN), last_try_confirmed=True).verified
    assert read.desk.view().state is CardState.VERIFIED


def test_a_wrong_last_try_blocks_and_the_view_says_what_to_do(read):
    """The sentence sends the holder to where it can be unblocked."""
    read.desk.verify_pin(typed(WRONG))
    read.desk.verify_pin(typed(WRONG))

    told = read.desk.verify_pin(typed(WRONG), last_try_confirmed=True)

    assert told.problem is not None
    assert told.problem.code == "pin-blocked"
    assert read.desk.view().state is CardState.REFUSED


def test_a_factory_pin_is_right_and_settles_nothing(read):
    """Whoever was issued the card's letter could settle with it."""
    told = read.desk.verify_pin(typed(PIN, PIN))

    assert told.problem is not None
    assert told.problem.code == "pin-factory"
    assert read.desk.view().state is CardState.READY


class SlowPad:
    """A pad at which the holder takes his time, or cancels."""

    name = "slow"
    asks_card = True
    is_factory = False

    def __init__(self, seconds: float, *, cancels: bool = False) -> None:
        self._seconds = seconds
        self._cancels = cancels
        self.wiped = False

    def present(self, link: Link) -> Answer:
        """Wait for the holder."""
        del link
        time.sleep(self._seconds)
        if self._cancels:
            raise PinCancelledError
        return Answer(b"", 0x9000)

    def wipe(self) -> None:
        """Note that it was called."""
        self.wiped = True


def test_a_holder_at_a_pad_has_more_time_than_a_card(read):
    """Entering six digits takes longer than any command of a card."""
    pad = SlowPad(2 * QUICK.operation_timeout_s)

    assert read.desk.verify_pin(lambda _who: pad, at_pad=True).verified
    assert pad.wiped


def test_a_holder_who_cancels_spends_no_try(read):
    """He may think again; the card stays read."""
    told = read.desk.verify_pin(lambda _who: SlowPad(0, cancels=True), at_pad=True)

    assert told.problem is not None
    assert told.problem.code == "pin-cancelled"
    assert told.tries_left == 3
    assert read.desk.view().state is CardState.READY


def test_a_pin_that_hangs_ends_in_a_reader_that_is_gone(read):
    """Nobody knows what the card has done: the session is over."""
    read.link.hangs_at = read.link.commands + 1

    told = read.desk.verify_pin(typed(PIN))

    assert told.problem is not None
    assert told.problem.code == "reader-unavailable"
    with pytest.raises((CardRequiredError, ReaderUnavailableError)):
        read.desk.verified_credential()
