"""The policy packs: check, sign, install and list them."""

from __future__ import annotations

import base64
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import click

from config.errors import (
    ConfigError,
    PackDamagedError,
    PackExamFailedError,
    PackRefusedError,
)
from config.exam import cases_file, exam, read_cases
from config.mutation import Caught, mutate
from config.pack_archive import (
    BASE,
    CASES,
    PACK,
    SOURCE,
    fingerprint,
    make_archive,
    make_key,
    public_bytes,
    read_key,
)
from config.pack_lint import warnings
from config.pack_store import open_store
from config.packs import BASE_SUFFIX, base_of, load_packs, pack_files, read_pack
from config.settings import Settings
from settlement.errors import PackError, SettlementError
from settlement.numerals import percent
from settlement.policy import Pack
from terminal.commands.output import NO, YES, JsonValue, print_json, verdict


def run_packs_check(folder: Path, *, as_json: bool, changed: bool = False) -> int:
    """Print one line a pack; 1 if one does not load or fails its exam.

    Args:
        folder: where the packs lie.
        as_json: print for a program.
        changed: also change every value of each pack once, and say how many of the
            changes its own exam notices.

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
    checked = [
        _checked(path, pack, folder, changed=changed)
        for path, pack in zip(pack_files(folder), packs, strict=True)
    ]
    good = all(not one.failures for one in checked)
    if as_json:
        shown: list[JsonValue] = [one.facts() for one in checked]
        print_json({"ok": good, "packs": shown})
    else:
        click.echo("\n".join(line for one in checked for line in one.lines()))
    return YES if good else NO


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a check of one pack came to."""

    pack: Pack
    cases: int
    failures: tuple[str, ...]
    warned: tuple[str, ...]
    caught: Caught | None

    def facts(self) -> dict[str, JsonValue]:
        """Tell it to a program."""
        facts = _facts(self.pack)
        facts |= {
            "cases": self.cases,
            "failures": list(self.failures),
            "warnings": list(self.warned),
        }
        if self.caught is not None:
            facts["mutants"] = self.caught.mutants
            facts["caught_bp"] = self.caught.share_bp
            facts["survivors"] = [str(mutant) for mutant in self.caught.survivors]
        return facts

    def lines(self) -> Iterator[str]:
        """Tell it to a person."""
        yield _line(self.pack)
        passed = "passed" if self.cases and not self.failures else "FAILED"
        yield (
            f"  exam: {self.cases} cases, {passed}"
            if self.cases or self.failures
            else "  exam: none; it cannot be signed or installed without"
        )
        yield from (f"  failed: {failure}" for failure in self.failures)
        yield from (f"  look at: {warning}" for warning in self.warned)
        if self.caught is not None:
            held = self.caught.mutants - len(self.caught.survivors)
            share = percent(Fraction(self.caught.share_bp, 10_000))
            yield (
                f"  changed values noticed: {held} of {self.caught.mutants} ({share}); "
                f"{self.caught.idle} more cannot matter to any bill"
            )
            yield from (f"  not noticed: {mutant}" for mutant in self.caught.survivors)


def _checked(path: Path, pack: Pack, folder: Path, *, changed: bool) -> _Checked:
    file = cases_file(path)
    if not file.is_file():
        return _Checked(pack, 0, (), warnings(pack), None)
    data = file.read_bytes()
    try:
        count, failures = len(read_cases(data, pack)), exam(pack, data)
    except PackError as error:
        return _Checked(pack, 0, (str(error),), warnings(pack), None)
    caught = None
    if changed and not failures:
        text = path.read_bytes()
        base = base_of(text)
        under = None
        if base is not None:
            under = (folder / f"{base}{BASE_SUFFIX}").read_bytes()
        caught = mutate(text, pack.id.name, data, under)
    return _Checked(pack, count, failures, warnings(pack), caught)


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


# --- signing ---


def run_packs_keygen(file: Path, *, as_json: bool) -> int:
    """Make a signing key and print the line by which sites know it.

    Raises:
        OSError: something is there already, or it cannot be written.
    """
    public = public_bytes(make_key(file))
    name = re.sub(r"[^a-z0-9_-]+", "-", file.stem.lower()).strip("-") or "signer"
    line = f"{name}={base64.b64encode(public).decode()}"
    if as_json:
        print_json(
            {
                "ok": True,
                "file": str(file),
                "public_key": line,
                "fingerprint": fingerprint(public),
            }
        )
        return YES
    click.echo(f"{file}: the signing key. It signs for every site that knows it: keep")
    click.echo(
        "it off the terminals and out of every repository, and a copy in a safe."
    )
    click.echo(f"Fingerprint {fingerprint(public)}. The line for the sites' settings:")
    click.echo(f'[packs]\nkeys = ["{line}"]')
    return YES


