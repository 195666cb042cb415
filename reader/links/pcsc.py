"""A PC/SC reader through pyscard: the only importer of it, and only when chosen.

What was learnt of pyscard 2.3.1 with pcsc-lite: a card removed while a command runs
gives "no valid response" with code 0; old connections never recover after the
service restarts, so every power-up makes a new one; its own exclusive connection
first connects in shared mode and loses the code of a failure, so the mode is asked for
directly here. While another program holds a transaction, connecting does not fail but
waits for it without end: whoever asks for a power-up looks at ``in_use`` first.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from reader.part10 import features_in

#: How long another program may hold the card before that is an error.
BUSY_S = 2.0
_AGAIN_S = 0.1
_NO_SERVICE = frozenset({0x8010001D, 0x8010001E, 0x80100013, 0x80100009})
_NO_READER = frozenset({0x80100017, 0x8010002E})
_MUTE = frozenset({0x80100066, 0x80100067})
_BUSY, _RESET, _REMOVED = 0x8010000B, 0x80100068, 0x80100069
_NO_CARD = frozenset({0x8010000C, _REMOVED})
_STATE_CHANGED, _STATE_GONE, _STATE_PRESENT, _STATE_IN_USE = 0x02, 0x0C, 0x20, 0x180
_TIMEOUT = 0x8010000A
#: How long one wait for a change lasts; the service is looked for again after it.
_WAIT_MS = 1000
#: CM_IOCTL_GET_FEATURE_REQUEST (PC/SC part 10 §2.3).
_GET_FEATURES = 3400


class PcscLink:
    """A Link over one slot of a PC/SC reader, this program's alone while powered up."""

    def __init__(
        self,
        wanted: str = "",
        *,
        busy_s: float = BUSY_S,
        load: Callable[[str], Any] = importlib.import_module,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Choose the first slot whose name fits *wanted* (see ``fits``).

        Args:
            wanted: A part of the slot's name, or parts with ``*`` between; empty: any.
            busy_s: How long to try while another program holds the card.
            load: Imports pyscard's modules by name.
            monotonic: Seconds that only go forward.
            wait: Waits for some seconds.

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
        self._busy_s = busy_s
        self._monotonic = monotonic
        self._wait = wait
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
        return bool(self._flags() & _STATE_PRESENT)

    def in_use(self) -> bool:
        """Ask the service whether anybody is connected to the card now."""
        return bool(self._flags() & _STATE_IN_USE)

    def power_on(self) -> bytes:
        """Connect anew and alone, with whichever protocol the card speaks.

        The card is reset cold, so that no PIN verified by another program is taken
        over, and the connection's end powers it down. Where another program is
        connected too, a transaction keeps it from the card until then. (Windows resets
        a card whose transaction is idle for five seconds: that ends in
        ``CardResetError``, and so the session does.)

        Raises:
            ReaderBusyError: another program held the card for all of the time allowed.
        """
        self._drop()
        until = self._monotonic() + self._busy_s
        while True:
            try:
                return self._power_on_once()
            except ReaderBusyError:
                if self._monotonic() >= until:
                    raise
            self._wait(_AGAIN_S)

    def _power_on_once(self) -> bytes:
        """Power up alone, or with the others locked out."""
        try:
            return self._connected(self._scard.SCARD_SHARE_EXCLUSIVE)
        except ReaderBusyError:
            return self._connected(self._scard.SCARD_SHARE_SHARED)

    def _connected(self, mode: int) -> bytes:
        """Connect in *mode*, reset the card and return its answer to that."""
        how = {"mode": mode, "disposition": self._scard.SCARD_UNPOWER_CARD}
        try:
            connection = self._reader().createConnection()
            connection.connect(**how)
            if mode == self._scard.SCARD_SHARE_SHARED:
                code = self._scard.SCardBeginTransaction(connection.component.hcard)
                if code != self._scard.SCARD_S_SUCCESS:
                    raise _error_for(code & 0xFFFFFFFF, powering=True)
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
        if self._connection is None:
            raise CardRemovedError
        code = self._scard.SCARD_CTL_CODE(_GET_FEATURES)
        try:
            return features_in(bytes(self._connection.control(code, [])))
        except self._errors as error:
            if _code_of(error) in {_REMOVED, _RESET} | _NO_SERVICE | _NO_READER:
                raise _translated(error, powering=False) from error
            # A reader that has none answers in many ways that it knows no such command.
            return {}

    def control(self, code: int, data: bytes | bytearray) -> bytes:
        """Send a command to the reader itself."""
        if self._connection is None:
            raise CardRemovedError
        try:
            return bytes(self._connection.control(code, list(data)))
        except self._errors as error:
            raise _translated(error, powering=False) from error

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
            name = _chosen(names or (), self._wanted)
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

    def _flags(self) -> int:
        """Return what the service says of the slot, without connecting to it."""
        scard = self._scard
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        self._check(code)
        try:
            code, names = scard.SCardListReaders(context, [])
            name = self._one_of(names or ())
            code, states = scard.SCardGetStatusChange(
                context, 0, [(name, scard.SCARD_STATE_UNAWARE)]
            )
        finally:
            scard.SCardReleaseContext(context)
        self._check(code)
        return int(states[0][1])

    def _one_of(self, names: Iterable[str]) -> str:
        name = _chosen(names, self._wanted)
        if name is None:
            detail = (
                f"no reader named like {self._wanted!r}" if self._wanted else "none"
            )
            raise ReaderUnavailableError(detail)
        return name

    def _reader(self) -> Any:
        try:
            readers = {str(reader): reader for reader in self._smartcard.readers()}
        except self._errors as error:
            detail = f"{_code_of(error):08X}"
            raise ReaderUnavailableError(detail) from error
        return readers[self._one_of(readers)]

    def _check(self, code: int) -> None:
        if code != self._scard.SCARD_S_SUCCESS:
            detail = f"{code & 0xFFFFFFFF:08X}"
            raise ReaderUnavailableError(detail)


def fits(name: str, wanted: str) -> bool:
    """Say whether a slot's name holds the parts of *wanted* in their order.

    A reader with two slots has two names: ``*`` between the reader's part and the
    slot's tells them apart, and none of two readers alike.

    >>> fits("ACS ACR38U 00 01", "ACR38"), fits("ACS ACR38U 00 01", "ACR38*00 01")
    (True, True)
    >>> fits("ACS ACR38U 00 00", "ACR38*00 01"), fits("Omnikey 00 01", "ACR38*00 01")
    (False, False)
    """
    place = 0
    for part in wanted.split("*"):
        found = name.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return True


def _chosen(names: Iterable[str], wanted: str) -> str | None:
    return next((name for name in names if fits(name, wanted)), None)


def _translated(error: Exception, *, powering: bool) -> ReaderError:
    """Put pyscard's error into ours."""
    return _error_for(_code_of(error), powering=powering)


def _error_for(code: int, *, powering: bool) -> ReaderError:
    """Name what a code means; the code alone does not tell all of them apart."""
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
