"""The resident identity card through the ministry's SAM, and what is refused of it."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader.credential import CertificateType, Credential, ProofKind, Sex
from reader.emulator.identity_sam import (
    EmulatedIdentity,
    IdentitySamDevice,
    SamFaults,
    an_identity,
)
from reader.emulator.serial_line import PipePort, serve_pty
from reader.errors import IdentityCardError, ReaderError, ReaderUnavailableError
from reader.frames import IDENTITY_SAM, encode
from reader.identity_card import read_identity, read_identity_card, read_text
from reader.links.serial_port import SerialPort
from reader.person_number import check_character, read_person_number
from tests.reader.serial_line import SHORT, Script

NOW = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)
JIA = EmulatedIdentity()


def read(device: IdentitySamDevice | Script, now: dt.datetime = NOW) -> Credential:
    """Read through a pipe."""
    return read_identity_card(PipePort(device), lambda: now, SHORT)


def a_text(**changed: str) -> bytes:
    """Lay out an invented card with fields changed."""
    return an_identity(dt.date(1980, 1, 1), "001", **changed).text()


def test_a_card_becomes_a_credential():
    """The same shape as a social security card's, so that settling does not differ."""
    credential = read(IdentitySamDevice(JIA))

    assert credential.certificate is CertificateType.ID_CARD
    assert credential.number == credential.person_cert_no == JIA.number
    assert credential.name == "测试甲"
    assert credential.sex is Sex.MALE
    assert credential.birth_date == dt.date(1980, 1, 1)
    assert credential.card_serial == ""
    assert credential.card is None
    assert credential.proof.kind is ProofKind.SAM_READ
    assert credential.proof.verified_by == "0500030020200101000000010000009A"


def test_nothing_personal_is_in_the_evidence_or_a_repr():
    """Evidence goes to the journal, a repr into a log."""
    credential = read(IdentitySamDevice(JIA))
    card = read_identity(PipePort(IdentitySamDevice(JIA)), SHORT)

    for shown in (repr(credential), repr(card), str(credential.proof.to_json())):
        assert "测试" not in shown
        assert JIA.number not in shown


def test_it_is_read_through_a_real_terminal_line():
    """The 1295 bytes of an answer come in pieces there."""
    service = serve_pty(IdentitySamDevice(JIA))
    port = SerialPort(service.path)

    card = read_identity(port)

    assert card.issuer == "测试市公安局"
    assert card.address == "测试省测试市测试路 1 号"
    assert len(card.photo) == 1024
    port.close()
    service.close()


def test_a_card_for_ever_does_not_expire():
    """长期: cards of holders from 46 years on."""
    card = read_text(a_text(valid_until="长期"))

    assert card.valid_until is None
    older = an_identity(dt.date(1950, 1, 1), "002", valid_until="长期")
    assert read(IdentitySamDevice(older)).sex is Sex.FEMALE


def test_rare_characters_come_through():
    """A name is a name, also where the ministry printed a private character."""
    name = "测\U00020bb7\ue863"

    assert read_text(a_text(name=name)).name == name


def test_the_last_day_is_still_valid():
    """The card says until; the day itself belongs to the holder."""
    card = an_identity(dt.date(1980, 1, 1), "001", valid_until="20261123")

    assert read(IdentitySamDevice(card)).name == "测试甲"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"valid_until": "20261122"}, "expired"),
        ({"valid_from": "20261124"}, "not valid yet"),
        ({"kind": "I"}, "外国人永久居留身份证"),
        ({"kind": "Y"}, "of 2023"),
        ({"kind": "J"}, "港澳台居民居住证"),
        ({"kind": "Q"}, "does not know"),
        ({"number": "990100198001010010"}, "number"),
        ({"number": "99010019800101001"}, "number"),
        ({"birth_date": "19800102"}, "disagree"),
        ({"birth_date": "19801301"}, "birth date"),
        ({"birth_date": "1980011"}, "birth date"),
        ({"sex": "2"}, "disagree"),
        ({"name": ""}, "name"),
        ({"name": "测\x1b甲"}, "name"),
        ({"name": "测\u202e甲"}, "name"),
        ({"valid_until": "for ever"}, "last day"),
        ({"valid_until": ""}, "last day"),
        ({"valid_from": "\uff12020010\uff11"}, "first day"),
    ],
)
def test_what_does_not_hold_is_refused_by_name(changed, says):
    """The clerk is told what is wrong, never what stands there."""
    device = IdentitySamDevice(an_identity(dt.date(1980, 1, 1), "001", **changed))

    with pytest.raises(IdentityCardError, match=says) as caught:
        read(device)

    assert "990100" not in str(caught.value)


