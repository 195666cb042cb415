"""A batch under a pack, each person's year carried on bill by bill.

Under another pack a bill leaves the year standing elsewhere, so the next bill of the
same person must start from there and not from what was recorded. The first bills of
all persons are split together, then all second ones, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from settlement.claim import AMOUNTS
from settlement.columns import Bills, Figures, Whole, Words, split_columns
from settlement.pack_program import Program
from settlement.policy import Pack


@dataclass(frozen=True, slots=True)
class Batch:
    """Claims to be settled again."""

    bills: Bills
    person: Whole  #: an opaque number: bills of one person stand in their order
    before: dict[str, Whole]  #: what each payer bore, in fen, by `SettledAmounts` name


def within(pack: Pack, bills: Bills) -> tuple[Bills, int]:
    """Move bills of days the pack does not cover to its nearest day.

    Returns:
        The bills, and how many were moved.
    """
    on = bills.facts["on"]
    if isinstance(on, Words):
        msg = "a day is a number"
        raise TypeError(msg)
    last = pack.until.toordinal() if pack.until is not None else np.iinfo(np.int64).max
    moved = np.clip(on, pack.since.toordinal(), last)
    facts = {**bills.facts, "on": moved}
    return _with_facts(bills, facts), int((moved != on).sum())


def evaluate(program: Program, batch: Batch) -> dict[str, Whole]:
    """Split a batch; return what every payer bears, by payer, and ``denied``.

    Raises:
        ColumnsError: the batch lacks a column that the pack asks for.
        PackGapError: the pack says nothing, or two things, for one of the bills.
    """
    year = _Year(program, batch)
    payers = {fund.id: fund.payer.value for fund in program.pack.funds}
    out = {
        name: np.zeros(len(batch.bills), np.int64)
        for name in (*dict.fromkeys(payers.values()), "hospital", "cash", "denied")
    }
    turn = _turns(batch.person)
    for number in range(int(turn.max(initial=-1)) + 1):
        rows = np.flatnonzero(turn == number)
        figures = year.split(rows, carried=number > 0)
        for fund, payer in payers.items():
            out[payer][rows] += figures.columns[fund]
        for name in ("hospital", "cash"):
            out[name][rows] += figures.columns[name]
        # Where there is no benefit the person bears it all.
        out["cash"][rows] += np.where(figures.denied, figures.columns["total"], 0)
        out["denied"][rows] = figures.denied
    return out


class _Year:
    """How each person's year stands, bill by bill."""

    def __init__(self, program: Program, batch: Batch) -> None:
        self.program = program
        self.batch = batch
        # A tally of a day or a month stays as it was recorded.
        tallies = [name for name in program.pack.tallies if "@" not in name]
        self.names = (*AMOUNTS, *tallies)
        count, persons = len(batch.bills), int(batch.person.max(initial=-1)) + 1
        self.before: dict[str, Whole] = {}
        for name in self.names:
            held = batch.bills.facts.get(name)
            self.before[name] = np.zeros(count, np.int64)
            if held is not None and not isinstance(held, Words):
                self.before[name] = held.copy()
        self.standing = {name: np.zeros(persons, np.int64) for name in self.names}

    def split(self, rows: Whole, *, carried: bool) -> Figures:
        """Split some bills, one a person, and carry each year on."""
        person = self.batch.person[rows]
        if carried:
            for name in self.names:
                self.before[name][rows] = self.standing[name][person]
        facts = {**self.batch.bills.facts, **self.before}
        part = _rows(self.batch.bills, facts, rows)
        figures = split_columns(self.program, part, moves=self.names)
        for name in self.names:
            self.standing[name][person] = self.before[name][rows] + figures.moves[name]
        return figures


def _turns(person: Whole) -> Whole:
    """Number each person's bills: 0 for the first, 1 for the second."""
    order = np.argsort(person, kind="stable")
    grouped = person[order]
    fresh = np.ones(len(person), np.bool_)
    fresh[1:] = grouped[1:] != grouped[:-1]
    starts = np.maximum.accumulate(np.where(fresh, np.arange(len(person)), 0))
    turn = np.empty(len(person), np.int64)
    turn[order] = np.arange(len(person)) - starts
    return turn


def _rows(bills: Bills, facts: dict[str, Whole | Words], rows: Whole) -> Bills:
    """Take some bills, with their lines."""
    if len(rows) == len(bills):
        return _with_facts(bills, facts)
    sizes = np.diff(bills.offsets)[rows]
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    starts = np.repeat(bills.offsets[:-1][rows] - offsets[:-1], sizes)
    lines = starts + np.arange(int(offsets[-1]))
    return Bills(
        facts={name: _taken(column, rows) for name, column in facts.items()},
        offsets=offsets,
        amount=bills.amount[lines],
        limit=bills.limit[lines],
        ratio=bills.ratio[lines],
        sort=Words(bills.sort.codes[lines], bills.sort.words),
    )


def _taken(column: Whole | Words, rows: npt.NDArray[np.int64]) -> Whole | Words:
    if isinstance(column, Words):
        return Words(column.codes[rows], column.words)
    return column[rows]


def _with_facts(bills: Bills, facts: dict[str, Whole | Words]) -> Bills:
    return Bills(
        facts, bills.offsets, bills.amount, bills.limit, bills.ratio, bills.sort
    )
