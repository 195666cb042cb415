"""``replay``: what settled bills would cost under another pack."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import click

from config.exam import cases_file, exam
from config.packs import load_pack
from settlement.explain import Language
from settlement.pack_program import Program
from settlement.policy import Pack
from terminal.commands.output import NO, YES, print_json


def run_replay(  # noqa: PLR0913 # one for each option of the command
    pack_file: Path,
    *,
    journal: Path,
    claims: Path | None,
    first: dt.date,
    last: dt.date,
    xlsx: Path | None,
    chart: Path | None,
    as_json: bool,
    language: Language,
) -> int:
    """Split the claims of some days again under the pack in *pack_file*.

    Args:
        pack_file: the pack to try; it has to pass its own exam.
        journal: the terminal's journal, if no file of claims is named.
        claims: a Parquet file of claims instead.
        first: the first day of care.
        last: the last one.
        xlsx: where to write the workbook.
        chart: where to write the drawing.
        as_json: print for a program.
        language: of the table, the workbook and the drawing.

    Returns:
        0, or 1 if the pack fails its exam or there is nothing to settle again.

    Raises:
        PackError: the pack does not load.
        ColumnsError: the file of claims lacks a column.
        OSError: a file cannot be read or written.
    """
    # Heavy libraries: only this command and the bench load them.
    from terminal.replay import report  # noqa: PLC0415
    from terminal.replay.claims_file import read_claims, write_claims  # noqa: PLC0415
    from terminal.replay.comparison import Comparison  # noqa: PLC0415
    from terminal.replay.evaluation import Batch, evaluate, within  # noqa: PLC0415
    from terminal.replay.journal_claims import settled_claims  # noqa: PLC0415

    pack = load_pack(pack_file, pack_file.parent)
    failures = _exam(pack, pack_file)
    if failures:
        click.echo("\n".join(failures), err=True)
        return NO
    program = Program(pack)
    comparison = Comparison()
    with tempfile.TemporaryDirectory() as folder:
        source = claims
        if source is None:
            source = Path(folder) / "claims.parquet"
            mine = (
                found
                for found in settled_claims(journal, first, last)
                if pack.covers(
                    found.claim.insured.region, found.claim.insured.insurance
                )
            )
            if not write_claims(mine, pack, source):
                click.echo(_nothing(pack, first, last), err=True)
                return NO
        for batch in read_claims(source, program, first, last):
            bills, moved = within(pack, batch.bills)
            comparison.moved += moved
            asked = Batch(bills, batch.person, batch.before)
            comparison.add(asked, evaluate(program, asked))
    if not comparison.whole.bills:
        click.echo(_nothing(pack, first, last), err=True)
        return NO
    comparison.check()
    name = f"{pack.id.name} v{pack.id.version}"
    if xlsx is not None:
        report.workbook(comparison, name, xlsx, language)
    if chart is not None:
        chart.write_text(report.drawing(comparison, name, language), encoding="utf-8")
    if as_json:
        print_json(report.to_json(comparison))  # type: ignore[arg-type] # text and whole numbers
    else:
        click.echo(report.table(comparison, name, language))
    return YES


def _exam(pack: Pack, pack_file: Path) -> tuple[str, ...]:
    cases = cases_file(pack_file)
    if not cases.is_file():
        return (f"{cases.name} is missing: a pack is tried only after its exam.",)
    return exam(pack, cases.read_bytes())


def _nothing(pack: Pack, first: dt.date, last: dt.date) -> str:
    return (
        f"No settled claim of region {pack.region} ({pack.insurance.value}) from "
        f"{first} to {last}. Name other days, or a file of claims with --claims."
    )
