"""What the counter hears: a bounded stream of server-sent events.

Every stream costs a server thread, so their number is bounded; so is each stream's
queue, and who reads too slowly is cut off and resumes from the ring.
"""

from __future__ import annotations

import json
import queue
import secrets
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from settlement.facts import JsonValue
from terminal.errors import TooManyStreamsError

#: A comment line this often is how a client that went away is noticed.
HEARTBEAT_S = 5.0
RETRY_MS = 2000


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``event_id`` is None for a snapshot, which is not resumed from."""

    kind: str
    data: str  #: JSON on one line
    event_id: str | None = None

    def to_wire(self) -> str:
        r"""Print in the form of the event stream format (WHATWG HTML, 9.2).

        >>> Event("card", "{}", "a-1").to_wire()
        'id: a-1\nevent: card\ndata: {}\n\n'
        """
        head = f"id: {self.event_id}\n" if self.event_id else ""
        return f"{head}event: {self.kind}\ndata: {self.data}\n\n"


class EventStream:
    """One client's stream: an iterator for the server, closed when the client goes.

    A class and not a generator: a generator that was never begun does not run its
    ``finally``, and its place would be taken for good.
    """

    def __init__(self, hub: EventHub, first: list[str], size: int) -> None:
        self._hub = hub
        self._first = deque(first)
        self._queue: queue.Queue[Event | None] = queue.Queue(size)

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> str:
        if self._first:
            return self._first.popleft()
        try:
            event = self._queue.get(timeout=self._hub.heartbeat_s)
        except queue.Empty:
            return ": beat\n\n"
        if event is None:
            self.close()
            raise StopIteration
        return event.to_wire()

    def say_first(self, kind: str, data: Mapping[str, JsonValue]) -> None:
        """Send a snapshot ahead of everything that happens from now on."""
        self._first.append(Event(kind, _one_line(data)).to_wire())

    def offer(self, event: Event) -> bool:
        """Queue *event*; False if the client is too slow for that."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            return False
        return True

    def end(self) -> None:
        """Let the stream end before whatever it had queued."""
        while True:
            try:
                self._queue.put_nowait(None)
            except queue.Full:
                self._drop_one()
            else:
                return

    def _drop_one(self) -> None:
        try:
            self._queue.get_nowait()
        except queue.Empty:
            return

    def close(self) -> None:
        """Give the place back."""
        self._hub.leave(self)


class EventHub:
    """Takes events from the service and hands them to every open stream."""

    def __init__(
        self,
        *,
        max_streams: int,
        queue_size: int = 100,
        ring_size: int = 256,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self.max_streams = max_streams
        self.heartbeat_s = heartbeat_s
        self._queue_size = queue_size
        self._ring: deque[tuple[int, Event]] = deque(maxlen=ring_size)
        self._last = 0
        # Numbers begin anew with the process, so an id also says which process.
        self._epoch = secrets.token_hex(4)
        self._streams: set[EventStream] = set()
        self._closed = False
        self._guard = threading.Lock()

    @property
    def streams(self) -> int:
        """How many streams are open."""
        with self._guard:
            return len(self._streams)

    def publish(self, kind: str, data: Mapping[str, JsonValue]) -> None:
        """Tell every stream, without ever waiting for one."""
        line = _one_line(data)
        with self._guard:
            self._last += 1
            event = Event(kind, line, f"{self._epoch}-{self._last}")
            self._ring.append((self._last, event))
            slow = [s for s in self._streams if not s.offer(event)]
            self._streams.difference_update(slow)
        for stream in slow:
            stream.end()

    def subscribe(self, last_event_id: str | None = None) -> EventStream:
        """Open a stream; after *last_event_id* where the ring still reaches back.

        Where it does not, the stream begins with an event ``reset``: what happened
        in between is lost, and the page loads its state anew.

        Raises:
            TooManyStreamsError: every place is taken, or the daemon is stopping.
        """
        with self._guard:
            if self._closed or len(self._streams) >= self.max_streams:
                raise TooManyStreamsError(self.max_streams)
            first = [f"retry: {RETRY_MS}\n\n", *self._missed(last_event_id)]
            stream = EventStream(self, first, self._queue_size)
            self._streams.add(stream)
        return stream

    def _missed(self, last_event_id: str | None) -> list[str]:
        if not last_event_id:
            return []
        epoch, _, number = last_event_id.partition("-")
        digits = number.isascii() and number.isdigit() and len(number) < 18  # noqa: PLR2004 - more is no number of ours
        seen = int(number) if epoch == self._epoch and digits else None
        oldest = self._ring[0][0] if self._ring else self._last + 1
        if seen is None or not oldest - 1 <= seen <= self._last:
            return [Event("reset", "{}").to_wire()]
        return [event.to_wire() for n, event in self._ring if n > seen]

    def leave(self, stream: EventStream) -> None:
        """Give a place back; twice does no harm."""
        with self._guard:
            self._streams.discard(stream)

    def close(self) -> None:
        """End every stream and take no new one: the daemon is stopping."""
        with self._guard:
            self._closed = True
            streams = list(self._streams)
        for stream in streams:
            stream.end()


def _one_line(data: Mapping[str, JsonValue]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
