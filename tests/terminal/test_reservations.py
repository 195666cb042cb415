"""What may run only once at a time is reserved by name, and given back."""

from __future__ import annotations

import pytest

from terminal.errors import SettlementInFlightError
from terminal.reservations import Reservations


def test_a_bill_that_is_being_settled_is_refused_to_another():
    """The second caller is told which settlement has it."""
    reservations = Reservations()

    with (
        reservations.reserved("first", "key:K-1", "bill:B-1"),
        pytest.raises(SettlementInFlightError) as refused,
        reservations.reserved("second", "key:K-2", "bill:B-1"),
    ):
        pass

    assert refused.value.settlement_id == "first"


def test_whoever_is_refused_one_name_holds_none_of_the_others():
    """Else a refused request would block the next one for ever."""
    reservations = Reservations()

    with reservations.reserved("first", "bill:B-1"):
        with (
            pytest.raises(SettlementInFlightError),
            reservations.reserved("second", "key:K-2", "bill:B-1"),
        ):
            pass
        with reservations.reserved("third", "key:K-2"):
            assert not reservations.is_running("second")


def test_a_name_is_free_again_when_its_work_has_failed():
    """A centre that is away must not keep the bill from being settled later."""
    reservations = Reservations()

    with pytest.raises(ConnectionError), reservations.reserved("first", "bill:B-1"):
        raise ConnectionError

    with reservations.reserved("second", "bill:B-1"):
        assert reservations.is_running("second")
    assert not reservations.is_running("second")


def test_a_settlement_at_work_in_two_ways_is_at_work_until_both_are_done():
    """The shorter one must not call the longer one's settlement abandoned."""
    reservations = Reservations()

    with reservations.reserved("first", "cancel:first"):
        with reservations.reserved("first", "remainder:first"):
            assert reservations.is_running("first")
        assert reservations.is_running("first")
    assert not reservations.is_running("first")
