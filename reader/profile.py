"""A card generation as typed data: files, elements, keys and rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

#: The environment's own name as an application of a file.
ENVIRONMENT = "SSSE"


class Coding(StrEnum):
    """How an element's bytes are read."""

    TEXT = "an"
    DIGITS = "cn"
    DATE = "date"  #: eight digits of cn
    HEX = "hex"  #: cn by name, but with nibbles that are no digits


class Sensitivity(StrEnum):
    """What an element tells of a person."""

    NONE = "none"
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True)
class Element:
    """One data element: a record ``tag len value`` of a file."""

    name: str
    label: str
    tag: int
    coding: Coding
    width: int  #: bytes
    sensitivity: Sensitivity
    optional: bool = False  #: it may be missing or empty
    may_be_longer: bool = False  #: what lies beyond ``width`` is not read
    codes: frozenset[str] = frozenset()  #: the only values allowed; empty: any


@dataclass(frozen=True, slots=True)
class CardFile:
    """One elementary file. ``read`` is any of the sets, each all of its conditions."""

    name: str  #: SSSEEF05
    application: str  #: SSSE or an AID in hex
    fid: int
    read: tuple[frozenset[str], ...]  #: empty: free; else "pin" or a key's name
    elements: tuple[Element, ...]
    source: str

    @property
    def length(self) -> int:
        """Bytes of all records: the Le of a fast read."""
        return sum(element.width + 2 for element in self.elements)

    def element(self, name: str) -> Element:
        """Return the element called *name*; that it is there is the loader's care."""
        return next(element for element in self.elements if element.name == name)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the card: its id there, and how many levels lie above it."""

    name: str
    card_id: int
    levels: int  #: diversification steps from the root a provider holds


@dataclass(frozen=True, slots=True)
class Profile:
    """One generation of cards."""

    name: str
    spec_prefix: str  #: of 规范版本, such as "3"
    environment: bytes  #: name of the SSSE
    default_algorithm: int
    province_suffix: str  #: hex, ends the province factor
    city_suffix: str  #: hex, ends the city factor
    files: Mapping[str, CardFile]
    keys: Mapping[str, Key]

    def name_of(self, application: str) -> bytes:
        """Return what SELECT by name wants: the environment's name or an AID."""
        if application == ENVIRONMENT:
            return self.environment
        return bytes.fromhex(application)

    def factors(self, city: str, card_factor: bytes) -> tuple[bytes, bytes, bytes]:
        """Return the factors of province, city and card (part 9 §7.3)."""
        province = city[:2].encode() + b"0000" + bytes.fromhex(self.province_suffix)
        return (
            province,
            city.encode() + bytes.fromhex(self.city_suffix),
            card_factor,
        )
