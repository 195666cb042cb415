"""The terminal's settings: defaults, a TOML file, the environment; checked once.

A setting ``server.port`` is ``port`` under ``[server]`` in the file and
``TERMINAL_SERVER_PORT`` in the environment, which wins. With neither file nor
environment the terminal is a demonstration. ``config/default.toml`` describes each.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from config.errors import SettingsError
from config.toml_table import Table, read
from settlement.claim import Tier

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

PREFIX = "TERMINAL_"
CONFIG_VARIABLE = "TERMINAL_CONFIG"
ROOT = Path(__file__).resolve().parent.parent

DEMO_INSTITUTION = "H99010000001"
DEMO_REGION = "230800"
MASK = "********"
MAX_PORT = 65_535
MAX_WAIT_S = 300
MAX_STREAMS = 64
MAX_TERMINAL_NO = 9

_DEFAULT = "default"
_ENVIRONMENT = "the environment"
_UNKNOWN = "unknown setting"
_SECTIONS = ("server", "site", "centre", "reader", "pin", "policy", "tokens")
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)
_REGION = re.compile(r"\d{6}", re.ASCII)
_INSTITUTION = re.compile(r"[A-Z]\d{11}", re.ASCII)


class Mode(StrEnum):
    """Whether money is real."""

    DEMONSTRATION = "demonstration"
    PRODUCTION = "production"


class ReaderLink(StrEnum):
    """Where cards are read."""

    EMULATOR = "emulator"
    PCSC = "pcsc"


class OnDifference(StrEnum):
    """What to do when the centre's split differs from ours."""

    ASK = "ask"
    STOP = "stop"
    ACCEPT = "accept"


class OnNotFound(StrEnum):
    """What to do when the centre knows nothing of what was sent."""

    REVERSE = "reverse"
    ASK = "ask"


class Language(StrEnum):
    """Of the pages, until the switch is used."""

    ZH = "zh"
    EN = "en"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """``[server]``: where the daemon listens and to whom."""

    host: str
    port: int  #: 0 takes any free one
    beyond_loopback: bool  #: in a container, whose own network is the fence
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    max_streams: int


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """``[site]``: where the terminal stands."""

    institution_code: str  #: 定点医药机构编号
    institution_name: str
    region: str  #: 就医地医保区划
    tier: Tier  #: of the hospital
    terminal_no: int  #: among the institution's terminals, 0 to 9; part of every msgid
    timezone: dt.tzinfo


@dataclass(frozen=True, slots=True)
class CentreSettings:
    """``[centre]``: the central ledger."""

    url: str  #: empty: the reference centre, started and supervised
    port: int  #: of the reference centre; 0 takes any free one
    access_key: str
    secret_key: str = field(repr=False)
    connect_timeout_s: int
    read_timeout_s: int

    @property
    def embedded(self) -> bool:
        """Say whether the terminal starts the reference centre itself."""
        return not self.url


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """``[reader]``: the card reader."""

    link: ReaderLink
    pcsc_reader: str  #: part of the reader's name; empty: the first one


@dataclass(frozen=True, slots=True)
class PinSettings:
    """``[pin]``: where the holder types."""

    host_keyboard: bool


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """``[policy]``: what the site decided."""

    on_difference: OnDifference
    on_not_found: OnNotFound


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


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a site sets up."""

    mode: Mode
    language: Language
    data_dir: Path
    packs_folder: Path
    catalogue_file: Path
    cards_folder: Path
    bills_folder: Path
    server: ServerSettings
    site: SiteSettings
    centre: CentreSettings
    reader: ReaderSettings
    pin: PinSettings
    policy: PolicySettings
    tokens: Mapping[str, str]  #: integration -> SHA-256 of its bearer token, hex
    config_file: Path | None  #: where the file was, for a child process
    effective: tuple[Effective, ...] = field(repr=False, compare=False)

    @property
    def demonstration(self) -> bool:
        """Say whether this is the demonstration."""
        return self.mode is Mode.DEMONSTRATION

    @property
    def journal_file(self) -> Path:
        """Where the terminal's own record lies."""
        return self.data_dir / "journal.db"

    @property
    def journal_key_file(self) -> Path:
        """Where the key of its sealed fields lies; keep a copy elsewhere."""
        return self.data_dir / "journal.key"

    @property
    def centre_db_url(self) -> str:
        """Where the reference centre's book is, as SQLAlchemy writes it."""
        return f"sqlite:///{self.data_dir / 'centre.db'}"

    @property
    def centre_keys_file(self) -> Path:
        """Where the reference centre's pair of keys lies."""
        return self.data_dir / "centre.keys"

    @property
    def pos_token_file(self) -> Path:
        """Where the demonstration keeps its integration's token."""
        return self.data_dir / "pos.token"

    def describe(self) -> str:
        """Print every setting, its value and its origin; secrets are masked."""
        width = max(len(row.key) for row in self.effective)
        return "\n".join(
            f"{row.key:<{width}} = {row.shown}  ({row.origin})"
            for row in self.effective
        )


def variable(key: str) -> str:
    """Name the environment variable of *key*.

    >>> variable("server.port")
    'TERMINAL_SERVER_PORT'
    """
    return PREFIX + key.replace(".", "_").upper()


