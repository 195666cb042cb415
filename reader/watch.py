"""Watches a slot: insertion, removal, the reader gone and back, each told once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from reader.errors import ReaderError
from reader.link import Link

log = logging.getLogger(__name__)

POLL_S, DEBOUNCE_S = 0.2, 0.05


class SlotState(StrEnum):
    """What the slot holds."""

    EMPTY = "empty"
    PRESENT = "present"
    NO_READER = "no-reader"


@dataclass(frozen=True, slots=True)
class SlotEvent:
    """One change. The generation rises with each, so that an old one is told apart."""

    generation: int
    state: SlotState
    problem: ReaderError | None = None  #: why there is no reader


@runtime_checkable
class Notifying(Protocol):
    """A link that knows by itself when its slot changes."""

    def wait_for_change(self, timeout_s: float) -> None:
        """Return when there is news, or after *timeout_s*."""


class SlotWatch:
    """Tells a listener each change of a slot, once it has lasted for a moment.

    A card that bounces in its slot, and a reader whose service restarts, are told
    when they have settled. While an operation runs on the card the watch is paused:
    what happened meanwhile is told afterwards.
    """

    def __init__(
        self,
        link: Link,
        listener: Callable[[SlotEvent], None],
        *,
        poll_s: float = POLL_S,
        debounce_s: float = DEBOUNCE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._listener = listener
        self._poll_s = poll_s
        self._debounce_s = debounce_s
        self._monotonic = monotonic
        self._stopping = threading.Event()
        self._busy = threading.Event()
        self._thread: threading.Thread | None = None
        self._told: SlotState | None = None
        self._seen: SlotState | None = None
        self._seen_at = 0.0
        self.generation = 0

    def start(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._run, name="slot-watch")
        self._thread.start()

    def stop(self) -> None:
        """Stop; the listener hears nothing any more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Look away while an operation runs on the card."""
        self._busy.set()
        try:
            yield
        finally:
            self._busy.clear()

    def look(self) -> None:
        """Look once; a change is told when it has lasted for the debounce time."""
        state, problem = self._state()
        now = self._monotonic()
        if state is not self._seen:
            self._seen, self._seen_at = state, now
        if state is self._told or now - self._seen_at < self._debounce_s:
            return
        self._told = state
        self.generation += 1
        self._listener(SlotEvent(self.generation, state, problem))

    def _state(self) -> tuple[SlotState, ReaderError | None]:
        try:
            present = self._link.present()
        except ReaderError as error:
            return SlotState.NO_READER, error
        return (SlotState.PRESENT if present else SlotState.EMPTY), None

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._busy.is_set():
                try:
                    self.look()
                except Exception:  # the outermost loop: the next card must be seen
                    log.exception("slot_watch.failed")
            self._wait()

    def _wait(self) -> None:
        """Wait for news, the next poll, or the end of a bounce."""
        settled = self._seen is self._told
        pause = self._poll_s if settled else min(self._debounce_s, self._poll_s)
        if settled and isinstance(self._link, Notifying):
            self._link.wait_for_change(pause)
        else:
            self._stopping.wait(pause)
