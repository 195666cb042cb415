"""The card process over a long day: nothing is left behind, and neither is it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reader.errors import NoCardError, ReaderError
from tests.pcsc.waiting import CARD_SLOT, a_link, holds, wait_until
from tests.reader.cards import a_card, read

ROOT = Path(__file__).resolve().parents[2]
POWER_UPS = 60


class SilentCard:
    """A card that hangs at every command until it is let go."""

    def __init__(self) -> None:
        self._inner = a_card()
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def power_on(self) -> bytes:
        """Power up."""
        return self._inner.power_on()

    def transmit(self, command: bytes) -> bytes:
        """Answer when it is let go."""
        self.asked.set()
        self.let_go.wait(30)
        return self._inner.transmit(command)

    def power_off(self) -> None:
        """Lose the power."""
        self._inner.power_off()


def held_by(pid: int) -> tuple[int, int]:
    """Count the open files and the threads of a process."""
    process = Path("/proc") / str(pid)
    return len(list((process / "fd").iterdir())), len(
        list((process / "task").iterdir())
    )


def is_running(pid: int) -> bool:
    """Say whether a process is there and not merely unburied."""
    try:
        stat = (Path("/proc") / str(pid) / "stat").read_text("ascii")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.process
def test_no_card_process_outlives_its_terminal_even_while_a_card_hangs(service, slot):
    """The terminal was killed while the driver waited; nobody is left at the reader."""
    watching = a_link(service)
    card = SilentCard()
    slot.insert(card)
    wait_until(lambda: holds(watching) == "card")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.pcsc.dying_terminal"],
        cwd=ROOT,
        env={**os.environ, **service.environment},
        stdout=subprocess.PIPE,
    ) as terminal:
        assert terminal.stdout is not None
        pid = int(terminal.stdout.readline())
        assert card.asked.wait(5)

        terminal.kill()

        wait_until(lambda: not is_running(pid), 3.0)
    card.let_go.set()
    slot.remove()
    wait_until(lambda: holds(watching) == "empty")
    watching.close()


@pytest.mark.process
def test_power_ups_good_and_bad_leave_nothing_in_the_card_process(slot, link):
    """One file or thread a card, and the reader is dead by the afternoon."""
    slot.insert(a_card())
    wait_until(lambda: holds(link) == "card")
    read(link).close()
    process = link._process  # noqa: SLF001 - to count what it holds
    assert process is not None
    before = held_by(process.child.pid)

    for _ in range(POWER_UPS):
        link.power_on()
        link.transmit(bytes.fromhex("0084000008"))
        link.power_off()
    slot.remove()
    wait_until(lambda: holds(link) == "empty")
    for _ in range(POWER_UPS):
        with pytest.raises(NoCardError):
            link.power_on()

    assert link._process is process  # noqa: SLF001 - it is the same one
    assert held_by(process.child.pid) == before


@pytest.mark.process
def test_lost_services_leave_nothing_in_the_card_process(own_service):
    """Sessions that the service took with it are let go of in the library too."""
    link = a_link(own_service, wanted=CARD_SLOT)
    wait_until(lambda: holds(link) == "empty")
    process = link._process  # noqa: SLF001 - to count what it holds
    assert process is not None
    before = held_by(process.child.pid)

    for _ in range(5):
        own_service.stop()
        with contextlib.suppress(ReaderError):
            link.power_on()
        own_service.start()
        wait_until(lambda: holds(link) == "empty")

    assert link._process is process  # noqa: SLF001 - it is the same one
    assert held_by(process.child.pid) == before
    link.close()
