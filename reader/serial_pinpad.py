"""A PIN pad on a serial line (ZT588 class): the PIN comes enciphered, once, and goes.

The pad gives an ISO 9564-1 block under a working key. It is deciphered into one buffer
because the card wants its digits as BCD, presented by one VERIFY, and wiped. No digit
is ever a ``str``; while keys are pressed the pad sends a mask for each.

Source: smartkiosk/smartware, ``lib/smartware/drivers/pin_pad/zt588.rb`` (commands,
formats, errors), card specification part 8 §6.4.4.4 (the block between pad and reader).
Not here: the pad's own authentication (command ``:``), whose keys the source does not
tell. A pad that demands it answers EC and is reported as not ready.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum

from reader import apdu
from reader.apdu import Answer, exchange
from reader.crypto import decrypt_pin_block, encrypt_pin_block
from reader.errors import (
    PinCancelledError,
    PinFormatError,
    PinPadError,
    PinTimeoutError,
    ReaderUnavailableError,
)
from reader.frames import ZT588, Decoder, Frame, encode
from reader.link import Link
from reader.links.framed import Port
from reader.pin import LONGEST_PIN, SHORTEST_PIN, check_pin, is_one_of, pin_block, wipe

_LOAD_ENCRYPTED, _CONTROL, _START, _GET = b"2", b"5", b"6", b"7"
_DISABLE_INPUT = b"0", b"2"
_HEX_NOT_BROKEN = b"6", b"7"
_TIME_LIMIT, _MASK, _LEAST, _MOST = b"2", b"3", b"4", b"5"
_TYPE_WORKING_KEY, _DOUBLE_LENGTH = 3, 2
_CANCELS, _CLEAR, _ENTER = (0x1B, 0x80), 0x08, 0x0D
_MASKED, _DIGITS = ord("*"), range(0x30, 0x3A)
_ERRORS = range(0xE0, 0xF0)
_TIMED_OUT = 0xEE
_ATTEMPTS = 3
_BLOCK, _ROOM = 8, 15
_LENGTH_AT, _BLOCK_AT = 3, 5
_CHUNK = 256
_TICK_S = 0.1


class BlockFormat(Enum):
    """The ISO 9564-1 formats a card's PIN can travel in; the value is the pad's."""

    ISO_0 = b" "  #: with an account number
    ISO_1 = b"!"  #: with random digits, so that equal PINs give different blocks


@dataclass(frozen=True, slots=True, repr=False)
class PadSettings:
    """One site's pad. Key numbers and keys are the site's, never the program's."""

    key_number: int  #: of the working key (TPK) in the pad
    key: bytes  #: the working key, 16 bytes
    #: The working key under the pad's master key, to be loaded before each entry;
    #: empty: a key ceremony has loaded it.
    wrapped_key: bytes = b""
    master_number: int = 0  #: of that master key (TMK) in the pad
    block_format: BlockFormat = BlockFormat.ISO_1
    account: bytes = b"000000000000"  #: twelve digits, format 0 only
    #: The pad ends the entry by itself at so many digits; the holder may end earlier.
    most_digits: int = LONGEST_PIN
    entry_s: int = 30  #: seconds for the whole entry
    answer_s: float = 1.0  #: seconds for each answer of the pad


