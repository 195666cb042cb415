"""A terminal that was cloned, or restored from an old image, sells nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from run_terminal import main
from settlement.centre import fence, heads
from settlement.centre.errors import CentreFencedError, CentreNotSentError
from settlement.centre.refusal import Refusal
from settlement.lifecycle import State
from tests.rig.laws import violations
from tests.rig.network import Fate
from tests.rig.one_day import OneDay
from tests.rig.terminal import INSTITUTION, REAL, Terminal
from tests.rig.world import PIN


@pytest.fixture
def day(tmp_path: Path) -> Iterator[OneDay]:
    """Open a day whose terminal can be copied."""
    opened = OneDay(tmp_path)
    try:
        yield opened
    finally:
        opened.world.close()


def image(day: OneDay, to: Path) -> Path:
    """Switch the terminal off, copy its disk, and switch it on again."""
    day.terminal.close()
    shutil.copytree(day.terminal.path.parent, to)
    day.terminal.open()
    return to


def restore(day: OneDay, taken: Path) -> None:
    """Put an image in the place of the terminal's disk."""
    day.terminal.close()
    shutil.rmtree(day.terminal.path.parent)
    shutil.copytree(taken, day.terminal.path.parent)
    day.terminal.open()


def clone(day: OneDay, taken: Path) -> Terminal:
    """Switch another machine on with a copy of the disk."""
    network = day.world.network
    other = Terminal(
        day.terminal.number,
        taken,
        clock=day.world.clock,
        network=network,
        keys=("rig-access-key", "rig-secret-key"),
        random=day.world.random,
        kinds=REAL,
    )
    day.world.terminals.append(other)
    return other


def sell(day: OneDay, terminal: Terminal, bill_no: str) -> int:
    """Settle a bill at one of the machines."""
    terminal.cashier.insert_card("v3-jia")
    terminal.cashier.verify_pin(bytearray(PIN))
    bill = day.bill(bill_no)
    answer = terminal.cashier.settle(
        bill, key=f"{bill_no}/{id(terminal)}", digest="d", patient_pays=None
    )
    return answer.status


def parts(terminal: Terminal) -> dict[str, str]:
    """Name what readiness says."""
    return {part: code for part, _, code in terminal.cashier.readiness()}


def test_f33_a_restored_image_is_fenced_before_it_sends_anything(
    day: OneDay, tmp_path: Path
):
    """Its journal lacks what the centre has been told."""
    sell(day, day.terminal, "B-1")
    taken = image(day, tmp_path / "image")
    sell(day, day.terminal, "B-2")

    restore(day, taken)
    with pytest.raises(CentreFencedError) as fenced:
        sell(day, day.terminal, "B-3")

    assert fenced.value.code == "terminal-fenced"
    assert len(day.centre_rows()) == 2
    assert parts(day.terminal)["terminal"] == "terminal-fenced"
    assert parts(day.terminal)["centre"] == "ok"


def test_f33_the_newest_image_goes_on_as_if_nothing_had_been(
    day: OneDay, tmp_path: Path
):
    """A disk that was moved to another machine is the same terminal."""
    sell(day, day.terminal, "B-1")
    restore(day, image(day, tmp_path / "image"))

    assert sell(day, day.terminal, "B-2") == 201
    assert "terminal" not in parts(day.terminal)


def test_f33_of_two_copies_only_the_one_that_signed_in_last_books(
    day: OneDay, tmp_path: Path
):
    """The other is told at its next message, which books nothing."""
    sell(day, day.terminal, "B-1")
    other = clone(day, image(day, tmp_path / "image"))
    sell(day, other, "B-2")

    with pytest.raises(CentreFencedError):
        sell(day, day.terminal, "B-3")
    with pytest.raises(CentreFencedError):
        sell(day, day.terminal, "B-4")

    assert len(day.centre_rows()) == 2
    assert parts(other)["centre"] == "ok"
    assert "terminal" not in parts(other)


def test_f33_a_clone_that_went_on_has_another_entry_in_its_place(
    day: OneDay, tmp_path: Path
):
    """It has as many entries and more, but not those the centre was told."""
    sell(day, day.terminal, "B-1")
    taken = image(day, tmp_path / "image")
    sell(day, day.terminal, "B-2")
    other = clone(day, taken)
    for _ in range(30):
        other.journal.note("went-on", {})

    with pytest.raises(CentreFencedError):
        sell(day, other, "B-3")

    assert sell(day, day.terminal, "B-4") == 201
    assert len(day.centre_rows()) == 3


def test_f33_a_fenced_terminal_does_not_take_back_what_its_copy_settled(
    day: OneDay, tmp_path: Path
):
    """The unknown in its journal is not its own any more: the other one has it."""
    sell(day, day.terminal, "B-1")
    day.world.network.scripted = [Fate.REQUEST_LOST]
    assert sell(day, day.terminal, "B-2") == 202
    other = clone(day, image(day, tmp_path / "image"))
    assert sell(day, other, "B-3") == 201

    for _ in range(6):
        day.look(seconds=60.0)

    assert day.messages("2601") == 0
    assert day.record().state is State.UNKNOWN
    other.resolver.sweep()
    day.world.clock.pass_by(60.0)
    for _ in range(6):
        other.resolver.sweep()
        day.world.clock.pass_by(60.0)
    assert not other.journal.open_items()


