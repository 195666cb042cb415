"""``journal``: prove the record whole, copy it while it is written, try a copy."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import click

from config.settings import Settings
from reader.pin import wipe
from settlement.chain import Head, anchor_path
from settlement.facts import JsonValue
from settlement.journal_backup import back_up, drill
from settlement.journal_proof import verify
from settlement.key_ring import ring_path
from settlement.outer_key import KeySourceName
from settlement.personal_search import search
from settlement.seal import Sealer
from terminal.commands.output import print_json, verdict
from terminal.errors import RequestInvalidError
from terminal.hidden_input import read_hidden
from terminal.journal_keys import rotate, sealer_to_read


class Ask(Protocol):
    """Asks for a line that is not shown; ``hidden_input.read_hidden``."""

    def __call__(self, prompt: str, *, longest: int) -> bytearray:
        """Return what was typed."""
        ...


_ASKED = {
    "person_cert_no": "Number of the certificate (not shown): ",
    "card_no": "Number of the card (not shown): ",
}
#: Bytes of a number, as the interface has it at most.
_LONGEST_NUMBER = 50


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
        key: its outer key's file; ``journal.key`` beside it if None. Its ring of
            keys, if it has one, lies beside the journal.
        slips: heads printed on day-end slips, held against it.
        as_json: print for programs.

    Raises:
        JournalError: the key does not fit.
        OSError: the journal or its key is not there.
    """
    path = path or settings.journal_file
    found = verify(path, _sealer(settings, path, key), slips)
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
    head = back_up(path, to, _sealer(settings, path))
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
    found = drill(copy, path, _sealer(settings, path))
    if as_json:
        behind = found.behind
        print_json(
            {
                **found.verdict.to_json(),
                "ok": found.ok,
                "behind": behind,
                "ring": found.ring_problem,
            }
        )
        return verdict(good=found.ok)
    for line in found.verdict.lines():
        click.echo(line)
    if found.ring_problem:
        click.echo(f"! {found.ring_problem}")
    if found.behind is None:
        click.echo("! this journal does not go on from where the copy ends")
    else:
        click.echo(f"the journal has {found.behind} entries more than the copy")
    return verdict(good=found.ok)


def run_journal_rotate_key(
    settings: Settings, to: KeySourceName | None, *, outer: bool
) -> int:
    """Seal what is new under a new key, and wrap all keys anew if asked.

    Args:
        settings: where the journal is.
        to: where the new outer key is kept; None: where the one in force is.
        outer: make a new outer key too.

    Raises:
        JournalLockedError: a daemon has the journal.
        JournalError: the keys in force cannot be had, or the journal is damaged.
        OSError: the journal is not there, or the disk does not take the keys.
    """
    _needs(settings.journal_file)
    rotated = rotate(settings, to, outer=outer)
    ring = ring_path(settings.journal_file).name
    click.echo(
        f"New fields are sealed under key {rotated.key_id}; {ring} is wrapped under "
        f"{rotated.outer_id} ({rotated.source}). The journal has noted it."
    )
    if outer:
        click.echo(
            "Keep a copy of the new outer key apart from the journal; the one before "
            "still opens old backups."
        )
    if rotated.source is not settings.journal.key_source:
        click.echo(
            f"! set journal.key_source to {rotated.source} before the terminal starts: "
            "it does not open the journal otherwise."
        )
    click.echo(f"Back up {ring} with the journal: journal backup does.")
    return verdict(good=True)


def run_journal_find(
    settings: Settings, field: str, *, as_json: bool, ask: Ask = read_hidden
) -> int:
    """Ask for a number, unseen, and print whose settlements it finds; 1 if none.

    Args:
        settings: where the journal is; a daemon may have it open.
        field: ``person_cert_no`` or ``card_no``.
        as_json: print for programs.
        ask: reads one line unseen, at most so many bytes and one more.

    Raises:
        PinPadError: this terminal cannot hide what is typed.
        RequestInvalidError: nothing was typed, or too much.
        JournalError: the keys cannot be had, or what was found is damaged.
        OSError: the journal is not there.
    """
    path = settings.journal_file
    sealer = _sealer(settings, path)
    typed = ask(_ASKED[field], longest=_LONGEST_NUMBER)
    try:
        number = typed.decode("ascii", "replace").strip()
        if not number or len(typed) > _LONGEST_NUMBER:
            raise RequestInvalidError(field, "one number, as it stands on the card")
        said = search(path, sealer, field, number)
    finally:
        wipe(typed)
    if as_json:
        rows: list[JsonValue] = [
            {
                "settlement_id": one.settlement_id,
                "bill_no": one.bill_no,
                "kind": one.kind,
                "begun_at": one.begun_at.isoformat(),
                "state": one.state.value,
            }
            for one in said.found
        ]
        print_json({"found": rows, "not_searched": said.not_searched})
        return verdict(good=bool(said.found))
    for one in said.found:
        at = one.begun_at.astimezone(settings.site.timezone)
        click.echo(
            f"{at:%Y-%m-%d %H:%M}  {one.state.value:<11}  {one.settlement_id}  "
            f"{one.bill_no}"
        )
    click.echo(f"{len(said.found)} settlements found")
    if said.not_searched:
        click.echo(f"! {said.not_searched} keep no hash of any number: not searched")
    return verdict(good=bool(said.found))


def _sealer(settings: Settings, path: Path, key: Path | None = None) -> Sealer:
    # Reading must not make anything: a fresh key would prove nothing.
    _needs(path)
    if key is not None:
        _needs(key)
    return sealer_to_read(settings, path, key)


def _needs(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
