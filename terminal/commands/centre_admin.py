"""``centre-admin``: who may settle at a centre, whom it insures, what its book says."""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from config.settings import Settings
from settlement import durable_files
from settlement.centre import enrolling, exporting, registry
from settlement.centre.book import Book
from settlement.centre.refusal import Refusal
from settlement.claim import Tier
from settlement.money import Money
from terminal.centre_command import centre_vault
from terminal.commands.output import print_json, verdict


@contextmanager
def open_book(
    settings: Settings, db_url: str | None, *, makes: bool = False
) -> Iterator[Book]:
    """Open the book that *db_url* names, or the settings do.

    Only what begins a book *makes* one: a mistyped address must not look like an
    empty book in which everything agrees.
    """

    def now() -> dt.datetime:
        return dt.datetime.now(settings.site.timezone)

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    book = Book(db_url or settings.centre_db_url, now, makes=makes)
    try:
        with book.told_plainly():
            yield book
    finally:
        book.close()


def _refused(refusal: Refusal) -> int:
    click.echo(refusal.sentence, err=True)
    return verdict(good=False)


def run_institution(  # noqa: PLR0913 - what the command line says, passed on by name
    settings: Settings,
    db_url: str | None,
    code: str,
    *,
    name: str | None,
    tier: Tier | None,
    active: bool | None,
) -> int:
    """List an institution, or change it; what is None stays as it was."""
    with open_book(settings, db_url, makes=True) as book, book.writing() as page:
        one = registry.find_institution(page, code)
        if one is None:
            one = registry.Institution(code, code, Tier.TERTIARY, active=True)
        one = replace(
            one,
            name=one.name if name is None else name,
            tier=one.tier if tier is None else tier,
            active=one.active if active is None else active,
        )
        registry.put_institution(page, one)
    state = "is listed" if one.active else "is switched off"
    click.echo(f"{code} {state}, {one.tier.value}")
    return verdict(good=True)


def run_institutions(settings: Settings, db_url: str | None, *, as_json: bool) -> int:
    """List the institutions with their access keys; never a secret."""
    with open_book(settings, db_url) as book, book.reading() as page:
        told = [
            {
                "code": one.code,
                "name": one.name,
                "tier": one.tier.value,
                "active": one.active,
                "keys": [
                    {
                        "access_key": key.access_key,
                        "since": key.since,
                        "until": key.until,
                    }
                    for key in registry.keys_of(page, one.code)
                ],
            }
            for one in registry.institutions(page)
        ]
    if as_json:
        print_json({"institutions": json.loads(json.dumps(told))})
        return verdict(good=True)
    for row in told:
        keys = row["keys"] if isinstance(row["keys"], list) else []
        state = "" if row["active"] else "  (off)"
        click.echo(f"{row['code']}  {row['name']}  {row['tier']}{state}")
        for key in keys:
            end = f" until {key['until']}" if key["until"] else ""
            click.echo(f"  key {key['access_key']} since {key['since']}{end}")
    return verdict(good=True)


def run_operator(  # noqa: PLR0913 - what the command line says, passed on by name
    settings: Settings,
    db_url: str | None,
    code: str,
    operator: str,
    *,
    name: str,
    active: bool | None,
) -> int:
    """List an operator of an institution, or change one; 1 if there is none.

    An empty name, or *active* None, stays as it was.
    """
    try:
        with open_book(settings, db_url) as book, book.writing() as page:
            on = registry.put_operator(page, code, operator, name, on=active)
    except Refusal as refusal:
        return _refused(refusal)
    click.echo(f"{operator} of {code} {'is listed' if on else 'is switched off'}")
    return verdict(good=True)


