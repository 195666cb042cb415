"""A PIN pad on a serial line: one VERIFY or none, and no digit left anywhere."""

from __future__ import annotations

import pytest

from reader.apdu import Answer
from reader.emulator.pin_keyboard import PadFaults, PinKeyboard
from reader.emulator.serial_line import PipePort, serve_pty
from reader.errors import (
    CardRemovedError,
    PinCancelledError,
    PinFormatError,
    PinPadError,
    PinTimeoutError,
    ReaderUnavailableError,
)
from reader.frames import ZT588, encode
from reader.links.serial_port import SerialPort
from reader.serial_pinpad import BlockFormat, PadSettings, SerialPinPad
from tests.reader.serial_line import Script

NUMBER = 0x40
KEY = bytes.fromhex("000102030405060708090A0B0C0D0E0F")  # of the published vectors
OTHER = bytes(range(16, 32))
ENTER, CANCEL, CLEAR = b"\r", b"\x1b", b"\x08"


class Slot:
    """A link that keeps what VERIFY looked like, and answers 9000."""

    name = "slot"

    def __init__(self, answer: bytes = b"\x90\x00") -> None:
        self._answer = answer
        self.commands: list[bytes] = []
        self.sent: list[bytes | bytearray] = []

    def present(self) -> bool:
        """Say yes."""
        return True

    def power_on(self) -> bytes:
        """Power up."""
        return b"\x3b\x00"

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Keep and answer."""
        self.commands.append(bytes(command))
        self.sent.append(command)
        return self._answer

    def power_off(self) -> None:
        """Power down."""


def settings(
    *,
    block_format: BlockFormat = BlockFormat.ISO_1,
    key: bytes = KEY,
    wrapped_key: bytes = b"",
    most_digits: int = 12,
    entry_s: int = 1,
) -> PadSettings:
    """Set a pad up for a test: quick, with the test key."""
    return PadSettings(
        NUMBER,
        key,
        wrapped_key=wrapped_key,
        block_format=block_format,
        account=b"990100123456",
        most_digits=most_digits,
        entry_s=entry_s,
        answer_s=0.05,
    )


def a_pad(types: bytes, faults: PadFaults | None = None) -> PinKeyboard:
    """Make a pad at which somebody types *types*."""
    return PinKeyboard({NUMBER: KEY}, types=types, faults=faults)


def entry(pad: PinKeyboard | Script, set_up: PadSettings | None = None) -> SerialPinPad:
    """Put the host before a pad."""
    return SerialPinPad(
        lambda: PipePort(pad), set_up or settings(), factory=(b"888888",)
    )


@pytest.mark.parametrize("block_format", BlockFormat)
@pytest.mark.parametrize(
    ("pin", "packed"),
    [
        (b"1234", "001234"),
        (b"12345", "0012345F"),
        (b"123456", "00123456"),
        (b"123456789012", "00123456789012"),
    ],
)
def test_the_pin_reaches_the_card_by_one_verify(block_format, pin, packed):
    """BCD, an odd digit padded with F: what the card wants, whatever travelled."""
    slot = Slot()

    answer = entry(a_pad(pin + ENTER), settings(block_format=block_format)).present(
        slot
    )

    assert answer == Answer(b"", 0x9000)
    body = bytes.fromhex(packed)[1:]
    assert slot.commands == [b"\x00\x20\x00\x00" + bytes((len(body),)) + body]


def test_it_works_through_a_real_terminal_line():
    """Keys and frames come mixed in pieces there."""
    slot = Slot()
    service = serve_pty(a_pad(b"123456" + ENTER))

    SerialPinPad(lambda: SerialPort(service.path), settings()).present(slot)

    assert len(slot.commands) == 1
    service.close()


def test_the_card_says_what_a_wrong_pin_costs():
    """The pad knows nothing of it: 63C2 comes through as it is."""
    answer = entry(a_pad(b"123456" + ENTER)).present(Slot(b"\x63\xc2"))

    assert answer.tries_left == 2


def test_each_key_shows_an_asterisk_and_clearing_takes_them_away():
    """The holder sees that the pad takes his keys, and nobody sees which."""
    shown: list[int] = []
    pad = a_pad(b"99" + CLEAR + b"1234" + ENTER)
    slot = Slot()

    SerialPinPad(lambda: PipePort(pad), settings(), on_digits=shown.append).present(
        slot
    )

    assert shown == [1, 2, 0, 1, 2, 3, 4]
    assert slot.commands[0].endswith(b"\x12\x34")


def test_a_fixed_length_ends_the_entry_by_itself():
    """Some sites have six digits and no enter."""
    slot = Slot()

    entry(a_pad(b"123456"), settings(most_digits=6)).present(slot)

    assert len(slot.commands) == 1


def test_nothing_of_the_pin_is_left():
    """The command is the last place it lay in; it is wiped like all others."""
    slot = Slot()
    pin = entry(a_pad(b"123456" + ENTER))

    pin.present(slot)

    assert not any(slot.sent[0])
    assert pin.is_wiped


def test_it_is_wiped_also_when_the_card_is_pulled():
    """An error's traceback keeps the frames, and the frames their buffers."""
    pin = entry(a_pad(b"123456" + ENTER))
    kept: list[bytes | bytearray] = []

    class Pulled(Slot):
        def transmit(self, command: bytes | bytearray) -> bytes:
            kept.append(command)
            raise CardRemovedError

    with pytest.raises(CardRemovedError):
        pin.present(Pulled())

    assert not any(kept[0])


