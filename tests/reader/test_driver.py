"""The old drivers' strings and numbers: what a HIS that knows them sends and reads."""

from __future__ import annotations

import dataclasses
import doctest

import pytest

from reader import driver, errors
from reader.credential import Credential
from reader.driver import (
    BAD_DATA,
    BAD_PARAMETER,
    MISMATCH,
    NO_RECORD,
    TEXTS,
    Basics,
    DriverRefusal,
    FileRequest,
    Item,
    answer_string,
    answered,
    bas_string,
    basics_of,
    code_number,
    driver_bytes,
    driver_code,
    driver_error,
    driver_text,
    is_this_card,
    parse_bas,
    parse_file_address,
    status_code,
    tries_left,
)
from reader.errors import CardDataError, CardProtocolError, ReaderError
from reader.files import decode_fields
from tests.reader.cards import V1, V3, a_card, a_slot, read
from tests.reader.test_words_of_the_reader import every_error

#: Terminal number and device number as a driver without a PSAM tells them.
NUMBERS = {"terminal_no": "000000000000", "device_no": "H99010000001000"}
SERIAL, CARD_NO = "990100D1560000050000000100000002", "A12345674"
HISTORICAL = "81544C96868444990100000001"
BAS = (
    f"990100|990100198001010018|{CARD_NO}|{SERIAL}|测试甲|"
    f"{HISTORICAL}|3.00|20240601|20340601|000000000000|{'0' * 32}|"
)
#: 亅 is 81 7C in GBK: its second byte is the separator.
PIPE_INSIDE = "亅"


def holder(**changed: object) -> Credential:
    """Return the holder of the demonstration's first card, with fields changed."""
    who = read(a_slot(a_card())[1]).credential
    return dataclasses.replace(who, **changed)  # type: ignore[arg-type] # any field of any type


def parsed(raw: bytes) -> Basics:
    """Read an answer that reads."""
    said = parse_bas(raw)
    assert isinstance(said, Basics)
    return said


def asked(text: str) -> tuple[FileRequest, ...]:
    """Read an address that reads."""
    requests = parse_file_address(text)
    assert not isinstance(requests, DriverRefusal)
    return requests


def test_the_examples_in_the_docstrings_run():
    """An example that no longer holds teaches a mistake."""
    failed, tried = doctest.testmod(driver)

    assert tried > 0
    assert failed == 0


# -- iReadCardBas -----------------------------------------------------------------


def test_a_card_is_told_in_eleven_fields():
    """A HIS counts separators; one field too few shifts every other."""
    session = read(a_slot(a_card())[1])

    said = bas_string(session.credential, session.historical, **NUMBERS)

    fields = said.split("|")
    assert len(fields) == 12
    assert fields[-1] == ""
    assert fields[:5] == ["990100", "990100198001010018", CARD_NO, SERIAL, "测试甲"]
    assert len(fields[5]) == 26
    assert fields[6:9] == ["3.00", "20240601", "20340601"]
    assert fields[9:11] == list(NUMBERS.values())


def test_what_is_written_reads_back():
    """The two directions are one table of fields."""
    session = read(a_slot(a_card("v3-rare"))[1])
    who, historical = session.credential, session.historical

    said = bas_string(who, historical, **NUMBERS)

    assert parsed(driver_bytes(said)) == basics_of(who, historical, **NUMBERS)


def test_a_published_answer_is_read():
    """As vendors' manuals print it, with 26 hex digits of historical bytes."""
    said = parsed(BAS.encode("gb18030"))

    assert said.name == "测试甲"
    assert said.card_serial == SERIAL
    assert said.fields()[-1] == "0" * 32


def test_a_character_that_ends_in_the_separators_byte_stays_whole():
    """Split before decoding and the holder loses half a character and a field."""
    raw = BAS.replace("测试甲", f"测{PIPE_INSIDE}").encode("gbk")
    assert raw.count(b"|") == 12

    assert parsed(raw).name == f"测{PIPE_INSIDE}"


