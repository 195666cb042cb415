"""The holder's PIN in a session: last tries, first PINs, changing, unblocking."""

from __future__ import annotations

import pytest

from reader.apdu import Answer
from reader.emulator.quirks import NAMED, QuirkyCard
from reader.errors import (
    CardRemovedError,
    KeyRefusedError,
    KeyUnavailableError,
    PinBlockedError,
    PinCancelledError,
    PinFactoryError,
    PinFormatError,
    PinLastTryError,
    PinRepeatError,
)
from reader.keys import SecuredCommand, TestKeys
from reader.link import Link
from reader.pin import CentralPassword, TypedChange, TypedPin
from reader.session import CardSession
from tests.reader.cards import Wire, a_card, a_slot, read

PIN, WRONG, NEW = b"246810", b"135790", b"975310"
FACTORY = (b"123456", b"888888")
VERIFY, CHANGE = 0x20, 0x5E


def a_session(card_id: str = "v3-jia", **changed: object) -> tuple[CardSession, Wire]:
    """Read a card and watch its commands."""
    wire = Wire(a_slot(a_card(card_id, **changed))[1])
    return read(wire), wire


def presented(wire: Wire, instruction: int = VERIFY) -> int:
    """Count the commands that carried a PIN."""
    return sum(c[1] == instruction and len(c) > 5 for c in wire.commands)


def change(old: bytes, new: bytes, again: bytes) -> TypedChange:
    """Type a change of the PIN."""
    return TypedChange(bytearray(old), bytearray(new), bytearray(again), FACTORY)


class CancellingPad:
    """A PIN pad whose holder presses cancel."""

    name = "pad"
    asks_card = True
    is_factory = False
    wiped = False

    def present(self, link: Link) -> Answer:
        """Refuse as the pad does."""
        del link
        raise PinCancelledError

    def wipe(self) -> None:
        """Remember it."""
        self.wiped = True


def test_the_last_try_is_not_spent_without_a_word():
    """One more wrong PIN locks the card, and its holder is sent away."""
    session, wire = a_session(tries=1)
    digits = bytearray(PIN)

    with pytest.raises(PinLastTryError):
        session.verify_pin(digits)

    assert presented(wire) == 0
    assert digits == bytes(6)
    assert session.pin_status.tries_left == 1


def test_the_last_try_is_spent_once_the_holder_agrees():
    """The confirmation counts for this attempt."""
    session, _ = a_session(tries=1)

    outcome = session.verify_pin(bytearray(PIN), last_try_confirmed=True)

    assert (outcome.verified, outcome.tries_left) == (True, 3)


def test_a_cancelled_pad_spends_no_try_and_is_wiped():
    """The holder changed his mind; the card has seen nothing."""
    session, wire = a_session()
    pad = CancellingPad()

    with pytest.raises(PinCancelledError):
        session.verify_pin(pad)

    assert presented(wire) == 0
    assert pad.wiped


def test_the_first_pin_of_a_card_settles_nothing():
    """Right it is, but whoever finds the card knows it too."""
    session, _ = a_session(pin="123456")

    with pytest.raises(PinFactoryError):
        session.verify_pin(TypedPin(bytearray(b"123456"), FACTORY))

    assert session.pin_status.tries_left == 3


def test_a_wrong_first_pin_is_a_wrong_pin():
    """Nobody learns from the refusal whether a guess was close."""
    session, _ = a_session()

    outcome = session.verify_pin(TypedPin(bytearray(b"888888"), FACTORY))

    assert (outcome.verified, outcome.tries_left) == (False, 2)


def test_a_password_of_the_centre_is_no_business_of_the_card():
    """CARD_PASSTYPE 2: the card is not asked, and opens no file for it."""
    session, wire = a_session("v2-yi")
    asked: list[bytes] = []

    def right(digits: bytearray) -> int | None:
        asked.append(bytes(digits))
        return None

    before = len(wire.commands)
    outcome = session.verify_pin(CentralPassword(bytearray(PIN), right))

    assert outcome.verified
    assert (asked, len(wire.commands)) == ([PIN], before)
    session.read_file("DF04EF05")
    assert any(command[1] == 0x82 for command in wire.commands[before:])


def test_a_wrong_password_of_the_centre_tells_its_own_tries():
    """The counter shows what the centre says is left."""
    session, _ = a_session()

    outcome = session.verify_pin(CentralPassword(bytearray(WRONG), lambda _: 4))

    assert (outcome.verified, outcome.tries_left) == (False, 4)


def test_what_is_no_password_is_not_sent_to_the_centre():
    """Format first, as with the card."""
    session, _ = a_session()
    digits = bytearray(b"12")

    with pytest.raises(PinFormatError):
        session.verify_pin(CentralPassword(digits, lambda _: None))

    assert digits == bytes(2)


def test_a_changed_pin_is_the_one_that_opens():
    """CHANGE PIN with both blocks; the tries are back at the most."""
    session, wire = a_session()

    outcome = session.change_pin(
        TypedChange(bytearray(PIN), bytearray(NEW), bytearray(NEW), FACTORY)
    )

    assert outcome.verified
    command = next(c for c in wire.commands if c[1] == CHANGE)
    assert command.hex() == "805e010007246810ff975310"
    assert session.verify_pin(bytearray(NEW)).verified
    assert not session.verify_pin(bytearray(PIN)).verified