class SerialPinPad:
    """A PIN entry on such a pad; the port is open only while a PIN is entered."""

    name = "serial-pin-pad"
    asks_card = True

    def __init__(
        self,
        port_factory: Callable[[], Port],
        settings: PadSettings,
        *,
        on_digits: Callable[[int], None] = lambda _count: None,
        factory: Collection[bytes] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe the pad; nothing is opened yet.

        Args:
            port_factory: Opens its port.
            settings: Keys, format and times.
            on_digits: Told how many digits stand there, for the asterisks.
            factory: PINs that cards are issued with.
            clock: Seconds that only go forward.
        """
        self._port_factory = port_factory
        self._settings = settings
        self._on_digits = on_digits
        self._factory = factory
        self._clock = clock
        self._digits = bytearray()
        self.is_factory = False

    def present(self, link: Link) -> Answer:
        """Have the PIN entered and present it to the card by one VERIFY.

        Raises:
            PinFormatError, PinCancelledError, PinTimeoutError, PinPadError: no try
                was spent.
        """
        packed, command = bytearray(), bytearray()
        try:
            self._enter()
            check_pin(self._digits)
            self.is_factory = is_one_of(self._digits, self._factory)
            packed = pin_block(self._digits)
            wipe(self._digits)
            command = apdu.verify(packed)
            return exchange(link, command)
        finally:
            wipe(self._digits, packed, command)

    def wipe(self) -> None:
        """Overwrite the digits."""
        wipe(self._digits)

    @property
    def is_wiped(self) -> bool:
        """Whether no digit is left in the buffer."""
        return not any(self._digits)

    def _enter(self) -> None:
        """Run the entry on the pad; the digits are in the buffer afterwards."""
        try:
            port = self._port_factory()
            try:
                pad = _Pad(port, self._settings, self._clock)
                self._digits = pad.enter(self._on_digits)
            finally:
                port.close()
        except ReaderUnavailableError as error:
            raise PinPadError(error.detail) from error


class _Pad:
    """The pad while its port is open."""

    def __init__(
        self, port: Port, settings: PadSettings, clock: Callable[[], float]
    ) -> None:
        self._port = port
        self._settings = settings
        self._clock = clock
        self._decoder = Decoder(ZT588)
        self._typed = bytearray()  # mask bytes and function keys, not digits

    def enter(self, on_digits: Callable[[int], None]) -> bytearray:
        """Return the digits the holder entered."""
        set_up = self._settings
        self._control(*_HEX_NOT_BROKEN)
        self._load_key()
        self._control(_TIME_LIMIT, bytes((set_up.entry_s,)))
        self._control(_MASK, bytes((_MASKED,)))
        self._control(_LEAST, bytes((SHORTEST_PIN,)))
        self._control(_MOST, bytes((set_up.most_digits,)))
        self._typed.clear()
        account = set_up.account if set_up.block_format is BlockFormat.ISO_0 else b""
        self._command(
            _START
            + b"%02X" % set_up.key_number
            + set_up.block_format.value
            + b"0%02d" % set_up.most_digits
            + account
        )
        try:
            self._wait_for_enter(on_digits)
            return self._decipher(self._command(_GET))
        except (PinCancelledError, PinTimeoutError):
            self._control(*_DISABLE_INPUT)
            raise

    def _load_key(self) -> None:
        set_up = self._settings
        if not set_up.wrapped_key:
            return
        answer = self._command(
            _LOAD_ENCRYPTED
            + b"%02X%02X%d%d"
            % (
                set_up.master_number,
                set_up.key_number,
                _TYPE_WORKING_KEY,
                _DOUBLE_LENGTH,
            )
            + _hex(set_up.wrapped_key)
        )
        check = _hex(encrypt_pin_block(set_up.key, bytes(_BLOCK)))
        said = answer[1:]
        # At least four digits, or an empty check value would prove any key.
        if len(said) < SHORTEST_PIN or not check.startswith(said.upper()):
            detail = "the pad holds another working key"
            raise PinPadError(detail)

    def _wait_for_enter(self, on_digits: Callable[[int], None]) -> None:
        """Count keys until enter or the last digit.

        Raises:
            PinCancelledError, PinTimeoutError: the holder cancelled, or was slow.
            PinPadError: the pad gives the digits away; the entry is over.
        """
        count = 0
        end = self._clock() + self._settings.entry_s
        while count < self._settings.most_digits:
            for key in self._keys():
                if key in _CANCELS:
                    raise PinCancelledError
                if key == _ENTER:
                    return
                if key in _DIGITS:
                    self._control(*_DISABLE_INPUT)
                    detail = "it sends digits in clear; set its mask"
                    raise PinPadError(detail)
                if key in {_MASKED, _CLEAR}:
                    count = 0 if key == _CLEAR else count + 1
                    on_digits(count)
            if self._clock() >= end:
                raise PinTimeoutError

    def _keys(self) -> bytes:
        """Return what was pressed since; what the bytes are besides is not kept."""
        if not self._typed:
            self._take(self._port.read(_CHUNK, _TICK_S))
        keys = bytes(self._typed)
        wipe(self._typed)
        self._typed.clear()
        return keys

    def _decipher(self, answer: bytes) -> bytearray:
        """Return the digits of the block in *answer*; what they lay in is wiped."""
        try:
            length = int(answer[_LENGTH_AT:_BLOCK_AT])
            block = bytes.fromhex(answer[_BLOCK_AT:].decode("ascii"))
        except ValueError as error:
            raise _nonsense() from error
        if len(block) != _BLOCK:
            raise _nonsense()
        if not SHORTEST_PIN <= length <= LONGEST_PIN:
            raise PinFormatError
        clear = bytearray(_ROOM)
        try:
            decrypt_pin_block(self._settings.key, block, clear)
            return self._digits_of(clear, length)
        finally:
            wipe(clear)

    def _digits_of(self, clear: bytearray, length: int) -> bytearray:
        """Return the ASCII digits in a block: control, length, digits, filling."""
        control = 1
        if self._settings.block_format is BlockFormat.ISO_0:
            control = 0
            account = bytes.fromhex(self._settings.account.decode("ascii"))
            for i, byte in enumerate(account, _BLOCK - len(account)):
                clear[i] ^= byte
        if clear[0] != control << 4 | length:
            # Another key on one of both sides, or another format.
            detail = "its block does not decipher"
            raise PinPadError(detail)
        digits = bytearray(length)
        for i in range(length):
            byte = clear[1 + i // 2]
            digits[i] = 0x30 | (byte & 0x0F if i % 2 else byte >> 4)
        return digits

    def _control(self, parameter: bytes, value: bytes) -> None:
        self._command(_CONTROL + parameter + _hex(value))

    def _command(self, text: bytes) -> bytes:
        """Send a command up to three times; asking the pad again spends nothing.

        Raises:
            PinPadError: no answer, or the pad refuses; PinTimeoutError: it gave up.
        """
        for _ in range(_ATTEMPTS):
            self._port.write(encode(ZT588, text))
            answer = self._answer()
            if answer:
                return _accepted(answer)
        detail = "no answer"
        raise PinPadError(detail)

    def _answer(self) -> bytes:
        end = self._clock() + self._settings.answer_s
        while (left := end - self._clock()) > 0:
            frames = self._take(self._port.read(_CHUNK, left))
            if frames:
                return frames[-1]
        return b""

    def _take(self, data: bytes) -> list[bytes]:
        """Divide what came into frames and keys."""
        frames = []
        for found in self._decoder.scan(data):
            if isinstance(found, Frame):
                frames.append(found.payload)
            elif len(self._typed) < _CHUNK:
                self._typed += found.data
        return frames


def _accepted(answer: bytes) -> bytes:
    code = answer[0]
    if code == _TIMED_OUT:
        raise PinTimeoutError
    if code in _ERRORS:
        detail = f"refused with {code:02X}"
        raise PinPadError(detail)
    return answer


def _hex(data: bytes) -> bytes:
    return data.hex().upper().encode("ascii")


def _nonsense() -> PinPadError:
    detail = "an answer that is no PIN block"
    return PinPadError(detail)
