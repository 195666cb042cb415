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
from settlement.columns import Bills, Whole, Words, split_columns
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
    bills = batch.bills
    turn = _turns(batch.person)
    names = (*AMOUNTS, *(n for n in program.pack.tallies if "@" not in n))
    facts = dict(bills.facts)
    for name in names:
        held = facts.get(name)
        if held is None or isinstance(held, Words):
            facts[name] = np.zeros(len(bills), np.int64)
        else:
            facts[name] = held.copy()
    payers = {fund.id: fund.payer.value for fund in program.pack.funds}
    out = {
        name: np.zeros(len(bills), np.int64)
        for name in (*dict.fromkeys(payers.values()), "hospital", "cash", "denied")
    }
    standing: dict[str, Whole] = {}
    for number in range(int(turn.max()) + 1 if len(turn) else 0):
        rows = np.flatnonzero(turn == number)
        if number:
            for name in names:
                column = facts[name]
                if not isinstance(column, Words):
                    column[rows] = standing[name][batch.person[rows]]
        part = _rows(bills, facts, rows)
        figures = split_columns(program, part, moves=names)
        for fund, payer in payers.items():
            out[payer][rows] += figures.columns[fund]
        for name in ("hospital", "cash"):
            out[name][rows] += figures.columns[name]
        # Where there is no benefit the person bears it all.
        out["cash"][rows] += np.where(figures.denied, figures.columns["total"], 0)
        out["denied"][rows] = figures.denied
        for name in names:
            if name not in standing:
                standing[name] = np.zeros(int(batch.person.max()) + 1, np.int64)
            held = facts[name]
            if not isinstance(held, Words):
                now = held[rows] + figures.moves[name]
                standing[name][batch.person[rows]] = now
    return out


def _turns(person: Whole) -> Whole:
    """Number each person's bills: 0 for the first, 1 for the second …"""
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
