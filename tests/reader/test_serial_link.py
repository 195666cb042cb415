"""Serial readers: every dialect through a real pseudo-terminal, and every fault."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reader.emulator.serial_line import PipePort, serve_pty
from reader.emulator.serial_reader import Faults
from reader.errors import (
    CardMuteError,
    CardRemovedError,
    NoCardError,
    ReaderBusyError,
    ReaderUnavailableError,
)
from reader.frames import CRT591, HD100, encode
from reader.links.serial import DIALECTS, SerialLink, SerialReader, Slot
from reader.links.serial_port import SerialPort
from tests.reader.serial_line import (
    ATR,
    SHORT,
    PlainCard,
    Script,
    a_device,
    a_reader,
)

ROOT = Path(__file__).parents[2]
VERIFY = bytes.fromhex("0020000003123456")
TWO_SLOTS = [name for name in DIALECTS if name != "simple-bcc"]
ACKNOWLEDGED = ["crt591", "crt310"]


@contextmanager
def own_process(dialect: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a reader in a process of its own; gives its path and the process."""
    command = [sys.executable, "-m", "tests.reader.serving_reader", dialect]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_card_is_read_through_a_real_terminal_line(dialect):
    """The bytes go through the system's driver and pyserial, as with a reader."""
    card = PlainCard()
    service = serve_pty(a_device(dialect, card))
    reader = SerialReader(lambda: SerialPort(service.path), DIALECTS[dialect])
    link = reader.link(Slot.USER)
    try:
        assert link.present()
        assert link.power_on() == ATR
        for size in (5, 60, 240):
            assert link.transmit(bytes(size)) == bytes(size) + b"\x90\x00"
        link.power_off()
    finally:
        reader.close()
        service.close()

    assert len(card.commands) == 3