def run_packs_sign(
    folder: Path, stem: str | None, key_file: Path, out: Path, *, as_json: bool
) -> int:
    """Examine the pack of *folder* and write it as one signed file.

    Raises:
        click.UsageError: the folder has several packs and none was named, or none.
        PackKeyFileError: the key does not read.
        OSError: a file is missing, or *out* is there already.
    """
    key = read_key(key_file)
    path = _pack_of(folder.resolve(), stem)
    try:
        data, pack = _signed(path)
        archive = make_archive(
            data,
            name=pack.id.name,
            version=pack.id.version,
            region=pack.region,
            key=key,
        )
    except (PackRefusedError, PackError) as error:
        return _refused(error, as_json=as_json)
    with out.open("xb") as file:
        file.write(archive)
        file.flush()
        os.fsync(file.fileno())
    facts = {**_facts(pack), "ok": True, "file": str(out), "bytes": len(archive)}
    if as_json:
        print_json(facts)
    else:
        click.echo(f"{out}: {_line(pack)}")
    return YES


def _pack_of(folder: Path, stem: str | None) -> Path:
    found = {path.stem: path for path in pack_files(folder) if path.parent == folder}
    if stem is None and len(found) == 1:
        return next(iter(found.values()))
    if stem not in found:
        names = ", ".join(found) or "no pack"
        msg = f"{folder} holds {names}; say which one with --pack."
        raise click.UsageError(msg)
    return found[stem]


def _signed(path: Path) -> tuple[dict[str, bytes], Pack]:
    """Read what goes into a pack's file; a pack that fails its exam does not."""
    name = f"{path.parent.name}/{path.stem}"
    members = {
        PACK: path.read_bytes(),
        CASES: cases_file(path).read_bytes(),
        SOURCE: path.with_name(SOURCE).read_bytes(),
    }
    base = base_of(members[PACK])
    if base is not None:
        members[BASE] = (path.parent.parent / f"{base}{BASE_SUFFIX}").read_bytes()
    pack = read_pack(members[PACK], name, members.get(BASE))
    failures = exam(pack, members[CASES])
    if failures:
        raise PackExamFailedError(name, pack.id.version, failures)
    return members, pack


# --- installing ---


def run_packs_install(settings: Settings, file: Path, *, as_json: bool) -> int:
    """Install a pack's file; 1 where it is refused, and nothing has changed then.

    Raises:
        PackInstallBusyError: another install is under way.
        PackDamagedError: the list of installed packs cannot be read.
        OSError: the file does not read, or the disk does not take it.
    """
    try:
        pack = open_store(settings).install(file, exam)
    except (PackRefusedError, PackError) as error:
        return _refused(error, as_json=as_json)
    if as_json:
        print_json({**_facts(pack), "ok": True})
    else:
        click.echo(f"installed: {_line(pack)}")
        click.echo("A running terminal takes it with the next quote.")
    return YES


def _refused(error: ConfigError | SettlementError, *, as_json: bool) -> int:
    if as_json:
        print_json({"ok": False, "code": error.code, "problem": str(error)})
    else:
        click.echo(f"{error.code}: {error}", err=True)
    return NO


BUILT_IN, INSTALLED = "built-in", "installed"


@dataclass(frozen=True, slots=True)
class _Listed:
    """One version of one pack, as it is here."""

    name: str
    version: int
    origin: str
    current: bool  #: in force; else kept for replays and refunds
    pack: Pack | None  #: None: see problem
    problem: str = ""


def run_packs_list(settings: Settings, *, as_json: bool) -> int:
    """Print every version that is here; 1 if one of them cannot be proven.

    Raises:
        PackDamagedError: the list of installed packs cannot be read.
        PackError: a built-in pack does not load.
        OSError: a file cannot be read.
    """
    rows = list(_listed(settings))
    good = not any(row.problem for row in rows)
    if as_json:
        print_json({"ok": good, "packs": [_listed_facts(row) for row in rows]})
    else:
        click.echo("\n".join(map(_listed_line, rows)))
    return verdict(good=good)


def _listed(settings: Settings) -> Iterable[_Listed]:
    store = open_store(settings)
    installed = store.installed()
    newest = dict(sorted((entry.name, entry.version) for entry in installed))
    rows = []
    for pack in store.built_in:
        current = newest.get(pack.id.name, 0) < pack.id.version
        if current:
            newest[pack.id.name] = pack.id.version
        rows.append(_Listed(pack.id.name, pack.id.version, BUILT_IN, current, pack))
    for entry in installed:
        current = newest[entry.name] == entry.version
        read, problem = None, ""
        try:
            read = store.read(entry)
        except (PackDamagedError, PackError) as error:
            problem = str(error)
        rows.append(
            _Listed(entry.name, entry.version, INSTALLED, current, read, problem)
        )
    return sorted(rows, key=lambda row: (row.name, row.version, row.origin))


def _listed_facts(row: _Listed) -> dict[str, JsonValue]:
    facts: dict[str, JsonValue] = {} if row.pack is None else _facts(row.pack)
    return {
        **facts,
        "name": row.name,
        "version": row.version,
        "origin": row.origin,
        "current": row.current,
        "problem": row.problem or None,
    }


def _listed_line(row: _Listed) -> str:
    mark = "current" if row.current else "kept"
    if row.pack is None:
        return (
            f"{row.name} v{row.version}  {row.origin}, {mark}  DAMAGED: {row.problem}"
        )
    return f"{_line(row.pack)}  {row.origin}, {mark}"