def load_settings(
    path: Path | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Load the settings: *environ* over the file over the defaults.

    Args:
        path: the TOML file; None takes the one ``TERMINAL_CONFIG`` names, if any.
        environ: None takes the process's environment.

    Raises:
        SettingsError: names the file or variable and the first key that is unknown,
            missing, or not what it must be.
    """
    environ = os.environ if environ is None else environ
    if path is None and environ.get(CONFIG_VARIABLE):
        path = Path(environ[CONFIG_VARIABLE])
    taker = _Taker(path, environ)
    settings = _settings(taker)
    taker.finish()
    if settings.demonstration:
        _check_demonstration(taker, settings)
    else:
        _check_production(taker, settings)
    return settings


def _settings(take: _Taker) -> Settings:
    mode = take.mode()
    demo = mode is Mode.DEMONSTRATION
    return Settings(
        mode=mode,
        language=take.word("language", Language.ZH),
        data_dir=take.path("data_dir", "var/demo" if demo else "var"),
        packs_folder=take.path("packs_folder", "config/packs"),
        catalogue_file=take.path("catalogue_file", "config/catalogue/sample.toml"),
        cards_folder=take.path("cards_folder", "config/cards"),
        bills_folder=take.path("bills_folder", "config/bills"),
        server=ServerSettings(
            host=take.text("server.host", "127.0.0.1"),
            port=take.whole("server.port", 8620, 0, MAX_PORT),
            beyond_loopback=take.flag("server.beyond_loopback", default=False),
            allowed_hosts=take.words("server.allowed_hosts"),
            allowed_origins=take.words("server.allowed_origins"),
            max_streams=take.whole("server.max_streams", 8, 1, MAX_STREAMS),
        ),
        site=SiteSettings(
            institution_code=take.matching(
                "site.institution_code",
                DEMO_INSTITUTION,
                _INSTITUTION,
                "a letter and 11 digits",
            ),
            institution_name=take.text("site.institution_name", "示例医院（演示）"),
            region=take.matching("site.region", DEMO_REGION, _REGION, "six digits"),
            tier=take.word("site.tier", Tier.TERTIARY),
            terminal_no=take.whole("site.terminal_no", 0, 0, MAX_TERMINAL_NO),
            timezone=take.timezone("site.timezone", "Asia/Shanghai"),
        ),
        centre=CentreSettings(
            url=take.url("centre.url"),
            port=take.whole("centre.port", 8621, 0, MAX_PORT),
            access_key=take.text("centre.access_key", ""),
            secret_key=take.secret("centre.secret_key"),
            connect_timeout_s=take.whole("centre.connect_timeout_s", 3, 1, MAX_WAIT_S),
            read_timeout_s=take.whole("centre.read_timeout_s", 8, 1, MAX_WAIT_S),
        ),
        reader=ReaderSettings(
            link=take.word(
                "reader.link", ReaderLink.EMULATOR if demo else ReaderLink.PCSC
            ),
            pcsc_reader=take.text("reader.pcsc_reader", ""),
        ),
        pin=PinSettings(host_keyboard=take.flag("pin.host_keyboard", default=demo)),
        policy=PolicySettings(
            on_difference=take.word("policy.on_difference", OnDifference.ASK),
            on_not_found=take.word("policy.on_not_found", OnNotFound.REVERSE),
        ),
        tokens=take.tokens(),
        config_file=take.path_of_file,
        effective=tuple(take.effective),
    )


def _check_demonstration(take: _Taker, settings: Settings) -> None:
    """Keep play money away from a real centre."""
    host = urlsplit(settings.centre.url).hostname
    if host is not None and not _is_loopback(host):
        take.refuse(
            "centre.url",
            "a demonstration talks to a centre on this machine only; "
            "for a real one set mode to production",
        )


def _check_production(take: _Taker, settings: Settings) -> None:
    """Refuse what only a demonstration may leave out or use."""
    for key, value in (
        ("centre.url", settings.centre.url),
        ("centre.access_key", settings.centre.access_key),
        ("centre.secret_key", settings.centre.secret_key),
    ):
        if not value:
            take.refuse(key, "is missing; production has no default for it")
    for key in ("site.institution_code", "site.institution_name", "site.region"):
        if take.origin(key) == _DEFAULT:
            take.refuse(key, "is missing; production has no default for it")
    if settings.reader.link is ReaderLink.EMULATOR:
        take.refuse("reader.link", "emulated cards are for the demonstration only")
    if settings.pin.host_keyboard:
        take.refuse(
            "pin.host_keyboard", "a PIN on this keyboard is for the demonstration only"
        )


class _Taker:
    """Takes each setting from the environment, the file or its default."""

    def __init__(self, path: Path | None, environ: Mapping[str, str]) -> None:
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
        starts = tuple(variable(section) + "_" for section in _SECTIONS)
        for name in self._environ:
            # TERMINAL_EMULATOR and the like are other programs'.
            if name.startswith(starts) and name not in self._known:
                raise SettingsError(_ENVIRONMENT, name, _UNKNOWN)

    # -- one method per type; each takes the file's value even if it is overruled --

    def mode(self) -> Mode:
        """Take the mode; a file must say which, an empty desk is a demonstration."""
        said = self._in_file("mode") or variable("mode") in self._environ
        if self._path is not None and not said:
            self.refuse("mode", "is missing; say demonstration or production")
        return self.word("mode", Mode.DEMONSTRATION)

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
        return ROOT / self.text(key, default)

    def timezone(self, key: str, default: str) -> dt.tzinfo:
        """Take a time zone by its name."""
        name = self.text(key, default)
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            self.refuse(key, f"{name!r} is no time zone such as Asia/Shanghai")

    def words(self, key: str) -> tuple[str, ...]:
        """Take a list of texts; in the environment they stand between commas."""
        table, name = self._at(key)
        in_file = table.texts(name) if table.has(name) else None
        in_environment = self._variable(key)
        said = None if in_environment is None else _between_commas(in_environment)
        return self._note(key, said, in_file, ())

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

    def _in_file(self, key: str) -> bool:
        table, name = self._at(key)
        return table.has(name)

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
        return f"file {self._path}" if in_file else _DEFAULT

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


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
