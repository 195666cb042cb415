"""Three ways to the same card: in this process, through PC/SC, on a serial line.

The session suite runs through each of them. Through PC/SC and the serial line the keys
come out of a PSAM in the reader's second slot; in this process they are test keys.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from reader.emulator.serial_line import serve_pty
from reader.emulator.serial_reader import SerialReaderDevice
from reader.emulator.vpcd import VpcdSlot
from reader.errors import ReaderError
from reader.keys import KeyProvider, TestKeys
from reader.link import Link
from reader.links.emulator import EmulatedCard, EmulatedSlot, EmulatorLink
from reader.links.serial import DIALECTS, SerialReader, Slot
from reader.links.serial_port import SerialPort
from reader.links.supervised import SupervisedPcscLink
from reader.providers.chain import ChainedKeys
from tests.pcsc.service import PcscService
from tests.pcsc.waiting import PSAM_SLOT, a_link, holds, wait_until
from tests.reader.providers import a_psam, psam_keys


class Hand(Protocol):
    """What a hand does at a slot."""

    @property
    def present(self) -> bool:
        """Say whether a card is in the slot."""

    def insert(self, card: EmulatedCard) -> None:
        """Put a card in, taking out what was there."""

    def remove(self) -> None:
        """Take the card out."""


class Way(Protocol):
    """One way to the card."""

    name: str

    def put(self, card: EmulatedCard) -> tuple[Hand, Link]:
        """Put *card* into the slot; return the hand at it and the link."""

    def keys(self) -> KeyProvider:
        """Return who holds the keys on this way."""

    def close(self) -> None:
        """Take everything down."""


class InProcess:
    """An emulated slot in this process."""

    name = "in-process"

    def put(self, card: EmulatedCard) -> tuple[Hand, Link]:
        """Put the card into a slot of its own."""
        slot = EmulatedSlot()
        slot.insert(card)
        return slot, EmulatorLink(slot)

    def keys(self) -> KeyProvider:
        """Return the emulator's own keys."""
        return TestKeys()

    def close(self) -> None:
        """There is nothing to take down."""


class OnSerialLine:
    """A reader on a pseudo-terminal: card in the user slot, PSAM in the other."""

    name = "serial"

    def __init__(self, dialect: str = "hd100") -> None:
        self._user, self._sam = EmulatedSlot(), EmulatedSlot()
        self._sam.insert(a_psam())
        slots = {Slot.USER: self._user, Slot.SAM: self._sam}
        self._line = serve_pty(SerialReaderDevice(dialect, slots))
        path = self._line.path
        self._reader = SerialReader(lambda: SerialPort(path), DIALECTS[dialect])
        psam = psam_keys(self._reader.link(Slot.SAM))
        # Keys that no PSAM holds, a service desk's too, come from behind it.
        self._keys = ChainedKeys([psam, TestKeys()])

    def put(self, card: EmulatedCard) -> tuple[Hand, Link]:
        """Put the card into the reader."""
        self._user.insert(card)
        return self._user, self._reader.link(Slot.USER)

    def keys(self) -> KeyProvider:
        """Return the PSAM's."""
        return self._keys

    def close(self) -> None:
        """Close the port, then the line."""
        self._reader.close()
        self._line.close()


class ThroughPcsc:
    """pcscd, vpcd and pyscard: card in the first slot, PSAM in the second.

    pcscd looks at a slot every 400 ms. So the cards of the suite follow each other in a
    plastic that stays in; where a test pulls it, it is back when that was noticed.
    """

    name = "pcsc"

    def __init__(self, folder: Path) -> None:
        self._service = PcscService(folder)
        self._service.start()
        self._plastic = Plastic()
        self._slot = VpcdSlot(self._service.port)
        self._psam = VpcdSlot(self._service.port + 1)
        self._psam.insert(a_psam())
        self._link = a_link(self._service)
        self._psam_link = a_link(self._service, wanted=PSAM_SLOT)
        wait_until(lambda: holds(self._psam_link) == "card")
        self._keys = ChainedKeys([psam_keys(self._psam_link), TestKeys()])

    def put(self, card: EmulatedCard) -> tuple[Hand, Link]:
        """Change the chip in the plastic, or put the plastic in again."""
        with contextlib.suppress(ReaderError):
            self._link.power_off()
        self._plastic.chip = card
        hand = _HandAtPlastic(self._slot, self._plastic, self._link)
        if not self._slot.present:
            hand.insert(card)
        return hand, self._link

    def keys(self) -> KeyProvider:
        """Return the PSAM's."""
        return self._keys

    def close(self) -> None:
        """End the card processes, then the service."""
        self._link.close()
        self._psam_link.close()
        self._slot.remove()
        self._psam.remove()
        self._service.stop()


class Plastic:
    """A card whose chip can be changed while it has no power."""

    chip: EmulatedCard

    def power_on(self) -> bytes:
        """Power the chip up."""
        return self.chip.power_on()

    def transmit(self, command: bytes) -> bytes:
        """Let the chip answer."""
        return self.chip.transmit(command)

    def power_off(self) -> None:
        """Power the chip down."""
        self.chip.power_off()


class _HandAtPlastic:
    """A hand at the slot: what it puts in is another plastic, so another power-up."""

    def __init__(
        self, slot: VpcdSlot, plastic: Plastic, link: SupervisedPcscLink
    ) -> None:
        self._slot = slot
        self._plastic = plastic
        self._link = link

    @property
    def present(self) -> bool:
        """Say whether a card is in the slot."""
        return self._slot.present

    def insert(self, card: EmulatedCard) -> None:
        """Take the plastic out and put it in with another chip."""
        self._slot.remove()
        wait_until(lambda: holds(self._link) == "empty")
        self._plastic.chip = card
        self._slot.insert(self._plastic)
        wait_until(lambda: holds(self._link) == "card")

    def remove(self) -> None:
        """Take it out."""
        self._slot.remove()


#: How each way is begun; the folder is for whoever needs one.
WAYS: dict[str, Callable[[Path], Way]] = {
    "in-process": lambda _: InProcess(),
    "serial": lambda _: OnSerialLine(),
    "pcsc": ThroughPcsc,
}
