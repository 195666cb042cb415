"""What a card says of its holder, taken out of a transcript.

Each element that tells of a person is given the value of its own vector in the profile
(``config/cards``): the transcript of a real card then reads as an invented one's, with
the lengths, the order and the status words of the real one. What does not read is given
other bytes that do not read, and a wrong check character stays wrong, so that a replay
ends where the session did. What no profile describes is blanked. The city of 卡识别码
stays, since the profile is chosen by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reader.errors import CardDataError
from reader.files import decode_element
from reader.greeting import algorithm_byte, historical_place
from reader.profile import (
    ENVIRONMENT,
    CardFile,
    Coding,
    Element,
    Profile,
    Sensitivity,
    Structure,
)
from reader.recognition import ISSUER_FILE, check_card_no, check_person

_SELECT, _READ_RECORD, _READ_BINARY = 0xA4, 0xB2, 0xB0
_GET_CHALLENGE, _GET_RESPONSE = 0x84, 0xC0
_BY_NAME = 0x04
_HEADER, _STATUS, _CHALLENGE = 4, 2, 8
_OF_STATUS = (0x6, 0x9)
_UNKNOWN = "unknown"
_FCI = b"\x6f"
_CITY_BYTES = 3
_CARD_SERIAL, _SPEC_VERSION = "card_serial", "spec_version"
#: The last bytes of the answer to reset are the chip's own number (part 2).
_CHIP_NUMBER = bytes.fromhex("00000001")
_BLANK = b"\x00 \xff"
#: Each is unreadable in some coding: no digits, no characters, no code.
_FILLERS = (0xAA, 0x80, 0x7F, 0x19)
_CHECKS = {"card_no": check_card_no, "person_cert_no": check_person}


class TraceMask:
    """Masks one card session after the other."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self._profiles = profiles
        self._forget()

    def of_atr(self, atr: bytes) -> bytes:
        """Blank the chip's number; what was selected before is forgotten."""
        self._forget()
        place = historical_place(atr)
        historical = atr[place]
        kept = max(0, len(historical) - len(_CHIP_NUMBER))
        told = historical[:kept] + _CHIP_NUMBER[: len(historical) - kept]
        # What stands behind them is a check over all of it.
        return atr[: place.start or 0] + told + bytes(len(atr[place.stop :]))

    def of_answer(self, command: bytes, answer: bytes) -> bytes:
        """Mask the data of an answer; the status word stays.

        Args:
            command: CLA INS P1 P2, and more of what is open.
            answer: Data and status word.
        """
        data, status = answer[:-_STATUS], answer[-_STATUS:]
        if len(status) < _STATUS or status[0] >> 4 not in _OF_STATUS:
            # No status word: it is data to the end.
            data, status = answer, b""
        if len(command) < _HEADER:
            self._asked = b""
        elif command[1] != _GET_RESPONSE:
            # GET RESPONSE brings what another command asked for.
            self._asked, self._begun = command, False
            if command[1] == _SELECT:
                self._select(command)
        # A later part begins in the middle of anything.
        told = bytes(len(data)) if self._begun else self._masked(data)
        self._begun = self._begun or bool(data)
        return told + status

    def _forget(self) -> None:
        self._application = ENVIRONMENT
        self._name = b""
        self._fid = 0
        self._asked = b""
        self._begun = False
        self._version = ""

    def _select(self, command: bytes) -> None:
        name = command[5 : 5 + command[4]] if len(command) > _HEADER else b""
        if command[2] == _BY_NAME:
            places = {p.name_of(f.application): f.application for p, f in self._all()}
            self._application, self._fid = places.get(name, _UNKNOWN), 0
            self._name = name
        else:
            self._fid = int.from_bytes(name, "big")

    def _all(self) -> Iterator[tuple[Profile, CardFile]]:
        """Go through every file, those of the card's own generation first."""
        for profile in sorted(self._profiles, key=lambda p: not self._is_of(p)):
            for file in profile.files.values():
                yield profile, file

    def _is_of(self, profile: Profile) -> bool:
        version = self._version
        return bool(version) and version.startswith(
            tuple(prefix for prefix in profile.spec_prefixes if prefix)
        )

    def _masked(self, data: bytes) -> bytes:
        if not self._asked:
            return bytes(len(data))
        instruction = self._asked[1]
        if instruction == _SELECT:
            return self._fci(data)
        if instruction == _GET_CHALLENGE:
            return data[:_CHALLENGE] + bytes(len(data[_CHALLENGE:]))
        file = self._file()
        if instruction not in {_READ_RECORD, _READ_BINARY} or file is None:
            return bytes(len(data))
        if file.structure is Structure.RECORDS:
            return self._records(file, data)
        row = b"".join(_fitted(_vector(e), e.width) for e in file.elements)
        return _fitted(row, len(data))

    def _fci(self, data: bytes) -> bytes:
        """Rebuild what a selection says: the name that is known, and the algorithm.

        What issuers put in beside them may be anything, the card's number too.
        """
        if self._asked[2] != _BY_NAME or not data.startswith(_FCI):
            return bytes(len(data))
        known = self._application != _UNKNOWN
        inner = _tlv(b"\x84", self._name if known else b"")
        algorithm = algorithm_byte(data)
        if algorithm:
            issuer = _tlv(b"\x9f\x0c", _tlv(b"\x86", algorithm))
            inner += _tlv(b"\xa5", issuer)
        return _tlv(_FCI, inner)

    def _file(self) -> CardFile | None:
        """Find the file that was read: by its short identifier, or the selected one."""
        is_binary = self._asked[1] == _READ_BINARY
        short = self._asked[2] & 0x1F if is_binary and self._asked[2] & 0x80 else 0
        if not is_binary:
            short = self._asked[3] >> 3
        fid = 0xEF00 | short if short else self._fid
        for _, file in self._all():
            if (file.application, file.fid) == (self._application, fid):
                return file
        return None

    def _records(self, file: CardFile, data: bytes) -> bytes:
        """Mask records ``tag len value``; from the first that is none, all is blank."""
        elements = {element.tag: element for element in file.elements}
        masked = b""
        place = 0
        while place + 1 < len(data) and data[place] in elements:
            element, length = elements[data[place]], data[place + 1]
            value = data[place + 2 : place + 2 + length]
            masked += data[place : place + 2] + self._value(file, element, value)
            place += 2 + len(value)
        return masked + bytes(len(data) - place)

    def _value(self, file: CardFile, element: Element, value: bytes) -> bytes:
        if file.name == ISSUER_FILE and element.name == _SPEC_VERSION:
            self._version = value.decode("ascii", "replace")
        if element.sensitivity is Sensitivity.NONE and _reads(file, element, value):
            return value
        vector = _stand_in(file, element, value)
        if file.name == ISSUER_FILE and element.name == _CARD_SERIAL:
            return value[:_CITY_BYTES] + vector[_CITY_BYTES:]
        return vector