def test_a_change_with_the_wrong_old_pin_costs_a_try():
    """As with VERIFY; the new PIN is not taken."""
    session, _ = a_session()

    outcome = session.change_pin(
        TypedChange(bytearray(WRONG), bytearray(NEW), bytearray(NEW))
    )

    assert (outcome.verified, outcome.tries_left) == (False, 2)
    assert session.verify_pin(bytearray(PIN)).verified


@pytest.mark.parametrize(
    ("old", "new", "again", "error"),
    [
        (PIN, NEW, WRONG, PinRepeatError),
        (PIN, b"123", b"123", PinFormatError),
        (b"12", NEW, NEW, PinFormatError),
        (PIN, b"888888", b"888888", PinFactoryError),
    ],
)
def test_a_change_that_is_not_right_spends_no_try(old, new, again, error):
    """Typing mistakes are the terminal's to find; every buffer is wiped."""
    session, wire = a_session()
    typed = (bytearray(old), bytearray(new), bytearray(again))

    with pytest.raises(error):
        session.change_pin(TypedChange(*typed, FACTORY))

    assert presented(wire, CHANGE) == 0
    assert all(not any(buffer) for buffer in typed)


def test_a_blocked_pin_is_not_changed():
    """Only the issuer helps there."""
    session, wire = a_session("v3-blocked")

    with pytest.raises(PinBlockedError):
        session.change_pin(change(PIN, PIN, PIN))

    assert presented(wire, CHANGE) == 0


def test_the_last_try_is_not_spent_on_a_change():
    """The holder verifies the PIN first, having confirmed it."""
    session, wire = a_session(tries=1)

    with pytest.raises(PinLastTryError):
        session.change_pin(change(PIN, PIN, PIN))

    assert presented(wire, CHANGE) == 0


def test_a_service_desk_unblocks_a_pin():
    """PUK first, then PIN UNBLOCK under a MAC; the PIN stays the holder's."""
    session, wire = a_session("v3-blocked")

    status = session.unblock_pin()

    assert (status.blocked, status.tries_left) == (False, 3)
    assert wire.commands[-2].hex().startswith("8424000004")
    assert session.verify_pin(bytearray(PIN)).verified


@pytest.mark.parametrize(("card_id", "head"), [("v3-jia", "14"), ("v2-yi", "0c")])
def test_a_service_desk_sets_a_new_pin(card_id, head):
    """Encrypted and sealed, in the length of each algorithm; the buffer is wiped."""
    session, wire = a_session(card_id)
    new = bytearray(NEW)

    status = session.reset_pin(new)

    assert status.tries_left == 3
    assert new == bytes(6)
    assert wire.commands[-2].hex().startswith(f"84240001{head}")
    assert session.verify_pin(bytearray(NEW)).verified


def test_what_is_no_pin_is_not_set():
    """Four to twelve digits for a new one too."""
    session, wire = a_session()

    with pytest.raises(PinFormatError):
        session.reset_pin(bytearray(b"12"))

    assert not any(command[1] == 0x24 for command in wire.commands)


def test_a_card_that_does_not_believe_the_puk_stays_blocked():
    """A terminal with another root is no service desk."""
    card = a_card("v2-yi", tries=0)
    session = read(a_slot(card)[1])
    session._prover = type(session._prover)(  # noqa: SLF001 - another root's provider
        session._prover.link,  # noqa: SLF001
        TestKeys(bytes(16)),
        session.profile,
        session._prover.card,  # noqa: SLF001
        session._prover.random_bytes,  # noqa: SLF001
    )

    with pytest.raises(KeyRefusedError):
        session.unblock_pin()

    assert card.memory.tries_left == 0


def test_an_unblocking_with_a_card_of_beijing_needs_hardware():
    """SSF33 is not public: no software provider secures a command with it."""
    keys = TestKeys()
    session, _ = a_session()
    card = session._prover.card  # noqa: SLF001 - its context with another algorithm
    ssf33 = type(card)(type(card.algorithm)(2), card.factors)

    with pytest.raises(KeyUnavailableError):
        keys.secure(
            SecuredCommand(
                session.profile.keys["STKSSSE"],
                bytes(8),
                b"\x84\x24\x00\x00",
                b"",
            ),
            ssf33,
        )


def test_a_card_pulled_right_after_its_pin_was_right_is_still_verified_then():
    """The holder was quick; whatever follows finds the slot empty."""
    slot, link = a_slot(a_card())

    def pull(number: int, command: bytes) -> None:
        if number > 9 and command[1] == VERIFY and len(command) == 5 and seen:
            slot.remove()
        if command[1] == VERIFY and len(command) > 5:
            seen.append(number)

    seen: list[int] = []
    session = read(Wire(link, pull))

    outcome = session.verify_pin(bytearray(PIN))

    assert outcome.verified
    with pytest.raises(CardRemovedError):
        session.still_same_card()


def test_a_card_that_forgets_its_tries_compares_each_pin():
    """9000 to the question after a right PIN is no leave for the next person."""
    card = QuirkyCard(a_card(), NAMED["forgets-tries"])
    session = read(a_slot(card)[1])
    first = session.verify_pin(bytearray(b"246810"))

    second = session.verify_pin(bytearray(b"000000"))

    assert first.verified
    assert not second.verified
    assert second.tries_left == 2


def test_such_a_card_does_not_change_its_pin_for_a_wrong_one():
    """The old PIN is compared too."""
    card = QuirkyCard(a_card(), NAMED["forgets-tries"])
    session = read(a_slot(card)[1])
    session.verify_pin(bytearray(b"246810"))

    change = TypedChange(bytearray(b"000000"), bytearray(NEW), bytearray(NEW))

    assert not session.change_pin(change).verified
