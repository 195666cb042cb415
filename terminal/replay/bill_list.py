"""Every bill with what each payer bore and would bear, as a file to search and sort."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np
import numpy.typing as npt

from settlement.columns import Whole, Words
from terminal.replay.comparison import GROUPINGS, PAYERS, person_pays
from terminal.replay.evaluation import Batch

_EPOCH = dt.date(1970, 1, 1).toordinal()


class BillList:
    """Writes ``bill`` (and the settlement where it is known), day, groups and payers.

    A ``.parquet`` file holds whole fen, any other is CSV in yuan, with the mark that
    spreadsheets need to read it as UTF-8. Use it as a context; the file is there at
    its end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = duckdb.connect()
        self._there = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self._there:
                self._write()
        except duckdb.Error as failed:
            msg = f"{self._path} cannot be written: {failed}"
            raise OSError(msg) from failed
        finally:
            self._db.close()

    def add(
        self,
        batch: Batch,
        was: Mapping[str, Whole],
        now: Mapping[str, Whole],
        denied: npt.NDArray[np.bool_],
    ) -> None:
        """Add a batch; amounts are fen."""
        count = len(batch.bills)
        nothing = np.zeros(count, np.int64)
        rows: dict[str, Any] = {"bill": batch.bill}
        if batch.settlement is not None:
            rows["settlement"] = batch.settlement
        on = batch.bills.facts["on"]
        rows["on"] = nothing if isinstance(on, Words) else on - _EPOCH
        for name in GROUPINGS:
            fact = batch.bills.facts.get(name)
            if isinstance(fact, Words):
                rows[name] = np.array(fact.words, object)[fact.codes]
        for payer in PAYERS:
            rows[f"{payer}_was"] = was.get(payer, nothing)
            rows[f"{payer}_now"] = now.get(payer, nothing)
        rows["person_change"] = person_pays(now, count) - person_pays(was, count)
        rows["no_benefit"] = denied
        said = {
            "on": "date '1970-01-01' + cast(\"on\" as int)",
            "settlement": "cast(settlement as varchar)",
        }
        chosen = ", ".join(
            f'{said[name]} as "{name}"' if name in said else f'"{name}"'
            for name in rows
        )
        verb = "insert into bills" if self._there else "create table bills as"
        self._db.execute(f"{verb} select {chosen} from rows")  # noqa: S608 - names of ours
        self._there = True

    def _write(self) -> None:
        described = self._db.execute("describe bills").fetchall()
        if self._path.suffix == ".parquet":
            options, chosen = "format parquet", "*"
        else:
            options = "format csv, header"
            chosen = ", ".join(
                f'cast("{name}" as decimal(18, 0)) * 0.01 as "{name}"'
                if kind == "BIGINT" and name != "bill"
                else f'"{name}"'
                for name, kind, *_ in described
            )
        target = str(self._path).replace("'", "''")
        self._db.execute(
            f"copy (select {chosen} from bills order by bill) to '{target}' ({options})"  # noqa: S608 - names of ours, a quoted path
        )
        if options.startswith("format csv"):
            _mark(self._path)


def _named(name: str) -> str:
    return f'"{name}"'


def _mark(path: Path) -> None:
    """Put the UTF-8 mark in front of a file."""
    whole = path.with_name(path.name + ".marked")
    with path.open("rb") as found, whole.open("wb") as out:
        out.write(b"\xef\xbb\xbf")
        while block := found.read(1 << 20):
            out.write(block)
    whole.replace(path)
