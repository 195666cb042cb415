"""Other programs at the same reader: a browser, a bank, a second terminal."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reader.emulator.vpcd import VpcdSlot
from reader.errors import CardRemovedError, ReaderBusyError
from reader.links.supervised import SupervisedPcscLink
from tests.pcsc.service import PcscService
from tests.pcsc.waiting import a_link, holds, wait_until
from tests.reader.cards import a_card, read
from tests.shipped import SPECS as DECK

OTHER = Path(__file__).with_name("other_program.py")
#: Twice the time that another program may take, and a start of the card process.
NOT_FOR_EVER_S = 6.0


@contextlib.contextmanager
def other_program(service: PcscService, how: str) -> Iterator[None]:
    """Let another program have the card."""
    with subprocess.Popen(
        [sys.executable, str(OTHER), how],
        env={**os.environ, **service.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.stdin.close()
        process.wait(5)


@pytest.fixture
def card(slot: VpcdSlot, link: SupervisedPcscLink) -> None:
    """Put a card in."""
    slot.insert(a_card())
    wait_until(lambda: holds(link) == "card")


@pytest.mark.usefixtures("card")
def test_a_card_that_a_browser_holds_open_is_read(service, link):
    """Many desktops keep every card open, and mean nothing by it."""
    with other_program(service, "shared"):
        session = read(link)

        assert session.credential.name == DECK["v3-jia"].name
        session.close()


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize("how", ["exclusive", "transaction"])
def test_a_card_that_another_program_keeps_is_said_to_be_busy(service, link, how):
    """Against a transaction PC/SC would wait for ever; the counter does not."""
    with other_program(service, how):
        begun = time.monotonic()
        with pytest.raises(ReaderBusyError):
            read(link)
        assert time.monotonic() - begun < NOT_FOR_EVER_S

    wait_until(lambda: holds(link) == "card")
    assert read(link).credential.name == DECK["v3-jia"].name


@pytest.mark.usefixtures("card")
def test_while_a_card_is_read_no_other_program_gets_at_it(service, link):
    """Neither between two commands nor while the holder enters the PIN."""
    session = read(link)
    rival = a_link(service)
    wait_until(lambda: holds(rival) == "card")

    with pytest.raises(ReaderBusyError):
        rival.power_on()

    session.still_same_card()
    rival.close()


class LeavingCard:
    """A card that is pulled out while it answers one command."""

    def __init__(self, slot: VpcdSlot, at: int) -> None:
        self._inner = a_card()
        self._slot = slot
        self._at = at
        self._count = 0

    def power_on(self) -> bytes:
        """Power up."""
        return self._inner.power_on()

    def transmit(self, command: bytes) -> bytes:
        """Answer, or be gone."""
        self._count += 1
        if self._count == self._at:
            self._slot.remove()
        return self._inner.transmit(command)

    def power_off(self) -> None:
        """Lose the power."""
        self._inner.power_off()


@pytest.mark.parametrize("at", [1, 7])
def test_a_card_pulled_while_it_answers_is_a_removed_card(slot, link, at):
    """The library has no code for it; the card process says it all the same."""
    slot.insert(LeavingCard(slot, at))
    wait_until(lambda: holds(link) == "card")

    with pytest.raises(CardRemovedError):
        read(link)

    wait_until(lambda: holds(link) == "empty")
    slot.insert(a_card())
    wait_until(lambda: holds(link) == "card")
    assert read(link).credential.name == DECK["v3-jia"].name