def _stand_in(file: CardFile, element: Element, value: bytes) -> bytes:
    """Return an invented value that reads, or fails, as the real one does."""
    if not value.strip(_BLANK):
        return value  # nothing in it, and nobody's
    vector = _fitted(_vector(element), len(value))
    if element.coding is Coding.GROUP:
        return vector
    try:
        said = decode_element(file, element, value)
    except CardDataError:
        return _unreadable(file, element, vector)
    check = _CHECKS.get(element.name)
    if check is None:
        return vector
    try:
        check(said)
    except CardDataError:
        return vector[:-1] + bytes([vector[-1] ^ 1])
    return vector


def _reads(file: CardFile, element: Element, value: bytes) -> bool:
    """Say whether all of a value is what the element may be."""
    if len(value) > element.width:
        return False
    try:
        decode_element(file, element, value)
    except CardDataError:
        return False
    return True


def _unreadable(file: CardFile, element: Element, vector: bytes) -> bytes:
    """Return bytes of the same length that do not read either."""
    for filler in _FILLERS:
        worn = bytes([filler]) * len(vector)
        try:
            decode_element(file, element, worn)
        except CardDataError:
            return worn
    return vector


def _vector(element: Element) -> bytes:
    return bytes.fromhex(element.raw)


def _tlv(tag: bytes, value: bytes) -> bytes:
    return tag + bytes([len(value)]) + value


def _fitted(vector: bytes, length: int) -> bytes:
    return vector[:length].ljust(length, b"\x00")
