"""The catalogue: an import of 100 000 items, and one look-up."""

from __future__ import annotations

import csv
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from config.catalogue_rows import read_items
from config.catalogue_store import open_store, write_store
from terminal.bench.figure import NS_PER_US, Figure, Goal, in_turns

ITEMS = 100_000
_HEADER = ("code", "name", "pinyin", "class", "price", "upfront_ratio", "since")


def import_s(folder: Path) -> Figure:
    """Read, check and store 100 000 items, against storing the same cells unchecked."""
    file = _file(folder, ITEMS)
    ours = _timed(lambda: _import(file, folder / "items.db"))
    bare = _timed(lambda: _bare(file, folder / "bare.db"))
    return Goal(10).figure(
        "catalogue.import_s", "s", ours, bare, "csv and executemany, nothing checked"
    )


def lookup_us(folder: Path) -> Figure:
    """One item by code and day, against one SELECT by primary key."""
    file = _file(folder, ITEMS)
    path = folder / "items.db"
    _import(file, path)
    stored = open_store(path)
    with closing(sqlite3.connect(path)) as connection:
        number = 0

        def code() -> str:
            nonlocal number
            number = (number + 7_919) % ITEMS
            return f"B{number:06d}"

        ours, reference, _ = in_turns(
            lambda: stored.item(code()),
            lambda: connection.execute(
                "SELECT * FROM item WHERE code = ?", (code(),)
            ).fetchone(),
            each=500,
        )
    return Goal(6).figure(
        "catalogue.lookup_us",
        "us",
        ours / NS_PER_US,
        reference / NS_PER_US,
        "one SELECT by code, the row as it is",
    )


def _file(folder: Path, count: int) -> Path:
    path = folder / "items.csv"
    if path.is_file():
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER)
        for number in range(count):
            name = f"样本药品{number:06d}片"
            row = (f"B{number:06d}", name, "ybyp", "AB"[number % 2], "12.50", "0.1")
            writer.writerow((*row, "2026-01-01"))
    return path


def _import(file: Path, path: Path) -> object:
    return write_store(read_items(file), path, name="bench", sample=True)


def _bare(file: Path, path: Path) -> None:
    with (
        closing(sqlite3.connect(path)) as connection,
        file.open(encoding="utf-8", newline="") as text,
    ):
        connection.execute("CREATE TABLE item (a, b, c, d, e, f, g, PRIMARY KEY (a))")
        rows = csv.reader(text)
        next(rows)
        connection.executemany("INSERT INTO item VALUES (?,?,?,?,?,?,?)", rows)
        connection.commit()


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
