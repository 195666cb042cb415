"""``doctor``: look at this machine, change nothing, and say what to do.

Every finding is about one thing; a warning leaves the terminal usable.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from config.card_settings import KeyHolder, PinStrategy, ReaderLink
from config.catalogue import load_catalogue
from config.errors import ConfigError
from config.pack_store import open_store
from config.settings import ROOT, Settings
from settlement.errors import SettlementError
from settlement.key_ring import ring_path
from terminal.commands.doctor_centre import look_at_centre
from terminal.commands.doctor_finding import Finding, Verdict
from terminal.commands.doctor_storage import look_at_disk, look_at_journal
from terminal.commands.output import print_json, verdict

#: sqlite-utils loads these where they are installed: half a second and 80 MB.
UNWANTED = ("pandas", "numpy")
#: Where pcscd listens on Debian and most others.
PCSC_SOCKET = "/run/pcscd/pcscd.comm"


def run_doctor(settings: Settings, *, as_json: bool) -> int:
    """Print every finding; 1 if one of them is wrong."""
    findings = [finding for look in LOOKS for finding in look(settings)]
    good = all(finding.verdict is not Verdict.WRONG for finding in findings)
    if as_json:
        print_json([{k: str(v) for k, v in asdict(f).items()} for f in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.verdict.value:<8} {finding.name}: {finding.found}")
            if finding.do:
                click.echo(f"{'':<9}-> {finding.do}")
    return verdict(good=good)


def _python(_settings: Settings) -> Iterator[Finding]:
    yield Finding("python", Verdict.OK, ".".join(map(str, sys.version_info[:3])))


def _packages(_settings: Settings) -> Iterator[Finding]:
    unwanted = [name for name in UNWANTED if importlib.util.find_spec(name)]
    if unwanted:
        yield Finding(
            "packages",
            Verdict.WARNING,
            f"{', '.join(unwanted)} would be loaded by the daemon",
            "Run from the environment that `make setup` makes: .venv/bin/python",
        )
    else:
        yield Finding("packages", Verdict.OK, "nothing heavy is installed beside us")


def _card_reader(settings: Settings) -> Iterator[Finding]:
    reader = settings.reader
    built = importlib.util.find_spec("smartcard") is not None
    if reader.link is ReaderLink.SERIAL:
        found = f"a serial reader, {reader.serial_dialect}"
        yield Finding("reader", Verdict.OK, found)
    elif reader.link is ReaderLink.EMULATOR:
        found = "emulated cards" + ("" if built else "; the PC/SC link is off")
        yield Finding("reader", Verdict.OK, found)
    elif not built:
        yield Finding(
            "reader",
            Verdict.WRONG,
            "reader.link is pcsc and the PC/SC link is not built",
            "sudo apt-get install libpcsclite-dev && make setup",
        )
    else:
        yield _pcsc_service()


def _pcsc_service() -> Finding:
    """Look whether the service's socket is there; a reader may still be missing."""
    socket_file = Path(os.environ.get("PCSCLITE_CSOCK_NAME", PCSC_SOCKET))
    if sys.platform == "linux" and not socket_file.exists():
        return Finding(
            "reader",
            Verdict.WRONG,
            "the PC/SC link is built, and pcscd does not run",
            "sudo apt-get install pcscd && sudo systemctl enable --now pcscd.socket",
        )
    return Finding("reader", Verdict.OK, "the PC/SC link is built and its service runs")


def _pin(settings: Settings) -> Iterator[Finding]:
    """Look whether the PIN can be entered with this reader."""
    pad = settings.pin.strategy is PinStrategy.READER_PAD
    if pad and settings.reader.link is ReaderLink.EMULATOR:
        yield Finding(
            "pin",
            Verdict.WARNING,
            "pin.strategy is reader-pad, and an emulated reader has no keys",
            "Set pin.strategy to host-keyboard or serial-pad, or use a real reader.",
        )
    else:
        yield Finding("pin", Verdict.OK, settings.pin.strategy.value)


def _trace(settings: Settings) -> Iterator[Finding]:
    path = settings.reader.trace_file
    if path is None:
        return
    writable = os.access(path if path.exists() else path.parent, os.W_OK)
    if writable and not path.is_symlink():
        found = f"{path} takes what passes between terminal and cards"
        yield Finding(
            "trace", Verdict.WARNING, found, "Leave reader.trace_file out afterwards."
        )
    else:
        found = f"{path} cannot be written"
        yield Finding("trace", Verdict.WRONG, found, "Set reader.trace_file.")


