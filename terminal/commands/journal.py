"""``journal verify``: prove the record whole, or name every row that is not."""

from __future__ import annotations

import errno
from pathlib import Path

import click

from config.settings import Settings
from settlement.journal_proof import verify
from settlement.seal import Sealer, load_or_create_key
from terminal.commands.output import print_json, verdict


def run_journal_verify(
    settings: Settings, path: Path | None, key: Path | None, *, as_json: bool
) -> int:
    """Verify the journal at *path*, the configured one if None; 1 with faults.

    Args:
        settings: where the journal is if *path* does not say.
        path: the journal's file; works while the daemon has it open.
        key: its sealing key's file; ``journal.key`` beside it if None.
        as_json: print for programs.

    Raises:
        JournalError: the key does not fit.
        OSError: the journal or its key is not there.
    """
    path = path or settings.journal_file
    key = key or path.with_name(settings.journal_key_file.name)
    for needed in (path, key):
        # Reading must not make anything: a fresh key would prove nothing.
        if not needed.is_file():
            raise FileNotFoundError(errno.ENOENT, "no such file", str(needed))
    found = verify(path, Sealer(load_or_create_key(key)))
    if as_json:
        print_json(found.to_json())
    else:
        for line in found.lines():
            click.echo(line)
    return verdict(good=found.ok)
