"""After a PIN was verified, no process of the terminal holds its digits any more.

The card lives in the test's process, the terminal in two others: its own and the card
process. Both are searched, mapping by mapping. Twelve digits, because three bytes of
BCD would be found anywhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reader.emulator.vpcd import VpcdSlot
from tests.pcsc.service import PcscService
from tests.pcsc.test_pin_pad import Holder, holder, pad  # noqa: F401 - fixtures
from tests.reader.cards import a_card

ROOT = Path(__file__).resolve().parents[2]
#: Put together here only, so that no process reads it out of a file.
DIGITS = "".join(str(number) for number in (8, 3, 5, 1, 7, 4, 6, 2, 9, 3, 0, 6))
ENCODINGS = {
    "ASCII": DIGITS.encode("ascii"),
    "BCD": bytes.fromhex(DIGITS),
    "UTF-16": DIGITS.encode("utf-16-le"),
    "a digit a byte": bytes(int(digit) for digit in DIGITS),
}


def found_in(pid: int) -> set[str]:
    """Search the memory of a process; name the encodings that were found."""
    found: set[str] = set()
    process = Path("/proc") / str(pid)
    with (process / "mem").open("rb", buffering=0) as memory:
        for line in (process / "maps").read_text("utf-8").splitlines():
            span, rights, *_ = line.split()
            if "r" not in rights or "[v" in line:
                continue
            first, last = (int(part, 16) for part in span.split("-"))
            memory.seek(first)
            try:
                data = memory.read(last - first)
            except OSError:
                continue  # a mapping that cannot be read holds nothing of ours
            found |= {name for name, raw in ENCODINGS.items() if raw in data}
    return found


@pytest.fixture
def terminal(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a terminal before a card whose PIN has twelve digits."""
    how = str(request.param)
    fixture = "pad" if how == "pad" else "service"
    running: PcscService = request.getfixturevalue(fixture)
    slot = VpcdSlot(running.port)
    slot.insert(a_card(pin=DIGITS))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.pcsc.pin_session", how, str(len(DIGITS))],
        cwd=ROOT,
        env={**os.environ, **running.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    yield how, process
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        stream.close()
    slot.remove()


@pytest.mark.process
@pytest.mark.parametrize("terminal", ["keyboard", "pad"], indirect=True)
def test_no_digit_of_a_pin_is_left_in_memory(terminal, holder: Holder):  # noqa: F811 - a fixture
    """Four ways to write it down, and none is found in either process."""
    how, process = terminal
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"enter\n"
    if how == "pad":
        holder.enters = [ENCODINGS["ASCII"]]
        process.stdin.write(b"\n")
    else:
        process.stdin.write(ENCODINGS["ASCII"])
    process.stdin.flush()
    verified, pid = process.stdout.readline().split()

    assert verified == b"True"
    assert found_in(process.pid) == set()
    assert found_in(int(pid)) == set()


def test_the_search_finds_what_is_there():
    """A search that never finds anything would prove nothing."""
    assert found_in(os.getpid()) == set(ENCODINGS)
