"""A terminal that sends one command to a card, and is killed while it waits.

dying_terminal.py     with PCSCLITE_CSOCK_NAME set
"""

from __future__ import annotations

from reader.links.supervised import SupervisedPcscLink
from tests.pcsc.waiting import CARD_SLOT


def main() -> None:
    """Say the card process's number, then ask the card for a challenge."""
    link = SupervisedPcscLink(CARD_SLOT)
    link.power_on()
    process = link._process  # noqa: SLF001 - whose end the test waits for
    assert process is not None
    print(process.child.pid, flush=True)  # noqa: T201 - the test waits for it
    link.transmit(bytes.fromhex("0084000008"))


if __name__ == "__main__":
    main()
