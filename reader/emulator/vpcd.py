"""An emulated card for vpcd, so that the real pcscd and pyscard read it.

The card dials vpcd. Each message is a length of two bytes and a payload, both ways;
one byte is power off, power on, reset or "give the answer to reset", more is a command.
The closed connection is the pulled card. Source: vsmartcard's virtual smart card
protocol, as observed of version 3.3.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from reader.links.emulator import EmulatedCard

PORT = 35963
_POWER_OFF, _POWER_ON, _RESET, _GIVE_ATR = 0x00, 0x01, 0x02, 0x04
_CONNECT_S = 5.0
#: pcscd looks at such a reader every 400 ms. One that did not see a card leave, and
#: heard of it only from a command that failed, holds the slot for empty with the next
#: card in it (seen of pcscd 1.9.9).
_SEEN_TO_LEAVE_S = 0.5


class VpcdSlot:
    """One slot of vpcd: a card is put in, and taken out, as a hand would do it.

    So not two cards within half a second; ``changed_at_once`` is what no hand does.
    """

    def __init__(
        self,
        port: int = PORT,
        host: str = "127.0.0.1",
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address = (host, port)
        self._monotonic = monotonic
        self._wait = wait
        self._emptied_at = float("-inf")
        self._guard = threading.RLock()
        self._served: _Served | None = None

    @property
    def present(self) -> bool:
        """Say whether a card is in the slot."""
        with self._guard:
            return self._served is not None and self._served.is_alive()

    def insert(self, card: EmulatedCard) -> None:
        """Put *card* in, taking out what was there.

        Raises:
            OSError: nobody listens at the slot.
        """
        with self._guard:
            self.remove()
            left = self._emptied_at + _SEEN_TO_LEAVE_S - self._monotonic()
            if left > 0:
                self._wait(left)
            self.changed_at_once(card)

    def changed_at_once(self, card: EmulatedCard) -> None:
        """Put *card* where another is, faster than anybody looks.

        Raises:
            OSError: nobody listens at the slot.
        """
        with self._guard:
            self.remove()
            served = _Served(card, self._address)
            served.start()
            self._served = served

    def remove(self) -> None:
        """Take the card out; it loses its power."""
        with self._guard:
            served, self._served = self._served, None
            if served is not None:
                self._emptied_at = self._monotonic()
        if served is not None:
            served.pull()


def serve_vpcd(card: EmulatedCard, port: int = PORT, host: str = "127.0.0.1") -> None:
    """Sit in a slot until vpcd hangs up.

    Raises:
        OSError: nobody listens there.
    """
    served = _Served(card, (host, port))
    served.run()


class _Served(threading.Thread):
    """A card in a slot."""

    def __init__(self, card: EmulatedCard, address: tuple[str, int]) -> None:
        super().__init__(name="vpcd-card", daemon=True)
        self._card = card
        self._socket = socket.create_connection(address, _CONNECT_S)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._atr = b""

    def run(self) -> None:
        """Answer until the connection closes."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                length = int.from_bytes(self._receive(2), "big")
                answer = self._answer(self._receive(length))
                if answer is not None:
                    self._socket.sendall(len(answer).to_bytes(2, "big") + answer)
        self._card.power_off()
        self._socket.close()

    def pull(self) -> None:
        """Close the connection: the card is out."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self:
            self.join()

    def _answer(self, message: bytes) -> bytes | None:
        if len(message) > 1:
            # A card that was changed so fast that nobody saw it has no power, and so
            # no answer.
            return self._card.transmit(message) if self._atr else b""
        (word,) = message
        if word == _GIVE_ATR:
            return self._atr or self._power_on()
        if word in {_POWER_ON, _RESET}:
            self._power_on()
        elif word == _POWER_OFF:
            self._atr = b""
            self._card.power_off()
        return None

    def _power_on(self) -> bytes:
        self._atr = self._card.power_on()
        return self._atr

    def _receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            if hasattr(socket, "TCP_QUICKACK"):
                # vpcd sends length and body apart with Nagle on: without this, each
                # command waits 40 ms for our delayed acknowledgement. Not sticky.
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            part = self._socket.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data
