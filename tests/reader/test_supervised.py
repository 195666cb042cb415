"""The link to a card process, with card processes that do everything wrong."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from reader.errors import (
    NoCardError,
    PcscMissingError,
    ReaderBusyError,
    ReaderError,
    ReaderUnavailableError,
)
from reader.links.supervised import SupervisedPcscLink
from tests.reader.fake_card_process import ATR

DEADLINE_S = 0.3
#: A start of Python on a busy machine, beyond the deadline.
START_S = 4.0
Maker = Callable[[str], SupervisedPcscLink]


@pytest.fixture
def link_to() -> Iterator[Maker]:
    """Make links to card processes of any kind; end them all afterwards."""
    made: list[SupervisedPcscLink] = []

    def make(how: str, operation_s: float = DEADLINE_S) -> SupervisedPcscLink:
        command = (sys.executable, "-m", "tests.reader.fake_card_process", how)
        link = SupervisedPcscLink("Sim", operation_s=operation_s, command=command)
        made.append(link)
        return link

    yield make
    for link in made:
        link.close()


def started(link: SupervisedPcscLink) -> int:
    """Wait until the card process has begun; return its number."""
    assert link.present()
    process = link._process  # noqa: SLF001 - to tell one process from the next
    assert process is not None
    return process.child.pid


def test_a_command_and_its_answer_pass_through(link_to):
    """What pyscard would give comes out on this side, byte for byte."""
    link = link_to("well")
    started(link)

    assert link.power_on() == ATR
    assert link.name == "测试读卡器"
    assert link.transmit(bytearray(b"\x00\x84")) == b"\x00\x84\x90\x00"
    link.power_off()


def test_an_error_of_the_card_comes_out_as_itself(link_to):
    """The counter's sentence depends on the class and nothing else."""
    link = link_to("no-card")
    started(link)

    with pytest.raises(NoCardError):
        link.transmit(b"\x00\x84")


def test_a_driver_that_hangs_is_killed_at_the_deadline_and_replaced_at_once(link_to):
    """The card that hung is one thing, the next one in the queue another."""
    link = link_to("hangs")
    first = started(link)
    begun = time.monotonic()

    with pytest.raises(ReaderUnavailableError):
        link.transmit(b"\x00\x84")
    took = time.monotonic() - begun

    assert DEADLINE_S <= took < DEADLINE_S + 1
    assert started(link) != first
    assert link.power_on() == ATR


@pytest.mark.parametrize("how", ["dies", "babbles"])
def test_a_process_that_dies_or_babbles_ends_in_an_unavailable_reader(link_to, how):
    """And the one after it works, within the five seconds the counter is promised."""
    link = link_to(how)
    first = started(link)

    with pytest.raises(ReaderUnavailableError):
        link.transmit(b"\x00\x84")

    assert back_within(link, 5.0) != first


def back_within(link: SupervisedPcscLink, seconds: float) -> int:
    """Wait until the reader is back; return the number of the process."""
    until = time.monotonic() + seconds
    while True:
        try:
            return started(link)
        except ReaderUnavailableError:
            assert time.monotonic() < until
            link.wait_for_change(0.05)


def test_a_process_that_dies_at_once_is_not_started_in_a_circle(link_to):
    """A broken installation must not keep a core busy starting Python."""
    link = link_to("dies-at-once")
    pids = set()
    until = time.monotonic() + 1.5

    while time.monotonic() < until:
        with pytest.raises(ReaderUnavailableError):
            link.transmit(b"\x00\x84")
        process = link._process  # noqa: SLF001 - to tell one process from the next
        assert process is not None
        pids.add(process.child.pid)

    assert 1 <= len(pids) <= 3


def test_why_a_process_could_not_start_is_told_every_time(link_to):
    """``make setup`` is what helps, and the sentence says so to each who asks."""
    link = link_to("refuses")

    for ask in (link.present, link.present, link.power_on, link.present):
        with pytest.raises(PcscMissingError):
            ask()


@pytest.mark.parametrize("how", ["unknown-error", "babbles"])
def test_what_a_process_says_amiss_is_in_no_message(link_to, how):
    """It may be a record of the card; a message goes into the log."""
    link = link_to(how)
    started(link)
    link.power_on()

    with pytest.raises(ReaderUnavailableError) as caught:
        link.transmit(b"\x00\xb2")
    after = what_is_raised_by(link.present)

    assert "990100" not in str(caught.value)
    assert "990100" not in str(after)


def what_is_raised_by(ask: Callable[[], object]) -> ReaderError | None:
    """Return the error, if there is one."""
    try:
        ask()
    except ReaderError as error:
        return error
    return None


def test_an_operation_waits_for_the_one_before_it_but_not_for_ever(link_to):
    """A pad waits a minute for the holder; whoever else asks hears that it is busy."""
    link = link_to("hangs", operation_s=1.0)
    started(link)
    first = threading.Thread(target=fails, args=(link,))
    first.start()
    link._operation_s = DEADLINE_S  # noqa: SLF001 - the second has less time
    time.sleep(0.05)  # the first has begun

    with pytest.raises(ReaderBusyError):
        link.transmit(b"\x00\x84")
    first.join(START_S)


def fails(link: SupervisedPcscLink) -> None:
    """Ask a card that hangs."""
    with pytest.raises(ReaderUnavailableError):
        link.transmit(b"\x00\x84")


def test_a_closed_link_starts_nothing_any_more(link_to):
    """The terminal is going down; a late question must not leave a process."""
    link = link_to("well")
    started(link)

    link.close()

    with pytest.raises(ReaderUnavailableError):
        link.present()
    link.power_off()


def test_two_who_find_a_process_dead_close_it_once(link_to):
    """A pipe's number closed twice is somebody else's file by then."""
    link = link_to("well")
    started(link)
    process = link._process  # noqa: SLF001 - the process to kill
    assert process is not None
    process.child.kill()
    process.child.wait(START_S)

    asking = [threading.Thread(target=quietly, args=(link,)) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(START_S)

    assert back_within(link, 5.0)


def quietly(link: SupervisedPcscLink) -> None:
    """Look at the slot and ask the card; both may fail."""
    for ask in (link.present, lambda: link.transmit(b"\x00\x84")):
        try:
            ask()
        except ReaderError:
            continue
