"""Reading a card: what the reader adds to the time of the card and of its service."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config.card_profiles import load_deck, load_profiles
from config.settings import ROOT
from reader.emulator.cos import CardOs
from reader.emulator.deck import build_card
from reader.emulator.pcscd import PcscService
from reader.emulator.vpcd import VpcdSlot
from reader.errors import ReaderError
from reader.frames import HD100, Decoder, encode
from reader.keys import TestKeys
from reader.link import Link
from reader.links.emulator import EmulatedCard, EmulatedSlot, EmulatorLink
from reader.links.supervised import SupervisedPcscLink
from reader.session import read_card
from reader.watch import SlotWatch
from terminal.bench.figure import (
    NS_PER_MS,
    NS_PER_US,
    ROUNDS,
    Figure,
    Goal,
    in_turns,
)

BENCH_CARD = "v3-jia"
READS = 10
FRAME_BYTES = 250
#: Twelve bits a byte at 115 200 bit/s: a fast contact card. At the 9600 bit/s after a
#: reset it would be twelve times as much.
CONTACT_BYTE_S = 12 / 115_200
#: pcscd's fixed time between two looks, and what we may add to it.
SERVICE_LOOKS_MS, TOLD_WITHIN_MS = 400.0, 500.0


class _TimedLink(EmulatorLink):
    """The emulated slot, with a watch on every command it answers."""

    inside_ns = 0
    commands = 0

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange one APDU and add up how long the card took."""
        begun = time.perf_counter_ns()
        answer = super().transmit(command)
        self.inside_ns += time.perf_counter_ns() - begun
        self.commands += 1
        return answer


def read_ms(_folder: Path) -> Figure:
    """A whole read, authentication included, against its APDUs on the bare link."""
    folder = ROOT / "config" / "cards"
    profiles = load_profiles(folder)
    spec = next(spec for spec in load_deck(folder) if spec.card_id == BENCH_CARD)
    slot = EmulatedSlot()
    slot.insert(build_card(spec, profiles))
    keys, whole, inside, commands = TestKeys(), [], [], 0
    for _ in range(ROUNDS * READS):
        link = _TimedLink(slot)
        begun = time.perf_counter_ns()
        session = read_card(
            link,
            profiles,
            keys,
            random_bytes=secrets.token_bytes,
            now=lambda: dt.datetime.now(dt.UTC),
        )
        whole.append(time.perf_counter_ns() - begun)
        inside.append(link.inside_ns)
        commands = link.commands
        session.close()
    return Goal(2).figure(
        "card.read_ms",
        "ms",
        statistics.median(whole) / NS_PER_MS,
        statistics.median(inside) / NS_PER_MS,
        f"the emulated card answering the same {commands} APDUs",
    )


class _Watched:
    """A link in between that adds up how long the commands took."""

    def __init__(self, inner: Link) -> None:
        self._inner = inner
        self.name = inner.name
        self.commands = 0
        self.inside_ns = 0
        self.powered_ns = 0

    def present(self) -> bool:
        """Ask the slot."""
        return self._inner.present()

    def power_on(self) -> bytes:
        """Power up, and remember when."""
        atr = self._inner.power_on()
        self.powered_ns = time.perf_counter_ns()
        return atr

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Pass one command on, and add its time."""
        begun = time.perf_counter_ns()
        answer = self._inner.transmit(command)
        self.inside_ns += time.perf_counter_ns() - begun
        self.commands += 1
        return answer

    def power_off(self) -> None:
        """Power down."""
        self._inner.power_off()


@contextmanager
def _card_in_pcscd(
    folder: Path, byte_s: float = 0.0
) -> Iterator[tuple[VpcdSlot, EmulatedCard]]:
    """Run a private service with the bench's card in it."""
    service = PcscService(folder / "pcsc")
    service.start()
    slot = VpcdSlot(service.port)
    profiles = load_profiles(ROOT / "config" / "cards")
    deck = load_deck(ROOT / "config" / "cards")
    spec = next(spec for spec in deck if spec.card_id == BENCH_CARD)
    chip = build_card(spec, profiles)
    card = _ContactCard(chip, byte_s) if byte_s else chip
    slot.insert(card)
    # The library looks for its service's address once, in the environment.
    os.environ.update(service.environment)
    try:
        yield slot, card
    finally:
        slot.remove()
        service.stop()


