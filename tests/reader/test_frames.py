"""Frames: whatever a line does to them, a payload comes out whole or not at all."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader.frames import (
    CRT591,
    FORMATS,
    HD100,
    IDENTITY_SAM,
    NIBBLE_LRC,
    SIMPLE_BCC,
    SMALL_CRT,
    ZT588,
    Decoder,
    Frame,
    FrameFormat,
    Stray,
    encode,
)

forms = st.sampled_from(FORMATS)
payloads = st.binary(max_size=255)
KNOWN = [
    (HD100, "A4", "FAFBFCFD0400A4A0BB"),
    (HD100, "B1", "FAFBFCFD0400B1B5BB"),
    (CRT591, "433033", "F20000034330 3303B2"),
    (IDENTITY_SAM, "2001", "AAAAAA966900032001 22"),
    (IDENTITY_SAM, "2002", "AAAAAA966900032002 21"),
    (IDENTITY_SAM, "3001", "AAAAAA966900033001 32"),
    (IDENTITY_SAM, "00009F00000000", "AAAAAA9669000800009F0000000097"),
    (NIBBLE_LRC, "0022", "02303030323030323232 3203"),
    (SIMPLE_BCC, "50", "090150510D"),
    (SMALL_CRT, "303A", "020002303A0309"),
    (ZT588, "33", "02303031330330 31"),
]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut *data* at *places*, taken modulo its length."""
    at = sorted({place % (len(data) + 1) for place in places})
    edges = [0, *at, len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def without_start(form: FrameFormat, noise: bytes) -> bytes:
    """Take every byte of the start out of *noise*, so that it can begin no frame."""
    return bytes(byte for byte in noise if byte not in form.start)


@pytest.mark.parametrize(("form", "payload", "frame"), KNOWN)
def test_the_published_frames_are_met_both_ways(form, payload, frame):
    """The bytes are the sources'; our own reading of a format would prove nothing."""
    wire, inside = bytes.fromhex(frame), bytes.fromhex(payload)

    assert encode(form, inside) == wire
    assert Decoder(form).feed(wire) == [inside]


@given(
    form=forms, several=st.lists(payloads, max_size=4), places=st.lists(st.integers())
)
def test_frames_come_out_whole_however_the_line_cuts_them(form, several, places):
    """A USB bridge cuts where it likes; frames run into each other."""
    wire = b"".join(bytes(encode(form, payload)) for payload in several)
    decoder = Decoder(form)

    out = [one for piece in cut(wire, places) for one in decoder.feed(piece)]

    assert out == several
    assert decoder.pending == 0


@given(form=forms, payload=payloads, noise=st.binary(max_size=64))
def test_noise_before_a_frame_is_skipped(form, payload, noise):
    """Plugging in, a motor, a lamp: there are always bytes nobody sent."""
    noise = without_start(form, noise)
    decoder = Decoder(form)

    found = decoder.scan(noise + bytes(encode(form, payload)))

    assert found == [*([Stray(noise)] if noise else []), Frame(payload)]


@given(form=forms, payload=payloads)
def test_a_start_that_is_none_holds_nothing_up_once_the_line_is_silent(form, payload):
    """A start and a long length in noise would swallow the frame for ever."""
    frame = bytes(encode(form, payload))
    decoder = Decoder(form)

    out = decoder.feed(form.start + frame) + decoder.settle()

    assert out == [payload]


@given(form=forms, payload=payloads, place=st.integers(0), bit=st.integers(0, 7))
def test_a_changed_bit_never_gives_another_payload(form, payload, place, bit):
    """XOR finds every single flipped bit; a wrong identity must not slip through."""
    frame = encode(form, payload)
    frame[place % len(frame)] ^= 1 << bit
    decoder = Decoder(form)

    out = decoder.feed(bytes(frame))

    # A hex digit may change its case, and a stuffed nibble nothing else.
    assert out in ([], [payload])
    if form is not ZT588:
        assert out == []


@given(form=forms, payload=payloads)
def test_a_wrong_check_is_counted_as_damage(form, payload):
    """Whoever waits may stop waiting: the answer came, and came damaged."""
    frame = encode(form, payload)
    at = len(frame) - 1
    if form in (HD100, SIMPLE_BCC, NIBBLE_LRC):
        at -= len(form.end)
    frame[at] ^= 0x01
    decoder = Decoder(form)

    assert decoder.feed(bytes(frame)) == []
    assert decoder.damaged == 1


@given(form=forms, payload=payloads)
def test_the_frame_after_a_damaged_one_is_read(form, payload):
    """One bad frame must not cost the next."""
    damaged = encode(form, payload)
    damaged[-1] ^= 0x7F
    decoder = Decoder(form)

    out = decoder.feed(bytes(damaged) + bytes(encode(form, b"next")))
    out += decoder.settle()

    assert b"next" in out


@given(form=forms, noise=st.binary(max_size=5000))
def test_no_stream_raises_and_memory_is_bounded(form, noise):
    """A device gone mad must not take the daemon with it."""
    decoder = Decoder(form)

    for _ in range(3):
        decoder.feed(noise)
        decoder.settle()

    assert decoder.pending <= 2 * form.longest + 32


@given(form=forms, noise=st.binary(max_size=600))
def test_strays_and_frames_are_all_there_was(form, noise):
    """An acknowledgement or a key is a stray: none may get lost or appear."""
    decoder = Decoder(form)

    found = decoder.scan(noise)

    strays = b"".join(one.data for one in found if isinstance(one, Stray))
    frames = sum(isinstance(one, Frame) for one in found)
    assert frames or len(strays) + decoder.pending == len(noise)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_payload_that_does_not_fit_is_refused(form):
    """A length that wraps round would make a valid frame of something else."""
    with pytest.raises(ValueError, match="do not fit"):
        encode(form, bytes(form.longest + 1))


def test_a_reset_decoder_remembers_nothing():
    """What came before a question answers another one."""
    decoder = Decoder(HD100)
    decoder.feed(bytes(encode(HD100, b"late"))[:-1])

    decoder.reset()

    assert decoder.pending == 0
    assert decoder.feed(bytes(encode(HD100, b"new"))) == [b"new"]
