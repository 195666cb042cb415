"""The demonstration's hand of cards: synthetic, valid, and one of every kind."""

from __future__ import annotations

import pytest

from reader.codec import card_no_check
from reader.emulator.deck import CardSpec
from reader.errors import CardDataError, CardExpiredError
from tests.reader.cards import a_card, a_slot, read
from tests.shipped import PROFILES
from tests.shipped import SPECS as DECK

#: GB 11643: weights and check characters of 公民身份号码.
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECKS = "10X98765432"
FACTORY_PINS = {"123456", "888888", "000000"}
UNASSIGNED_REGION = "990100"
#: The second is the example of a province's overlay.
UNASSIGNED_REGIONS = {UNASSIGNED_REGION, "990199"}
MAN, WOMAN = "1", "2"

every_card = pytest.mark.parametrize("spec", DECK.values(), ids=DECK.keys())


@every_card
def test_a_card_number_has_a_valid_check_character(spec: CardSpec):
    """The reader refuses any other."""
    assert card_no_check(spec.card_no[:8]) == spec.card_no[8]


@every_card
def test_an_id_number_is_valid_and_of_nobody(spec: CardSpec):
    """Check character, day of birth and sex agree; the region is not assigned."""
    number = spec.person_cert_no
    total = sum(w * int(c) for w, c in zip(WEIGHTS, number[:17], strict=True))

    assert number[:6] == UNASSIGNED_REGION
    assert number[6:14] == f"{spec.birth_date:%Y%m%d}"
    assert (MAN if int(number[16]) % 2 else WOMAN) == spec.sex
    assert number[17] == CHECKS[total % 11]


@every_card
def test_a_holder_is_visibly_invented(spec: CardSpec):
    """Nobody may take a screenshot for a patient's."""
    assert spec.name.startswith("测试")
    assert spec.card_serial[:6] in UNASSIGNED_REGIONS
    assert spec.card_serial[6:16] == "D156000005"


@every_card
def test_the_demonstrations_pin_is_no_factory_pin(spec: CardSpec):
    """A rule against settling on a factory PIN must not stop the demonstration."""
    assert spec.pin not in FACTORY_PINS
    assert spec.tries in {0, 3}


@pytest.mark.parametrize("what", ["card_no", "card_serial", "person_cert_no", "name"])
def test_no_two_cards_are_one(what):
    """A swap between two of them could not be noticed."""
    values = [getattr(spec, what) for spec in DECK.values()]

    assert len(set(values)) == len(values)


def test_there_is_a_card_of_every_kind():
    """Both generations, both algorithms, and each refusal with its own sentence."""
    good = [read(a_slot(a_card(card))[1]) for card in ("v3-jia", "v2-yi")]

    facts = [s.credential.card for s in good]
    assert [card.algorithm.name for card in facts if card] == ["SM4", "TDES"]
    assert read(a_slot(a_card("v3-blocked"))[1]).pin_status.blocked
    with pytest.raises(CardExpiredError):
        read(a_slot(a_card("v3-expired"))[1])
    with pytest.raises(CardDataError):
        read(a_slot(a_card("v3-damaged"))[1])


def test_a_rare_name_needs_four_bytes_for_a_character_and_reads_whole():
    """䶮 is outside GB 2312, 𠮷 outside the basic plane."""
    name = DECK["v3-rare"].name

    assert "䶮" in name
    assert any(ord(char) > 0xFFFF for char in name)
    assert len("𠮷".encode("gb18030")) == 4
    assert read(a_slot(a_card("v3-rare"))[1]).credential.name == name


@pytest.mark.parametrize(
    "name", ["测" * 15, "测" * 16, "测" * 25, "测试" + "𠮷" * 8, "A" + "测" * 20]
)
def test_a_long_name_goes_on_in_the_extension(name):
    """姓名扩展 takes what 姓名 has no room for, never half a character."""
    assert read(a_slot(a_card(name=name))[1]).credential.name == name


def test_a_name_that_fits_nowhere_is_refused_when_the_card_is_made():
    """An emulated card that lies about its holder would hide a reader's mistake."""
    with pytest.raises(ValueError, match="do not fit"):
        a_card(name="测" * 26)


def test_every_profile_has_a_card():
    """Whoever integrates can put each generation into his reader."""
    assert {s.generation for s in DECK.values()} == {p.name for p in PROFILES}


@pytest.mark.parametrize(
    ("card_id", "profile", "version"),
    [("v1-xin", "v1", "1.00"), ("p9901-ren", "province-9901", "3.00")],
)
def test_a_card_is_read_by_its_own_profile(card_id, profile, version):
    """By 规范版本 and region, nothing else."""
    session = read(a_slot(a_card(card_id))[1])

    assert session.credential.card is not None
    assert session.credential.card.spec_version == version
    assert session.profile.name == profile
    assert session.verify_pin(bytearray(b"246810")).verified
