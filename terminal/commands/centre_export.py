"""``centre-admin export-day``: a day's statement as Parquet.

Apart from the other commands, because it alone loads an analyst's engine.
"""

from __future__ import annotations

import csv
import datetime as dt
import tempfile
from pathlib import Path

import click
import duckdb

from config.settings import Settings
from settlement.centre import exporting
from terminal.commands.centre_admin import open_book
from terminal.commands.output import verdict

_TYPES = {
    **dict.fromkeys(exporting.WORDS, "VARCHAR"),
    **dict.fromkeys(exporting.FEN, "BIGINT"),
}


def run_export(settings: Settings, db_url: str | None, day: dt.date, out: Path) -> int:
    """Write a day's statement as Parquet: words as text, amounts in fen.

    Rows go through a file beside *out*, so that a province's day needs no more memory
    than a pharmacy's; *out* is there whole or not at all.

    Raises:
        OSError: the file is there already, or cannot be written.
    """
    if out.exists():
        msg = f"{out} is there already"
        raise FileExistsError(msg)
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".day-") as made:
        rows, parquet = Path(made, "rows.csv"), Path(made, "rows.parquet")
        count = _write_rows(settings, db_url, day, rows)
        with duckdb.connect(config={"temp_directory": made}) as engine:
            engine.read_csv(
                str(rows),
                header=True,
                columns=_TYPES,
                # What is guessed from the first rows need not hold for the last.
                auto_detect=False,
                delimiter=",",
                quotechar='"',
                escapechar='"',
                # Everything is quoted: an empty word is empty, and not missing.
                allow_quoted_nulls=False,
            ).write_parquet(str(parquet))
        parquet.rename(out)
    click.echo(f"{out} holds {count} rows of {day.isoformat()}, amounts in fen")
    return verdict(good=True)


def _write_rows(settings: Settings, db_url: str | None, day: dt.date, to: Path) -> int:
    count = 0
    with (
        open_book(settings, db_url) as book,
        book.reading() as page,
        to.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(_TYPES)
        for row in exporting.statement(page, day):
            writer.writerow(row)
            count += 1
    return count
