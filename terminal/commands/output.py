"""Print for people or for programs, and the exit codes both read."""

from __future__ import annotations

import json

import click

JsonValue = str | int | bool | None | list["JsonValue"] | dict[str, "JsonValue"]

YES = 0  #: done, met, balanced, in order
NO = 1  #: not met, differences, a problem found


def print_json(value: JsonValue) -> None:
    """Print one JSON document, Chinese as it is."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def verdict(*, good: bool) -> int:
    """Return the exit code of an answer."""
    return YES if good else NO
