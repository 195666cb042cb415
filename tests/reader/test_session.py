"""Stories of a card at the counter: read, refused, pulled, swapped, locked."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest

from reader.errors import (
    CardCounterfeitError,
    CardDataError,
    CardExpiredError,
    CardNotSocialError,
    CardNotSupportedError,
    CardRemovedError,
    CardSwappedError,
    KeyRefusedError,
    NoCardError,
    PcscMissingError,
    PinBlockedError,
    PinFormatError,
    ReaderError,
)
from reader.greeting import card_factor
from reader.keys import TestKeys
from reader.links.emulator import EmulatedSlot, EmulatorLink
from tests.reader.cards import Wire, a_card, a_slot, read
from tests.shipped import SPECS as DECK

PIN = b"246810"


@pytest.mark.parametrize("card_id", ["v3-jia", "v2-yi", "v3-rare"])
def test_a_holder_is_read_from_a_genuine_card(card_id):
    """Both generations, and a name that needs four bytes for a character."""
    _, link = a_slot(a_card(card_id))

    session = read(link)

    spec, who = DECK[card_id], session.credential
    assert (who.name, who.number) == (spec.name, spec.card_no)
    assert who.person_cert_no == spec.person_cert_no
    assert dict(who.proof.facts)["external"] is (card_id != "v2-yi")


def test_the_challenges_are_the_terminals_own():
    """A replaying card cannot choose what it has to answer."""
    wire = Wire(a_slot(a_card())[1])

    read(wire)

    internal = next(c for c in wire.commands if c[1] == 0x88)
    assert internal[5:21] == (2).to_bytes(8, "big") + (1).to_bytes(8, "big")


def test_asking_for_the_tries_spends_none():
    """The query is not an attempt."""
    card = a_card()
    session = read(a_slot(card)[1])

    assert session.pin_status.tries_left == 3
    assert card.memory.tries_left == 3


def test_a_wrong_pin_spends_one_try_a_call_until_it_locks():
    """Three, two, one, locked; and then no try is made at all."""
    session = read(a_slot(a_card())[1])

    left = [
        session.verify_pin(bytearray(b"135790"), last_try_confirmed=True).tries_left
        for _ in range(3)
    ]

    assert left == [2, 1, 0]
    with pytest.raises(PinBlockedError):
        session.verify_pin(bytearray(PIN))


def test_a_right_pin_puts_the_tries_back():
    """Success resets the card's counter."""
    card = a_card()
    session = read(a_slot(card)[1])
    session.verify_pin(bytearray(b"135790"))

    outcome = session.verify_pin(bytearray(PIN))

    assert (outcome.verified, card.memory.tries_left) == (True, 3)


@pytest.mark.parametrize("digits", [PIN, b"135790", b"12", b"12345a"])
def test_the_pin_buffer_is_wiped_whatever_happens(digits):
    """Right, wrong or refused: nothing stays in it."""
    session = read(a_slot(a_card())[1])
    buffer = bytearray(digits)

    with contextlib.suppress(PinFormatError):
        session.verify_pin(buffer)

    assert buffer == bytes(len(digits))


@pytest.mark.parametrize("digits", [b"", b"123", b"1234567890123", b"12 456", b"abcd"])
def test_what_is_no_pin_spends_no_try(digits):
    """Four to twelve digits, or the card is not asked."""
    card = a_card()
    session = read(a_slot(card)[1])

    with pytest.raises(PinFormatError):
        session.verify_pin(bytearray(digits))

    assert card.memory.tries_left == 3


def test_a_card_with_a_locked_pin_says_so_before_any_attempt():
    """Locked is known from the query."""
    session = read(a_slot(a_card("v3-blocked"))[1])

    assert session.pin_status.blocked
    with pytest.raises(PinBlockedError):
        session.verify_pin(bytearray(PIN))


def test_power_down_forgets_the_verified_pin():
    """The next session starts with nothing proven."""
    card = a_card()
    session = read(a_slot(card)[1])
    session.verify_pin(bytearray(PIN))
    during = card.proven

    session.close()
    card.power_on()

    assert during == {"pin", "RKSSSE"}
    assert card.proven == frozenset()


def test_the_holders_file_of_a_v3_card_needs_the_terminals_proof():
    """69 82 without external authentication."""
    _, link = a_slot(a_card())
    link.power_on()
    name = bytes.fromhex("7378312E73682EC9E7BBE1B1A3D5CF")
    link.transmit(b"\x00\xa4\x04\x00\x0f" + name)
    link.transmit(bytes.fromhex("00A4020002EF06"))

    assert link.transmit(bytes.fromhex("00B2010500")) == b"\x69\x82"


def test_a_card_under_another_root_is_counterfeit():
    """Who does not hold the key cannot answer the challenge."""
    _, link = a_slot(a_card())

    with pytest.raises(CardCounterfeitError):
        read(link, TestKeys(bytes(16)))


@pytest.mark.parametrize(
    ("card_id", "error"),
    [("v3-expired", CardExpiredError), ("v3-damaged", CardDataError)],
)
def test_a_card_that_cannot_settle_is_refused_with_its_own_sentence(card_id, error):
    """And it is powered down."""
    wire = Wire(a_slot(a_card(card_id))[1])

    with pytest.raises(error) as caught:
        read(wire)

    assert caught.value.sentence_zh != ReaderError.sentence_zh
    assert wire.off == 1