@pytest.mark.parametrize("dialect", TWO_SLOTS)
def test_two_slots_of_one_port_do_not_mix(dialect):
    """The PSAM's answer taken for the card's would be a wrong identity."""
    user, sam = PlainCard(), PlainCard(ATR[:-1] + b"\x01")
    reader = a_reader(a_device(dialect, user, sam), dialect)
    links = {Slot.USER: reader.link(Slot.USER), Slot.SAM: reader.link(Slot.SAM)}
    assert links[Slot.USER].power_on() != links[Slot.SAM].power_on()
    answers: dict[Slot, list[bytes]] = {slot: [] for slot in links}

    def talk(slot: Slot) -> None:
        for i in range(50):
            command = slot.value.encode() + bytes((i,))
            answers[slot].append(links[slot].transmit(command))

    threads = [threading.Thread(target=talk, args=(slot,)) for slot in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for slot, said in answers.items():
        wanted = [slot.value.encode() + bytes((i,)) + b"\x90\x00" for i in range(50)]
        assert said == wanted


@pytest.mark.parametrize("dialect", DIALECTS)
def test_noise_and_single_bytes_change_nothing(dialect):
    """A bad cable is slow, not wrong."""
    card = PlainCard()
    device = a_device(dialect, card, faults=Faults(noise=99, split=True))
    link = a_reader(device, dialect).link(Slot.USER)

    link.power_on()

    assert link.transmit(b"\x00\x84\x00\x00\x08") == b"\x00\x84\x00\x00\x08\x90\x00"
    assert len(card.commands) == 1


@pytest.mark.parametrize("fault", ["lost_answers", "wrong_check"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_command_whose_answer_is_lost_is_never_sent_again(dialect, fault):
    """A VERIFY sent twice behind the holder's back spends two tries."""
    card = PlainCard()
    device = a_device(dialect, card)
    link = a_reader(device, dialect).link(Slot.USER)
    link.power_on()
    setattr(device.faults, fault, 1)

    with pytest.raises(ReaderUnavailableError):
        link.transmit(VERIFY)
    with pytest.raises(CardRemovedError):
        link.transmit(VERIFY)

    assert card.commands == [VERIFY]
    assert link.power_on() == ATR


@pytest.mark.parametrize("dialect", ACKNOWLEDGED)
def test_a_command_that_was_not_accepted_is_repeated(dialect):
    """NAK says that nothing was carried out; the cable shook, no more."""
    card = PlainCard()
    device = a_device(dialect, card)
    link = a_reader(device, dialect).link(Slot.USER)
    link.power_on()
    device.faults.refusals = 2

    link.transmit(VERIFY)

    assert card.commands == [VERIFY]


@pytest.mark.parametrize("dialect", ACKNOWLEDGED)
def test_a_command_refused_three_times_is_given_up(dialect):
    """Three is the protocol's own number; after it the reader is not well."""
    card = PlainCard()
    device = a_device(dialect, card)
    link = a_reader(device, dialect).link(Slot.USER)
    link.power_on()
    device.faults.refusals = 3

    with pytest.raises(ReaderUnavailableError, match="three times"):
        link.transmit(VERIFY)

    assert card.commands == []


@pytest.mark.parametrize("dialect", ACKNOWLEDGED)
def test_a_command_without_acknowledgement_is_not_repeated(dialect):
    """Neither ACK nor NAK: it may have been carried out."""
    device = a_device(dialect, PlainCard())
    link = a_reader(device, dialect).link(Slot.USER)
    link.power_on()
    device.faults.no_acknowledgement = 1

    with pytest.raises(ReaderUnavailableError, match="no acknowledgement"):
        link.transmit(VERIFY)

    assert device.carried_out == []


@pytest.mark.parametrize("dialect", TWO_SLOTS)
def test_a_question_for_the_status_is_asked_again(dialect):
    """It reaches no card, so a lost answer costs a moment and no sentence."""
    device = a_device(dialect, PlainCard())
    link = a_reader(device, dialect).link(Slot.USER)
    assert link.present()
    device.faults.lost_answers = 2

    assert link.present()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_empty_slot_is_no_card(dialect):
    """The counter says "insert the card", not "the reader is broken"."""
    link = a_reader(a_device(dialect), dialect).link(Slot.USER)

    assert not link.present()
    with pytest.raises(NoCardError):
        link.power_on()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_mute_card_is_said_to_be_mute(dialect):
    """Chip down: the slot is full and nothing answers."""
    link = a_reader(a_device(dialect, PlainCard(b"")), dialect).link(Slot.USER)

    with pytest.raises(CardMuteError):
        link.power_on()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_card_pulled_between_two_commands_is_removed(dialect):
    """And the reader is well: the next card is read at once."""
    device = a_device(dialect, PlainCard())
    link = a_reader(device, dialect).link(Slot.USER)
    link.power_on()
    device.slots[Slot.USER].remove()

    with pytest.raises(CardRemovedError):
        link.transmit(VERIFY)

    device.slots[Slot.USER].insert(PlainCard())
    assert link.power_on() == ATR


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_card_put_back_must_be_powered_again(dialect):
    """Another card answering in the old one's session would be a swap."""
    device = a_device(dialect, PlainCard())
    link = a_reader(device, dialect).link(Slot.USER)
    link.power_on()
    other = PlainCard()
    device.slots[Slot.USER].insert(other)

    with pytest.raises((CardRemovedError, CardMuteError)):
        link.transmit(VERIFY)

    assert other.commands == []


def test_an_answer_to_the_command_before_is_no_answer_to_this_one():
    """The late answer of a slow card must never be read as another card's."""
    device = a_device("crt591", PlainCard())
    link = a_reader(device, "crt591").link(Slot.USER)
    link.power_on()
    device.faults.stale = 1

    assert link.transmit(b"\x01\x02") == b"\x01\x02\x90\x00"


def test_powering_down_takes_the_power_from_the_card():
    """A PIN that was verified must not outlive the session."""
    card = PlainCard()
    link = a_reader(a_device("hd100", card)).link(Slot.USER)
    link.power_on()

    link.power_off()

    assert not card.powered
    with pytest.raises(CardRemovedError):
        link.transmit(VERIFY)


def test_the_simple_reader_takes_a_verified_pin_away_by_another_reset():
    """It has no command to power down; a reset is what comes nearest."""
    device = a_device("simple-bcc", PlainCard())
    link = a_reader(device, "simple-bcc").link(Slot.USER)
    link.power_on()
    before = device.slots[Slot.USER].power_on()[0]

    link.power_off()

    assert device.slots[Slot.USER].power_on()[0] > before + 1


def test_a_reader_with_one_slot_has_no_psam():
    """Said by name; a PSAM in the holder's slot would be asked for a holder."""
    link = a_reader(a_device("simple-bcc", PlainCard()), "simple-bcc").link(Slot.SAM)

    with pytest.raises(ReaderUnavailableError, match="one slot"):
        link.power_on()


def test_a_card_at_the_gate_is_taken_to_the_contacts_first():
    """A motor reader would reset the air otherwise."""
    device = Script(
        *(b"\x06" + crt(text) for text in (b"P03000", b"P10100", b"P21200")),
        b"\x06" + crt(b"PQ0200" + b"0" + ATR),
    )
    link = a_reader(device, "crt591").link(Slot.USER)

    assert link.power_on() == ATR
    assert [sent[4:7] for sent in device.received] == [b"C03", b"C10", b"C21", b"CQ0"]


def crt(text: bytes) -> bytes:
    """Frame a CRT answer; its commands are ASCII, and Q is 51."""
    return bytes(encode(CRT591, text))


@pytest.mark.parametrize(
    "answers",
    [
        [b"\x00"],
        [b"\x03", b"\x00"],
        [b"\x03", b"\x00\x90\x00"],
        [b"\x03", b"\x00\x3b" + bytes(40)],
        [b"\x77"],
        [b""],
    ],
    ids=["silence", "no-atr", "late-answer", "too-long", "unknown", "empty"],
)
def test_what_makes_no_sense_is_the_readers_fault(answers):
    """Guessing what it meant would be reading a card that did not speak."""
    device = Script(*(bytes(encode(HD100, answer)) for answer in answers))
    link = a_reader(device).link(Slot.USER)

    with pytest.raises(ReaderUnavailableError):
        link.power_on()


def test_an_answer_without_status_bytes_is_the_readers_fault():
    """Every card answers two bytes at least."""
    answers = (b"\x03", b"\x00" + ATR, b"\x00\x90")
    device = Script(*(bytes(encode(HD100, answer)) for answer in answers))
    link = a_reader(device).link(Slot.USER)
    link.power_on()

    with pytest.raises(ReaderUnavailableError):
        link.transmit(VERIFY)


def test_an_apdu_that_has_no_frame_is_refused_before_it_is_sent():
    """The simple reader's length is one byte; wrapped round it would mean another."""
    device = a_device("simple-bcc", PlainCard())
    link = a_reader(device, "simple-bcc").link(Slot.USER)
    link.power_on()

    with pytest.raises(ReaderUnavailableError, match="too long"):
        link.transmit(bytes(255))

    assert device.carried_out == []


def test_what_was_sent_is_wiped():
    """The frame around a VERIFY holds the PIN as the card gets it."""
    kept: list[bytes | bytearray] = []

    class Keeping(PipePort):
        def write(self, data: bytes | bytearray) -> None:
            kept.append(data)
            super().write(data)

    device = a_device("hd100", PlainCard())
    reader = SerialReader(lambda: Keeping(device), DIALECTS["hd100"], timing=SHORT)
    link = reader.link(Slot.USER)
    link.power_on()
    link.transmit(bytearray(VERIFY))

    assert kept
    assert not any(any(frame) for frame in kept)


@pytest.mark.process
def test_an_unplugged_reader_is_said_to_be_gone_and_found_again():
    """Pull the cable in the middle, plug it in: nobody restarts anything."""
    paths: list[str] = []
    reader = SerialReader(lambda: SerialPort(paths[-1]), DIALECTS["hd100"])
    link = reader.link(Slot.USER)
    with own_process("hd100") as (path, process):
        paths.append(path)
        link.power_on()
        process.kill()
        process.wait()
        with pytest.raises(ReaderUnavailableError):
            link.transmit(VERIFY)
        with pytest.raises(ReaderUnavailableError):
            link.present()

    with own_process("hd100") as (path, process):
        paths.append(path)
        assert link.power_on() == ATR
        assert link.transmit(VERIFY) == VERIFY + b"\x90\x00"
        reader.close()


@pytest.mark.process
def test_a_reader_that_goes_while_it_is_waited_for_ends_the_wait():
    """A blocked read that nobody ends would hold the counter for good."""
    with own_process("hd100") as (path, process):
        port = SerialPort(path)
        threading.Timer(0.1, process.kill).start()

        with pytest.raises(ReaderUnavailableError):
            port.read(10, 30)

        port.close()


def test_a_port_closed_by_another_thread_ends_the_wait():
    """The daemon stops while a link waits for its reader."""
    service = serve_pty(a_device())
    port = SerialPort(service.path)
    threading.Timer(0.1, port.close).start()

    with pytest.raises(ReaderUnavailableError):
        port.read(10, 30)

    service.close()


def test_a_port_that_another_program_holds_is_busy():
    """Two programs on one reader would each read the other's answers."""
    service = serve_pty(a_device())
    port = SerialPort(service.path)

    with pytest.raises(ReaderBusyError):
        SerialPort(service.path)

    port.close()
    service.close()


def test_a_port_that_is_not_there_is_unavailable(tmp_path):
    """The error is the reader's, and has no path in its sentence."""
    with pytest.raises(ReaderUnavailableError) as caught:
        SerialPort(str(tmp_path / "none"))

    assert str(tmp_path) not in str(caught.value)


def test_a_serial_setting_that_does_not_exist_is_a_fault_of_the_program():
    """Settings are checked at start; here it can only be a mistake."""
    with pytest.raises(AssertionError, match="8Q1"):
        SerialPort("/dev/null", parity="Q")


def test_a_silent_device_gives_nothing_and_no_error():
    """Silence is for the caller to judge."""
    service = serve_pty(Script())
    port = SerialPort(service.path)

    assert port.read(10, 0) == b""
    assert port.read(10, 0.06) == b""

    port.close()
    service.close()


def test_the_name_says_which_slot():
    """Two links of one reader are told apart on the screen and in the log."""
    reader = a_reader(a_device())

    assert isinstance(reader.link(Slot.SAM), SerialLink)
    assert reader.link(Slot.SAM).name == "serial sam"
