"""``packs check``: does every pack load, and what stands behind its values."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from config.packs import load_packs
from settlement.errors import PackError
from settlement.policy import Pack
from terminal.commands.output import NO, YES, JsonValue, print_json


def run_packs_check(folder: Path, *, as_json: bool) -> int:
    """Print one line a pack; 1 with the first thing wrong if one does not load.

    Raises:
        OSError: a file cannot be read.
    """
    try:
        packs = load_packs(folder)
    except PackError as error:
        if as_json:
            print_json({"ok": False, "code": error.code, "problem": str(error)})
        else:
            click.echo(str(error), err=True)
        return NO
    if not packs:
        problem = f"{folder} holds no policy pack (*.toml). Name the folder of packs."
        if as_json:
            print_json({"ok": False, "code": "no-packs", "problem": problem})
        else:
            click.echo(problem, err=True)
        return NO
    if as_json:
        print_json({"ok": True, "packs": [_facts(pack) for pack in packs]})
    else:
        click.echo("\n".join(map(_line, packs)))
    return YES


def _facts(pack: Pack) -> dict[str, JsonValue]:
    return {
        "name": pack.id.name,
        "version": pack.id.version,
        "digest": pack.id.digest,
        "verified": pack.id.verified,
        "region": pack.region,
        "insurance": pack.insurance.value,
        "since": pack.since.isoformat(),
        "until": None if pack.until is None else pack.until.isoformat(),
        "clauses": len(pack.clauses),
        "grades": dict(sorted(_grades(pack).items())),
    }


def _line(pack: Pack) -> str:
    days = f"{pack.since} – {'' if pack.until is None else pack.until}".rstrip()
    grades = " ".join(f"{grade}:{n}" for grade, n in sorted(_grades(pack).items()))
    mark = "verified" if pack.id.verified else "UNVERIFIED SAMPLE 未核实样例"
    return (
        f"{pack.id.name} v{pack.id.version}  {pack.region} {pack.region_name}  "
        f"{pack.insurance.value}  {days}  {len(pack.clauses)} clauses ({grades})  "
        f"{mark}"
    )


def _grades(pack: Pack) -> Counter[str]:
    return Counter(clause.grade for clause in pack.clauses)
