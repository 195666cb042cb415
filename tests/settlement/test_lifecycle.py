"""The drawing of states: what may follow what, and what never does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.lifecycle import FINAL, OPEN, WAYS, State, may_go


def reachable(start: State) -> set[State]:
    """Return every state a settlement can get to from *start*."""
    found, ahead = {start}, [start]
    while ahead:
        for to in WAYS[ahead.pop()] - found:
            found.add(to)
            ahead.append(to)
    return found


def test_every_state_is_in_the_drawing():
    """A state without a row could be entered and never judged."""
    assert WAYS.keys() == {None, *State}
    assert reachable(State.INTENT) == set(State)


def test_every_state_is_open_final_or_settled():
    """What is neither decided nor shown as open would be lost to everybody."""
    assert not FINAL & OPEN
    assert {*FINAL, *OPEN, State.SETTLED} == set(State)


@pytest.mark.parametrize("state", sorted(FINAL))
@pytest.mark.parametrize("to", list(State))
def test_an_absorbing_state_lets_nothing_out(state: State, to: State):
    """A late answer after a reversal is evidence and moves nothing."""
    assert not may_go(state, to)


@pytest.mark.parametrize("state", sorted(OPEN))
def test_every_open_state_can_end(state: State):
    """An item that could never be closed would be carried over for ever."""
    assert reachable(state) & {*FINAL, State.SETTLED}


@pytest.mark.parametrize("to", [State.SETTLED, State.REJECTED])
def test_nothing_ends_before_it_was_durably_sent(to: State):
    """SENDING is written before the first byte; without it there is no answer."""
    assert not may_go(State.INTENT, to)
    assert may_go(State.SENDING, to)


@pytest.mark.parametrize("to", sorted(set(State) - {State.CANCELLING}))
def test_a_settled_one_leaves_only_towards_its_cancellation(to: State):
    """A refund is a new record of its own and never an edit."""
    assert not may_go(State.SETTLED, to)
    assert may_go(State.SETTLED, State.CANCELLING)


@pytest.mark.parametrize("to", sorted(set(State) - {State.INTENT}))
def test_a_settlement_begins_with_its_intent(to: State):
    """Nothing appears in the middle of the drawing."""
    assert not may_go(None, to)


@given(st.lists(st.sampled_from(list(State)), max_size=12))
def test_no_walk_passes_a_settled_or_reversed_one_twice(steps: list[State]):
    """Whatever is tried in whatever order, an end is reached at most once."""
    current: State | None = None
    ends = 0
    for to in steps:
        if may_go(current, to):
            current = to
            ends += to in FINAL

    assert ends <= 1