@pytest.mark.parametrize("more", ["|", "||", "|1234|"])
def test_fields_behind_the_eleventh_are_let_be(more):
    """Some drivers end with one or two separators more."""
    assert parsed((BAS + more).encode("gbk")).terminal_no == "000000000000"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (HISTORICAL, HISTORICAL[:24]),
        (HISTORICAL, ""),
        ("|测试甲|", "|测 试 甲                |"),
        ("|3.00|", "|1.0 |"),
        ("000000000000|", "990100000001|"),
        (SERIAL, SERIAL.lower()),
    ],
)
def test_what_drivers_really_write_is_taken(old, new):
    """24 hex digits, no history, blanks in a name: all of them seen at counters."""
    said = parsed(BAS.replace(old, new).encode("gbk"))

    assert said.card_no == CARD_NO
    assert said.name in {"测试甲", "测 试 甲"}


def test_nothing_behind_the_end_of_the_buffer_is_read():
    """The buffer of 1024 bytes holds what an earlier card left there."""
    raw = BAS.encode("gbk") + b"\x00|990100199002150025|\xff"

    assert parsed(raw).person_cert_no == "990100198001010018"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00",
        "读卡器连接错".encode("gbk"),
        BAS.rsplit("|", 3)[0].encode("gbk"),
        b"\xff\xfe" + BAS.encode("gbk"),
        BAS.encode("utf-16-le"),
        BAS.replace(SERIAL, "12345").encode("gbk"),
        BAS.replace("|20240601|", "|2024-06-01|").encode("gbk"),
        BAS.replace(HISTORICAL, HISTORICAL[:6]).encode("gbk"),
        BAS.replace("|测试甲|", "| |").encode("gbk"),
        BAS.replace("990100|", "|", 1).encode("gbk"),
    ],
)
def test_what_cannot_be_an_answer_is_refused(raw):
    """Half an answer would be half an identity."""
    assert parse_bas(raw) == DriverRefusal(BAD_DATA)


def test_a_separator_inside_a_field_is_refused_by_its_name():
    """A name with | in it would hand the HIS another card number."""
    with pytest.raises(CardDataError, match="name") as caught:
        bas_string(holder(name="测|试"), HISTORICAL, **NUMBERS)

    assert "测" not in str(caught.value)


def test_a_holder_without_a_card_is_a_mistake_of_the_program():
    """An identity card has no 卡识别码 to tell."""
    with pytest.raises(AssertionError):
        basics_of(holder(card=None), HISTORICAL, **NUMBERS)


def test_the_fields_are_not_printed():
    """Eleven fields in a traceback would be a person in a log."""
    assert "测试甲" not in repr(parsed(BAS.encode("gbk")))


@pytest.mark.parametrize(
    ("card_info", "refusal"),
    [
        (f"{SERIAL}|{CARD_NO}|", None),
        (f"{SERIAL.lower()}|{CARD_NO} |", None),
        (f"{SERIAL}|A12345682|", DriverRefusal(MISMATCH)),
        (f"{SERIAL[:-1]}3|{CARD_NO}|", DriverRefusal(MISMATCH)),
        ("||", DriverRefusal(MISMATCH)),
        ("", DriverRefusal(BAD_PARAMETER)),
        (SERIAL, DriverRefusal(BAD_PARAMETER)),
        (f"{SERIAL}|{CARD_NO}", DriverRefusal(BAD_PARAMETER)),
        (f"{SERIAL}|{CARD_NO}|x|", DriverRefusal(BAD_PARAMETER)),
    ],
)
def test_the_caller_names_the_card_he_means(card_info, refusal):
    """Between two calls another card may have been put in (−22)."""
    assert is_this_card(card_info, holder()) == refusal


# -- iReadCard: the grammar -------------------------------------------------------


