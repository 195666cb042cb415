"""An emulated slot in this process: cards go in and out as a hand would do it."""

from __future__ import annotations

import threading
from typing import Protocol

from reader.errors import CardMuteError, CardRemovedError, NoCardError


class EmulatedCard(Protocol):
    """A chip: powered up, it answers commands; powered down, it forgets."""

    def power_on(self) -> bytes:
        """Power up and return the answer to reset; empty: the chip is mute."""

    def transmit(self, command: bytes) -> bytes:
        """Answer one command."""

    def power_off(self) -> None:
        """Forget everything that is not written."""


class EmulatedSlot:
    """A slot that holds one card at most.

    Each power-up has a number. A card that was pulled and put back has lost its
    power, so the number of before answers nothing any more, as with a real reader.
    """

    def __init__(self) -> None:
        # Reentrant: a card under test may pull itself out while it answers.
        self._guard = threading.RLock()
        self._card: EmulatedCard | None = None
        self._powering = 0

    def insert(self, card: EmulatedCard) -> None:
        """Put *card* in, taking out what was there."""
        with self._guard:
            self.remove()
            self._card = card

    def remove(self) -> None:
        """Take the card out; it loses its power."""
        with self._guard:
            card, self._card = self._card, None
            self._powering += 1
            if card is not None:
                card.power_off()

    @property
    def present(self) -> bool:
        """Say whether a card is in the slot."""
        return self.card is not None

    @property
    def card(self) -> EmulatedCard | None:
        """The card in the slot."""
        with self._guard:
            return self._card

    def power_on(self) -> tuple[int, bytes]:
        """Power the card up; return the number of this power-up and the ATR.

        Raises:
            NoCardError: the slot is empty.
            CardMuteError: the chip does not answer to reset.
        """
        with self._guard:
            if self._card is None:
                raise NoCardError
            self._powering += 1
            atr = self._card.power_on()
            if not atr:
                raise CardMuteError
            return self._powering, atr

    def exchange(self, powering: int, command: bytes) -> bytes:
        """Exchange one APDU with the card as it was powered up.

        Raises:
            CardRemovedError: it is gone, or was powered up or down since.
        """
        with self._guard:
            card = self._card
            if card is None or powering != self._powering:
                raise CardRemovedError
            answer = card.transmit(command)
            if powering != self._powering:
                raise CardRemovedError
            return answer

    def power_off(self, powering: int) -> None:
        """Power the card down, if that power-up still lasts."""
        with self._guard:
            if self._card is not None and powering == self._powering:
                self._powering += 1
                self._card.power_off()


class EmulatorLink:
    """A Link over an emulated slot."""

    def __init__(self, slot: EmulatedSlot, name: str = "模拟读卡器 emulated") -> None:
        self._slot = slot
        self._name = name
        self._powering: int | None = None

    @property
    def name(self) -> str:
        """Say that this is no real reader."""
        return self._name

    def present(self) -> bool:
        """Say whether a card is in the slot."""
        return self._slot.present

    def power_on(self) -> bytes:
        """Power the card up."""
        self._powering = None
        self._powering, atr = self._slot.power_on()
        return atr

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange one APDU with the card that was powered up, if it is still there."""
        if self._powering is None:
            raise CardRemovedError
        return self._slot.exchange(self._powering, bytes(command))

    def power_off(self) -> None:
        """Power the card down."""
        powering, self._powering = self._powering, None
        if powering is not None:
            self._slot.power_off(powering)
