"""Card profiles and the demonstration's deck: TOML in, the reader's types out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeVar

from config.toml_table import Table, read
from reader.crypto import Algorithm
from reader.emulator.deck import CardSpec
from reader.errors import ProfileError
from reader.profile import (
    ENVIRONMENT,
    GENUINE_KEY,
    PIN,
    CardFile,
    Coding,
    Element,
    Key,
    Profile,
    Sensitivity,
    Structure,
)
from reader.recognition import HOLDER_FILE, ISSUER_FILE

T = TypeVar("T")

DECK = "demo_deck.toml"
_BYTE, _WORD, _LONGEST_RECORD = 0xFF, 0xFFFF, 0xFD
_BYTES = range(_BYTE + 1)
_LEVELS = range(1, 4)
_TIMES = range(1, 10)
#: Bits 5-1 of a PSAM's key usage (part 9, appendix B); 7 is encryption.
_USAGES, _ENCRYPTION = range(1, 32), 7
#: What a session cannot do without.
_NEEDED_FILES = (ISSUER_FILE, HOLDER_FILE)
_FREE = "free"


def load_profiles(folder: Path) -> tuple[Profile, ...]:
    """Load every profile in *folder*: provinces first, then the newest generation.

    That is the order in which they are tried for a card.

    Raises:
        ProfileError: names file and key of the first thing wrong.
    """
    # What others extend comes first, so that a mistake is named where it stands.
    generations = sorted(folder.glob("v*.toml"))
    provinces = sorted(folder.glob("province-*.toml"))
    if not generations:
        raise ProfileError(folder.name, "v*.toml", "no card profile is there")
    made = [_profile(path.stem, _inherited(path)) for path in generations]
    local = [_profile(path.stem, _inherited(path)) for path in provinces]
    return (*local, *reversed(made))


def _inherited(path: Path, below: tuple[str, ...] = ()) -> Table:
    """Open a profile and lay it over the one it extends, if any."""
    table = _open(path)
    if not table.has("extends"):
        return table
    base = table.text("extends")
    if base in below or not base.isidentifier():
        table.refuse("extends", "must name a profile that does not extend this one")
    return table.over(_inherited(path.with_name(f"{base}.toml"), (*below, path.stem)))


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
    has_regions = table.has("region_prefixes")
    profile = Profile(
        name=name,
        label=table.text("label"),
        spec_prefixes=table.texts("spec_prefixes", empty=True),
        region_prefixes=table.texts("region_prefixes") if has_regions else (),
        environment=_hex(table, "environment"),
        default_algorithm=_number(table, "default_algorithm", tuple(Algorithm)),
        province_suffix=_hex(table, "province_suffix").hex(),
        city_suffix=_hex(table, "city_suffix").hex(),
        card_draws_challenges=table.flag("card_draws_challenges"),
        files=files,
        keys=keys,
    )
    table.finish()
    for needed in _NEEDED_FILES:
        if needed not in files:
            table.refuse(f"file.{needed}", "is missing")
    if GENUINE_KEY not in keys:
        table.refuse(f"key.{GENUINE_KEY}", "is missing")
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
        application=_application(row) if row.has("application") else ENVIRONMENT,
        psam_id=_number(row, "psam_id", _BYTES) if row.has("psam_id") else 0,
        usage=_number(row, "usage", _USAGES) if row.has("usage") else _ENCRYPTION,
        source=row.text("source"),
    )
    row.finish()
    return key


def _file(name: str, row: Table) -> CardFile:
    structure = row.word("structure", Structure)
    file = CardFile(
        name=name,
        label=row.text("label"),
        application=_application(row),
        fid=_number(row, "fid", range(_WORD + 1)),
        structure=structure,
        read=_rights(row, "read"),
        update=_rights(row, "update"),
        elements=tuple(_element(item, structure) for item in row.rows("element")),
        source=row.text("source"),
        least_records=row.whole("least_records") if row.has("least_records") else 0,
    )
    row.finish()
    if structure is Structure.RECORDS:
        _refuse_twins(row, "element.tag", (f"{e.tag:02X}" for e in file.elements))
    elif structure is Structure.TRANSPARENT and len(file.elements) != 1:
        row.refuse("element", "a transparent file has one element")
    _refuse_twins(row, "element.name", (element.name for element in file.elements))
    return file


def _rights(row: Table, key: str) -> tuple[frozenset[str], ...]:
    """Take conditions: any of the texts, each all of what stands between its &."""
    return tuple(
        frozenset(part.strip() for part in text.split("&"))
        for text in row.texts(key)
        if text != _FREE
    )


def _application(row: Table) -> str:
    text = row.text("application")
    if text != ENVIRONMENT and not _is_hex(text):
        row.refuse("application", f"must be {ENVIRONMENT} or an AID in hex")
    return text


def _element(row: Table, structure: Structure) -> Element:
    coding = row.word("coding", Coding)
    inner = tuple(
        _element(item, Structure.RECORDS)
        for item in (row.rows("inner") if coding is Coding.GROUP else ())
    )
    tagged = structure is Structure.RECORDS
    longest = _LONGEST_RECORD if tagged else _WORD
    element = Element(
        name=row.text("name"),
        label=row.text("label"),
        tag=_number(row, "tag", range(1, _BYTE + 1)) if tagged else 0,
        coding=coding,
        width=_number(row, "width", range(1, longest + 1)),
        sensitivity=row.word("sensitivity", Sensitivity),
        raw=_raw_of(inner) if inner else _vector(row),
        text="" if inner else row.text("text", empty=True),
        optional=row.has("optional") and row.flag("optional"),
        may_be_longer=row.has("may_be_longer") and row.flag("may_be_longer"),
        codes=frozenset(row.texts("codes") if row.has("codes") else ()),
        times=_number(row, "times", _TIMES) if inner else 1,
        inner=inner,
        newer=_element(row.table("newer"), structure) if row.has("newer") else None,
    )
    row.finish()
    if inner and sum(e.width + 2 for e in inner) != element.width:
        row.refuse("width", "is not what its inner elements need")
    return element


def _vector(row: Table) -> str:
    """Take the bytes of an element's vector; without one no element is let in."""
    text = row.text("raw")
    if not _is_hex(text):
        row.refuse("raw", "must be bytes in hex")
    return text


def _raw_of(inner: Iterable[Element]) -> str:
    return "".join(f"{e.tag:02X}{e.width:02X}{e.raw}" for e in inner)


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


def _number(row: Table, key: str, known: Collection[int]) -> int:
    value = row.whole(key)
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
