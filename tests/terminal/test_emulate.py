"""``card emulate``: what integrators are offered is where it says it is."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reader.emulator.quirks import Quirks, combined
from reader.errors import ReaderError, ReaderUnavailableError
from terminal.card_parts import build_card_parts
from terminal.commands.emulate import Offer, run_emulate, run_psam
from terminal.errors import DemoCardUnknownError
from tests.e2e.program import ROOT
from tests.pcsc.waiting import wait_until
from tests.reader.cards import NOW
from tests.terminal.test_card_parts import read_with, settings_of


class Stop:
    """Says when to stop, and what was printed until then."""

    def __init__(self, looks: int = 0) -> None:
        self._looks = looks

    def __call__(self, _seconds: float) -> bool:
        """Let the command look so many times."""
        self._looks -= 1
        return self._looks < 0


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command until it is interrupted as by Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "run_terminal.py", "card", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.send_signal(signal.SIGINT)
            assert child.wait(10) == 0


def place(child: subprocess.Popen[str]) -> str:
    """Read where it is."""
    assert child.stdout is not None
    return child.stdout.readline().split()[2]


@contextmanager
def vpcd() -> Iterator[tuple[int, list[bytes]]]:
    """Listen as vpcd's slot does, and take what the card says to its reset."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"\x00\x01\x04")
                    length = int.from_bytes(connection.recv(2), "big")
                    heard.append(connection.recv(length))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], heard
        thread.join(10)


def test_a_serial_reader_and_a_pad_serve_the_terminal_itself(tmp_path):
    """Two programs that know nothing of each other but two device files."""
    with (
        command("emulate", "--as", "serial", "--dialect", "crt591") as reader,
        command("emulate", "--as", "pinpad") as pad,
    ):
        settings = settings_of(
            tmp_path,
            reader__link="serial",
            reader__serial_port=place(reader),
            reader__serial_dialect="crt591",
            keys__providers="psam",
            keys__psam_sm_application="D15600000591",
            pin__strategy="serial-pad",
            pin__pad_port=place(pad),
            pin__pad_key_number="1",
            pin__pad_key=bytes(range(16)).hex(),
        )
        with read_with(settings) as (session, parts):
            entry = parts.pin_way.entry(bytearray(), session.credential)

            assert session.verify_pin(entry).verified


def test_a_card_sits_down_at_vpcd_and_again_after_a_restart(tmp_path, capsys):
    """The service restarts; nobody starts the emulator anew."""
    with vpcd() as (port, heard):

        def until_twice(_seconds: float) -> bool:
            threading.Event().wait(0.05)
            return len(heard) >= 2

        settings = settings_of(tmp_path)
        run_emulate(settings, "v3-jia", Offer.VPCD, port=port, wait=until_twice)

    assert heard[0][:1] == b"\x3b"
    assert capsys.readouterr().out.count(f"vpcd 127.0.0.1:{port}") == 2


def test_a_psam_sits_down_in_the_second_slot(tmp_path):
    """With it, all of authentication runs through the real service."""
    with vpcd() as (port, heard):

        def until_twice(_seconds: float) -> bool:
            threading.Event().wait(0.05)
            return len(heard) >= 2

        assert run_psam(settings_of(tmp_path), port=port, wait=until_twice) == 0

    assert heard[0][:1] == b"\x3b"


def test_where_nobody_listens_the_command_says_what_to_install(tmp_path):
    """Not an error number."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(ReaderUnavailableError, match="vsmartcard-vpcd"):
        run_emulate(settings_of(tmp_path), "v3-jia", Offer.VPCD, port=port, wait=Stop())


def test_a_card_that_is_not_there_is_named(tmp_path):
    """With those that are."""
    with pytest.raises(DemoCardUnknownError):
        run_emulate(settings_of(tmp_path), "v9", Offer.SERIAL, wait=Stop())


def test_a_card_is_pulled_at_a_command_and_another_put_back(tmp_path):
    """What a hand does at a counter, for whoever tests his own reader."""
    pulled = command("emulate", "--as", "serial", "--pull-at", "4", "--then", "v2-yi")
    with pulled as reader:
        settings = settings_of(
            tmp_path,
            reader__link="serial",
            reader__serial_port=place(reader),
            keys__providers="psam",
            keys__psam_sm_application="D15600000591",
        )
        with build_card_parts(settings, now=lambda: NOW) as parts:
            with pytest.raises(ReaderError):
                parts.open_session(parts.link)
            wait_until(parts.link.present)
            session = parts.open_session(parts.link)

            assert session.credential.name == "测试乙"
            session.close()


def test_several_quirks_are_one_card():
    """A card of T=0 is often one without the fast read, too."""
    quirks = combined(["procedure-bytes", "per-record-only"])

    assert quirks == Quirks(procedure_bytes=True, per_record_only=True)
    assert combined([]) == Quirks()
