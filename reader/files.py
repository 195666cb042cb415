"""A card file's records, decoded by the profile; unreadable by name, never by value."""

from __future__ import annotations

from collections.abc import Mapping

from reader.codec import read_an, read_cn, read_date
from reader.errors import CardDataError
from reader.profile import CardFile, Coding, Element


def split_records(file: str, raw: bytes) -> dict[int, bytes]:
    """Split ``tag len value`` records (V2.0 notice §7).

    Raises:
        CardDataError: a record is cut short, or a tag comes twice.
    """
    found: dict[int, bytes] = {}
    place = 0
    while place < len(raw):
        if place + 2 > len(raw):
            raise CardDataError(file, f"{raw[place]:02X}", "a record is cut short")
        tag, length = raw[place], raw[place + 1]
        value = raw[place + 2 : place + 2 + length]
        if len(value) != length:
            raise CardDataError(file, f"{tag:02X}", "a record is cut short")
        if tag in found:
            raise CardDataError(file, f"{tag:02X}", "comes twice")
        found[tag] = value
        place += 2 + length
    return found


def decode(file: CardFile, records: Mapping[int, bytes]) -> dict[str, str]:
    """Read every element of *file* as text; dates as YYYY-MM-DD, empties as "".

    Raises:
        CardDataError: names file and element that is missing or does not read.
    """
    return {
        element.name: decode_element(file, element, records.get(element.tag))
        for element in file.elements
    }


def decode_element(file: CardFile, element: Element, raw: bytes | None) -> str:
    """Read one element; None stands for a record that is not there.

    Raises:
        CardDataError: names file and element, and what is wrong with it.
    """
    if raw is None:
        if element.optional:
            return ""
        raise CardDataError(file.name, element.name, "is missing")
    if element.may_be_longer:
        raw = raw[: element.width]
    if len(raw) != element.width:
        problem = f"{len(raw)} bytes where {element.width} belong"
        raise CardDataError(file.name, element.name, problem)
    try:
        text = _text(element.coding, raw)
    except ValueError as error:
        problem = "bytes that no reading fits"
        raise CardDataError(file.name, element.name, problem) from error
    if not text and not element.optional:
        raise CardDataError(file.name, element.name, "is empty")
    if text and element.codes and text not in element.codes:
        raise CardDataError(file.name, element.name, "is a code nobody knows")
    return text


def _text(coding: Coding, raw: bytes) -> str:
    match coding:
        case Coding.TEXT:
            return read_an(raw)
        case Coding.DIGITS:
            return read_cn(raw)
        case Coding.HEX:
            # Only all F is nothing: an F at the end may belong to the value.
            return raw.hex().upper() if raw.strip(b"\xff") else ""
        case Coding.DATE:
            day = read_date(raw)
            return "" if day is None else day.isoformat()
