"""An emulated slot in this process: cards go in and out as a hand would do it."""

from __future__ import annotations

import threading
from typing import Protocol

from reader.errors import CardRemovedError, NoCardError


class EmulatedCard(Protocol):
    """A chip: powered up, it answers commands; powered down, it forgets."""

    def power_on(self) -> bytes:
        """Power up and return the answer to reset."""

    def transmit(self, command: bytes) -> bytes:
        """Answer one command."""

    def power_off(self) -> None:
        """Forget everything that is not written."""


class EmulatedSlot:
    """A slot that holds one card at most."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._card: EmulatedCard | None = None

    def insert(self, card: EmulatedCard) -> None:
        """Put *card* in, taking out what was there."""
        self.remove()
        with self._guard:
            self._card = card

    def remove(self) -> None:
        """Take the card out; it loses its power."""
        with self._guard:
            card, self._card = self._card, None
        if card is not None:
            card.power_off()

    @property
    def card(self) -> EmulatedCard | None:
        """The card in the slot."""
        with self._guard:
            return self._card


class EmulatorLink:
    """A Link over an emulated slot."""

    def __init__(self, slot: EmulatedSlot, name: str = "模拟读卡器 emulated") -> None:
        self._slot = slot
        self._name = name
        self._powered: EmulatedCard | None = None

    @property
    def name(self) -> str:
        """Say that this is no real reader."""
        return self._name

    def present(self) -> bool:
        """Say whether a card is in the slot."""
        return self._slot.card is not None

    def power_on(self) -> bytes:
        """Power the card up."""
        card = self._slot.card
        if card is None:
            raise NoCardError
        atr = card.power_on()
        self._powered = card
        return atr

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange one APDU with the card that was powered up, if it is still there."""
        card = self._powered
        if card is None or self._slot.card is not card:
            self._powered = None
            raise CardRemovedError
        return card.transmit(bytes(command))

    def power_off(self) -> None:
        """Power the card down."""
        card, self._powered = self._powered, None
        if card is not None:
            card.power_off()
