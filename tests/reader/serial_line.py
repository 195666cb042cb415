"""Readers, cards and ports for the tests of the serial line."""

from __future__ import annotations

from collections.abc import Callable

from reader.emulator.serial_line import Device, PipePort
from reader.emulator.serial_reader import Faults, SerialReaderDevice
from reader.links.emulator import EmulatedSlot
from reader.links.framed import Timing
from reader.links.serial import DIALECTS, SerialReader, Slot

ATR = bytes.fromhex("3B6D000081544C968684449901D1560000")
#: Silence is what most faults cost; here it is short.
SHORT = Timing(0.2, 0.2, 0.25, 0.3, 0.3, quiet_s=0.02)


class PlainCard:
    """A chip that answers each command with its own bytes and 9000."""

    def __init__(self, atr: bytes = ATR) -> None:
        self.atr = atr
        self.powered = False
        self.commands: list[bytes] = []

    def power_on(self) -> bytes:
        """Power up."""
        self.powered = True
        return self.atr

    def transmit(self, command: bytes) -> bytes:
        """Echo."""
        self.commands.append(command)
        return command + b"\x90\x00"

    def power_off(self) -> None:
        """Power down."""
        self.powered = False


def a_device(
    dialect: str = "hd100",
    user: PlainCard | None = None,
    sam: PlainCard | None = None,
    faults: Faults | None = None,
) -> SerialReaderDevice:
    """Make a reader with these cards in it."""
    slots = {Slot.USER: EmulatedSlot(), Slot.SAM: EmulatedSlot()}
    for slot, card in ((Slot.USER, user), (Slot.SAM, sam)):
        if card is not None:
            slots[slot].insert(card)
    return SerialReaderDevice(dialect, slots, faults)


def a_reader(
    device: Device, dialect: str = "hd100", timing: Timing = SHORT
) -> SerialReader:
    """Put a host before *device*, in this process."""
    return SerialReader(lambda: PipePort(device), DIALECTS[dialect], timing=timing)


class Script:
    """A device that answers every write with the next of some byte strings."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self._emit: Callable[[bytes], None] = lambda _data: None
        self.received: list[bytes] = []

    def connect(self, emit: Callable[[bytes], None]) -> None:
        """Say where answers go."""
        self._emit = emit

    def receive(self, data: bytes) -> None:
        """Answer, while there are answers."""
        self.received.append(data)
        if self._answers:
            self._emit(self._answers.pop(0))
