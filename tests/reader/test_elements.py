"""Every element of every file of every profile: read once, and unreadable every way.

The readable vector of an element stands beside it in its profile; the loader lets no
element in without one. The unreadable ones follow here from its coding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from reader.errors import CardDataError
from reader.files import (
    decode,
    decode_element,
    decode_fields,
    decode_whole,
    split_records,
)
from reader.profile import CardFile, Coding, Element, Structure
from tests.reader.cards import V1, V2, V3
from tests.shipped import PROFILES

#: What the padding of each coding leaves of an element: nothing.
NOTHING = {
    Coding.TEXT: "00",
    Coding.DIGITS: "FF",
    Coding.DATE: "FF",
    Coding.TIME: "FF",
    Coding.HEX: "FF",
}
#: One byte that no reading of the coding fits; hex and numbers read any.
GARBLED = {
    Coding.TEXT: "FF",
    Coding.DIGITS: "A0",
    Coding.DATE: "0A",
    Coding.TIME: "0A",
    Coding.PICTURE: "42",
}
#: A control character would rewrite a screen or a log; a day may not exist.
TREACHEROUS = {Coding.TEXT: "1B", Coding.DATE: "99", Coding.TIME: "99"}

#: A code that no list has.
UNKNOWN = {Coding.TEXT: "5A", Coding.DIGITS: "99"}

Way = Callable[[Element, bytes], bytes | None]
WAYS: dict[str, Way] = {
    "missing": lambda _element, _raw: None,
    "short": lambda _element, raw: raw[:-1],
    "long": lambda _element, raw: raw + b"\x00",
    "empty": lambda element, _raw: filled(element, NOTHING),
    "garbled": lambda element, _raw: filled(element, GARBLED),
    "treacherous": lambda element, _raw: filled(element, TREACHEROUS),
    "unknown code": lambda element, _raw: filled(element, UNKNOWN),
}


def filled(element: Element, with_bytes: dict[Coding, str]) -> bytes:
    """Fill the element's width with one byte."""
    return bytes.fromhex(with_bytes[element.coding]) * element.width


def ways_of(element: Element) -> set[str]:
    """Name the ways in which an element of this kind does not read."""
    ways = {"short"}
    if not element.optional:
        ways |= {"missing", "empty"}
    if not element.may_be_longer:
        ways.add("long")
    if element.coding in GARBLED:
        ways.add("garbled")
    if element.coding in TREACHEROUS:
        ways.add("treacherous")
    if element.codes:
        ways.add("unknown code")
    return ways


def leaves(elements: tuple[Element, ...]) -> Iterator[Element]:
    """List elements, those within groups and second meanings too."""
    for element in elements:
        if element.inner:
            yield from leaves(element.inner)
        else:
            yield element
        if element.newer is not None:
            yield element.newer


def vector(element: Element) -> bytes:
    """Return the element's own vector, a picture's padded as a card pads it."""
    raw = bytes.fromhex(element.raw)
    whole = element.coding in {Coding.PICTURE, Coding.BYTES}
    return raw.ljust(element.width, b"\x00") if whole else raw


ELEMENTS = [
    pytest.param(file, element, id=f"{profile.name}-{file.name}-{element.name}")
    for profile in PROFILES
    for file in profile.files.values()
    for element in leaves(file.elements)
]
UNREADABLE = [
    pytest.param(*item.values, way, id=f"{item.id}-{way}")
    for item in ELEMENTS
    for way in sorted(ways_of(item.values[1]))  # type: ignore[arg-type]  # an Element
]
GROUPS = [
    pytest.param(file, element, id=f"{profile.name}-{file.name}-{element.name}")
    for profile in PROFILES
    for file in profile.files.values()
    for element in file.elements
    if element.inner
]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_every_file_cites_the_table_it_was_taken_from(profile):
    """A layout without a source cannot be checked against the next edition."""
    assert all("table" in file.source for file in profile.files.values())


@pytest.mark.parametrize(("file", "element"), ELEMENTS)
def test_an_element_reads_as_its_vector_says(file: CardFile, element: Element):
    """Padding gone, dates as days, four-byte characters whole."""
    assert decode_element(file, element, vector(element)) == element.text


@pytest.mark.parametrize(("file", "element", "way"), UNREADABLE)
def test_an_unreadable_element_is_named_and_not_shown(
    file: CardFile, element: Element, way: str
):
    """File and field say where to look; the content is nobody's business."""
    worn = WAYS[way](element, vector(element))

    with pytest.raises(CardDataError) as caught:
        decode_element(file, element, worn)

    said = str(caught.value)
    assert f"{file.name} {element.name}: " in said
    assert not worn or len(worn) < 3 or worn.hex() not in said.lower()
    assert len(element.text) < 4 or element.text not in said


def test_every_way_to_be_unreadable_is_shown():
    """A way that no element has would be a test that tests nothing."""
    shown = {way for item in ELEMENTS for way in ways_of(item.values[1])}  # type: ignore[arg-type]  # an Element

    assert shown == set(WAYS)


