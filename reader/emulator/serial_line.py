"""Where emulated serial devices are plugged in: a pseudo-terminal, or a pipe in here.

To unplug a device behind a pseudo-terminal, end its process: while a process that
holds both ends lives on, the host sees silence instead of a loss.
"""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Callable
from typing import Protocol

from reader.errors import ReaderUnavailableError

_CHUNK = 4096
_SLICE_S = 0.05


class Device(Protocol):
    """An emulated device on a serial line."""

    def connect(self, emit: Callable[[bytes], None]) -> None:
        """Say where what it sends goes."""

    def receive(self, data: bytes) -> None:
        """Take what the host sends."""


class PtyService:
    """A device behind a pseudo-terminal, served by a thread until it is closed."""

    def __init__(self, device: Device) -> None:
        """Make the pseudo-terminal and begin to serve."""
        self._device = device
        self._master, self._slave = os.openpty()
        # Raw before anybody opens it: no echo, nothing translated. The slave stays
        # open here, or the master would fail between one host and the next.
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._stop = threading.Event()
        device.connect(self._emit)
        self._thread = threading.Thread(target=self._serve, daemon=True, name="pty")
        self._thread.start()

    def close(self) -> None:
        """Stop serving and close both ends."""
        self._stop.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def _emit(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._stop.is_set():
            _, ready, _ = select.select((), (self._master,), (), _SLICE_S)
            if ready:
                view = view[os.write(self._master, view) :]

    def _serve(self) -> None:
        while not self._stop.is_set():
            ready, _, _ = select.select((self._master,), (), (), _SLICE_S)
            if ready:
                self._device.receive(os.read(self._master, _CHUNK))


def serve_pty(device: Device) -> PtyService:
    """Plug *device* into a new pseudo-terminal; its ``path`` is what a host opens."""
    return PtyService(device)


class PipePort:
    """A port straight to a device in this process; opened again after a loss."""

    def __init__(self, device: Device) -> None:
        """Plug the device in."""
        self._device = device
        self._came = bytearray()
        self._changed = threading.Condition()
        self._closed = False
        device.connect(self._emit)

    def write(self, data: bytes | bytearray) -> None:
        """Hand *data* to the device, which may answer before this returns."""
        if self._closed:
            raise ReaderUnavailableError
        self._device.receive(bytes(data))

    def read(self, most: int, timeout_s: float) -> bytes:
        """Return what the device sent."""
        with self._changed:
            self._changed.wait_for(lambda: self._came or self._closed, timeout_s)
            if self._closed:
                raise ReaderUnavailableError
            data = bytes(self._came[:most])
            del self._came[:most]
            return data

    def close(self) -> None:
        """Pull the plug; a read in another thread ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _emit(self, data: bytes) -> None:
        with self._changed:
            self._came += data
            self._changed.notify_all()
