"""One card session: select, read, authenticate, verify, power down.

What matters is asked of the card itself, in APDUs, in the order of the transaction's
pre-processing (part 7 §5); the terminal draws its own challenges.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reader import apdu
from reader.apdu import exchange
from reader.codec import card_no_check
from reader.credential import Credential, Evidence, Sex
from reader.crypto import Algorithm
from reader.errors import (
    CardCounterfeitError,
    CardDataError,
    CardExpiredError,
    CardNotSocialError,
    CardNotSupportedError,
    CardRemovedError,
    CardSwappedError,
    KeyRefusedError,
    PinBlockedError,
    PinFormatError,
    ReaderError,
)
from reader.files import decode, split_records
from reader.keys import CardContext, KeyProvider
from reader.link import Link
from reader.profile import CardFile, Profile

CARD_FACTOR_BYTES = 8
CHALLENGE_BYTES = 8
SHORTEST_PIN, LONGEST_PIN = 4, 12
_ASCII_DIGITS = frozenset(b"0123456789")
_SEX = {"1": Sex.MALE, "2": Sex.FEMALE, "9": Sex.UNSTATED}
_SERIAL_REGION = 6


@dataclass(frozen=True, slots=True)
class PinStatus:
    """What the card says of its PIN, asked without spending a try."""

    tries_left: int | None
    not_set: bool
    blocked: bool


@dataclass(frozen=True, slots=True)
class PinOutcome:
    """What one VERIFY came to."""

    verified: bool
    tries_left: int | None
    blocked: bool


class CardSession:
    """A read, genuine card, powered up until ``close``."""

    def __init__(
        self,
        link: Link,
        profile: Profile,
        credential: Credential,
        pin_status: PinStatus,
    ) -> None:
        self._link = link
        self._profile = profile
        self.credential = credential
        self.pin_status = pin_status

    def verify_pin(self, pin: bytearray) -> PinOutcome:
        """Present *pin* (ASCII digits) to the card: one try at most; wiped always.

        Raises:
            PinFormatError: not 4 to 12 digits; no try was spent.
            PinBlockedError: no tries were left before this.
            CardRemovedError: the card is gone.
        """
        block = bytearray()
        command = bytearray()
        try:
            _check_pin(pin)
            before = query_pin(self._link)
            if before.blocked:
                raise PinBlockedError
            block = _bcd(pin)
            command = apdu.verify(block)
            answer = exchange(self._link, command)
        finally:
            for secret in (pin, block, command):
                secret[:] = bytes(len(secret))
        if answer.ok:
            self.pin_status = PinStatus(before.tries_left, not_set=False, blocked=False)
            return PinOutcome(
                verified=True,
                tries_left=query_after(self._link, before),
                blocked=False,
            )
        left = answer.tries_left
        if left is None and answer.status != apdu.METHOD_BLOCKED:
            doing = "VERIFY"
            raise apdu.meaning(doing, answer.status)
        left = left or 0
        self.pin_status = PinStatus(left, not_set=False, blocked=left == 0)
        return PinOutcome(verified=False, tries_left=left, blocked=left == 0)

    def still_same_card(self) -> None:
        """Prove that the card that was read is still the one in the slot.

        Raises:
            CardSwappedError: 识别码 or 卡号 differ.
            CardRemovedError: the card is gone, or was powered up anew.
        """
        issuer = self._profile.files["SSSEEF05"]
        found = _read_file(self._link, issuer)
        mine = (self.credential.card_serial, self.credential.number)
        if (found["card_serial"], found["card_no"]) != mine:
            raise CardSwappedError

    def close(self) -> None:
        """Power the card down: the verified PIN must not outlive the session."""
        self._link.power_off()


def read_card(
    link: Link,
    profiles: Sequence[Profile],
    keys: KeyProvider,
    *,
    random_bytes: Callable[[int], bytes],
    now: Callable[[], dt.datetime],
) -> CardSession:
    """Power the card up, prove it genuine, read its holder, ask for the tries.

    Args:
        link: The slot.
        profiles: The generations this terminal knows.
        keys: Who computes authentication data.
        random_bytes: Draws the terminal's own challenges.
        now: The clock that decides whether a card has expired.

    Raises:
        ReaderError: the card is powered down again and its session never began.
    """
    atr = link.power_on()
    try:
        return _begin(link, atr, profiles, keys, random_bytes, now)
    except ReaderError:
        _power_off_quietly(link)
        raise


def _power_off_quietly(link: Link) -> None:
    """Power down after an error that is already on its way to the counter."""
    try:
        link.power_off()
    except ReaderError:
        # The card or the reader is gone, so there is nothing left to power down.
        return


def _begin(  # noqa: PLR0913, PLR0917 - the parts of a session, passed on as they came
    link: Link,
    atr: bytes,
    profiles: Sequence[Profile],
    keys: KeyProvider,
    random_bytes: Callable[[int], bytes],
    now: Callable[[], dt.datetime],
) -> CardSession:
    algorithm = _select_environment(link, profiles[0])
    issuer = _read_file(link, profiles[0].files["SSSEEF05"])
    profile = _profile_for(issuer["spec_version"], profiles)
    _check_validity(issuer, now().date())
    context = CardContext(
        algorithm or Algorithm(profile.default_algorithm),
        profile.factors(issuer["card_serial"][:_SERIAL_REGION], card_factor(atr)),
    )
    evidence = _authenticate(link, profile, keys, context, random_bytes, now())
    holder = _read_file(link, profile.files["SSSEEF06"])
    status = query_pin(link)
    return CardSession(
        link, profile, _credential(issuer, holder, context.algorithm, evidence), status
    )


def _select_environment(link: Link, profile: Profile) -> Algorithm | None:
    """SELECT the SSSE by name; return the algorithm its FCI names, if any."""
    answer = exchange(link, apdu.select_name(profile.environment))
    if answer.status == apdu.NOT_FOUND:
        raise CardNotSocialError
    fci = answer.expect_ok("SELECT SSSE")
    return algorithm_of(fci)


def algorithm_of(fci: bytes) -> Algorithm | None:
    """Read the algorithm out of an FCI: 6F / A5 / 9F0C / 86.

    Raises:
        CardNotSupportedError: an algorithm nobody knows.
    """
    value = _tlv(_tlv(_tlv(_tlv(fci, 0x6F), 0xA5), 0x9F0C), 0x86)
    if not value:
        return None
    try:
        return Algorithm(value[0])
    except ValueError as error:
        detail = f"algorithm {value[0]:02X}"
        raise CardNotSupportedError(detail) from error


def _tlv(raw: bytes, wanted: int) -> bytes:
    """Return the value of one tag of a BER-TLV string; empty if it is not there."""
    place = 0
    while place + 1 < len(raw):
        tag = raw[place]
        place += 1
        if tag & 0x1F == 0x1F:  # noqa: PLR2004 - the tag has a second byte
            tag = tag << 8 | raw[place]
            place += 1
        if place >= len(raw):
            return b""
        length = raw[place]
        value = raw[place + 1 : place + 1 + length]
        if tag == wanted:
            return value
        place += 1 + length
    return b""


def card_factor(atr: bytes) -> bytes:
    """Return the card's diversification factor: the last 8 historical bytes.

    Raises:
        CardNotSupportedError: the answer to reset has no 8 historical bytes.
    """
    place, flags = 2, atr[1] >> 4 if len(atr) > 1 else 0
    while flags:
        interface = flags.bit_count()
        following = atr[place + interface - 1] if flags & 0x8 else 0
        place += interface
        flags = following >> 4
    count = atr[1] & 0x0F if len(atr) > 1 else 0
    historical = atr[place : place + count]
    if len(historical) < CARD_FACTOR_BYTES:
        detail = "no card factor in the answer to reset"
        raise CardNotSupportedError(detail)
    return historical[-CARD_FACTOR_BYTES:]


def _read_file(link: Link, file: CardFile) -> dict[str, str]:
    """Read a file at once, or record by record where the card knows no other way."""
    exchange(link, apdu.select_file(file.fid)).expect_ok(f"SELECT {file.name}")
    answer = exchange(link, apdu.read_all(file.length))
    if answer.ok:
        return decode(file, split_records(file.name, answer.data))
    if answer.status not in apdu.NO_FAST_READ:
        answer.expect_ok(f"READ {file.name}")
    records: dict[int, bytes] = {}
    for element in file.elements:
        one = exchange(link, apdu.read_tag(element.tag, element.width + 2))
        if one.status == apdu.RECORD_NOT_FOUND:
            continue
        records |= split_records(file.name, one.expect_ok(f"READ {file.name}"))
    return decode(file, records)


def _profile_for(spec_version: str, profiles: Sequence[Profile]) -> Profile:
    for profile in profiles:
        if spec_version.startswith(profile.spec_prefix):
            return profile
    detail = "no profile for its version"
    raise CardNotSupportedError(detail)


def _check_validity(issuer: Mapping[str, str], today: dt.date) -> None:
    number = issuer["card_no"]
    try:
        wanted = card_no_check(number[:-1])
    except ValueError as error:
        file = "SSSEEF05"
        raise CardDataError(file, "card_no", "is not a card number") from error
    if number[-1:] != wanted:
        file = "SSSEEF05"
        raise CardDataError(file, "card_no", "has a wrong check character")
    if dt.date.fromisoformat(issuer["valid_until"]) < today:
        raise CardExpiredError


def _authenticate(  # noqa: PLR0913, PLR0917 - both directions need all of these
    link: Link,
    profile: Profile,
    keys: KeyProvider,
    context: CardContext,
    random_bytes: Callable[[int], bytes],
    at: dt.datetime,
) -> Evidence:
    """Let the card prove itself, and where its generation asks, prove ourselves."""
    process, source = random_bytes(CHALLENGE_BYTES), random_bytes(CHALLENGE_BYTES)
    command = apdu.internal_authenticate(process, source)
    answer = exchange(link, command).expect_ok("INTERNAL AUTHENTICATE")
    wanted = keys.authenticate(
        profile.keys["IRK"], context, process=process, source=source
    )
    if not hmac.compare_digest(answer, wanted):
        raise CardCounterfeitError
    needed = _key_for(profile.files["SSSEEF06"])
    if needed:
        _prove_terminal(link, profile, keys, context, needed, random_bytes)
    return Evidence(
        process=process.hex(),
        source=source.hex(),
        answer=answer.hex(),
        algorithm=context.algorithm.name,
        provider=keys.name,
        external=bool(needed),
        at=at,
    )


def _key_for(file: CardFile) -> str:
    """Name the key whose holder may read *file*; empty if it reads freely."""
    for conditions in file.read:
        keys = [name for name in conditions if name != "pin"]
        if len(keys) == len(conditions) == 1:
            return keys[0]
    return ""


def _prove_terminal(  # noqa: PLR0913, PLR0917 - as above
    link: Link,
    profile: Profile,
    keys: KeyProvider,
    context: CardContext,
    name: str,
    random_bytes: Callable[[int], bytes],
) -> None:
    key = profile.keys[name]

    def once() -> apdu.Answer:
        challenge = exchange(link, apdu.get_challenge()).expect_ok("GET CHALLENGE")
        source = random_bytes(CHALLENGE_BYTES)
        proof = keys.authenticate(key, context, process=challenge, source=source)
        return exchange(link, apdu.external_authenticate(key.card_id, proof, source))

    answer = once()
    if answer.status == apdu.NO_CHALLENGE:
        # The challenge was no longer current; that much is done once more.
        answer = once()
    if answer.ok:
        return
    if answer.tries_left is not None:
        raise KeyRefusedError(name)
    doing = "EXTERNAL AUTHENTICATE"
    raise apdu.meaning(doing, answer.status)


def query_pin(link: Link) -> PinStatus:
    """Ask for the tries left (VERIFY with Lc 00); spends none."""
    answer = exchange(link, apdu.query_pin())
    if answer.ok:
        return PinStatus(None, not_set=True, blocked=False)
    if answer.status == apdu.METHOD_BLOCKED:
        return PinStatus(0, not_set=False, blocked=True)
    left = answer.tries_left
    if left is None:
        doing = "VERIFY"
        raise apdu.meaning(doing, answer.status)
    return PinStatus(left, not_set=False, blocked=left == 0)


def query_after(link: Link, before: PinStatus) -> int | None:
    """Ask for the tries once more: success has put them back to the most."""
    try:
        after = query_pin(link)
    except CardRemovedError:
        return before.tries_left
    return after.tries_left


def _check_pin(pin: bytearray) -> None:
    is_long_enough = SHORTEST_PIN <= len(pin) <= LONGEST_PIN
    if not is_long_enough or any(byte not in _ASCII_DIGITS for byte in pin):
        raise PinFormatError


def _bcd(pin: bytearray) -> bytearray:
    """Pack ASCII digits left-justified, an odd one padded with F."""
    nibbles = bytearray(byte & 0x0F for byte in pin)
    if len(nibbles) % 2:
        nibbles.append(0x0F)
    packed = bytearray(
        nibbles[i] << 4 | nibbles[i + 1] for i in range(0, len(nibbles), 2)
    )
    nibbles[:] = bytes(len(nibbles))
    return packed


def _credential(
    issuer: Mapping[str, str],
    holder: Mapping[str, str],
    algorithm: Algorithm,
    evidence: Evidence,
) -> Credential:
    return Credential(
        number=issuer["card_no"],
        card_serial=issuer["card_serial"],
        person_cert_no=holder["person_cert_no"],
        name=holder["name"] + holder["name_more"],
        sex=_SEX.get(holder["sex"], Sex.UNSTATED),
        nation=holder["nation"],
        birth_date=dt.date.fromisoformat(holder["birth_date"]),
        spec_version=issuer["spec_version"],
        algorithm=algorithm,
        issuing_region=issuer["card_serial"][:_SERIAL_REGION],
        issued_on=dt.date.fromisoformat(issuer["issued_on"]),
        valid_until=dt.date.fromisoformat(issuer["valid_until"]),
        evidence=evidence,
    )
