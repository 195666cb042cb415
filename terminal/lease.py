"""A link on loan: whoever hangs on it loses it, and cannot disturb the next card."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from reader.errors import ReaderUnavailableError
from reader.link import Link
from reader.part10 import PadLink


class Lease:
    """A Link for one session, until it is taken back."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._over = threading.Event()

    @property
    def name(self) -> str:
        """The reader's."""
        return self._link.name

    @property
    def is_over(self) -> bool:
        """Whether it was taken back."""
        return self._over.is_set()

    def revoke(self) -> None:
        """Take the link back: nothing passes any more."""
        self._over.set()

    def present(self) -> bool:
        """Ask the reader."""
        return self._held().present()

    def power_on(self) -> bytes:
        """Power the card up."""
        return self._held().power_on()

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange one APDU."""
        return self._held().transmit(command)

    def power_off(self) -> None:
        """Power the card down."""
        self._held().power_off()

    def _held(self) -> Link:
        if self.is_over:
            detail = "this session had its time"
            raise ReaderUnavailableError(detail)
        return self._link


class PadLease(Lease):
    """A link to a reader that takes commands of its own, such as one with keys."""

    def __init__(self, link: Link, pad: PadLink) -> None:
        super().__init__(link)
        self._pad = pad

    def features(self) -> Mapping[int, int]:
        """Return the control code of each feature."""
        self._held()
        return self._pad.features()

    def control(self, code: int, data: bytes | bytearray) -> bytes:
        """Send a command to the reader."""
        self._held()
        return self._pad.control(code, data)


def lease_on(link: Link) -> Lease:
    """Lend *link*; a reader with keys stays one."""
    return PadLease(link, link) if isinstance(link, PadLink) else Lease(link)
