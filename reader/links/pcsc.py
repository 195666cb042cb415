"""A PC/SC reader through pyscard: the only importer of it, and only when chosen.

What was learnt of pyscard 2.3.1 with pcsc-lite: a card removed while a command runs
gives "no valid response" with code 0; old connections never recover after the
service restarts, so every power-up makes a new one; the default disposition powers
the card down, which is what ends a verified PIN.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from reader.errors import (
    CardMuteError,
    CardRemovedError,
    NoCardError,
    PcscMissingError,
    ReaderUnavailableError,
)

_NO_SERVICE = frozenset({0x8010001D, 0x8010001E, 0x80100013, 0x80100009})
_NO_READER = frozenset({0x80100017, 0x8010002E})
_MUTE = frozenset({0x80100066, 0x80100067})
_BUSY = 0x8010000B
_STATE_PRESENT = 0x20


class PcscLink:
    """A Link over one PC/SC reader, exclusive while powered up."""

    def __init__(self, wanted: str = "") -> None:
        """Choose the first reader whose name contains *wanted*.

        Raises:
            PcscMissingError: pyscard is not installed.
        """
        self._smartcard = _load("smartcard.System")
        self._errors = _load("smartcard.Exceptions")
        self._scard = _load("smartcard.scard")
        self._exclusive = _load("smartcard.ExclusiveConnectCardConnection")
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
        if code != scard.SCARD_S_SUCCESS:
            detail = f"{code & 0xFFFFFFFF:08X}"
            raise ReaderUnavailableError(detail)
        try:
            code, states = scard.SCardGetStatusChange(
                context, 0, [(name, scard.SCARD_STATE_UNAWARE)]
            )
        finally:
            scard.SCardReleaseContext(context)
        if code != scard.SCARD_S_SUCCESS:
            detail = f"{code & 0xFFFFFFFF:08X}"
            raise ReaderUnavailableError(detail)
        return bool(states[0][1] & _STATE_PRESENT)

    def power_on(self) -> bytes:
        """Connect anew, exclusively, with whichever protocol the card speaks."""
        self.power_off()
        connection = self._exclusive.ExclusiveConnectCardConnection(
            self._reader().createConnection()
        )
        try:
            connection.connect(disposition=self._scard.SCARD_UNPOWER_CARD)
        except self._errors.NoCardException as error:
            raise NoCardError from error
        except self._errors.CardConnectionException as error:
            raise self._translated(error, powering=True) from error
        self._connection = connection
        return bytes(connection.getATR())

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange one APDU."""
        if self._connection is None:
            raise CardRemovedError
        try:
            data, high, low = self._connection.transmit(list(command))
        except self._errors.CardConnectionException as error:
            raise self._translated(error, powering=False) from error
        return bytes((*data, high, low))

    def power_off(self) -> None:
        """Disconnect, which powers the card down."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.disconnect()
        except self._errors.CardConnectionException as error:
            raise self._translated(error, powering=False) from error

    def _reader(self) -> Any:
        try:
            readers = self._smartcard.readers()
        except self._errors.SmartcardException as error:
            raise ReaderUnavailableError(_code_of(error)) from error
        for reader in readers:
            if self._wanted in str(reader):
                return reader
        detail = f"no reader named like {self._wanted!r}" if self._wanted else "none"
        raise ReaderUnavailableError(detail)

    def _translated(
        self, error: Exception, *, powering: bool
    ) -> ReaderUnavailableError | CardMuteError | CardRemovedError:
        code = getattr(error, "hresult", 0) & 0xFFFFFFFF
        if code in _NO_SERVICE | _NO_READER or code == _BUSY:
            return ReaderUnavailableError(f"{code:08X}")
        if powering or code in _MUTE:
            return CardMuteError(f"{code:08X}")
        return CardRemovedError(f"{code:08X}")


def _code_of(error: Exception) -> str:
    return f"{getattr(error, 'hresult', 0) & 0xFFFFFFFF:08X}"


def _load(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PcscMissingError from error
