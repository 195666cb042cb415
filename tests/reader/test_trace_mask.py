"""A trace of a card: nobody's data, and the same session when it is replayed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reader import apdu
from reader.codec import CHARSET
from reader.crypto import Algorithm
from reader.emulator.cos import CardOs
from reader.emulator.quirks import NAMED, QuirkyCard
from reader.errors import CardDataError, ReaderError
from reader.greeting import algorithm_of
from reader.keys import KeyProvider, TestKeys
from reader.link import Link
from reader.links.emulator import EmulatedCard, EmulatedSlot, EmulatorLink
from reader.links.recording import Written, recording
from reader.links.replay import ReplayedKeys, ReplayLink
from reader.session import CardSession
from reader.trace_mask import TraceMask
from tests.reader.cards import NOW, V2, V3, a_card, read
from tests.shipped import PROFILES
from tests.shipped import SPECS as DECK

PIN = b"246810"
#: Somebody whose data are not the vectors of the profiles.
SOMEBODY = {
    "name": "测试某某",
    "person_cert_no": "990100196307150030",
    "card_no": "Z98765435",
    "card_serial": "990100D1560000058765432100ABCDEF",
}


def somebodys(card_id: str = "v3-jia", **changed: str) -> CardOs:
    """Make the card of 测试某某."""
    return a_card(card_id, **{**SOMEBODY, **changed})


def traced(card: EmulatedCard) -> tuple[Link, list[Written]]:
    """Put a card into a slot whose link is recorded and masked."""
    slot, written = EmulatedSlot(), list[Written]()
    slot.insert(card)
    mask = TraceMask(PROFILES)
    link = recording(EmulatorLink(slot), written.append, mask, now=lambda: NOW)
    return link, written


def replayed(written: list[Written]) -> ReplayLink:
    """Replay what was recorded."""
    return ReplayLink("".join(json.dumps(step) + "\n" for step in written))


def everything(link: Link, keys: KeyProvider) -> CardSession:
    """Do with a card what a day's trace has in it."""
    session = read(link, keys)
    session.verify_pin(bytearray(PIN))
    session.read_file("DF04EF05")
    session.read_log("DF04EF08")
    session.read_binary("SSSEEF08")
    session.still_same_card()
    session.close()
    return session


def told_of(card: CardOs) -> set[str]:
    """Say, in hex, all that is on a card of 测试某某 alone."""
    numbers = SOMEBODY["person_cert_no"], SOMEBODY["card_no"], PIN.decode()
    return {
        SOMEBODY["name"].encode(CHARSET).hex().upper(),
        *(number.encode().hex().upper() for number in numbers),
        PIN.decode(),
        SOMEBODY["card_serial"][12:],
        card.power_on()[-4:].hex().upper(),
    }


@pytest.mark.parametrize("card_id", ["v3-jia", "v2-yi"])
def test_a_trace_tells_nothing_of_the_holder(card_id):
    """It goes to whoever helps, by mail: no name, no number, no PIN, no chip."""
    card = somebodys(card_id)
    link, written = traced(card)
    everything(link, TestKeys())
    text = json.dumps(written)

    assert len(written) > 20
    assert [found for found in told_of(card) if found in text] == []


def test_a_trace_shows_an_invented_holder():
    """The vectors of the profile: whoever reads it sees that it is nobody."""
    link, written = traced(somebodys())
    everything(link, TestKeys())

    session = read(replayed(written), ReplayedKeys())

    assert session.credential.name == "测试䶮𠮷"
    assert session.credential.number == "A12345674"
    assert session.credential.person_cert_no == "990100198001010018"


@pytest.mark.parametrize("card_id", ["v3-jia", "v2-yi", "v3-poor"])
@pytest.mark.parametrize("quirk", ["", "procedure-bytes", "per-record-only"])
def test_a_traced_session_replays_to_its_end(card_id, quirk):
    """Same commands, same order, same status words, from power-up to power-down."""
    card = a_card(card_id)
    link, written = traced(QuirkyCard(card, NAMED[quirk]) if quirk else card)
    was = everything(link, TestKeys())
    replay = replayed(written)

    session = everything(replay, ReplayedKeys())

    assert replay.finished
    assert session.profile == was.profile
    assert session.pin_status == was.pin_status


