"""A million claims from a file, settled again under a pack."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from config.packs import load_pack
from settlement.claim import AMOUNTS
from settlement.pack_program import Program
from terminal.bench.figure import Figure, Goal
from terminal.replay.claims_file import read_claims
from terminal.replay.comparison import Comparison
from terminal.replay.evaluation import evaluate

BILLS = 1_000_000
_PACK = (
    Path(__file__).resolve().parents[2]
    / "config/packs/heilongjiang-jiamusi/resident-2018.toml"
)
_FIRST, _LAST = dt.date(2024, 1, 1), dt.date(2024, 12, 31)
#: What every bill of the file says alike.
_ALIKE = (
    "'local' as place, 'none' as filing, 'none' as disease, 'none' as premium, "
    "'no' as signed, 'none' as assistance, 'none' as supplement, 'no' as accident, "
    "1 as admission, 0 as insured_months, 5 as days, 0 as deductible_taken, "
    "5000 as account_balance, 0 as family_balance"
)


def million_s(folder: Path) -> Figure:
    """Read, check, split and compare 1 000 000 bills of about 330 000 persons.

    Against reading the same file, ordering it by person and day and adding its lines
    up, which any answer has to do. Years are carried on bill by bill.
    """
    file = folder / "claims.parquet"
    _write(file)
    pack = load_pack(_PACK, _PACK.parent)
    program = Program(pack)

    def ours() -> None:
        comparison = Comparison()
        for batch in read_claims(file, [pack], _FIRST, _LAST):
            now = evaluate(program, batch)
            comparison.add(batch.bills, now.paid, now.paid, now.denied)
        comparison.check()
        if comparison.whole.bills != BILLS:
            msg = f"{comparison.whole.bills} bills of {BILLS}"
            raise AssertionError(msg)

    def bare() -> None:
        with duckdb.connect() as db:
            db.execute(
                "create temp table bill as select * "  # noqa: S608 - a path of ours
                f"from '{file}' order by person_key, \"on\", bill"
            )
            db.execute(
                "select sum(l.amount) from (select unnest(lines) l from bill)"
            ).fetchall()

    return Goal(5).figure(
        "replay.million_s",
        "s",
        _timed(ours),
        _timed(bare),
        "DuckDB ordering the same file and adding it up",
    )


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _write(file: Path) -> None:
    def drawn(salt: int, below: int) -> str:
        return f"cast(hash(i * {salt}) % {below} as int)"

    tier = f"(['township', 'primary', 'secondary', 'tertiary'])[1 + {drawn(11, 4)}]"
    line = (
        "{'amount': cast(100 + hash(i * 31 + k) % 60000 as bigint), "
        "'limit': case when hash(i + k) % 6 = 0 then 20000 end, "
        "'ratio': cast(null as int), "
        "'class': (['A', 'A', 'B', 'B', 'C'])[1 + cast(hash(i * 37 + k) % 5 as int)], "
        "'group': '', 'cause': 'illness', 'unmet': false}"
    )
    columns = ", ".join(
        (
            "i as bill",
            f"'p' || (hash(i * 7) % {BILLS // 3}) as person_key",
            f"date '2024-01-01' + {drawn(1, 365)} as \"on\"",
            f"{drawn(3, 80)} as age",
            f"if({drawn(5, 4)} = 0, 'inpatient', 'outpatient') as kind",
            f"{tier} as tier",
            f"{tier} as deductible_tier",
            f"if({drawn(13, 5)} = 0, 'student', 'resident') as person",
            _ALIKE,
            *(f"0 as {name}" for name in AMOUNTS),
            f"list_transform(range(1, 2 + {drawn(17, 14)}), lambda k: {line}) as lines",
        )
    )
    bills = f"select {columns} from range({BILLS}) t(i)"  # noqa: S608 - numbers of ours
    with duckdb.connect() as db:
        db.execute(f"copy ({bills}) to '{file}' (format parquet)")
