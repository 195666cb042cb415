"""A terminal in small: read the card, verify a PIN, stay alive to be searched.

    pin_session.py keyboard|pad DIGITS     with PCSCLITE_CSOCK_NAME set

The digits of the keyboard come over standard input, into one buffer.
"""

from __future__ import annotations

import io
import sys

from reader.links.supervised import SupervisedPcscLink
from reader.part10 import ReaderPad
from reader.pin import PinEntry, TypedPin
from tests.reader.cards import read


def main(how: str, digits: int) -> None:
    """Verify once and wait for the end of the input."""
    link = SupervisedPcscLink("00 00")
    session = read(link)
    entry: PinEntry = ReaderPad(digits, digits)
    print("enter", flush=True)  # noqa: T201 - the test waits for it
    with io.FileIO(0, closefd=False) as keyboard:
        if how == "keyboard":
            typed = bytearray(digits)
            keyboard.readinto(typed)
            entry = TypedPin(typed)
        else:
            # Until the holder stands at the pad: he has to know what to enter.
            keyboard.read(1)
        outcome = session.verify_pin(entry)
        process = link._process  # noqa: SLF001 - the other process to search
        assert process is not None
        print(outcome.verified, process.child.pid, flush=True)  # noqa: T201 - as above
        keyboard.read(1)
    session.close()
    link.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
