"""Card keys in a PSAM (part 9): session keys are delivered and used inside of it.

A PSAM holds the national, a province's or a city's root of each key, and says which
only by refusing other numbers of factors with 6A80. What it holds is learnt once when
it is opened (part 9 §8).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from reader import apdu
from reader.apdu import Answer, exchange
from reader.crypto import Algorithm
from reader.errors import (
    KeyServiceError,
    KeyUnavailableError,
    NoCardError,
    ReaderError,
)
from reader.keys import CardContext, Question, SecuredCommand
from reader.link import Link
from reader.profile import Key

#: PSAM 应用 ADF (part 9).
APPLICATION = bytes.fromhex("D15600000590")
_TERMINAL_FILE = 0x0016
_TERMINAL_BYTES = 6
_MOST_LEVELS = 3
_OTHER_LEVEL, _NO_KEY = 0x6A80, 0x6A88
_PROOF_BYTES = 8


class PsamKeys:
    """A KeyProvider over the PSAM behind a link."""

    name = "psam"

    def __init__(
        self, link: Link, applications: Mapping[Algorithm, bytes] | None = None
    ) -> None:
        """Take the PSAM's slot; nothing is powered before it is needed.

        Args:
            link: The slot.
            applications: The application that holds the keys of each algorithm. The
                public text has one for DES; where SM4 lies is the site's to say.
        """
        self._link = link
        self._applications = applications or {Algorithm.TDES: APPLICATION}
        self._guard = threading.Lock()
        self._opened = False
        self._selected: Algorithm | None = None
        self._levels: dict[tuple[Algorithm, int], int] = {}
        self._terminal_no = ""

    @property
    def terminal_no(self) -> str:
        """终端机编号, twelve digits.

        Raises:
            KeyUnavailableError: the slot is empty.
            KeyServiceError: the PSAM does not answer, or is none.
        """
        with self._guard:
            self._open()
            return self._terminal_no

    def answer(
        self, questions: Sequence[Question], card: CardContext
    ) -> tuple[bytes, ...]:
        """Have each proof computed inside the PSAM.

        Raises:
            KeyUnavailableError: it does not hold a key, or not for this algorithm.
            KeyServiceError: it is gone, was reset or is damaged; the next
                authentication opens it anew and learns its levels again.
        """
        with self._guard:
            try:
                self._open()
                self._select(card.algorithm)
                return tuple(self._proof(question, card) for question in questions)
            except KeyServiceError:
                self._forget()
                raise
            except KeyUnavailableError:
                raise
            except ReaderError as error:
                # Its own words would be about the holder's card or the other reader.
                self._forget()
                raise KeyServiceError(error.detail or error.code) from error

    def secure(self, command: SecuredCommand, card: CardContext) -> bytes:
        """Refuse: the public text does not say how a PSAM seals a card's command.

        It names key usages for MAC and encryption, but not the parameters of CIPHER
        DATA for them; a guess could lock a holder's card.
        """
        del card
        detail = f"{command.key.name}: no public description of a PSAM's MAC"
        raise KeyUnavailableError(detail)

    def close(self) -> None:
        """Power the PSAM down."""
        with self._guard:
            was_open = self._opened
            self._forget()
            if was_open:
                self._link.power_off()

    def _open(self) -> None:
        """Power the PSAM up and read who it is.

        Raises:
            KeyUnavailableError: the slot is empty.
            KeyServiceError: it does not answer, or is no PSAM.
        """
        if self._opened:
            return
        try:
            self._link.power_on()
            self._select(next(iter(self._applications)))
            raw = self._file(_TERMINAL_FILE)
        except KeyServiceError:
            raise
        except NoCardError as error:
            # The driver's -2201: without a PSAM the next provider is asked.
            detail = "there is no PSAM in its slot"
            raise KeyUnavailableError(detail) from error
        except ReaderError as error:
            raise KeyServiceError(error.detail or error.code) from error
        digits = raw[:_TERMINAL_BYTES].hex()
        if len(raw) < _TERMINAL_BYTES or not digits.isdigit():
            detail = "the PSAM's terminal number does not read"
            raise KeyServiceError(detail)
        self._terminal_no = digits
        self._opened = True

    def _forget(self) -> None:
        self._opened, self._selected = False, None
        self._levels.clear()

    def _select(self, algorithm: Algorithm) -> None:
        if algorithm is self._selected:
            return
        name = self._applications.get(algorithm)
        if name is None:
            detail = f"the PSAM has no application for {algorithm.name}"
            raise KeyUnavailableError(detail)
        _taken(
            exchange(self._link, apdu.select_name(name)), "SELECT of the application"
        )
        self._selected = algorithm

    def _file(self, fid: int) -> bytes:
        _taken(exchange(self._link, apdu.select_file(fid)), f"SELECT of {fid:04X}")
        return _taken(
            exchange(self._link, apdu.read_binary(0, 0)), f"READ of {fid:04X}"
        )

    def _proof(self, question: Question, card: CardContext) -> bytes:
        levels = self._levels_of(question.key, card.algorithm)
        self._deliver(question.key, card.factors[-levels:], question.process)
        proof = _taken(exchange(self._link, _cipher(question.source)), "CIPHER DATA")
        if len(proof) != _PROOF_BYTES:
            detail = f"CIPHER DATA gave {len(proof)} bytes"
            raise KeyServiceError(detail)
        return proof

    def _levels_of(self, key: Key, algorithm: Algorithm) -> int:
        """Return how many factors the PSAM wants for *key*; learnt once, then known.

        Raises:
            KeyUnavailableError: it does not hold the key.
        """
        place = (algorithm, key.psam_id)
        if place not in self._levels:
            self._levels[place] = self._probe(key)
        if not self._levels[place]:
            raise KeyUnavailableError(key.name)
        return self._levels[place]

    def _probe(self, key: Key) -> int:
        """Try one, two and three factors; 0: the key is not there.

        Raises:
            KeyUnavailableError: it says neither. That is not remembered: a PSAM that
                was reset unseen says so of every key, until it is opened anew.
        """
        if not key.psam_id:
            return 0
        for levels in range(1, _MOST_LEVELS + 1):
            command = _delivery(key, levels, bytes(8 * levels), bytes(8))
            answer = exchange(self._link, command)
            if answer.ok:
                return levels
            if answer.status == _NO_KEY:
                return 0
            if answer.status != _OTHER_LEVEL:
                self._forget()
                detail = f"{key.name}: the PSAM answered {answer.status:04X}"
                raise KeyUnavailableError(detail)
        return 0

    def _deliver(self, key: Key, factors: Sequence[bytes], process: bytes) -> None:
        """DELIVERY SESSION KEY with the factors of card, city and province."""
        joined = b"".join(reversed(factors))
        command = _delivery(key, len(factors), joined, process)
        _taken(exchange(self._link, command), "DELIVERY SESSION KEY")


def _taken(answer: Answer, doing: str) -> bytes:
    """Return what a 9000 carries; any other status is the PSAM's, never the card's."""
    if answer.ok:
        return answer.data
    detail = f"the PSAM's {doing} answered {answer.status:04X}"
    raise KeyServiceError(detail)


def _delivery(key: Key, levels: int, factors: bytes, process: bytes) -> bytes:
    data = factors + process
    usage = levels << 5 | key.usage
    return bytes((0xBF, 0xDE, usage, key.psam_id, len(data))) + data


def _cipher(source: bytes) -> bytes:
    return bytes((0x80, 0xFA, 0x00, 0x00, len(source))) + source
