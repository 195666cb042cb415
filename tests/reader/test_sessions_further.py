"""More of a session: PIN rules at their edges, DF04, unusual cards, the order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from reader.crypto import Algorithm
from reader.emulator.cos import CardOs, Memory
from reader.errors import (
    CardDataError,
    CardNotSupportedError,
    CardProtocolError,
    KeyRefusedError,
    KeyUnavailableError,
    PinBlockedError,
    PinFormatError,
)
from reader.keys import TEST_ROOT, CardContext, Question, SecuredCommand, TestKeys
from reader.pin import check_pin, pin_block
from reader.proof import keys_for
from reader.recognition import HOLDER_FILE
from tests.reader.cards import V2, V3, Wire, a_card, a_slot, counted, read

PIN, WRONG_PIN = b"246810", b"135790"
VERIFY, SELECT, READ_RECORD = 0x20, 0xA4, 0xB2
GET_CHALLENGE, INTERNAL, EXTERNAL = 0x84, 0x88, 0x82
ATR = bytes.fromhex("3B6D000081544C96868444990100000001")


def wired(card: CardOs) -> Wire:
    """Put *card* into a slot and watch its commands."""
    return Wire(a_slot(card)[1])


def sent(wire: Wire, instruction: int) -> list[bytes]:
    """List the commands of one instruction."""
    return [command for command in wire.commands if command[1] == instruction]


def with_record(card: CardOs, file: str, tag: int, value: bytes) -> CardOs:
    """Change one record of a card."""
    records = card.memory.records[file]
    place = next(i for i, record in enumerate(records) if record[0] == tag)
    records[place] = bytes((tag, len(value))) + value
    return card


def test_a_third_generation_card_is_asked_in_this_order():
    """The transaction's pre-processing (part 7 §5), each step once."""
    wire = wired(a_card("v3-jia"))

    read(wire)

    order = [command[1] for command in wire.commands]
    assert order == [
        *(SELECT, SELECT, READ_RECORD),
        *(INTERNAL, GET_CHALLENGE, EXTERNAL),
        *(SELECT, READ_RECORD, VERIFY),
    ]


def test_a_second_generation_card_is_not_shown_the_terminals_key():
    """It does not ask for it, and a try on a key is not spent for nothing."""
    wire = wired(a_card("v2-yi"))

    session = read(wire)

    assert sent(wire, EXTERNAL) == []
    assert session.credential.card is not None
    assert session.credential.card.algorithm is Algorithm.TDES


def test_a_pin_is_asked_about_before_it_is_presented():
    """Query, one attempt, query: never two attempts for one key press."""
    wire = wired(a_card())
    session = read(wire)
    wire.commands.clear()

    session.verify_pin(bytearray(WRONG_PIN))

    assert [command[4] for command in wire.commands] == [0, 3]


def test_a_blocked_pin_is_not_presented():
    """The card would refuse it, and the line has seen it for nothing."""
    wire = wired(a_card("v3-blocked"))
    session = read(wire)

    with pytest.raises(PinBlockedError):
        session.verify_pin(bytearray(PIN))

    assert all(command[4] == 0 for command in sent(wire, VERIFY))


def test_a_blocked_pin_is_wiped_too():
    """Refused or not, it does not stay in memory."""
    session = read(wired(a_card("v3-blocked")))
    buffer = bytearray(PIN)

    with pytest.raises(PinBlockedError):
        session.verify_pin(buffer)

    assert buffer == bytes(6)


def test_a_pin_locked_elsewhere_is_noticed_at_the_next_try():
    """Another terminal may have used the tries up since the card was read."""
    card = a_card()
    session = read(wired(card))
    card.memory.tries_left = 0

    with pytest.raises(PinBlockedError):
        session.verify_pin(bytearray(PIN))

    assert session.pin_status.blocked


def test_the_status_follows_every_attempt():
    """What the counter shows is what the card said last."""
    session = read(wired(a_card()))

    session.verify_pin(bytearray(WRONG_PIN))
    after_wrong = session.pin_status.tries_left
    session.verify_pin(bytearray(PIN))

    assert (after_wrong, session.pin_status.tries_left) == (2, 3)


