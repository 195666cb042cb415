"""Serial lines gone mad: no crash, no hang, nothing believed whose check fails.

``FUZZ_COUNT=100000`` makes the long run, ``FUZZ_SEED`` repeats one; both are printed
with a failure.
"""

from __future__ import annotations

import datetime as dt
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from reader.emulator.identity_sam import EmulatedIdentity, IdentitySamDevice
from reader.emulator.pin_keyboard import PinKeyboard
from reader.emulator.serial_line import Device
from reader.errors import ReaderError
from reader.frames import FORMATS, NIBBLE_LRC, Decoder, FrameFormat, encode
from reader.identity_card import read_identity_card
from reader.links.framed import ACK, NAK, Timing
from reader.links.serial import DIALECTS, SerialReader, Slot
from reader.person_number import read_person_number
from reader.scanner import SerialScanner
from reader.serial_pinpad import PadSettings, SerialPinPad
from tests.reader.serial_line import PlainCard, a_device

COUNT = int(os.environ.get("FUZZ_COUNT", "2500"))
SEED = int(os.environ.get("FUZZ_SEED", "20261123"))
#: Reads of one conversation; more would be a hang. Time passes only where it is read.
MOST_READS = 20_000
ACKNOWLEDGED, REFUSED = bytes((ACK,)), bytes((NAK,))
#: Each tick of silence costs the run something.
QUICK = Timing(0.2, 0.3, 0.5, 0.5, 0.5)
KEY = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
NOW = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)
PIN = b"123456"
Given = TypeVar("Given")


@contextmanager
def seeded(run: int) -> Iterator[random.Random]:
    """Give run *run* its own random numbers; a failure says how to repeat it."""
    chance = random.Random(SEED + run)  # noqa: S311 - repeatable, not secret
    try:
        yield chance
    except BaseException as error:
        error.add_note(f"repeat with FUZZ_COUNT=1 FUZZ_SEED={SEED + run}")
        raise


def mangled(chance: random.Random, data: bytes) -> bytes:
    """Do to *data* what a line does, once or several times, or nothing."""
    out = bytearray(data)
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        at = chance.randrange(len(out) + 1)
        what = chance.randrange(6)
        if what == 0 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            del out[at : at + chance.choice((1, 1, 2, 8, 999))]
        elif what == 2:
            out[at:at] = chance.randbytes(chance.choice((1, 3, 40)))
        elif what == 3:
            out[at:at] = out[: chance.randrange(30)]
        elif what == 4:
            out[at:at] = chance.choice(FORMATS).start
        elif at < len(out):
            out[at] = chance.choice(b"\x00\x02\x03\x04\x06\x15\x1b\xbb\xff")
    return bytes(out)


class MadLine:
    """A port to a device, mangled on its way back, on a clock of its own."""

    def __init__(self, chance: random.Random, device: Device) -> None:
        self._chance = chance
        self._device = device
        self._came = bytearray()
        self._reads = 0
        self.now = 0.0
        self.stream = bytearray()
        device.connect(self._emit)

    def again(self) -> MadLine:
        """Open the port anew: what was on its way is lost."""
        self._came.clear()
        return self

    def clock(self) -> float:
        """Tell the time."""
        return self.now

    def write(self, data: bytes | bytearray) -> None:
        """Pass a question on, whole: its loss is the loss of its answer."""
        self._device.receive(bytes(data))

    def read(self, most: int, timeout_s: float) -> bytes:
        """Give a piece, or let time pass."""
        self._reads += 1
        assert self._reads < MOST_READS, "this does not end"
        size = min(most, self._chance.choice((1, 7, 4096)))
        piece = bytes(self._came[:size])
        del self._came[:size]
        self.now += 0.0001 if piece else max(timeout_s, 0.0001)
        return piece

    def close(self) -> None:
        """Nothing to do."""

    def push(self, data: bytes) -> None:
        """Put bytes on the line that nobody asked for."""
        self._emit(data)

    def _emit(self, data: bytes) -> None:
        sent, data = data, mangled(self._chance, data)
        if sent == ACKNOWLEDGED and data == REFUSED:
            # Three bits at once, and all else as after a refusal: nobody could tell.
            data = b""
        self._came += data
        self.stream += data


def was_framed(form: FrameFormat, payload: bytes, stream: bytes) -> bool:
    """Say whether a frame around *payload*, its check made anew, is in *stream*."""
    frame = bytes(encode(form, payload))
    # A check in hex may come in small letters.
    return frame in stream or frame.upper() in bytes(stream).upper()


