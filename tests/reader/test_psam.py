"""A PSAM in trouble: its words are about itself, and it is opened anew by itself."""

from __future__ import annotations

import pytest

from reader.emulator.psam import PsamCard
from reader.errors import (
    KeyServiceError,
    KeyUnavailableError,
    ReaderUnavailableError,
)
from reader.keys import Question, TestKeys
from reader.providers.psam import PsamKeys
from tests.reader.providers import (
    PROCESS,
    SOURCE,
    V3,
    a_psam,
    context,
    psam_keys,
    psam_slot,
)


def about(name: str) -> list[Question]:
    """Ask about one key over the published challenges."""
    return [Question(V3.keys[name], PROCESS, SOURCE)]


def reset(card: PsamCard) -> None:
    """Take the PSAM's power away and give it back, as a loose contact does."""
    card.power_off()
    card.power_on()


class Sick:
    """A PSAM whose CIPHER DATA says something else while it is sick."""

    def __init__(self) -> None:
        """Begin in good health."""
        self._card = a_psam()
        self.says = b""

    def power_on(self) -> bytes:
        """Power up."""
        return self._card.power_on()

    def power_off(self) -> None:
        """Power down."""
        self._card.power_off()

    def transmit(self, command: bytes) -> bytes:
        """Answer, or say what it says."""
        if self.says and command[:2] == b"\x80\xfa":
            return self.says
        return self._card.transmit(command)


class Gone:
    """A slot whose reader can be pulled off its cable."""

    name = "slot of the PSAM"

    def __init__(self) -> None:
        """Begin with a PSAM that has power."""
        self._card = a_psam()
        self.gone = False

    def present(self) -> bool:
        """Say that the PSAM is in it."""
        return True

    def power_on(self) -> bytes:
        """Power up."""
        return self._card.power_on()

    def power_off(self) -> None:
        """Power down."""
        self._card.power_off()

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Answer, unless the reader is gone; then the PSAM loses its power too."""
        if self.gone:
            self._card.power_off()
            raise ReaderUnavailableError
        return self._card.transmit(bytes(command))


def answers(keys: PsamKeys, name: str = "IRK") -> bool:
    """Say whether the proof is that of the test keys."""
    proof = keys.answer(about(name), context())
    return proof == TestKeys().answer(about(name), context())


def test_a_psam_reset_unseen_ends_one_authentication_and_no_more():
    """No link reports a loose contact; the terminal must not need a restart."""
    card = a_psam()
    _, keys = psam_slot(card)
    assert answers(keys)

    reset(card)
    with pytest.raises(KeyServiceError, match="6985"):
        keys.answer(about("IRK"), context())

    assert answers(keys)


def test_a_key_asked_for_after_an_unseen_reset_is_not_taken_for_missing():
    """The PSAM refused because it was reset; remembering that would hide the key."""
    card = a_psam()
    _, keys = psam_slot(card)
    assert answers(keys)

    reset(card)
    with pytest.raises(KeyUnavailableError, match="RKSSSE"):
        keys.answer(about("RKSSSE"), context())

    assert answers(keys, "RKSSSE")


def test_levels_are_learnt_again_after_a_reset():
    """Another PSAM may have been put in, with roots of another level."""
    slot, keys = psam_slot(a_psam(3))
    assert answers(keys)

    slot.remove()
    slot.insert(a_psam(1))
    with pytest.raises(KeyServiceError):
        keys.answer(about("IRK"), context())

    assert answers(keys)


@pytest.mark.parametrize("status", ["9303", "6A81", "6983", "6982", "6985", "6F00"])
def test_what_ails_the_psam_is_not_said_of_the_holders_card(status):
    """9303 from a card blocks it; from the PSAM it would send its holder away."""
    sick = Sick()
    keys = psam_slot(sick)[1]  # type: ignore[arg-type]  # any card
    assert answers(keys)

    sick.says = bytes.fromhex(status)
    with pytest.raises(KeyServiceError, match=f"PSAM.*{status}") as caught:
        keys.answer(about("IRK"), context())
    assert caught.value.code == "key-service"

    sick.says = b""
    assert answers(keys)


@pytest.mark.parametrize("length", [0, 7, 9])
def test_a_proof_of_another_length_is_not_shown_to_the_card(length):
    """The card would count it against the key."""
    sick = Sick()
    keys = psam_slot(sick)[1]  # type: ignore[arg-type]  # any card
    sick.says = bytes(length) + b"\x90\x00"

    with pytest.raises(KeyServiceError, match=f"{length} bytes"):
        keys.answer(about("IRK"), context())


def test_a_psam_keeps_no_answer_for_a_later_command():
    """What is not fetched at once is gone, and half a command is refused."""
    card = a_psam(in_parts=True)
    card.power_on()
    card.transmit(bytes.fromhex("00A4000002") + b"\x00\x16")
    waiting = card.transmit(bytes.fromhex("00B0000006"))

    assert waiting.hex() == "6106"
    assert card.transmit(b"\x00\xb0").hex() == "6700"
    assert card.transmit(bytes.fromhex("00C0000006")).hex() == "6985"


def test_a_lost_psam_reader_is_not_the_counters_reader():
    """The card's reader is well; its sentence would have the wrong cable pulled."""
    slot = Gone()
    keys = psam_keys(slot)
    assert answers(keys)

    slot.gone = True
    with pytest.raises(KeyServiceError):
        keys.answer(about("IRK"), context())
    slot.gone = False

    assert answers(keys)
