"""A PC/SC reader through pyscard: the only importer of it, and only when chosen.

What was learnt of pyscard 2.3.1 with pcsc-lite: a card removed while a command runs
gives "no valid response" with code 0; old connections never recover after the
service restarts, so every power-up makes a new one; its own exclusive connection
first connects in shared mode and loses the code of a failure, so the mode is asked for
directly here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reader.errors import (
    CardMuteError,
    CardRemovedError,
    CardResetError,
    NoCardError,
    PcscMissingError,
    ReaderBusyError,
    ReaderError,
    ReaderUnavailableError,
)

_NO_SERVICE = frozenset({0x8010001D, 0x8010001E, 0x80100013, 0x80100009})
_NO_READER = frozenset({0x80100017, 0x8010002E})
_MUTE = frozenset({0x80100066, 0x80100067})
_NO_CARD = frozenset({0x8010000C, 0x80100069})
_BUSY, _RESET = 0x8010000B, 0x80100068
_STATE_CHANGED, _STATE_GONE, _STATE_PRESENT = 0x02, 0x0C, 0x20
_TIMEOUT = 0x8010000A
#: How long one wait for a change lasts; the service is looked for again after it.
_WAIT_MS = 1000
#: CM_IOCTL_GET_FEATURE_REQUEST (PC/SC part 10 §2.3).
_GET_FEATURES = 3400


class PcscLink:
    """A Link over one PC/SC reader, exclusive while powered up."""

    def __init__(
        self,
        wanted: str = "",
        *,
        load: Callable[[str], Any] = importlib.import_module,
    ) -> None:
        """Choose the first reader whose name contains *wanted*.

        Args:
            wanted: A part of the reader's name; empty: any reader.
            load: Imports pyscard's modules by name.

        Raises:
            PcscMissingError: pyscard is not installed.
        """
        try:
            self._smartcard = load("smartcard.System")
            # Two families: a missing service raises of the second one.
            self._errors: tuple[type[Exception], ...] = (
                load("smartcard.Exceptions").SmartcardException,
                load("smartcard.pcsc.PCSCExceptions").BaseSCardException,
            )
            self._scard = load("smartcard.scard")
        except ImportError as error:
            raise PcscMissingError from error
        self._wanted = wanted
        self._connection: Any = None  # pyscard has no types

    @property
    def name(self) -> str:
        """The reader's name, or what was looked for if it is gone."""
        try:
            return str(self._reader())
        except ReaderUnavailableError:
            return self._wanted or "PC/SC"

    def present(self) -> bool:
        """Ask the service whether a card is in the slot, without powering it."""
        scard = self._scard
        name = str(self._reader())
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        self._check(code)
        try:
            code, states = scard.SCardGetStatusChange(
                context, 0, [(name, scard.SCARD_STATE_UNAWARE)]
            )
        finally:
            scard.SCardReleaseContext(context)
        self._check(code)
        return bool(states[0][1] & _STATE_PRESENT)

    def power_on(self) -> bytes:
        """Connect anew and alone, with whichever protocol the card speaks.

        The card is reset cold, so that no PIN verified by another program is taken
        over, and the connection's end powers it down.
        """
        self._drop()
        how = {
            "mode": self._scard.SCARD_SHARE_EXCLUSIVE,
            "disposition": self._scard.SCARD_UNPOWER_CARD,
        }
        try:
            connection = self._reader().createConnection()
            connection.connect(**how)
            connection.reconnect(**how)
            atr = bytes(connection.getATR())
        except self._errors as error:
            raise _translated(error, powering=True) from error
        if not atr:
            raise CardMuteError
        self._connection = connection
        return atr

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange one APDU."""
        if self._connection is None:
            raise CardRemovedError
        try:
            data, high, low = self._connection.transmit(list(command))
        except self._errors as error:
            raise _translated(error, powering=False) from error
        return bytes((*data, high, low))

    def features(self) -> Mapping[int, int]:
        """Return the control code of each feature the reader has (PC/SC part 10).

        Raises:
            CardRemovedError: no card is powered up; readers tell it of a connection.
        """
        code = self._scard.SCARD_CTL_CODE(_GET_FEATURES)
        try:
            raw = self.control(code, b"")
        except CardRemovedError:
            if self._connection is None:
                raise
            return {}  # a reader without any answers that it knows no such command
        return {
            raw[place]: int.from_bytes(raw[place + 2 : place + 6], "big")
            for place in range(0, len(raw) - 5, 6)
        }

    def control(self, code: int, data: bytes | bytearray) -> bytes:
        """Send a command to the reader itself."""
        if self._connection is None:
            raise CardRemovedError
        try:
            answer = self._connection.control(code, list(data))
        except self._errors as error:
            raise _translated(error, powering=False) from error
        return bytes(answer)

    def changes(self) -> Iterator[bool | None]:
        """Yield what the slot holds, and again whenever that changes; without end.

        True is a card, False an empty slot, None no reader or no service. A wait that
        ends without a change yields the same again, so that the caller may stop.
        """
        scard = self._scard
        while True:
            code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
            if code != scard.SCARD_S_SUCCESS:
                yield None
                continue
            try:
                yield from self._changes_in(context)
            finally:
                scard.SCardReleaseContext(context)

    def _changes_in(self, context: Any) -> Iterator[bool | None]:
        """Yield the changes until the service or the reader is gone."""
        scard = self._scard
        state = scard.SCARD_STATE_UNAWARE
        while True:
            code, names = scard.SCardListReaders(context, [])
            name = next((n for n in names or () if self._wanted in n), None)
            if code != scard.SCARD_S_SUCCESS or name is None:
                yield None
                return
            code, found = scard.SCardGetStatusChange(context, _WAIT_MS, [(name, state)])
            if code & 0xFFFFFFFF == _TIMEOUT:
                yield bool(state & _STATE_PRESENT)
                continue
            if code != scard.SCARD_S_SUCCESS or found[0][1] & _STATE_GONE:
                yield None
                return
            state = found[0][1] & ~_STATE_CHANGED
            yield bool(state & _STATE_PRESENT)

    def power_off(self) -> None:
        """Disconnect, which powers the card down."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.disconnect()
        except self._errors as error:
            raise _translated(error, powering=False) from error

    def _drop(self) -> None:
        """Let go of an old connection; whatever it says, a new one follows."""
        try:
            self.power_off()
        except ReaderError:
            # The card or the service it belonged to is gone, which is why it is old.
            return

    def _reader(self) -> Any:
        try:
            readers = self._smartcard.readers()
        except self._errors as error:
            detail = f"{_code_of(error):08X}"
            raise ReaderUnavailableError(detail) from error
        for reader in readers:
            if self._wanted in str(reader):
                return reader
        detail = f"no reader named like {self._wanted!r}" if self._wanted else "none"
        raise ReaderUnavailableError(detail)

    def _check(self, code: int) -> None:
        if code != self._scard.SCARD_S_SUCCESS:
            detail = f"{code & 0xFFFFFFFF:08X}"
            raise ReaderUnavailableError(detail)


def _translated(error: Exception, *, powering: bool) -> ReaderError:
    """Put pyscard's error into ours; the code alone does not tell all of them apart."""
    code = _code_of(error)
    if code == _BUSY:
        return ReaderBusyError(f"{code:08X}")
    if code == _RESET and not powering:
        return CardResetError(f"{code:08X}")
    if code in _NO_SERVICE | _NO_READER:
        return ReaderUnavailableError(f"{code:08X}")
    if powering and code in _NO_CARD:
        return NoCardError()
    if powering or code in _MUTE:
        return CardMuteError(f"{code:08X}")
    return CardRemovedError(f"{code:08X}")


def _code_of(error: Exception) -> int:
    return int(getattr(error, "hresult", 0)) & 0xFFFFFFFF
