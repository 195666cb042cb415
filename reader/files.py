"""A card file's bytes, decoded by the profile; unreadable by name, never by value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from reader.codec import read_an, read_cn, read_date, read_picture, read_time
from reader.errors import CardDataError
from reader.profile import CardFile, Coding, Element

#: What a file's elements say, by their names; those of a group that comes again are
#: ``name.1.inner``, ``name.2.inner``.
Values = dict[str, str]

_NEWER = b"\xee"


def split_records(
    file: str, raw: bytes, *, repeated: frozenset[int] = frozenset()
) -> dict[int, list[bytes]]:
    """Split ``tag len value`` records (V2.0 notice §7).

    Args:
        file: For the error.
        raw: The records one after the other.
        repeated: Tags that may come more than once.

    Raises:
        CardDataError: a record is cut short, or a tag comes twice.
    """
    found: dict[int, list[bytes]] = {}
    place = 0
    while place < len(raw):
        tag = raw[place]
        if place + 2 > len(raw):
            raise CardDataError(file, f"{tag:02X}", "a record is cut short")
        length = raw[place + 1]
        value = raw[place + 2 : place + 2 + length]
        if len(value) != length:
            raise CardDataError(file, f"{tag:02X}", "a record is cut short")
        if tag in found and tag not in repeated:
            raise CardDataError(file, f"{tag:02X}", "comes twice")
        found.setdefault(tag, []).append(value)
        place += 2 + length
    return found


def repeated_tags(file: CardFile) -> frozenset[int]:
    """Name the tags that may come more than once in *file*."""
    return frozenset(element.tag for element in file.elements if element.times > 1)


def decode(file: CardFile, records: Mapping[int, Sequence[bytes]]) -> Values:
    """Read every element of *file* as text; dates as YYYY-MM-DD, empties as "".

    Raises:
        CardDataError: names file and element that is missing or does not read.
    """
    values: Values = {}
    for element in file.elements:
        found = records.get(element.tag, ())
        if element.inner:
            values |= _decode_group(file, element, found)
        else:
            raw = found[0] if found else None
            name = _meant(element, raw).name
            values[name] = decode_element(file, element, raw)
    return values


def decode_fields(file: CardFile, raw: bytes) -> Values:
    """Read one record of a cyclic file: its fields one after the other.

    Raises:
        CardDataError: the record has another length, or a field does not read.
    """
    if len(raw) != file.record_length:
        problem = f"{len(raw)} bytes where {file.record_length} belong"
        raise CardDataError(file.name, "a record", problem)
    values: Values = {}
    place = 0
    for element in file.elements:
        part = raw[place : place + element.width]
        values[element.name] = decode_element(file, element, part)
        place += element.width
    return values


def decode_whole(file: CardFile, raw: bytes) -> bytes:
    """Read a transparent file: the picture without its padding, or all its bytes.

    Raises:
        CardDataError: a picture that is none.
    """
    (element,) = file.elements
    if element.coding is not Coding.PICTURE:
        return raw
    try:
        return read_picture(raw)
    except ValueError as error:
        problem = "no whole JPEG or BMP"
        raise CardDataError(file.name, element.name, problem) from error


def decode_element(file: CardFile, element: Element, raw: bytes | None) -> str:
    """Read one element; None stands for a record that is not there.

    Raises:
        CardDataError: names file and element, and what is wrong with it.
    """
    if raw is None:
        if element.optional:
            return ""
        raise CardDataError(file.name, element.name, "is missing")
    meant = _meant(element, raw)
    if meant is not element:
        element, raw = meant, raw.rstrip(_NEWER)
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


def _meant(element: Element, raw: bytes | None) -> Element:
    """Return what a tag means: one of V1 padded with E has its V2 meaning.

    Source: V2.0 notice, annex.
    """
    if element.newer is not None and raw is not None and raw.endswith(_NEWER):
        return element.newer
    return element


def _decode_group(file: CardFile, group: Element, found: Sequence[bytes]) -> Values:
    """Read each coming of a group; one that is all padding says nothing."""
    if len(found) > group.times:
        problem = f"comes more than {group.times} times"
        raise CardDataError(file.name, group.name, problem)
    values: Values = {}
    for number, raw in enumerate(found, 1):
        if len(raw) != group.width:
            problem = f"{len(raw)} bytes where {group.width} belong"
            raise CardDataError(file.name, group.name, problem)
        if not raw.strip(b"\x00") or not raw.strip(b"\xff"):
            continue
        records = split_records(file.name, raw)
        for element in group.inner:
            parts = records.get(element.tag)
            name = f"{group.name}.{number}.{element.name}"
            part = parts[0] if parts else None
            values[name] = decode_element(file, element, part)
    return values


def _text(coding: Coding, raw: bytes) -> str:
    read = _READINGS.get(coding)
    if read is None:
        msg = "a group is read by its inner elements"
        raise AssertionError(msg)
    return read(raw)


def _moment(found: dt.date | None) -> str:
    return "" if found is None else found.isoformat()


#: Of hex only all F is nothing: an F at the end may belong to the value.
_READINGS: Mapping[Coding, Callable[[bytes], str]] = {
    Coding.TEXT: read_an,
    Coding.DIGITS: read_cn,
    Coding.DATE: lambda raw: _moment(read_date(raw)),
    Coding.TIME: lambda raw: _moment(read_time(raw)),
    Coding.NUMBER: lambda raw: str(int.from_bytes(raw, "big")),
    Coding.PICTURE: lambda raw: read_picture(raw).hex().upper(),
    Coding.HEX: lambda raw: raw.hex().upper() if raw.strip(b"\xff") else "",
    Coding.BYTES: lambda raw: (
        raw.rstrip(b"\x00").hex().upper() if raw.strip(b"\xff") else ""
    ),
}
