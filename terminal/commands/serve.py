"""``serve``: take the port, wire the parts, say where, and serve until told to stop."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from config.card_settings import ReaderLink
from config.settings import Settings
from terminal.app import create_app
from terminal.commands.output import YES
from terminal.counter import CounterSite
from terminal.guard import AppSettings
from terminal.log import set_up
from terminal.parts import Parts, build_parts
from terminal.sample_bills import SampleBills
from terminal.server import Server, listen

DEMO_INTEGRATION = "pos"
TOKEN_BYTES = 32


def run_serve(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C.

    Standard output gets one JSON line with the address and nothing else; the log goes
    to standard error as JSON lines.

    Raises:
        TerminalError, SettlementError, ReaderError, OSError: it could not start.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    set_up(sys.stderr)
    # The port first: a second daemon ends here, before it touches anything.
    taken = listen(
        settings.server.host,
        settings.server.port,
        beyond_loopback=settings.server.beyond_loopback,
    )
    with taken, build_parts(settings) as parts:
        app = create_app(
            parts.cashier,
            settings=app_settings(settings, taken.getsockname()[1]),
            events=parts.events,
            metrics=parts.metrics,
            now=parts.now,
            site=_site(settings, parts),
        )
        server = Server(app, taken, events=parts.events)
        server.install_signals()
        server.announce(sys.stdout)
        _greet(settings, server.url)
        server.run()
    return YES


def app_settings(settings: Settings, port: int) -> AppSettings:
    """Tell the HTTP side what it needs; *port* is the one really taken."""
    return AppSettings(
        port=port,
        host=settings.server.host,
        allowed_hosts=settings.server.allowed_hosts,
        allowed_origins=settings.server.allowed_origins,
        tokens=_tokens(settings),
        driver_callers=_driver_callers(settings),
        demonstration=settings.demonstration,
        max_streams=settings.server.max_streams,
        language=settings.language.value,
    )


def _driver_callers(settings: Settings) -> frozenset[str]:
    """Name who may read whole card data: whom the site named.

    A demonstration that names nobody lets its own token, while its cards are emulated.
    """
    named = frozenset(settings.server.driver_callers)
    emulated = settings.reader.link is ReaderLink.EMULATOR
    if settings.demonstration and emulated and not named:
        return frozenset({DEMO_INTEGRATION})
    return named


def load_or_make_token(path: Path) -> str:
    """Read the demonstration's token; make one for its owner's eyes only if missing."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def _tokens(settings: Settings) -> Mapping[str, str]:
    if not settings.demonstration:
        return settings.tokens
    token = load_or_make_token(settings.pos_token_file)
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {DEMO_INTEGRATION: digest, **settings.tokens}


def _site(settings: Settings, parts: Parts) -> CounterSite:
    return CounterSite(
        institution_name=settings.site.institution_name,
        timezone=settings.site.timezone,
        catalogue=parts.catalogue,
        samples=SampleBills(settings.bills_folder) if settings.demonstration else None,
        host_keyboard_pin=settings.pin.typed,
        now=parts.now,
    )


def _greet(settings: Settings, url: str) -> None:
    """Tell the person who started it where to look; the log is for programs."""
    click.echo(f"收费终端 settlement terminal: {url}", err=True)
    if not settings.demonstration:
        return
    click.echo(f"演示模式 demonstration: {_short(settings.data_dir)}", err=True)
    # On a screen the token itself; where standard error is a log file, its place.
    token = load_or_make_token(settings.pos_token_file)
    place = _short(settings.pos_token_file)
    said = f"{token} ({place})" if sys.stderr.isatty() else place
    click.echo(f"接口令牌 POS token: {said}", err=True)


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
