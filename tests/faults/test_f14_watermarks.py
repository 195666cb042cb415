"""A disk that fills while the terminal runs: told, then stopped, before it is full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from settlement.lifecycle import State
from terminal.disk_room import BALLAST, BALLAST_BYTES, DiskRoom, Room, room_of
from terminal.errors import DiskNearlyFullError
from tests.rig.network import Fate
from tests.rig.one_day import OneDay, one_day

PLENTY, LOW, NEARLY_FULL = 50, 9, 1


class Disk:
    """A disk of a hundred gigabytes of which the test says what is left."""

    def __init__(self) -> None:
        self.left = PLENTY

    def __call__(self, _folder: Path) -> Room:
        """Tell how it stands."""
        whole = 100_000_000_000
        free = whole * self.left // 100
        return Room(whole, whole - free, free)


@pytest.fixture
def disk() -> Disk:
    """Return a disk that has room."""
    return Disk()


@pytest.fixture
def day(tmp_path: Path, disk: Disk) -> Iterator[OneDay]:
    """Open a day at a terminal that watches its disk."""
    with one_day(tmp_path) as opened:
        opened.terminal.disk = DiskRoom(opened.terminal.path.parent, disk)
        opened.terminal.restart()
        yield opened


def ballast(day: OneDay) -> Path:
    """Name the ballast."""
    return day.terminal.path.parent / BALLAST


def light(day: OneDay) -> tuple[bool, str] | None:
    """Say what readiness tells of the disk, if anything."""
    found = [
        (ok, code)
        for part, ok, code in day.terminal.cashier.readiness()
        if part == "disk"
    ]
    return found[0] if found else None


def test_f14_a_disk_with_room_is_not_spoken_of_and_carries_the_ballast(day: OneDay):
    """Its blocks are taken, not only its name."""
    assert day.settle(day.bill())[0] == 201
    assert light(day) is None
    assert ballast(day).stat().st_blocks * 512 >= BALLAST_BYTES


def test_f14_below_ten_percent_it_is_told_and_sold(day: OneDay, disk: Disk):
    """Somebody has the time to make room."""
    disk.left = LOW

    assert day.settle(day.bill())[0] == 201
    assert light(day) == (True, "disk-low")
    assert ballast(day).exists()


def test_f14_below_two_percent_nothing_new_is_begun(day: OneDay, disk: Disk):
    """The centre does not hear of it, and no intent is written."""
    disk.left = NEARLY_FULL
    sent = sum(day.world.network.sent.values())

    with pytest.raises(DiskNearlyFullError) as refused:
        day.settle(day.bill())

    assert refused.value.code == "disk-nearly-full"
    assert sum(day.world.network.sent.values()) == sent
    assert day.terminal.journal.records() == ()
    assert light(day) == (False, "disk-nearly-full")


def test_f14_what_is_under_way_ends_in_the_room_the_ballast_leaves(
    day: OneDay, disk: Disk
):
    """An unknown is looked up and settled although nothing new is sold."""
    day.settle(day.bill("B-1"), Fate.ANSWER_LOST)
    disk.left = NEARLY_FULL
    with pytest.raises(DiskNearlyFullError):
        day.settle(day.bill("B-2"))

    for _ in range(3):
        day.look()

    assert not ballast(day).exists()
    assert day.record().state is State.SETTLED


def test_f14_a_settlement_can_be_taken_back_although_nothing_is_sold(
    day: OneDay, disk: Disk
):
    """Giving money back is the end of something, not a beginning."""
    _, said = day.settle(day.bill())
    disk.left = NEARLY_FULL

    assert day.cancel(said["settlement_id"])[0] == 200


def test_f14_a_retry_gets_its_answer_from_a_full_disk(day: OneDay, disk: Disk):
    """Reading works: the POS that heard nothing is told what it came to."""
    bill = day.bill()
    first = day.settle(bill)
    disk.left = NEARLY_FULL

    assert day.settle(bill) == first


def test_f14_room_that_was_made_is_used_at_once_and_the_ballast_comes_back(
    day: OneDay, disk: Disk
):
    """No restart is needed to sell; the ballast is laid down at the next one."""
    disk.left = NEARLY_FULL
    with pytest.raises(DiskNearlyFullError):
        day.settle(day.bill())

    disk.left = PLENTY
    status, _ = day.settle(day.bill())
    gone = ballast(day).exists()
    DiskRoom(day.terminal.path.parent, disk)

    assert (status, gone) == (201, False)
    assert ballast(day).exists()


def test_f14_no_ballast_is_laid_down_where_there_is_no_room_for_it(tmp_path: Path):
    """It would make worse what it is for."""
    disk = Disk()
    disk.left = LOW

    DiskRoom(tmp_path, disk)

    assert not (tmp_path / BALLAST).exists()


def test_f14_the_real_disk_is_looked_at(tmp_path: Path):
    """Nothing but the tests' own disk is made up."""
    room = room_of(tmp_path)

    assert 0 < room.free <= room.total
    assert 0 <= room.percent <= 100
