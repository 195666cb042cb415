"""``centre-admin export-day``: a day's statement as Parquet.

Apart from the other commands, because it alone loads an analyst's engine.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click
import duckdb

from config.settings import Settings
from settlement.centre import exporting
from terminal.commands.centre_admin import open_book
from terminal.commands.output import verdict


def run_export(settings: Settings, db_url: str | None, day: dt.date, out: Path) -> int:
    """Write a day's statement as Parquet: words as text, amounts in fen.

    Raises:
        OSError: the file is there already, or cannot be written.
    """
    if out.exists():
        msg = f"{out} is there already"
        raise FileExistsError(msg)
    words = ", ".join(f"{name} VARCHAR" for name in exporting.WORDS)
    amounts = ", ".join(f"{name} BIGINT" for name in exporting.FEN)
    marks = ", ".join("?" for _ in (*exporting.WORDS, *exporting.FEN))
    with open_book(settings, db_url) as book, book.reading() as page:
        rows = list(exporting.statement(page, day))
    with duckdb.connect() as made:
        made.execute(f"CREATE TABLE statement ({words}, {amounts})")
        if rows:
            made.executemany(f"INSERT INTO statement VALUES ({marks})", rows)  # noqa: S608 - names of our own
        made.table("statement").write_parquet(str(out))
    click.echo(f"{out} holds {len(rows)} rows of {day.isoformat()}, amounts in fen")
    return verdict(good=True)
