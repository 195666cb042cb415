"""Card profiles and the demonstration's deck: TOML in, the reader's types out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from config.toml_table import Table, read
from reader.crypto import Algorithm
from reader.emulator.deck import CardSpec
from reader.errors import ProfileError
from reader.profile import (
    ENVIRONMENT,
    CardFile,
    Coding,
    Element,
    Key,
    Profile,
    Sensitivity,
)
from reader.proof import PIN
from reader.session import HOLDER_FILE, ISSUER_FILE

T = TypeVar("T")

DECK = "demo_deck.toml"
_BYTE, _WORD, _LONGEST_RECORD = 0xFF, 0xFFFF, 0xFD
_LEVELS = range(1, 4)
#: What a session cannot do without.
_NEEDED_FILES = (ISSUER_FILE, HOLDER_FILE)
_NEEDED_KEY = "IRK"
_FREE = "free"


def load_profiles(folder: Path) -> tuple[Profile, ...]:
    """Load every generation in *folder*, the newest first.

    Raises:
        ProfileError: names file and key of the first thing wrong.
    """
    files = sorted(folder.glob("v*.toml"), reverse=True)
    if not files:
        raise ProfileError(folder.name, "v*.toml", "no card profile is there")
    return tuple(_profile(path.stem, _open(path)) for path in files)


def load_deck(folder: Path) -> tuple[CardSpec, ...]:
    """Load the demonstration's cards.

    Raises:
        ProfileError: names file and key of the first thing wrong.
    """
    table = _open(folder / DECK)
    cards = tuple(_card(row) for row in table.rows("card"))
    table.finish()
    _refuse_twins(table, "card.id", (card.card_id for card in cards))
    return cards


def _open(path: Path) -> Table:
    whole = "the file"

    def refusal(key: str, problem: str) -> ProfileError:
        return ProfileError(path.name, key or whole, problem)

    try:
        return read(path.read_bytes(), refusal)
    except OSError as error:
        raise refusal(whole, "cannot be opened") from error


def _profile(name: str, table: Table) -> Profile:
    keys = _each(table, "key", _key)
    files = _each(table, "file", _file)
    profile = Profile(
        name=name,
        spec_prefix=table.text("spec_prefix"),
        environment=_hex(table, "environment"),
        default_algorithm=_number(table, "default_algorithm", Algorithm),
        province_suffix=_hex(table, "province_suffix").hex(),
        city_suffix=_hex(table, "city_suffix").hex(),
        files=files,
        keys=keys,
    )
    table.finish()
    for needed in _NEEDED_FILES:
        if needed not in files:
            table.refuse(f"file.{needed}", "is missing")
    if _NEEDED_KEY not in keys:
        table.refuse(f"key.{_NEEDED_KEY}", "is missing")
    for file in files.values():
        for right in frozenset().union(*file.read):
            if right != PIN and right not in keys:
                table.refuse(f"file.{file.name}.read", f"names no key: {right}")
    return profile


def _each(table: Table, key: str, make: Callable[[str, Table], T]) -> dict[str, T]:
    rows = table.table(key)
    return {name: make(name, rows.table(name)) for name in rows.names()}


def _key(name: str, row: Table) -> Key:
    key = Key(
        name,
        _number(row, "card_id", range(_BYTE + 1)),
        _number(row, "levels", _LEVELS),
    )
    row.finish()
    return key


def _file(name: str, row: Table) -> CardFile:
    file = CardFile(
        name=name,
        application=_application(row),
        fid=_number(row, "fid", range(_WORD + 1)),
        read=tuple(
            frozenset(part.strip() for part in text.split("&"))
            for text in row.texts("read")
            if text != _FREE
        ),
        elements=tuple(_element(item) for item in row.rows("element")),
        source=row.text("source"),
    )
    row.finish()
    _refuse_twins(row, "element.tag", (f"{e.tag:02X}" for e in file.elements))
    _refuse_twins(row, "element.name", (element.name for element in file.elements))
    return file


def _application(row: Table) -> str:
    text = row.text("application")
    if text != ENVIRONMENT and not _is_hex(text):
        row.refuse("application", f"must be {ENVIRONMENT} or an AID in hex")
    return text


def _element(row: Table) -> Element:
    element = Element(
        name=row.text("name"),
        label=row.text("label"),
        tag=_number(row, "tag", range(1, _BYTE + 1)),
        coding=row.word("coding", Coding),
        width=_number(row, "width", range(1, _LONGEST_RECORD + 1)),
        sensitivity=row.word("sensitivity", Sensitivity),
        optional=row.has("optional") and row.flag("optional"),
        may_be_longer=row.has("may_be_longer") and row.flag("may_be_longer"),
        codes=frozenset(row.texts("codes") if row.has("codes") else ()),
    )
    row.finish()
    return element


def _card(row: Table) -> CardSpec:
    spec = CardSpec(
        card_id=row.text("id"),
        label=row.text("label"),
        generation=row.text("generation"),
        card_no=row.text("card_no"),
        card_serial=row.text("card_serial"),
        person_cert_no=row.text("person_cert_no"),
        name=row.text("name"),
        sex=row.text("sex"),
        birth_date=row.day("birth_date"),
        issued_on=row.day("issued_on"),
        valid_until=row.day("valid_until"),
        pin=row.text("pin", empty=True),
        tries=row.whole("tries"),
        damaged=row.text("damaged", empty=True),
    )
    row.finish()
    return spec


def _number(row: Table, key: str, allowed: Iterable[int]) -> int:
    value = row.whole(key)
    known = tuple(allowed)
    if value not in known:
        row.refuse(key, f"must lie between {min(known)} and {max(known)}")
    return value


def _hex(row: Table, key: str) -> bytes:
    text = row.text(key)
    if not _is_hex(text):
        row.refuse(key, "must be bytes in hex")
    return bytes.fromhex(text)


def _is_hex(text: str) -> bool:
    try:
        return bool(bytes.fromhex(text))
    except ValueError:
        return False


def _refuse_twins(table: Table, key: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            table.refuse(key, f"{name} stands there twice")
        seen.add(name)
