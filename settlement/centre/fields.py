"""Every field of every message, from one table: ``interface.tsv`` beside this module.

One row is one field of one node of one transaction in one direction: official name,
Chinese label, wire type and length, whether it must be there, our name, and where it is
from. ``docs/glossary.md`` is made from it, and nothing is sent that does not fit it.

Sources: HN is the Hunan text V1.1.27 (October 2024); SZ, OH and payload are public
clients and the anonymised answers in them, where the text has nothing, other lengths
or fewer keys; baseline is the national list without a public table; own is a field only
this project's reference centre sends.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from settlement.centre.replies import Json

TABLE = Path(__file__).with_name("interface.tsv")
ASKED, ANSWERED = "in", "out"
ENVELOPE = "*"  #: the transaction whose rows are those of every message

_TYPE = re.compile(r"(C|N|D|DT|bytes|node)(?:\((\d+)(?:,(\d+))?\))?")
_NUMBER = re.compile(r"-?(\d+)(?:\.(\d+))?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of one node of one transaction in one direction."""

    infno: str  #: 交易编号; ``*`` for the envelope
    way: str  #: ``in`` what we ask, ``out`` what is answered
    node: str  #: 节点标识; empty where the transaction has none
    official: str
    label: str
    type: str  #: C(length), N(digits,decimals), D, DT, bytes, node
    needed: bool
    ours: str  #: our name; empty where we neither fill nor read it
    source: str

    @property
    def unit(self) -> str:
        """Tell what a number of it counts on the wire and here."""
        if self.type == "N(16,2)":
            return "yuan; fen here"
        if self.type == "N(5,4)":
            return "ratio; basis points here"
        return ""


@cache
def fields() -> tuple[Field, ...]:
    """Return the whole table, in its order."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return tuple(_field(*row) for row in rows)


def _field(*row: str) -> Field:
    infno, way, node, official, label, kind, needed, ours, source = row
    must = needed == "Y"
    return Field(infno, way, node, official, label, kind, must, ours, source)


@cache
def nodes(infno: str, way: str) -> Mapping[str, Mapping[str, Field]]:
    """Return the nodes of a transaction, each with its fields by official name."""
    found: dict[str, dict[str, Field]] = {}
    for field in fields():
        if (field.infno, field.way) == (infno, way):
            found.setdefault(field.node, {})[field.official] = field
    return found


def misfits(
    infno: str, way: str, message: Mapping[str, Json], *, strict: bool = True
) -> Iterator[str]:
    """Name what of *message* does not fit the table: ``node.field`` and what is wrong.

    Args:
        infno: Which transaction.
        way: ``ASKED`` or ``ANSWERED``.
        message: Its nodes, ``input`` or ``output``; of one without a node its fields.
        strict: A field that the table does not have is a misfit too.
    """
    known = nodes(infno, way)
    given: Mapping[str, Json] = {"": dict(message)} if "" in known else message
    for name, node in given.items():
        if name not in known:
            if strict:
                yield f"{name} is no node of {infno}"
            continue
        for row in node if isinstance(node, list) else [node]:
            yield from _of_node(name, row, known[name], strict=strict)


def _of_node(
    name: str, row: Json, known: Mapping[str, Field], *, strict: bool
) -> Iterator[str]:
    if not isinstance(row, Mapping):
        yield f"{name} is no node of fields"
        return
    for official, field in known.items():
        if field.needed and row.get(official) in (None, ""):
            yield f"{name}.{official} is missing"
    for official, value in row.items():
        if official in known:
            wrong = _wrong(known[official], value)
            if wrong:
                yield f"{name}.{official} {wrong}"
        elif strict:
            yield f"{name}.{official} is no field of it"


def _wrong(field: Field, value: Json) -> str:
    """Say what is wrong with a value; empty if nothing. Null and "" say nothing."""
    if value is None or value == "" or isinstance(value, list | dict):
        return ""
    text = str(value)
    kind, size, decimals = _parts(field.type)
    match kind:
        case "C" if size and len(text) > size:
            return f"has {len(text)} characters and {size} fit"
        case "N":
            return _wrong_number(text, size, decimals)
        case "D" if _DAY.fullmatch(text) is None:
            return "is no day"
        case "DT" if _INSTANT.fullmatch(text) is None:
            return "is no instant"
        case _:
            return ""


def _wrong_number(text: str, size: int, decimals: int) -> str:
    found = _NUMBER.fullmatch(text)
    if found is None:
        return "is no number"
    # 25.10 and 25.1000 are one number; what counts is what the zeros hide.
    after = (found[2] or "").rstrip("0")
    if len(after) > decimals or len(found[1].lstrip("0")) > size - decimals:
        return f"has more digits than {size},{decimals}"
    return ""


@cache
def _parts(kind: str) -> tuple[str, int, int]:
    found = _TYPE.fullmatch(kind)
    if found is None:
        msg = f"{kind} is no type of the interface"
        raise AssertionError(msg)
    return found[1], int(found[2] or 0), int(found[3] or 0)
