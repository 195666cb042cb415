"""The emulated chip: selection, files, rights, counters, as the specification says."""

from __future__ import annotations

import pytest

from reader import apdu
from reader.crypto import Algorithm
from reader.emulator.cos import CardOs
from reader.keys import CardContext, Question, TestKeys
from reader.profile import Profile
from reader.proof import CHALLENGE_BYTES
from tests.reader.cards import V2, V3, a_card
from tests.shipped import SPECS as DECK

PIN_BLOCK = bytearray.fromhex("246810")
SOURCE = bytes(CHALLENGE_BYTES)
DF04 = bytes.fromhex("D15600000503")


def powered(card_id: str = "v3-jia", *, file: int | None = None) -> CardOs:
    """Power a chip up, select the environment and perhaps a file."""
    card = a_card(card_id)
    card.power_on()
    card.transmit(apdu.select_name(V3.environment))
    if file is not None:
        card.transmit(apdu.select_file(file))
    return card


def status(answer: bytes) -> str:
    """Return the status word."""
    return answer[-2:].hex()


def proof_for(profile: Profile, key: str, challenge: bytes) -> bytes:
    """Compute a terminal's proof to 测试甲's card."""
    serial = DECK["v3-jia"].card_serial
    factor = bytes.fromhex("8444" + serial[:4] + serial[16:24])
    context = CardContext(Algorithm.SM4, profile.factors(serial[:6], factor))
    question = Question(profile.keys[key], challenge, SOURCE)
    (proof,) = TestKeys().answer([question], context)
    return proof


def authenticate(card: CardOs, key: str, challenge: bytes) -> str:
    """Send EXTERNAL AUTHENTICATE over *challenge*."""
    proof = proof_for(V3, key, challenge)
    command = apdu.external_authenticate(V3.keys[key].card_id, proof, SOURCE)
    return status(card.transmit(command))


def challenge_of(card: CardOs) -> bytes:
    """Ask for a challenge."""
    return card.transmit(apdu.get_challenge())[:-2]


def test_selection_by_name_answers_with_the_algorithm():
    """The terminal learns from the FCI how to compute."""
    card = a_card("v2-yi")
    card.power_on()

    answer = card.transmit(apdu.select_name(V2.environment))

    assert answer.hex().endswith("9f0c03860101" + "9000")


def test_a_file_is_found_in_its_own_application_only():
    """SSSE and DF04 both have an EF05; neither may answer for the other."""
    card = powered(file=0xEF05)
    issuer = card.transmit(apdu.read_tag(0x07, 11))
    card.transmit(apdu.select_name(DF04))
    card.transmit(apdu.select_file(0xEF05))

    assert issuer[2:11] == DECK["v3-jia"].card_no.encode()
    assert status(card.transmit(apdu.read_tag(0x07, 11))) == "6982"
    assert status(card.transmit(apdu.select_file(0xEF07))) == "6a82"


def test_no_file_is_there_before_an_application_is():
    """After power-up nothing is selected."""
    card = a_card()
    card.power_on()

    assert status(card.transmit(apdu.select_file(0xEF05))) == "6a82"
    assert status(card.transmit(apdu.read_all(64))) == "6986"


@pytest.mark.parametrize(
    ("command", "first"),
    [
        ("00B2012C00", "0110"),  # record number, short file id 05
        ("00B2052C00", "0504"),
        ("00B2070000", "0709"),  # tag, current file
        ("00B2012D00", "0110"),  # all records
        ("00B2022D00", "0201"),  # from the second on
    ],
)
def test_a_record_is_read_in_every_mode(command, first):
    """Cards in the field are read in all of these."""
    card = powered(file=0xEF05)

    answer = card.transmit(bytes.fromhex(command))

    assert answer.hex().startswith(first)
    assert status(answer) == "9000"


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("00B2990000", "6a83"),  # no such tag
        ("00B2090400", "6a83"),  # no such record
        ("00B2000400", "6a83"),  # there is no record 0
        ("00B2010600", "6a86"),  # a mode it does not have
        ("00B2010510", "6c40"),  # wrong length, and the right one
        ("00B201FC00", "6a82"),  # no such short file id
        ("90B2010500", "6e00"),  # class
        ("80B2010500", "6d00"),  # not an instruction of that class
        ("00FF000000", "6d00"),  # instruction
        ("00B2", "6700"),  # half a command
    ],
)
def test_what_a_card_cannot_do_it_refuses_by_status(command, wanted):
    """The reader is exercised with the refusals real cards give."""
    card = powered(file=0xEF05)

    assert status(card.transmit(bytes.fromhex(command))) == wanted


def test_the_holders_file_is_free_on_the_second_generation_only():
    """Third generation cards want the terminal's proof first."""
    old, new = powered("v2-yi", file=0xEF06), powered("v3-jia", file=0xEF06)

    assert status(old.transmit(apdu.read_all(0))) == "9000"
    assert status(new.transmit(apdu.read_all(0))) == "6982"


def test_a_proof_opens_the_holders_file_until_power_is_lost():
    """What was proven in one session is worth nothing in the next."""
    card = powered(file=0xEF06)
    proven = authenticate(card, "RKSSSE", challenge_of(card))
    opened = status(card.transmit(apdu.read_all(0)))
    card.power_off()
    card.power_on()
    card.transmit(apdu.select_name(V3.environment))
    card.transmit(apdu.select_file(0xEF06))

    assert (proven, opened) == ("9000", "9000")
    assert status(card.transmit(apdu.read_all(0))) == "6982"


