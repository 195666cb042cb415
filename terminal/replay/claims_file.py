"""A batch of claims as Parquet, in and out, through DuckDB.

One row a bill; ``docs/replay.md`` lists the columns. A person's bills are read whole
and in the order of their days, part by part, so memory is bounded by the part and by
what DuckDB is given, however many bills the file holds. What is missing, empty or
unknown is refused by column and bill: a missing fact is never taken for nought.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from config.packs import CLOSED_WORDS
from settlement.claim import AMOUNTS, CATEGORIES_OF, Insurance, ItemClass, Tier
from settlement.columns import Bills, Codes, Whole, Words
from settlement.errors import ColumnsError
from settlement.lowering import facts_of
from settlement.money import line_amount
from settlement.policy import NUMBERS, WORDS, Pack
from settlement.program import ABSENT, LINE_SCALE
from terminal.replay.comparison import PAYERS
from terminal.replay.evaluation import Batch, LineSort
from terminal.replay.journal_claims import SettledClaim

#: Bills read at once, and the memory DuckDB may take before it writes to the disk.
PART = 100_000
MEMORY = "512MB"
#: Every word a closed fact may be; `disease` and `premium` are open.
_CLOSED = {
    **{name: tuple(sorted(words)) for name, words in CLOSED_WORDS.items()},
    "deductible_tier": tuple(tier.value for tier in Tier),
    "class": tuple(item_class.value for item_class in ItemClass),
}
_WORDS = (*WORDS, "deductible_tier")
_NUMBERS = (
    *NUMBERS,
    "deductible_taken",
    "account_balance",
    "family_balance",
    *AMOUNTS,
)
_LINE_WORDS = ("class", "group", "cause")
_LINE = ("amount", "limit", "ratio", *_LINE_WORDS, "unmet")
_PAID, _MOVED = "paid_", "moved_"
_RECORDED = {
    "account": "account_pay",
    "family_account": "family_account_pay",
    "cash": "cash_pay",
    "hospital": "hospital_share",
}
_WHOLE_TYPES = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER")
) | {"BIGINT"}
_TEXT_TYPES = ("VARCHAR", "ENUM")
_FIRST_DAY = dt.date(1970, 1, 1).toordinal()


def write_claims(claims: Iterable[SettledClaim], pack: Pack, path: Path) -> int:
    """Write settled claims of a pack's region as that pack reads them; count them.

    A tally that the pack counts becomes a column of its own name.
    """
    count = 0
    row: dict[str, Any] = {}
    persons: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "claims.jsonl"
        with rows.open("w", encoding="utf-8") as out:
            for claim in claims:
                number = persons.setdefault(claim.person, len(persons))
                row = _row(count, f"p{number}", claim, pack)
                out.write(json.dumps(row) + "\n")
                count += 1
        if count:
            _copy(rows, row, path)
    return count


def read_claims(
    path: Path, packs: Sequence[Pack], first: dt.date, last: dt.date
) -> Iterator[Batch]:
    """Read claims of some days in parts, each person whole in one part.

    Where the file says whose insurance a bill is of (``insured_region``,
    ``insurance``), only bills the first pack is for are read.

    Raises:
        ColumnsError: the file lacks a column, or holds a wrong one.
        OSError: the file is not there or is no Parquet file.
    """
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    try:
        yield from _read(path, packs, first, last)
    except duckdb.Error as error:
        msg = f"{path.name} cannot be read: {error}"
        raise OSError(msg) from error


def _read(
    path: Path, packs: Sequence[Pack], first: dt.date, last: dt.date
) -> Iterator[Batch]:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as db:
        db.execute(f"set memory_limit = '{MEMORY}'")
        db.execute(f"set temp_directory = '{_quoted(folder)}'")
        file = _File.open(db, path, packs)
        count = file.sort(first, last)
        if not count:
            return
        new = db.execute(
            "select person_key is distinct from lag(person_key) over (order by rowid) "
            "as new from bill order by rowid"
        ).fetchnumpy()["new"]
        person = np.cumsum(np.asarray(new, np.int64)) - 1
        begins = np.flatnonzero(new)
        start = 0
        while start < count:
            place = int(np.searchsorted(begins, start + PART))
            stop = int(begins[place]) if place < len(begins) else count
            yield file.part(start, stop, person[start:stop] - person[start])
            start = stop


@dataclass(slots=True)
class _File:
    """A file whose columns were looked at, and the bills of it in their order."""

    db: duckdb.DuckDBPyConnection
    source: str
    pack: Pack  #: whose bills are read
    tallies: tuple[str, ...]  #: all that a pack counts
    columns: Mapping[str, str]  #: type by name
    #: By name of a word: the expression that numbers it, and all it may be.
    coded: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    @classmethod
    def open(
        cls, db: duckdb.DuckDBPyConnection, path: Path, packs: Sequence[Pack]
    ) -> _File:
        source = f"read_parquet('{_quoted(path)}')"
        try:
            columns = _types(db, source)
        except duckdb.Error as error:
            msg = f"{path.name} cannot be read as Parquet: {error}"
            raise OSError(msg) from error
        for name in ("bill", "person_key", "on", "lines"):
            if name not in columns:
                raise ColumnsError(name, "is missing from the file of claims")
        tallies = dict.fromkeys(name for pack in packs for name in pack.tallies)
        file = cls(db, source, packs[0], tuple(tallies), columns)
        file._check_types()
        return file

    def _check_types(self) -> None:
        wanted = (
            (("bill", *self.numbers, *self.recorded), _WHOLE_TYPES, "a whole number"),
            (("settled_order",), _WHOLE_TYPES, "a whole number"),
            ((*self.words, "settlement"), _TEXT_TYPES, "text"),
            (("insurance", "insured_region"), _TEXT_TYPES, "text"),
            (("use_account",), ("BOOLEAN",), "a BOOLEAN"),
            (("on",), ("DATE",), "a DATE"),
        )
        for names, allowed, what in wanted:
            for name in names:
                if name in self.columns:
                    _require(name, self.columns[name], allowed, what)
        self._check_lines()

    def _check_lines(self) -> None:
        try:
            fields = _types(
                self.db,
                f"(select unnest(lines, recursive := true) from {self.source})",  # noqa: S608 - a quoted path
            )
        except duckdb.Error as error:
            name, problem = "lines", "is not a list of structs"
            raise ColumnsError(name, problem) from error
        for name in _LINE:
            if name not in fields:
                column = f"lines.{name}"
                raise ColumnsError(column, "is missing from the file")
        _require("lines.amount", fields["amount"], _WHOLE_TYPES, "whole fen")
        for name in ("limit", "ratio"):
            # A column without any value has no type either.
            types = _WHOLE_TYPES | {'"NULL"'}
            _require(f"lines.{name}", fields[name], types, "a whole number")
        for name in _LINE_WORDS:
            _require(f"lines.{name}", fields[name], _TEXT_TYPES, "text")
        _require("lines.unmet", fields["unmet"], ("BOOLEAN",), "a BOOLEAN")

    @property
    def words(self) -> list[str]:
        """The facts of the file that are words."""
        return [name for name in _WORDS if name in self.columns]

    @property
    def numbers(self) -> list[str]:
        """The facts of the file that are numbers."""
        known = (*_NUMBERS, *self.tallies)
        return [name for name in known if name in self.columns]

    @property
    def extra(self) -> list[str]:
        """What is neither asked for by a pack nor recorded, and there."""
        return [n for n in ("settlement", "use_account") if n in self.columns]

    @property
    def order(self) -> str:
        """In what order a person's bills were settled."""
        first = ("settled_order",) if "settled_order" in self.columns else ()
        return ", ".join(_name(name) for name in ("person_key", *first, "on", "bill"))

    @property
    def recorded(self) -> list[str]:
        """What the file says of the settlements as they were made.

        Raises:
            ColumnsError: it names some payers and not the others.
        """
        paid = [f"{_PAID}{payer}" for payer in PAYERS]
        there = [name for name in paid if name in self.columns]
        if there and len(there) < len(paid):
            lacking = next(name for name in paid if name not in self.columns)
            raise ColumnsError(lacking, "is missing, other payers are named")
        moved = (*AMOUNTS, *self.tallies)
        names = [name for name in moved if f"{_MOVED}{name}" in self.columns]
        for name in names:
            if name not in self.columns:
                raise ColumnsError(name, f"is missing, {_MOVED}{name} is there")
        return [*there, *(f"{_MOVED}{name}" for name in names)]

    def sort(self, first: dt.date, last: dt.date) -> int:
        """Lay the bills of some days out by person and day; return how many.

        Raises:
            ColumnsError: a bill has no day or no person, or the pack is for none of
                them.
        """
        days = f"\"on\" between date '{first}' and date '{last}'"
        where = [f'("on" is null or {days})']
        pack = self.pack
        for name, known in (
            ("insurance", {kind.value for kind in Insurance}),
            ("insured_region", None),
        ):
            if name in self.columns:
                self._check_whose(name, days, known)
        if "insurance" in self.columns:
            where.append(f"insurance = '{pack.insurance.value}'")
        if "insured_region" in self.columns:
            regions = self.db.execute(
                f"select distinct insured_region from {self.source}"  # noqa: S608 - a quoted path
            ).fetchall()
            mine = [
                f"'{region}'"
                for (region,) in regions
                if isinstance(region, str)
                and region.isdigit()
                and pack.covers(region, pack.insurance)
            ]
            where.append(f"insured_region in ({', '.join(mine) or 'null'})")
        names = dict.fromkeys(
            ("bill", "person_key", "on", *self.words, *self.numbers, *self.recorded)
        )
        chosen = ", ".join(_name(name) for name in (*names, *self.extra, "lines"))
        self.db.execute(
            f"create temp table bill as select {chosen} from {self.source} "  # noqa: S608 - names of ours
            f"where {' and '.join(where)} order by {self.order}"
        )
        row = self.db.execute(
            'select count(*), count(person_key), count("on"), count(bill) from bill'
        ).fetchall()[0]
        for name, there in zip(("person_key", "on", "bill"), row[1:], strict=True):
            if there < row[0]:
                raise ColumnsError(name, f"{row[0] - there} bills have none")
        for name in self.words:
            self.coded[name] = self._coded(name, _name(name), "bill")
        for name in _LINE_WORDS:
            lines = "(select unnest(lines) l from bill)"
            self.coded[f"lines.{name}"] = self._coded(name, f'l."{name}"', lines)
        return int(row[0])

    def _check_whose(self, name: str, days: str, known: set[str] | None) -> None:
        """Refuse a bill that does not say whose it is: it would be left out unseen."""
        found = self.db.execute(
            f"select {_name(name)}, min(bill) from {self.source} "  # noqa: S608 - names of ours
            f'where "on" is null or {days} group by 1'
        ).fetchall()
        for word, bill in found:
            if word is None or (known is not None and word not in known):
                expected = f"; expected {', '.join(sorted(known))}" if known else ""
                said = "nothing" if word is None else repr(word)
                raise ColumnsError(name, f"bill {bill} says {said}{expected}")

    def part(self, start: int, stop: int, person: Whole) -> Batch:
        """Read the bills from *start* up to *stop*, with their lines."""
        words = {name: self.coded[name] for name in self.words}
        heads = self._rows(
            [
                "bill",
                f"date_diff('day', date '1970-01-01', \"on\") + {_FIRST_DAY} as \"on\"",
                "coalesce(len(lines), 0) as size",
                *(_name(name) for name in (*self.numbers, *self.recorded)),
                *(f"{code} as {_name(name)}" for name, (code, _) in words.items()),
                *self.extra,
            ],
            start,
            stop,
        )
        bill = _column(heads, "bill", heads["bill"])
        again = (bill[1:] == bill[:-1]) & (person[1:] == person[:-1])
        if again.any():
            twice = int(bill[1:][again][0])
            name, problem = "bill", f"{twice} is there twice"
            raise ColumnsError(name, problem)
        facts: dict[str, Whole | Words] = {"on": _column(heads, "on", bill)}
        for name in self.numbers:
            facts[name] = _not_negative(name, _column(heads, name, bill), bill)
        for name, (_, known) in words.items():
            facts[name] = Words(_column(heads, name, bill, known), known)
        opened = None
        if "use_account" in self.columns:
            uses = _column(heads, "use_account", bill)
            opened = uses > 0
            for name in ("account_balance", "family_balance"):
                balance = facts.get(name)
                if isinstance(balance, np.ndarray):
                    facts[name] = balance * uses
        recorded = {
            name: _not_negative(name, _column(heads, name, bill), bill)
            for name in self.recorded
        }
        size = _column(heads, "size", bill)
        if (size == 0).any():
            empty = int(bill[size == 0][0])
            name, problem = "lines", f"bill {empty} has none"
            raise ColumnsError(name, problem)
        bills, sorts = self._with_lines(start, stop, facts, np.repeat(bill, size), size)
        paid = {
            payer: recorded[f"{_PAID}{payer}"]
            for payer in PAYERS
            if f"{_PAID}{payer}" in recorded
        }
        if paid:
            _check_paid(bills, bill, np.sum(list(paid.values()), axis=0))
        moved = {
            name.removeprefix(_MOVED): column
            for name, column in recorded.items()
            if name.startswith(_MOVED)
        }
        settlement = heads.get("settlement")
        return Batch(bill, opened, settlement, bills, sorts, person, paid, moved)

    def _with_lines(
        self,
        start: int,
        stop: int,
        facts: dict[str, Whole | Words],
        bill: Whole,
        size: Whole,
    ) -> tuple[Bills, tuple[LineSort, ...]]:
        known = {name: self.coded[f"lines.{name}"] for name in _LINE_WORDS}
        fields = [
            "n",
            "l.amount amount",
            'coalesce(l."limit", -1) "limit"',
            "coalesce(l.ratio, -1) ratio",
            "l.unmet unmet",
            *(f'{code} as "{name}"' for name, (code, _) in known.items()),
        ]
        within = f"rowid >= {start} and rowid < {stop}"
        lines = self.db.execute(
            f"select {', '.join(fields)} from "  # noqa: S608 - names of ours
            f"(select unnest(lines) l, rowid n from bill where {within})"
        ).fetchnumpy()
        row = _whole(lines["n"])
        if (row[1:] < row[:-1]).any():
            order = np.argsort(row, kind="stable")
            lines = {name: column[order] for name, column in lines.items()}
        column = {
            name: _column(lines, f"lines.{name}", bill, known.get(name, ("", ()))[1])
            for name in _LINE
        }
        least, most = {"limit": ABSENT, "ratio": ABSENT}, {"ratio": LINE_SCALE}
        for name in ("limit", "ratio"):
            wrong = column[name] < least[name]
            if name in most:
                wrong |= column[name] > most[name]
            if wrong.any():
                where = f"lines.{name}"
                problem = f"{int(column[name][wrong][0])} is out of bounds"
                raise ColumnsError(where, problem)
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))
        words = {name: words for name, (_, words) in known.items()}
        codes, sorts = self._sorts(column, words)
        bills = Bills(
            facts=facts,
            offsets=offsets,
            amount=column["amount"],
            limit=column["limit"],
            ratio=column["ratio"],
            sort=Words(codes, tuple(map(repr, range(len(sorts))))),
        )
        return bills, sorts

    @staticmethod
    def _sorts(
        column: Mapping[str, Whole], known: Mapping[str, tuple[str, ...]]
    ) -> tuple[Codes, tuple[LineSort, ...]]:
        """Number the sorts of line there are, and list them."""
        widths = (len(known["class"]), len(known["group"]), len(known["cause"]), 2)
        parts = (column["class"], column["group"], column["cause"], column["unmet"])
        code = np.ravel_multi_index(parts, widths)
        count = int(np.prod(widths))
        seen = np.flatnonzero(np.bincount(code, minlength=count))
        table = np.zeros(count, np.int32)
        table[seen] = np.arange(len(seen))
        sorts = []
        for each in seen:
            item_class, group, cause, unmet = np.unravel_index(int(each), widths)
            words = (known["class"][item_class], known["group"][group])
            sorts.append(LineSort(*words, known["cause"][cause], unmet=bool(unmet)))
        return table[code], tuple(sorts)

    def _coded(
        self, name: str, expression: str, source: str
    ) -> tuple[str, tuple[str, ...]]:
        """Write the expression that numbers a word, and list the words."""
        known = _CLOSED.get(name)
        if name == "person":
            known = tuple(sorted(CATEGORIES_OF[self.pack.insurance]))
        if known is None:
            found = self.db.execute(
                f"select distinct {expression} w from {source} "  # noqa: S608 - names of ours
                "where w is not null order by w"
            ).fetchall()
            known = tuple(row[0] for row in found)
        said = ", ".join(f"'{_quoted(word)}'" for word in known)
        if not known:
            return "null", known
        return f"list_position([{said}], {expression}) - 1", known

    def _rows(self, names: list[str], start: int, stop: int) -> dict[str, Any]:
        return self.db.execute(
            f"select {', '.join(names)} from bill "  # noqa: S608 - names of ours
            f"where rowid >= {start} and rowid < {stop} order by rowid"
        ).fetchnumpy()


