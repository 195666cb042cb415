"""Card profiles and the demonstration's deck: TOML in, the reader's types out."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, TypeVar

from reader.emulator.deck import CardSpec
from reader.errors import ProfileError
from reader.profile import CardFile, Coding, Element, Key, Profile, Sensitivity

T = TypeVar("T")

DECK = "demo_deck.toml"


def load_profiles(folder: Path) -> tuple[Profile, ...]:
    """Load every generation in *folder*, the newest first.

    Raises:
        ProfileError: names file and key of the first thing wrong.
    """
    files = sorted(folder.glob("v*.toml"), reverse=True)
    if not files:
        raise ProfileError(folder.name, "v*.toml", "no card profile is there")
    return tuple(_profile(path) for path in files)


def load_deck(folder: Path) -> tuple[CardSpec, ...]:
    """Load the demonstration's cards.

    Raises:
        ProfileError: names file and key of the first thing wrong.
    """
    path = folder / DECK
    table = _Table(path.name, "", _read(path))
    cards = tuple(_card(row) for row in table.tables("card"))
    table.finish()
    return cards


class _Table:
    """A TOML table whose keys are taken once; the rest are unknown."""

    def __init__(self, file: str, where: str, data: Mapping[str, object]) -> None:
        self._file = file
        self._where = where
        self._data = dict(data)

    def take(self, key: str, kind: type[T]) -> T:
        """Take a value of one type; a number written with a point is none."""
        value = self._data.pop(key, None)
        if type(value) is not kind or not isinstance(value, kind):
            self.refuse(key, f"must be {kind.__name__}")
        return value

    def flag(self, key: str) -> bool:
        """Take a boolean, false if it is not there."""
        return self.take(key, bool) if key in self._data else False

    def refuse(self, key: str, problem: str) -> NoReturn:
        """Raise the file's error for *key*."""
        raise ProfileError(self._file, f"{self._where}{key}", problem)

    def tables(self, key: str) -> list[_Table]:
        """Take an array of tables."""
        rows = self._data.pop(key, None)
        if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
            self.refuse(key, "must be an array of tables")
        return [
            _Table(self._file, f"{self._where}{key}[{number}].", row)
            for number, row in enumerate(rows)
        ]

    def named(self, key: str) -> dict[str, _Table]:
        """Take a table of tables."""
        found = self._data.pop(key, None)
        if not isinstance(found, dict):
            self.refuse(key, "must be a table")
        return {
            name: _Table(self._file, f"{self._where}{key}.{name}.", data)
            for name, data in found.items()
        }

    def finish(self) -> None:
        """Refuse what nobody asked for."""
        for key in self._data:
            self.refuse(key, "unknown key")


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(path.name, "", "is not readable as TOML") from error


def _profile(path: Path) -> Profile:
    table = _Table(path.name, "", _read(path))
    keys = {name: _key(name, row) for name, row in table.named("key").items()}
    files = {name: _file(name, row) for name, row in table.named("file").items()}
    profile = Profile(
        name=path.stem,
        spec_prefix=table.take("spec_prefix", str),
        environment=bytes.fromhex(table.take("environment", str)),
        default_algorithm=table.take("default_algorithm", int),
        province_suffix=table.take("province_suffix", str),
        city_suffix=table.take("city_suffix", str),
        files=files,
        keys=keys,
    )
    table.finish()
    for file in files.values():
        for name in frozenset().union(*file.read):
            if name != "pin" and name not in keys:
                table.refuse(f"file.{file.name}.read", f"no key {name}")
    return profile


def _key(name: str, row: _Table) -> Key:
    key = Key(name, row.take("card_id", int), row.take("levels", int))
    row.finish()
    return key


def _file(name: str, row: _Table) -> CardFile:
    conditions = row.take("read", list)
    read = tuple(
        frozenset(part.strip() for part in str(text).split("&"))
        for text in conditions
        if text != "free"
    )
    file = CardFile(
        name=name,
        application=row.take("application", str),
        fid=row.take("fid", int),
        read=read,
        elements=tuple(_element(item) for item in row.tables("element")),
        source=row.take("source", str),
    )
    row.finish()
    return file


def _element(row: _Table) -> Element:
    element = Element(
        name=row.take("name", str),
        label=row.take("label", str),
        tag=row.take("tag", int),
        coding=Coding(row.take("coding", str)),
        width=row.take("width", int),
        sensitivity=Sensitivity(row.take("sensitivity", str)),
        optional=row.flag("optional"),
    )
    row.finish()
    return element


def _card(row: _Table) -> CardSpec:
    spec = CardSpec(
        card_id=row.take("id", str),
        label=row.take("label", str),
        generation=row.take("generation", str),
        card_no=row.take("card_no", str),
        card_serial=row.take("card_serial", str),
        person_cert_no=row.take("person_cert_no", str),
        name=row.take("name", str),
        sex=row.take("sex", str),
        birth_date=row.take("birth_date", dt.date),
        issued_on=row.take("issued_on", dt.date),
        valid_until=row.take("valid_until", dt.date),
        pin=row.take("pin", str),
        tries=row.take("tries", int),
        damaged=row.take("damaged", str),
    )
    row.finish()
    return spec
