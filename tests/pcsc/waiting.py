"""Links to a private service, and waiting for what it has noticed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from reader.errors import ReaderError
from reader.links.supervised import SupervisedPcscLink
from tests.pcsc.service import PcscService

#: env(1) gives the card process the service's address: no test changes its own.
CHILD = (sys.executable, "-m", "reader.links.pcsc_child")
CARD_SLOT, PSAM_SLOT = "00 00", "00 01"


def a_link(
    service: PcscService,
    child: tuple[str, ...] = CHILD,
    *,
    wanted: str = CARD_SLOT,
    operation_s: float = 10.0,
) -> SupervisedPcscLink:
    """Make a link whose card process talks to *service*."""
    variables = [f"{name}={value}" for name, value in service.environment.items()]
    return SupervisedPcscLink(
        wanted, operation_s=operation_s, command=("/usr/bin/env", *variables, *child)
    )


def holds(link: SupervisedPcscLink) -> str:
    """Say what the slot holds, in a word."""
    try:
        return "card" if link.present() else "empty"
    except ReaderError:
        return "no reader"


def wait_until(what: Callable[[], bool], within_s: float = 5.0) -> float:
    """Wait for a state, never for a time; return how long it took."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < within_s, "it did not come"
        time.sleep(0.005)
    return time.monotonic() - begun
