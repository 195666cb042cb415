"""A card read through pcscd, vpcd and pyscard, in a process of its own."""

from __future__ import annotations

import time

import pytest

from reader.emulator.vpcd import VpcdSlot
from reader.errors import (
    CardRemovedError,
    CardSwappedError,
    NoCardError,
    ReaderUnavailableError,
)
from reader.links.supervised import SupervisedPcscLink
from tests.pcsc.service import PcscService
from tests.pcsc.waiting import a_link, holds, wait_until
from tests.reader.cards import a_card, read
from tests.shipped import SPECS as DECK

PIN = b"246810"


def put_in(slot: VpcdSlot, link: SupervisedPcscLink, card_id: str = "v3-jia") -> None:
    """Put a card into the slot and wait until the service has noticed."""
    slot.insert(a_card(card_id))
    wait_until(lambda: holds(link) == "card")


def test_a_card_is_read_through_the_real_stack(slot, link):
    """Both directions of authentication, the holder, the PIN, a file, a photo."""
    put_in(slot, link)

    session = read(link)

    assert session.credential.name == DECK["v3-jia"].name
    assert session.verify_pin(bytearray(PIN)).verified
    assert session.read_file("DF04EF05")["card_use"] == "1"
    assert session.read_binary("SSSEEF08").startswith(b"BM")
    session.close()


def test_an_empty_slot_is_no_card(slot, link):
    """The service is there, the reader too, and nothing is in it."""
    del slot
    wait_until(lambda: holds(link) == "empty")

    with pytest.raises(NoCardError):
        read(link)


def test_a_card_pulled_in_the_middle_is_a_removed_card(slot, link):
    """And the slot reads the next one."""
    put_in(slot, link)
    session = read(link)

    slot.remove()
    with pytest.raises(CardRemovedError):
        session.verify_pin(bytearray(PIN))

    wait_until(lambda: holds(link) == "empty")
    put_in(slot, link, "v2-yi")
    assert read(link).credential.name == DECK["v2-yi"].name


def test_another_card_in_the_slot_is_never_taken_for_the_first(slot, link):
    """It has its own power: the old session answers nothing any more."""
    put_in(slot, link)
    session = read(link)

    slot.changed_at_once(a_card("v2-yi"))

    with pytest.raises((CardRemovedError, CardSwappedError)):
        session.still_same_card()


class SlowCard:
    """A card that thinks about one command for a long time."""

    def __init__(self, seconds: float) -> None:
        self._inner = a_card()
        self._seconds = seconds

    def power_on(self) -> bytes:
        """Power up."""
        return self._inner.power_on()

    def transmit(self, command: bytes) -> bytes:
        """Answer; INTERNAL AUTHENTICATE takes its time."""
        if command[1] == 0x88:
            time.sleep(self._seconds)
        return self._inner.transmit(command)

    def power_off(self) -> None:
        """Lose the power."""
        self._inner.power_off()


def test_a_card_that_hangs_does_not_hold_the_terminal(service: PcscService, slot):
    """The card process is killed at its deadline; the next card reads."""
    link = a_link(service, operation_s=0.5)
    slot.insert(SlowCard(3.0))
    wait_until(lambda: holds(link) == "card")
    begun = time.monotonic()

    with pytest.raises(ReaderUnavailableError):
        read(link)

    assert time.monotonic() - begun < 5
    slot.remove()
    wait_until(lambda: holds(link) == "empty")
    put_in(slot, link)
    assert read(link).credential.name == DECK["v3-jia"].name
    link.close()


def test_a_card_process_that_dies_is_replaced(slot, link):
    """Somebody killed it; the counter notices nothing but a moment."""
    put_in(slot, link)
    process = link._process  # noqa: SLF001 - the process to kill

    assert process is not None
    process.child.kill()

    wait_until(lambda: process.ended)
    wait_until(lambda: holds(link) == "card")
    assert read(link).credential.name == DECK["v3-jia"].name
