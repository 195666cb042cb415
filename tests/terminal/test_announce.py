"""What changed is told to the pages and counted, once."""

from __future__ import annotations

import pytest

from settlement.lifecycle import State
from terminal.announce import Announcer
from terminal.events import EventHub
from terminal.metrics import Metrics
from terminal.views import CardState, CardView, ProblemView
from tests.terminal.fake_cashier import NOW, a_settlement

BLOCKED = ProblemView("pin-blocked", "密码已锁定。", "The PIN is blocked.")

BOOKED = ProblemView("booked-otherwise", "与告知的不同。", "Not as told.")


class Listening:
    """An announcer with a stream that hears it."""

    def __init__(self) -> None:
        self.hub = EventHub(max_streams=1, heartbeat_s=0.01)
        self.metrics = Metrics()
        self.announcer = Announcer(self.hub, self.metrics)
        self.stream = self.hub.subscribe()
        next(self.stream)

    def figures(self) -> str:
        """Return the figures as text."""
        return self.metrics.exposition((), 0, NOW).decode()


@pytest.fixture
def desk() -> Listening:
    """Return a desk nobody has used yet."""
    return Listening()


def test_a_read_is_counted_when_it_ends(desk):
    """The PIN that follows is no second read."""
    for number, state in enumerate(
        [CardState.READING, CardState.READY, CardState.VERIFIED]
    ):
        desk.announcer.card(CardView(number, state, "fake"))

    assert 'terminal_card_reads_total{outcome="read"} 1.0' in desk.figures()
    assert "event: card" in next(desk.stream)


def test_a_refused_card_is_counted_by_its_code(desk):
    """A growing number of one code is how a bad batch of cards is seen."""
    desk.announcer.card(CardView(1, CardState.READING, "fake"))
    desk.announcer.card(CardView(2, CardState.REFUSED, "fake", problem=BLOCKED))

    assert 'terminal_card_reads_total{outcome="pin-blocked"} 1.0' in desk.figures()


def test_an_empty_slot_is_no_read(desk):
    """Taking the card out counts nothing."""
    desk.announcer.card(CardView(1, CardState.EMPTY, "fake"))

    assert "terminal_card_reads_total{" not in desk.figures()


def test_an_outcome_is_told_without_a_person_in_it(desk):
    """The event says which settlement; the page asks for the rest."""
    desk.announcer.settlement(a_settlement(state=State.UNKNOWN))

    event = next(desk.stream)
    assert '"state":"unknown"' in event
    assert "测" not in event
    assert "9901" not in event
    assert 'terminal_settlements_total{outcome="unknown"} 1.0' in desk.figures()


def test_a_settlement_booked_otherwise_is_counted_by_its_code(desk):
    """A growing number says that somebody should talk to the centre."""
    desk.announcer.settlement(a_settlement(problem=BOOKED))

    assert 'terminal_settlements_total{outcome="settled"} 1.0' in desk.figures()
    assert 'terminal_problems_total{code="booked-otherwise"} 1.0' in desk.figures()


@pytest.mark.parametrize("state", [State.UNKNOWN, State.REJECTED])
def test_why_a_settlement_is_not_settled_is_no_answered_problem(desk, state):
    """Whoever asked got it as his answer's problem, and that was counted there."""
    desk.announcer.settlement(a_settlement(state=state, problem=BLOCKED))

    assert "terminal_problems_total{" not in desk.figures()


def test_a_step_on_the_way_is_no_outcome(desk):
    """Intent and sending come before every outcome and are not counted."""
    desk.announcer.settlement(a_settlement(state=State.SENDING))

    assert "terminal_settlements_total{" not in desk.figures()
