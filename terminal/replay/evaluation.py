"""A batch under a pack, each person's year carried on bill by bill.

Under another pack a bill leaves the year and the account standing elsewhere, so the
next bill of the same person must start from there and not from what was recorded. The
first bills of all persons are split together, then all second ones, and so on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from settlement.claim import AMOUNTS, ItemClass
from settlement.columns import Bills, Figures, Whole, Words, split_columns
from settlement.pack_program import UNMET, Program
from settlement.policy import Pack
from settlement.split import Payer

#: Which fact holds what an account's payer may still take.
_BALANCES = {
    Payer.ACCOUNT.value: "account_balance",
    Payer.FAMILY_ACCOUNT.value: "family_balance",
}


class LineSort(NamedTuple):
    """What a pack may ask of a line, besides its amounts."""

    item_class: str
    group: str
    cause: str
    unmet: bool  #: 限制使用 applies and was not approved


@dataclass(frozen=True, slots=True)
class Batch:
    """Claims to be settled again; a person's bills stand together, in their order."""

    bill: Whole  #: the bills' own numbers
    #: Whose accounts may be used; None: not said, an empty one is taken for shut.
    opened: npt.NDArray[np.bool_] | None
    #: The settlements they are, where the file names them: an array of text.
    settlement: npt.NDArray[np.object_] | None
    bills: Bills  #: their sorts of line are numbers of `sorts`
    sorts: tuple[LineSort, ...]
    person: Whole  #: an opaque number
    #: What each payer bore, in fen, by `SettledAmounts` name; empty: not recorded.
    paid: Mapping[str, Whole]
    #: What each bill moved in its year when it was settled, by accumulator, in fen. A
    #: name that is not there: not recorded, and care elsewhere is not seen.
    moved: Mapping[str, Whole]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a batch comes to under a pack."""

    paid: Mapping[str, Whole]  #: by payer, in fen
    denied: npt.NDArray[np.bool_]  #: no benefit: the person bears it all
    #: Bills of days the pack does not cover, put on its nearest day.
    outside: npt.NDArray[np.bool_]


def evaluate(program: Program, batch: Batch, *, years_later: int = 0) -> Evaluated:
    """Split a batch; say what every payer bears.

    Args:
        program: the pack's.
        batch: whole persons.
        years_later: split every bill as if it were of the same day so many years on.

    Raises:
        ColumnsError: the batch lacks a column that the pack asks for.
        PackGapError: the pack says nothing, or two things, for one of the bills.
    """
    on, year, outside = _days(program.pack, batch.bills, years_later)
    standing = _Standing(program, batch, on, year)
    payers = {fund.id: fund.payer.value for fund in program.pack.funds}
    count = len(batch.bills)
    names = (*dict.fromkeys(payers.values()), "hospital", "cash")
    paid = {name: np.zeros(count, np.int64) for name in names}
    denied = np.zeros(count, np.bool_)
    for rows in _turns(batch.person):
        figures = standing.split(rows)
        for fund, payer in payers.items():
            paid[payer][rows] += figures.columns[fund]
        for name in ("hospital", "cash"):
            paid[name][rows] += figures.columns[name]
        # Where there is no benefit the person bears it all.
        paid["cash"][rows] += np.where(figures.denied, figures.columns["total"], 0)
        denied[rows] = figures.denied
        standing.pay(rows, paid)
    return Evaluated(paid, denied, outside)


class _Standing:
    """How each person's year and account stand, bill by bill."""

    def __init__(self, program: Program, batch: Batch, on: Whole, year: Whole) -> None:
        self.program = program
        self.bills = _as_sorted(program, batch)
        self.recorded = batch.paid
        self.person = batch.person
        self.year = year
        self.facts: dict[str, Whole | Words] = {**batch.bills.facts, "on": on}
        # A tally of a day or a month stays as it was recorded; one that is not in the
        # file is one that nobody has touched. A sum everybody has must be there.
        tallies = [name for name in program.pack.tallies if "@" not in name]
        there = [name for name in AMOUNTS if name in self.facts]
        self.names = (*there, *tallies)
        self.before: dict[str, Whole] = {}
        for name in (*self.names, *_BALANCES.values()):
            held = self.facts.get(name)
            if isinstance(held, np.ndarray):
                self.before[name] = held.copy()
            elif name in tallies:
                self.before[name] = np.zeros(len(year), np.int64)
        self.year_of, before_it = _years(batch.person, year)
        self.elsewhere = {
            name: _between(self.before[name], moved, before_it)
            for name, moved in batch.moved.items()
            if name in self.names
        }
        self.opened = {
            name: batch.opened if batch.opened is not None else self.before[name] > 0
            for name in _BALANCES.values()
            if name in self.before
        }
        self.facts |= self.before
        years = int(self.year_of.max(initial=-1)) + 1
        persons = int(batch.person.max(initial=-1)) + 1
        self.begun = np.zeros(years, np.bool_)
        self.standing = {name: np.zeros(years, np.int64) for name in self.names}
        self.spared = {name: np.zeros(persons, np.int64) for name in _BALANCES}

    def split(self, rows: Whole) -> Figures:
        """Split some bills, one a person, and carry each year on."""
        year = self.year_of[rows]
        goes_on = self.begun[year]
        mine, whose = rows[goes_on], year[goes_on]
        for name in self.names:
            carried = self.standing[name][whose]
            if name in self.elsewhere:
                carried = np.maximum(carried + self.elsewhere[name][mine], 0)
            self.before[name][mine] = carried
        figures = split_columns(
            self.program, _rows(self.bills, self.facts, rows), moves=self.names
        )
        for name in self.names:
            self.standing[name][year] = self.before[name][rows] + figures.moves[name]
        self.begun[year] = True
        return figures

    def pay(self, rows: Whole, paid: Mapping[str, Whole]) -> None:
        """Leave each person's next bills what was taken less from the accounts."""
        following = rows + 1
        following = following[following < len(self.person)]
        following = following[self.person[following] == self.person[following - 1]]
        person = self.person[rows]
        for payer, name in _BALANCES.items():
            if payer not in self.recorded or name not in self.before:
                continue
            now = paid[payer][rows] if payer in paid else 0
            self.spared[payer][person] += self.recorded[payer][rows] - now
            balance = self.before[name]
            more = self.spared[payer][self.person[following]]
            # An account that may not be used stays shut.
            left = np.maximum(balance[following] + more, 0)
            balance[following] = left * self.opened[name][following]