def test_a_challenge_is_good_once():
    """A recorded authentication must not open a card again."""
    card = powered()
    challenge = challenge_of(card)
    first = authenticate(card, "RKSSSE", challenge)

    assert first == "9000"
    assert authenticate(card, "RKSSSE", challenge) == "6984"


def test_a_challenge_goes_stale_with_the_next_command():
    """Only the very last GET CHALLENGE counts."""
    card = powered()
    challenge = challenge_of(card)
    card.transmit(apdu.query_pin())

    assert authenticate(card, "RKSSSE", challenge) == "6984"


def test_a_replayed_proof_fails_on_a_fresh_challenge():
    """It was computed over another one; the card counts it against the key."""
    card = powered()
    old = proof_for(V3, "RKSSSE", challenge_of(card))
    challenge_of(card)

    answer = card.transmit(apdu.external_authenticate(0x0A, old, SOURCE))

    assert status(answer) == "63c2"


def test_a_key_locks_after_its_last_wrong_proof():
    """Guessing keys is counted like guessing PINs, and power does not forget it."""
    card = powered()
    wrong = apdu.external_authenticate(0x0A, bytes(8), SOURCE)

    def guess() -> str:
        challenge_of(card)
        return status(card.transmit(wrong))

    assert [guess() for _ in range(3)] == ["63c2", "63c1", "63c0"]
    card.power_on()
    card.transmit(apdu.select_name(V3.environment))
    assert authenticate(card, "RKSSSE", challenge_of(card)) == "6983"


def test_an_unknown_key_is_not_found():
    """A profile for another province names keys this card does not have."""
    card = powered()
    challenge_of(card)

    answer = card.transmit(apdu.external_authenticate(0x44, bytes(8), SOURCE))

    assert status(answer) == "6a88"


@pytest.mark.parametrize(
    "command",
    [
        "",
        "00",
        "00A404",
        "00A40400021122334455",  # more than Lc says, and Le
        "00A4040010112233",  # less
        "00200000082468",  # a PIN block cut short
        "002000000324681099AA",  # one with something behind it
        "0020000003",  # Lc of a block that is not there
        "002000000024",  # a block that Lc denies
    ],
)
def test_a_command_that_is_not_what_its_length_says_does_nothing(command):
    """Above all it is no PIN: nothing is compared, nothing is counted."""
    card = powered()

    answer = card.transmit(bytes.fromhex(command))

    assert answer.hex() == "6700"
    assert (card.memory.tries_left, card.proven) == (3, frozenset())


def test_the_right_pin_under_a_false_length_is_not_accepted():
    """A block of three under an Lc of eight once was."""
    card = powered()

    answer = card.transmit(bytes.fromhex("0020000008") + PIN_BLOCK)

    assert (status(answer), card.proven) == ("6700", frozenset())


def test_a_challenge_does_not_outlive_a_broken_command():
    """The very next command is the only one it is good for, also a broken one."""
    card = powered()
    challenge = challenge_of(card)
    card.transmit(b"\x00\xb2")

    assert authenticate(card, "RKSSSE", challenge) == "6984"


def test_a_file_longer_than_an_answer_is_read_record_by_record():
    """An answer carries 256 bytes; what a short Le cannot ask for is refused."""
    card = powered("v2-yi", file=0xEF05)
    rows = [bytes((tag, 30)) + bytes(30) for tag in range(1, 10)]
    card.memory.records["SSSEEF05"] = rows

    assert status(card.transmit(apdu.read_all(0))) == "6a86"
    assert card.transmit(apdu.read_tag(9, 32)) == rows[8] + b"\x90\x00"


@pytest.mark.parametrize("length", ["01" + "24", "09" + "24" * 9])
def test_a_pin_block_of_a_wrong_length_spends_nothing(length):
    """Part 5: Lc is 00 or 02 to 08."""
    card = powered()

    answer = card.transmit(bytes.fromhex("00200000" + length))

    assert (status(answer), card.memory.tries_left) == ("6700", 3)


def test_a_pin_is_counted_down_to_the_lock_and_then_no_pin_opens_it():
    """63C2, 63C1, 63C0, 6983: also for the right one."""
    card = powered()
    wrong = bytes.fromhex("0020000003111111")

    answers = [status(card.transmit(wrong)) for _ in range(4)]

    assert answers == ["63c2", "63c1", "63c0", "6983"]
    assert status(card.transmit(bytes(apdu.verify(PIN_BLOCK)))) == "6983"


def test_a_wrong_pin_takes_back_what_a_right_one_gave():
    """Otherwise the next person at the counter inherits it."""
    card = powered()
    card.transmit(bytes(apdu.verify(PIN_BLOCK)))
    card.transmit(bytes.fromhex("0020000003111111"))

    assert "pin" not in card.proven


def test_an_applications_key_opens_nothing_outside_of_it():
    """RK1DF04 belongs to DF04; the firewall stands between the applications."""
    card = powered()
    card.transmit(apdu.select_name(DF04))
    authenticate(card, "RK1DF04", challenge_of(card))
    inside = card.proven
    card.transmit(apdu.select_name(V3.environment))

    assert inside == {"RK1DF04"}
    assert card.proven == frozenset()


def test_a_chip_without_power_is_a_mistake_of_the_program():
    """A slot that talks to a card it has let go of must be found in tests."""
    card = a_card()

    with pytest.raises(AssertionError, match="without power"):
        card.transmit(apdu.get_challenge())
