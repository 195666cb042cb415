"""The private PC/SC service of ``reader.emulator.pcscd``, asked for by tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reader.emulator.pcscd import VPCD, PcscService, missing

__all__ = ["VPCD", "PcscService", "require_pcsc"]

HEADERS = Path("/usr/include/PCSC/winscard.h")
INSTALL = "sudo apt-get install pcscd vsmartcard-vpcd libpcsclite-dev gcc"


def require_pcsc() -> None:
    """Skip without the stack on a developer's machine; never skip in CI."""
    gone = [*missing(), *([] if HEADERS.exists() else [HEADERS])]
    if not gone:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{gone[0]} is missing. Run: {INSTALL}")
    pytest.skip(f"{gone[0]} is missing. Run: {INSTALL}")