def run_issue_key(settings: Settings, db_url: str | None, code: str, out: Path) -> int:
    """Make an access key and write the pair to *out*, its owner's only.

    Raises:
        KeyFileError: the centre's servers could not open what this machine seals.
        OSError: the file is there already, or cannot be written.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with (
            open_book(settings, db_url) as book,
            _kept_if_booked(out) as keep,
        ):
            vault = centre_vault(book, settings.centre_keys_file)
            with book.writing() as page:
                made = registry.issue_key(page, code, vault)
                pair = {"access_key": made.access_key, "secret_key": made.secret_key}
                keep(json.dumps(pair) + "\n")
    except Refusal as refusal:
        return _refused(refusal)
    click.echo(
        f"{out} holds the pair for {code}; hand it over and delete it here. Keys "
        f"of before are heard {registry.OVERLAP.days} days more."
    )
    return verdict(good=True)


@contextmanager
def _kept_if_booked(out: Path) -> Iterator[Callable[[str], None]]:
    """Lend what writes *out*, for its owner only; it goes again if anything fails."""
    made = False

    def keep(text: str) -> None:
        nonlocal made
        made = durable_files.create(out, text.encode("ascii"))
        if not made:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(out))

    try:
        yield keep
    except BaseException:
        if made:
            out.unlink()
        raise


def run_end_key(settings: Settings, db_url: str | None, access_key: str) -> int:
    """Let an access key be heard no longer; 1 if there is none."""
    with open_book(settings, db_url) as book, book.writing() as page:
        ended = registry.end_key(page, access_key)
    click.echo("ended" if ended else "there is no such key", err=not ended)
    return verdict(good=ended)


def run_keep_key(settings: Settings, db_url: str | None, access_key: str) -> int:
    """Take an access key's end away before it comes; 1 if it came, or is none."""
    with open_book(settings, db_url) as book, book.writing() as page:
        kept = registry.keep_key(page, access_key)
    click.echo(
        "kept, without an end" if kept else "no such key, or it ended already",
        err=not kept,
    )
    return verdict(good=kept)


def run_forget_institution(settings: Settings, db_url: str | None, code: str) -> int:
    """Take an institution off the list that nothing names yet; 1 if something does."""
    try:
        with open_book(settings, db_url) as book, book.writing() as page:
            registry.forget_institution(page, code)
            anybody = bool(registry.institutions(page))
    except Refusal as refusal:
        return _refused(refusal)
    click.echo(f"{code} is not listed any more")
    if not anybody:
        click.echo("nobody is listed: whoever holds the centre's own keys is heard")
    return verdict(good=True)


def run_load_persons(settings: Settings, db_url: str | None, file: Path) -> int:
    """Load insured persons from a CSV.

    Raises:
        PersonsFileError: names the first line that does not read.
        OSError: the file cannot be read.
    """
    with (
        open_book(settings, db_url, makes=True) as book,
        file.open(encoding="utf-8-sig", newline="") as rows,
    ):
        done = enrolling.load(book, rows)
    click.echo(f"{done.rows} rows read, {done.added} persons added")
    if done.taken:
        click.echo(
            f"{done.taken} card or identity numbers belong to others already: whoever "
            "came second is not found by them",
            err=True,
        )
    return verdict(good=True)


def run_balance(
    settings: Settings,
    db_url: str | None,
    days: tuple[dt.date, dt.date],
    *,
    as_json: bool,
) -> int:
    """Print what the book comes to by institution and account; 1 if it is off."""
    with open_book(settings, db_url) as book:
        with book.reading() as page:
            sums = exporting.balances(page, *days)
        wrong = book.check()
    if as_json:
        print_json(
            {
                "begin": days[0].isoformat(),
                "end": days[1].isoformat(),
                "sums": [
                    {"institution": s.institution, "account": s.account, "fen": s.fen}
                    for s in sums
                ],
                "wrong": list(wrong),
            }
        )
    else:
        for one in sums:
            yuan = Money(one.fen).to_yuan()
            click.echo(f"{one.institution}  {yuan:>14}  {one.account}")
        for fault in wrong:
            click.echo(fault, err=True)
    return verdict(good=not wrong and sum(one.fen for one in sums) == 0)
