"""A card desk over an emulated slot, and links that misbehave as readers do."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reader.credential import Credential
from reader.emulator.cos import CardOs
from reader.emulator.deck import build_card
from reader.errors import ReaderUnavailableError
from reader.keys import TestKeys
from reader.link import Link
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.pin import PinEntry, TypedPin
from reader.session import CardSession, read_card
from terminal.desk import CardDesk, DeskSettings
from terminal.views import CardState, CardView
from tests.shipped import PROFILES, SPECS

NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)
PIN, WRONG = b"246810", b"135791"
#: Short, so that no test waits for what a counter waits for.
QUICK = DeskSettings(
    poll_s=0.02,
    debounce_s=0.02,
    operation_timeout_s=0.4,
    pad_timeout_s=2.0,
    recheck_s=0.2,
)
PATIENCE_S = 5.0


def a_card(card_id: str = "v3-jia") -> CardOs:
    """Make one of the demonstration's cards."""
    return build_card(SPECS[card_id], PROFILES)


def open_session(link: Link) -> CardSession:
    """Read a card as the terminal does, with test keys."""
    return read_card(link, PROFILES, TestKeys(), random_bytes=bytes, now=lambda: NOW)


class MoodyLink(EmulatorLink):
    """A reader that hangs, goes away and comes back as a test wants."""

    def __init__(self, slot: EmulatedSlot) -> None:
        super().__init__(slot, "moody")
        self.gone = False
        self.hangs_at: int | None = None  #: the command it hangs at
        self.released = threading.Event()
        self.commands = 0
        self.after_hanging: list[str] = []  #: what the hung thread got to do

    def present(self) -> bool:
        """Say whether a card is there, if the reader is."""
        if self.gone:
            raise ReaderUnavailableError(self.name)
        return super().present()

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Answer, or hang until the test lets go."""
        if self.gone:
            raise ReaderUnavailableError(self.name)
        self.commands += 1
        if self.commands == self.hangs_at:
            self.released.wait(30)
            self.after_hanging.append("answered")
            return b"\x90\x00"
        return super().transmit(command)


class World:
    """A slot, a link, a desk, and everything the desk ever showed."""

    def __init__(self, settings: DeskSettings = QUICK) -> None:
        self.slot = EmulatedSlot()
        self.link = MoodyLink(self.slot)
        self.desk = CardDesk(
            self.link, open_session, monotonic=time.monotonic, settings=settings
        )
        self.shown: list[tuple[float, CardView]] = []
        self.desk.on_change(lambda view: self.shown.append((time.monotonic(), view)))

    @property
    def states(self) -> list[CardState]:
        """The states in the order in which they were shown."""
        return [view.state for _, view in self.shown]

    def shows(self, state: CardState) -> float:
        """Wait until *state* is shown and say how long that took."""
        return self.until(lambda: self.desk.view().state is state)

    @staticmethod
    def until(is_so: Callable[[], bool]) -> float:
        """Wait until something is so and say how long that took."""
        begun = time.monotonic()
        while not is_so():
            if time.monotonic() - begun > PATIENCE_S:
                msg = "it never came about"
                raise AssertionError(msg)
            time.sleep(0.005)
        return time.monotonic() - begun


@contextmanager
def desk_at_work(settings: DeskSettings = QUICK) -> Iterator[World]:
    """Run a desk that watches its slot."""
    world = World(settings)
    world.desk.start()
    try:
        yield world
    finally:
        world.link.released.set()
        world.desk.stop()


def typed(digits: bytes, *factory: bytes) -> Callable[[Credential], PinEntry]:
    """Make the entry of *digits* typed at the counter."""
    return lambda _who: TypedPin(bytearray(digits), factory)