def test_f33_a_new_day_does_not_unfence_by_itself(day: OneDay, tmp_path: Path):
    """Signing in every morning would let two copies take turns."""
    sell(day, day.terminal, "B-1")
    other = clone(day, image(day, tmp_path / "image"))
    sell(day, other, "B-2")
    with pytest.raises(CentreFencedError):
        sell(day, day.terminal, "B-3")

    day.world.clock.pass_by(86_400)
    with pytest.raises(CentreFencedError):
        sell(day, day.terminal, "B-4")

    assert sell(day, other, "B-5") == 201


def test_f33_a_released_terminal_works_again_and_the_day_shows_what_it_lacks(
    day: OneDay, tmp_path: Path
):
    """The centre has what the lost journal had: reconciling names it."""
    sell(day, day.terminal, "B-1")
    taken = image(day, tmp_path / "image")
    sell(day, day.terminal, "B-2")
    restore(day, taken)
    with pytest.raises(CentreFencedError):
        sell(day, day.terminal, "B-3")

    with day.world.book.writing() as page:
        assert fence.release(page, INSTITUTION, "T000")
    day.terminal.restart()

    assert sell(day, day.terminal, "B-4") == 201
    report = day.terminal.cashier.reconcile(day.world.clock.now.date())
    assert [d.kind.value for d in report.differences] == ["theirs-only"]


def test_f33_a_restart_is_no_clone(day: OneDay):
    """Ten starts in a row, with a bill between them: nothing is fenced."""
    for number in range(10):
        assert sell(day, day.terminal, f"B-{number}") == 201
        day.terminal.restart()

    day.world.come_to_rest()
    assert violations(day.world) == ()


def test_f33_a_late_copy_of_a_message_fences_nobody(day: OneDay):
    """It arrives after a restart, from a run that is over; its answer goes nowhere."""
    day.world.network.scripted = [Fate.REQUEST_LATE]
    day.world.network.delays_s = [30.0]
    assert sell(day, day.terminal, "B-1") == 202
    day.terminal.restart()
    for _ in range(8):
        day.look(seconds=20.0)

    assert sell(day, day.terminal, "B-2") == 201
    assert "terminal" not in parts(day.terminal)
    day.world.come_to_rest()
    assert violations(day.world) == ()


def test_f33_a_message_of_the_run_before_may_arrive_while_the_next_one_signs_in(
    day: OneDay,
):
    """It moves the place that the terminal was asked for: it is asked again."""
    network = day.world.network
    sell(day, day.terminal, "B-1")
    network.scripted, network.delays_s = [Fate.REQUEST_LATE], [30.0]
    assert sell(day, day.terminal, "B-2") == 202
    day.terminal.restart()
    second = network.sent["9001"] + 2

    def between(_number: int) -> None:
        if network.sent["9001"] == second:
            network.meanwhile = lambda _number: None
            day.world.clock.pass_by(60.0)

    network.meanwhile = between
    with pytest.raises(CentreNotSentError) as overtaken:
        sell(day, day.terminal, "B-3")

    assert overtaken.value.why == "signed-out"
    assert len(day.centre_rows()) == 2
    assert sell(day, day.terminal, "B-3") == 201
    assert "terminal" not in parts(day.terminal)
    day.world.come_to_rest()
    assert violations(day.world) == ()


def test_f33_a_copy_that_shows_an_older_place_does_not_get_in_by_asking_again(
    day: OneDay, tmp_path: Path
):
    """An older place is never enough, and at the newest it has another entry."""
    sell(day, day.terminal, "B-1")
    taken = image(day, tmp_path / "image")
    sell(day, day.terminal, "B-2")
    with day.world.book.reading() as page:
        last = fence.remembered(page, INSTITUTION, "T000")
    other = clone(day, taken)
    head = other.journal.head()
    older = heads.Entry(head.seq, head.digest)
    told = heads.Told("f" * 16, older, heads.Known(last.turn, older))

    for _ in range(2):
        with (
            day.world.book.writing() as page,
            pytest.raises(Refusal) as refused,
        ):
            fence.take(page, INSTITUTION, "T000", told)
        assert refused.value.code == "not-signed-in"

    with pytest.raises(CentreFencedError):
        sell(day, other, "B-3")
    assert sell(day, day.terminal, "B-4") == 201


@pytest.mark.parametrize(
    "said",
    ["", "run=1", "head=1:00", "run=0123456789abcdef;head=1:" + "g" * 64, "设备"],
)
def test_f33_what_tells_nothing_of_a_journal_is_no_telling(said: str):
    """Another vendor's 设备安全信息 is left alone."""
    assert heads.read(said) is None


def test_f33_a_terminal_is_released_by_command(tmp_path: Path):
    """The one who runs the centre does it, and is told where the journal stood."""
    book = tmp_path / "centre.db"
    day = OneDay(tmp_path)
    try:
        sell(day, day.terminal, "B-1")
        seq = day.terminal.journal.head().seq
    finally:
        day.world.close()
    url = f"sqlite:///{book}"
    asked = ["release-terminal", "--institution", INSTITUTION, "--db", url]

    released = CliRunner().invoke(main, [*asked, "T000"])
    unheard = CliRunner().invoke(main, [*asked, "T999"])

    assert released.exit_code == 0
    (told,) = re.findall(r"T000 of H\w+ .* entry (\d+)\.", released.output)
    assert 0 < int(told) <= seq
    assert unheard.exit_code == 1
    assert "T999" in unheard.output
