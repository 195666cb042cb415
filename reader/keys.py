"""Who holds the keys that prove cards and terminals to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reader.crypto import Algorithm, authentication_data, diversify
from reader.errors import KeyUnavailableError
from reader.profile import Key


@dataclass(frozen=True, slots=True)
class CardContext:
    """What a provider must know of a card to find its keys."""

    algorithm: Algorithm
    factors: tuple[bytes, bytes, bytes]  #: province, city, card


class KeyProvider(Protocol):
    """Computes authentication data without ever giving out a key."""

    @property
    def name(self) -> str:
        """The provider's name, for the evidence."""

    def authenticate(
        self, key: Key, card: CardContext, *, process: bytes, source: bytes
    ) -> bytes:
        """Return the 8 bytes that prove *key* over the two challenges.

        Raises:
            KeyUnavailableError: this provider does not hold the key.
        """


#: The root of the published vectors. It opens emulated cards and nothing else.
TEST_ROOT = bytes(range(16))


class TestKeys:
    """The emulator's keys, derived in software from the published test root."""

    __test__ = False  # not a test, whatever its name

    def __init__(self, root: bytes = TEST_ROOT) -> None:
        self._root = root

    @property
    def name(self) -> str:
        """Say that these are test keys."""
        return "test-keys"

    def authenticate(
        self, key: Key, card: CardContext, *, process: bytes, source: bytes
    ) -> bytes:
        """Derive the card's key and compute with it."""
        if card.algorithm is Algorithm.SSF33:
            detail = f"{key.name} with SSF33 needs hardware"
            raise KeyUnavailableError(detail)
        derived = card_key(self._root, key, card)
        return authentication_data(card.algorithm, derived, process, source)


def card_key(root: bytes, key: Key, card: CardContext) -> bytes:
    """Derive a card's key over the levels that *key* asks for, card level last."""
    derived = root
    for factor in card.factors[-key.levels :]:
        derived = diversify(card.algorithm, derived, factor)
    return derived
