"""The resident identity card (居民身份证), read through the ministry's SAM on a port.

The card is type B and answers to the ministry's module alone, so there are no APDUs
here: find, select, read, and a text of fixed places. The photo stays WLT bytes, which
only the ministry's library decodes, and is dropped for a credential.

Source: the SAM's serial protocol as printed by softs.im, yzsam.com and eastcoms.com.
Our reading: that the layouts of foreigners and of residents of HK, MO and TW carry
their type at byte 248, and the SAM's number as hex.
"""

from __future__ import annotations

import datetime as dt
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from reader.credential import CertificateType, Credential, Proof, ProofKind, Sex
from reader.errors import IdentityCardError
from reader.frames import IDENTITY_SAM
from reader.links.framed import FramedPort, Port, Question, Takes, Timing
from reader.person_number import read_person_number

_FIND, _SELECT, _READ, _SAM_ID = b"\x20\x01", b"\x20\x02", b"\x30\x01", b"\x12\xff"
_OK, _FOUND, _NOT_ACCEPTED, _NO_CARD = 0x90, 0x9F, 0x10, 0x80
_SW_BYTES = 3
_ATTEMPTS = 3
_TEXT_BYTES, _MOST_PHOTO_BYTES = 256, 1024
_TYPE_AT = slice(248, 250)
_OTHER_CARDS = {
    "I": "a foreigner's permanent residence card (外国人永久居留身份证)",
    "Y": "a foreigner's permanent residence card of 2023 (外国人永久居留身份证)",
    "J": "a residence permit of Hong Kong, Macao or Taiwan (港澳台居民居住证)",
}
_FOR_EVER = "长期"
_SEXES = {"1": Sex.MALE, "2": Sex.FEMALE}
_DATE_DIGITS = 8
#: Controls, half characters and what turns the writing direction; characters without
#: a name are allowed, since rare surnames are printed with private ones.
_NO_NAME = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True, repr=False)
class IdentityCard:
    """What the card says. Its repr tells nothing."""

    name: str
    sex: Sex
    nation: str  #: 民族, GB 3304 digits
    birth_date: dt.date
    address: str
    number: str
    issuer: str
    valid_from: dt.date
    valid_until: dt.date | None  #: None: 长期
    photo: bytes  #: WLT
    sam: str  #: the reading SAM's number, 32 hex digits


