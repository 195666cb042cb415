"""Reading everything else on the card: logs, photos, groups, provinces; refusals."""

from __future__ import annotations

import dataclasses

import pytest

from reader.errors import (
    CardDataError,
    CardListedError,
    CardNotSocialError,
    CardNotSupportedError,
    CardResetError,
    KeyRefusedError,
    ReaderUnavailableError,
)
from reader.listed import Acceptance, ListedCards
from reader.profile import Profile, Structure
from reader.session import CardSession
from tests.reader.cards import V2, V3, Wire, a_card, a_slot, read
from tests.shipped import PROFILES

PIN = b"246810"
SERIAL, NUMBER = "990100D1560000050000000100000002", "A12345674"


def opened(card_id: str = "v3-jia") -> tuple[CardSession, Wire]:
    """Read a card, verify its PIN, and watch its commands."""
    wire = Wire(a_slot(a_card(card_id))[1])
    session = read(wire)
    session.verify_pin(bytearray(PIN))
    return session, wire


def all_files(profile: Profile) -> list[str]:
    """Name the profile's files."""
    return list(profile.files)


@pytest.mark.parametrize(
    ("card_id", "name"),
    [
        *(("v3-jia", name) for name in V3.files),
        *(("v2-yi", name) for name in V2.files),
    ],
)
def test_every_file_of_a_card_reads(card_id, name):
    """Each structure by its own way, with the keys the profile names."""
    session, _ = opened(card_id)
    structure = session.profile.files[name].structure

    if structure is Structure.CYCLIC:
        assert session.read_log(name)
    elif structure is Structure.TRANSPARENT:
        assert session.read_binary(name)
    else:
        assert session.read_file(name)


def test_the_newest_transaction_comes_first():
    """医疗交易明细: the card writes it, the terminal only reads."""
    session, wire = opened()

    rows = session.read_log("DF04EF08")

    assert rows[0].keys() == {e.name for e in V3.files["DF04EF08"].elements}
    asked = [c[2] for c in wire.commands if c[1] == 0xB2 and c[3] == 0x04]
    assert asked == list(range(1, len(asked) + 1))


def test_the_photo_is_read_piece_by_piece():
    """4 KB do not fit into one answer of a T=0 card."""
    session, wire = opened()

    photo = session.read_binary("SSSEEF08")

    assert photo.startswith((b"\xff\xd8\xff", b"BM"))
    assert sum(command[1] == 0xB0 for command in wire.commands) == 18


def test_a_photo_file_shorter_than_the_table_still_shows():
    """Some issuers save space; what is there is what there is."""

    def short(_number: int, command: bytes) -> bytes | None:
        at = command[2] << 8 | command[3]
        return b"\x6b\x00" if command[1] == 0xB0 and at >= 480 else None

    session = read(Wire(a_slot(a_card())[1], short))

    assert session.read_binary("SSSEEF08")


def test_a_photo_that_never_comes_is_named():
    """An answer without a byte would otherwise be asked for for ever."""

    def empty(_number: int, command: bytes) -> bytes | None:
        return b"\x90\x00" if command[1] == 0xB0 else None

    session = read(Wire(a_slot(a_card())[1], empty))

    with pytest.raises(CardDataError, match="ends nowhere"):
        session.read_binary("SSSEEF08")


def test_a_file_read_as_what_it_is_not_is_a_mistake_of_the_program():
    """A log has no tags, and records are no picture."""
    session, _ = opened()

    with pytest.raises(AssertionError, match="cyclic"):
        session.read_file("DF04EF08")
    with pytest.raises(AssertionError, match="records"):
        session.read_log("DF04EF05")


def test_a_long_file_is_read_record_by_record():
    """Its records together are longer than one answer can be."""
    session, wire = opened()
    before = len(wire.commands)

    session.read_file("DF01EF06")

    reads = [c for c in wire.commands[before:] if c[1] == 0xB2]
    assert [command[2] for command in reads] == [0x23, 0x24, 0x28, 0x2C, 0x2D] or (
        V3.files["DF01EF06"].length <= 255
    )


