"""A private PC/SC service with emulated readers, for as long as a test needs it."""

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

import pytest

PCSCD = Path("/usr/sbin/pcscd")
VPCD = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
HEADERS = Path("/usr/include/PCSC/winscard.h")
INSTALL = "sudo apt-get install pcscd vsmartcard-vpcd libpcsclite-dev gcc"
READY_S = 10.0


def require_pcsc() -> None:
    """Skip without the stack on a developer's machine; never skip in CI."""
    missing = [path for path in (PCSCD, VPCD, HEADERS) if not path.exists()]
    if not missing:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{missing[0]} is missing. Run: {INSTALL}")
    pytest.skip(f"{missing[0]} is missing. Run: {INSTALL}")


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
        """Start the service and wait until it is ready."""
        text = self._config if with_reader else ""
        (self.folder / "readers" / "reader").write_text(text, encoding="ascii")
        log = self.folder / "log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    str(Path(__file__).with_name("launch_pcscd.py")),
                    str(self.folder),
                ],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
            )
        until = time.monotonic() + READY_S
        while b"daemon ready" not in log.read_bytes():
            assert self._process.poll() is None, log.read_text("utf-8", "replace")
            assert time.monotonic() < until, "pcscd did not become ready"
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop the service."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(READY_S)
