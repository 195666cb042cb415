"""``journal rebuild``: from a damaged journal back to selling, step by step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from config.settings import Settings
from settlement.filelock import FileLock
from settlement.journal_errors import RebuildError
from settlement.journal_rebuild import days_of, install, require_new
from settlement.journal_salvage import Salvage, salvage
from settlement.journal_salvage import Source as ReadFile
from terminal.commands.output import JsonValue, print_json, verdict
from terminal.parts import rebuild_parts
from terminal.rebuild import RebuildParts, Retold, days_in_doubt, rebuild

_COMMAND = "run_terminal.py journal rebuild"
#: So many ids are printed; a program asks for all of them.
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    copies: tuple[Path, ...] = ()
    write: Path | None = None
    reason: str = ""
    until: dt.date | None = None
    install: Path | None = None
    config: Path | None = None  #: as it was given, for the next command
    as_json: bool = False


def run_journal_rebuild(settings: Settings, asked: Asked) -> int:
    """Look at a damaged journal, write a new one, or put that in its place.

    Returns:
        0 done, 1 a plain no: the journal is whole, or nothing of it proves itself.

    Raises:
        JournalError: the key, a copy or the new file's name is not right, or a daemon
            has the journal.
        CentreError: the centre could not be asked.
        OSError: a file is not there, or cannot be read or written.
    """
    journal = settings.journal_file
    parts = rebuild_parts(settings)
    if asked.install is not None:
        return _install(settings, parts, asked, asked.install)
    if asked.write is not None:
        if not asked.reason.strip():
            raise RebuildError(asked.write.name, "say why, with --reason")
        require_new(asked.write, journal, asked.copies)
    lock = _locked(journal)
    try:
        with salvage(journal, asked.copies, parts.sealer, parts.whose) as found:
            _see_times(found, (journal, *asked.copies), parts)
            return _look_or_write(settings, parts, asked, found)
    finally:
        if lock is not None:
            lock.release()


def _look_or_write(
    settings: Settings, parts: RebuildParts, asked: Asked, found: Salvage
) -> int:
    journal = settings.journal_file
    until = asked.until or parts.now().date()
    if not found.trouble:
        text = f"{journal.name} is whole and ends where it was anchored: nothing to do."
        return _say_no(asked, found, text)
    if not found.head.seq and not found.beyond():
        return _say_no(asked, found, _nothing(journal))
    if asked.write is None:
        days = days_in_doubt(found, until, parts.place.timezone)
        if asked.as_json:
            print_json(_found_json(found, days))
        else:
            for line in (*_looked(found, days), *_next(asked, journal, parts)):
                click.echo(line)
        return verdict(good=True)
    retold = rebuild(found, asked.write, parts, reason=asked.reason, until=until)
    if asked.as_json:
        print_json({"written": asked.write.name, **retold.to_json()})
    else:
        for line in (
            *_written(found, asked.write, retold),
            *_after(settings, asked, asked.write, retold.days),
        ):
            click.echo(line)
    return verdict(good=True)


def _say_no(asked: Asked, found: Salvage, text: str) -> int:
    if asked.as_json:
        print_json({"rebuildable": False, "why": text, "trouble": found.trouble})
    else:
        click.echo(text)
    return verdict(good=False)


def _nothing(journal: Path) -> str:
    return (
        f"Nothing in {journal.name}, its log or the copies proves itself. Give every "
        "backup there is with --copy. If there is none: keep the files, move them "
        "away, and start with a new journal. That means: no key and no bill of before "
        "is known, so a retry of an old request would be settled a second time (stop "
        "the POS from repeating before you start), what was undecided is known to the "
        "centre alone, and every day since the last reconciled one has to be "
        "reconciled: what the centre has more is what is missing here."
    )


def _install(settings: Settings, parts: RebuildParts, asked: Asked, new: Path) -> int:
    today = parts.now().date()
    folder = install(new, settings.journal_file, parts.sealer, today)
    if asked.as_json:
        print_json({"installed": new.name, "kept_in": folder.name})
        return verdict(good=True)
    click.echo(
        f"{new.name} is in the place of {settings.journal_file.name}; everything of "
        f"before is kept in {folder.name}. Do not delete it."
    )
    for line in _start_again(settings, asked, days_of(settings.journal_file)):
        click.echo(line)
    return verdict(good=True)


def _locked(journal: Path) -> FileLock | None:
    """Keep a daemon out while its journal is read; without making a file for that."""
    lock = journal.with_name(journal.name + ".lock")
    return FileLock.take(lock) if lock.exists() else None


def _see_times(found: Salvage, files: Sequence[Path], parts: RebuildParts) -> None:
    """Count the times at which the files were written last: numbers were given out."""
    now = parts.now()
    for file in files:
        for suffix in ("", "-wal", ".head"):
            beside = file.with_name(file.name + suffix)
            if beside.exists():
                at = dt.datetime.fromtimestamp(beside.stat().st_mtime, now.tzinfo)
                if at <= now:
                    found.saw_second(at.strftime("%Y%m%d%H%M%S"))


# -- what is said ------------------------------------------------------------------


def _looked(found: Salvage, days: Sequence[dt.date]) -> Iterator[str]:
    yield f"The journal is refused: {found.trouble}."
    for one in found.sources:
        yield _source_line(one)
    since = "" if found.since is None else f", made at {found.since.isoformat()}"
    yield (
        f"Together they prove entries 1 to {found.head.seq} in one chain{since} "
        f"({found.head.digest[:16]}…)."
    )
    if found.anchor is None:
        yield "No anchor of ours is there: how many entries were written is not known."
    elif found.head.seq >= found.anchor.seq:
        yield f"That is all: entry {found.anchor.seq} is the one that was anchored."
    else:
        yield f"Entry {found.anchor.seq} was anchored, so more was written."
    beyond = found.beyond()
    if beyond:
        places = ", ".join(_spans([row.seq for row in beyond]))
        yield (
            f"Beyond the chain {len(beyond)} entries prove themselves and not their "
            f"place: {places}. They are evidence."
        )
    if found.lost:
        yield f"{found.lost} entries are lost: nothing of them proves itself."
    doubt = found.in_doubt()
    if doubt:
        yield f"In doubt are {len(doubt)} settlements: {_few(doubt)}."
    each = " and for each of these by its message" if doubt else ""
    span = f"{days[0]} to {days[-1]}"
    yield f"The centre has to be asked for its statement of {span}{each}."


def _source_line(one: ReadFile) -> str:
    anchor = "no anchor of ours" if one.anchor is None else f"anchor {one.anchor.seq}"
    return (
        f"  {one.name}: {one.proven} entries prove themselves, its own chain goes to "
        f"entry {one.head.seq}, {anchor}"
    )


def _next(asked: Asked, journal: Path, parts: RebuildParts) -> Iterator[str]:
    name = f"{journal.stem}.rebuilt-{parts.now().date()}.db"
    copies = "".join(f" --copy {copy}" for copy in asked.copies)
    until = "" if asked.until is None else f" --until {asked.until}"
    yield "Nothing was written. Next:"
    yield (
        f"  {_COMMAND}{_config(asked)}{copies}{until} "
        f"--write {journal.with_name(name)} --reason '…'"
    )


def _written(found: Salvage, new: Path, retold: Retold) -> Iterator[str]:
    yield (
        f"{new.name} begins with the {found.head.seq} entries that chain, byte for "
        f"byte; what does not is kept in {new.name}.evidence."
    )
    for what, ids in (
        ("settled, as the centre has it", retold.settled),
        ("cancelled, as the centre has it", retold.cancelled),
        ("ended without money", retold.ended),
        (
            "undecided still; the terminal goes on with them when it starts",
            retold.undecided,
        ),
        ("could not be told again: see the evidence with your vendor", retold.held),
    ):
        if ids:
            yield f"  {len(ids)} {what}: {_few(ids)}"
    if retold.remainders:
        yield (
            f"! {len(retold.remainders)} given back in part, and only the centre can "
            "have what stays: it is not settled again by itself; see the rows below: "
            f"{_few(retold.remainders)}"
        )
    if retold.only_at_centre:
        yield (
            f"! {len(retold.only_at_centre)} that only the centre has, for the finance "
            "office. Their keys and bills are lost here: a retry of them would be "
            "settled a second time. Compare with the POS before you start."
        )
    for told in retold.only_at_centre:
        sign = "refund" if told.refund else "settlement"
        yield (
            f"  {sign} {told.settlement_id} visit {told.visit_id}: "
            f"{told.total_fee}, funds {told.fund_total}, account {told.account_pay}"
        )


def _after(
    settings: Settings, asked: Asked, new: Path, days: Sequence[dt.date]
) -> Iterator[str]:
    yield "Next:"
    yield "  1. stop the daemon, if it runs"
    yield f"  2. {_COMMAND}{_config(asked)} --install {new}"
    place = settings.journal_file
    kept = place.with_name(f"{place.stem}.damaged-DATE")
    yield "     or by hand, with the daemon stopped:"
    yield f"       mkdir {kept}"
    yield f"       mv {place} {place}-* {place}.head {new}.evidence {kept}/"
    yield f"       mv {new}.head {place}.head"
    yield f"       mv {new} {place}"
    yield from _start_again(settings, asked, [day.isoformat() for day in days])


def _start_again(
    settings: Settings, asked: Asked, days: Sequence[str]
) -> Iterator[str]:
    site = settings.site
    number = f"T{site.terminal_no:03d}"
    yield (
        "  3. if the centre fences the terminal (terminal-fenced), whoever runs it "
        f"says: run_terminal.py release-terminal {number} --institution "
        f"{site.institution_code}"
    )
    yield f"  4. start: run_terminal.py serve{_config(asked)}"
    for day in days:
        yield f"  5. run_terminal.py reconcile{_config(asked)} --date {day}"


def _found_json(found: Salvage, days: Sequence[dt.date]) -> dict[str, JsonValue]:
    since = None if found.since is None else found.since.isoformat()
    return {
        "rebuildable": True,
        "trouble": found.trouble,
        "sources": [
            {
                "name": one.name,
                "proven": one.proven,
                "head": one.head.seq,
                "anchor": None if one.anchor is None else one.anchor.seq,
            }
            for one in found.sources
        ],
        "head": {"seq": found.head.seq, "digest": found.head.digest, "at": since},
        "beyond": [row.seq for row in found.beyond()],
        "lost": found.lost,
        "in_doubt": list(found.in_doubt()),
        "days": [day.isoformat() for day in days],
    }


def _config(asked: Asked) -> str:
    return "" if asked.config is None else f" --config {asked.config}"


def _few(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(ids[:_SHOWN]) + more


def _spans(numbers: Sequence[int]) -> Iterator[str]:
    """Write numbers as spans: 3, 5 to 9."""
    wanted = sorted(set(numbers))
    begin = end = wanted[0]
    for number in [*wanted[1:], -1]:
        if number == end + 1:
            end = number
            continue
        yield str(begin) if begin == end else f"{begin} to {end}"
        begin = end = number
