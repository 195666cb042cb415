"""The card leaves, comes back, changes or never speaks: at every place of a session."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reader.errors import (
    CardMuteError,
    CardRemovedError,
    CardSwappedError,
    NoCardError,
    ReaderError,
)
from reader.keys import TestKeys
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.session import CardSession
from tests.pcsc.waiting import wait_until
from tests.reader.cards import V3, Wire, a_card, a_slot, read
from tests.reader.ways import Hand

PIN, WRONG_PIN = b"246810", b"135790"
WHOLE_ATR = bytes.fromhex("3B6D000081544C96868444990100000001")


def everything(wire: Wire) -> CardSession:
    """Do all that a session can do, to the last command."""
    session = read(wire)
    session.verify_pin(bytearray(WRONG_PIN))
    session.read_file("DF04EF05")
    session.verify_pin(bytearray(PIN))
    session.still_same_card()
    session.read_file("DF04EF05")
    return session


def commands_of_everything() -> int:
    """Count the commands of a whole session."""
    wire = Wire(a_slot(a_card())[1])
    everything(wire).close()
    return len(wire.commands)


PLACES = range(commands_of_everything())


def pulled(place: int) -> tuple[Hand, Wire]:
    """Return a slot whose card is pulled before the command at *place*."""
    slot, link = a_slot(a_card())

    def pull(number: int, _command: bytes) -> None:
        if number == place:
            slot.remove()

    return slot, Wire(link, pull)


def test_the_session_of_these_stories_is_a_long_one():
    """Were it short, the stories below would prove little."""
    assert len(PLACES) >= 25


@pytest.mark.parametrize("place", PLACES)
def test_a_card_pulled_anywhere_is_a_removed_card_and_nothing_else(place):
    """No other error, no half-read holder, and an empty slot afterwards."""
    slot, wire = pulled(place)

    with pytest.raises((CardRemovedError, NoCardError)):
        everything(wire)

    assert not slot.present


@pytest.mark.parametrize("place", PLACES)
def test_a_card_pulled_and_put_back_is_a_removed_card_too(place):
    """It has lost its power, its selection and its PIN: going on would be wrong."""
    card = a_card()
    slot, link = a_slot(card)

    def wiggle(number: int, _command: bytes) -> None:
        if number == place:
            slot.remove()
            slot.insert(card)

    with pytest.raises(CardRemovedError):
        everything(Wire(link, wiggle))
    assert card.proven == frozenset()


@pytest.mark.parametrize("place", PLACES)
def test_a_card_changed_for_another_is_never_taken_for_it(place):
    """Nothing of the second is read in the session of the first; the second reads."""
    slot, link = a_slot(a_card())

    def swap(number: int, _command: bytes) -> None:
        if number == place:
            slot.insert(a_card("v2-yi"))

    with pytest.raises((CardRemovedError, CardSwappedError, NoCardError)):
        everything(Wire(link, swap))

    assert read(link).credential.name == "测试乙"


def test_a_card_that_came_back_reads_anew():
    """Nobody has to restart anything."""
    card = a_card()
    slot, link = a_slot(card)
    read(link)
    slot.remove()
    slot.insert(card)

    assert read(link).credential.number == "A12345674"


def test_a_card_that_leaves_while_it_answers_has_not_answered():
    """Half an answer is none."""
    card = a_card()
    slot, link = a_slot(card)

    class Leaving:
        """A card that jumps out at its first command."""

        def power_on(self) -> bytes:
            """Answer to reset like any card."""
            return card.power_on()

        def transmit(self, command: bytes) -> bytes:
            """Answer, but be gone."""
            answer = card.transmit(command)
            slot.remove()
            return answer

        def power_off(self) -> None:
            """Forget."""
            card.power_off()

    slot.insert(Leaving())

    with pytest.raises(CardRemovedError):
        read(link)


def test_another_card_with_power_is_recognised_by_its_numbers():
    """A reader that powers a new card up by itself must not hide the swap."""
    slot = EmulatedSlot()
    slot.insert(a_card("v3-poor"))
    other = EmulatorLink(slot)
    other.power_on()
    other.transmit(b"\x00\xa4\x04\x00\x0f" + V3.environment)
    _, link = a_slot(a_card())
    swapped: list[bool] = []
    wire = Wire(link, lambda _n, c: other.transmit(c) if swapped else None)
    session = read(wire)

    swapped.append(True)

    with pytest.raises(CardSwappedError):
        session.still_same_card()


def test_a_link_that_lost_power_to_another_reading_says_removed():
    """Two programs on one slot: the second resets the card under the first."""
    slot = EmulatedSlot()
    slot.insert(a_card())
    session = read(EmulatorLink(slot), TestKeys())
    read(EmulatorLink(slot), TestKeys())

    with pytest.raises(CardRemovedError):
        session.verify_pin(bytearray(PIN))


def test_a_closed_session_answers_nothing_more():
    """Its card has no power; asking it again is a removed card."""
    session = read(a_slot(a_card())[1])
    session.close()

    with pytest.raises(CardRemovedError):
        session.still_same_card()


class Mute:
    """A chip put in the wrong way round."""

    def power_on(self) -> bytes:
        """Say nothing."""
        return b""

    def transmit(self, command: bytes) -> bytes:
        """Say nothing to anything."""
        raise AssertionError(command)

    def power_off(self) -> None:
        """Say nothing."""


def test_a_chip_that_says_nothing_is_mute():
    """The cashier is told to turn and wipe it, not that it has expired."""
    slot = EmulatedSlot()
    slot.insert(Mute())

    with pytest.raises(CardMuteError):
        read(EmulatorLink(slot))


def test_a_slot_says_whether_it_holds_a_card():
    """The watch asks without powering anything."""
    slot, link = a_slot(a_card())
    before = (slot.present, link.present())
    slot.remove()

    assert before == (True, True)
    assert not slot.present
    wait_until(lambda: not link.present())


class Hostile:
    """A card that answers whatever comes into its head."""

    def __init__(self, atr: bytes, answers: list[bytes]) -> None:
        self._atr, self._answers = atr, answers

    def power_on(self) -> bytes:
        """Answer to reset."""
        return self._atr

    def transmit(self, command: bytes) -> bytes:
        """Answer the next thing; after the last, fall silent."""
        del command
        return self._answers.pop(0) if self._answers else b"\x6f\x00"

    def power_off(self) -> None:
        """Do not care."""


def replies() -> st.SearchStrategy[bytes]:
    """Make answers that are often nearly right."""
    tail = st.sampled_from([b"\x90\x00", b"\x61\x10", b"\x6c\x05", b"\x63\xc1", b""])
    tlv = st.builds(
        lambda tag, value: bytes((tag, len(value))) + value,
        st.integers(1, 0x4E),
        st.binary(max_size=30),
    )
    return st.builds(
        lambda parts, end: b"".join(parts) + end, st.lists(tlv, max_size=9), tail
    )


@settings(max_examples=200, deadline=None)
@given(
    atr=st.one_of(st.binary(max_size=33), st.just(WHOLE_ATR)),
    answers=st.lists(st.one_of(replies(), st.binary(max_size=80)), max_size=30),
)
def test_a_hostile_card_gets_nothing_but_our_errors(atr, answers):
    """Card data are input from a stranger: refused by name, never a crash."""
    slot = EmulatedSlot()
    slot.insert(Hostile(atr, answers))

    with pytest.raises(ReaderError):
        read(EmulatorLink(slot))


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 8), answer=st.one_of(replies(), st.binary(max_size=120)))
def test_a_card_that_turns_hostile_midway_gets_nothing_but_our_errors(place, answer):
    """One wrong answer among right ones reaches deeper than noise."""
    wire = Wire(a_slot(a_card())[1], lambda n, _c: answer if n == place else None)

    try:
        session = read(wire)
    except ReaderError:
        return
    assert session.credential.number == "A12345674"