def _years(person: Whole, year: Whole) -> tuple[Whole, Whole]:
    """Number the persons' years; say of each bill which one of its year came before.

    Returns:
        The number of each bill's year, and the row of the bill before it, or -1.
    """
    if not len(year):
        return year, year
    first = year.min()
    years = year.max() - first + 1
    _, number = np.unique(person * years + (year - first), return_inverse=True)
    order = np.argsort(number, kind="stable")
    before_it = np.full(len(person), -1, np.int64)
    same = number[order[1:]] == number[order[:-1]]
    before_it[order[1:][same]] = order[:-1][same]
    return number, before_it


def _between(before: Whole, moved: Whole, before_it: Whole) -> Whole:
    """Say what a year moved between two bills, beyond the first of them."""
    ended = before[before_it] + moved[before_it]
    return np.where(before_it < 0, 0, before - ended)


def _as_sorted(program: Program, batch: Batch) -> Bills:
    """Name the sorts of line as the program knows them."""
    names = [
        program.sort(
            UNMET if sort.unmet and sort.item_class != ItemClass.C else sort.item_class,
            sort.group,
            sort.cause,
        )
        for sort in batch.sorts
    ]
    known = tuple(dict.fromkeys(names))
    number = {name: code for code, name in enumerate(known)}
    table = np.array([number[name] for name in names], np.int32)
    bills = batch.bills
    return replace(bills, sort=Words(table[bills.sort.codes], known))


def _days(
    pack: Pack, bills: Bills, years_later: int
) -> tuple[Whole, Whole, npt.NDArray[np.bool_]]:
    """Say on which day each bill is split, and in which insured year it lies.

    A day the pack does not cover becomes its nearest one; the year is the day's own.
    """
    found = bills.facts["on"]
    if isinstance(found, Words):
        msg = "a day is a number"
        raise TypeError(msg)
    days, place = np.unique(found, return_inverse=True)
    since = pack.since.toordinal()
    until = dt.date.max.toordinal() if pack.until is None else pack.until.toordinal()
    asked, years, outside = [], [], []
    for day in days:
        on = _later(dt.date.fromordinal(int(day)), years_later)
        within = min(max(on.toordinal(), since), until)
        starts = pack.year.on(dt.date.fromordinal(within)).value
        begun = (on.month, on.day) >= (starts.starts_month, starts.starts_day)
        asked.append(within)
        years.append(on.year if begun else on.year - 1)
        outside.append(within != on.toordinal())
    return (
        np.array(asked, np.int64)[place],
        np.array(years, np.int64)[place],
        np.array(outside, np.bool_)[place],
    )


def _later(day: dt.date, years: int) -> dt.date:
    """Return the same day so many years on; 29 February becomes the 28th."""
    year = min(max(day.year + years, dt.MINYEAR), dt.MAXYEAR)
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=day.day - 1)


def _turns(person: Whole) -> list[Whole]:
    """List the persons' first bills, then their second ones, and so on."""
    count = len(person)
    if not count:
        return []
    fresh = np.ones(count, np.bool_)
    fresh[1:] = person[1:] != person[:-1]
    turn = np.arange(count) - np.maximum.accumulate(
        np.where(fresh, np.arange(count), 0)
    )
    order = np.argsort(turn, kind="stable")
    return np.split(order, np.cumsum(np.bincount(turn))[:-1])


def _rows(bills: Bills, facts: Mapping[str, Whole | Words], rows: Whole) -> Bills:
    """Take some bills, with their lines."""
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


def _taken(column: Whole | Words, rows: Whole) -> Whole | Words:
    if isinstance(column, Words):
        return Words(column.codes[rows], column.words)
    return column[rows]