def test_files_and_tags_are_read_in_their_order():
    """The answer mirrors the question, so the order is the meaning."""
    first, second = asked("SSSEEF06|09|08|$DF04EF05|81|$")

    assert first == FileRequest("SSSEEF06", "SSSEEF06", (Item(0x09), Item(0x08)))
    assert second == FileRequest("DF04EF05", "DF04EF05", (Item(0x81),))


def test_the_same_file_may_come_twice():
    """Callers ask so, where they fill two of their own records."""
    assert [r.file for r in asked("SSSEEF06|08|$DF01EF06|23|$SSSEEF06|09|$")] == [
        "SSSEEF06",
        "DF01EF06",
        "SSSEEF06",
    ]


@pytest.mark.parametrize("number", ["2", "02"])
def test_an_element_that_comes_again_is_named_by_its_number(number):
    """40 is 学位, and a card holds up to three of them."""
    (request,) = asked(f"DF01EF15|40:{number}|2A|$")

    assert request.items == (Item(0x40, 2), Item(0x2A))


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("DF04EF08$", None),
        ("DF04EF08|$", None),
        ("DF04EF08:01$", 1),
        ("DF04EF08:0A$", 10),
        ("DF04EF08:1E|$", 30),
    ],
)
def test_a_log_is_asked_for_whole_or_by_a_record(text, record):
    """Numbers are hex, as the tags are."""
    assert asked(text) == (FileRequest("DF04EF08", "DF04EF08", (), record),)


@pytest.mark.parametrize("name", ["3F00EF06", "MFEF06"])
def test_a_vendors_name_of_the_environment_is_its_file(name):
    """What is read is SSSEEF06; what is answered carries the caller's name."""
    assert asked(f"{name}|08|$") == (FileRequest("SSSEEF06", name, (Item(8),)),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "$",
        "|$",
        "SSSEEF06|08|",
        "SSSEEF06|08|$ ",
        "SSSEEF06|08|$$",
        "SSSEEF06|8|$",
        "SSSEEF06|0G|$",
        "SSSEEF06|08||09|$",
        "SSSEEF06|08:0|$",
        "SSSEEF06|08:|$",
        "SSSEEF06|08:123|$",
        "SSSEEF6|08|$",
        "sseef06|08|$",
        "EF06|08|$",
        "DF04EF08:00$",
        "DF04EF08:01|02|$",
        "DF1FEF05|08|$",
        "SSSEEF06|\uff10\uff18|$",
        "SSSEEF06|08|$" * 200,
    ],
)
def test_another_form_is_refused_with_the_drivers_number(text):
    """−14: the caller's text, not the card, is what is wrong."""
    assert parse_file_address(text) == DriverRefusal(BAD_PARAMETER)


# -- iReadCard: the answer --------------------------------------------------------


def test_the_answer_repeats_the_question_with_values_for_tags():
    """As manuals print it: SSSEEF05|卡有效期|卡号|$, and so on."""
    session = read(a_slot(a_card())[1])
    requests = asked("SSSEEF05|06|07|$3F00EF06|08|09|$")

    parts = []
    for request in requests:
        file = session.profile.files[request.file]
        values = answered(request, file, session.read_file(request.file))
        assert not isinstance(values, DriverRefusal)
        parts.append((request, values))

    assert answer_string(parts) == (
        "SSSEEF05|20340601|A12345674|$3F00EF06|990100198001010018|测试甲|$"
    )


def values_of(text: str, content: driver.Content) -> tuple[str, ...]:
    """Answer a request of one file with *content*."""
    (request,) = asked(text)
    values = answered(request, V3.files[request.file], content)
    assert not isinstance(values, DriverRefusal)
    return values


ROW = decode_fields(
    V3.files["DF04EF08"],
    bytes.fromhex("0007329901000000012025030109301500003039000007D000007530"),
)
ROW_TEXT = "7^2^990100000001^20250301093015^12345^2000^30000"


def test_a_log_is_told_record_by_record():
    """The published record of 28 bytes: records apart by |, their fields by ^."""
    assert values_of("DF04EF08$", (ROW, ROW)) == (ROW_TEXT, ROW_TEXT)
    assert answer_string([(asked("DF04EF08|$")[0], (ROW_TEXT,))]) == (
        f"DF04EF08|{ROW_TEXT}|$"
    )


