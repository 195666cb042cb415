"""One card session: select, read, authenticate, verify, power down.

What matters is asked of the card itself, in APDUs, in the order of the transaction's
pre-processing (part 7 §5); the terminal draws its own challenges.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reader import apdu
from reader.apdu import Answer, exchange
from reader.credential import Credential
from reader.crypto import Algorithm
from reader.errors import (
    CardDataError,
    CardNotSocialError,
    CardRemovedError,
    CardSwappedError,
    PinBlockedError,
    PinFactoryError,
    PinLastTryError,
    PinNewFactoryError,
    ReaderError,
)
from reader.files import Values, decode, decode_fields, decode_whole
from reader.greeting import (
    algorithm_of,
    algorithm_unsaid,
    card_factor,
    historical_bytes,
)
from reader.keys import CardContext, KeyProvider
from reader.link import Link
from reader.listed import Acceptance
from reader.pin import (
    NO_PIN,
    PinChange,
    PinEntry,
    PinOutcome,
    PinStatus,
    TypedPin,
    check_pin,
    pin_block,
    query_pin,
    status_of,
    wipe,
)
from reader.profile import ENVIRONMENT, CardFile, Profile, Structure
from reader.proof import Prover, keys_for
from reader.reading import read_bytes, read_records, read_rows
from reader.recognition import (
    HOLDER_FILE,
    ISSUER_FILE,
    check_validity,
    credential_of,
    profile_for,
    region_of,
)

UNBLOCKING_KEY, SECURING_KEY = "PUK", "STKSSSE"
_LAST_TRY = 1


class CardSession:
    """A read, genuine card, powered up until ``close``."""

    def __init__(
        self,
        link: Link,
        prover: Prover,
        credential: Credential,
        pin_status: PinStatus,
    ) -> None:
        self._link = link
        self._prover = prover
        self._application = ENVIRONMENT
        self._pin_verified = False
        self.credential = credential
        self.pin_status = pin_status
        self._without_pin = pin_status.not_set

    @property
    def profile(self) -> Profile:
        """The profile that the card is read by."""
        return self._prover.profile

    @property
    def historical(self) -> str:
        """卡复位信息: the historical bytes of the answer to reset, hex."""
        return self._prover.card.historical

    def verify_pin(
        self, entry: PinEntry | bytearray, *, last_try_confirmed: bool = False
    ) -> PinOutcome:
        """Have a PIN entered and verified: one try at most; wiped always.

        The tries are asked for first. A card without a PIN is not shown one, since
        its holder's step is skipped (part 7 §5).

        Args:
            entry: How the PIN is entered; a bytearray of ASCII digits is one typed on
                the host's keyboard.
            last_try_confirmed: The holder knows that a wrong PIN would lock the card.

        Raises:
            PinFormatError: not 4 to 12 digits; no try was spent.
            PinBlockedError: no tries were left before this.
            PinLastTryError: one try is left and nobody confirmed it; none was spent.
            PinCancelledError, PinTimeoutError, PinPadError: no try was spent.
            PinFactoryError: right, but a PIN cards are issued with; not verified.
            CardRemovedError: the card is gone.
        """
        if isinstance(entry, bytearray):
            entry = TypedPin(entry)
        try:
            if entry.asks_card:
                self.pin_status = self._tries_now()
                if self.pin_status.blocked:
                    raise PinBlockedError
                if self.pin_status.not_set:
                    return self._verified()
                if self.pin_status.tries_left == _LAST_TRY and not last_try_confirmed:
                    raise PinLastTryError
            answer = entry.present(self._link)
        finally:
            entry.wipe()
        if answer.ok and entry.is_factory:
            raise PinFactoryError
        if answer.ok:
            if entry.asks_card:
                self.pin_status = self._status_after_success()
            return self._verified(of_card=entry.asks_card)
        self._pin_verified = False
        return self._failed(answer)

    def change_pin(
        self, change: PinChange, *, last_try_confirmed: bool = False
    ) -> PinOutcome:
        """Change the PIN: the old one is verified with it, one try at most.

        Args:
            change: How both PINs are entered.
            last_try_confirmed: The holder knows that a wrong PIN would lock the card.

        Raises:
            PinFormatError, PinRepeatError: no try was spent.
            PinNewFactoryError: the new PIN is one that cards are issued with.
            PinBlockedError: no tries are left.
            PinLastTryError: one try is left and nobody confirmed it; none was spent.
        """
        try:
            if change.is_factory:
                raise PinNewFactoryError
            self.pin_status = self._tries_now()
            if self.pin_status.blocked:
                raise PinBlockedError
            if self.pin_status.tries_left == _LAST_TRY and not last_try_confirmed:
                raise PinLastTryError
            answer = change.change(self._link)
        finally:
            change.wipe()
        if not answer.ok:
            return self._failed(answer)
        self.pin_status = self._status_after_success()
        return PinOutcome(
            verified=True, tries_left=self.pin_status.tries_left, blocked=False
        )

    def unblock_pin(self) -> PinStatus:
        """Set the tries back to the most; the PIN stays (part 5, PIN UNBLOCK).

        Raises:
            KeyUnavailableError: this terminal holds no PUK, as most do not.
            KeyRefusedError: the card does not believe it.
        """
        self._enter(self._file(ISSUER_FILE))
        self._prover.prove_terminal(UNBLOCKING_KEY)
        answer = self._prover.secure(SECURING_KEY, apdu.UNBLOCK_PIN, b"")
        answer.expect_ok("PIN UNBLOCK")
        self.pin_status = query_pin(self._link)
        return self.pin_status

    def reset_pin(self, new: bytearray) -> PinStatus:
        """Set a new PIN without the old one, and the tries back; *new* is wiped.

        Raises:
            PinFormatError: not 4 to 12 digits.
            KeyUnavailableError: this terminal holds no PUK, as most do not.
            KeyRefusedError: the card does not believe it.
        """
        block = bytearray()
        try:
            check_pin(new)
            block = pin_block(new)
            self._enter(self._file(ISSUER_FILE))
            self._prover.prove_terminal(UNBLOCKING_KEY)
            answer = self._prover.secure(SECURING_KEY, apdu.RESET_PIN, block)
        finally:
            wipe(new, block)
        answer.expect_ok("PIN RESET")
        self.pin_status = query_pin(self._link)
        return self.pin_status

    def still_same_card(self) -> None:
        """Prove that the card that was read is still the one in the slot.

        Raises:
            CardSwappedError: 识别码 or 卡号 differ.
            CardRemovedError: the card is gone, or was powered up anew.
        """
        found = self._decoded(self._file(ISSUER_FILE))
        mine = (self.credential.card_serial, self.credential.number)
        if (found["card_serial"], found["card_no"]) != mine:
            raise CardSwappedError

    def read_file(self, name: str) -> Values:
        """Read another file of records, such as DF04EF05 (医疗保险基本信息).

        The terminal proves the keys the file asks for, if no verified PIN opens it.

        Returns:
            Element names and their texts; dates as YYYY-MM-DD, empties as "".

        Raises:
            CardDataError: the card lacks the file, or it does not read.
            KeyUnavailableError: no provider holds the key.
            KeyRefusedError: the card wants a key or a PIN that it was not given.
        """
        return self._decoded(self._opened(name, Structure.RECORDS))

    def read_log(self, name: str) -> tuple[Values, ...]:
        """Read a cyclic file, such as DF04EF08 (医疗交易明细), the newest first.

        Raises:
            CardDataError, KeyUnavailableError, KeyRefusedError: as ``read_file``.
        """
        file = self._opened(name, Structure.CYCLIC)
        return tuple(decode_fields(file, raw) for raw in read_rows(self._link, file))

    def read_binary(self, name: str) -> bytes:
        """Read a transparent file, such as SSSEEF08 (照片), without its padding.

        Raises:
            CardDataError, KeyUnavailableError, KeyRefusedError: as ``read_file``.
        """
        file = self._opened(name, Structure.TRANSPARENT)
        return decode_whole(file, read_bytes(self._link, file))

    def close(self) -> None:
        """Power the card down: the verified PIN must not outlive the session."""
        self._link.power_off()

    def _verified(self, *, of_card: bool = True) -> PinOutcome:
        # What the centre verified opens none of the card's files.
        self._pin_verified = of_card
        return PinOutcome(
            verified=True, tries_left=self.pin_status.tries_left, blocked=False
        )

    def _failed(self, answer: Answer) -> PinOutcome:
        self.pin_status = status_of(answer, when_ok=NO_PIN)
        return PinOutcome(
            verified=False,
            tries_left=self.pin_status.tries_left,
            blocked=self.pin_status.blocked,
        )

    def _status_after_success(self) -> PinStatus:
        """Ask for the tries once more: success has put them back to the most."""
        try:
            return self._tries_now()
        except CardRemovedError:
            # The holder was quick; what follows will notice that the card is gone.
            return self.pin_status

    def _tries_now(self) -> PinStatus:
        """Ask for the tries left.

        A card without a PIN says so when it has just got its power. One that says it
        later has had its PIN verified: whoever enters one now is asked all the same.
        """
        now = query_pin(self._link)
        return self.pin_status if now.not_set and not self._without_pin else now

    def _file(self, name: str) -> CardFile:
        file = self.profile.files.get(name)
        if file is None:
            raise CardDataError(name, "", "is not in this card's profile")
        return file

    def _opened(self, name: str, structure: Structure) -> CardFile:
        """Enter a file's application and prove what the file asks for."""
        file = self._file(name)
        if file.structure is not structure:
            msg = f"{name} is {file.structure}, not {structure}"
            raise AssertionError(msg)
        self._enter(file)
        for key in keys_for(file, pin_verified=self._pin_verified):
            self._prover.prove_terminal(key)
        return file

    def _enter(self, file: CardFile) -> None:
        """SELECT the file's application if another one is current."""
        if file.application == self._application:
            return
        name = self.profile.name_of(file.application)
        answer = exchange(self._link, apdu.select_name(name))
        if answer.status == apdu.NOT_FOUND:
            raise CardDataError(file.name, "", "is not on this card")
        answer.expect_ok(f"SELECT {file.application}")
        self._application = file.application

    def _decoded(self, file: CardFile) -> Values:
        self._enter(file)
        return decode(file, read_records(self._link, file))