def test_a_card_without_a_pin_is_not_shown_one():
    """9000 to the query: the holder's step is skipped, nothing goes over the line."""
    card = a_card()
    card.memory.pin = b""
    wire = wired(card)
    session = read(wire)

    outcome = session.verify_pin(bytearray(PIN))

    assert session.pin_status.not_set
    assert (outcome.verified, outcome.tries_left) == (True, None)
    assert all(command[4] == 0 for command in sent(wire, VERIFY))


def test_a_card_that_answers_ok_after_a_verified_pin_still_has_one():
    """Some cards say 9000 to the query then; that is not "no PIN"."""
    card = a_card()

    def ok_once_verified(_number: int, command: bytes) -> bytes | None:
        is_query = command[1] == VERIFY and command[4] == 0
        return b"\x90\x00" if is_query and "pin" in card.proven else None

    session = read(Wire(a_slot(card)[1], ok_once_verified))
    session.verify_pin(bytearray(PIN))

    assert session.pin_status.not_set is False
    assert session.pin_status.tries_left == 3


def test_an_odd_pin_is_padded_and_a_long_one_fits():
    """BCD, left-justified, F behind; twelve digits are six bytes."""
    assert pin_block(bytearray(b"12345")).hex() == "12345f"
    assert pin_block(bytearray(b"1234")).hex() == "1234"
    assert pin_block(bytearray(b"123456789012")).hex() == "123456789012"


@pytest.mark.parametrize(
    "digits", ["\uff11\uff12\uff13\uff14".encode(), b"1234\x00", b"-1234", b"+123"]
)
def test_what_only_looks_like_digits_is_no_pin(digits):
    """Full-width digits come from an input method, zeros from a driver."""
    with pytest.raises(PinFormatError):
        check_pin(bytearray(digits))


def test_a_status_word_verify_does_not_have_is_said():
    """6A86 to the query: nothing is known of the tries, so no PIN is presented."""
    wire = Wire(
        a_slot(a_card())[1], lambda _n, c: b"\x6a\x86" if c[1] == 0x20 else None
    )

    with pytest.raises(CardProtocolError, match="VERIFY answered 6A86"):
        read(wire)


def test_the_medical_file_opens_with_the_terminals_key():
    """DF04/EF05: PIN or RK1DF04 (V2.0 notice, table 6)."""
    wire = wired(a_card())
    session = read(wire)

    found = session.read_file("DF04EF05")

    assert found["insurance_kind"] == "39000000"
    assert found["insured_region"] == "990100"
    assert [command[3] for command in sent(wire, EXTERNAL)] == [0x0A, 0x84]


def test_the_medical_file_opens_with_the_holders_pin_alone():
    """No key is shown where the holder has already agreed."""
    wire = wired(a_card("v2-yi"))
    session = read(wire)
    session.verify_pin(bytearray(PIN))

    assert session.read_file("DF04EF05")["card_use"] == "1"
    assert sent(wire, EXTERNAL) == []


def test_the_card_is_still_recognised_after_another_application():
    """DF04 has an EF05 of its own; the comparison goes back to the SSSE."""
    session = read(wired(a_card()))
    session.read_file("DF04EF05")

    session.still_same_card()


def test_a_card_without_the_medical_application_says_which_file():
    """Many were issued without it; nothing else of the card is worse for it."""
    wire = Wire(
        a_slot(a_card())[1],
        lambda _n, c: b"\x6a\x82" if c[:5] == b"\x00\xa4\x04\x00\x06" else None,
    )
    session = read(wire)

    with pytest.raises(CardDataError, match=r"DF04EF05.*not on this card"):
        session.read_file("DF04EF05")


def test_a_card_without_the_issuers_file_says_which_file():
    """An empty chip with the right name is no social security card to settle with."""
    wire = Wire(
        a_slot(a_card())[1],
        lambda _n, c: b"\x6a\x82" if c[:5] == b"\x00\xa4\x02\x00\x02" else None,
    )

    with pytest.raises(CardDataError, match=r"SSSEEF05.*not on this card"):
        read(wire)


def test_a_file_no_profile_describes_is_said_by_its_name():
    """HIS programs ask for files by the driver's grammar; theirs may be another."""
    session = read(wired(a_card()))

    with pytest.raises(CardDataError, match="DF99EF99"):
        session.read_file("DF99EF99")


