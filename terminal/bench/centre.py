"""A message to the centre: signing, envelope and book against bare HTTP."""

from __future__ import annotations

import datetime as dt
import itertools
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3
from flask import Flask

from config.catalogue import load_catalogue
from config.centre_seed import load_persons
from config.packs import load_packs
from config.provinces import load_province
from config.settings import DEMO_INSTITUTION, DEMO_REGION, ROOT
from settlement.centre import persons
from settlement.centre.book import Book
from settlement.centre.gate import Secrets
from settlement.centre.gateway import Gateway, GatewaySettings
from settlement.centre.server import create_centre
from settlement.centre.serving import listen
from terminal.bench.figure import NS_PER_MS, Figure, Goal, in_turns
from terminal.centre_command import DEMO_PERSONS

WAIT_S = 10.0


def sign_in_ms(folder: Path) -> Figure:
    """Sign in (9001) over signed HTTP, against the smallest Flask answer there is."""
    keys = Secrets(secrets.token_hex(16), secrets.token_urlsafe(32))
    book = Book(f"sqlite:///{folder / 'centre.db'}", _now)
    persons.seed(book, load_persons(DEMO_PERSONS, DEMO_REGION, _now().year))
    packs = load_packs(ROOT / "config" / "packs")
    centre = create_centre(
        book,
        lambda: packs,
        load_catalogue(ROOT / "config" / "catalogue" / "sample.toml"),
        keys,
        demonstration=True,
        now=_now,
    )
    numbers = itertools.count(1)
    with _serving(centre) as centre_port, _serving(_hello()) as hello_port:
        settings = GatewaySettings(
            url=f"http://127.0.0.1:{centre_port}/",
            access_key=keys.access_key,
            secret_key=keys.secret_key,
            institution_code=DEMO_INSTITUTION,
            institution_name="示例医院（演示）",
            care_region=DEMO_REGION,
            profile=load_province(),
        )

        def ask() -> None:
            # A new gateway has not signed in today, so that each one asks.
            Gateway(settings, msgids=lambda: _msgid(next(numbers)), now=_now).sign_in()

        address = f"http://127.0.0.1:{hello_port}/"

        def hello() -> None:
            with urllib3.PoolManager(retries=False) as pool:
                pool.request("POST", address, body=b"{}", timeout=WAIT_S)

        ours, reference, _ = in_turns(ask, hello, each=10)
    book.close()
    return Goal(4).figure(
        "centre.sign_in_ms",
        "ms",
        ours / NS_PER_MS,
        reference / NS_PER_MS,
        "POST to a Flask hello on the same server, a new connection each",
    )


def _hello() -> Flask:
    app = Flask("hello")
    app.add_url_rule("/", view_func=lambda: "hello", methods=["POST"])
    return app


@contextmanager
def _serving(app: Flask) -> Iterator[int]:
    server = listen(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, name="bench-server")
    thread.start()
    try:
        yield server.port
    finally:
        server.stop()
        thread.join(WAIT_S)


def _msgid(number: int) -> str:
    return f"{DEMO_INSTITUTION}{_now():%Y%m%d%H%M%S}{number % 10_000:04d}"


def _now() -> dt.datetime:
    return dt.datetime.now().astimezone()
