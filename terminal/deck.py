"""The demonstration's cards and the emulated slot they go into."""

from __future__ import annotations

from collections.abc import Sequence

from reader.links.emulator import EmulatedCard, EmulatedSlot
from terminal.errors import DemoCardUnknownError


class Deck:
    """A hand of emulated cards, chosen by id."""

    def __init__(
        self, slot: EmulatedSlot, cards: Sequence[tuple[str, str, EmulatedCard]]
    ) -> None:
        self._slot = slot
        self._cards = {card_id: (label, card) for card_id, label, card in cards}

    def labels(self) -> tuple[tuple[str, str], ...]:
        """List the cards as (id, label)."""
        return tuple((card_id, label) for card_id, (label, _) in self._cards.items())

    def require(self, card_id: str) -> None:
        """Refuse a card that is not in the hand.

        Raises:
            DemoCardUnknownError: no card has that id.
        """
        if card_id not in self._cards:
            raise DemoCardUnknownError(card_id, tuple(self._cards))

    def insert(self, card_id: str) -> None:
        """Put a card into the slot.

        Raises:
            DemoCardUnknownError: no card has that id.
        """
        self.require(card_id)
        self._slot.insert(self._cards[card_id][1])

    def remove(self) -> None:
        """Take the card out of the slot."""
        self._slot.remove()
