"""A ZT588-class PIN pad from the other side: keys, a working key, encrypted blocks.

Its frames and commands are those of ``reader.serial_pinpad``; the digits are held in
one buffer, wiped when the block is fetched or the entry ends.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

from reader.crypto import encrypt_pin_block
from reader.frames import ZT588, Decoder, Frame, encode
from reader.pin import wipe

_OK = b"0"
_KEY_NOT_FOUND, _WRONG_LENGTH, _WRONG_PARAMETER = b"\xe4", b"\xe8", b"\xeb"
_TIMED_OUT = b"\xee"
_CANCEL, _CLEAR, _ENTER = 0x1B, 0x08, 0x0D
_ISO_0, _ISO_1 = b" ", b"!"
_LONGEST = 12
_BLOCK_DIGITS = 14


@dataclass(slots=True)
class PadFaults:
    """What goes wrong, counted down."""

    lost_answers: int = 0
    wrong_check: int = 0
    times_out: int = 0  #: says so instead of a block
    leaks_digits: bool = False  #: shows the digits instead of the mask


class PinKeyboard:
    """The pad. ``press`` is a finger; *types* is one that needs no telling."""

    def __init__(
        self,
        working_keys: dict[int, bytes] | None = None,
        *,
        types: bytes = b"",
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        faults: PadFaults | None = None,
    ) -> None:
        """Make a pad.

        Args:
            working_keys: Key number to key of 16 bytes, as a key ceremony left them.
            types: Keys pressed as soon as an entry starts; 0D is enter, 1B cancel.
            random_bytes: Fills a format 1 block.
            faults: What goes wrong.
        """
        self.faults = faults or PadFaults()
        self.commands: list[bytes] = []  #: their first bytes; never a block
        self.entering = False
        self._keys = dict(working_keys or {})
        #: What a loading gives: the pad would decipher it under its master key.
        self.loadable: dict[bytes, bytes] = {}
        self._types = types
        self._random_bytes = random_bytes
        self._decoder = Decoder(ZT588)
        self._digits = bytearray()
        self._key, self._format, self._account = b"", _ISO_1, b""
        self._most = _LONGEST
        self._guard = threading.RLock()
        self._emit: Callable[[bytes], None] = lambda _data: None

    def connect(self, emit: Callable[[bytes], None]) -> None:
        """Say where answers and keys go."""
        self._emit = emit

    def receive(self, data: bytes) -> None:
        """Take bytes from the host."""
        with self._guard:
            for found in self._decoder.scan(data):
                if isinstance(found, Frame) and found.payload:
                    self._serve(found.payload)

    def press(self, keys: bytes) -> None:
        """Press keys; ignored unless an entry is on."""
        with self._guard:
            for key in keys:
                if self.entering:
                    self._pressed(key)

    def _pressed(self, key: int) -> None:
        if key == _CLEAR:
            self._forget()
        elif key in {_CANCEL, _ENTER}:
            self.entering = False
            if key == _CANCEL:
                self._forget()
        elif len(self._digits) < self._most:
            self._digits.append(key)
            key = key if self.faults.leaks_digits else ord("*")
        else:
            return
        self._emit(bytes((key,)))
        if len(self._digits) >= self._most:
            self.entering = False

    def _serve(self, text: bytes) -> None:
        self.commands.append(text[:2])
        starts = text[:1] == b"6"
        answer = {
            b"2": self._load,
            b"5": self._control,
            b"6": self._start,
            b"7": self._block,
        }.get(text[:1], lambda _text: _WRONG_PARAMETER)(text)
        if self.faults.lost_answers:
            self.faults.lost_answers -= 1
            return
        frame = encode(ZT588, answer)
        if self.faults.wrong_check:
            self.faults.wrong_check -= 1
            frame[-1] ^= 0x01
        self._emit(bytes(frame))
        if starts and answer == _OK:
            self.press(self._types)

    def _load(self, text: bytes) -> bytes:
        number, wrapped = int(text[3:5], 16), bytes.fromhex(text[7:].decode("ascii"))
        key = self.loadable.get(wrapped)
        if key is None:
            return b"\xe7"
        self._keys[number] = key
        return _OK + encrypt_pin_block(key, bytes(8)).hex().upper().encode("ascii")

    def _control(self, text: bytes) -> bytes:
        if text[1:] == b"032":  # disable input
            self.entering = False
            self._forget()
        return _OK

    def _start(self, text: bytes) -> bytes:
        key = self._keys.get(int(text[1:3], 16))
        if key is None:
            return _KEY_NOT_FOUND
        self._forget()
        self._key, self._format = key, text[3:4]
        self._most = int(text[5:7])
        self._account = text[7:]
        self.entering = True
        return _OK

    def _block(self, text: bytes) -> bytes:
        del text
        if self.faults.times_out:
            self.faults.times_out -= 1
            self._forget()
            return _TIMED_OUT
        if self.entering or not self._digits:
            return _WRONG_LENGTH
        block = bytearray(self._clear_block())
        answer = (
            _OK
            + b"00%02d" % len(self._digits)
            + encrypt_pin_block(self._key, block).hex().upper().encode("ascii")
        )
        wipe(block)
        self._forget()
        return answer

    def _clear_block(self) -> bytearray:
        iso_0 = self._format == _ISO_0
        filler = b"\xff" * 7 if iso_0 else self._random_bytes(7)
        nibbles = bytearray((0 if iso_0 else 1, len(self._digits)))
        nibbles += bytes(digit & 0x0F for digit in self._digits)
        nibbles += bytes(half for byte in filler for half in (byte >> 4, byte & 0x0F))[
            : _BLOCK_DIGITS - len(self._digits)
        ]
        block = bytearray(
            high << 4 | low
            for high, low in zip(nibbles[::2], nibbles[1::2], strict=True)
        )
        if iso_0:
            account = bytes(2) + bytes.fromhex(self._account.decode("ascii"))
            for i, byte in enumerate(account):
                block[i] ^= byte
        wipe(nibbles)
        return block

    def _forget(self) -> None:
        wipe(self._digits)
        self._digits.clear()
