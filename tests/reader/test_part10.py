"""PIN pads in PC/SC readers: the structures byte for byte, and the pad's own words."""

from __future__ import annotations

import doctest
from collections.abc import Mapping

import pytest

from reader import part10
from reader.errors import (
    CardRemovedError,
    PinCancelledError,
    PinFormatError,
    PinPadError,
    PinRepeatError,
    PinTimeoutError,
    ReaderError,
)
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.part10 import (
    ReaderPad,
    ReaderPadChange,
    features_in,
    modify_structure,
    verify_structure,
)

VERIFY, MODIFY = 0x42000DB2, 0x42000DB3
#: A six-digit PIN, BCD from the left, no length byte: 27 bytes.
SIX_DIGITS = "1E1E81030006060201040800000000080000000020000003FFFFFF"


class PadLink:
    """A link to a reader with keys, which answers as the test says."""

    name = "Sim Pad"

    def __init__(self, says: bytes | ReaderError, features: Mapping[int, int]) -> None:
        self._says = says
        self._features = features
        self.asked: list[tuple[int, bytes]] = []

    def features(self) -> Mapping[int, int]:
        """Return what the reader has."""
        return self._features

    def control(self, code: int, data: bytes | bytearray) -> bytes:
        """Answer as the test says."""
        self.asked.append((code, bytes(data)))
        if isinstance(self._says, ReaderError):
            raise self._says
        return self._says

    def present(self) -> bool:
        """There is a card."""
        return True

    def power_on(self) -> bytes:
        """Nobody powers a card here."""
        raise AssertionError

    def transmit(self, command: bytes | bytearray) -> bytes:
        """The PIN must not come this way."""
        raise AssertionError(command)

    def power_off(self) -> None:
        """Nobody powers a card here."""
        raise AssertionError


def pad_saying(says: str) -> PadLink:
    """Make a link whose pad answers with these bytes."""
    return PadLink(bytes.fromhex(says), {0x06: VERIFY, 0x07: MODIFY})


def test_the_examples_in_the_docstrings_run():
    """They are the structure that an integrator compares his reader's trace with."""
    failed, tried = doctest.testmod(part10)

    assert (failed, tried > 0) == (0, True)


def test_six_digits_are_asked_for_in_exactly_these_bytes():
    """Readers differ in what they forgive; this is what the documents say."""
    assert verify_structure(6, 6) == bytes.fromhex(SIX_DIGITS)
    assert len(verify_structure(6, 6)) == 27


@pytest.mark.parametrize(
    ("least", "most", "block", "digits"), [(4, 12, 6, "0c04"), (5, 5, 3, "0505")]
)
def test_other_lengths_change_the_block_and_the_limits(least, most, block, digits):
    """The most digits first, the least second: a little-endian word."""
    structure = verify_structure(least, most)

    assert structure[3] == block
    assert structure[5:7].hex() == digits
    assert structure[19:] == bytes((0x00, 0x20, 0, 0, block)) + b"\xff" * block
    assert int.from_bytes(structure[15:19], "little") == len(structure[19:])


def test_a_change_asks_for_the_old_pin_and_for_the_new_one_twice():
    """80 5E 01 00, the old block, FF, the new block; the offsets point at both."""
    structure = modify_structure(6, 6)

    assert structure == bytes.fromhex(
        "1e1e810300 0004 0606 030203 0408 000102 000000 0c000000"
        "805e010007 ffffff ff ffffff"
    )


@pytest.mark.parametrize(
    ("raw", "features"),
    [
        ("060442000db2070442000db3", {6: VERIFY, 7: MODIFY}),
        ("", {}),
        ("06", {}),
        ("060442000d", {}),  # shortened
        ("060342000d 070442000db3", {7: MODIFY}),  # no control code
        ("0600 070442000db3", {7: MODIFY}),
        ("06ff42000db2", {}),  # longer than what is there
    ],
)
def test_features_are_read_and_never_guessed(raw, features):
    """A command with a wrong code may do anything to a reader."""
    assert features_in(bytes.fromhex(raw)) == features


def test_a_right_pin_is_the_cards_own_word():
    """The pad passes VERIFY's answer through; the digits never come here."""
    link = pad_saying("9000")

    answer = ReaderPad().present(link)

    assert answer.ok
    assert link.asked == [(VERIFY, bytes.fromhex(SIX_DIGITS))]


def test_a_wrong_pin_is_the_cards_own_word():
    """Only the card counts tries."""
    assert ReaderPad().present(pad_saying("63C2")).tries_left == 2


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ("6400", PinTimeoutError),
        ("6401", PinCancelledError),
        ("6402", PinRepeatError),
        ("6403", PinFormatError),
        ("", PinPadError),
        ("90", PinPadError),
        ("009000", PinPadError),
    ],
)
def test_the_pads_own_words_are_no_status_of_a_card(says, error):
    """Each has its sentence, and none has spent a try."""
    for ask in (ReaderPad().present, ReaderPadChange().change):
        with pytest.raises(ReaderError) as caught:
            ask(pad_saying(says))
        assert type(caught.value) is error


def test_a_change_goes_to_the_other_feature():
    """VERIFY with the bytes of a change would spend a try."""
    link = pad_saying("9000")

    assert ReaderPadChange().change(link).ok
    assert link.asked == [(MODIFY, modify_structure(6, 6))]


def test_a_reader_that_only_verifies_does_not_change():
    """It is said before anybody enters the old PIN."""
    link = PadLink(b"\x90\x00", {0x06: VERIFY})

    with pytest.raises(PinPadError):
        ReaderPadChange().change(link)
    assert link.asked == []


def test_a_link_without_a_reader_of_its_own_has_no_keys():
    """An emulated slot, a transcript, a serial line: the PIN goes another way."""
    with pytest.raises(PinPadError):
        ReaderPad().present(EmulatorLink(EmulatedSlot()))


def test_a_card_that_left_at_the_keys_is_a_removed_card():
    """The holder pulls it instead of entering anything; that is no pad's fault."""
    link = PadLink(CardRemovedError(), {0x06: VERIFY})

    with pytest.raises(CardRemovedError):
        ReaderPad().present(link)