def test_one_record_of_a_log_is_the_newest_but_so_many():
    """1 is the newest; a tag beside a log is a record's number as well."""
    older = {**ROW, "sequence": "6"}

    assert values_of("DF04EF08:02$", (ROW, older))[0].startswith("6^")
    assert values_of("DF04EF08|02|$", (ROW, older))[0].startswith("6^")


def test_an_empty_log_has_no_value():
    """Nothing happened yet: that is an answer, not an error."""
    assert values_of("DF04EF08$", ()) == ()


def test_a_group_is_told_with_its_inner_elements():
    """学位^专业^学校, of the second that the card holds."""
    content = {
        "education": "11",
        "degrees.1.degree": "AAA",
        "degrees.2.degree": "BBB",
        "degrees.2.subject": "990100",
        "degrees.2.school": "测试",
    }

    assert values_of("DF01EF15|40:2|2A|40:3|$", content) == (
        "BBB^990100^测试",
        "11",
        "^^",
    )


def test_a_file_alone_is_all_its_elements():
    """Callers that do not know the tags get them in the standard's order."""
    content = {"work_state": "3"}

    assert values_of("DF01EF07$", content) == ("3",)


def test_a_photo_is_told_in_hex():
    """There is no other way for bytes to stand between separators."""
    assert values_of("SSSEEF08|$", b"\xff\xd8\xff\xd9") == ("FFD8FFD9",)


def test_a_first_generation_tag_with_its_new_meaning_is_found():
    """Padded with E it was read under the name of the second generation."""
    file = V1.files["DF04EF05"]
    element = next(e for e in file.elements if e.newer is not None)
    assert element.newer is not None
    request = FileRequest(file.name, file.name, (Item(element.tag),))

    assert answered(request, file, {element.newer.name: "AAA"}) == ("AAA",)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("SSSEEF06|81|$", {}),
        ("SSSEEF06|08:2|$", {}),
        ("DF01EF15|40:4|$", {}),
        ("DF04EF08:03$", (ROW, ROW)),
        ("DF04EF08|00|$", (ROW, ROW)),
    ],
)
def test_what_the_file_does_not_have_is_refused(text, content):
    """−27267: an empty text would look like an empty element."""
    (request,) = asked(text)

    refused = answered(request, V3.files[request.file], content)

    assert refused == DriverRefusal(NO_RECORD)


@pytest.mark.parametrize("separator", ["|", "$", "^"])
def test_a_value_with_a_separator_is_refused(separator):
    """It would move every value behind it to another tag."""
    with pytest.raises(CardDataError, match="separator"):
        values_of("SSSEEF06|09|$", {"name": f"测{separator}试"})


def test_a_file_answered_as_what_it_is_not_is_a_mistake_of_the_program():
    """A log has rows, a photo has bytes."""
    with pytest.raises(AssertionError):
        values_of("DF04EF08$", {})


def test_the_bytes_of_an_answer_are_those_of_the_old_drivers():
    """GB 18030 with a zero behind it, rare characters intact."""
    assert driver_bytes("测试䶮𠮷|") == "测试䶮𠮷|".encode("gb18030") + b"\x00"


# -- error numbers ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "number"),
    [
        (0x6700, -26368),
        (0x6901, -26881),
        (0x6981, -27009),
        (0x6982, -27010),
        (0x6A82, -27266),
        (0x6A88, -27272),
        (0x9303, -37635),
        (0x9406, -37894),
    ],
)
def test_a_status_word_is_its_number_with_the_sign_turned(status, number):
    """The published table follows from this one rule."""
    assert status_code(status) == number
    assert driver_code(CardProtocolError("a command", status)) == number
    assert not driver_text(number).startswith("卡片应答")


