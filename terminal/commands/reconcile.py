"""``reconcile``: close one day against the centre and say what to do about the rest."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from config.settings import Settings
from terminal.commands.output import verdict
from terminal.parts import build_parts, write_report


def run_reconcile(
    settings: Settings, date: dt.date | None, json_file: Path | None
) -> int:
    """Print the day's table and write it as JSON where asked; 1 with differences.

    Args:
        settings: the terminal's.
        date: by the centre's clock; None is today where the site stands.
        json_file: where the report goes as JSON too.

    Raises:
        CentreError: the centre could not be asked, so nothing is known.
        JournalError: the journal is in use or damaged.
        OSError: the file cannot be written.
    """
    with build_parts(settings) as parts:
        day = date or parts.now().date()
        report = parts.reconcile(day)
    click.echo(report.table(settings.language.value))
    if json_file is not None:
        write_report(report, json_file)
    return verdict(good=report.balanced)
