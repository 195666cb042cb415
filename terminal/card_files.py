"""The files of the card in the slot: for callers of the old drivers, for its holder.

Everything is read on the desk's card thread, one file at a time, and after the card
proved that it is still the one that was read. Nothing of it is kept or logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reader.driver import (
    NO_CARD,
    NO_FILE,
    NO_TERMINAL_NO,
    NOT_ALLOWED,
    Content,
    DriverRefusal,
    FileRequest,
    answer_string,
    answered,
    bas_string,
    code_number,
    driver_code,
    is_this_card,
    parse_file_address,
)
from reader.errors import (
    CardDataError,
    CardProtocolError,
    KeyRefusedError,
    KeyUnavailableError,
    ReaderError,
)
from reader.profile import CardFile, Structure
from reader.recognition import HOLDER_FILE, ISSUER_FILE
from reader.session import CardSession
from settlement.centre.errors import CentreError
from settlement.centre.port import Centre, Certificate, Coverage, Person
from settlement.claim import Accumulators
from terminal.desk import CardDesk
from terminal.errors import CardRequiredError, PinRequiredError
from terminal.problems import problem_view
from terminal.views import CardState, ProblemView

PHOTO_FILE = "SSSEEF08"
#: What a holder is shown of his card, in the order in which it is read.
HOLDER_FILES = (
    ISSUER_FILE,
    HOLDER_FILE,
    PHOTO_FILE,
    "DF04EF05",
    "DF04EF08",
    "DF04EF15",
    "DF03EF07",
    "DF03EF05",
    "DF03EF16",
    "DF03EF15",
    "DF03EF17",
    "DF03EF06",
)
_READABLE = frozenset({CardState.READY, CardState.VERIFIED})


def device_no_of(institution_code: str, terminal_no: int) -> str:
    """Return 终端设备号: sixteen characters that name this terminal.

    >>> device_no_of("H99010000001", 3)
    'H990100000010003'
    """
    return f"{institution_code}{terminal_no:04d}"


class FileState(StrEnum):
    """How reading one file of the card came out."""

    READ = "read"
    ABSENT = "absent"  #: this card has no such file
    LOCKED = "locked"  #: it asks for a key that this terminal does not hold
    UNREADABLE = "unreadable"  #: it is there and does not read


@dataclass(frozen=True, slots=True, repr=False)
class FileRead:
    """One file: how it came out and, if it did, what stands in it."""

    state: FileState
    file: CardFile | None = None  #: None: the card's generation has no such file
    content: Content | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Standing:
    """What the centre knows of the holder today (1101, 5206)."""

    person: Person | None = None
    years: tuple[tuple[Coverage, Accumulators], ...] = ()
    problem: ProblemView | None = None  #: why some or all of it is missing


@dataclass(frozen=True, slots=True, repr=False)
class HolderRecord:
    """What a holder who entered his PIN may see: his card, and the centre's view."""

    files: Mapping[str, FileRead]
    standing: Standing


