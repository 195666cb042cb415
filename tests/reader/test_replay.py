"""Transcripts: a recording replays, and whatever strays from it fails by its line."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from reader.errors import (
    CardMuteError,
    CardRemovedError,
    NoCardError,
    PinCancelledError,
    ReaderBusyError,
    ReaderUnavailableError,
    TranscriptError,
)
from reader.link import Link
from reader.links.recording import RecordingLink, Written, masked, recording
from reader.links.replay import (
    ReplayLink,
    Step,
    StepKind,
    Strayed,
    read_transcript,
    sessions_of,
)
from reader.links.serial import Slot
from reader.part10 import VERIFY_PIN_DIRECT, ReaderPad
from tests.reader.serial_line import ATR, PlainCard, a_device, a_reader

TRANSCRIPT = """
{"step": "note", "text": "an invented card"}
{"step": "power-on", "at": "2026-11-23T09:00:00+08:00", "answer": "3B00"}
{"step": "command", "command": "0084000008", "answer": "01020304050607089000"}
{"step": "command", "command": "008800??????", "answer": "9000", "ms": 12}
{"step": "power-off"}
"""
UP = '{"step": "power-on", "answer": "3B00"}\n'
CHALLENGE = bytes.fromhex("0084000008")
NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


class AsItIs:
    """A mask that leaves everything, for cards that are nobody's."""

    def of_atr(self, atr: bytes) -> bytes:
        """Leave it."""
        return atr

    def of_answer(self, command: bytes, answer: bytes) -> bytes:
        """Leave it."""
        del command
        return answer


class Blank(AsItIs):
    """A mask that leaves the status words."""

    def of_answer(self, command: bytes, answer: bytes) -> bytes:
        """Blank the data."""
        del command
        return bytes(len(answer) - 2) + answer[-2:]


def lines_of(written: list[Written]) -> str:
    """Write steps as the file of a trace has them."""
    return "".join(json.dumps(step) + "\n" for step in written)


def recorded(inner: Link, mask: AsItIs | None = None) -> tuple[Link, list[Written]]:
    """Record *inner*."""
    written = list[Written]()
    return recording(inner, written.append, mask or AsItIs(), now=lambda: NOON), written


def a_recording() -> tuple[Link, list[Written], PlainCard]:
    """Record an emulated serial reader with one card in it."""
    card = PlainCard()
    link, written = recorded(a_reader(a_device("hd100", card)).link(Slot.USER))
    return link, written, card


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
    link, written, _ = a_recording()
    link.power_on()
    said = link.transmit(CHALLENGE)
    link.power_off()

    replay = ReplayLink(lines_of(written))

    assert replay.power_on() == ATR
    assert replay.transmit(CHALLENGE) == said
    replay.power_off()
    assert replay.finished


def test_a_recording_says_when_and_how_long():
    """A slow card is seen in a trace; its day decides whether it had expired."""
    ticks = iter((1.0, 1.25))
    written = list[Written]()
    inner = a_reader(a_device("hd100", PlainCard())).link(Slot.USER)
    link = RecordingLink(
        inner, written.append, AsItIs(), now=lambda: NOON, monotonic=lambda: next(ticks)
    )
    link.power_on()
    link.transmit(CHALLENGE)

    assert written[0]["at"] == "2026-11-23T12:00:00+00:00"
    assert written[1]["ms"] == 250


@pytest.mark.parametrize(
    "command",
    [
        "0020000003123456",
        "80 5E 01 00 07 123456 FF 654321",
        "84240001 04 11223344",
        "0088000004 11223344",  # a proof is computed over what the terminal drew
        "00820000 04 11223344",
        "00DC0200 03 020134",  # what is written to a card may be anybody's
        "F0FE0000 02 1234",  # nobody knows what this is
    ],
)
def test_no_pin_and_no_proof_is_ever_written(command):
    """A trace is sent by mail to whoever helps; these must not be in it."""
    link, written, card = a_recording()
    link.power_on()
    secret = bytearray.fromhex(command)

    link.transmit(secret)

    assert card.commands == [bytes(secret)]
    sent = written[1]["command"]
    assert sent == f"{secret[:5].hex().upper()}{'??' * (len(secret) - 5)}"


