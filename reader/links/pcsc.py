"""A PC/SC reader through pyscard: the only importer of it, and only when chosen.

What was learnt of pyscard 2.3.1 with pcsc-lite: a card removed while a command runs
gives "no valid response" with code 0; old connections never recover after the
service restarts, so every power-up makes a new one; its own exclusive connection
first connects in shared mode and loses the code of a failure, so the mode is asked for
directly here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from reader.errors import (
    CardMuteError,
    CardRemovedError,
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
_BUSY = 0x8010000B
_STATE_PRESENT = 0x20


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
    if code in _NO_SERVICE | _NO_READER:
        return ReaderUnavailableError(f"{code:08X}")
    if powering and code in _NO_CARD:
        return NoCardError()
    if powering or code in _MUTE:
        return CardMuteError(f"{code:08X}")
    return CardRemovedError(f"{code:08X}")


def _code_of(error: Exception) -> int:
    return int(getattr(error, "hresult", 0)) & 0xFFFFFFFF
