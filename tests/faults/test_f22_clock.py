"""A clock that is wrong, steps, or has lost its battery, at every point of a bill."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from settlement.centre.errors import CentreClockError, CentreGatewayError
from settlement.lifecycle import State
from terminal.errors import CredentialNotAcceptedError
from tests.rig.network import Fate
from tests.rig.one_day import OneDay, one_day

DAY_S = 86_400.0
MINUTE_S = 60.0


@pytest.fixture
def day(tmp_path: Path) -> Iterator[OneDay]:
    """Open a day in which the test sets the terminal's clock."""
    with one_day(tmp_path) as opened:
        yield opened


def clock_light(day: OneDay) -> tuple[bool, str]:
    """Say what readiness tells of the clock."""
    (light,) = [
        (ok, code)
        for part, ok, code in day.terminal.cashier.readiness()
        if part == "clock"
    ]
    return light


def steps_at_the_centre(day: OneDay, off_s: float) -> None:
    """Let the terminal's clock step while its next settlement is at the centre."""
    carry = day.world.network.carry

    def carrying(sent: object) -> tuple[int, bytes]:
        answer = carry(sent)  # type: ignore[arg-type] # passed on as it came
        if sent.headers["_api_name"] == "2207":  # type: ignore[attr-defined]
            day.terminal.clock.off_s = off_s
        return answer

    day.world.network.carry = carrying  # type: ignore[method-assign] # a hand on the clock


@pytest.mark.parametrize("off_s", [301.0, -301.0, 1500.0, -1500.0])
def test_f22_nothing_is_signed_with_a_clock_five_minutes_off(day: OneDay, off_s: float):
    """The gateway would still take it; the bill would bear a wrong time."""
    day.terminal.clock.off_s = off_s

    with pytest.raises(CentreClockError) as refused:
        day.settle(day.bill())

    assert refused.value.code == "centre-clock-off"
    assert f"{abs(off_s):.0f} s" in str(refused.value)
    assert day.messages("2206") == day.messages("2207") == 0
    assert day.terminal.journal.records() == ()
    assert clock_light(day) == (False, "centre-clock-off")


def test_f22_a_clock_that_is_set_right_settles_at_once(day: OneDay):
    """No restart, no button: the next answer shows that it is right."""
    day.terminal.clock.off_s = 400.0
    with pytest.raises(CentreClockError):
        day.settle(day.bill())

    day.terminal.clock.off_s = 0.0
    status, _ = day.settle(day.bill())

    assert status == 201
    assert clock_light(day) == (True, "ok")


@pytest.mark.parametrize("off_s", [31.0, -31.0, 299.0, -299.0])
def test_f22_a_clock_that_drifts_is_told_and_settles(day: OneDay, off_s: float):
    """The day and the time of the settlement are the centre's all the same."""
    day.terminal.clock.off_s = off_s

    status, said = day.settle(day.bill())

    assert status == 201
    assert clock_light(day) == (True, "clock-drifts")
    at = dt.datetime.fromisoformat(said["settled_at"])
    assert abs(at - day.world.clock.now) < dt.timedelta(seconds=2)


@pytest.mark.parametrize("off_s", [31 * MINUTE_S, -31 * MINUTE_S, 40 * DAY_S])
def test_f22_the_gateway_refuses_the_first_question_of_a_wrong_day(
    day: OneDay, off_s: float
):
    """Nothing is intended, and the centre's light says so."""
    day.terminal.clock.off_s = off_s

    with pytest.raises(CentreGatewayError):
        day.settle(day.bill())

    assert day.messages("2207") == 0
    assert day.terminal.journal.records() == ()
    codes = {part: code for part, _, code in day.terminal.cashier.readiness()}
    assert codes["centre"] == "centre-gateway-refused"


def test_f22_a_clock_without_its_battery_sells_nothing(day: OneDay):
    """1970: no credential is accepted on that day yet, and nothing is sent."""
    there = day.world.clock.now.replace(year=1970)
    day.terminal.clock.off_s = (there - day.world.clock.now).total_seconds()

    with pytest.raises(CredentialNotAcceptedError):
        day.settle(day.bill())

    assert sum(day.world.network.sent.values()) == 0
    assert day.terminal.journal.records() == ()


def test_f22_a_clock_ahead_of_every_card_sells_nothing(day: OneDay):
    """2099: the card is out of its dates, and nothing is sent."""
    there = day.world.clock.now.replace(year=2099)
    day.terminal.clock.off_s = (there - day.world.clock.now).total_seconds()

    view = day.terminal.cashier.insert_card("v3-jia")

    assert view.problem is not None
    assert view.problem.code == "card-expired"
    assert sum(day.world.network.sent.values()) == 0


@pytest.mark.parametrize(
    "off_s", [-DAY_S, DAY_S, 400 * DAY_S, -400 * DAY_S, -31 * MINUTE_S]
)
def test_f22_a_clock_that_steps_in_mid_transaction_settles_once(
    day: OneDay, off_s: float
):
    """The answer is the centre's, and so are its day and its time."""
    steps_at_the_centre(day, off_s)

    status, said = day.settle(day.bill())

    assert (status, said["state"]) == (201, "settled")
    at = dt.datetime.fromisoformat(said["settled_at"])
    assert abs(at - day.world.clock.now) < dt.timedelta(seconds=2)
    assert len(day.centre_rows()) == 1


@pytest.mark.parametrize("off_s", [-DAY_S, 400 * DAY_S])
def test_f22_an_unknown_stays_unknown_while_the_clock_is_wrong(
    day: OneDay, off_s: float
):
    """Its questions are refused for their age, which says nothing of the outcome."""
    steps_at_the_centre(day, off_s)
    status, _ = day.settle(day.bill(), Fate.ANSWER_LOST)
    for _ in range(4):
        day.look()
    meanwhile = day.record().state

    day.terminal.clock.off_s = 0.0
    for _ in range(6):
        day.look(seconds=60.0)

    assert (status, meanwhile) == (202, State.UNKNOWN)
    assert day.record().state is State.SETTLED
    assert day.messages("2207") == 1


def test_f22_what_comes_later_is_later_whatever_the_clock_says(day: OneDay):
    """Entries are ordered by their numbers, and no 报文ID is given twice."""
    day.settle(day.bill("B-1"))
    day.terminal.clock.off_s = -250.0
    day.settle(day.bill("B-2"))
    day.terminal.restart()
    day.terminal.clock.off_s = 250.0
    day.settle(day.bill("B-3"))
    day.terminal.clock.off_s = -250.0
    day.terminal.restart()
    day.settle(day.bill("B-4"))

    records = day.terminal.journal.records()
    assert [record.bill_no for record in records] == ["B-1", "B-2", "B-3", "B-4"]
    assert len({record.msgid for record in records}) == 4


def test_f22_a_cancellation_waits_for_the_right_time_and_the_bill_stands(day: OneDay):
    """It was not sent, so the settlement is as it was."""
    _, said = day.settle(day.bill())
    day.terminal.clock.off_s = 900.0
    status, after = day.cancel(said["settlement_id"])

    assert status == 409
    assert after["state"] == "settled"
    assert day.messages("2208") == 0