@pytest.mark.parametrize(
    "changed",
    [
        {"valid_until": dt.date(2020, 1, 1)},
        {"card_no": "Z98765439"},
        {"person_cert_no": "990100196307150037"},
        {"birth_date": dt.date(1, 1, 1)},
    ],
)
def test_a_refused_card_is_refused_alike_in_the_replay(changed):
    """Traces are made for the cards that do not read."""
    link, written = traced(a_card("v3-jia", **{**SOMEBODY, **changed}))
    with pytest.raises(ReaderError) as first:
        read(link, TestKeys())

    with pytest.raises(ReaderError) as second:
        read(replayed(written), ReplayedKeys())

    assert str(second.value) == str(first.value)


@pytest.mark.parametrize("card_id", sorted(DECK))
def test_every_card_of_the_deck_replays_to_the_same_end(card_id):
    """Read or refused: the trace goes the way the session went."""
    link, written = traced(a_card(card_id))
    was = end_of(link, TestKeys())

    assert end_of(replayed(written), ReplayedKeys()) == was


def end_of(link: Link, keys: KeyProvider) -> str:
    """Say what a session comes to."""
    try:
        session = read(link, keys)
    except ReaderError as error:
        return str(error)
    return f"{session.profile.name} {session.pin_status}"


def test_a_worn_element_is_worn_in_the_replay_too():
    """Other bytes that do not read, in the same place, of the same length."""
    card = somebodys()
    records = card.memory.records["SSSEEF06"]
    records[0] = b"\x08\x12" + SOMEBODY["person_cert_no"].encode()[:17] + b"\xff"
    link, written = traced(card)
    with pytest.raises(CardDataError) as first:
        read(link, TestKeys())

    with pytest.raises(CardDataError) as second:
        read(replayed(written), ReplayedKeys())

    assert str(second.value) == str(first.value)
    assert b"99010019630715003".hex() not in json.dumps(written).lower()


# --- what no profile describes


def masked_read(file: int, answer: bytes, command: bytes) -> bytes:
    """Mask one answer out of the environment's *file*."""
    mask = TraceMask(PROFILES)
    mask.of_answer(apdu.select_name(V3.environment), b"\x90\x00")
    mask.of_answer(apdu.select_file(file), b"\x90\x00")
    return mask.of_answer(command, answer)


def test_a_tag_nobody_knows_is_blanked_and_all_behind_it():
    """Where it stands in a record nobody can say what the next bytes are."""
    raw = bytes.fromhex("0201 33 7703 313233 0304 332E3030 9000")

    told = masked_read(0xEF05, raw, apdu.read_all(0))

    assert told.hex() == "020133" + "00" * 11 + "9000"


def test_a_file_nobody_knows_is_blanked():
    """A province's own file without a profile."""
    assert masked_read(0xEF99, b"\x01\x01A\x90\x00", apdu.read_all(0)) == (
        b"\x00\x00\x00\x90\x00"
    )


def test_an_application_nobody_knows_is_blanked():
    """A bank's application on the same chip."""
    mask = TraceMask(PROFILES)
    mask.of_answer(apdu.select_name(b"bank"), b"\x90\x00")
    mask.of_answer(apdu.select_file(0xEF05), b"\x90\x00")

    assert mask.of_answer(apdu.read_all(0), b"\x02\x01\x33\x90\x00") == (
        b"\x00\x00\x00\x90\x00"
    )


def test_an_answer_to_a_command_nobody_knows_is_blanked():
    """GET DATA of some chips tells their number."""
    mask = TraceMask(PROFILES)

    assert mask.of_answer(b"\x80\xca\x9f\x7f\x00", b"CHIP\x90\x00") == (
        b"\x00\x00\x00\x00\x90\x00"
    )


@pytest.mark.parametrize(
    "command", ["00B2012C00", "00B2072800", "00B0850000"], ids=["records", "tag", "b0"]
)
def test_a_file_read_by_its_short_identifier_is_masked_too(command):
    """Some programs never select; ours does."""
    mask = TraceMask(PROFILES)
    mask.of_answer(apdu.select_name(V2.environment), b"\x90\x00")

    told = mask.of_answer(bytes.fromhex(command), b"\x07\x09Z98765435\x90\x00")

    assert b"Z98765435" not in told
    assert told[:2] == b"\x07\x09"


def test_open_elements_stay_unless_they_are_longer_than_they_may_be():
    """What hangs behind 规范版本 was not written by the book."""
    told = masked_read(0xEF05, b"\x03\x083.00ABCD\x90\x00", apdu.read_all(0))

    assert b"ABCD" not in told
    assert len(told) == 12


