"""The card's operating system (COS): files, keys, PIN and states of one chip.

Driven by the same profile as the reader, so that what a profile says is exercised
from both sides. Losing power loses every right, every challenge and the selection.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reader.crypto import Algorithm, authentication_data
from reader.keys import CardContext, card_key
from reader.profile import CardFile, Profile

OK = b"\x90\x00"
_BLOCKED = b"\x69\x83"
_NO_CHALLENGE = b"\x69\x84"
_NOT_SATISFIED = b"\x69\x82"
_NO_FILE = b"\x6a\x82"
_NO_RECORD = b"\x6a\x83"
_NO_KEY = b"\x6a\x88"
_WRONG_LENGTH = b"\x67\x00"
_WRONG_PARAMETERS = b"\x6a\x86"
_NO_CURRENT_FILE = b"\x69\x86"
_NO_INSTRUCTION = b"\x6d\x00"
_NO_CLASS = b"\x6e\x00"

_HEADER, _CHALLENGE, _AUTH_DATA = 4, 8, 16
_ALL_RECORDS, _BY_TAG, _BY_NUMBER = 5, 0, 4


@dataclass(slots=True)
class Memory:
    """What survives a loss of power: the files, the PIN and its counter."""

    records: dict[str, list[bytes]]  #: by file name, each ``tag len value``
    pin: bytes  #: packed BCD as VERIFY carries it; empty: none set
    most_tries: int
    tries_left: int


@dataclass(slots=True)
class Rights:
    """What power gives and takes."""

    selected: CardFile | None = None
    in_environment: bool = False
    challenge: bytes = b""
    held: set[str] = field(default_factory=set)  #: "pin" and names of keys


class CardOs:
    """One chip, as seen through its contacts."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a chip leaves the factory with
        self,
        profile: Profile,
        atr: bytes,
        root: bytes,
        context: CardContext,
        memory: Memory,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._profile = profile
        self._atr = atr
        self._root = root
        self._context = context
        self._random = random_bytes
        self._powered = False
        self._rights = Rights()
        self.memory = memory
        self._commands: Mapping[int, Callable[[bytes], bytes]] = {
            0xA4: self._select,
            0xB2: self._read_record,
            0x20: self._verify,
            0x84: self._get_challenge,
            0x88: self._internal_authenticate,
            0x82: self._external_authenticate,
        }

    def power_on(self) -> bytes:
        """Power up: nothing selected, nothing proven."""
        self._powered = True
        self._rights = Rights()
        return self._atr

    def power_off(self) -> None:
        """Lose every right."""
        self._powered = False
        self._rights = Rights()

    def transmit(self, command: bytes) -> bytes:
        """Answer one command APDU."""
        if not self._powered:
            msg = "a chip without power was asked"
            raise AssertionError(msg)
        if len(command) < _HEADER:
            return _WRONG_LENGTH
        if command[0] != 0x00:
            return _NO_CLASS
        work = self._commands.get(command[1])
        if work is None:
            return _NO_INSTRUCTION
        if command[1] != 0x82:  # noqa: PLR2004 - EXTERNAL AUTHENTICATE uses it up
            used, self._rights.challenge = self._rights.challenge, b""
            del used
        return work(command)

    def _select(self, command: bytes) -> bytes:
        how, data = command[2], _data(command)
        if how == 0x04:  # noqa: PLR2004 - by name
            if data != self._profile.environment:
                return _NO_FILE
            self._rights.in_environment = True
            self._rights.selected = None
            return self._fci() + OK
        for file in self._profile.files.values():
            if self._rights.in_environment and file.fid == int.from_bytes(data, "big"):
                self._rights.selected = file
                return OK
        return _NO_FILE

    def _fci(self) -> bytes:
        algorithm = bytes((0x9F, 0x0C, 0x03, 0x86, 0x01, self._context.algorithm))
        proprietary = b"\x88\x01\x1e" + algorithm
        name = self._profile.environment
        inner = b"\x84" + bytes([len(name)]) + name
        inner += b"\xa5" + bytes([len(proprietary)]) + proprietary
        return b"\x6f" + bytes([len(inner)]) + inner

    def _read_record(self, command: bytes) -> bytes:
        file = self._rights.selected
        if file is None:
            return _NO_CURRENT_FILE
        if file.read and not any(c <= self._rights.held for c in file.read):
            return _NOT_SATISFIED
        number, mode = command[2], command[3] & 0x07
        records = self.memory.records.get(file.name, [])
        if mode == _ALL_RECORDS:
            found = records[max(0, number - 1) :]
        elif mode == _BY_TAG:
            found = [record for record in records if record[0] == number][:1]
        elif mode == _BY_NUMBER:
            found = records[number - 1 : number] if number else []
        else:
            return _WRONG_PARAMETERS
        if not found:
            return _NO_RECORD
        data = b"".join(found)
        wanted = command[4] if len(command) > _HEADER else 0
        if wanted not in {0, len(data)}:
            return bytes((0x6C, len(data)))
        return data + OK

    def _verify(self, command: bytes) -> bytes:
        memory = self.memory
        block = _data(command)
        if not memory.pin:
            return OK
        if memory.tries_left == 0:
            return _BLOCKED
        if not block:
            return bytes((0x63, 0xC0 | memory.tries_left))
        if hmac.compare_digest(block, memory.pin):
            memory.tries_left = memory.most_tries
            self._rights.held.add("pin")
            return OK
        self._rights.held.discard("pin")
        memory.tries_left -= 1
        return bytes((0x63, 0xC0 | memory.tries_left))

    def _get_challenge(self, command: bytes) -> bytes:
        if len(command) <= _HEADER or command[4] != _CHALLENGE:
            return _WRONG_LENGTH
        self._rights.challenge = self._random(_CHALLENGE)
        return self._rights.challenge + OK

    def _internal_authenticate(self, command: bytes) -> bytes:
        data = _data(command)
        if len(data) != _AUTH_DATA:
            return _WRONG_LENGTH
        process, source = data[:8], data[8:]
        return self._prove("IRK", process, source) + OK

    def _external_authenticate(self, command: bytes) -> bytes:
        challenge, self._rights.challenge = self._rights.challenge, b""
        key = next(
            (k for k in self._profile.keys.values() if k.card_id == command[3]), None
        )
        if key is None:
            return _NO_KEY
        data = _data(command)
        if len(data) != _AUTH_DATA:
            return _WRONG_LENGTH
        if not challenge:
            return _NO_CHALLENGE
        if not hmac.compare_digest(
            data[:8], self._prove(key.name, challenge, data[8:])
        ):
            return b"\x63\xc2"
        self._rights.held.add(key.name)
        return OK

    def _prove(self, name: str, process: bytes, source: bytes) -> bytes:
        key = card_key(self._root, self._profile.keys[name], self._context)
        algorithm = Algorithm(self._context.algorithm)
        return authentication_data(algorithm, key, process, source)


def _data(command: bytes) -> bytes:
    """Return the data field of a command APDU."""
    if len(command) <= _HEADER:
        return b""
    return command[5 : 5 + command[4]]
