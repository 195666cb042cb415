"""``catalogue``: import a catalogue of items, show one, find some."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from config.catalogue import load_catalogue
from config.catalogue_rows import read_items
from config.catalogue_store import open_store, write_store
from settlement.catalogue import CatalogueItem
from settlement.numerals import plain
from terminal.commands.output import NO, YES, JsonValue, print_json


def run_import(file: Path, store: Path, *, sample: bool, as_json: bool) -> int:
    """Read *file* and put it in the place of *store*, whole.

    Limits (1318) and ratios (1319) lie over what the store holds already.

    Raises:
        CatalogueFileError: what is wrong, by line and column; the store is as it was.
        OSError: a file cannot be read or written.
    """
    base: tuple[CatalogueItem, ...] = ()
    if store.is_file():
        base = tuple(open_store(store).items.values())
    items = read_items(file, base)
    count = write_store(items, store, name=file.stem, sample=sample)
    if as_json:
        print_json({"ok": True, "items": count, "store": str(store)})
    else:
        click.echo(f"{count} items of {file.name} -> {store}")
    return YES


def run_show(catalogue: Path, code: str, on: dt.date | None, *, as_json: bool) -> int:
    """Print one item.

    Raises:
        CatalogueItemUnknownError: the code is not in the catalogue that day.
    """
    item = load_catalogue(catalogue).item(code, on)
    if as_json:
        print_json(_facts(item))
    else:
        click.echo("\n".join(f"{k}: {v}" for k, v in _facts(item).items() if v))
    return YES


def run_search(catalogue: Path, text: str, *, as_json: bool) -> int:
    """Print the items a part of code or name, or initials, lead to; 1 for none."""
    found = load_catalogue(catalogue).search(text)
    if as_json:
        print_json([_facts(item) for item in found])
    else:
        for item in found:
            click.echo(f"{item.code}  {item.item_class.value}  {item.name}")
    return YES if found else NO


def _facts(item: CatalogueItem) -> dict[str, JsonValue]:
    ratio, restriction = item.upfront_ratio, item.restriction
    limits: dict[str, JsonValue] = {
        tier.value: plain(limit) for tier, limit in item.price_limits.items()
    }
    return {
        "code": item.code,
        "name": item.name,
        "kind": item.kind,
        "unit": item.unit,
        "class": item.item_class.value,
        "price": plain(item.price),
        "upfront_ratio": None if ratio is None else plain(ratio),
        "price_limits": limits,
        "restricted": item.restricted,
        "group": item.group,
        "pinyin": item.pinyin,
        "restriction": None if restriction is None else str(restriction),
        "since": None if item.since is None else item.since.isoformat(),
        "until": None if item.until is None else item.until.isoformat(),
    }
