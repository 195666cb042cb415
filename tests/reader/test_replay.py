"""Transcripts: a recording replays, and whatever strays from it fails by name."""

from __future__ import annotations

import pytest

from reader.errors import CardRemovedError, NoCardError, ReaderUnavailableError
from reader.links.replay import (
    RecordingLink,
    ReplayLink,
    joined,
    masked,
    read_transcript,
)
from reader.links.serial import Slot
from tests.reader.serial_line import ATR, PlainCard, a_device, a_reader

TRANSCRIPT = """
# an invented card
ATR 3B00
> 0084000008        # a challenge
< 0102030405060708 9000
> 008800?? ????     # the terminal draws these
< 9000
off
"""
CHALLENGE = bytes.fromhex("0084000008")


def a_recording() -> tuple[RecordingLink, list[str], PlainCard]:
    """Record an emulated serial reader with one card in it."""
    card, lines = PlainCard(), list[str]()
    inner = a_reader(a_device("hd100", card)).link(Slot.USER)
    return RecordingLink(inner, lines.append), lines, card


def test_a_transcript_is_replayed_step_by_step():
    """This is what a golden card is: the same bytes on every machine."""
    link = ReplayLink(TRANSCRIPT)

    assert link.present()
    assert link.power_on() == b"\x3b\x00"
    assert link.transmit(CHALLENGE) == bytes.fromhex("01020304050607089000")
    assert link.transmit(bytes.fromhex("008800ABCDEF")) == b"\x90\x00"
    link.power_off()
    assert link.finished


def test_what_was_recorded_replays():
    """Otherwise a trace from a counter could not be looked into at a desk."""
    recording, lines, _ = a_recording()
    recording.power_on()
    said = recording.transmit(CHALLENGE)
    recording.power_off()

    replay = ReplayLink(joined(lines))

    assert replay.power_on() == ATR
    assert replay.transmit(CHALLENGE) == said
    replay.power_off()
    assert replay.finished


@pytest.mark.parametrize(
    "command",
    ["0020000003123456", "80 5E 01 00 07 123456 FF 654321", "84240001 04 11223344"],
)
def test_no_pin_is_ever_written(command):
    """A trace is sent by mail to whoever helps; the PIN must not be in it."""
    recording, lines, card = a_recording()
    recording.power_on()
    pin_bearing = bytearray.fromhex(command)

    recording.transmit(pin_bearing)

    assert card.commands == [bytes(pin_bearing)]
    sent = next(line for line in lines if line.startswith(">"))
    assert sent == f"> {pin_bearing[:5].hex().upper()}{'??' * (len(pin_bearing) - 5)}"


def test_a_question_for_the_tries_is_written_whole():
    """It carries nothing; masked it could not be told from an attempt."""
    assert masked(bytes.fromhex("0020000000")) == "0020000000"
    assert masked(b"\x00\x20") == "0020"
    assert masked(b"\x00") == "00"


def test_a_masked_command_replays_with_any_pin():
    """The trace of a verified session runs again without knowing its PIN."""
    link = ReplayLink("ATR 3B00\n> 0020000003??????\n< 9000\n")
    link.power_on()

    assert link.transmit(bytes.fromhex("0020000003999999")) == b"\x90\x00"


def test_what_a_card_said_is_written_as_the_mask_says():
    """Names and numbers of a holder stay out of a trace that leaves the house."""
    lines = list[str]()
    inner = a_reader(a_device("hd100", PlainCard())).link(Slot.USER)
    link = RecordingLink(inner, lines.append, lambda _header, answer: answer[-2:])
    link.power_on()

    assert len(link.transmit(CHALLENGE)) == 7
    assert lines[-1] == "< 9000"


def test_a_failure_is_recorded_and_replayed():
    """The interesting traces are those of sessions that failed."""
    device = a_device("hd100", PlainCard())
    lines = list[str]()
    recording = RecordingLink(a_reader(device).link(Slot.USER), lines.append)
    recording.power_on()
    device.slots[Slot.USER].remove()
    with pytest.raises(CardRemovedError):
        recording.transmit(CHALLENGE)
    with pytest.raises(NoCardError):
        recording.power_on()

    replay = ReplayLink(joined(lines))

    replay.power_on()
    with pytest.raises(CardRemovedError):
        replay.transmit(CHALLENGE)
    with pytest.raises(NoCardError):
        replay.power_on()


def test_presence_and_name_are_the_inner_links():
    """Recording changes nothing but the record."""
    recording, lines, _ = a_recording()

    assert recording.present()
    assert recording.name == "serial user"
    assert lines == []


def test_an_unknown_command_fails_by_its_line():
    """A session that changed its commands must say where."""
    link = ReplayLink(TRANSCRIPT)
    link.power_on()

    with pytest.raises(AssertionError, match=r"command 00A40400 .* line 4 wants >"):
        link.transmit(bytes.fromhex("00A4040000"))


def test_the_failure_names_no_pin():
    """A failing test prints its error; the header is enough to find it."""
    link = ReplayLink(TRANSCRIPT)
    link.power_on()

    with pytest.raises(AssertionError) as caught:
        link.transmit(bytes.fromhex("0020000003123456"))

    assert "123456" not in str(caught.value)


def test_a_command_too_many_fails():
    """After the last line nothing answers."""
    link = ReplayLink("ATR 3B00\n")
    link.power_on()

    with pytest.raises(AssertionError, match="nothing is left"):
        link.transmit(CHALLENGE)


def test_a_command_before_power_fails():
    """A card without power does not answer either."""
    with pytest.raises(AssertionError, match="line 3 wants ATR"):
        ReplayLink(TRANSCRIPT).transmit(CHALLENGE)


def test_powering_up_in_the_middle_fails():
    """A reset the transcript has not would lose the rights it has."""
    link = ReplayLink(TRANSCRIPT)
    link.power_on()

    with pytest.raises(AssertionError, match="line 4 wants >"):
        link.power_on()


def test_a_command_without_an_answer_fails():
    """A transcript cut off in the middle is no card that is silent."""
    link = ReplayLink("ATR 3B00\n> 00\n> 01\n")
    link.power_on()

    with pytest.raises(AssertionError, match="line 3 wants >"):
        link.transmit(b"\x00")


@pytest.mark.parametrize(
    "line", ["ATR 3B0", "> 00A", "< 9Z", "! nonsense", "off now", "hello", ">"]
)
def test_a_line_that_is_no_step_is_named(line):
    """Transcripts are written by hand too."""
    with pytest.raises(AssertionError, match="line 2 of the transcript"):
        read_transcript(f"ATR 3B00\n{line}\n")


def test_a_power_up_may_follow_an_off_that_nobody_asked():
    """A session that broke off did not power down; its replay may."""
    link = ReplayLink("ATR 3B00\noff\nATR 3B01\n")
    link.power_on()

    assert link.power_on() == b"\x3b\x01"
    link.power_off()
    assert not link.present()


def test_a_reader_that_was_gone_is_gone_again():
    """Replayed by its code, so that the sentence is the same."""
    with pytest.raises(ReaderUnavailableError):
        ReplayLink("! reader-unavailable\n", name="gone").power_on()
    assert ReplayLink("", name="gone").name == "gone"
