"""The card's operating system (COS): files, keys, PIN and states of one chip.

Driven by the same profile as the reader, so that what a profile says is exercised
from both sides. Losing power loses every right, every challenge and the selection.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reader.crypto import (
    Algorithm,
    authentication_data,
    decrypt_secured,
    mac,
    session_key,
)
from reader.emulator.commands import (
    LONGEST_ANSWER,
    command_data,
    wanted_bytes,
    well_formed,
)
from reader.keys import CardContext, card_key
from reader.profile import ENVIRONMENT, CardFile, Key, Profile, Structure

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
_WRONG_STRUCTURE = b"\x69\x81"
_WRONG_MAC = b"\x69\x88"
_WRONG_DATA = b"\x6a\x80"
_BEYOND_END = b"\x6b\x00"
_NO_INSTRUCTION = b"\x6d\x00"
_NO_CLASS = b"\x6e\x00"

_READ_BINARY = 0xB0
_CHALLENGE, _AUTH_DATA = 8, 16
_SHORTEST_BLOCK, _LONGEST_BLOCK = 2, 8
_FROM_RECORD, _BY_NUMBER = 5, 4
_FIRST, _LAST, _NEXT, _PREVIOUS = range(4)
_BY_NAME = 0x04
#: EXTERNAL AUTHENTICATE, and the secured commands.
_USES_CHALLENGE = frozenset({0x82, 0x24})
_CLASSES = frozenset({0x00, 0x80, 0x84})
_MAC_BYTES = 4
_UNBLOCKING_KEY, _SECURING_KEY = "PUK", "STKSSSE"
#: Bit 8 of a key id: a key of the current application, not of the environment.
_OF_APPLICATION = 0x80
_PIN = "pin"


@dataclass(slots=True)
class Memory:
    """What survives a loss of power: the files, the PIN and the counters."""

    #: By file name: records ``tag len value``, the rows of a log with the newest first,
    #: or the bytes of a transparent file as the only one.
    records: dict[str, list[bytes]]
    pin: bytes  #: packed BCD as VERIFY carries it; empty: none set
    most_tries: int
    tries_left: int
    key_tries: dict[str, int] = field(default_factory=dict)  #: where some are spent


@dataclass(slots=True)
class Rights:
    """What power gives and takes."""

    application: str = ""  #: the environment or an AID in hex; empty: none
    selected: CardFile | None = None
    pointer: int = -1  #: the record read last by its tag
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
        self._commands: Mapping[tuple[int, int], Callable[[bytes], bytes]] = {
            (0x00, 0xA4): self._select,
            (0x00, 0xB2): self._read_record,
            (0x00, 0xB0): self._read_binary,
            (0x00, 0xDC): self._update_record,
            (0x00, 0x20): self._verify,
            (0x00, 0x84): self._get_challenge,
            (0x00, 0x88): self._internal_authenticate,
            (0x00, 0x82): self._external_authenticate,
            (0x80, 0x5E): self._change_pin,
            (0x84, 0x24): self._reset_pin,
        }

    @property
    def proven(self) -> frozenset[str]:
        """Name what has been proven to the chip since it got power."""
        return frozenset(self._rights.held)

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
        if not well_formed(command):
            # It is no command, so a challenge does not outlive it either.
            self._rights.challenge = b""
            return _WRONG_LENGTH
        if command[0] not in _CLASSES:
            return _NO_CLASS
        work = self._commands.get((command[0], command[1]))
        if work is None:
            return _NO_INSTRUCTION
        if command[1] not in _USES_CHALLENGE:
            # A challenge is good for the very next command only.
            self._rights.challenge = b""
        return work(command)

    def _select(self, command: bytes) -> bytes:
        data = command_data(command)
        if command[2] == _BY_NAME:
            return self._select_application(data)
        file = self._file(int.from_bytes(data, "big"))
        if file is None:
            return _NO_FILE
        self._rights.selected, self._rights.pointer = file, -1
        return OK

    def _select_application(self, name: bytes) -> bytes:
        applications = {ENVIRONMENT} | {
            file.application for file in self._profile.files.values()
        }
        for application in applications:
            if name == self._profile.name_of(application):
                break
        else:
            return _NO_FILE
        rights = self._rights
        rights.application, rights.selected = application, None
        # What an application's own keys opened stays behind in it; the PIN is one for
        # the whole environment and holds until the power goes.
        rights.held -= {
            key.name
            for key in self._profile.keys.values()
            if key.card_id & _OF_APPLICATION
        }
        return self._fci(name) + OK

    def _file(self, fid: int) -> CardFile | None:
        """Find a file of the current application."""
        for file in self._profile.files.values():
            if file.fid == fid and file.application == self._rights.application:
                return file
        return None

    def _fci(self, name: bytes) -> bytes:
        algorithm = bytes((0x9F, 0x0C, 0x03, 0x86, 0x01, self._context.algorithm))
        proprietary = b"\x88\x01\x1e" + algorithm
        inner = b"\x84" + bytes([len(name)]) + name
        inner += b"\xa5" + bytes([len(proprietary)]) + proprietary
        return b"\x6f" + bytes([len(inner)]) + inner

    def _opened(self, command: bytes, short: int) -> tuple[CardFile | None, bytes]:
        """Find the file a read is about; the second is why it may not be read."""
        file = self._file(0xEF00 | short) if short else self._rights.selected
        if file is None:
            return None, _NO_FILE if short else _NO_CURRENT_FILE
        if file is not self._rights.selected:
            self._rights.selected, self._rights.pointer = file, -1
        is_binary = command[1] == _READ_BINARY
        if is_binary is not (file.structure is Structure.TRANSPARENT):
            return None, _WRONG_STRUCTURE
        if file.read and not any(c <= self._rights.held for c in file.read):
            return None, _NOT_SATISFIED
        return file, OK

    def _read_record(self, command: bytes) -> bytes:
        number, mode, short = command[2], command[3] & 0x07, command[3] >> 3
        file, refusal = self._opened(command, short)
        if file is None:
            return refusal
        records = self.memory.records.get(file.name, [])
        if mode == _FROM_RECORD:
            found = records[max(0, number - 1) :]
        elif mode == _BY_NUMBER:
            found = records[number - 1 : number] if number else []
        elif mode <= _PREVIOUS and file.structure is Structure.RECORDS:
            found = self._by_tag(records, number, mode)
        else:
            return _WRONG_PARAMETERS
        if not found:
            return _NO_RECORD
        data = b"".join(found)
        if len(data) > LONGEST_ANSWER:
            return _WRONG_PARAMETERS  # such a file is read record by record
        wanted = wanted_bytes(command)
        if wanted not in {0, len(data) & 0xFF}:
            return bytes((0x6C, len(data) & 0xFF))
        return data + OK

    def _update_record(self, command: bytes) -> bytes:
        """Write one record over the first with its tag; its length stays."""
        short, mode = command[3] >> 3, command[3] & 0x07
        file = self._file(0xEF00 | short) if short else self._rights.selected
        if file is None:
            return _NO_FILE if short else _NO_CURRENT_FILE
        if not any(conditions <= self._rights.held for conditions in file.update):
            return _NOT_SATISFIED
        if file.structure is not Structure.RECORDS or mode != _FIRST:
            return _WRONG_STRUCTURE
        record = command_data(command)
        records = self.memory.records[file.name]
        places = [i for i, old in enumerate(records) if old[0] == command[2]]
        if not places:
            return _NO_RECORD
        place = places[0]
        if record[:2] != records[place][:2] or len(record) != len(records[place]):
            return _WRONG_LENGTH
        records[place] = record
        return OK

    def _by_tag(self, records: list[bytes], tag: int, mode: int) -> list[bytes]:
        """Find a record by its tag: the first, last, next or previous one."""
        places = [i for i, record in enumerate(records) if record[0] == tag]
        pointer = self._rights.pointer
        if mode == _NEXT:
            places = [place for place in places if place > pointer]
        elif mode == _PREVIOUS:
            places = [place for place in places if place < pointer]
        if not places:
            return []
        place = places[0] if mode in {_FIRST, _NEXT} else places[-1]
        self._rights.pointer = place
        return [records[place]]

    def _read_binary(self, command: bytes) -> bytes:
        has_short = bool(command[2] & 0x80)
        file, refusal = self._opened(command, command[2] & 0x1F if has_short else 0)
        if file is None:
            return refusal
        offset = command[3] if has_short else command[2] << 8 | command[3]
        (data,) = self.memory.records[file.name]
        if offset >= len(data):
            return _BEYOND_END
        wanted = wanted_bytes(command) or LONGEST_ANSWER
        if wanted > len(data) - offset and wanted != LONGEST_ANSWER:
            return bytes((0x6C, len(data) - offset))
        return data[offset : offset + wanted] + OK

    def _verify(self, command: bytes) -> bytes:
        memory = self.memory
        block = command_data(command)
        if not block and wanted_bytes(command):
            return _WRONG_LENGTH  # the fifth byte of VERIFY is Lc: bytes are missing
        if not memory.pin:
            return OK
        if memory.tries_left == 0:
            return _BLOCKED
        if not block:
            return bytes((0x63, 0xC0 | memory.tries_left))
        if not _SHORTEST_BLOCK <= len(block) <= _LONGEST_BLOCK:
            return _WRONG_LENGTH
        return self._compare(block)

    def _compare(self, block: bytes) -> bytes:
        """Compare a PIN block; the card keeps the count."""
        memory = self.memory
        if hmac.compare_digest(block, memory.pin):
            memory.tries_left = memory.most_tries
            self._rights.held.add(_PIN)
            return OK
        self._rights.held.discard(_PIN)
        memory.tries_left -= 1
        return bytes((0x63, 0xC0 | memory.tries_left))

    def _change_pin(self, command: bytes) -> bytes:
        """CHANGE PIN: old block, FF, new block."""
        if command[2:4] != b"\x01\x00":
            return _WRONG_PARAMETERS
        old, mark, new = command_data(command).partition(b"\xff")
        lengths = range(_SHORTEST_BLOCK, _LONGEST_BLOCK + 1)
        if not mark or len(old) not in lengths or len(new) not in lengths:
            return _WRONG_LENGTH
        if self.memory.tries_left == 0:
            return _BLOCKED
        answer = self._compare(old)
        if answer == OK:
            self.memory.pin = new
        return answer

    def _reset_pin(self, command: bytes) -> bytes:
        """PIN CHANGE/UNBLOCK: after the PUK, sealed under STKSSSE and the challenge."""
        challenge, self._rights.challenge = self._rights.challenge, b""
        if _UNBLOCKING_KEY not in self._rights.held:
            return _NOT_SATISFIED
        if not challenge:
            return _NO_CHALLENGE
        algorithm = self._context.algorithm
        key = card_key(self._root, self._profile.keys[_SECURING_KEY], self._context)
        session = session_key(algorithm, key, challenge)
        sealed = command_data(command)
        body, seal = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
        if len(seal) != _MAC_BYTES or bool(body) is not bool(command[3]):
            return _WRONG_LENGTH
        if not hmac.compare_digest(mac(algorithm, session, command[:5] + body), seal):
            return _WRONG_MAC
        return self._unblock(algorithm, session, body)

    def _unblock(self, algorithm: Algorithm, session: bytes, body: bytes) -> bytes:
        """Take a new PIN, if the body holds one, and set the tries back."""
        if body:
            try:
                plain = decrypt_secured(algorithm, session, body)
            except ValueError:
                return _WRONG_DATA
            if not _SHORTEST_BLOCK <= len(plain) <= _LONGEST_BLOCK:
                return _WRONG_DATA
            self.memory.pin = plain
        self.memory.tries_left = self.memory.most_tries
        self._rights.held -= {_UNBLOCKING_KEY, _PIN}
        return OK

    def _get_challenge(self, command: bytes) -> bytes:
        if command_data(command) or wanted_bytes(command) != _CHALLENGE:
            return _WRONG_LENGTH
        self._rights.challenge = self._random(_CHALLENGE)
        return self._rights.challenge + OK

    def _internal_authenticate(self, command: bytes) -> bytes:
        data = command_data(command)
        if len(data) != _AUTH_DATA:
            return _WRONG_LENGTH
        if self._context.algorithm is Algorithm.SSF33:
            return _NO_KEY  # it is not public: no software can play such a card
        return self._prove(self._profile.keys["IRK"], data[:8], data[8:]) + OK

    def _external_authenticate(self, command: bytes) -> bytes:
        challenge, self._rights.challenge = self._rights.challenge, b""
        key = self._key(command[3])
        if key is None or self._context.algorithm is Algorithm.SSF33:
            return _NO_KEY
        data = command_data(command)
        if len(data) != _AUTH_DATA:
            return _WRONG_LENGTH
        if not challenge:
            return _NO_CHALLENGE
        return self._judge(key, data[:8], self._prove(key, challenge, data[8:]))

    def _key(self, card_id: int) -> Key | None:
        """Find a key: bit 8 of its id says that it lies in the current application."""
        place = self._rights.application if card_id & _OF_APPLICATION else ENVIRONMENT
        for key in self._profile.keys.values():
            if key.card_id == card_id and key.application == place:
                return key
        return None

    def _judge(self, key: Key, proof: bytes, wanted: bytes) -> bytes:
        """Believe a proof or count it against the key; the card keeps the count."""
        tries = self.memory.key_tries
        left = tries.get(key.name, self.memory.most_tries)
        if left == 0:
            return _BLOCKED
        if hmac.compare_digest(proof, wanted):
            tries.pop(key.name, None)
            self._rights.held.add(key.name)
            return OK
        tries[key.name] = left - 1
        return bytes((0x63, 0xC0 | tries[key.name]))

    def _prove(self, key: Key, process: bytes, source: bytes) -> bytes:
        derived = card_key(self._root, key, self._context)
        return authentication_data(self._context.algorithm, derived, process, source)
