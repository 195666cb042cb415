"""Another program that has the card, in the ways that other programs have it.

    other_program.py exclusive|shared|transaction     with PCSCLITE_CSOCK_NAME set

It says ``held`` when it has the card, and lets go when its input closes.
"""

from __future__ import annotations

import sys

from smartcard.scard import (
    SCARD_PROTOCOL_ANY,
    SCARD_S_SUCCESS,
    SCARD_SCOPE_USER,
    SCARD_SHARE_EXCLUSIVE,
    SCARD_SHARE_SHARED,
    SCardBeginTransaction,
    SCardConnect,
    SCardEstablishContext,
    SCardListReaders,
)


def main(how: str) -> None:
    """Take the card of the first slot and keep it."""
    mode = SCARD_SHARE_EXCLUSIVE if how == "exclusive" else SCARD_SHARE_SHARED
    _, context = SCardEstablishContext(SCARD_SCOPE_USER)
    _, names = SCardListReaders(context, [])
    code, card, _ = SCardConnect(context, names[0], mode, SCARD_PROTOCOL_ANY)
    if code == SCARD_S_SUCCESS and how == "transaction":
        code = SCardBeginTransaction(card)
    print("held" if code == SCARD_S_SUCCESS else hex(code), flush=True)  # noqa: T201 - the test waits for it
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