def test_an_answer_to_reset_loses_the_chips_number_only():
    """Maker and region stay: they tell which cards make trouble."""
    mask = TraceMask(PROFILES)

    assert (
        mask.of_atr(bytes.fromhex("3B6D000081544C9686844499018765432F")).hex()
        == "3b6d000081544c96868444990100000001"[:-8] + "00000001"
    )
    assert mask.of_atr(b"\x3b") == b"\x00"
    assert mask.of_atr(b"") == b""


@settings(max_examples=300, deadline=None)
@given(
    commands=st.lists(
        st.tuples(
            st.one_of(
                st.sampled_from(
                    [
                        apdu.select_name(V3.environment),
                        apdu.select_name(bytes.fromhex("D15600000503")),
                        apdu.select_file(0xEF05),
                        apdu.select_file(0xEF06),
                        apdu.read_all(0),
                        apdu.read_number(1, 0),
                        apdu.read_binary(0, 0),
                        bytes.fromhex("00C0000000"),
                    ]
                ),
                st.binary(min_size=4, max_size=12),
            ),
            st.binary(min_size=2, max_size=80),
        ),
        max_size=8,
    )
)
def test_any_answer_is_masked_to_its_length_and_keeps_its_status(commands):
    """A card is a stranger, and a trace must never be what breaks a session."""
    mask = TraceMask(PROFILES)

    for command, answer in commands:
        told = mask.of_answer(command, answer)
        if answer[-2] >> 4 in {6, 9}:
            assert told[-2:] == answer[-2:]
        if command[1] != 0xA4:
            assert len(told) == len(answer)


def test_a_chip_number_before_a_check_byte_is_found():
    """T=1: what stands last is no part of the number, and was made over it."""
    mask = TraceMask(PROFILES)

    told = mask.of_atr(
        bytes.fromhex("3B8F8001 81544C9686 844499 0100 AABBCCDD 01 5A5A")
    )

    assert b"\xaa\xbb" not in told
    assert told[-2:] == b"\x00\x00"


def test_what_an_issuer_puts_into_a_selection_is_not_told():
    """Name and algorithm are; a card's number beside them is not."""
    mask = TraceMask(PROFILES)
    issuer = "9F0C0C 860103 07095A3938373635343335"
    inner = "840F" + V3.environment.hex() + "A50F" + issuer
    fci = bytes.fromhex("6F20" + inner)

    told = mask.of_answer(apdu.select_name(V3.environment), fci + b"\x90\x00")

    assert algorithm_of(fci) is algorithm_of(told[:-2]) is Algorithm.SM4
    assert b"Z9876" in fci
    assert b"Z9876" not in told


def test_the_second_part_of_an_answer_is_blanked():
    """It begins in the middle of anything; a tag there is none."""
    mask = TraceMask(PROFILES)
    mask.of_answer(apdu.select_name(V3.environment), b"\x90\x00")
    mask.of_answer(apdu.select_file(0xEF05), b"\x90\x00")
    rest = bytes.fromhex("00C0000010")
    mask.of_answer(apdu.read_all(0), b"\x61\x20")
    first = mask.of_answer(rest, b"\x02\x01\x33\x01\x10" + b"S" * 11 + b"\x61\x10")

    second = mask.of_answer(rest, b"\x04\x0cZ98765435   " + b"\x90\x00")

    assert first[:3] == b"\x02\x01\x33"
    assert second == bytes(14) + b"\x90\x00"


def test_an_open_element_that_does_not_read_is_not_told():
    """An issuer's number with somebody's card number in it."""
    told = masked_read(0xEF05, b"\x04\x0cZ98765435   \x90\x00", apdu.read_all(0))

    assert b"9876" not in told


def test_an_answer_without_a_status_word_is_data_to_its_end():
    """A reader that lost the last bytes."""
    told = masked_read(0xEF05, b"\x07\x09Z98765435", apdu.read_all(0))

    assert told == b"\x07\x09A12345674"


def test_somebody_is_not_the_vector():
    """Else the tests above would prove nothing."""
    spec = dataclasses.replace(DECK["v3-jia"], **SOMEBODY)  # type: ignore[arg-type]  # texts
    texts = {e.text for f in V3.files.values() for e in f.elements}

    assert not texts & {spec.name, spec.person_cert_no, spec.card_no, spec.card_serial}
