"""Every element of every file of every profile: read once, and unreadable every way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reader.errors import CardDataError
from reader.files import decode, decode_element
from reader.profile import CardFile, Coding, Element
from tests.reader.cards import PROFILES

#: file and element: the bytes on the card, and what they say.
READABLE = {
    ("SSSEEF05", "card_serial"): (
        "990100D156000005000000010000000F",
        "990100D156000005000000010000000F",
    ),
    ("SSSEEF05", "card_class"): ("33", "3"),
    ("SSSEEF05", "spec_version"): ("332E3030", "3.00"),
    ("SSSEEF05", "issuer"): ("9156000002990100990100FF", "9156000002990100990100"),
    ("SSSEEF05", "issued_on"): ("20240601", "2024-06-01"),
    ("SSSEEF05", "valid_until"): ("20340601", "2034-06-01"),
    ("SSSEEF05", "card_no"): ("413132333435363734", "A12345674"),
    ("SSSEEF06", "person_cert_no"): (
        "393930313030313938303031303130303138",
        "990100198001010018",
    ),
    ("SSSEEF06", "name"): ("B2E2CAD4FE9F9534B235" + "00" * 20, "测试䶮𠮷"),
    ("SSSEEF06", "name_more"): ("B2E2" + "20" * 18, "测"),
    ("SSSEEF06", "sex"): ("39", "9"),
    ("SSSEEF06", "nation"): ("01", "01"),
    ("SSSEEF06", "birthplace"): ("FFFFFF", ""),
    ("SSSEEF06", "birth_date"): ("19800229", "1980-02-29"),
    ("DF04EF05", "insurance_kind"): ("3339303031303030", "39001000"),
    ("DF04EF05", "insured_region"): ("990100", "990100"),
    ("DF04EF05", "health_record_no"): ("31" + "00" * 16, "1"),
    ("DF04EF05", "insured_class"): ("11", "11"),
    ("DF04EF05", "account_opened_on"): ("FFFFFFFF", ""),
    ("DF04EF05", "account_no"): ("41" * 29, "A" * 29),
    ("DF04EF05", "medical_certificate_no"): ("42" * 15, "B" * 15),
    ("DF04EF05", "institution_1"): ("31" * 9, "1" * 9),
    ("DF04EF05", "institution_2"): ("32" * 9, "2" * 9),
    ("DF04EF05", "institution_3"): ("33" * 9, "3" * 9),
    ("DF04EF05", "injury_institution_1"): ("34" * 9, "4" * 9),
    ("DF04EF05", "injury_institution_2"): ("35" * 9, "5" * 9),
    ("DF04EF05", "injury_institution_3"): ("36" * 9, "6" * 9),
    ("DF04EF05", "maternity_institution_1"): ("37" * 9, "7" * 9),
    ("DF04EF05", "maternity_institution_2"): ("00" * 9, ""),
    ("DF04EF05", "card_use"): ("32", "2"),
}

#: What the padding of each coding leaves of an element: nothing.
NOTHING = {Coding.TEXT: "00", Coding.DIGITS: "FF", Coding.DATE: "FF", Coding.HEX: "FF"}
#: One byte that no reading of the coding fits; hex reads any.
GARBLED = {Coding.TEXT: "FF", Coding.DIGITS: "A0", Coding.DATE: "0A"}
#: A control character would rewrite a screen or a log; a day may not exist.
TREACHEROUS = {Coding.TEXT: "1B", Coding.DATE: "99"}

Way = Callable[[Element, bytes], bytes | None]
WAYS: dict[str, Way] = {
    "missing": lambda _element, _raw: None,
    "short": lambda _element, raw: raw[:-1],
    "long": lambda _element, raw: raw + b"\x00",
    "empty": lambda element, _raw: filled(element, NOTHING),
    "garbled": lambda element, _raw: filled(element, GARBLED),
    "treacherous": lambda element, _raw: filled(element, TREACHEROUS),
    "unknown code": lambda element, _raw: b"7" * element.width,
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


ELEMENTS = [
    pytest.param(file, element, id=f"{profile.name}-{file.name}-{element.name}")
    for profile in PROFILES
    for file in profile.files.values()
    for element in file.elements
]
UNREADABLE = [
    pytest.param(*item.values, way, id=f"{item.id}-{way}")
    for item in ELEMENTS
    for way in sorted(ways_of(item.values[1]))  # type: ignore[arg-type]  # an Element
]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_an_element_without_a_vector_is_not_let_in(profile):
    """Whoever adds an element to a profile shows it at work here, or this fails."""
    described = {(f.name, e.name) for f in profile.files.values() for e in f.elements}

    assert described == set(READABLE)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_every_file_cites_the_table_it_was_taken_from(profile):
    """A layout without a source cannot be checked against the next edition."""
    assert all("table" in file.source for file in profile.files.values())


@pytest.mark.parametrize(("file", "element"), ELEMENTS)
def test_an_element_reads_as_its_vector_says(file: CardFile, element: Element):
    """Padding gone, dates as days, four-byte characters whole."""
    raw, text = READABLE[file.name, element.name]

    assert decode_element(file, element, bytes.fromhex(raw)) == text


@pytest.mark.parametrize(("file", "element", "way"), UNREADABLE)
def test_an_unreadable_element_is_named_and_not_shown(
    file: CardFile, element: Element, way: str
):
    """File and field say where to look; the content is nobody's business."""
    raw, text = READABLE[file.name, element.name]
    worn = WAYS[way](element, bytes.fromhex(raw))

    with pytest.raises(CardDataError) as caught:
        decode_element(file, element, worn)

    said = str(caught.value)
    assert f"{file.name} {element.name}: " in said
    assert not worn or worn.hex() not in said.lower()
    assert len(text) < 4 or text not in said


def test_every_way_to_be_unreadable_is_shown():
    """A way that no element has would be a test that tests nothing."""
    shown = {way for item in ELEMENTS for way in ways_of(item.values[1])}  # type: ignore[arg-type]  # an Element

    assert shown == set(WAYS)


def test_an_optional_element_may_be_missing():
    """Many cards have no 姓名扩展; that is no reason to send anybody away."""
    file = PROFILES[0].files["DF04EF05"]

    assert set(decode(file, {}).values()) == {""}


def test_a_card_number_is_its_first_nine_characters():
    """Some cards keep more behind it; none of that belongs to the number."""
    file = PROFILES[0].files["SSSEEF05"]

    longer = b"A12345674" + b"\x00XYZ"

    assert decode_element(file, file.element("card_no"), longer) == "A12345674"