@pytest.mark.parametrize(("file", "group"), GROUPS)
def test_a_group_reads_as_often_as_it_comes(file: CardFile, group: Element):
    """Each coming has its number; one that is all padding says nothing."""
    raw = bytes.fromhex(group.raw)
    comings = [raw] * group.times

    read = decode(file, {group.tag: comings})

    for number in range(1, group.times + 1):
        for element in group.inner:
            assert read[f"{group.name}.{number}.{element.name}"] == element.text
    blank = decode(file, {group.tag: [b"\x00" * len(raw), b"\xff" * len(raw)][:1]})
    assert not any(name.startswith(f"{group.name}.") for name in blank)


@pytest.mark.parametrize(("file", "group"), GROUPS)
def test_a_group_of_another_shape_is_named(file: CardFile, group: Element):
    """Too often, too short, or with a record inside that is cut."""
    raw = bytes.fromhex(group.raw)
    too_long = raw[:1] + bytes([0xFF]) + raw[2:]

    for comings in ([raw] * (group.times + 1), [raw[:-1]]):
        with pytest.raises(CardDataError, match=f"{file.name} {group.name}"):
            decode(file, {group.tag: comings})
    with pytest.raises(CardDataError, match="cut short"):
        decode(file, {group.tag: [too_long]})


def test_an_element_within_a_group_may_be_missing_or_named():
    """What is optional may be left out inside a group too."""
    file = V2.files["DF01EF15"]
    group = file.element("degrees")
    padding = bytes((0x01, group.width - 2)) + bytes(group.width - 2)

    read = decode(file, {group.tag: [padding]})

    assert read["degrees.1.school"] == ""


def test_an_optional_element_may_be_missing():
    """Many cards have no 姓名扩展; that is no reason to send anybody away."""
    file = V3.files["DF04EF05"]

    assert set(decode(file, {}).values()) == {""}


def test_a_card_number_is_its_first_nine_characters():
    """Some cards keep more behind it; none of that belongs to the number."""
    file = V3.files["SSSEEF05"]

    longer = b"A12345674" + b"\x00XYZ"

    assert decode_element(file, file.element("card_no"), longer) == "A12345674"


def test_a_tag_padded_with_e_has_its_second_meaning():
    """A first generation card rewritten later: 险种类型 where a name stood."""
    file = V1.files["DF04EF05"]
    rewritten = b"39001000" + b"\xee" * 54

    read = decode(file, {0x81: [rewritten], 0x84: [b"A".ljust(62, b"\x00")]})

    assert read["insurance_kind"] == "39001000"
    assert "item_81" not in read
    assert read["item_84"] == "A"


def test_a_second_meaning_of_the_wrong_width_is_named():
    """E padding does not make anything readable."""
    file = V1.files["DF04EF05"]

    with pytest.raises(CardDataError, match="insurance_kind"):
        decode(file, {0x81: [b"390" + b"\xee" * 59]})


def test_a_record_of_a_log_reads_field_by_field():
    """DF04EF08 of the specification's layout: amounts in fen, local time."""
    file = V3.files["DF04EF08"]
    raw = b"".join(vector(element) for element in file.elements)

    read = decode_fields(file, raw)

    assert read["at"] == "2025-03-01T09:30:15"
    assert read["account_fen"] == "12345"
    with pytest.raises(CardDataError, match="27 bytes where 28 belong"):
        decode_fields(file, raw[:-1])


def test_a_photo_is_cut_out_of_its_padding():
    """JPEG and BMP end where they say; what follows is the card's filling."""
    file = V3.files["SSSEEF08"]
    jpeg = b"\xff\xd8\xff\xe0data\xff\xd9"
    (bmp,) = (vector(element) for element in file.elements)

    assert decode_whole(file, jpeg + b"\xff" * 50) == jpeg
    assert decode_whole(file, bmp) == bytes.fromhex(file.elements[0].raw)
    assert decode_whole(file, bytes(0x1000)) == b""


@pytest.mark.parametrize("raw", ["FFD8FFE0", "424D00", "424DFFFFFFFF", "474946"])
def test_a_photo_that_is_none_is_named(raw: str):
    """A picture cut short, or of another kind, is not handed to a browser."""
    file = V3.files["SSSEEF08"]

    with pytest.raises(CardDataError, match="photo"):
        decode_whole(file, bytes.fromhex(raw))


def test_reserved_bytes_are_kept_as_they_are():
    """Nothing public says what they mean, so nothing is read into them."""
    file = V2.files["DF01EF16"]

    assert file.structure is Structure.TRANSPARENT
    assert decode_whole(file, b"\x01\x02") == b"\x01\x02"


def test_a_group_is_not_read_as_an_element():
    """Whoever asks for it has forgotten its inner elements."""
    file = V2.files["DF01EF15"]
    group = file.element("degrees")

    with pytest.raises(AssertionError, match="inner"):
        decode_element(file, group, bytes(group.width))


@pytest.mark.parametrize("raw", ["08", "0812", "080231", "080131080131"])
def test_records_that_are_cut_short_or_come_twice_are_refused(raw: str):
    """A file that does not add up is not half read."""
    with pytest.raises(CardDataError):
        split_records("EF06", bytes.fromhex(raw))
