"""PC/SC behind a process of its own: a hung driver is killed, a dead one replaced.

The terminal never imports pyscard. Every operation has a deadline; when it passes, the
card process is killed, the operation ends in ``ReaderUnavailableError``, and the next
one starts a new process.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reader.errors import ReaderBusyError, ReaderError, ReaderUnavailableError
from reader.links import pipe

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
#: A card command; a PIN pad waits for the holder.
OPERATION_S, CONTROL_S = 10.0, 60.0
#: Between two starts of a card process that ends at once.
RESTART_S = 1.0
_FIRST_WORD_S = 5.0
_GONE_S = 2.0


@dataclass
class _Process:
    """One card process, and what it has said of the slot."""

    child: subprocess.Popen[bytes]
    into: pipe.Pipe
    out: pipe.Pipe
    events: pipe.Pipe
    waiting: selectors.BaseSelector
    changed: threading.Condition = field(default_factory=threading.Condition)
    slot: bytes = b""  #: nothing said yet
    refusal: ReaderError | None = None  #: why it ended before it began
    ended: bool = False
    name: str = ""
    listener: threading.Thread | None = None
    ending: threading.Lock = field(default_factory=threading.Lock)
    closed: bool = False


class SupervisedPcscLink:
    """A Link over one PC/SC slot in a supervised process."""

    def __init__(
        self,
        wanted: str = "",
        *,
        operation_s: float = OPERATION_S,
        control_s: float = CONTROL_S,
        command: Sequence[str] = (sys.executable, "-m", "reader.links.pcsc_child"),
    ) -> None:
        """Choose the first slot whose name contains *wanted*.

        Args:
            wanted: A part of the slot's name; empty: any.
            operation_s: How long a card command may take.
            control_s: How long a command to the reader may, a PIN pad's too.
            command: What starts the card process.
        """
        self._wanted = wanted
        self._operation_s = operation_s
        self._control_s = control_s
        self._command = tuple(command)
        self._one_at_a_time = threading.Lock()
        self._starting = threading.Lock()
        self._process: _Process | None = None
        self._started_at = 0.0
        self._closed = False
        self._name = wanted or "PC/SC"

    @property
    def name(self) -> str:
        """The slot's name as it was last known."""
        return self._name

    def present(self) -> bool:
        """Say what the card process last told of the slot; asks nobody.

        Raises:
            ReaderUnavailableError: there is no reader, no service or no process.
        """
        process = self._running()
        with process.changed:
            process.changed.wait_for(
                lambda: process.slot or process.ended, _FIRST_WORD_S
            )
            slot = process.slot
            if process.refusal is not None:
                raise process.refusal
        if slot in {b"", pipe.NO_READER} or process.ended:
            raise ReaderUnavailableError(self._wanted)
        return slot == pipe.CARD

    def wait_for_change(self, timeout_s: float) -> None:
        """Return when the card process has news of the slot, or after *timeout_s*."""
        process = self._process
        if process is None or process.ended:
            time.sleep(min(timeout_s, RESTART_S))
            return
        with process.changed:
            seen = process.slot
            process.changed.wait_for(
                lambda: process.slot != seen or process.ended, timeout_s
            )

    def power_on(self) -> bytes:
        """Power the card up, alone, and return its answer to reset."""
        atr = bytes(self._ask(pipe.POWER_ON))
        process = self._process
        if process is not None and not process.name:
            process.name = self._ask(pipe.NAME).decode("utf-8", "replace")
            self._name = process.name or self._name
        return atr

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange one APDU."""
        return bytes(self._ask(pipe.TRANSMIT, command))

    def features(self) -> Mapping[int, int]:
        """Return the control code of each feature the reader has (PC/SC part 10)."""
        return pipe.features_of(self._ask(pipe.FEATURES))

    def control(self, code: int, data: bytes | bytearray) -> bytes:
        """Send a command to the reader itself; a PIN pad takes its time."""
        argument = code.to_bytes(4, "big") + bytes(data)
        return bytes(self._ask(pipe.CONTROL, argument, self._control_s))

    def power_off(self) -> None:
        """Power the card down; a process that is gone has done so."""
        process = self._process
        if process is None or process.ended:
            return
        self._ask(pipe.POWER_OFF)

    def close(self) -> None:
        """End the card process for good."""
        with self._starting:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _ask(
        self,
        operation: bytes,
        argument: bytes | bytearray = b"",
        deadline_s: float | None = None,
    ) -> bytearray:
        """Send one operation and wait for its answer, not longer than allowed.

        Nothing is sent twice: after a deadline nobody knows what the card has done.
        """
        allowed = deadline_s or self._operation_s
        with self._turn(allowed):
            process = self._running()
            try:
                process.into.send(operation, argument)
                answer = _answer(process, allowed)
            except (OSError, EOFError) as error:
                hung = isinstance(error, TimeoutError)
                log.warning("card_process.dropped", extra={"hung": hung})
                self._drop(process, hung=hung)
                refusal = process.refusal or ReaderUnavailableError(self._wanted)
                raise refusal from error
        kind, payload = answer
        if kind == pipe.ERROR:
            raise pipe.error_of(payload)
        return payload

    @contextlib.contextmanager
    def _turn(self, within_s: float) -> Iterator[None]:
        """Wait for the operation before this one, no longer than for a card."""
        if not self._one_at_a_time.acquire(timeout=within_s):
            detail = "another operation"
            raise ReaderBusyError(detail)
        try:
            yield
        finally:
            self._one_at_a_time.release()

    def _running(self) -> _Process:
        """Return the card process, started anew if the last one is gone.

        Raises:
            ReaderUnavailableError: it ended a moment ago, or the link is closed.
        """
        with self._starting:
            process = self._process
            if process is not None and not process.ended:
                return process
            now = time.monotonic()
            too_soon = process is not None and now - self._started_at < RESTART_S
            if self._closed or too_soon:
                if process is not None and process.refusal is not None:
                    raise process.refusal
                raise ReaderUnavailableError(self._wanted)
            if process is not None:
                _end(process)
            self._started_at = now
            self._process = self._start()
            return self._process

    def _start(self) -> _Process:
        told, tells = os.pipe()
        try:
            # A fixed program; what is wanted is one argument, never a shell's.
            child = subprocess.Popen(  # noqa: S603
                (*self._command, str(tells), self._wanted),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(tells,),
            )
        except OSError:
            os.close(told)
            raise
        finally:
            os.close(tells)
        out = pipe.Pipe(_fd(child.stdout))
        waiting = selectors.DefaultSelector()
        waiting.register(out.fd, selectors.EVENT_READ)
        into, events = pipe.Pipe(_fd(child.stdin)), pipe.Pipe(told)
        process = _Process(child, into, out, events, waiting)
        listener = threading.Thread(
            target=_listen, args=(process,), name="card-process", daemon=True
        )
        process.listener = listener
        listener.start()
        return process

    def _drop(self, process: _Process, *, hung: bool) -> None:
        """Kill a process that did not answer; a new one starts with the next step.

        One that died is remembered: what dies at once is not started anew at once.
        """
        with self._starting:
            if hung and self._process is process:
                self._process = None
        _end(process)


def _answer(process: _Process, deadline_s: float) -> tuple[bytes, bytearray]:
    """Wait for the answer and read it.

    Raises:
        TimeoutError: the deadline has passed.
        EOFError: the process is gone.
    """
    if not process.waiting.select(deadline_s):
        raise TimeoutError
    return process.out.receive()


def _listen(process: _Process) -> None:
    """Take what the process tells of the slot until it ends."""
    try:
        while True:
            kind, payload = process.events.receive()
            with process.changed:
                if kind == pipe.SLOT:
                    process.slot = bytes(payload)
                else:
                    process.refusal = pipe.error_of(payload)
                process.changed.notify_all()
    except (EOFError, OSError):
        with process.changed:
            process.ended = True
            process.changed.notify_all()


def _end(process: _Process) -> None:
    """Kill a process, wait for it, and close its pipes; whoever comes second waits.

    Two threads may find it dead: a pipe's number that is closed twice is by then
    somebody else's.
    """
    with process.ending:
        if not process.closed:
            process.closed = True
            _kill(process)


def _kill(process: _Process) -> None:
    process.child.kill()
    try:
        process.child.wait(_GONE_S)
    except subprocess.TimeoutExpired:
        # A driver may hold it inside the kernel; it is dead once it comes out.
        log.warning("card_process.lingers")
    if process.listener is not None:
        process.listener.join(_GONE_S)
    process.waiting.close()
    os.close(process.events.fd)
    for stream in (process.child.stdin, process.child.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _fd(stream: object) -> int:
    """Return a pipe's number."""
    fileno = getattr(stream, "fileno", None)
    if fileno is None:
        msg = "a card process without pipes"
        raise AssertionError(msg)
    return int(fileno())