def test_a_right_the_card_does_not_give_is_not_guessed_around():
    """The card decides who reads DF04, and the refusal has its own sentence."""
    wire = Wire(a_slot(a_card())[1], lambda n, _c: b"\x69\x82" if n > 9 else None)
    session = read(wire)

    with pytest.raises(KeyRefusedError):
        session.read_file("DF04EF05")


def test_the_fewest_keys_that_open_a_file_are_proven():
    """Every proof is a chance to lock a key."""
    file = V3.files["DF04EF05"]

    assert keys_for(file, pin_verified=False) == ("RK1DF04",)
    assert keys_for(file, pin_verified=True) == ()
    assert keys_for(V2.files[HOLDER_FILE], pin_verified=False) == ()


@pytest.mark.parametrize("version", [b"4.00", b"0.9\x00", b"ABCD"])
def test_a_version_without_a_profile_is_not_guessed_at(version):
    """A new generation may mean something else by the same bytes."""
    card = with_record(a_card(), "SSSEEF05", 0x03, version)

    with pytest.raises(CardNotSupportedError, match="version"):
        read(wired(card))


def test_the_profile_is_chosen_by_the_version_the_card_names():
    """2.01 is a second generation card, whatever the newest profile is."""
    card = with_record(a_card("v2-yi"), "SSSEEF05", 0x03, b"2.01")

    facts = read(wired(card)).credential.card

    assert facts is not None
    assert (facts.spec_version, facts.profile) == ("2.01", "v2")


@pytest.mark.parametrize("challenge", [b"", bytes(4), bytes(16)])
def test_a_challenge_of_another_length_is_not_computed_with(challenge):
    """A broken or hostile card must not reach the cipher with it."""
    wire = Wire(
        a_slot(a_card())[1],
        lambda _n, c: challenge + b"\x90\x00" if c[1] == GET_CHALLENGE else None,
    )

    with pytest.raises(CardProtocolError, match="GET CHALLENGE"):
        read(wire)


class AskedKeys:
    """A provider without any key that remembers being asked."""

    name = "none"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer(
        self, questions: Sequence[Question], card: CardContext
    ) -> tuple[bytes, ...]:
        """Refuse by the keys' names."""
        del card
        self.asked += [question.key.name for question in questions]
        raise KeyUnavailableError(self.asked[0])

    def secure(self, command: SecuredCommand, card: CardContext) -> bytes:
        """Refuse by the key's name."""
        del card
        raise KeyUnavailableError(command.key.name)


def test_without_keys_nothing_is_proven_to_the_card():
    """No PSAM, no HSM: the counter hears so, and no key of the card lost a try."""
    wire, keys = wired(a_card()), AskedKeys()

    with pytest.raises(KeyUnavailableError):
        read(wire, keys)

    assert keys.asked == ["IRK", "RKSSSE"]
    assert sent(wire, EXTERNAL) == []
    assert wire.off == 1


def test_a_card_of_beijing_needs_hardware_keys():
    """SSF33 is not public: software refuses it, by the key's name."""
    spec_card = a_card("v2-yi")
    context = CardContext(Algorithm.SSF33, (b"", b"", b""))
    memory = Memory(spec_card.memory.records, b"", most_tries=3, tries_left=3)
    card = CardOs(V2, ATR, TEST_ROOT, context, memory, counted())
    # The emulated chip cannot compute it either: whatever it says will do here.
    wire = Wire(
        a_slot(card)[1],
        lambda _n, c: bytes(8) + b"\x90\x00" if c[1] == INTERNAL else None,
    )

    with pytest.raises(KeyUnavailableError, match="SSF33"):
        read(wire, TestKeys())


def test_the_evidence_tells_the_proof_and_no_key():
    """The journal keeps it; a key in it would open every card of the nation."""
    told = read(wired(a_card())).credential.proof.to_json()

    assert set(told) == {
        *("kind", "verified_by", "process", "source", "answer", "algorithm"),
        *("provider", "external", "at", "drawn_by"),
    }
    assert told["verified_by"] in {"test-keys", "psam"}
    assert told["external"] is True
    assert told["drawn_by"] == "terminal"
    assert TEST_ROOT.hex() not in str(told)