class CardFiles:
    """Reads files of the card that the desk holds."""

    def __init__(
        self, desk: CardDesk, *, terminal_no: str = "", device_no: str = ""
    ) -> None:
        self._desk = desk
        self._terminal_no = terminal_no or NO_TERMINAL_NO
        self._device_no = device_no

    def basics(self) -> str | DriverRefusal:
        """Answer ``iReadCardBas``, reading a card anew that was read out before."""
        try:
            if self._desk.view().state not in _READABLE:
                self._desk.read()
            return self._desk.with_session(self._basics)
        except ReaderError as error:
            return DriverRefusal(driver_code(error))
        except CardRequiredError:
            return self.refusal()

    def refusal(self) -> DriverRefusal:
        """Return the number of why the slot holds no card to be read."""
        problem = self._desk.view().problem
        return DriverRefusal(code_number(problem.code) if problem else NO_CARD)

    def this_card(self) -> str:
        """Return 卡识别码|卡号| of the card that was read.

        Raises:
            CardRequiredError: no card has been read.
        """
        who = self._desk.credential()
        return f"{who.card_serial}|{who.number}|"

    def answer(
        self, card_info: str, file_address: str, *, by_pin: bool = False
    ) -> str | DriverRefusal:
        """Answer ``iReadCard``.

        Args:
            card_info: 卡识别码|卡号| of the card that is meant.
            file_address: The files and tags, ``SSSEEF06|08|09|$``.
            by_pin: The caller relies on the PIN, so it has to be verified.
        """
        requests = parse_file_address(file_address)
        if isinstance(requests, DriverRefusal):
            return requests
        try:
            refused = is_this_card(card_info, self._desk.credential())
            if refused is not None:
                return refused
            if by_pin and self._desk.view().state is not CardState.VERIFIED:
                return DriverRefusal(NOT_ALLOWED)
            return self._answer(requests)
        except ReaderError as error:
            return DriverRefusal(driver_code(error))
        except CardRequiredError:
            return self.refusal()

    def holder(self) -> dict[str, FileRead]:
        """Read what a holder is shown; a file that does not read is told as that.

        Raises:
            CardRequiredError, PinRequiredError: no card whose PIN was verified.
            CardSwappedError: another card sits in the slot now.
            CardRemovedError: it was taken out meanwhile.
        """
        if self._desk.view().state is not CardState.VERIFIED:
            self._desk.credential()
            raise PinRequiredError
        self._desk.with_session(CardSession.still_same_card)
        return {name: self._read_for_holder(name) for name in HOLDER_FILES}

    def _basics(self, session: CardSession) -> str:
        session.still_same_card()
        return bas_string(
            session.credential,
            session.historical,
            terminal_no=self._terminal_no,
            device_no=self._device_no,
        )

    def _answer(self, requests: tuple[FileRequest, ...]) -> str | DriverRefusal:
        self._desk.with_session(CardSession.still_same_card)
        known: dict[str, FileRead] = {}
        parts = []
        for request in requests:
            name = request.file
            read = known[name] = known.get(name) or self._read(name)
            if read.file is None or read.content is None:
                return DriverRefusal(NO_FILE)
            values = answered(request, read.file, read.content)
            if isinstance(values, DriverRefusal):
                return values
            parts.append((request, values))
        return answer_string(parts)

    def _read(self, name: str) -> FileRead:
        return self._desk.with_session(lambda session: _read(session, name))

    def _read_for_holder(self, name: str) -> FileRead:
        return self._desk.with_session(lambda session: _tolerant(session, name))


def _read(session: CardSession, name: str) -> FileRead:
    """Read one file in the way of its structure."""
    file = session.profile.files.get(name)
    if file is None:
        return FileRead(FileState.ABSENT)
    content: Content
    match file.structure:
        case Structure.CYCLIC:
            content = session.read_log(name)
        case Structure.TRANSPARENT:
            content = session.read_binary(name)
        case Structure.RECORDS:
            content = session.read_file(name)
    return FileRead(FileState.READ, file, content)


def _tolerant(session: CardSession, name: str) -> FileRead:
    """Read one file, and say of one that does not read why; the others still show."""
    file = session.profile.files.get(name)
    try:
        return _read(session, name)
    except (KeyUnavailableError, KeyRefusedError):
        return FileRead(FileState.LOCKED, file)
    except CardProtocolError:
        return FileRead(FileState.UNREADABLE, file)
    except CardDataError as error:
        whole = not error.element  # the file itself, not something in it
        return FileRead(FileState.ABSENT if whole else FileState.UNREADABLE, file)


def standing_of(
    centre: Centre, certificate: Certificate, year_of: Callable[[Coverage], int]
) -> Standing:
    """Ask the centre what it knows of a holder (1101), and how the year stands (5206).

    *year_of* names the insured year of a coverage.

    What the centre does not tell is missing and said to be; the rest is shown.
    """
    try:
        person = centre.person(certificate)
    except CentreError as error:
        return Standing(problem=problem_view(error))
    years: list[tuple[Coverage, Accumulators]] = []
    try:
        for coverage in person.coverages:
            if coverage.active:
                told = centre.accumulators(
                    person.person_id,
                    coverage.insurance,
                    coverage.region,
                    year_of(coverage),
                )
                years.append((coverage, told))
    except CentreError as error:
        return Standing(person, tuple(years), problem_view(error))
    return Standing(person, tuple(years))
