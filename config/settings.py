"""The terminal's settings: defaults, a TOML file, the environment; checked once.

A setting ``server.port`` is ``port`` under ``[server]`` in the file and
``TERMINAL_SERVER_PORT`` in the environment, which wins. With neither file nor
environment the terminal is a demonstration. ``config/default.toml`` describes each.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from config.card_settings import (
    KeySettings,
    PinSettings,
    ReaderSettings,
    check_cards,
    check_production_cards,
    take_keys,
    take_pin,
    take_reader,
)
from config.credentials import CredentialSettings, take_credentials
from config.provinces import REFERENCE
from config.taker import CONFIG_VARIABLE, DEFAULT, Effective, Taker
from settlement.claim import Tier
from settlement.outer_key import KeySourceName

ROOT = Path(__file__).resolve().parent.parent

DEMO_INSTITUTION = "H99010000001"
DEMO_REGION = "230800"
MAX_PORT = 65_535
MAX_WAIT_S = 300
MAX_STREAMS = 64
MAX_TERMINAL_NO = 9

_SECTIONS = (
    *("server", "site", "centre", "reader", "keys", "pin"),
    *("journal", "credentials", "policy", "packs", "tokens"),
)
_REGION_BEGIN = re.compile(r"\d{2,6}", re.ASCII)
_PUBLIC_KEY_BYTES = 32
_REGION = re.compile(r"\d{6}", re.ASCII)
_INSTITUTION = re.compile(r"[A-Z]\d{11}", re.ASCII)


class Mode(StrEnum):
    """Whether money is real."""

    DEMONSTRATION = "demonstration"
    PRODUCTION = "production"


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
    driver_callers: tuple[str, ...]  #: names in [tokens] that read whole card data


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
    connect_timeout_s: int  #: 0: as the province's profile says
    read_timeout_s: int  #: 0: as the province's profile says
    province: str  #: which profile of config/provinces the centre has
    ca_file: str  #: who may vouch for its certificate, PEM; empty: the system's

    @property
    def embedded(self) -> bool:
        """Say whether the terminal starts the reference centre itself."""
        return not self.url


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """``[policy]``: what the site decided."""

    on_difference: OnDifference
    on_not_found: OnNotFound


@dataclass(frozen=True, slots=True)
class PackSettings:
    """``[packs]``: which signed policy packs the site takes."""

    keys: Mapping[str, bytes]  #: signer -> public key (Ed25519), 32 bytes
    retired_keys: Mapping[str, bytes]  #: what they signed is read, not installed
    regions: tuple[str, ...]  #: beginnings of regions; empty: every region


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """``[journal]``: where the key around the journal's keys is kept."""

    key_source: KeySourceName
    hsm_module: str  #: path of the vendor's library
    hsm_token: str  #: label of the token
    hsm_pin: str = field(repr=False)


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
    keys: KeySettings
    pin: PinSettings
    journal: JournalSettings
    credentials: CredentialSettings
    policy: PolicySettings
    packs: PackSettings
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
    def installed_packs_folder(self) -> Path:
        """Where the packs lie that were installed beside the built-in ones."""
        return self.data_dir / "packs"

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
    taker = Taker(path, environ, root=ROOT, sections=_SECTIONS)
    settings = _settings(taker)
    taker.finish()
    check_cards(taker, settings.reader, settings.keys, settings.pin)
    for name in settings.server.driver_callers:
        if name not in settings.tokens:
            taker.refuse("server.driver_callers", f"{name!r} has no token in [tokens]")
    if settings.demonstration:
        _check_demonstration(taker, settings)
    else:
        _check_production(taker, settings)
    return settings


def _settings(take: Taker) -> Settings:
    mode = _mode(take)
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
            driver_callers=take.words("server.driver_callers"),
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
            connect_timeout_s=take.whole("centre.connect_timeout_s", 0, 0, MAX_WAIT_S),
            read_timeout_s=take.whole("centre.read_timeout_s", 0, 0, MAX_WAIT_S),
            province=take.text("centre.province", REFERENCE),
            ca_file=take.text("centre.ca_file", ""),
        ),
        reader=(reader := take_reader(take, demonstration=demo)),
        keys=take_keys(take, reader, demonstration=demo),
        pin=take_pin(take, demonstration=demo),
        journal=_journal(take),
        credentials=take_credentials(take, demonstration=demo),
        policy=PolicySettings(
            on_difference=take.word("policy.on_difference", OnDifference.ASK),
            on_not_found=take.word("policy.on_not_found", OnNotFound.REVERSE),
        ),
        packs=PackSettings(
            keys=_public_keys(take, "packs.keys"),
            retired_keys=_public_keys(take, "packs.retired_keys"),
            regions=take.matching_words(
                "packs.regions", _REGION_BEGIN, "two to six digits"
            ),
        ),
        tokens=take.tokens(),
        config_file=take.path_of_file,
        effective=tuple(take.effective),
    )


def _journal(take: Taker) -> JournalSettings:
    found = JournalSettings(
        key_source=take.word("journal.key_source", KeySourceName.FILE),
        hsm_module=take.text("journal.hsm_module", ""),
        hsm_token=take.text("journal.hsm_token", ""),
        hsm_pin=take.secret("journal.hsm_pin"),
    )
    if found.key_source is KeySourceName.PKCS11:
        for name in ("hsm_module", "hsm_token", "hsm_pin"):
            if not getattr(found, name):
                problem = "is missing; journal.key_source is pkcs11"
                take.refuse(f"journal.{name}", problem)
    return found


def _public_keys(take: Taker, key: str) -> Mapping[str, bytes]:
    """Take public keys by their names, each 32 bytes in base64."""
    found: dict[str, bytes] = {}
    for name, text in take.pairs(key).items():
        try:
            found[name] = base64.b64decode(text, validate=True)
        except binascii.Error:
            found[name] = b""
        if len(found[name]) != _PUBLIC_KEY_BYTES:
            take.refuse(key, f"{name!r} needs the line that `packs keygen` printed")
    return MappingProxyType(found)


def _mode(take: Taker) -> Mode:
    """Take the mode; a file must say which, an empty desk is a demonstration."""
    if take.path_of_file is not None and not take.said("mode"):
        take.refuse("mode", "is missing; say demonstration or production")
    return take.word("mode", Mode.DEMONSTRATION)


def _check_demonstration(take: Taker, settings: Settings) -> None:
    """Keep play money away from a real centre."""
    host = urlsplit(settings.centre.url).hostname
    if host is not None and not _is_loopback(host):
        take.refuse(
            "centre.url",
            "a demonstration talks to a centre on this machine only; "
            "for a real one set mode to production",
        )


def _check_production(take: Taker, settings: Settings) -> None:
    """Refuse what only a demonstration may leave out or use."""
    for key, value in (
        ("centre.url", settings.centre.url),
        ("centre.access_key", settings.centre.access_key),
        ("centre.secret_key", settings.centre.secret_key),
    ):
        if not value:
            take.refuse(key, "is missing; production has no default for it")
    for key in ("site.institution_code", "site.institution_name", "site.region"):
        if take.origin(key) == DEFAULT:
            take.refuse(key, "is missing; production has no default for it")
    check_production_cards(take, settings.reader, settings.keys)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
