"""The reference centre as a supervised child process of the daemon.

The child ends when its standard input closes, so it never outlives a daemon that
was killed, on any system and without a process group.
"""

from __future__ import annotations

import json
import logging
import queue
import subprocess
import threading
from collections.abc import Sequence
from typing import IO

from terminal.errors import CentreNotStartedError

log = logging.getLogger(__name__)

START_TIMEOUT_S = 20.0
_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)


class SupervisedCentre:
    """Start the centre, know its port, start it again when it dies, end it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._stopping = threading.Event()
        self._child: subprocess.Popen[str] | None = None
        self._watch: threading.Thread | None = None
        self.restarts = 0

    def start(self) -> int:
        """Start the child and return the port it listens on.

        Raises:
            CentreNotStartedError: it ended or said nothing within the time allowed.
        """
        port = self._launch()
        # A restarted child must come back where the gateway looks for it.
        self._command = [*self._command, "--port", str(port)]
        self._watch = threading.Thread(
            target=self._keep_alive, name="centre-watch", daemon=True
        )
        self._watch.start()
        return port

    def stop(self) -> None:
        """End the child: its input closes, then it is asked, then it is killed."""
        self._stopping.set()
        child = self._child
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if self._watch is not None:
            self._watch.join(timeout=5)
        if child.stdout is not None:
            child.stdout.close()

    def _launch(self) -> int:
        child = subprocess.Popen(  # noqa: S603 - our own program and fixed arguments
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._child = child
        if child.stdout is None:
            msg = "a pipe was asked for and not given"
            raise AssertionError(msg)
        first: queue.Queue[str] = queue.Queue(1)
        threading.Thread(
            target=_pump, args=(child.stdout, first), name="centre-out", daemon=True
        ).start()
        try:
            line = first.get(timeout=START_TIMEOUT_S)
            said = json.loads(line)
            return int(said["port"])
        except (queue.Empty, ValueError, KeyError, TypeError) as error:
            child.kill()
            child.wait()
            raise CentreNotStartedError(child.returncode) from error

    def _keep_alive(self) -> None:
        while not self._stopping.is_set():
            child = self._child
            if child is None:
                return
            code = child.wait()
            if self._stopping.is_set():
                return
            wait_s = _BACKOFF_S[min(self.restarts, len(_BACKOFF_S) - 1)]
            self.restarts += 1
            log.error("centre.died", extra={"exit_code": code, "again_in_s": wait_s})
            if self._stopping.wait(wait_s):
                return
            try:
                self._launch()
            except CentreNotStartedError as error:
                log.error("centre.not_started", extra={"code": error.code})  # noqa: TRY400 - no traceback for an operating error


def _pump(out: IO[str], first: queue.Queue[str]) -> None:
    """Hand over the first line and keep the pipe empty after it."""
    said = False
    for line in out:
        if not said:
            first.put(line)
            said = True
    if not said:
        first.put("")
