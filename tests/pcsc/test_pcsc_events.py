"""Insertion, removal, readers that go and services that restart: told, and survived."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reader.emulator.vpcd import VpcdSlot
from reader.links.supervised import SupervisedPcscLink
from reader.watch import SlotEvent, SlotState, SlotWatch
from tests.pcsc.service import PcscService
from tests.pcsc.waiting import a_link, holds, wait_until
from tests.reader.cards import a_card, read
from tests.shipped import SPECS as DECK

#: pcscd looks at a reader without interrupts every 400 ms; the rest is ours.
SERVICE_LOOKS_S, TOLD_S, BACK_S = 0.4, 0.5, 5.0
CYCLES = int(os.environ.get("PCSC_CYCLES") or ("200" if "CI" in os.environ else "40"))


class Heard:
    """What a listener was told, and when."""

    def __init__(self) -> None:
        self.events: list[tuple[float, SlotEvent]] = []

    def __call__(self, event: SlotEvent) -> None:
        """Hear one event."""
        self.events.append((time.monotonic(), event))

    @property
    def last(self) -> SlotState | None:
        """The state told last."""
        return self.events[-1][1].state if self.events else None


@pytest.fixture
def heard(link: SupervisedPcscLink) -> Iterator[Heard]:
    """Watch the shared slot."""
    heard = Heard()
    watch = SlotWatch(link, heard)
    watch.start()
    yield heard
    watch.stop()


def test_insertion_and_removal_are_told_within_half_a_second(slot, link, heard):
    """Measured from the moment the service itself can have known."""
    del link
    wait_until(lambda: heard.last is SlotState.EMPTY)

    slot.insert(a_card())
    came = wait_until(lambda: heard.last is SlotState.PRESENT)
    slot.remove()
    went = wait_until(lambda: heard.last is SlotState.EMPTY)

    assert came < SERVICE_LOOKS_S + TOLD_S
    assert went < SERVICE_LOOKS_S + TOLD_S


def test_each_event_has_a_higher_generation(slot, link, heard):
    """What was read of an earlier card is never shown for a later one."""
    del link
    wait_until(lambda: heard.last is SlotState.EMPTY)
    for _ in range(2):
        slot.insert(a_card())
        wait_until(lambda: heard.last is SlotState.PRESENT)
        slot.remove()
        wait_until(lambda: heard.last is SlotState.EMPTY)

    generations = [event.generation for _, event in heard.events]
    assert generations == sorted(set(generations))


def test_a_service_that_restarts_is_told_and_found_again(own_service: PcscService):
    """The operator updates the machine; nobody restarts the terminal."""
    link, heard = a_link(own_service), Heard()
    watch = SlotWatch(link, heard)
    watch.start()
    wait_until(lambda: heard.last is SlotState.EMPTY)

    own_service.stop()
    wait_until(lambda: heard.last is SlotState.NO_READER)
    own_service.start()
    wait_until(lambda: heard.last is SlotState.EMPTY, BACK_S)
    slot = VpcdSlot(own_service.port)
    slot.insert(a_card())
    wait_until(lambda: heard.last is SlotState.PRESENT)

    assert read(link).credential.name == DECK["v3-jia"].name
    watch.stop()
    link.close()
    slot.remove()


def handles() -> tuple[int, int, int]:
    """Count this process's open files, threads and children."""
    process = Path("/proc/self")
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii")
    return (
        len(list((process / "fd").iterdir())),
        threading.active_count(),
        len(children.split()),
    )


@pytest.mark.process
@pytest.mark.timeout(400)
def test_restarts_of_the_service_and_lost_readers_leave_nothing_behind(
    own_service: PcscService,
):
    """Every other time the reader itself is gone for a while; always back in 5 s."""
    link = a_link(own_service)
    wait_until(lambda: holds(link) == "empty")
    before = handles()
    slowest = 0.0
    for cycle in range(CYCLES):
        own_service.stop()
        wait_until(lambda: holds(link) == "no reader", BACK_S)
        if cycle % 2:
            own_service.start(with_reader=False)
            own_service.stop()
        own_service.start()
        slowest = max(slowest, wait_until(lambda: holds(link) == "empty", BACK_S))

    slot = VpcdSlot(own_service.port)
    slot.insert(a_card())
    wait_until(lambda: holds(link) == "card")
    assert read(link).credential.name == DECK["v3-jia"].name
    slot.remove()
    wait_until(lambda: holds(link) == "empty")
    assert handles() == before
    assert slowest < BACK_S
    link.close()
    after = handles()
    assert after[1] == before[1] - 1
    assert after[2] == before[2] - 1
