"""``replay``: what settled bills would cost under another pack."""

from __future__ import annotations

import datetime as dt
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.exam import cases_file, exam
from config.packs import load_pack
from settlement.errors import ColumnsError
from settlement.explain import Language
from settlement.pack_program import Program
from settlement.policy import Pack
from terminal.commands.output import NO, YES, print_json

if TYPE_CHECKING:
    from terminal.replay.comparison import Comparison
    from terminal.replay.journal_claims import SettledClaim


@dataclass(frozen=True, slots=True)
class Question:
    """What finance asks."""

    pack_file: Path  #: the pack to try
    against: Path | None  #: the pack to compare it with; None: what was recorded
    claims: Path | None  #: a Parquet file of claims; None: the journal
    journal: Path
    first: dt.date  #: the first day of care
    last: dt.date
    in_year: int | None  #: the calendar year *first* is put into; None: its own


@dataclass(frozen=True, slots=True)
class Output:
    """How the answer is given."""

    language: Language
    as_json: bool
    xlsx: Path | None
    chart: Path | None
    bills: Path | None = None  #: every bill, before and after


def run_replay(asked: Question, output: Output) -> int:
    """Split the claims of some days again under a pack.

    Returns:
        0, or 1 if a pack fails its exam or there is nothing to settle again.

    Raises:
        PackError: a pack does not load.
        ColumnsError: the file of claims lacks a column, or holds a wrong one.
        OSError: a file cannot be read or written.
    """
    # Heavy libraries: only this command and the bench load them.
    from terminal.replay import report  # noqa: PLC0415

    _check_targets(output)
    packs, failures = _packs(asked)
    if failures:
        click.echo("\n".join(failures), err=True)
        return NO
    if len(packs) > 1 and not packs[0].covers(packs[1].region, packs[1].insurance):
        click.echo(
            f"{packs[0].id.name} and {packs[1].id.name} are not for the same persons. "
            "Compare packs of one region and insurance.",
            err=True,
        )
        return NO
    comparison = _compare(asked, packs, output.bills)
    if not comparison.whole.bills:
        click.echo(_nothing(packs[0], asked, comparison.left_out), err=True)
        return NO
    comparison.check()
    names = [f"{pack.id.name} v{pack.id.version}" for pack in packs]
    if asked.in_year is not None:
        names[0] += f" ({asked.in_year})"
    title = report.Title(names[0], names[1] if len(names) > 1 else None)
    if output.xlsx is not None:
        report.workbook(comparison, title, output.xlsx, output.language)
    if output.chart is not None:
        drawn = report.drawing(comparison, title, output.language)
        output.chart.write_text(drawn, encoding="utf-8")
    if output.as_json:
        print_json(report.to_json(comparison, title))  # type: ignore[arg-type] # text and whole numbers
    else:
        click.echo(report.table(comparison, title, output.language))
    return YES


def _compare(asked: Question, packs: list[Pack], bills: Path | None) -> Comparison:
    from terminal.replay.bill_list import BillList  # noqa: PLC0415
    from terminal.replay.claims_file import read_claims, write_claims  # noqa: PLC0415
    from terminal.replay.comparison import Comparison  # noqa: PLC0415
    from terminal.replay.evaluation import evaluate  # noqa: PLC0415
    from terminal.replay.journal_claims import SettledClaims  # noqa: PLC0415

    programs = [Program(pack) for pack in packs]
    later = 0 if asked.in_year is None else asked.in_year - asked.first.year
    comparison = Comparison()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        listed = None if bills is None else stack.enter_context(BillList(bills))
        files = [
            asked.claims or Path(folder) / f"claims-{n}" for n, _ in enumerate(packs)
        ]
        if asked.claims is None:
            for pack, path in zip(packs, files, strict=True):
                found = SettledClaims(asked.journal, asked.first, asked.last)
                whose = (claim for claim in found if _is_of(claim, packs[0]))
                count = write_claims(whose, pack, path)
                comparison.left_out = found.left_out
                if not count:
                    return comparison
        readers = [
            read_claims(path, packs, asked.first, asked.last)
            for path in dict.fromkeys(files)
        ]
        for batch, *more in zip(*readers, strict=True):
            now = evaluate(programs[0], batch, years_later=later)
            was, outside = batch.paid, now.outside
            if len(programs) > 1:
                old = evaluate(programs[1], more[0] if more else batch)
                was, outside = old.paid, outside | old.outside
            elif not was:
                name = "paid_cash"
                problem = "is missing: name a pack to compare with (--against)"
                raise ColumnsError(name, problem)
            comparison.outside += int(outside.sum())
            comparison.add(batch.bills, was, now.paid, now.denied)
            if listed is not None:
                listed.add(batch, was, now.paid, now.denied)
    return comparison


def _is_of(claim: SettledClaim, pack: Pack) -> bool:
    insured = claim.claim.insured
    return pack.covers(insured.region, insured.insurance)


def _check_targets(output: Output) -> None:
    """Ask first: the work may take minutes, and would be for nothing."""
    for target in (output.xlsx, output.chart, output.bills):
        if target is not None and not target.absolute().parent.is_dir():
            raise FileNotFoundError(2, "No such folder", str(target.parent))


def _packs(asked: Question) -> tuple[list[Pack], tuple[str, ...]]:
    """Load the packs; say what is wrong with the first that fails its exam."""
    packs = []
    for path in (asked.pack_file, asked.against):
        if path is None:
            continue
        packs.append(load_pack(path, path.parent))
        failures = _exam(packs[-1], path)
        if failures:
            return packs, failures
    return packs, ()


def _exam(pack: Pack, pack_file: Path) -> tuple[str, ...]:
    cases = cases_file(pack_file)
    if not cases.is_file():
        return (f"{cases.name} is missing: a pack is tried only after its exam.",)
    return exam(pack, cases.read_bytes())


def _nothing(pack: Pack, asked: Question, left_out: int) -> str:
    kept = (
        f"{left_out} settlements of an older version kept no claim. "
        if left_out
        else ""
    )
    return (
        f"No settled claim of region {pack.region} ({pack.insurance.value}) from "
        f"{asked.first} to {asked.last}. {kept}Name other days, or a file of claims "
        "with --claims."
    )
