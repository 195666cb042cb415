"""Ids drawn ahead: each is given out once, whoever asks and however often."""

from __future__ import annotations

import itertools
import os
import threading

from settlement.centre.numbers import AHEAD, Numbers


class Sequence:
    """Counts as a database does, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self._next = itertools.count(1)
        self._guard = threading.Lock()

    def draw(self, count: int) -> list[int]:
        """Draw so many."""
        with self._guard:
            self.asked += 1
            return [next(self._next) for _ in range(count)]


def test_most_numbers_cost_no_question():
    """One question for so many, in their order."""
    numbers, sequence = Numbers(), Sequence()

    told = [numbers.take("visit", 1, sequence.draw) for _ in range(AHEAD + 1)]

    assert told == [[n] for n in range(1, AHEAD + 2)]
    assert sequence.asked == 1


def test_more_than_are_left_are_drawn_too():
    """What is left is used first; nothing is given out twice."""
    numbers, sequence = Numbers(), Sequence()
    first = numbers.take("visit", 3, sequence.draw)

    many = numbers.take("visit", AHEAD + 10, sequence.draw)

    assert [*first, *many] == list(range(1, AHEAD + 14))


def test_kinds_of_ids_do_not_mix():
    """A visit's number is no settlement's."""
    numbers, visits, settlements = Numbers(), Sequence(), Sequence()
    numbers.take("visit", 1, visits.draw)

    assert numbers.take("settlement", 1, settlements.draw) == [1]


def test_threads_never_share_a_number():
    """A server answers eight at a time."""
    numbers, sequence = Numbers(), Sequence()
    told: list[int] = []

    def ask() -> None:
        for _ in range(500):
            told.extend(numbers.take("visit", 1, sequence.draw))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(told)) == len(told) == 4000


def test_a_forked_process_begins_with_none():
    """A server that forks its workers would else give each the same."""
    numbers, sequence = Numbers(), Sequence()
    numbers.take("visit", 1, sequence.draw)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        first = numbers.take("visit", 1, lambda count: [900] * count)
        os.write(writing, str(first[0]).encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reading, 10) == b"900"
    assert numbers.take("visit", 1, sequence.draw) == [2]
    os.close(reading)
    os.close(writing)
