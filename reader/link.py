"""The Link: the one way to a card, whatever reader it sits in."""

from __future__ import annotations

from typing import Protocol


class Link(Protocol):
    """One slot of one reader. Implementations translate their library's errors.

    Every method raises ``ReaderUnavailableError`` when the reader itself is gone and
    ``CardRemovedError`` when the card left between two commands.
    """

    @property
    def name(self) -> str:
        """The reader's name, for the screen and the log; never personal."""

    def present(self) -> bool:
        """Say whether a card is in the slot, without powering it."""

    def power_on(self) -> bytes:
        """Power the card up and return its answer to reset.

        Raises:
            NoCardError: the slot is empty.
            CardMuteError: something is in the slot that does not answer.
        """

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange one APDU; the answer ends in the two status bytes."""

    def power_off(self) -> None:
        """Power the card down, so that no verified PIN outlives the session."""
