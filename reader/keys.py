"""Who holds the keys that prove cards and terminals to each other: one port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reader.crypto import (
    MAC_BYTES,
    Algorithm,
    authentication_data,
    diversify,
    encrypt_secured,
    mac,
    session_key,
)
from reader.errors import KeyUnavailableError
from reader.profile import Key


@dataclass(frozen=True, slots=True)
class CardContext:
    """What a provider must know of a card to find its keys."""

    algorithm: Algorithm
    factors: tuple[bytes, bytes, bytes]  #: province, city, card
    region: str = ""  #: 应用城市代码, six digits
    card_serial: str = ""  #: 卡识别码, 32 hex digits
    historical: str = ""  #: 卡复位信息, hex


@dataclass(frozen=True, slots=True)
class Question:
    """One proof that is asked for: the key, 过程因子 and 原始信息."""

    key: Key
    process: bytes
    source: bytes


@dataclass(frozen=True, slots=True, repr=False)
class SecuredCommand:
    """A command that goes to the card encrypted and sealed."""

    key: Key  #: STKSSSE or another key of the card for MAC and encryption
    process: bytes  #: the card's current challenge
    header: bytes  #: CLA INS P1 P2; Lc follows from the body
    data: bytes | bytearray  #: what is encrypted; empty: the body is the MAC alone


class KeyProvider(Protocol):
    """Computes authentication data without ever giving out a key.

    All questions of one authentication come together, because a key service behind a
    network answers them in one exchange while the card stays powered.
    """

    @property
    def name(self) -> str:
        """The provider's name, for the evidence."""

    def answer(
        self, questions: Sequence[Question], card: CardContext
    ) -> tuple[bytes, ...]:
        """Return, for each question, the 8 bytes that prove its key.

        Raises:
            KeyUnavailableError: this provider does not hold one of the keys.
        """

    def secure(self, command: SecuredCommand, card: CardContext) -> bytes:
        """Return the body of a secured command: its data encrypted, then its MAC.

        Raises:
            KeyUnavailableError: this provider cannot secure commands with the key.
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

    def answer(
        self, questions: Sequence[Question], card: CardContext
    ) -> tuple[bytes, ...]:
        """Derive the card's keys and compute with them."""
        return tuple(
            authentication_data(
                card.algorithm,
                self._derived(question.key, card),
                question.process,
                question.source,
            )
            for question in questions
        )

    def secure(self, command: SecuredCommand, card: CardContext) -> bytes:
        """Encrypt and seal a command under the card's key."""
        derived = self._derived(command.key, card)
        session = session_key(card.algorithm, derived, command.process)
        return secured_body(card.algorithm, session, command.header, command.data)

    def _derived(self, key: Key, card: CardContext) -> bytes:
        if card.algorithm is Algorithm.SSF33:
            detail = f"{key.name} with SSF33 needs hardware"
            raise KeyUnavailableError(detail)
        return card_key(self._root, key, card)


def card_key(root: bytes, key: Key, card: CardContext) -> bytes:
    """Derive a card's key over the levels that *key* asks for, card level last."""
    derived = root
    for factor in card.factors[-key.levels :]:
        derived = diversify(card.algorithm, derived, factor)
    return derived


def secured_body(
    algorithm: Algorithm, session: bytes, header: bytes, data: bytes | bytearray
) -> bytes:
    """Return *data* encrypted, if any, and the MAC over header, Lc and it."""
    body = encrypt_secured(algorithm, session, bytes(data)) if data else b""
    sealed = header + bytes([len(body) + MAC_BYTES]) + body
    return body + mac(algorithm, session, sealed)
