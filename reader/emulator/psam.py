"""A PSAM: a card that holds roots of keys and computes with them (part 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reader.crypto import Algorithm, authentication_data, diversify
from reader.emulator.commands import command_data, well_formed
from reader.keys import TEST_ROOT

ATR = bytes.fromhex("3B6D000081544C96868444990199000001")
_OK, _WRONG_LENGTH, _NO_FILE = b"\x90\x00", b"\x67\x00", b"\x6a\x82"
_OTHER_LEVEL, _NO_KEY, _NO_SESSION = b"\x6a\x80", b"\x6a\x88", b"\x69\x85"
_NO_INSTRUCTION = b"\x6d\x00"
_GET_RESPONSE, _BY_NAME = 0xC0, 0x04
_FACTOR = 8


@dataclass(frozen=True, slots=True, repr=False)
class Root:
    """A root of one key: the national one, or a province's or city's below it."""

    key: bytes
    levels: int  #: factors it still needs: 3 national, 2 province, 1 city


@dataclass(frozen=True, slots=True, repr=False)
class PsamApplication:
    """The roots of one algorithm, by key id."""

    algorithm: Algorithm
    roots: Mapping[int, Root]


def root_below(algorithm: Algorithm, *factors: bytes, root: bytes = TEST_ROOT) -> Root:
    """Derive a province's or a city's root from the national one."""
    for factor in factors:
        root = diversify(algorithm, root, factor)
    return Root(root, 3 - len(factors))


class PsamCard:
    """One PSAM, as seen through its contacts."""

    def __init__(
        self,
        applications: Mapping[bytes, PsamApplication],
        *,
        terminal_no: str = "990100000001",
        in_parts: bool = False,
    ) -> None:
        """Make a PSAM.

        Args:
            applications: What each application holds, by its name.
            terminal_no: 终端机编号, twelve digits.
            in_parts: Answer with 61xx and wait for GET RESPONSE, as T=0 does.
        """
        self._applications = applications
        self._files = {
            0x0015: bytes.fromhex("9156000002990100990100019901000000000001"),
            0x0016: bytes.fromhex(terminal_no),
        }
        self._in_parts = in_parts
        self._application: PsamApplication | None = None
        self._file = b""
        self._session: tuple[bytes, bytes] | None = None
        self._waiting = b""
        self.deliveries: list[tuple[int, int]] = []  #: (usage and levels, key id)

    def power_on(self) -> bytes:
        """Power up: nothing selected, no session key."""
        self.power_off()
        return ATR

    def power_off(self) -> None:
        """Forget the session key."""
        self._application, self._session, self._waiting = None, None, b""

    def transmit(self, command: bytes) -> bytes:
        """Answer one command APDU."""
        waiting, self._waiting = self._waiting, b""
        if not well_formed(command):
            return _WRONG_LENGTH
        if command[1] == _GET_RESPONSE:
            return waiting + _OK if waiting else _NO_SESSION
        answer = self._answer(command)
        data = answer[:-2]
        if not self._in_parts or not data:
            return answer
        self._waiting = data
        return bytes((0x61, len(data)))

    def _answer(self, command: bytes) -> bytes:
        data = command_data(command)
        match command[0], command[1]:
            case 0x00, 0xA4:
                return self._select(command[2], data)
            case 0x00, 0xB0:
                return self._file + _OK if self._file else _NO_FILE
            case 0xBF, 0xDE:
                return self._deliver(command[2], command[3], data)
            case 0x80, 0xFA:
                return self._cipher(data)
        return _NO_INSTRUCTION

    def _select(self, how: int, data: bytes) -> bytes:
        if how == _BY_NAME:
            self._application = self._applications.get(data)
            self._session = None
            return _OK if self._application else _NO_FILE
        self._file = self._files.get(int.from_bytes(data, "big"), b"")
        return _OK if self._file else _NO_FILE

    def _deliver(self, usage: int, key_id: int, data: bytes) -> bytes:
        self.deliveries.append((usage, key_id))
        if self._application is None:
            return _NO_SESSION
        root = self._application.roots.get(key_id)
        if root is None:
            return _NO_KEY
        levels = usage >> 5
        if levels != root.levels:
            return _OTHER_LEVEL
        if len(data) != _FACTOR * (levels + 1):
            return _WRONG_LENGTH
        derived = root.key
        factors = [data[i : i + _FACTOR] for i in range(0, _FACTOR * levels, _FACTOR)]
        for factor in reversed(factors):  # the highest level comes last
            derived = diversify(self._application.algorithm, derived, factor)
        self._session = (derived, data[-_FACTOR:])
        return _OK

    def _cipher(self, source: bytes) -> bytes:
        session, application = self._session, self._application
        if session is None or application is None:
            return _NO_SESSION
        if len(source) != _FACTOR:
            return _WRONG_LENGTH
        key, process = session
        return authentication_data(application.algorithm, key, process, source) + _OK
