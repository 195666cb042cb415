"""Choose the figures by name, measure them, print them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import click

from terminal.bench import (
    book,
    card,
    catalogue,
    centre,
    record,
    replay,
    resolving,
    split,
    start,
)
from terminal.bench.figure import Figure, MissingError

FIGURES: Mapping[str, Callable[[Path], Figure]] = {
    "split.bare_us": split.bare_us,
    "split.explained_us": split.explained_us,
    "split.explained_p99_us": split.explained_p99_us,
    "split.claim_us": split.claim_us,
    "split.told_us": split.told_us,
    "split.batch_dicts_us": split.batch_dicts_us,
    "split.batch_columns_us": split.batch_columns_us,
    "split.batch_duckdb_us": split.batch_duckdb_us,
    "split.import_ms": split.import_ms,
    "catalogue.import_s": catalogue.import_s,
    "catalogue.lookup_us": catalogue.lookup_us,
    "replay.million_s": replay.million_s,
    "journal.commit_ms": record.commit_ms,
    "journal.settlement_ms": record.settlement_ms,
    "journal.verify_us": record.verify_rows,
    "start.import_ms": start.import_ms,
    "start.ready_ms": start.ready_ms,
    "start.rss_mb": start.rss_mb,
    "card.read_ms": card.read_ms,
    "card.session_ms": card.session_ms,
    "card.session_untimed_ms": card.session_untimed_ms,
    "card.frames_us": card.frames_us,
    "card.events_ms": card.events_ms,
    "centre.sign_in_ms": centre.sign_in_ms,
    "centre.sqlite_us": book.sqlite_us,
    "centre.sqlite_batch": book.sqlite_batch,
    "centre.postgresql_us": book.postgresql_us,
    "centre.postgresql_8_us": book.postgresql_clients_us,
    "centre.postgresql_statements_us": book.postgresql_statements_us,
    "centre.postgresql_statements_8_us": book.postgresql_statements_clients_us,
    "centre.postgresql_batch": book.postgresql_batch,
    "resolver.latency_ms": resolving.latency_ms,
}


def run_bench(names: tuple[str, ...], *, as_json: bool, folder: Path) -> int:
    """Measure the figures *names* ask for; all of them if none is named.

    Args:
        names: dotted names or their beginnings.
        as_json: one array of objects instead of a table.
        folder: where files are written meanwhile, on the disk the data lies on.

    Returns:
        0 if every goal is held, 1 if one is not.

    Raises:
        click.BadParameter: a name that no figure has.
    """
    for name in names:
        if not any(known.startswith(name) for known in FIGURES):
            known_names = ", ".join(FIGURES)
            msg = f"no figure is called {name}; there are: {known_names}"
            raise click.BadParameter(msg)
    chosen = [
        measure
        for known, measure in FIGURES.items()
        if not names or known.startswith(names)
    ]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    figures = []
    try:
        for measure in chosen:
            try:
                figure = measure(folder)
            except MissingError as missing:
                click.echo(f"not measured: {missing}", err=True)
                continue
            figures.append(figure)
            if not as_json:
                click.echo(_line(figure))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        click.echo(json.dumps([asdict(figure) for figure in figures], indent=2))
    return 0 if all(figure.holds for figure in figures) else 1


def _line(figure: Figure) -> str:
    held = "holds" if figure.holds else "DOES NOT HOLD"
    return (
        f"{figure.name:<24} {figure.value:>10} {figure.unit:<3} "
        f"{figure.ratio:>8} x {figure.reference}; goal {figure.goal}: {held}"
    )