def _serial_reader(settings: Settings) -> Iterator[Finding]:
    """Look whether the serial devices that are set up are there and ours."""
    named = {
        "reader.serial_port": settings.reader.serial_port,
        "pin.pad_port": settings.pin.pad_port,
        "credentials.scanner_port": settings.credentials.scanner_port,
        "credentials.id_card_port": settings.credentials.id_card_port,
    }
    for key, port in named.items():
        if not port or os.name != "posix":
            continue
        if os.access(port, os.R_OK | os.W_OK):
            yield Finding("serial", Verdict.OK, f"{key} {port} is there")
        else:
            yield Finding(
                "serial",
                Verdict.WRONG,
                f"{key} {port} is not there, or not for this user",
                "Plug it in; usermod -aG dialout USER lets a user open it.",
            )


def _card_keys(settings: Settings) -> Iterator[Finding]:
    holders = ", ".join(settings.keys.providers)
    if KeyHolder.NONE in settings.keys.providers:
        yield Finding(
            "keys",
            Verdict.WRONG,
            "nobody holds the card keys: every card is refused",
            "Set keys.providers to psam, hsm or centre.",
        )
    else:
        yield Finding("keys", Verdict.OK, holders)


def _secrets(settings: Settings) -> Iterator[Finding]:
    """Look at who can read the keys; Windows keeps that elsewhere."""
    if os.name != "posix":
        return
    for path in (
        settings.journal_key_file,
        *sorted(settings.data_dir.glob(f"{settings.journal_key_file.name}.*")),
        ring_path(settings.journal_file),
        settings.centre_keys_file,
        settings.pos_token_file,
    ):
        if not path.exists():
            continue
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            found = f"others can read {_short(path)}"
            yield Finding("secrets", Verdict.WRONG, found, f"chmod 600 {path}")
        else:
            yield Finding("secrets", Verdict.OK, f"{_short(path)} is its owner's only")


def _ports(settings: Settings) -> Iterator[Finding]:
    wanted = [("port", "127.0.0.1", settings.server.port)]
    if settings.centre.embedded:
        wanted.append(("centre port", "127.0.0.1", settings.centre.port))
    for name, host, port in wanted:
        if port == 0:
            yield Finding(name, Verdict.OK, "any free one")
            continue
        with socket.socket() as probe:
            probe.settimeout(1)
            taken = probe.connect_ex((host, port)) == 0
        if taken:
            yield Finding(
                name,
                Verdict.WARNING,
                f"somebody listens on {host}:{port}",
                "That is this terminal running, or another program: stop it, or "
                "choose another port.",
            )
        else:
            yield Finding(name, Verdict.OK, f"{host}:{port} is free")


def _policy(settings: Settings) -> Iterator[Finding]:
    today = dt.datetime.now(settings.site.timezone).date()
    try:
        packs = open_store(settings).in_force()
        load_catalogue(settings.catalogue_file)
    except (ConfigError, SettlementError, OSError) as error:
        yield Finding(
            "policy", Verdict.WRONG, str(error), "run_terminal.py packs check"
        )
        return
    mine = [
        pack
        for pack in packs
        if pack.in_force(today) and pack.covers(settings.site.region, pack.insurance)
    ]
    if mine:
        found = ", ".join(pack.id.name for pack in mine)
        yield Finding("policy", Verdict.OK, f"in force on {today}: {found}")
    else:
        found = f"no pack of region {settings.site.region} is in force on {today}"
        yield Finding(
            "policy", Verdict.WRONG, found, "Add one: docs/policy-packs.md says how."
        )


def _clock(settings: Settings) -> Iterator[Finding]:
    """Compare with the newest file of the program: earlier than that is wrong."""
    now = dt.datetime.now(dt.UTC)
    made = dt.datetime.fromtimestamp((ROOT / "run_terminal.py").stat().st_mtime, dt.UTC)
    if now < made:
        found = f"it says {now:%Y-%m-%d %H:%M} UTC, before this program was installed"
        yield Finding("clock", Verdict.WRONG, found, "Set the clock; use NTP.")
    else:
        local = now.astimezone(settings.site.timezone)
        yield Finding("clock", Verdict.OK, f"{local:%Y-%m-%d %H:%M %z}")


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


LOOKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _python,
    _packages,
    _card_reader,
    _serial_reader,
    _pin,
    _trace,
    _card_keys,
    look_at_disk,
    look_at_journal,
    _secrets,
    _ports,
    _policy,
    _clock,
    look_at_centre,
)
