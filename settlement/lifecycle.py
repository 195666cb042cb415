"""The states of a settlement and the only ways between them.

DRAFT lives on the screen and has no row. Everything else is an entry in the
journal, and the state is whatever the newest entry says.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a settlement stands."""

    INTENT = "intent"  #: durable, nothing sent
    SENDING = "sending"  #: durable before the first byte leaves
    SETTLED = "settled"
    REJECTED = "rejected"  #: the centre said no; nothing booked
    UNKNOWN = "unknown"  #: sent, and no answer to rely on
    REVERSING = "reversing"  #: 2601 decided, retried until the centre accepts
    REVERSED = "reversed"
    CANCELLING = "cancelling"  #: 2208/2103 decided; looked up before any repeat
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"  #: no machine can decide; visible with age and owner


#: The absorbing states: nothing moves a settlement out of these. A settled one
#: leaves only towards its own cancellation, which is a new record of its own.
FINAL = frozenset({State.REJECTED, State.REVERSED, State.CANCELLED})

#: What the counter shows as open, with age, owner and what to do.
OPEN = frozenset(
    {
        State.INTENT,
        State.SENDING,
        State.UNKNOWN,
        State.REVERSING,
        State.CANCELLING,
        State.QUARANTINED,
    }
)

WAYS: dict[State | None, frozenset[State]] = {
    None: frozenset({State.INTENT}),
    State.INTENT: frozenset({State.SENDING, State.UNKNOWN}),
    State.SENDING: frozenset({State.SETTLED, State.REJECTED, State.UNKNOWN}),
    State.UNKNOWN: frozenset(
        {State.SETTLED, State.REJECTED, State.REVERSING, State.QUARANTINED}
    ),
    State.REVERSING: frozenset({State.REVERSED, State.QUARANTINED}),
    State.SETTLED: frozenset({State.CANCELLING}),
    State.CANCELLING: frozenset({State.CANCELLED, State.SETTLED, State.QUARANTINED}),
    #: A person sends it back to be looked at again, or says what is true.
    State.QUARANTINED: frozenset(
        {
            State.UNKNOWN,
            State.REVERSING,
            State.CANCELLING,
            State.SETTLED,
            State.CANCELLED,
        }
    ),
    State.REJECTED: frozenset(),
    State.REVERSED: frozenset(),
    State.CANCELLED: frozenset(),
}


#: Where an item may stand when it is called doubtful, and go back to from there.
DOUBTED = frozenset({State.UNKNOWN, State.REVERSING, State.CANCELLING})


def may_go(current: State | None, to: State) -> bool:
    """Say whether the drawing has an arrow from *current* to *to*.

    >>> may_go(State.REVERSED, State.SETTLED)
    False
    """
    return to in WAYS[current]