def many(part: int) -> range:
    """Number the runs of one part of *COUNT*; one part at least."""
    return range(max(1, COUNT // part))


def test_decoders_believe_only_frames_whose_check_holds():
    """They stand before everything else that reads a line."""
    for run in many(1):
        with seeded(run) as chance:
            form = chance.choice(FORMATS)
            frames = [
                bytes(encode(form, chance.randbytes(chance.choice((0, 1, 9, 200)))))
                for _ in range(chance.randrange(4))
            ]
            stream = mangled(chance, b"".join(frames))
            decoder, out = Decoder(form), list[bytes]()
            at = 0
            while at < len(stream):
                size = chance.choice((1, 5, 64, 4096))
                out += decoder.feed(stream[at : at + size])
                at += size
                if chance.random() < 0.1:
                    out += decoder.settle()
            for _ in range(3):
                out += decoder.settle()

            assert all(was_framed(form, payload, stream) for payload in out)
            assert decoder.pending <= 2 * form.longest + 32


def test_links_send_nothing_twice_and_believe_only_what_came():
    """Every command is another one, so that a second sending would be seen."""
    for run in many(4):
        with seeded(run) as chance:
            name = chance.choice(list(DIALECTS))
            device = a_device(name, PlainCard(), PlainCard())
            line = MadLine(chance, device)
            reader = SerialReader(
                line.again, DIALECTS[name], timing=QUICK, clock=line.clock
            )
            link = reader.link(Slot.USER)
            for number in range(6):
                command = b"\x00\xb2" + number.to_bytes(2, "big") + b"\x00"
                answer = attempt(partial(link.transmit, command))
                if answer is None:
                    attempt(link.power_on)
                else:
                    assert came(DIALECTS[name].form, answer, bytes(line.stream))
                attempt(link.present)

            assert len(device.carried_out) == len(set(device.carried_out))


def test_an_identity_card_reads_right_or_not_at_all():
    """What is read has a number whose check holds, and was on the line."""
    for run in many(4):
        with seeded(run) as chance:
            line = MadLine(chance, IdentitySamDevice(EmulatedIdentity()))
            credential = attempt(
                partial(read_identity_card, line, lambda: NOW, clock=line.clock)
            )
            if credential is not None:
                number = credential.person_cert_no
                assert number.encode("utf-16-le") in line.stream
                assert read_person_number(number).sex is credential.sex


def test_a_scanner_gives_28_digits_or_nothing():
    """Whatever barcode is held before it."""
    for run in many(4):
        with seeded(run) as chance:
            line = MadLine(chance, _Silent())
            for _ in range(chance.randrange(1, 4)):
                digits = bytes(chance.choices(b"0123456789", k=28))
                line.push(digits + chance.choice((b"\r", b"\n", b"\r\n", b"")))
            scanner = SerialScanner(line, clock=line.clock)
            for _ in range(4):
                voucher = attempt(partial(scanner.scan, 0.5))
                if voucher is not None:
                    assert voucher.reveal().encode() in line.stream


def test_a_pin_pad_spends_one_try_or_none():
    """And none with anything but what the pad said, under the right key."""
    for run in many(8):
        with seeded(run) as chance:
            pad = PinKeyboard({1: KEY}, types=PIN + b"\r", random_bytes=bytes)
            line = MadLine(chance, pad)
            card = PlainCard()
            pin = SerialPinPad(line.again, PadSettings(1, KEY), clock=line.clock)
            attempt(partial(pin.present, _CardLink(card)))

            assert len(card.commands) <= 1
            assert pin.is_wiped


class _Silent:
    """A device that says nothing by itself."""

    def connect(self, emit: Callable[[bytes], None]) -> None:
        """Send nothing."""

    def receive(self, data: bytes) -> None:
        """Take nothing."""


class _CardLink:
    """A link straight to a card."""

    name = "card"

    def __init__(self, card: PlainCard) -> None:
        self._card = card

    def present(self) -> bool:
        """Say yes."""
        return True

    def power_on(self) -> bytes:
        """Power up."""
        return self._card.power_on()

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange."""
        return self._card.transmit(bytes(command))

    def power_off(self) -> None:
        """Power down."""


def came(form: FrameFormat, answer: bytes, stream: bytes) -> bool:
    """Say whether *answer* is in *stream* as the format stuffs it."""
    if form is not NIBBLE_LRC:
        return answer in stream
    return bytes(encode(form, answer))[5:-3] in stream


def attempt(do: Callable[[], Given]) -> Given | None:
    """Return what *do* gives, None for a reader's error; anything else is a crash."""
    try:
        return do()
    except ReaderError:
        return None
