"""A TOML table that refuses by name: every key is taken once or it is unknown."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import StrEnum
from fractions import Fraction
from typing import NoReturn, TypeVar, cast

from settlement.money import Money, exact

E = TypeVar("E", bound=StrEnum)
Refusal = Callable[[str, str], Exception]  #: (key, problem) to the error to raise


_WHOLE_FILE = ""


class _Inexact:
    """A TOML number with a point: binary on the way, so refused where it stands."""


def read(data: bytes, refusal: Refusal) -> Table:
    """Read a whole TOML file.

    Raises:
        Exception: what *refusal* makes, for bytes that are not TOML.
    """
    try:
        text = data.decode("utf-8-sig")  # some editors write the mark in front
        found = tomllib.loads(text, parse_float=lambda _: _Inexact())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = f"not readable as TOML ({error})"
        raise refusal(_WHOLE_FILE, problem) from error
    return Table(found, "", refusal)


class Table:
    """One table of a file; ``finish`` refuses the keys nobody asked for."""

    def __init__(self, data: dict[str, object], path: str, refusal: Refusal) -> None:
        self._data = dict(data)
        self._path = path
        self._refusal = refusal

    def over(self, base: Table) -> Table:
        """Lay this table over *base*: tables merge, whatever else replaces."""
        return Table(_laid_over(self._data, base._data), self._path, self._refusal)

    def beside(self, other: Table, overrides: frozenset[str]) -> Table:
        """Lay this table beside *other*: what both state is refused.

        *overrides* names what this table may state in the other's place.
        """
        merged = _beside(self._data, other._data, "", overrides, self._refusal)
        return Table(merged, self._path, self._refusal)

    def peek(self, key: str) -> dict[str, object]:
        """Look at a table without taking it; an empty one if it is not there."""
        value = self._data.get(key)
        return cast("dict[str, object]", value) if isinstance(value, dict) else {}

    def skip(self, key: str) -> None:
        """Take a key whose value somebody else has read."""
        self._take(key)

    def refuse(self, key: str, problem: str) -> NoReturn:
        """Raise the file's error for *key* of this table."""
        raise self._refusal(self.at(key), problem)

    def at(self, key: str) -> str:
        """Name *key* from the top of the file."""
        return f"{self._path}.{key}".strip(".")

    def has(self, key: str) -> bool:
        """Say whether *key* is there and not taken yet."""
        return key in self._data

    def names(self) -> tuple[str, ...]:
        """List the keys not taken yet."""
        return tuple(self._data)

    def finish(self) -> None:
        """Refuse whatever was not taken."""
        for key in self._data:
            self.refuse(key, "unknown key")

    def text(self, key: str, *, empty: bool = False) -> str:
        """Take a string."""
        value = self._take(key)
        if not isinstance(value, str) or not (value or empty):
            self.refuse(key, "must be a string with words in it")
        return value

    def whole(self, key: str) -> int:
        """Take a whole number."""
        value = self._take(key)
        if type(value) is not int:
            self.refuse(key, "must be a whole number")
        return value

    def flag(self, key: str) -> bool:
        """Take true or false."""
        value = self._take(key)
        if not isinstance(value, bool):
            self.refuse(key, "must be true or false")
        return value

    def day(self, key: str) -> dt.date:
        """Take a date; as text too, since JSON has no dates."""
        value = self._take(key)
        if isinstance(value, str):
            with suppress(ValueError):
                return dt.date.fromisoformat(value)
        if type(value) is not dt.date:
            self.refuse(key, "must be a date such as 2018-01-01")
        return value

    def amount(self, key: str) -> Money:
        """Take an amount in yuan that is not negative, written as a string."""
        text = self.text(key)
        try:
            amount = Money.yuan(text)
        except ValueError as error:
            self.refuse(key, str(error))
        if amount < Money.ZERO:
            self.refuse(key, "must not be negative")
        return amount

    def number(self, key: str) -> Fraction:
        """Take an exact number that is not negative, written as a string."""
        text = self.text(key)
        try:
            number = exact(text)
        except ValueError as error:
            self.refuse(key, str(error))
        if number < 0:
            self.refuse(key, "must not be negative")
        return number

    def signed(self, key: str) -> Fraction:
        """Take an exact number of either sign, written as a string."""
        text = self.text(key)
        try:
            return exact(text)
        except ValueError as error:
            self.refuse(key, str(error))

    def ratio(self, key: str) -> Fraction:
        """Take a ratio between 0 and 1, written as a string."""
        ratio = self.number(key)
        if ratio > 1:
            self.refuse(key, "must be a ratio between 0 and 1 such as '0.65'")
        return ratio

    def word(self, key: str, words: type[E]) -> E:
        """Take one word of a closed list."""
        return self._word(key, self.text(key), words)

    def words(self, key: str, words: type[E]) -> frozenset[E]:
        """Take a list of words of a closed list, each once."""
        value = self._take(key)
        if not isinstance(value, list):
            self.refuse(key, "must be a list of words")
        items = cast("list[object]", value)
        found = [self._word(key, item, words) for item in items]
        if len(set(found)) != len(found):
            self.refuse(key, "names a word twice")
        return frozenset(found)

    def texts(self, key: str, *, empty: bool = False) -> tuple[str, ...]:
        """Take a list of strings."""
        value = self._take(key)
        items = cast("list[object]", value) if isinstance(value, list) else [None]
        texts = tuple(i for i in items if isinstance(i, str) and (i or empty))
        if len(texts) != len(items):
            self.refuse(key, "must be a list of strings with words in them")
        return texts

    def table(self, key: str) -> Table:
        """Take a table."""
        value = self._take(key)
        if not isinstance(value, dict):
            self.refuse(key, "must be a table")
        return Table(cast("dict[str, object]", value), self.at(key), self._refusal)

    def rows(self, key: str) -> Iterator[Table]:
        """Take a list of tables with at least one row."""
        value = self._take(key)
        if not isinstance(value, list) or not value:
            self.refuse(key, "must be a list of tables with at least one row")
        for number, row in enumerate(cast("list[object]", value)):
            name = f"{self.at(key)}[{number}]"
            if not isinstance(row, dict):
                raise self._refusal(name, "must be a table")
            yield Table(cast("dict[str, object]", row), name, self._refusal)

    def _take(self, key: str) -> object:
        if key not in self._data:
            self.refuse(key, "is missing")
        value = self._data.pop(key)
        if isinstance(value, _Inexact):
            self.refuse(key, "a number with a point; write it as a string")
        return value

    def _word(self, key: str, value: object, words: type[E]) -> E:
        try:
            return words(str(value))
        except ValueError:
            known = ", ".join(word.value for word in words)
            self.refuse(key, f"{value!r} is not one of {known}")


