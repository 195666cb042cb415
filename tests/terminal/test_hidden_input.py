"""PINs typed at a command: not shown, not kept, never longer than a PIN."""

from __future__ import annotations

import os
import termios
import threading

import pytest

from reader.pin import LONGEST_PIN
from terminal.hidden_input import read_hidden


@pytest.fixture
def pipe():
    """Give both ends of a pipe."""
    out, into = os.pipe()
    yield out, into
    os.close(out)
    os.close(into)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_is_read_without_its_end(pipe, end):
    """What comes through a pipe is what a script at the service desk sends."""
    out, into = pipe
    os.write(into, b"246810" + end)

    assert read_hidden("PIN: ", out) == bytearray(b"246810")


def test_the_next_line_is_left_for_the_next_question(pipe):
    """Old, new and new again come one after the other."""
    out, into = pipe
    os.write(into, b"246810\n975310\n")

    assert [read_hidden("", out), read_hidden("", out)] == [b"246810", b"975310"]


def test_a_long_line_is_given_one_byte_too_long(pipe):
    """It is refused as no PIN, and its rest is not the answer to the next question."""
    out, into = pipe
    os.write(into, b"1" * 200 + b"\n246810\n")

    assert len(read_hidden("", out)) == LONGEST_PIN + 1
    assert read_hidden("", out) == b"246810"


def test_nothing_typed_is_an_empty_pin():
    """An input that ended; the caller refuses it as no PIN."""
    out, into = os.pipe()
    os.close(into)

    assert read_hidden("", out) == b""
    os.close(out)


def test_a_terminal_does_not_show_what_is_typed(capsys):
    """Whoever looks over the shoulder sees the question alone."""
    master, slave = os.openpty()
    read: list[bytearray] = []
    worker = threading.Thread(target=lambda: read.append(read_hidden("PIN: ", slave)))
    worker.start()
    while "PIN: " not in capsys.readouterr().err:
        pass
    while termios.tcgetattr(slave)[3] & termios.ECHO:
        pass
    os.write(master, b"246810\n")
    worker.join()
    os.write(slave, b"END")
    shown = os.read(master, 100)

    assert read == [bytearray(b"246810")]
    assert b"246810" not in shown
    assert termios.tcgetattr(slave)[3] & termios.ECHO
    os.close(master)
    os.close(slave)
