"""``release-terminal``: let the centre forget which journal a terminal had."""

from __future__ import annotations

import datetime as dt

import click

from config.settings import Settings
from settlement.centre import fence
from settlement.centre.book import Book
from terminal.commands.output import verdict


def run_release(
    settings: Settings, device: str, institution: str | None, db_url: str | None
) -> int:
    """Release a terminal at the centre; 1 if the centre knows no such terminal.

    Args:
        settings: the centre's own, for its book and its institution.
        device: 设备编号, ``T001``.
        institution: 定点医药机构编号; None is that of the settings.
        db_url: where the book is; None is that of the settings.
    """
    where = institution or settings.site.institution_code

    def now() -> dt.datetime:
        return dt.datetime.now(settings.site.timezone)

    book = Book(db_url or settings.centre_db_url, now)
    try:
        with book.writing() as page:
            last = fence.remembered(page, where, device)
            released = fence.release(page, where, device)
    finally:
        book.close()
    if not released:
        click.echo(f"no terminal {device} of {where} ever signed in", err=True)
        return verdict(good=False)
    stood = last.entry.seq
    click.echo(
        f"{device} of {where} is released; its journal stood at entry {stood}. The "
        "next one that signs in under this number has it: start the right one, "
        "and reconcile the days it may lack."
    )
    return verdict(good=True)