def test_the_last_day_of_a_card_still_counts():
    """Valid until means until its end."""
    _, link = a_slot(a_card(valid_until=dt.date(2026, 11, 23)))

    card = read(link).credential.card

    assert card is not None
    assert card.valid_until == dt.date(2026, 11, 23)


def test_a_chip_that_is_no_social_card_is_told_apart():
    """A bank card in the slot is a foreseen mistake."""
    wire = Wire(
        a_slot(a_card())[1], lambda number, _: b"\x6a\x82" if not number else None
    )

    with pytest.raises(CardNotSocialError):
        read(wire)


def test_a_number_with_a_wrong_check_character_is_refused():
    """Worn or made up, it is not used."""
    _, link = a_slot(a_card(card_no="A12345675"))

    with pytest.raises(CardDataError, match="check character"):
        read(link)


def test_an_empty_slot_is_no_card():
    """Nothing is read from nothing."""
    with pytest.raises(NoCardError):
        read(EmulatorLink(EmulatedSlot()))


def test_a_card_pulled_at_any_command_ends_the_session():
    """At every place the same: the card is gone, and no half-read holder stays."""
    whole = Wire(a_slot(a_card())[1])
    read(whole)

    for place in range(len(whole.commands)):
        slot, link = a_slot(a_card())

        def pull(number: int, _command: bytes, slot=slot, place=place) -> None:
            if number == place:
                slot.remove()

        with pytest.raises(CardRemovedError):
            read(Wire(link, pull))


def test_another_card_in_the_slot_is_not_the_one_that_was_read():
    """Power or identity: either way the session is over."""
    slot, link = a_slot(a_card())
    session = read(link)
    slot.insert(a_card("v2-yi"))

    with pytest.raises((CardRemovedError, CardSwappedError)):
        session.still_same_card()


def test_the_same_card_is_recognised():
    """Nothing changed, nothing is refused."""
    session = read(a_slot(a_card())[1])

    session.still_same_card()


def test_a_card_that_answers_in_parts_reads_the_same():
    """T=0: 61 xx, then GET RESPONSE."""
    _, inner = a_slot(a_card())
    held: list[bytes] = []

    def parts(_number: int, command: bytes) -> bytes | None:
        if command[1] == 0xC0:
            return held.pop()
        answer = inner.transmit(command)
        if len(answer) > 2 and command[1] == 0xB2:
            held.append(answer)
            return bytes((0x61, (len(answer) - 2) & 0xFF))
        return answer

    assert read(Wire(inner, parts)).credential.name == DECK["v3-jia"].name


def test_a_card_without_the_fast_read_is_read_record_by_record():
    """6A 86 on the whole file is no failure."""
    _, inner = a_slot(a_card())

    def slow(_number: int, command: bytes) -> bytes | None:
        return b"\x6a\x86" if command[1] == 0xB2 and command[3] == 0x05 else None

    assert read(Wire(inner, slow)).credential.number == DECK["v3-jia"].card_no


def test_a_challenge_that_went_stale_is_drawn_once_more():
    """6984 once is repeated; twice is refused."""
    _, inner = a_slot(a_card())
    seen: list[int] = []

    def stale(number: int, command: bytes) -> bytes | None:
        if command[1] == 0x82 and not seen:
            seen.append(number)
            return b"\x69\x84"
        return None

    assert read(Wire(inner, stale)).credential.name == DECK["v3-jia"].name


def test_a_card_that_refuses_the_terminal_is_not_read():
    """63 Cx on external authentication is a refusal, not a reason to try again."""
    _, inner = a_slot(a_card())
    wire = Wire(inner, lambda _, c: b"\x63\xc1" if c[1] == 0x82 else None)

    with pytest.raises(KeyRefusedError):
        read(wire)

    assert sum(command[1] == 0x82 for command in wire.commands) == 1


@pytest.mark.parametrize("atr", ["3B6C0000", "3B65000001020304", "3B"])
def test_an_answer_to_reset_without_a_factor_is_refused(atr):
    """No eight historical bytes, no key."""
    with pytest.raises(CardNotSupportedError):
        card_factor(bytes.fromhex(atr))


@pytest.mark.parametrize(
    "atr",
    [
        "3B6D000081544C96868444990100000001",  # 13 historical bytes
        "3B6C0000544C96868444990100000001",  # 12
        "3B9D110081544C96868444990100000001",  # interface bytes before them
    ],
)
def test_the_factor_is_found_in_answers_of_every_shape(atr):
    """Structurally, from the end of the historical bytes."""
    assert card_factor(bytes.fromhex(atr)).hex().upper() == "8444990100000001"


def test_a_credential_prints_nothing_personal():
    """A repr that lands in a log tells nothing."""
    who = read(a_slot(a_card())[1]).credential

    text = repr(who) + str(who) + repr(DECK["v3-jia"])

    for secret in (who.name, who.number, who.person_cert_no, who.card_serial, "246810"):
        assert secret not in text


def test_the_pcsc_link_without_pyscard_says_what_to_do():
    """The command that turns it on is in the sentence."""
    assert "make setup" in PcscMissingError.sentence_en
    assert "make setup" in PcscMissingError.sentence_zh