def test_a_question_for_the_tries_is_written_whole():
    """It carries nothing; masked it could not be told from an attempt."""
    assert masked(bytes.fromhex("0020000000")) == "0020000000"
    assert masked(b"\x00\x20") == "0020"
    assert masked(b"\x00") == "00"


def test_a_masked_command_replays_with_any_pin():
    """The trace of a verified session runs again without knowing its PIN."""
    verify = '{"step": "command", "command": "0020000003??????", "answer": "9000"}\n'
    link = ReplayLink(UP + verify)
    link.power_on()

    assert link.transmit(bytes.fromhex("0020000003999999")) == b"\x90\x00"


def test_what_a_card_said_is_written_as_the_mask_says():
    """The card's own answer goes to the terminal whole."""
    inner = a_reader(a_device("hd100", PlainCard())).link(Slot.USER)
    link, written = recorded(inner, Blank())
    link.power_on()

    assert len(link.transmit(CHALLENGE)) == 7
    assert written[1]["answer"] == "00000000009000"


def test_a_failure_is_recorded_and_replayed():
    """The interesting traces are those of sessions that failed."""
    device = a_device("hd100", PlainCard())
    link, written = recorded(a_reader(device).link(Slot.USER))
    link.power_on()
    device.slots[Slot.USER].remove()
    with pytest.raises(CardRemovedError):
        link.transmit(CHALLENGE)
    with pytest.raises(NoCardError):
        link.power_on()

    replay = ReplayLink(lines_of(written))

    replay.power_on()
    with pytest.raises(CardRemovedError):
        replay.transmit(CHALLENGE)
    with pytest.raises(NoCardError):
        replay.power_on()


class ReaderWithKeys:
    """A reader that asks for the PIN itself, or whose holder does not like to."""

    name = "a reader with keys"

    def __init__(self, answer: bytes = b"\x90\x00") -> None:
        self.answer = answer

    def present(self) -> bool:
        """There is always a card in it."""
        return True

    def power_on(self) -> bytes:
        """Answer to reset."""
        return b"\x3b\x00"

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Another program has the reader."""
        raise ReaderBusyError(bytes(command[:1]).hex())

    def power_off(self) -> None:
        """Nothing to do."""

    def features(self) -> dict[int, int]:
        """Return its control code."""
        return {VERIFY_PIN_DIRECT: 0x42000DB2}

    def control(self, code: int, data: bytes | bytearray) -> bytes:
        """Say what came of the PIN."""
        assert code == 0x42000DB2
        assert data
        return self.answer


def test_a_pin_on_the_readers_keys_is_recorded_by_its_outcome():
    """Neither digits nor block were ever here; the replay asks for the pad too."""
    link, written = recorded(ReaderWithKeys())
    link.power_on()
    first = ReaderPad().present(link)

    replay = ReplayLink(lines_of(written))
    replay.power_on()

    assert written[1] == {"step": "pad", "feature": VERIFY_PIN_DIRECT, "answer": "9000"}
    assert ReaderPad().present(replay) == first
    assert replay.finished


def test_a_pin_that_was_cancelled_on_the_keys_is_cancelled_again():
    """64 01 of the reader; no try was spent."""
    link, written = recorded(ReaderWithKeys(b"\x64\x01"))
    with pytest.raises(PinCancelledError):
        ReaderPad().present(link)

    with pytest.raises(PinCancelledError):
        ReaderPad().present(ReplayLink(lines_of(written)))


def test_an_error_that_only_a_real_reader_has_is_an_unavailable_one():
    """Busy is for the screen; in a trace the reader did not answer."""
    link, written = recorded(ReaderWithKeys())
    link.power_on()

    with pytest.raises(ReaderBusyError):
        link.transmit(CHALLENGE)

    assert written[1]["error"] == "reader-unavailable"


def test_presence_and_name_are_the_inner_links():
    """Recording changes nothing but the record."""
    link, written, _ = a_recording()

    assert link.present()
    assert link.name == "serial user"
    assert written == []


def test_sessions_are_cut_where_a_card_was_powered_up():
    """A day's trace has many; each begins with its answer to reset."""
    steps = read_transcript(UP + '{"step": "power-off"}\n' + UP)

    assert [[step.line for step in s] for s in sessions_of(steps)] == [[1, 2], [3]]
    assert list(sessions_of(())) == []


