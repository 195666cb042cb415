"""``journal``: prove the record whole, copy it while it is written, try a copy."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

import click

from config.settings import Settings
from settlement.chain import Head, anchor_path
from settlement.journal_backup import back_up, drill
from settlement.journal_proof import verify
from settlement.seal import Sealer, load_or_create_key
from terminal.commands.output import print_json, verdict


def run_journal_verify(
    settings: Settings,
    path: Path | None,
    key: Path | None,
    slips: Sequence[Head] = (),
    *,
    as_json: bool,
) -> int:
    """Verify the journal at *path*, the configured one if None; 1 with faults.

    Args:
        settings: where the journal is if *path* does not say.
        path: the journal's file; works while the daemon has it open.
        key: its sealing key's file; ``journal.key`` beside it if None.
        slips: heads printed on day-end slips, held against it.
        as_json: print for programs.

    Raises:
        JournalError: the key does not fit.
        OSError: the journal or its key is not there.
    """
    path = path or settings.journal_file
    key = key or path.with_name(settings.journal_key_file.name)
    found = verify(path, _sealer(path, key), slips)
    if as_json:
        print_json(found.to_json())
    else:
        for line in found.lines():
            click.echo(line)
    return verdict(good=found.ok)


def run_journal_backup(settings: Settings, to: Path) -> int:
    """Copy the configured journal to *to*, also while the daemon writes it.

    Raises:
        BackupError: the copy is there already, or does not prove itself.
        OSError: the journal is not there, or the copy cannot be written.
    """
    path = settings.journal_file
    head = back_up(path, to, _sealer(path, settings.journal_key_file))
    click.echo(
        f"{to} and {anchor_path(to).name} hold the journal up to entry {head.seq} "
        f"({head.digest[:16]}…). Keep them and the key apart from this machine."
    )
    return verdict(good=True)


def run_journal_drill(settings: Settings, copy: Path, *, as_json: bool) -> int:
    """Try a copy against the configured journal; 1 if it could not be relied on.

    Raises:
        OSError: the copy or the journal is not there.
    """
    path = settings.journal_file
    found = drill(copy, path, _sealer(path, settings.journal_key_file))
    if as_json:
        behind = found.behind
        print_json({"ok": found.ok, "behind": behind, **found.verdict.to_json()})
        return verdict(good=found.ok)
    for line in found.verdict.lines():
        click.echo(line)
    if found.behind is None:
        click.echo("! this journal does not go on from where the copy ends")
    else:
        click.echo(f"the journal has {found.behind} entries more than the copy")
    return verdict(good=found.ok)


def _sealer(path: Path, key: Path) -> Sealer:
    for needed in (path, key):
        # Reading must not make anything: a fresh key would prove nothing.
        if not needed.is_file():
            raise FileNotFoundError(errno.ENOENT, "no such file", str(needed))
    return Sealer(load_or_create_key(key))