def _wait_for(link: SupervisedPcscLink, *, present: bool) -> float:
    """Wait until the link says so; return the seconds."""
    begun = time.perf_counter()
    while True:
        with suppress(ReaderError):
            if link.present() is present:
                return time.perf_counter() - begun
        link.wait_for_change(0.05)


class _ContactCard:
    """A chip that takes the time of its contacts: each byte some of it, both ways."""

    def __init__(self, inner: CardOs, byte_s: float) -> None:
        self._inner = inner
        self._byte_s = byte_s

    def power_on(self) -> bytes:
        """Power up."""
        return self._inner.power_on()

    def transmit(self, command: bytes) -> bytes:
        """Answer after the bytes have gone over the contacts."""
        answer = self._inner.transmit(command)
        time.sleep((len(command) + len(answer)) * self._byte_s)
        return answer

    def power_off(self) -> None:
        """Power down."""
        self._inner.power_off()


def session_ms(folder: Path) -> Figure:
    """A whole read of a contact card at 115 200 bit/s, twelve bits a byte."""
    return _session("card.session_ms", CONTACT_BYTE_S, folder)


def session_untimed_ms(folder: Path) -> Figure:
    """The same of a chip that takes no time: what the processes cost by themselves."""
    return _session("card.session_untimed_ms", 0.0, folder)


def _session(name: str, byte_s: float, folder: Path) -> Figure:
    """A whole read through pcscd against its bare APDU round trips there.

    The read goes through the card process; the round trips are those of the same read
    straight through pyscard, in this process. Powering the card up counts in neither.
    """
    # Imported only here: pyscard may not be there, and need not be.
    from reader.links.pcsc import PcscLink  # noqa: PLC0415

    with _card_in_pcscd(folder, byte_s):
        link, bare = SupervisedPcscLink(), PcscLink()
        _wait_for(link, present=True)
        profiles = load_profiles(ROOT / "config" / "cards")
        whole, sums, commands = [], [], 0
        for _ in range(ROUNDS):
            for inner in (link, bare):
                watched = _Watched(inner)
                session = read_card(
                    watched,
                    profiles,
                    TestKeys(),
                    random_bytes=secrets.token_bytes,
                    now=lambda: dt.datetime.now(dt.UTC),
                )
                whole_ns = time.perf_counter_ns() - watched.powered_ns
                session.close()
                if inner is link:
                    whole.append(whole_ns)
                else:
                    sums.append(watched.inside_ns)
                commands = watched.commands
        link.close()
    return Goal(1.3).figure(
        name,
        "ms",
        statistics.median(whole) / NS_PER_MS,
        statistics.median(sums) / NS_PER_MS,
        f"its {commands} APDUs alone, through pyscard and pcscd",
    )


def _wait_for_more(told: list[float], count: int) -> None:
    while len(told) == count:
        time.sleep(0.002)


def events_ms(folder: Path) -> Figure:
    """From the card in the slot to the event, against pcscd's own look at the slot."""
    with _card_in_pcscd(folder) as (slot, card):
        link = SupervisedPcscLink()
        _wait_for(link, present=True)
        told: list[float] = []
        watch = SlotWatch(link, lambda _event: told.append(time.perf_counter()))
        watch.start()
        _wait_for_more(told, 0)
        waits = []
        for _ in range(ROUNDS):
            for present in (False, True):
                count = len(told)
                begun = time.perf_counter()
                if present:
                    slot.insert(card)
                else:
                    slot.remove()
                _wait_for_more(told, count)
                waits.append((told[-1] - begun) * 1000)
        watch.stop()
        link.close()
    return Goal(SERVICE_LOOKS_MS + TOLD_WITHIN_MS, of_value=True).figure(
        "card.events_ms",
        "ms",
        max(waits),
        SERVICE_LOOKS_MS,
        "pcscd looks at a reader without interrupts every",
    )


def frames_us(_folder: Path) -> Figure:
    """A frame written and read back, against its two checks alone."""
    payload = secrets.token_bytes(FRAME_BYTES)
    raw = bytes(encode(HD100, payload))

    def ours() -> None:
        Decoder(HD100).feed(bytes(encode(HD100, payload)))

    def reference() -> None:
        for _ in range(2):
            check = 0
            for byte in raw:
                check ^= byte

    mine, theirs, _ = in_turns(ours, reference, each=100)
    return Goal(6).figure(
        "card.frames_us",
        "us",
        mine / NS_PER_US,
        theirs / NS_PER_US,
        f"two loops of XOR over the {len(raw)} bytes of one frame",
    )