def test_an_unknown_command_strays_by_its_line():
    """A session that changed its commands must say where."""
    link = ReplayLink(TRANSCRIPT)
    link.power_on()

    with pytest.raises(Strayed, match=r"command 00A40400 .* line 4 wants command"):
        link.transmit(bytes.fromhex("00A4040000"))


def test_straying_names_no_pin():
    """A failing test prints its error; the header is enough to find it."""
    link = ReplayLink(TRANSCRIPT)
    link.power_on()

    with pytest.raises(Strayed) as caught:
        link.transmit(bytes.fromhex("0020000003123456"))

    assert "123456" not in str(caught.value)


def test_a_command_too_many_strays():
    """After the last line nothing answers."""
    link = ReplayLink(UP)
    link.power_on()

    with pytest.raises(Strayed, match="nothing is left"):
        link.transmit(CHALLENGE)


def test_a_command_before_power_strays():
    """A card without power does not answer either."""
    with pytest.raises(Strayed, match="line 3 wants power-on"):
        ReplayLink(TRANSCRIPT).transmit(CHALLENGE)


def test_powering_up_in_the_middle_strays():
    """A reset the transcript has not would lose the rights it has."""
    link = ReplayLink(TRANSCRIPT)
    link.power_on()

    with pytest.raises(Strayed, match="line 4 wants command"):
        link.power_on()


def test_a_pin_on_keys_that_the_transcript_has_not_strays():
    """It was typed on the counter's keyboard then."""
    link = ReplayLink(TRANSCRIPT)

    with pytest.raises(Strayed, match="feature 6"):
        link.control(6, b"")


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "[]",
        "{}",
        '{"step": "command"}',
        '{"step": "command", "command": "00A", "answer": "9000"}',
        '{"step": "command", "command": "00", "answer": "9Z"}',
        '{"step": "command", "command": "00", "answer": 9000}',
        '{"step": "command", "command": "00", "error": "nonsense"}',
        '{"step": "command", "command": "00", "answer": "9000", "error": "no-card"}',
        '{"step": "power-on", "command": "00", "answer": "3B00"}',
        '{"step": "power-off", "answer": "9000"}',
        '{"step": "pad", "feature": "six", "answer": "9000"}',
        '{"step": "pad", "feature": 600, "answer": "9000"}',
        '{"step": "pad", "feature": true, "answer": "9000"}',
        '{"step": "reboot"}',
        '{"step": ["power-on"]}',
    ],
)
def test_a_line_that_is_no_step_is_named(line):
    """Transcripts are written by hand too, and cut off by full disks."""
    with pytest.raises(TranscriptError, match="line 2"):
        read_transcript(f"{UP}{line}\n")


def test_a_power_up_may_follow_an_off_that_nobody_asked():
    """A session that broke off did not power down; its replay may."""
    off = '{"step": "power-off"}\n'
    link = ReplayLink(UP + off + UP.replace("3B00", "3B01"))
    link.power_on()

    assert link.power_on() == b"\x3b\x01"
    link.power_off()
    assert not link.present()


def test_a_reader_that_was_gone_is_gone_again():
    """Replayed by its code, so that the sentence is the same."""
    gone = Step(1, StepKind.POWER_ON, error=ReaderUnavailableError.code)

    with pytest.raises(ReaderUnavailableError):
        ReplayLink((gone,), name="gone").power_on()
    with pytest.raises(CardMuteError):
        ReplayLink('{"step": "power-on", "error": "card-mute"}').power_on()
    assert ReplayLink("", name="gone").name == "gone"
