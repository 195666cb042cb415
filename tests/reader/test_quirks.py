"""Cards that differ from the book: the reader reads them all the same, or says why."""

from __future__ import annotations

import pytest

from reader.apdu import external_authenticate, get_challenge, select_file
from reader.crypto import Algorithm
from reader.emulator.cos import CardOs
from reader.emulator.quirks import NAMED, Quirks, QuirkyCard
from reader.errors import CardMuteError
from reader.keys import CardContext, Question, TestKeys
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.session import CardSession
from tests.reader.cards import V2, V3, Wire, a_card, read

PIN = b"246810"


def quirky(quirks: Quirks, card_id: str = "v3-jia") -> tuple[CardSession, Wire]:
    """Read a card with these quirks."""
    slot = EmulatedSlot()
    slot.insert(QuirkyCard(a_card(card_id), quirks, pause=lambda _: None))
    wire = Wire(EmulatorLink(slot))
    return read(wire, TestKeys()), wire


@pytest.mark.parametrize("name", sorted(set(NAMED) - {"mute"}))
def test_a_card_with_a_quirk_reads_like_any_other(name):
    """Holder, PIN, a long file, a log, a photo."""
    session, _ = quirky(NAMED[name])

    assert session.credential.name == "测试甲"
    assert session.verify_pin(bytearray(PIN)).verified
    assert session.read_file("DF03EF06")["disability_grade"]
    assert session.read_log("DF04EF08")
    assert session.read_binary("SSSEEF08").startswith(b"BM")


def test_a_card_of_t_0_gives_its_answers_in_parts():
    """61xx and GET RESPONSE, for every answer with data."""
    _, wire = quirky(NAMED["procedure-bytes"])

    assert any(command[1] == 0xC0 for command in wire.commands)


def test_what_an_answer_left_over_is_lost_with_the_next_command():
    """GET RESPONSE never gives what belonged to an older command."""
    card = QuirkyCard(selected(), NAMED["procedure-bytes"])

    assert card.transmit(bytes.fromhex("00B2010540")) == b"\x61\x40"
    assert card.transmit(bytes.fromhex("0020000000")) == b"\x63\xc3"
    assert card.transmit(bytes.fromhex("00C0000040")) == b"\x6d\x00"


def test_half_a_command_is_refused_by_every_card():
    """Whatever its quirks are."""
    for name in sorted(set(NAMED) - {"mute", "slow"}):
        card = QuirkyCard(selected(), NAMED[name])
        assert card.transmit(b"\x00\xb2") == b"\x67\x00", name


def test_a_card_without_the_fast_read_is_asked_record_by_record():
    """Each element by its tag."""
    _, wire = quirky(NAMED["per-record-only"])

    tags = [c[2] for c in wire.commands if c[1] == 0xB2 and c[3] == 0]
    assert tags == [e.tag for e in V3.files["SSSEEF05"].elements] + [
        e.tag for e in V3.files["SSSEEF06"].elements
    ]


def test_twelve_historical_bytes_have_the_same_factor():
    """Counted from the end, as some cards have twelve."""
    session, _ = quirky(NAMED["twelve-historical"])

    assert len(session.historical) == 24
    assert session.historical[-16:] == "8444990100000001"


def test_a_card_that_does_not_name_its_algorithm_computes_with_3des():
    """Part 3; only cards of Beijing are another matter."""
    session, _ = quirky(Quirks(names_algorithm=False), "v2-yi")

    assert session.credential.card is not None
    assert session.credential.card.algorithm.name == "TDES"


def test_a_card_that_says_9000_after_its_pin_still_has_tries():
    """That is not "no PIN"."""
    session, _ = quirky(NAMED["forgets-tries"])

    session.verify_pin(bytearray(PIN))

    assert session.pin_status.tries_left == 3


def test_a_mute_card_is_said_to_be_mute():
    """Nothing answers to reset."""
    with pytest.raises(CardMuteError):
        quirky(NAMED["mute"])


def test_a_slow_card_takes_its_time_and_reads():
    """The deadline is the terminal's; here only that the time is asked for."""
    waited: list[float] = []
    slot = EmulatedSlot()
    slot.insert(QuirkyCard(a_card(), NAMED["slow"], pause=waited.append))

    read(EmulatorLink(slot), TestKeys())

    assert len(waited) >= 9


# --- writing, which the terminal never does: the emulator is for others too


def authorised(card: CardOs) -> None:
    """Prove UKSSSE to a powered card of 测试乙."""
    serial = "990100D1560000050000000200000003"
    factor = bytes.fromhex("8444" + serial[:4] + serial[16:24])
    context = CardContext(Algorithm.TDES, V2.factors("990100", factor))
    challenge = card.transmit(get_challenge())[:8]
    key = V2.keys["UKSSSE"]
    (proof,) = TestKeys().answer([Question(key, challenge, bytes(8))], context)
    answer = card.transmit(external_authenticate(key.card_id, proof, bytes(8)))
    assert answer == b"\x90\x00"


def selected(card_id: str = "v2-yi") -> CardOs:
    """Return a powered card with the issuer's file selected."""
    card = a_card(card_id)
    card.power_on()
    card.transmit(b"\x00\xa4\x04\x00\x0f" + V2.environment)
    card.transmit(select_file(0xEF05))
    return card


UPDATE = bytes.fromhex("00DC02000302" + "0134")


def test_a_record_is_written_with_the_files_own_key():
    """The card's class, after UKSSSE."""
    card = selected()
    authorised(card)
    card.transmit(select_file(0xEF05))

    assert card.transmit(UPDATE) == b"\x90\x00"
    assert card.memory.records["SSSEEF05"][1] == b"\x02\x01\x34"


def test_a_torn_write_leaves_the_old_record_and_takes_the_power():
    """Pulled in the middle: old or new, never half."""
    card = selected()
    authorised(card)
    card.transmit(select_file(0xEF05))

    assert QuirkyCard(card, NAMED["torn-write"]).transmit(UPDATE) == b""
    assert card.memory.records["SSSEEF05"][1] == b"\x02\x01\x33"
    assert card.proven == frozenset()


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("00DC020003020134", "6982"),  # nobody proved anything
        ("00DC02D003020134", "6a82"),  # no such short file id
    ],
)
def test_what_may_not_be_written_is_not(command, status):
    """The card decides."""
    card = selected()

    assert card.transmit(bytes.fromhex(command)).hex() == status


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("00DC990003990134", "6a83"),  # no such record
        ("00DC02000402023434", "6700"),  # another length
        ("00DC020403020134", "6981"),  # by number
    ],
)
def test_what_does_not_fit_is_not_written(command, status):
    """A record keeps its tag and its length."""
    card = selected()
    authorised(card)
    card.transmit(select_file(0xEF05))

    assert card.transmit(bytes.fromhex(command)).hex() == status


def test_what_the_card_alone_writes_nobody_writes():
    """医疗交易明细: update is never."""
    card = a_card("v2-yi")
    card.power_on()
    card.transmit(b"\x00\xa4\x04\x00\x06" + bytes.fromhex("D15600000503"))
    card.transmit(select_file(0xEF08))

    assert card.transmit(bytes.fromhex("00DC0100020000")).hex() == "6982"