def test_no_card_on_the_reader_says_so():
    """The most frequent failure of all: not placed yet."""
    with pytest.raises(IdentityCardError, match="no card lies"):
        read(IdentitySamDevice(None))


def test_a_card_taken_away_too_early_does_not_read():
    """Half a card is no card."""
    device = IdentitySamDevice(
        EmulatedIdentity(), faults=SamFaults(removed_after_find=True)
    )

    with pytest.raises(IdentityCardError, match="2002 answered 81"):
        read(device)


def test_half_a_character_is_refused_without_its_bytes():
    """The codec's own error would carry the name into a traceback."""
    device = IdentitySamDevice(
        EmulatedIdentity(), faults=SamFaults(changed_text={1: 0xD8})
    )

    with pytest.raises(IdentityCardError, match="name") as caught:
        read(device)

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_question_that_arrived_damaged_is_asked_again():
    """The SAM said so itself, and only reads."""
    faults = SamFaults(not_accepted=2)

    assert read(IdentitySamDevice(EmulatedIdentity(), faults=faults)).name == "测试甲"


def test_a_sam_that_never_understands_is_given_up():
    """Three times; then a person looks at the cable."""
    faults = SamFaults(not_accepted=3)

    with pytest.raises(IdentityCardError, match="12ff answered 10"):
        read(IdentitySamDevice(EmulatedIdentity(), faults=faults))


@pytest.mark.parametrize("fault", ["lost_answers", "wrong_check"])
def test_a_lost_or_damaged_answer_is_the_readers_fault(fault):
    """A name with a flipped bit is another person's."""
    faults = SamFaults()
    setattr(faults, fault, 1)

    with pytest.raises(ReaderUnavailableError):
        read(IdentitySamDevice(EmulatedIdentity(), faults=faults))


@pytest.mark.parametrize(
    "answers",
    [
        [b"\x00\x00"],
        [b"\x00\x00\x90" + bytes(15)],
        [b"\x01\x00\x90" + bytes(16)],
        [b"\x00\x00\x90" + bytes(16), b"\x00\x00\x9f", b"\x00\x00\x90", b"\0\0\x90"],
        [
            b"\x00\x00\x90" + bytes(16),
            *(b"\x00\x00\x9f", b"\x00\x00\x90"),
            b"\x00\x00\x90\x01\x00\x04\x00" + bytes(256),
        ],
    ],
    ids=["short", "sam-number", "first-status", "no-text", "no-photo"],
)
def test_an_answer_of_another_shape_is_refused(answers):
    """Places are fixed; shifted by a byte they would be another holder."""
    device = Script(*(bytes(encode(IDENTITY_SAM, answer)) for answer in answers))

    with pytest.raises(IdentityCardError):
        read(device)


@given(text=st.binary(min_size=256, max_size=256))
def test_no_text_does_anything_but_read_or_be_refused(text):
    """Whatever a worn chip says, the daemon stays."""
    try:
        card = read_text(text)
    except ReaderError:
        return
    assert read_person_number(card.number).birth_date == card.birth_date


@pytest.mark.parametrize(
    ("number", "sex"),
    [
        ("11010519491231002X", Sex.FEMALE),  # the example of GB 11643
        ("990100198001010018", Sex.MALE),
    ],
)
def test_a_number_says_day_and_sex(number, sex):
    """The standard's own example holds."""
    assert read_person_number(number).sex is sex


@pytest.mark.parametrize(
    "number",
    [
        "110105194912310020",
        "11010519491231002x",
        "1101051949123100",
        "",
        "99010019800230001" + check_character("99010019800230001"),
        "\uff1990100198001010018",
    ],
)
def test_a_number_that_does_not_hold_is_refused(number):
    """A typing error would be somebody else, or nobody."""
    with pytest.raises(ValueError, match=r"day|month|check"):
        read_person_number(number)


@given(first=st.from_regex(r"[0-9]{17}", fullmatch=True), place=st.integers(0, 16))
def test_one_wrong_digit_is_always_found(first, place):
    """This is what the check character is for."""
    other = str((int(first[place]) + 1) % 10)
    wrong = first[:place] + other + first[place + 1 :]

    assert check_character(wrong) != check_character(first)
