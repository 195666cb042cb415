"""Takes settings: the environment over the file over the default, each named once."""

from __future__ import annotations

import datetime as dt
import os
import re
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from config.errors import SettingsError
from config.toml_table import Table, read

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

PREFIX = "TERMINAL_"
CONFIG_VARIABLE = "TERMINAL_CONFIG"
MASK = "********"
DEFAULT = "default"

_ENVIRONMENT = "the environment"
_UNKNOWN = "unknown setting"
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting as it holds, and where it came from."""

    key: str
    shown: str  #: secrets masked
    origin: str

    @property
    def variable(self) -> str:
        """Name its environment variable."""
        return variable(self.key)


def variable(key: str) -> str:
    """Name the environment variable of *key*.

    >>> variable("server.port")
    'TERMINAL_SERVER_PORT'
    """
    return PREFIX + key.replace(".", "_").upper()


#: What the log and the scopes call those who bring no token; no integration's names.
OWN_CALLERS = frozenset({"counter", "anonymous"})


class Taker:
    """Takes each setting from the environment, the file or its default."""

    def __init__(
        self,
        path: Path | None,
        environ: Mapping[str, str],
        *,
        root: Path,
        sections: Collection[str],
    ) -> None:
        """Open the file.

        Args:
            path: The TOML file, if any.
            environ: The environment.
            root: Where relative paths start.
            sections: The tables of settings; a variable that begins like one of them
                is a setting or a mistake.

        Raises:
            SettingsError: the file does not read.
        """
        self._root, self._sections = root, sections
        self._path = self.path_of_file = path
        self._environ = environ
        self._known = {CONFIG_VARIABLE}
        self.effective: list[Effective] = []
        self._top = self._read(path)
        self._tables: dict[str, Table] = {}

    def _read(self, path: Path | None) -> Table:
        if path is None:
            return Table({}, "", self._refusal)
        try:
            data = path.read_bytes()
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
            raise SettingsError(str(path), "", problem) from error
        return read(data, self._refusal)

    def _refusal(self, key: str, problem: str) -> SettingsError:
        return SettingsError(str(self._path), key, problem)

    def origin(self, key: str) -> str:
        """Say where *key* came from."""
        return next(row.origin for row in self.effective if row.key == key)

    def refuse(self, key: str, problem: str) -> NoReturn:
        """Refuse the value of *key*, naming where it came from."""
        if self._path is not None and variable(key) not in self._environ:
            raise SettingsError(str(self._path), key, problem)
        raise SettingsError(_ENVIRONMENT, variable(key), problem)

    def finish(self) -> None:
        """Refuse every key and every variable that is no setting."""
        for table in self._tables.values():
            table.finish()
        self._top.finish()
        starts = tuple(variable(section) + "_" for section in self._sections)
        for name in self._environ:
            # TERMINAL_EMULATOR and the like are other programs'.
            if name.startswith(starts) and name not in self._known:
                raise SettingsError(_ENVIRONMENT, name, _UNKNOWN)

    # -- one method per type; each takes the file's value even if it is overruled --

    def said(self, key: str) -> bool:
        """Say whether anybody set *key*."""
        table, name = self._at(key)
        return table.has(name) or variable(key) in self._environ

    def text(self, key: str, default: str) -> str:
        """Take a text, which may be empty."""
        table, name = self._at(key)
        in_file = table.text(name, empty=True) if table.has(name) else None
        return self._note(key, self._variable(key), in_file, default)

    def secret(self, key: str) -> str:
        """Take a secret: none by default, never shown, in a file of its owner only."""
        value = self.text(key, "")
        last = self.effective.pop()
        if value and variable(key) not in self._environ:
            self._check_private(key)
        shown = MASK if value else '""'
        self.effective.append(Effective(key, shown, last.origin))
        return value

    def matching(
        self, key: str, default: str, pattern: re.Pattern[str], what: str
    ) -> str:
        """Take a text of a fixed form."""
        value = self.text(key, default)
        if pattern.fullmatch(value) is None:
            self.refuse(key, f"{value!r} is not {what}")
        return value

    def url(self, key: str) -> str:
        """Take an http(s) address, or nothing."""
        value = self.text(key, "")
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
            self.refuse(key, "must be an address such as https://centre.example")
        if parts.username or parts.password:
            self.refuse(key, "must not hold a password; that is centre.secret_key")
        return value

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        """Take a whole number within its limits."""
        table, name = self._at(key)
        in_file = table.whole(name) if table.has(name) else None
        in_environment = self._variable(key)
        if in_environment is not None and not _is_whole(in_environment):
            self.refuse(key, f"{in_environment!r} is not a whole number")
        number = None if in_environment is None else int(in_environment)
        value = self._note(key, number, in_file, default)
        if not least <= value <= most:
            self.refuse(key, f"must be from {least} to {most}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Take true or false."""
        table, name = self._at(key)
        in_file = table.flag(name) if table.has(name) else None
        in_environment = self._variable(key)
        if in_environment not in {None, "true", "false"}:
            self.refuse(key, "must be true or false")
        said = None if in_environment is None else in_environment == "true"
        return self._note(key, said, in_file, default)

    def word(self, key: str, default: E) -> E:
        """Take one word of a closed list, that of the default's type."""
        table, name = self._at(key)
        words = type(default)
        in_file = table.word(name, words) if table.has(name) else None
        in_environment = self._variable(key)
        if in_environment is None:
            return self._note(key, None, in_file, default)
        known = {word.value: word for word in words}
        if in_environment not in known:
            self.refuse(key, f"{in_environment!r} is not one of {', '.join(known)}")
        return self._note(key, known[in_environment], in_file, default)

    def path(self, key: str, default: str) -> Path:
        """Take a path; a relative one starts where the program stands."""
        return self._root / self.text(key, default)

    def timezone(self, key: str, default: str) -> dt.tzinfo:
        """Take a time zone by its name."""
        name = self.text(key, default)
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            self.refuse(key, f"{name!r} is no time zone such as Asia/Shanghai")

    def words(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Take a list of texts; in the environment they stand between commas."""
        table, name = self._at(key)
        in_file = table.texts(name) if table.has(name) else None
        in_environment = self._variable(key)
        said = None if in_environment is None else _between_commas(in_environment)
        return self._note(key, said, in_file, default)

    def matching_words(
        self,
        key: str,
        pattern: re.Pattern[str],
        what: str,
        default: tuple[str, ...] = (),
    ) -> tuple[str, ...]:
        """Take a list of texts of a fixed form."""
        texts = self.words(key, default)
        for text in texts:
            if pattern.fullmatch(text) is None:
                self.refuse(key, f"{text!r} is not {what}")
        return texts

    def closed_words(self, key: str, default: tuple[E, ...]) -> tuple[E, ...]:
        """Take words of a closed list in their order, each once, one at least."""
        kind = type(default[0])
        known = {word.value: word for word in kind}
        texts = self.words(key, tuple(word.value for word in default))
        for text in texts:
            if text not in known:
                self.refuse(key, f"{text!r} is not one of {', '.join(known)}")
        if not texts or len(set(texts)) != len(texts):
            self.refuse(key, "must name one or more, each once")
        return tuple(known[text] for text in texts)

    def pairs(self, key: str) -> Mapping[str, str]:
        """Take a list of ``name=text``."""
        found: dict[str, str] = {}
        for text in self.words(key):
            name, sign, value = text.partition("=")
            if not (name and sign and value) or name in found:
                self.refuse(key, f"{text!r} must be name=text, each name once")
            found[name] = value
        return MappingProxyType(found)

    def choice(self, key: str, default: str, known: Collection[str]) -> str:
        """Take one of *known* texts."""
        value = self.text(key, default)
        if value not in known:
            self.refuse(key, f"{value!r} is not one of {', '.join(known)}")
        return value

    def file(self, key: str) -> Path | None:
        """Take the path of a file that need not be named."""
        text = self.text(key, "")
        return self._root / text if text else None

    def secret_hex(self, key: str, length: int) -> bytes:
        """Take a secret of *length* bytes in hex, or nothing."""
        text = self.secret(key)
        try:
            value = bytes.fromhex(text)
        except ValueError:
            value = b""
        if text and len(value) != length:
            self.refuse(key, f"must be {length} bytes in hex")
        return value

    def tokens(self) -> Mapping[str, str]:
        """Take ``[tokens]``: the name of each integration and its token's digest."""
        found: dict[str, str] = {}
        if self._top.has("tokens"):
            table = self._top.table("tokens")
            found = {name: table.text(name) for name in table.names()}
        in_environment = self._variable("tokens")
        if in_environment is not None:
            pairs = [pair.partition("=") for pair in _between_commas(in_environment)]
            found = {name: digest for name, _, digest in pairs}
        for name, digest in found.items():
            if not _NAME.fullmatch(name) or not _DIGEST.fullmatch(digest):
                self.refuse(
                    "tokens", f"{name!r} needs the SHA-256 of its token, 64 hex digits"
                )
            if name in OWN_CALLERS:
                self.refuse("tokens", f"{name!r} is the name of our own pages")
        names = ", ".join(found) or "none"
        origin = self._origin(in_environment is not None, in_file=bool(found))
        self.effective.append(Effective("tokens", names, origin))
        return MappingProxyType(found)

    # -- plumbing --

    def _at(self, key: str) -> tuple[Table, str]:
        section, _, name = key.rpartition(".")
        if not section:
            return self._top, name
        if section not in self._tables:
            self._tables[section] = (
                self._top.table(section)
                if self._top.has(section)
                else Table({}, section, self._refusal)
            )
        return self._tables[section], name

    def _variable(self, key: str) -> str | None:
        self._known.add(variable(key))
        return self._environ.get(variable(key))

    def _note(self, key: str, said: T | None, in_file: T | None, default: T) -> T:
        value = said if said is not None else in_file
        origin = self._origin(said is not None, in_file=in_file is not None)
        value = default if value is None else value
        self.effective.append(Effective(key, _shown(value), origin))
        return value

    def _origin(self, in_environment: bool, *, in_file: bool) -> str:  # noqa: FBT001 - reads as a pair
        if in_environment:
            return "environment"
        return f"file {self._path}" if in_file else DEFAULT

    def _check_private(self, key: str) -> None:
        if self._path is None or os.name != "posix":
            return
        if self._path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            self.refuse(key, "others can read this file; chmod 600 it first")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value != "" else '""'


def _is_whole(text: str) -> bool:
    return re.fullmatch(r"\d{1,6}", text, re.ASCII) is not None


def _between_commas(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