def test_an_issued_pin_is_noticed():
    """A site may forbid settling with it; this pad's digits are known here."""
    first = entry(a_pad(b"888888" + ENTER))
    own = entry(a_pad(b"123456" + ENTER))

    first.present(Slot())
    own.present(Slot())

    assert first.is_factory
    assert not own.is_factory


def test_a_working_key_is_loaded_and_its_check_value_compared():
    """Loaded for each entry, a key that leaked yesterday opens nothing today."""
    pad = PinKeyboard(types=b"123456" + ENTER)
    pad.loadable[OTHER] = KEY
    slot = Slot()

    entry(pad, settings(wrapped_key=OTHER)).present(slot)

    assert len(slot.commands) == 1


def test_a_pad_with_another_working_key_is_refused_before_any_entry():
    """Its block would decipher to digits nobody typed, and spend a try."""
    pad = PinKeyboard(types=b"123456" + ENTER)
    pad.loadable[OTHER] = OTHER
    slot = Slot()

    with pytest.raises(PinPadError, match="another working key"):
        entry(pad, settings(wrapped_key=OTHER)).present(slot)

    assert slot.commands == []
    assert b"6" not in {command[:1] for command in pad.commands}


def test_a_block_under_another_key_spends_no_try():
    """Without loading, the block itself shows it: control and length do not fit."""
    slot = Slot()

    with pytest.raises(PinPadError, match="decipher"):
        entry(a_pad(b"123456" + ENTER), settings(key=OTHER)).present(slot)

    assert slot.commands == []


@pytest.mark.parametrize(
    ("types", "faults", "error"),
    [
        (b"12" + CANCEL, {}, PinCancelledError),
        (b"123" + ENTER, {}, PinFormatError),
        (b"123456" + ENTER, {"times_out": 1}, PinTimeoutError),
        (b"123456" + ENTER, {"leaks_digits": True}, PinPadError),
        (ENTER, {}, PinPadError),
        (b"123456" + ENTER, {"lost_answers": 99}, PinPadError),
        (b"123456" + ENTER, {"wrong_check": 99}, PinPadError),
    ],
    ids=["cancel", "short", "slow", "leak", "nothing", "silent", "damaged"],
)
def test_whatever_fails_before_verify_spends_no_try(types, faults, error):
    """The holder has three of them, perhaps; none is ours to spend."""
    slot = Slot()
    pad = a_pad(types, PadFaults(**faults))

    with pytest.raises(error):
        entry(pad).present(slot)

    assert slot.commands == []
    assert not pad.entering


def test_a_holder_who_enters_nothing_is_waited_for_and_no_longer():
    """And the pad is told to stop: the next holder's keys are not this one's."""
    pad = a_pad(b"12")
    waited = [0.0]

    class Waiting(PipePort):
        def read(self, most: int, timeout_s: float) -> bytes:
            data = super().read(most, 0)
            waited[0] += 0 if data else timeout_s
            return data

    pin = SerialPinPad(lambda: Waiting(pad), settings(), clock=lambda: waited[0])

    with pytest.raises(PinTimeoutError):
        pin.present(Slot())

    assert not pad.entering


def test_a_lost_answer_of_the_pad_is_asked_for_again():
    """Only the card counts tries; the pad may be asked twice."""
    slot = Slot()

    entry(a_pad(b"123456" + ENTER, PadFaults(lost_answers=1))).present(slot)

    assert len(slot.commands) == 1


def test_a_pad_without_the_key_is_not_ready():
    """E4: somebody forgot the key ceremony."""
    with pytest.raises(PinPadError, match="E4"):
        entry(PinKeyboard(types=b"123456" + ENTER)).present(Slot())


@pytest.mark.parametrize(
    "block", [b"00006", b"0000612", b"0000X1234567890ABCDEF", b"00006" + b"Z" * 16]
)
def test_what_is_no_block_is_refused(block):
    """No digit is made out of a pad's nonsense."""
    answers = [bytes(encode(ZT588, text)) for text in [b"0"] * 5]
    answers += [bytes(encode(ZT588, b"0")) + b"****\r", bytes(encode(ZT588, block))]

    with pytest.raises(PinPadError):
        entry(Script(*answers)).present(Slot())


def test_a_pad_that_is_gone_is_the_pads_fault_and_not_the_readers():
    """The sentence must send the clerk to the right cable."""

    def gone() -> PipePort:
        raise ReaderUnavailableError

    with pytest.raises(PinPadError):
        SerialPinPad(gone, settings()).present(Slot())


def test_a_card_reader_that_is_gone_is_not_the_pads_fault():
    """VERIFY was sent: whether a try was spent is not known."""

    class Gone(Slot):
        def transmit(self, command: bytes | bytearray) -> bytes:
            del command
            raise ReaderUnavailableError

    with pytest.raises(ReaderUnavailableError):
        entry(a_pad(b"123456" + ENTER)).present(Gone())
