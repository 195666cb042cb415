"""The centre for any WSGI server: stateless processes over one book.

    gunicorn 'terminal.centre_wsgi:create()' --workers 4 --bind 127.0.0.1:8621

``TERMINAL_CONFIG`` names the settings, ``CENTRE_DB`` the book as SQLAlchemy writes it.
Each process keeps its own connections and nothing else; what one has answered, every
other knows from the book.
"""

from __future__ import annotations

import datetime as dt
import os
from functools import partial

from flask import Flask

from config.catalogue import load_catalogue
from config.pack_store import open_store
from config.packs_in_force import PacksInForce
from config.settings import load_settings
from settlement.centre.book import Book
from settlement.centre.server import create_centre
from terminal.centre_command import centre_vault
from terminal.centre_keys import load_or_make_secrets

DB_VARIABLE = "CENTRE_DB"


def create() -> Flask:
    """Build one process's application from the settings and ``CENTRE_DB``.

    Demonstration faults are never obeyed here, whatever the settings say.

    Raises:
        SettingsError: the settings do not read.
        BookNewerError: a newer program wrote the book.
        KeyFileError: the key of institutions' secrets is another one.
    """
    settings = load_settings()
    now = partial(dt.datetime.now, settings.site.timezone)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    book = Book(os.environ.get(DB_VARIABLE) or settings.centre_db_url, now)
    return create_centre(
        book,
        PacksInForce(open_store(settings)),
        load_catalogue(settings.catalogue_file),
        load_or_make_secrets(settings.centre_keys_file),
        demonstration=False,
        now=now,
        tier=settings.site.tier,
        vault=centre_vault(book, settings.centre_keys_file),
    )
