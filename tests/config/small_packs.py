"""Tiny packs in a language of their own, signed with keys made here.

The store and the file's format do not know what a pack says, so their tests do not
depend on it either.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from config.pack_archive import CASES, PACK, SOURCE, make_archive, public_bytes
from config.pack_store import Language, PackStore
from config.settings import PackSettings
from settlement.errors import PackError
from settlement.split import PackId

OFFICE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
SITE = PackSettings({"office": public_bytes(OFFICE)}, {}, ("2308",))
NAME = "city/resident"


@dataclass(frozen=True)
class SmallPack:
    """What the store asks of a pack, and one text."""

    id: PackId
    region: str
    since: dt.date
    text: str


def read(data: bytes, name: str, _under: bytes | None) -> SmallPack:
    """Read a small pack; its days must follow one another."""
    head = tomllib.loads(data.decode())
    days = head["days"]
    for one, other in pairwise(days):
        if other != one + 1:
            problem = f"a gap: nothing holds on {one + 1}"
            raise PackError(name, "days", problem)
    digest = hashlib.sha256(data).hexdigest()
    return SmallPack(
        PackId(name, head["version"], digest, verified=True),
        head["region"],
        dt.date(2020, 1, days[0]),
        head["text"],
    )


def check_apart(packs: tuple[SmallPack, ...]) -> None:
    """Refuse two packs with one text."""
    for one, other in pairwise(sorted(packs, key=lambda pack: pack.text)):
        if one.text == other.text:
            raise PackError(one.id.name, "text", f"overlaps {other.id.name}")


def exam(pack: SmallPack, cases: bytes) -> tuple[str, ...]:
    """Expect the pack's text."""
    return () if cases.decode() in {"", pack.text} else (f"{pack.text} came out",)


def text_of(version: int, *, region: str = "230800", days: str = "[1, 2]") -> bytes:
    """Write a small pack."""
    return (
        f'version = {version}\nregion = "{region}"\n'
        f'days = {days}\ntext = "text {version}"\n'
    ).encode()


def archive(  # noqa: PLR0913 - what a test may want otherwise
    version: int,
    *,
    name: str = NAME,
    region: str = "230800",
    days: str = "[1, 2]",
    cases: bytes = b"",
    key: Ed25519PrivateKey = OFFICE,
) -> bytes:
    """Make a small pack's file."""
    return make_archive(
        {
            PACK: text_of(version, region=region, days=days),
            CASES: cases,
            SOURCE: b"# Source\n",
        },
        name=name,
        version=version,
        region=region,
        key=key,
    )


def store_at(
    folder: Path,
    *,
    site: PackSettings = SITE,
    built_in: tuple[SmallPack, ...] = (),
) -> PackStore[SmallPack]:
    """Open a store of small packs."""
    return PackStore(folder, site, built_in, Language(read, check_apart))
