"""Cards, slots and links for the reader's tests."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from reader.emulator.cos import CardOs
from reader.emulator.deck import CardSpec, build_card
from reader.keys import KeyProvider
from reader.link import Link
from reader.links.emulator import EmulatedCard
from reader.listed import Acceptance
from reader.profile import Profile
from reader.session import CardSession, read_card
from tests.reader.ways import Hand, InProcess, Way
from tests.shipped import PROFILES
from tests.shipped import SPECS as DECK

CARDS = Path(__file__).parents[2] / "config" / "cards"
PROVINCE, V3, V2, V1 = PROFILES
NOW = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)

#: The way the running test goes; the session suite changes it.
WAY: Way = InProcess()


def counted(start: int = 1) -> Callable[[int], bytes]:
    """Return a source of distinct challenges that a test can foresee."""
    numbers = itertools.count(start)
    return lambda length: next(numbers).to_bytes(length, "big")


def a_card(card_id: str = "v3-jia", **changed: object) -> CardOs:
    """Make one card of the deck, with fields of its data changed."""
    spec: CardSpec = dataclasses.replace(DECK[card_id], **changed)  # type: ignore[arg-type] # any field of any type
    return build_card(spec, PROFILES, random_bytes=counted(100))


def a_slot(card: EmulatedCard) -> tuple[Hand, Link]:
    """Put *card* into the slot of the way that the test goes."""
    return WAY.put(card)


def read(
    link: Link,
    keys: KeyProvider | None = None,
    *,
    acceptance: Acceptance | None = None,
    profiles: Sequence[Profile] = PROFILES,
) -> CardSession:
    """Read the card behind *link*."""
    return read_card(
        link,
        profiles,
        keys or WAY.keys(),
        random_bytes=counted(),
        now=lambda: NOW,
        acceptance=acceptance,
    )


class Wire:
    """A Link around another that counts commands and can change what passes."""

    def __init__(
        self,
        inner: Link,
        change: Callable[[int, bytes], bytes | None] = lambda _number, _command: None,
    ) -> None:
        self._inner = inner
        self._change = change
        self.commands: list[bytes] = []
        self.off = 0

    @property
    def name(self) -> str:
        """Name the link."""
        return "wire"

    def present(self) -> bool:
        """Ask the slot."""
        return self._inner.present()

    def power_on(self) -> bytes:
        """Power up."""
        return self._inner.power_on()

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Pass one command, or answer it as the test says."""
        self.commands.append(bytes(command))
        instead = self._change(len(self.commands) - 1, bytes(command))
        return self._inner.transmit(command) if instead is None else instead

    def power_off(self) -> None:
        """Power down, and count it."""
        self.off += 1
        self._inner.power_off()