class IdentitySam:
    """The SAM on its port."""

    def __init__(
        self,
        port: Port,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._framed = FramedPort(port, IDENTITY_SAM, timing or Timing(), clock=clock)

    def number(self) -> str:
        """Ask the SAM for its own number (12 FF): 32 hex digits."""
        data = self._ask(_SAM_ID, _OK)
        if len(data) != 16:  # noqa: PLR2004 - the number's bytes
            detail = "the module's number is not 16 bytes"
            raise IdentityCardError(detail)
        return data.hex().upper()

    def read(self) -> tuple[bytes, bytes]:
        """Find, select and read the card that lies there: its text and its photo.

        Raises:
            IdentityCardError: no card, or it does not read.
            ReaderUnavailableError: the SAM is gone, silent or damaged on the way.
        """
        self._ask(_FIND, _FOUND)
        self._ask(_SELECT, _OK)
        data = self._ask(_READ, _OK)
        text_bytes = int.from_bytes(data[:2], "big")
        photo_bytes = int.from_bytes(data[2:4], "big")
        if (
            text_bytes != _TEXT_BYTES
            or photo_bytes > _MOST_PHOTO_BYTES
            or len(data) != 4 + text_bytes + photo_bytes
        ):
            detail = "an answer of another length"
            raise IdentityCardError(detail)
        return data[4 : 4 + _TEXT_BYTES], data[4 + _TEXT_BYTES :]

    def _ask(self, command: bytes, wanted: int) -> bytes:
        """Ask; a question the SAM did not understand on the way is asked again."""
        status = _NOT_ACCEPTED
        for _ in range(_ATTEMPTS):
            answer = self._framed.ask(Question(bytearray(command), Takes.CARD))
            if len(answer) < _SW_BYTES:
                detail = "an answer without a status"
                raise IdentityCardError(detail)
            status = answer[2]
            if status == wanted and not any(answer[:2]):
                return answer[_SW_BYTES:]
            if status != _NOT_ACCEPTED:
                break
        if status == _NO_CARD:
            detail = "no card lies on the reader"
            raise IdentityCardError(detail)
        detail = f"{command.hex()} answered {status:02X}"
        raise IdentityCardError(detail)


def read_identity(
    port: Port,
    timing: Timing | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> IdentityCard:
    """Read the card that lies on the SAM, and check what can be checked of it.

    Raises:
        IdentityCardError: no card, another kind of card, or it does not read.
        ReaderUnavailableError: the SAM is gone, silent or damaged on the way.
    """
    sam = IdentitySam(port, timing, clock)
    number = sam.number()
    text, photo = sam.read()
    return read_text(text, photo, number)


def read_identity_card(
    port: Port,
    now: Callable[[], dt.datetime],
    timing: Timing | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Credential:
    """Read the card into a credential; photo and address are dropped.

    Args:
        port: The SAM's port; the caller closes it.
        now: The clock that decides whether the card has expired.
        timing: How long the SAM may take; the documented times if not given.
        clock: Seconds that only go forward.

    Raises:
        IdentityCardError: no card, another kind of card, it does not read, or it is
            not valid on this day.
        ReaderUnavailableError: the SAM is gone, silent or damaged on the way.
    """
    card = read_identity(port, timing, clock=clock)
    at = now()
    if at.date() < card.valid_from:
        detail = "it is not valid yet"
        raise IdentityCardError(detail)
    if card.valid_until is not None and at.date() > card.valid_until:
        detail = "it has expired; the holder has it renewed"
        raise IdentityCardError(detail)
    until = card.valid_until.isoformat() if card.valid_until else _FOR_EVER
    return Credential(
        certificate=CertificateType.ID_CARD,
        number=card.number,
        card_serial="",
        person_cert_no=card.number,
        name=card.name,
        sex=card.sex,
        birth_date=card.birth_date,
        proof=Proof(
            ProofKind.SAM_READ,
            card.sam,
            (("at", at.isoformat()), ("valid_until", until)),
        ),
    )


def read_text(raw: bytes, photo: bytes = b"", sam: str = "") -> IdentityCard:
    """Read the 256 bytes of text.

    Raises:
        IdentityCardError: another kind of card, or a place that does not read; the
            place is named, never what stands in it.
    """
    kind = _text(raw[_TYPE_AT], "type")
    if kind:
        other = _OTHER_CARDS.get(kind, "a card of a kind this terminal does not know")
        detail = f"this is {other}; only resident identity cards are read here"
        raise IdentityCardError(detail)
    place = "number"
    number = _text(raw[122:158], place)
    try:
        said = read_person_number(number)
    except ValueError:
        raise _unreadable(place) from None
    sex = _SEXES.get(_text(raw[30:32], "sex"), Sex.UNSTATED)
    birth_date = _date(raw[36:52], "birth date")
    if birth_date != said.birth_date or sex not in {said.sex, Sex.UNSTATED}:
        detail = "number, sex and birth date disagree"
        raise IdentityCardError(detail)
    place = "name"
    name = _text(raw[:30], place)
    if not name:
        raise _unreadable(place)
    valid_from = _date(raw[188:204], "first day")
    until = raw[204:220]
    is_for_ever = _text(until, "last day") == _FOR_EVER
    return IdentityCard(
        name=name,
        sex=said.sex,
        nation=_text(raw[32:36], "nation"),
        birth_date=birth_date,
        address=_text(raw[52:122], "address"),
        number=number,
        issuer=_text(raw[158:188], "issuer"),
        valid_from=valid_from,
        valid_until=None if is_for_ever else _date(until, "last day"),
        photo=photo,
        sam=sam,
    )


def _text(raw: bytes, place: str) -> str:
    """Read UTF-16LE, blanks at the end dropped."""
    try:
        text = raw.decode("utf-16-le").rstrip(" \x00\u3000")
    except UnicodeDecodeError:
        # Not chained: the codec's error carries the bytes.
        raise _unreadable(place) from None
    if any(unicodedata.category(char) in _NO_NAME for char in text):
        raise _unreadable(place)
    return text


def _date(raw: bytes, place: str) -> dt.date:
    text = _text(raw, place)
    if len(text) != _DATE_DIGITS or not (text.isascii() and text.isdigit()):
        raise _unreadable(place)
    try:
        return dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise _unreadable(place) from None


def _unreadable(place: str) -> IdentityCardError:
    return IdentityCardError(f"{place}: bytes that no reading fits")
