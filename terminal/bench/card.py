"""Reading a card: what the reader adds to the time of the card itself."""

from __future__ import annotations

import datetime as dt
import secrets
import statistics
import time
from pathlib import Path

from config.card_profiles import load_deck, load_profiles
from config.settings import ROOT
from reader.emulator.deck import build_card
from reader.keys import TestKeys
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.session import read_card
from terminal.bench.figure import NS_PER_MS, ROUNDS, Figure, Goal

BENCH_CARD = "v3-jia"
READS = 10


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