_HEADER = re.compile(r"\s*\[(\[)?\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"\s*([\w.@\"-]+)\s*=")


def line_of(text: str, key: str) -> int:
    r"""Find the line on which *key* of a TOML text stands, its table's otherwise; or 0.

    *key* is written as `Table.at` does: ``fund.inpatient.bands[2].since``.

    >>> line_of("[a]\nb = 1\n[[c]]\nd = 2\n[[c]]\nd = 3", "c[1].d")
    6
    """
    table, found = "", 0
    counted: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header is not None:
            table = header[2].replace('"', "")
            if header[1]:
                counted[table] = counted.get(table, -1) + 1
                table = f"{table}[{counted[table]}]"
            if key == table:
                return number
            if key.startswith((f"{table}.", f"{table}[")):
                found = number
            continue
        entry = _KEY.match(line)
        if entry is not None:
            name = f"{table}.{entry[1]}".strip(".").replace('"', "")
            if key == name:
                return number
            if key.startswith((f"{name}.", f"{name}[")):
                found = number
    return found


def _beside(
    upper: dict[str, object],
    lower: dict[str, object],
    path: str,
    overrides: frozenset[str],
    refusal: Refusal,
) -> dict[str, object]:
    merged = dict(lower)
    for key, value in upper.items():
        at = f"{path}.{key}".strip(".")
        below = merged.get(key)
        if below is None or at in overrides:
            merged[key] = value
        elif isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _beside(value, below, at, overrides, refusal)
        else:
            problem = "both the pack and what it extends state it; name it in overrides"
            raise refusal(at, problem)
    return merged


def _laid_over(upper: dict[str, object], lower: dict[str, object]) -> dict[str, object]:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            value = _laid_over(value, below)  # noqa: PLW2901 - what is stored
        merged[key] = value
    return merged
