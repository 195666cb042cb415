"""A card generation as typed data: files, elements, keys and rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

#: The environment's own name as an application of a file.
ENVIRONMENT = "SSSE"
#: What a read condition calls the holder's PIN, and what can never be met.
PIN, NEVER = "pin", "never"
#: The key by which every card proves itself.
GENUINE_KEY = "IRK"


class Structure(StrEnum):
    """How a file keeps its bytes (V2.0 notice, tables 3 to 8)."""

    RECORDS = "records"  #: records ``tag len value``, one an element
    CYCLIC = "cyclic"  #: records of one fixed layout, the newest first
    TRANSPARENT = "transparent"  #: one string of bytes


class Coding(StrEnum):
    """How an element's bytes are read."""

    TEXT = "an"
    DIGITS = "cn"
    DATE = "date"  #: eight digits of cn
    TIME = "time"  #: fourteen digits of cn, YYYYMMDDhhmmss
    HEX = "hex"  #: cn by name, but with nibbles that are no digits
    NUMBER = "b"  #: unsigned, the greatest byte first
    PICTURE = "picture"  #: a JPEG or BMP, padded
    BYTES = "bytes"  #: nothing public says what they mean; shown in hex
    GROUP = "b-tlv"  #: elements within an element, which may come again


class Sensitivity(StrEnum):
    """What an element tells of a person."""

    NONE = "none"
    PERSONAL = "personal"  #: of a person's life: work, address, insurance
    IDENTITY = "identity"  #: names and numbers that say who it is
    HEALTH = "health"  #: 敏感个人信息: health, injury, assistance
    BIOMETRIC = "biometric"


@dataclass(frozen=True, slots=True)
class Element:
    """One data element: a record ``tag len value``, or a field of a cyclic record."""

    name: str
    label: str
    tag: int  #: 0 in cyclic and transparent files, which have none
    coding: Coding
    width: int  #: bytes
    sensitivity: Sensitivity
    raw: str = ""  #: readable vector: bytes on the card, hex
    text: str = ""  #: readable vector: what they say
    optional: bool = False  #: it may be missing or empty
    may_be_longer: bool = False  #: what lies beyond ``width`` is not read
    codes: frozenset[str] = frozenset()  #: the only values allowed; empty: any
    times: int = 1  #: how often a group may come
    inner: tuple[Element, ...] = ()  #: of a group
    newer: Element | None = None  #: a V1 tag's V2 meaning, told by E padding


@dataclass(frozen=True, slots=True)
class CardFile:
    """One elementary file. ``read`` is any of the sets, each all of its conditions."""

    name: str  #: SSSEEF05
    label: str
    application: str  #: SSSE or an AID in hex
    fid: int
    structure: Structure
    read: tuple[frozenset[str], ...]  #: empty: free; else "pin" or a key's name
    update: tuple[frozenset[str], ...]  #: the same; "never" where only the card writes
    elements: tuple[Element, ...]
    source: str
    least_records: int = 0  #: of a cyclic file; a card may have more

    @property
    def length(self) -> int:
        """Bytes of all records: the Le of a fast read."""
        return sum((element.width + 2) * element.times for element in self.elements)

    @property
    def record_length(self) -> int:
        """Bytes of one record of a cyclic file, or of a whole transparent one."""
        return sum(element.width for element in self.elements)

    def element(self, name: str) -> Element:
        """Return the element called *name*; that it is there is the loader's care."""
        return next(element for element in self.elements if element.name == name)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the card: where it lies, and where its roots lie.

    ``levels`` counts the diversification steps from the national root: province,
    city, card. A PSAM may hold a key of any level (part 9 §8).
    """

    name: str
    card_id: int  #: bit 8: a key of the application, not of the environment
    levels: int
    application: str = ENVIRONMENT
    psam_id: int = 0
    usage: int = 7  #: bits 5-1 of a PSAM's key usage: 6 MAC, 7 encryption, 8 both
    source: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """One generation of cards, or a province's overlay of one."""

    name: str
    label: str
    spec_prefixes: tuple[str, ...]  #: of 规范版本, such as "3"; "" is a blank one
    region_prefixes: tuple[str, ...]  #: of the issuer's region; empty: everywhere
    environment: bytes  #: name of the SSSE
    default_algorithm: int
    province_suffix: str  #: hex, ends the province factor
    city_suffix: str  #: hex, ends the city factor
    card_draws_challenges: bool  #: compatibility: the card, not the terminal, draws
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
