"""``examples FILE``: published worked examples through the engine's own step."""

from __future__ import annotations

from pathlib import Path

import click

from settlement.examples import ExampleResult, line, run_all
from terminal.commands.output import print_json, verdict

#: The publisher's own arithmetic is wrong: meeting it would be our fault.
FLAGGED = "flagged_arithmetic"


def run_examples(file: Path, *, as_json: bool) -> int:
    """Print one line an example; 0 if each came out as its status says.

    An ``ok`` or ``derived_input`` example has to be met and a ``flagged_arithmetic``
    one must not be. The other statuses are printed and decide nothing.

    Raises:
        OSError: the file cannot be read.
    """
    results = run_all(file.read_text(encoding="utf-8"))
    good = bool(results) and all(_as_published(result) for result in results)
    if as_json:
        print_json(
            [
                {
                    "id": result.id,
                    "status": result.status,
                    "met": result.met,
                    "as_published": _as_published(result),
                    "differences": [
                        {"name": d.name, "published": d.published, "ours": d.ours}
                        for d in result.differences
                    ],
                    "problem": result.problem,
                }
                for result in results
            ]
        )
    else:
        for result in results:
            click.echo(line(result))
        met = sum(result.met for result in results)
        click.echo(
            f"{met} of {len(results)} met; {'as' if good else 'NOT as'} expected"
        )
    return verdict(good=good)


def _as_published(result: ExampleResult) -> bool:
    if result.status == FLAGGED:
        return not result.met and not result.problem
    if result.status.startswith("flagged_"):
        return True
    return result.met