def test_a_group_that_comes_several_times_is_read_to_its_end():
    """The first, then the next: the card knows where it was."""
    session, wire = opened()
    before = len(wire.commands)

    read_back = session.read_file("DF03EF06")

    modes = [c[3] & 7 for c in wire.commands[before:] if c[1] == 0xB2 and c[2] == 0x4A]
    assert modes[0] == 0
    assert set(modes[1:]) <= {2}
    assert read_back["items_4a.1.item_13"]


def test_without_a_pin_the_terminals_own_keys_open_what_they_may():
    """DF04EF08 asks for the PIN alone: no key of the terminal helps."""
    session = read(a_slot(a_card())[1])

    assert session.read_file("DF04EF05")
    with pytest.raises(KeyRefusedError):
        session.read_log("DF04EF08")


def test_a_first_generation_card_is_read():
    """LB 002-2000: no 姓名扩展, everything else as later cards have it."""
    session = read(a_slot(a_card("v2-yi", generation="v1"))[1])

    assert session.credential.card is not None
    assert session.credential.card.profile == "v1"
    assert session.credential.name == "测试乙"


def test_a_card_of_a_province_is_read_by_its_overlay():
    """One more file, opened by a key of the province."""
    card = a_card(
        generation="province-9901",
        card_serial="990199D1560000050000000100000002",
    )

    session = read(a_slot(card)[1])

    assert session.profile.name == "province-9901"
    assert session.read_file("SSSEEF0D")["first_issued_in"] == "990100"
    assert session.historical[-16:-8] == "84449901"


def test_a_national_card_does_not_take_a_provinces_overlay():
    """990100 is not 990199, whatever the version."""
    assert read(a_slot(a_card())[1]).profile.name == "v3"


@pytest.mark.parametrize(
    "listed",
    [
        ListedCards(pairs=frozenset({(SERIAL, NUMBER)})),
        ListedCards(ranges=(("A1234000", "A1234999"), ("A1234567", "A1234567"))),
    ],
)
def test_a_reported_card_is_refused_before_it_is_asked_for_anything(listed):
    """Both record formats of 黑名单; no proof, no PIN."""
    wire = Wire(a_slot(a_card())[1])

    with pytest.raises(CardListedError):
        read(wire, acceptance=Acceptance(listed=listed))

    assert not any(command[1] in {0x88, 0x20} for command in wire.commands)
    assert "A12345674" not in repr(listed)


def test_a_card_beside_the_list_is_not_refused():
    """The serial alone, or the neighbouring range, is not this card."""
    listed = ListedCards(
        pairs=frozenset({(SERIAL, "B00000000")}), ranges=(("A1234568", "A1234999"),)
    )

    session = read(a_slot(a_card())[1], acceptance=Acceptance(listed=listed))

    assert session.credential.number == NUMBER


@pytest.mark.parametrize(
    ("acceptance", "word"),
    [
        (Acceptance(issuers=("915600000233",)), "issuer"),
        (Acceptance(classes=frozenset({"2"})), "class"),
    ],
)
def test_an_issuer_or_class_the_site_does_not_take_is_named(acceptance, word):
    """A site of one province may take its own cards only."""
    with pytest.raises(CardNotSupportedError, match=word):
        read(a_slot(a_card())[1], acceptance=acceptance)


def test_a_card_the_site_takes_is_read():
    """Its issuer and its class are on the site's list."""
    taken = Acceptance(issuers=("9156000002",), classes=frozenset({"3"}))

    session = read(a_slot(a_card())[1], acceptance=taken)

    assert session.credential.card_serial == SERIAL


@pytest.mark.parametrize("instruction", [0x88, 0x84, 0x82])
def test_a_card_that_loses_power_while_it_is_authenticated_ends_the_step(instruction):
    """No silent retry: whoever holds it now may not be who held it then."""
    slot, link = a_slot(a_card())

    def pull(_number: int, command: bytes) -> None:
        if command[1] == instruction:
            slot.remove()

    with pytest.raises(CardResetError):
        read(Wire(link, pull))


