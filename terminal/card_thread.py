"""One thread for the card, with a deadline for each piece of work.

Python cannot end a thread that hangs in a driver. It is left behind, what it holds of
the reader is taken away from it (see ``lease``), and another one takes its place.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from terminal.errors import CardBusyError

T = TypeVar("T")


class CardThread:
    """Runs one piece of work after the other; none of them for ever."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job[object] | None] = queue.SimpleQueue()
        self._worker: threading.Thread | None = None

    def run(self, work: Callable[[], T], timeout_s: float) -> T:
        """Run *work* when its turn comes and return what it returns.

        Raises:
            CardBusyError: its turn did not come within *timeout_s*; it never ran.
            TimeoutError: it did not end within *timeout_s*; it may still run, and
                nothing waits for it any more.
            Exception: what *work* raised.
        """
        job = _Job(work)
        with self._guard:
            if self._worker is None:
                self._start()
            self._jobs.put(job)  # type: ignore[arg-type] # whatever the work returns
        if not job.begun.wait(timeout_s) and job.future.cancel():
            raise CardBusyError
        try:
            return job.future.result(timeout_s)
        except TimeoutError:
            if not job.future.done():
                self._replace(job.worker)
            raise

    def stop(self) -> None:
        """Let the thread end when it has done what it was given."""
        self._jobs.put(None)

    def _start(self) -> None:
        # A daemon: a driver that hangs must not keep the program from ending.
        self._worker = threading.Thread(target=self._serve, name="card", daemon=True)
        self._worker.start()

    def _replace(self, hung: threading.Thread | None) -> None:
        with self._guard:
            if self._worker is hung:
                self._start()

    def _serve(self) -> None:
        me = threading.current_thread()
        while self._worker is me:
            job = self._jobs.get()
            if job is None:
                return
            if self._worker is not me:
                self._jobs.put(job)
                return
            job.run(me)


class _Job(Generic[T]):
    """One piece of work and what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.future: Future[T] = Future()
        self.begun = threading.Event()
        self.worker: threading.Thread | None = None

    def run(self, worker: threading.Thread) -> None:
        """Do it, unless nobody waits for it any more."""
        if not self.future.set_running_or_notify_cancel():
            return
        self.worker = worker
        self.begun.set()
        try:
            result = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self.future.set_exception(error)
        else:
            self.future.set_result(result)