def _types(db: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    described = db.execute(f"describe select * from {source}").fetchall()  # noqa: S608 - a quoted path
    return {row[0]: row[1] for row in described}


def _require(name: str, found: str, allowed: Iterable[str], what: str) -> None:
    if found.split("(", maxsplit=1)[0] not in allowed:
        raise ColumnsError(name, f"is {found}, expected {what}")


def _column(
    rows: Mapping[str, Any], name: str, bill: Whole, known: tuple[str, ...] = ()
) -> Whole:
    """Take a column that has a value in every row.

    Raises:
        ColumnsError: it has none for a bill, or a word nobody knows.
    """
    column = rows[name.removeprefix("lines.")]
    gaps = np.ma.getmaskarray(column) if np.ma.isMaskedArray(column) else None
    if gaps is not None and gaps.any():
        whose = int(bill[gaps][0])
        expected = f", or no word of these: {', '.join(known)}" if known else ""
        raise ColumnsError(name, f"bill {whose} has nothing there{expected}")
    return _whole(column)


def _not_negative(name: str, column: Whole, bill: Whole) -> Whole:
    if (column < 0).any():
        whose = int(bill[column < 0][0])
        raise ColumnsError(name, f"bill {whose} has {int(column[column < 0][0])}")
    return column


def _check_paid(bills: Bills, bill: Whole, paid: Whole) -> None:
    """Refuse a bill whose payers did not bear it to the fen."""
    total = np.add.reduceat(bills.amount, bills.offsets[:-1])
    wrong = np.flatnonzero(total != paid)
    if len(wrong):
        first = int(wrong[0])
        problem = (
            f"bill {int(bill[first])} has lines of {int(total[first])} fen, its payers "
            f"bore {int(paid[first])} ({len(wrong)} such bills)"
        )
        name = f"{_PAID}*"
        raise ColumnsError(name, problem)


def _whole(column: Any) -> Whole:
    return np.ascontiguousarray(np.asarray(column), np.int64)


def _name(name: str) -> str:
    """Quote a column's name for DuckDB; a tally's comes from a pack."""
    return '"' + name.replace('"', '""') + '"'


def _quoted(text: str | Path) -> str:
    return str(text).replace("'", "''")


def _copy(rows: Path, like: Mapping[str, Any], path: Path) -> None:
    kinds = ", ".join(f"{_name(name)}: '{_type(name)}'" for name in like)
    with duckdb.connect() as db:
        db.execute(
            f"copy (from read_json('{_quoted(rows)}', columns = {{{kinds}}}, "
            f"format = 'newline_delimited')) to '{_quoted(path)}' (format parquet)"
        )


def _type(name: str) -> str:
    if name == "lines":
        return (
            'struct(amount bigint, "limit" bigint, ratio integer, class varchar, '
            '"group" varchar, cause varchar, unmet boolean)[]'
        )
    if name in {"on", "use_account"}:
        return "date" if name == "on" else "boolean"
    words = {*_WORDS, "person_key", "settlement"}
    return "varchar" if name in words else "bigint"


def _row(number: int, person: str, settled: SettledClaim, pack: Pack) -> dict[str, Any]:
    claim = settled.claim
    facts = facts_of(claim, pack)
    row: dict[str, Any] = {"bill": number, "person_key": person}
    row["settlement"] = settled.settlement_id
    row["settled_order"] = number
    row["on"] = claim.visit.on.isoformat()
    for name in (*_WORDS, *_NUMBERS, *pack.tallies):
        row[name] = facts[name]
    row["account_balance"] = max(claim.insured.account_balance.fen, 0)
    row["family_balance"] = max(claim.insured.family_balance.fen, 0)
    row["use_account"] = claim.insured.use_account
    for payer in PAYERS:
        amount = settled.paid.get(_RECORDED.get(payer, payer))
        row[f"{_PAID}{payer}"] = 0 if amount is None else amount.fen
    for name in (*AMOUNTS, *pack.tallies):
        if "@" not in name:
            after, before = settled.after.amount(name), claim.before.amount(name)
            row[f"{_MOVED}{name}"] = after.fen - before.fen
    row["lines"] = [
        {
            "amount": line.amount.fen,
            "limit": None
            if line.price_limit is None
            else line_amount(line.price_limit, line.quantity).fen,
            "ratio": None
            if line.upfront_ratio is None
            else int(line.upfront_ratio * LINE_SCALE),
            "class": line.item_class.value,
            "group": line.group,
            "cause": line.cause.value,
            "unmet": line.restriction_unmet,
        }
        for line in claim.lines
    ]
    return row
