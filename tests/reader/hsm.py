"""A SoftHSM2 token with the published test root, private to a test run."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

from reader.keys import TEST_ROOT

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
TOKEN, PIN = "card-keys", b"1234"
LABELS = {name: f"site-{name}" for name in ("IRK", "RKSSSE", "RK1DF04")}


def require_softhsm() -> None:
    """Skip without it on a developer's machine; never skip in CI."""
    if Path(MODULE).exists():
        return
    message = f"{MODULE} is missing. Run: sudo apt-get install softhsm2"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def make_token(folder: Path) -> None:
    """Initialise a token and put the root into it, never to come out again.

    SoftHSM reads its configuration once a process, when its library is loaded.
    """
    api = importlib.import_module("PyKCS11")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n", "ascii"
    )
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    library = api.PyKCS11Lib()
    library.load(MODULE)
    session = _initialised(api, library, TOKEN)
    session.login(PIN.decode())
    for label in LABELS.values():
        session.createObject(
            [
                (api.CKA_CLASS, api.CKO_SECRET_KEY),
                (api.CKA_KEY_TYPE, api.CKK_DES2),
                (api.CKA_TOKEN, api.CK_TRUE),
                (api.CKA_PRIVATE, api.CK_TRUE),
                (api.CKA_SENSITIVE, api.CK_TRUE),
                (api.CKA_EXTRACTABLE, api.CK_FALSE),
                (api.CKA_DERIVE, api.CK_TRUE),
                (api.CKA_LABEL, label),
                (api.CKA_VALUE, TEST_ROOT),
            ]
        )
    session.logout()
    session.closeSession()


def add_token(label: str) -> None:
    """Initialise an empty token beside the one with the roots."""
    api = importlib.import_module("PyKCS11")
    library = api.PyKCS11Lib()
    library.load(MODULE)
    _initialised(api, library, label).closeSession()


def _initialised(api: Any, library: Any, label: str) -> Any:
    """Initialise the free slot's token; SoftHSM has one more slot than tokens."""
    free = next(
        slot
        for slot in library.getSlotList(tokenPresent=True)
        if not library.getTokenInfo(slot).flags & api.CKF_TOKEN_INITIALIZED
    )
    library.initToken(free, "0000", label)
    made = next(
        slot
        for slot in library.getSlotList(tokenPresent=True)
        if str(library.getTokenInfo(slot).label).rstrip("\0 ") == label
    )
    session = library.openSession(made, api.CKF_RW_SESSION | api.CKF_SERIAL_SESSION)
    session.login("0000", api.CKU_SO)
    session.initPin(PIN.decode())
    session.logout()
    return session
