"""A serial reader as a process of its own, so that a test can unplug it."""

from __future__ import annotations

import sys
import threading

from reader.emulator.serial_line import serve_pty
from tests.reader.serial_line import PlainCard, a_device

if __name__ == "__main__":
    service = serve_pty(a_device(sys.argv[1], PlainCard(), PlainCard()))
    sys.stdout.write(service.path + "\n")
    sys.stdout.flush()
    threading.Event().wait()
