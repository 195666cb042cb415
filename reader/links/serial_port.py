"""A serial port: the only importer of pyserial, whose errors come in four families.

Learnt of pyserial 3.5 on Linux: a device that goes away gives SerialException from a
read or a write, OSError from ``in_waiting``, termios.error from ``flush``, TypeError
from a read whose port was closed in another thread. All of them mean: it is gone.
"""

from __future__ import annotations

import importlib.util
import os
import select
import time

import serial  # type: ignore[import-untyped] # pyserial has no types

from reader.errors import ReaderBusyError, ReaderUnavailableError

_LOST: tuple[type[Exception], ...] = (serial.SerialException, OSError, TypeError)
if importlib.util.find_spec("termios"):  # Windows has none
    _LOST += (importlib.import_module("termios").error,)
#: How soon a read notices that its time is over or its port was closed.
_SLICE_S = 0.05
_WRITE_S = 2.0
_LOCKED = 11  #: EAGAIN: another program holds the lock of the device


class SerialPort:
    """One open port, held exclusively. Lost is lost: open another one."""

    def __init__(
        self, path: str, *, baud: int = 115200, parity: str = "N", stop_bits: int = 1
    ) -> None:
        """Open *path* with eight data bits and no flow control.

        Raises:
            ReaderBusyError: another program holds it.
            ReaderUnavailableError: it is not there or cannot be opened.
        """
        try:
            self._serial = serial.Serial(
                path,
                baud,
                parity=parity,
                stopbits=stop_bits,
                timeout=_SLICE_S,
                write_timeout=_WRITE_S,
                exclusive=True,
            )
        except ValueError as error:
            msg = f"no such serial setting: {baud} 8{parity}{stop_bits}"
            raise AssertionError(msg) from error
        except _LOST as error:
            detail = _said(error)
            if getattr(error, "errno", None) == _LOCKED:
                raise ReaderBusyError(detail) from error
            raise ReaderUnavailableError(detail) from error

    def write(self, data: bytes | bytearray) -> None:
        """Send all of *data*, without a copy where the system has file handles.

        Raises:
            ReaderUnavailableError: the device is gone, or takes nothing for two
                seconds.
        """
        try:
            if os.name == "posix":
                self._write_uncopied(memoryview(data))
            else:
                self._serial.write(data)
        except _LOST as error:
            raise ReaderUnavailableError(_said(error)) from error

    def _write_uncopied(self, view: memoryview) -> None:
        """Write past pyserial, which copies what may hold a PIN."""
        handle = self._serial.fileno()
        end = time.monotonic() + _WRITE_S
        while view:
            _, ready, _ = select.select(
                (), (handle,), (), max(0, end - time.monotonic())
            )
            if not ready:
                detail = "takes nothing"
                raise ReaderUnavailableError(detail)
            view = view[os.write(handle, view) :]

    def read(self, most: int, timeout_s: float) -> bytes:
        """Return what came, at most *most* bytes, waiting up to *timeout_s* for it.

        Raises:
            ReaderUnavailableError: the device is gone or the port was closed.
        """
        end = time.monotonic() + timeout_s
        try:
            while not (waiting := self._serial.in_waiting):
                if time.monotonic() >= end:
                    return b""
                first = bytes(self._serial.read(1))
                if first:
                    rest = min(self._serial.in_waiting, most - 1)
                    return first + bytes(self._serial.read(rest))
            return bytes(self._serial.read(min(waiting, most)))
        except _LOST as error:
            raise ReaderUnavailableError(_said(error)) from error

    def close(self) -> None:
        """Close it; a device that is gone already is closed too."""
        try:
            self._serial.cancel_read()
            self._serial.close()
        except _LOST:
            # It is gone, which is all that closing was to bring about.
            return


def _said(error: Exception) -> str:
    """Name the error by its class and number; its text may name a path."""
    number = getattr(error, "errno", None)
    return f"{type(error).__name__} {number}" if number else type(error).__name__
