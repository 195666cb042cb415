"""Run the reference centre as a process of its own.

Prints one line of JSON when it listens, so that whoever started it knows the port.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from config.catalogue import load_catalogue
from config.centre_seed import load_persons
from config.packs import load_packs
from settlement.centre import persons
from settlement.centre.book import Book
from settlement.centre.gate import Secrets
from settlement.centre.server import create_centre
from settlement.centre.serving import listen
from settlement.claim import Tier

DEMO_PERSONS = Path(__file__).parent.parent / "config" / "demo_persons.toml"


def run_centre(  # noqa: PLR0913 # what the command line says, passed on by name
    *,
    host: str,
    port: int,
    db_url: str,
    secret_file: Path,
    demonstration: bool,
    region: str,
    packs_folder: Path,
    catalogue_file: Path,
    tier: Tier = Tier.TERTIARY,
    timezone: dt.tzinfo | None = None,
    leave_with_parent: bool = False,
) -> int:
    """Serve the centre until SIGTERM; return the exit code.

    Args:
        host: a loopback address; the centre has no business on any other.
        port: 0 for any free one; the line printed says which.
        db_url: where the book is kept, as SQLAlchemy writes it.
        secret_file: JSON with ``access_key`` and ``secret_key``; made, readable by
            its owner only, if it is missing.
        demonstration: enrol the demonstration persons and obey ``X-Demo-Fault``.
        region: 参保地医保区划 the demonstration persons are insured in.
        packs_folder: the policy packs.
        catalogue_file: the catalogue of items.
        tier: the level of the institutions it serves.
        timezone: the centre's own; every instant on the wire is wall time there.
        leave_with_parent: end when standard input closes, as it does when the
            daemon that started us dies, however it died.

    Raises:
        click.ClickException: the secrets do not read.
        ValueError: the host is not loopback.
        OSError: the port is taken, or a file cannot be read.
    """
    keys = load_or_make_secrets(secret_file)
    now = partial(dt.datetime.now, timezone)
    book = Book(db_url, now)
    try:
        if demonstration:
            persons.seed(book, load_persons(DEMO_PERSONS, region, book.now().year))
        app = create_centre(
            book,
            load_packs(packs_folder),
            load_catalogue(catalogue_file),
            keys,
            demonstration=demonstration,
            now=now,
            tier=tier,
        )
        server = listen(app, host, port)
        signal.signal(signal.SIGTERM, lambda _number, _frame: server.stop())
        if leave_with_parent:
            threading.Thread(
                target=_await_parent, args=(server.stop,), name="parent", daemon=True
            ).start()
        line = {"event": "centre.listening", "port": server.port}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        server.run()
    finally:
        book.close()
    return 0


def load_or_make_secrets(path: Path) -> Secrets:
    """Read the pair of keys; make a random one, for its owner's eyes only, if missing.

    Raises:
        click.ClickException: the file is there and does not read.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_secrets(path)
    made = {
        "access_key": secrets.token_hex(16),
        "secret_key": secrets.token_urlsafe(32),
    }
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(made, file)
        file.flush()
        os.fsync(file.fileno())
    return Secrets(**made)


def _read_secrets(path: Path) -> Secrets:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Secrets(str(found["access_key"]), str(found["secret_key"]))
    except (ValueError, KeyError, TypeError) as error:
        msg = (
            f"{path} is not a pair of keys: it must be JSON with access_key and "
            "secret_key. Restore it, or remove it to have a new pair made."
        )
        raise click.ClickException(msg) from error


def _await_parent(leave: Callable[[], None]) -> None:
    """Wait for the end of standard input, then *leave*."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    leave()