def test_cards_may_draw_the_challenges_where_a_site_must_match_old_drivers():
    """A named compatibility switch; the evidence says who drew them."""
    switched = tuple(
        dataclasses.replace(profile, card_draws_challenges=True) for profile in PROFILES
    )
    wire = Wire(a_slot(a_card())[1])

    session = read(wire, profiles=switched)

    challenges = [c for c in wire.commands if c[1] == 0x84]
    assert len(challenges) == 3
    assert session.credential.proof.to_json()["drawn_by"] == "card"


def test_a_holders_file_that_asks_for_two_keys_gets_both():
    """A province may ask for its own key beside RKSSSE."""
    name = "SSSEEF06"
    both = dataclasses.replace(V3.files[name], read=(frozenset({"RKSSSE", "UKSSSE"}),))
    profile = dataclasses.replace(V3, files={**V3.files, name: both})
    wire = Wire(a_slot(a_card())[1])

    session = read(wire, profiles=[profile])

    shown = [command[3] for command in wire.commands if command[1] == 0x82]
    assert sorted(shown) == [V3.keys["UKSSSE"].card_id, V3.keys["RKSSSE"].card_id]
    assert session.credential.name == "测试甲"


class StuckPower(Wire):
    """A link whose reader goes away before the card can be powered down."""

    def power_off(self) -> None:
        """Fail, as a pulled cable makes it."""
        raise ReaderUnavailableError


def test_an_error_is_not_hidden_by_the_one_that_follows_it():
    """The counter hears what ended the reading, not that the end failed too."""
    link = StuckPower(
        a_slot(a_card())[1],
        lambda _n, c: b"\x6a\x82" if c[1] == 0xA4 else None,
    )

    with pytest.raises(CardNotSocialError):
        read(link)


@pytest.mark.parametrize("number", ["A1234567", "a12345674", "A12345675"])
def test_a_number_that_is_none_is_refused_by_its_element(number):
    """Cut short, in small letters, or with a wrong check character."""
    card = a_card()
    records = card.memory.records["SSSEEF05"]
    records[6] = bytes((0x07, 0x09)) + number.encode().ljust(9, b"\x00")

    with pytest.raises(CardDataError, match="card_no"):
        read(a_slot(card)[1])


def test_a_log_without_an_end_is_read_to_the_most_a_number_can_name():
    """A broken card must not keep the counter waiting for ever."""
    row = bytes.fromhex("0007329901000000012025030109301500003039000007D000007530")

    def endless(_number: int, command: bytes) -> bytes | None:
        is_row = command[1] == 0xB2 and command[3] == 0x04
        return row + b"\x90\x00" if is_row else None

    session = read(Wire(a_slot(a_card())[1], endless))
    session.verify_pin(bytearray(PIN))

    assert len(session.read_log("DF04EF08")) == 254


def test_a_repetition_that_is_not_there_ends_its_group():
    """Three may come; this card was issued with one."""
    card = a_card()
    records = card.memory.records["DF03EF06"]
    first = next(record for record in records if record[0] == 0x4A)
    card.memory.records["DF03EF06"] = [
        *(record for record in records if record[0] != 0x4A),
        first,
    ]
    session = read(a_slot(card)[1])
    session.verify_pin(bytearray(PIN))

    values = session.read_file("DF03EF06")

    assert "items_4a.1.item_13" in values
    assert "items_4a.2.item_13" not in values


def test_a_citizens_number_with_a_wrong_check_is_refused():
    """One worn bit would settle on somebody else's account."""
    card = a_card()
    card.memory.records["SSSEEF06"][0] = b"\x08\x12990100198001010028"

    with pytest.raises(CardDataError, match="person_cert_no"):
        read(a_slot(card)[1])


def test_a_foreigners_number_has_a_form_of_its_own():
    """Permanent residents have fifteen or eighteen characters with letters."""
    card = a_card()
    number = b"CHN990100800101"
    card.memory.records["SSSEEF06"][0] = b"\x08\x12" + number.ljust(18, b"\x00")

    assert read(a_slot(card)[1]).credential.person_cert_no == number.decode()
