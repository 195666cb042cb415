"""The reference centre's pair of keys: one file, its owner's only.

Apart from the centre itself, so that the daemon does not load a ledger to read it.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import click

from settlement import durable_files
from settlement.centre.gate import Secrets


def load_or_make_secrets(path: Path) -> Secrets:
    """Read the pair of keys; make a random one, for its owner's eyes only, if missing.

    Raises:
        click.ClickException: the file is there and does not read.
    """
    if not path.exists():
        made = {
            "access_key": secrets.token_hex(16),
            "secret_key": secrets.token_urlsafe(32),
        }
        durable_files.create(path, json.dumps(made).encode("ascii"))
    return read_secrets(path)


def read_secrets(path: Path) -> Secrets:
    """Read the pair of keys.

    Raises:
        click.ClickException: the file does not read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Secrets(str(found["access_key"]), str(found["secret_key"]))
    except (ValueError, KeyError, TypeError) as error:
        msg = (
            f"{path} is not a pair of keys: it must be JSON with access_key and "
            "secret_key. Restore it, or remove it to have a new pair made."
        )
        raise click.ClickException(msg) from error
