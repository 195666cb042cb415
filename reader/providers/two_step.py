"""Card keys behind the centre: Step1 goes there, an answer comes, Step2 uses it.

The strings are those of the driver interface for the HSM (加密机) way, so that a key
service that serves drivers serves this terminal too. Where those of a single key name
no card, 应用城市代码 and 卡复位信息 follow, as 终端机编号 follows a basic read's. What
comes back is checked whole before a byte of it reaches a card.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from reader.crypto import Algorithm
from reader.errors import KeyServiceError, KeyUnavailableError
from reader.keys import CardContext, Question, SecuredCommand
from reader.profile import GENUINE_KEY, Key

#: RKSSSE is the only key whose proof a basic read carries along.
READING_KEY = "RKSSSE"
_PAIR = re.compile(r"[0-9A-F]{32}")
_LONGEST = 256
Exchange = Callable[[str], str]


class CentreKeys:
    """A KeyProvider over an exchange of strings with the centre's key service."""

    name = "centre"

    def __init__(
        self, exchange: Exchange, addresses: Mapping[str, str], terminal_no: str
    ) -> None:
        """Take the way to the service.

        Args:
            exchange: Sends a Step1 string and returns the answer, within a deadline;
                raises KeyServiceError.
            addresses: 密钥地址 of keys asked for by themselves, by name; the site's.
            terminal_no: 终端机编号, which the service wants behind Step1.
        """
        self._exchange = exchange
        self._addresses = addresses
        self._terminal_no = terminal_no

    def answer(
        self, questions: Sequence[Question], card: CardContext
    ) -> tuple[bytes, ...]:
        """Ask for both proofs of a basic read at once, for any other key by itself.

        Raises:
            KeyServiceError: the answer does not belong to the question.
            KeyUnavailableError: no address is set up for a key.
        """
        if questions[0].key.name == GENUINE_KEY:
            return self._basic(questions, card)
        return tuple(self._single(question, card) for question in questions)

    def secure(self, command: SecuredCommand, card: CardContext) -> bytes:
        """Have a command encrypted and sealed: the third step of a PIN reset.

        The service answers with the whole command, as the driver's Step3 takes it: 34
        characters for DES and 50 for the others, 18 without data. Its first ten must
        be those that were asked about.

        The new PIN travels to the service; a site that does not want that unblocks
        with a PUK elsewhere.
        """
        wide = card.algorithm is not Algorithm.TDES
        length = 4 + (16 if wide else 8) * bool(command.data)
        opening = f"{command.header.hex().upper()}{length:02X}"
        process, data = command.process.hex().upper(), command.data.hex().upper()
        asked = (
            f"{int(card.algorithm):02d}|{self._address(command.key)}|{process}"
            f"|{opening}|{data}|{card.region}|{card.historical}|"
        )
        said = self._said(asked).rstrip("|")
        if re.fullmatch(rf"{opening}[0-9A-F]{{{2 * length}}}", said) is None:
            raise _unfit()
        return bytes.fromhex(said.removeprefix(opening))

    def _basic(
        self, questions: Sequence[Question], card: CardContext
    ) -> tuple[bytes, ...]:
        """Ask with the nine fields of Step1 (iReadCardBas_HSM)."""
        outer = questions[1] if len(questions) > 1 else None
        if outer is not None and outer.key.name != READING_KEY:
            detail = f"{outer.key.name} is not asked for with a basic read"
            raise KeyUnavailableError(detail)
        fields = [
            card.region,
            card.historical,
            f"{int(card.algorithm):02d}",
            card.card_serial,
            *_hex_of(questions[0]),
            *(_hex_of(outer) if outer is not None else ("", "")),
            self._terminal_no,
        ]
        parts = self._said("|".join(fields) + "|").split("|")
        wanted = [question for question in (questions[0], outer) if question]
        given = [part for part in parts if part]
        if len(given) != len(wanted):
            raise _unfit()
        return tuple(
            _proof(part, question) for part, question in zip(given, wanted, strict=True)
        )

    def _single(self, question: Question, card: CardContext) -> bytes:
        """Ask for one key by its address (iReadCard_HSM)."""
        process, source = _hex_of(question)
        asked = (
            f"{int(card.algorithm):02d}|{self._address(question.key)}"
            f"|{process}|{source}|{card.region}|{card.historical}|"
        )
        return _proof(self._said(asked).rstrip("|"), question)

    def _address(self, key: Key) -> str:
        address = self._addresses.get(key.name)
        if address is None:
            detail = f"{key.name} has no address at the key service"
            raise KeyUnavailableError(detail)
        return address

    def _said(self, asked: str) -> str:
        said = self._exchange(asked).strip().upper()
        if len(said) > _LONGEST:
            raise _unfit()
        return said


def _hex_of(question: Question) -> tuple[str, str]:
    return question.process.hex().upper(), question.source.hex().upper()


def _proof(said: str, question: Question) -> bytes:
    """Take the proof out of ``proof source`` if the source is the one asked about."""
    if _PAIR.fullmatch(said) is None or bytes.fromhex(said[16:]) != question.source:
        raise _unfit()
    return bytes.fromhex(said[:16])


def _unfit() -> KeyServiceError:
    return KeyServiceError("the answer does not belong to the question")
