"""Run the reference centre as a process of its own.

Prints one line of JSON when it listens, so that whoever started it knows the port.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from config.card_profiles import load_profiles
from config.catalogue import load_catalogue
from config.centre_seed import load_persons
from reader.emulator.key_service import KeyService
from settlement.centre import persons, registry
from settlement.centre.book import Book, Clock
from settlement.centre.gate import Secrets
from settlement.centre.server import create_centre
from settlement.centre.serving import listen
from settlement.claim import Tier
from settlement.journal_errors import KeyFileError
from settlement.policy import Pack
from settlement.seal import Sealer, load_or_create_key, read_key
from terminal import key_seal, vouchers
from terminal.centre_keys import load_or_make_secrets
from terminal.key_window import KeyWindow
from terminal.voucher_window import DemoVouchers

#: Seals the secrets of institutions in the book; lies beside the centre's own pair.
VAULT_KEY = "centre-vault.key"
DEMO_PERSONS = Path(__file__).parent.parent / "config" / "demo_persons.toml"
CARDS = Path(__file__).parent.parent / "config" / "cards"
#: The newest generation: its profile has the keys of those before it, too.
_KEY_PROFILE = "v3"


def run_centre(  # noqa: PLR0913 # what the command line says, passed on by name
    *,
    host: str,
    port: int,
    db_url: str,
    secret_file: Path,
    demonstration: bool,
    region: str,
    packs: Callable[[], Iterable[Pack]],
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
        demonstration: enrol the demonstration persons, obey ``X-Demo-Fault``, and
            answer for the keys of emulated cards.
        region: 参保地医保区划 the demonstration persons are insured in.
        packs: gives the policy packs, the installed ones among them.
        catalogue_file: the catalogue of items.
        tier: the level of the institutions it serves.
        timezone: the centre's own; every instant on the wire is wall time there.
        leave_with_parent: end when standard input closes, as it does when the
            daemon that started us dies, however it died.

    Raises:
        click.ClickException: the secrets do not read.
        KeyFileError: the key of institutions' secrets is another one.
        ProfileError: the card profiles do not.
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
            packs,
            load_catalogue(catalogue_file),
            keys,
            demonstration=demonstration,
            now=now,
            tier=tier,
            vault=centre_vault(book, secret_file),
        )
        if demonstration:
            serve_card_keys(app, keys, now)
            serve_vouchers(app, book, keys, now)
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


def centre_vault(book: Book, secret_file: Path) -> Sealer:
    """Return what seals institutions' secrets: a key of its own beside the pair.

    Raises:
        KeyFileError: it is not the one that sealed what lies in the book, as on a
            second machine: whoever has a key of his own would not be heard.
    """
    path = secret_file.with_name(VAULT_KEY)
    with book.reading() as page:
        sealed = registry.sealed_secret(page)
    if sealed is None:
        return Sealer(load_or_create_key(path))
    problem = "it is not the one that sealed the access keys in the book: copy that"
    if not path.exists():
        raise KeyFileError(path.name, problem)
    vault = Sealer(read_key(path))
    try:
        vault.open(*sealed)
    except KeyFileError as error:
        raise KeyFileError(path.name, problem) from error
    return vault


def serve_card_keys(app: Flask, secrets: Secrets, now: Clock) -> None:
    """Let the centre *app* answer for the keys of emulated cards, under a path of its.

    Its address (密钥地址) of a key is the key's name.

    Args:
        app: The centre.
        secrets: What a terminal must hold to be heard: the centre's own pair.
        now: The centre's clock.

    Raises:
        ProfileError: the card profiles do not read.
    """
    profiles = {profile.name: profile for profile in load_profiles(CARDS)}
    profile = profiles[_KEY_PROFILE]
    service = KeyService(profile, {name: name for name in profile.keys})
    window = KeyWindow(service.answer, secrets, now=now)
    app.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign] # Flask's own idiom
        app.wsgi_app, {key_seal.PATH: window}
    )


def serve_vouchers(app: Flask, book: Book, secrets: Secrets, now: Clock) -> None:
    """Let the centre *app* exchange the demonstration's vouchers, under a path of its.

    Args:
        app: The centre.
        book: Whom it knows; tokens are written there.
        secrets: What a terminal must hold to be heard: the centre's own pair.
        now: The centre's clock.
    """
    window = KeyWindow(DemoVouchers(book).answer, secrets, now=now)
    app.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign] # Flask's own idiom
        app.wsgi_app, {vouchers.PATH: window}
    )


def _await_parent(leave: Callable[[], None]) -> None:
    """Wait for the end of standard input, then *leave*."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    leave()
