"""Would a pack's own exam notice one wrong value? Every value is changed, one a time.

A value is whatever can change a split: an amount, a ratio, a flag, a word of a
condition, the name of a figure or an accumulator, a first or last day. Texts that are
only read (names, quotes, addresses) and the pack's own version are left alone.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from config.exam import failures_of, read_cases
from config.packs import BALANCES, FIGURES, read_pack
from settlement.claim import (
    AMOUNTS,
    Assistance,
    Category,
    Cause,
    Filing,
    Place,
    Supplement,
    Tier,
    VisitKind,
)
from settlement.errors import SettlementError
from settlement.money import RoundingMode
from settlement.policy import Axis, Bearer, Change, Measure, Pack, Per, RoundAt, Span
from settlement.split import Payer

_ENTRY = re.compile(r"\s*([\w.@\"-]+)\s*=\s*(.*)")
_HEADER = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_PIECE = re.compile(
    r'(?:(?P<key>\w+)\s*=\s*)?(?:"(?P<text>[^"]*)"|(?P<day>\d{4}-\d{2}-\d{2})'
    r"|(?P<number>\b\d+\b)|(?P<flag>\btrue\b|\bfalse\b))"
)
#: What a reader reads and no split depends on.
_READ_ONLY = frozenset(
    {
        "name",
        "name_en",
        "article",
        "quote",
        "document",
        "url",
        "grade",
        "checked_on",
        "clause",
        "source",
        "version",
        "region_name",
        "extends",
        "overrides",
    }
)
_SHARES = frozenset({"ratio", "points", "weight", "ratio_least", "ratio_most"})
_FACTORS = frozenset({"factor"})
_YUAN = frozenset({"yuan", "from", "to", "growth", "growth_most"})
#: A word is replaced by the next one of its list.
_LISTS: tuple[tuple[str, ...], ...] = (
    tuple(w.value for w in VisitKind),
    tuple(w.value for w in Tier),
    tuple(w.value for w in Place),
    tuple(w.value for w in Filing),
    tuple(w.value for w in Category),
    (*(w.value for w in Assistance),),
    tuple(w.value for w in Supplement),
    tuple(w.value for w in Cause),
    tuple(w.value for w in Span),
    tuple(w.value for w in Axis),
    tuple(w.value for w in Per),
    tuple(w.value for w in Measure),
    tuple(w.value for w in Bearer),
    tuple(w.value for w in RoundAt),
    tuple(w.value for w in RoundingMode),
    tuple(w.value for w in Change),
    tuple(w.value for w in Payer if w not in {Payer.CASH, Payer.HOSPITAL}),
    FIGURES,
    AMOUNTS,
    BALANCES,
    ("yes", "no"),
    ("A", "B"),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed value."""

    line: int
    was: str
    now: str
    text: str  #: the whole pack, changed

    def __str__(self) -> str:
        return f"line {self.line}: {self.was} -> {self.now}"


@dataclass(frozen=True, slots=True)
class Caught:
    """How many changed values a pack's own exam noticed."""

    mutants: int
    survivors: tuple[Mutant, ...]
    idle: int = 0  #: changes that cannot change any bill, counted apart

    @property
    def share_bp(self) -> int:
        """The share that was noticed, in basis points; a pack without values: all."""
        if not self.mutants:
            return 10_000
        return (self.mutants - len(self.survivors)) * 10_000 // self.mutants


def mutate(pack: bytes, name: str, cases: bytes, under: bytes | None = None) -> Caught:
    """Change every value of a pack once, and sit each for the exam.

    Args:
        pack: the pack's bytes.
        name: its name.
        cases: its golden cases.
        under: the province's bytes, where it extends one.

    Raises:
        PackError: pack or cases do not load as they are.
    """
    # The cases are read once, against the pack as it is: a wrong pack must not be
    # able to change what is asked of it.
    asked = read_cases(cases, read_pack(pack, name, under))
    meant = _meaning(read_pack(pack, name, under))
    survivors = []
    count = idle = 0
    for mutant in mutants(pack.decode("utf-8")):
        count += 1
        try:
            changed = read_pack(mutant.text.encode(), name, under)
        except SettlementError:
            continue
        if _meaning(changed) == meant:
            count -= 1
            idle += 1
            continue
        if not any(True for case in asked for _ in failures_of(case, changed)):
            survivors.append(mutant)
    return Caught(count, tuple(survivors), idle)


