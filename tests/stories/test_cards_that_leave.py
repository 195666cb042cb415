"""A card pulled or changed at any command of a settlement: none is made, and why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reader.emulator.deck import build_card
from reader.errors import ReaderError
from reader.links.emulator import EmulatedSlot
from settlement.errors import SettlementError
from terminal.errors import TerminalError
from terminal.views import CardState
from tests.stories.counter import PIN, Counter, a_bill

WORDS = {"card-removed", "card-reset", "card-swapped", "no-card", "card-required"}
WORDS |= {"pin-required"}


class Acting(EmulatedSlot):
    """A slot at which a hand acts when the n-th command passes."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0
        self.place = -1
        self.act: Callable[[], None] = self.remove

    def exchange(self, powering: int, command: bytes) -> bytes:
        """Count, act if it is time, and pass the command on."""
        place, self.passed = self.passed, self.passed + 1
        if place == self.place:
            self.act()
        return super().exchange(powering, command)


def whole_way(counter: Counter) -> tuple[str, int]:
    """Insert, verify, settle; return the first refusal's code, and the status."""
    view = counter.cashier.insert_card("v3-jia")
    if view.problem is not None:
        return view.problem.code, 0
    try:
        pin = counter.cashier.verify_pin(bytearray(PIN))
        if pin.problem is not None:
            return pin.problem.code, 0
        status, _ = counter.settle(a_bill())
    except (ReaderError, TerminalError, SettlementError) as error:
        return error.code, 0
    return "", status


def places() -> range:
    """Count the commands of a settlement that nobody disturbs."""
    return range(COMMANDS)


COMMANDS = 14


def test_an_undisturbed_settlement_has_as_many_commands(tmp_path):
    """Were there more, the stories below would leave some out."""
    slot = Acting()
    counter = Counter(tmp_path, slot=slot)

    refused, status = whole_way(counter)

    assert (refused, status) == ("", 201)
    assert slot.passed == COMMANDS
    counter.close()


@pytest.mark.parametrize("place", places())
def test_f08_a_card_pulled_at_any_command_settles_nothing(tmp_path, place):
    """The right sentence, nothing at the centre, and the reader is usable at once."""
    slot = Acting()
    slot.act = slot.remove

    nothing_is_settled_and_the_next_card_is(Counter(tmp_path, slot=slot), slot, place)


@pytest.mark.parametrize("place", places())
def test_f09_a_card_changed_at_any_command_settles_nothing(tmp_path, place):
    """Another holder's card between reading and settling: neither pays."""
    slot = Acting()
    counter = Counter(tmp_path, slot=slot)
    specs = {spec.card_id: spec for spec in counter.specs}
    other = build_card(specs["v2-yi"], counter.profiles)
    slot.act = lambda: slot.insert(other)

    nothing_is_settled_and_the_next_card_is(counter, slot, place)


def nothing_is_settled_and_the_next_card_is(
    counter: Counter, slot: Acting, place: int
) -> None:
    """Let the hand act at *place*: refused with a word, and the counter goes on."""
    slot.place = place

    refused, _ = whole_way(counter)

    assert refused in WORDS
    assert not counter.centre.living
    slot.place = -1
    assert counter.cashier.insert_card("v2-yi").state is CardState.READY
    assert counter.cashier.verify_pin(bytearray(PIN)).verified
    assert counter.settle(a_bill(), "key-2")[0] == 201
    counter.close()
