"""A batch of claims as Parquet, in and out, through DuckDB.

One row a bill: ``bill`` (whole number), ``person_key`` (anything that tells persons
apart and names nobody), the facts a pack may ask for, ``paid_<payer>`` in fen, and
``lines``, a list of structs with ``amount`` and ``limit`` in fen, ``ratio`` in
millionths (-1: none) and ``class``, ``group``, ``cause``, ``unmet``.

A file is read in parts by person, so memory is bounded by the part.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from settlement.claim import AMOUNTS
from settlement.columns import Bills, Whole, Words
from settlement.errors import ColumnsError
from settlement.lowering import facts_of
from settlement.money import line_amount
from settlement.pack_program import UNMET, Program
from settlement.policy import NUMBERS, WORDS, Pack
from settlement.program import ABSENT, LINE_SCALE
from terminal.replay.comparison import PAYERS
from terminal.replay.evaluation import Batch
from terminal.replay.journal_claims import SettledClaim

#: Bills read at once.
PART = 50_000
_WORDS = (*WORDS, "deductible_tier")
_NUMBERS = (
    "on",
    *NUMBERS,
    "deductible_taken",
    "account_balance",
    "family_balance",
    *AMOUNTS,
)
_PAID = {
    "account": "account_pay",
    "family_account": "family_account_pay",
    "cash": "cash_pay",
    "hospital": "hospital_share",
}


def write_claims(claims: Iterable[SettledClaim], pack: Pack, path: Path) -> int:
    """Write settled claims for a pack's region; return how many.

    A tally that the pack counts becomes a column of its own name.
    """
    rows = [_row(n, claim, pack) for n, claim in enumerate(claims)]
    if not rows:
        return 0
    names = list(rows[0])
    with duckdb.connect() as db:
        kinds = ", ".join(f'"{name}" {_type(name)}' for name in names)
        db.execute(f"create table claims ({kinds})")
        marks = ", ".join("?" * len(names))
        db.executemany(
            f"insert into claims values ({marks})",  # noqa: S608 - question marks
            [[row[name] for name in names] for row in rows],
        )
        db.execute("copy claims to ? (format parquet)", [str(path)])
    return len(rows)


def read_claims(
    path: Path, program: Program, first: dt.date, last: dt.date
) -> Iterator[Batch]:
    """Read claims of some days in parts, each person whole in one part.

    Raises:
        ColumnsError: the file lacks a column.
        OSError: the file is not there or is no Parquet file.
    """
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    with duckdb.connect() as db:
        try:
            there = {
                row[0] for row in db.execute(f"describe from {_file(path)}").fetchall()
            }
        except duckdb.Error as error:
            msg = f"{path.name} cannot be read as Parquet: {error}"
            raise OSError(msg) from error
        for name in ("bill", "person_key", "on", "lines"):
            if name not in there:
                raise ColumnsError(name, "is missing from the file of claims")
        where = f'"on" between {first.toordinal()} and {last.toordinal()}'
        count = db.execute(
            f"select count(*) from {_file(path)} where {where}"  # noqa: S608 - a quoted path and two whole numbers
        ).fetchall()[0][0]
        parts = max(1, -(-count // PART))
        for part in range(parts):
            chosen = f"{where} and hash(person_key) % {parts} = {part}"
            batch = _part(db, path, chosen, there, program)
            if len(batch.bills):
                yield batch


def _part(
    db: duckdb.DuckDBPyConnection,
    path: Path,
    where: str,
    there: set[str],
    program: Program,
) -> Batch:
    """Read the bills of some persons, in the order of their days."""
    words = [name for name in _WORDS if name in there]
    tallies = [name for name in program.pack.tallies if name in there]
    numbers = [name for name in (*_NUMBERS, *tallies) if name in there]
    paid = [payer for payer in PAYERS if f"paid_{payer}" in there]
    columns = ", ".join(
        [
            "dense_rank() over (order by person_key) - 1 as person",
            "len(lines) as size",
            *(f'cast("{name}" as bigint) as "{name}"' for name in numbers),
            *(f'cast("paid_{payer}" as bigint) as "paid_{payer}"' for payer in paid),
            *(f'dense_rank() over (order by "{n}") - 1 as "{n}"' for n in words),
        ]
    )
    source = f"(from {_file(path)} where {where})"
    order = 'order by person_key, "on", bill'
    heads = db.execute(f"select {columns} from {source} {order}").fetchnumpy()  # noqa: S608 - names of ours
    facts: dict[str, Whole | Words] = {name: _whole(heads[name]) for name in numbers}
    for name in words:
        found = db.execute(
            f'select distinct "{name}" from {source} order by 1'  # noqa: S608 - as above
        ).fetchall()
        facts[name] = Words(
            _whole(heads[name]).astype(np.int16), tuple(str(row[0]) for row in found)
        )
    sizes = _whole(heads["size"])
    bills = _lines(db, source, order, program, facts, sizes)
    return Batch(
        bills, _whole(heads["person"]), {p: _whole(heads[f"paid_{p}"]) for p in paid}
    )


def _lines(  # noqa: PLR0913, PLR0917 # where they come from, and what they belong to
    db: duckdb.DuckDBPyConnection,
    source: str,
    order: str,
    program: Program,
    facts: dict[str, Whole | Words],
    sizes: Whole,
) -> Bills:
    sorts = db.execute(
        'select distinct l.class, l."group", l.cause, l.unmet '  # noqa: S608 - names of ours
        f"from (select unnest(lines) l from {source}) order by all"
    ).fetchall()
    found = db.execute(
        'select cast(l.amount as bigint) amount, cast(l."limit" as bigint) lim, '  # noqa: S608 - names of ours
        "cast(l.ratio as integer) ratio, dense_rank() over "
        '(order by l.class, l."group", l.cause, l.unmet) - 1 as sort, n, k from '
        f"(select unnest(lines) l, n, generate_subscripts(lines, 1) k from "
        f"(select lines, row_number() over ({order}) n from {source})) order by n, k"
    ).fetchnumpy()
    names = [_sort(program, *row) for row in sorts]
    words = tuple(dict.fromkeys(names)) or ("A",)
    code_of = np.array([words.index(name) for name in names] or [0], np.int16)
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    return Bills(
        facts=facts,
        offsets=offsets,
        amount=_whole(found["amount"]),
        limit=_whole(found["lim"]),
        ratio=np.ascontiguousarray(found["ratio"], np.int32),
        sort=Words(code_of[_whole(found["sort"])], words),
    )


def _sort(
    program: Program, item_class: str, group: str, cause: str, unmet: object
) -> str:
    known = UNMET if unmet and item_class != "C" else item_class
    return program.sort(known, group or "", cause or "")


def _whole(column: Any) -> Whole:
    return np.ascontiguousarray(np.asarray(column), np.int64)


def _file(path: Path) -> str:
    """Quote a path for DuckDB."""
    return "read_parquet('" + str(path).replace("'", "''") + "')"


def _type(name: str) -> str:
    if name == "lines":
        return (
            'struct(amount bigint, "limit" bigint, ratio integer, class varchar, '
            '"group" varchar, cause varchar, unmet boolean)[]'
        )
    return "varchar" if name in _WORDS or name == "person_key" else "bigint"


def _row(number: int, settled: SettledClaim, pack: Pack) -> dict[str, Any]:
    facts = facts_of(settled.claim, pack)
    row: dict[str, Any] = {"bill": number, "person_key": settled.person}
    for name in (*_WORDS, *_NUMBERS, *pack.tallies):
        row[name] = facts[name]
    for payer in PAYERS:
        amount = settled.paid.get(_PAID.get(payer, payer))
        row[f"paid_{payer}"] = 0 if amount is None else amount.fen
    row["lines"] = [
        {
            "amount": line.amount.fen,
            "limit": ABSENT
            if line.price_limit is None
            else line_amount(line.price_limit, line.quantity).fen,
            "ratio": ABSENT
            if line.upfront_ratio is None
            else int(line.upfront_ratio * LINE_SCALE),
            "class": line.item_class.value,
            "group": line.group,
            "cause": line.cause.value,
            "unmet": line.restriction_unmet,
        }
        for line in settled.claim.lines
    ]
    return row