def test_every_number_of_a_status_word_has_the_text_of_the_table():
    """A number below −25000 that is no status word would be a typing error."""
    words = [number for number in TEXTS if number < -25000]

    assert len(words) == 17
    assert all(0x6200 <= -number <= 0xFFFF for number in words)


@pytest.mark.parametrize(
    ("number", "left"), [(-25536, 0), (-25537, 1), (-25538, 2), (-25551, 15)]
)
def test_the_tries_left_are_the_last_digit_not_the_printed_order(number, left):
    """The document prints 2, 1, 0 beside them; 63C0 is none left."""
    assert tries_left(number) == left
    assert driver_text(number) == f"外部认证失败，剩余 {left} 次"


@pytest.mark.parametrize("number", [0, -51, -25535, -25552, -27010])
def test_another_number_leaves_no_tries_to_tell(number):
    """A wrong figure of tries locks a card."""
    assert tries_left(number) is None


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.__name__)
def test_every_error_has_a_number_and_the_number_a_text(error):
    """A HIS shows the number; 错误 −99 helps nobody."""
    arguments = {
        CardDataError: ("SSSEEF06", "name", "is empty"),
        CardProtocolError: ("a command", 0x6700),
        errors.ProfileError: ("v3.toml", "key", "is missing"),
        errors.TranscriptError: (1,),
    }

    number = driver_code(error(*arguments.get(error, ())))

    assert number < 0
    assert number in TEXTS
    assert DriverRefusal(number).text == TEXTS[number]


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (errors.NoCardError(), -2),
        (errors.CardMuteError(), -4),
        (errors.CardRemovedError(), -2),
        (errors.CardResetError(), -3),
        (errors.CardSwappedError(), -22),
        (errors.CardCounterfeitError(), -21),
        (errors.PinCancelledError(), -31),
        (errors.PinTimeoutError(), -32),
        (errors.PinBlockedError(), -52),
        (errors.KeyUnavailableError("RKSSSE"), -2201),
        (CardDataError("DF04EF05", "", "is not on this card"), -27266),
        (CardDataError("DF04EF05", "card_use", "is empty"), -23),
        (CardProtocolError("a command", 0), -4),
    ],
)
def test_our_errors_are_told_in_the_drivers_numbers(error, number):
    """What the HIS does next hangs on the number: −2201 sends it to the HSM."""
    assert driver_code(error) == number


def test_a_refusal_known_by_its_code_has_the_same_number():
    """What the desk keeps of a refused card is a code and its sentences."""
    assert code_number("reader-unavailable") == -11
    assert code_number("card-reset") == -3
    assert code_number("nobody-knows") == -11


@pytest.mark.parametrize("number", [n for n in TEXTS if n])
def test_every_number_of_another_driver_is_an_error_of_ours(number):
    """Behind another driver the counter still gets a sentence of its own."""
    error = driver_error(number)

    assert isinstance(error, ReaderError)
    assert error.sentence_zh.endswith("。")
    assert str(number) in str(error)


@pytest.mark.parametrize(
    "number",
    [
        *(-1, -2, -3, -4, -5, -11, -12, -21, -22, -25, -31, -32, -33, -34, -35, -52),
        *(-2201, -26368, -27009, -27010, -27265, -27266, -37634),
    ],
)
def test_a_number_comes_back_as_itself(number):
    """There and back: the two tables agree wherever both speak."""
    assert driver_code(driver_error(number)) == number


def test_a_failed_authentication_of_another_driver_is_a_refused_key():
    """63C1 behind a driver is the same as before the card."""
    assert isinstance(driver_error(-25537), errors.KeyRefusedError)


def test_a_number_nobody_printed_is_told_as_it_is():
    """Vendors add numbers; inventing a meaning would be worse."""
    assert driver_text(-28416) == "卡片应答 6F00"
    assert driver_text(-999) == "错误 -999"
    assert type(driver_error(-999)) is ReaderError


def test_success_is_no_error():
    """0 must not become a sentence at the counter."""
    with pytest.raises(AssertionError):
        driver_error(0)
