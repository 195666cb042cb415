"""Emulated cards made from data: files as the profile lays them out, keys, a PIN."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reader.codec import CHARSET, write_an, write_cn
from reader.crypto import Algorithm
from reader.emulator.cos import CardOs, Memory
from reader.greeting import card_factor
from reader.keys import TEST_ROOT, CardContext
from reader.profile import CardFile, Coding, Element, Profile, Structure

MOST_TRIES = 3
#: Filled rows of a log; the others of the file are blank.
ROWS = 2
#: Undecodable in GB 18030: what a worn chip gives for a text.
_DAMAGE = b"\xff"


@dataclass(frozen=True, slots=True, repr=False)
class CardSpec:
    """One emulated card as data. All holders are invented."""

    card_id: str
    label: str
    generation: str  #: name of a profile
    card_no: str
    card_serial: str
    person_cert_no: str
    name: str
    sex: str
    birth_date: dt.date
    issued_on: dt.date
    valid_until: dt.date
    pin: str
    tries: int
    damaged: str  #: name of an element that does not read; empty: none


def build_card(
    spec: CardSpec,
    profiles: Sequence[Profile],
    *,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    root: bytes = TEST_ROOT,
) -> CardOs:
    """Make the chip that *spec* describes, under the test root."""
    profile = next(p for p in profiles if p.name == spec.generation)
    region = spec.card_serial[:6]
    # T=0, direct convention, 13 historical bytes; the last eight are the card factor
    # (card vendor, region, serial).
    atr = bytes.fromhex(
        "3B6D000081544C9686" + "8444" + region[:4] + spec.card_serial[16:24]
    )
    context = CardContext(
        Algorithm(profile.default_algorithm),
        profile.factors(region, card_factor(atr)),
    )
    values = _values(spec, profile)
    pin = spec.pin + "f" * (len(spec.pin) % 2)
    memory = Memory(
        records={
            file.name: _records(file, values, spec.damaged)
            for file in profile.files.values()
        },
        pin=bytes.fromhex(pin),
        most_tries=MOST_TRIES,
        tries_left=spec.tries,
    )
    return CardOs(profile, atr, root, context, memory, random_bytes)


def _values(spec: CardSpec, profile: Profile) -> dict[str, str]:
    """Lay out what *spec* says and what all emulated cards share; the rest is empty."""
    name, name_more = _split_name(spec.name, profile)
    return {
        "card_serial": spec.card_serial,
        "card_class": "3",
        "spec_version": f"{profile.spec_prefixes[0]}.00",
        "issuer": "915600000299010099010001",
        "issued_on": f"{spec.issued_on:%Y%m%d}",
        "valid_until": f"{spec.valid_until:%Y%m%d}",
        "card_no": spec.card_no,
        "person_cert_no": spec.person_cert_no,
        "name": name,
        "name_more": name_more,
        "sex": spec.sex,
        "nation": "01",
        "birthplace": "990100",
        "birth_date": f"{spec.birth_date:%Y%m%d}",
        # Residents' insurance (390), none of the five marks of the next characters.
        "insurance_kind": "39000000",
        "insured_region": "990100",
        "card_use": "1",
    }


def _split_name(name: str, profile: Profile) -> tuple[str, str]:
    """Divide a long name between 姓名 and 姓名扩展, never inside a character."""
    width = _element(profile, "name").width
    kept = ""
    for char in name:
        if len((kept + char).encode(CHARSET)) > width:
            break
        kept += char
    return kept, name[len(kept) :]


def _element(profile: Profile, name: str) -> Element:
    for file in profile.files.values():
        for element in file.elements:
            if element.name == name:
                return element
    msg = f"the profile has no element {name}"
    raise AssertionError(msg)


def _records(file: CardFile, values: Mapping[str, str], damaged: str) -> list[bytes]:
    """Lay out one file: its records, its rows, or its bytes as the only one."""
    match file.structure:
        case Structure.RECORDS:
            return [
                bytes((element.tag, element.width)) + _value(element, values, damaged)
                for element in file.elements
                for _ in range(element.times)
            ]
        case Structure.CYCLIC:
            row = b"".join(_value(e, values, damaged) for e in file.elements)
            return [row] * ROWS + [bytes(len(row))] * (file.least_records - ROWS)
        case Structure.TRANSPARENT:
            return [b"".join(_value(e, values, damaged) for e in file.elements)]


def _value(element: Element, values: Mapping[str, str], damaged: str) -> bytes:
    """Return an element's bytes: what the card says, else the profile's vector."""
    value = values.get(element.name)
    if element.name == damaged:
        return _DAMAGE * element.width
    if value is None:
        return bytes.fromhex(element.raw).ljust(element.width, b"\x00")
    if element.coding is Coding.TEXT:
        return write_an(value, element.width)
    if element.coding is Coding.HEX:
        return bytes.fromhex(value)
    return write_cn(value, element.width)