def _meaning(pack: Pack) -> object:
    """Say what of a pack can change a bill: two packs that mean the same are the same.

    Where every table of a fund has one band the axis says nothing, and rounding each
    band is rounding the sum; cumulative bands are absolute; the place of the only
    change of a value is any place.
    """
    plain = {
        fund.id
        for fund in pack.funds
        if all(len(wording.value) == 1 for wording in fund.bands.wordings)
    }
    rounding = [
        (w.value.how, w.value.at if len(plain) < len(pack.funds) else None, w.clause)
        for w in pack.rounding.wordings
    ]
    funds = []
    for fund in pack.funds:
        base = [
            (
                replace(w.value, axis=Axis.NET)
                if fund.id in plain or w.value.span is Span.CUMULATIVE
                else w.value,
                w.when,
                w.clause,
            )
            for w in fund.base.wordings
        ]
        changes = [
            [
                (replace(w.value, order=0) if len(rule.wordings) == 1 else w.value)
                for w in rule.wordings
            ]
            for rule in (fund.deductible_changes, fund.ratio_changes)
            if rule is not None
        ]
        funds.append((fund.id, fund.payer, fund.benefit, base, changes))
    rules = [
        [(w.value, w.when, w.clause) for w in rule.wordings]
        for rule in pack.rules
        if rule.name != "rounding"
        and not rule.name.endswith((".base", ".deductible_change", ".ratio_change"))
    ]
    whens = [[(w.when, w.clause) for w in rule.wordings] for rule in pack.rules]
    head = (pack.region, pack.insurance, pack.since, pack.until, pack.neighbours)
    return (*head, pack.assistance_order, rounding, funds, rules, whens)


def mutants(text: str) -> Iterator[Mutant]:
    """Change one value after the other, line by line."""
    lines = text.splitlines()
    table = ""
    key = ""
    for number, line in enumerate(lines):
        header = _HEADER.match(line)
        if header is not None and "=" not in line:
            table = header[1]
            continue
        if line.lstrip().startswith("#"):
            continue
        entry = _ENTRY.match(line)
        start = 0
        if entry is not None and not line.lstrip().startswith("{"):
            key, start = entry[1].strip('"'), entry.start(2)
        if key in _READ_ONLY or table.startswith(("tally", "clause.")):
            continue
        if table.startswith("source.") and key != "published":
            continue
        for piece in _PIECE.finditer(line, start):
            for now, at in _changed(piece, key):
                changed = line[: at[0]] + now + line[at[1] :]
                whole = "\n".join([*lines[:number], changed, *lines[number + 1 :]])
                was = line[at[0] : at[1]]
                yield Mutant(number + 1, f"{table} {key} {was}", now, f"{whole}\n")


def _changed(piece: re.Match[str], key: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Change one scalar: a little more, another word, the other flag, a day later."""
    own = piece["key"] or key
    if piece["day"] is not None:
        day = dt.date.fromisoformat(piece["day"]) + dt.timedelta(days=1)
        yield day.isoformat(), piece.span("day")
    elif piece["flag"] is not None:
        yield "false" if piece["flag"] == "true" else "true", piece.span("flag")
    elif piece["number"] is not None:
        yield str(int(piece["number"]) + 1), piece.span("number")
    else:
        for now in _other_text(piece["text"], own):
            yield now, piece.span("text")


def _other_text(text: str, key: str) -> Iterator[str]:
    number = re.fullmatch(r"-?\d+(?:\.\d+)?", text)
    if number is not None and key in _YUAN:
        yield f"{Decimal(text) + 1}"
    elif number is not None and key in _SHARES | _FACTORS:
        step = Decimal("0.01")
        value = Decimal(text)
        yield f"{value - step if value >= 1 else value + step}"
    else:
        for words in _LISTS:
            if text in words:
                yield words[(words.index(text) + 1) % len(words)]
                return
