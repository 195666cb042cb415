"""A private PC/SC service with emulated readers, for tests, figures and integrators.

Debian's pcscd and vsmartcard's vpcd, as any user: an own socket, own ports, no root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from reader.errors import ReaderUnavailableError

PCSCD = Path("/usr/sbin/pcscd")
VPCD = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
INSTALL = "sudo apt-get install pcscd vsmartcard-vpcd"
READY_S, _LOOK_S = 10.0, 0.01
_LAUNCHER = Path(__file__).with_name("launch_pcscd.py")


def missing() -> tuple[Path, ...]:
    """Name what is not installed here."""
    return tuple(path for path in (PCSCD, VPCD) if not path.exists())


def two_free_ports() -> int:
    """Find a port whose neighbour is free too: vpcd takes one a slot."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return port


class PcscService:
    """One pcscd with one reader of two slots: the card's and the PSAM's."""

    def __init__(
        self,
        folder: Path,
        *,
        driver: Path = VPCD,
        environment: Mapping[str, str] | None = None,
        name: str = "Emulated Reader",
    ) -> None:
        self.folder = folder
        self.port = two_free_ports()
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "readers").mkdir(exist_ok=True)
        # vpcd keeps its state by slot alone: two readers must not share one library.
        library = folder / "driver.so"
        shutil.copy(driver, library)
        (folder / "readers" / "reader").write_text(
            f'FRIENDLYNAME "{name}"\n'
            f"DEVICENAME /dev/null:0x{self.port:04X}\n"
            f"LIBPATH {library}\n"
            f"CHANNELID 0x{self.port:04X}\n",
            encoding="ascii",
        )
        self._config = (folder / "readers" / "reader").read_text("ascii")

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to find this service."""
        return {"PCSCLITE_CSOCK_NAME": str(self.folder / "pcscd.comm")}

    def start(self, *, with_reader: bool = True) -> None:
        """Start the service and wait until it is ready.

        Raises:
            ReaderUnavailableError: it is not installed, or ended before it was ready.
        """
        if missing():
            detail = f"not installed. Run: {INSTALL}"
            raise ReaderUnavailableError(detail)
        text = self._config if with_reader else ""
        (self.folder / "readers" / "reader").write_text(text, encoding="ascii")
        log = self.folder / "log"
        with log.open("wb") as out:
            # Fixed programs; the folder is one argument.
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, str(_LAUNCHER), str(self.folder)],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
            )
        until = time.monotonic() + READY_S
        while b"daemon ready" not in log.read_bytes():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise ReaderUnavailableError(log.read_text("utf-8", "replace"))
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        """Stop the service."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(READY_S)