def read_card(  # noqa: PLR0913 - what a terminal reads cards with
    link: Link,
    profiles: Sequence[Profile],
    keys: KeyProvider,
    *,
    random_bytes: Callable[[int], bytes],
    now: Callable[[], dt.datetime],
    acceptance: Acceptance | None = None,
) -> CardSession:
    """Power the card up, prove it genuine, read its holder, ask for the tries.

    Args:
        link: The slot.
        profiles: What this terminal knows, the most particular first.
        keys: Who computes authentication data.
        random_bytes: Draws the terminal's own challenges.
        now: The clock that decides whether a card has expired.
        acceptance: What the site takes of genuine cards; None: every one.

    Raises:
        ReaderError: the card is powered down again and its session never began.
    """
    begin = _Beginning(link, profiles, keys, random_bytes, acceptance or Acceptance())
    session = None
    try:
        session = begin.session(link.power_on(), now())
    finally:
        if session is None:
            _power_off_quietly(link)
    return session


def _power_off_quietly(link: Link) -> None:
    """Power down after an error that is already on its way to the counter."""
    try:
        link.power_off()
    except ReaderError:
        # The card or the reader is gone, so there is nothing left to power down.
        return


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What a terminal reads cards with, and the steps up to a session."""

    link: Link
    profiles: Sequence[Profile]
    keys: KeyProvider
    random_bytes: Callable[[int], bytes]
    acceptance: Acceptance

    def session(self, atr: bytes, at: dt.datetime) -> CardSession:
        factor = card_factor(atr)
        first = self.profiles[0]
        said = _select_environment(self.link, first.environment)
        records = read_records(self.link, first.files[ISSUER_FILE])
        profile = profile_for(records, self.profiles)
        issuer = decode(profile.files[ISSUER_FILE], records)
        self.acceptance.check(issuer)
        check_validity(issuer, at.date())
        region = region_of(issuer["card_serial"])
        context = CardContext(
            said or algorithm_unsaid(issuer["card_serial"]),
            profile.factors(region, factor),
            region=region,
            card_serial=issuer["card_serial"],
            historical=historical_bytes(atr).hex().upper(),
        )
        prover = Prover(self.link, self.keys, profile, context, self.random_bytes)
        return self._prove(prover, issuer, at)

    def _prove(
        self, prover: Prover, issuer: Mapping[str, str], at: dt.datetime
    ) -> CardSession:
        profile = prover.profile
        file = profile.files[HOLDER_FILE]
        needed = keys_for(file, pin_verified=False)
        evidence = prover.prove_both(needed[0] if needed else "", at=at)
        for name in needed[1:]:
            prover.prove_terminal(name)
        holder = decode(file, read_records(self.link, file))
        who = credential_of(issuer, holder, profile, prover.card.algorithm, evidence)
        return CardSession(self.link, prover, who, query_pin(self.link))


def _select_environment(link: Link, name: bytes) -> Algorithm | None:
    """SELECT the SSSE by name; return the algorithm its FCI names, if any."""
    answer = exchange(link, apdu.select_name(name))
    if answer.status == apdu.NOT_FOUND:
        raise CardNotSocialError
    return algorithm_of(answer.expect_ok("SELECT SSSE"))
