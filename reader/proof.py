"""Cards and terminals proving themselves to each other (part 5; part 9 §9.4)."""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from reader import apdu
from reader.apdu import Answer, exchange
from reader.credential import Evidence
from reader.errors import (
    CardCounterfeitError,
    CardProtocolError,
    CardRemovedError,
    CardResetError,
    KeyRefusedError,
    ReaderError,
)
from reader.keys import CardContext, KeyProvider, Question, SecuredCommand
from reader.link import Link
from reader.profile import GENUINE_KEY, PIN, CardFile, Key, Profile

CHALLENGE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Prover:
    """The terminal's side of an authentication with one powered card."""

    link: Link
    keys: KeyProvider
    profile: Profile
    card: CardContext
    random_bytes: Callable[[int], bytes]

    def prove_both(self, external: str, *, at: dt.datetime) -> Evidence:
        """Let the card prove itself, then prove the terminal to it if it asks.

        Both questions go to the provider at once: a key service answers them in one
        exchange while the card waits, its challenge being the last it was asked for.

        Args:
            external: The key that the terminal proves; empty: the card asks for none.
            at: The time for the evidence.

        Raises:
            KeyUnavailableError: nobody here holds the keys.
            CardCounterfeitError: the card's answer is another.
            KeyRefusedError: the card does not believe the terminal.
            CardResetError: the card lost its power meanwhile; nothing is repeated.
        """
        with _Unbroken():
            return self._prove_both(external, at)

    def prove_terminal(self, name: str) -> None:
        """Prove to the card that the terminal holds the key *name*.

        Raises:
            KeyUnavailableError: it does not.
            KeyRefusedError: the card does not believe it.
            CardResetError: the card lost its power meanwhile; nothing is repeated.
        """
        with _Unbroken():
            self._insist(name, self._prove_once(name))

    def secure(self, name: str, header: bytes, data: bytes | bytearray) -> Answer:
        """Send one secured command under the key *name* and a fresh challenge.

        Raises:
            KeyUnavailableError: no provider secures commands with that key.
            CardResetError: the card lost its power meanwhile; nothing is repeated.
        """
        with _Unbroken():
            key, challenge = self.profile.keys[name], self._challenge()
            command = SecuredCommand(key, challenge, header, data)
            body = self.keys.secure(command, self.card)
            return exchange(self.link, apdu.secured(header, body))

    def _prove_both(self, external: str, at: dt.datetime) -> Evidence:
        draw = self._challenge if self.profile.card_draws_challenges else self._random
        source, process = draw(), draw()
        command = apdu.internal_authenticate(process, source)
        said = exchange(self.link, command).expect_ok("INTERNAL AUTHENTICATE")
        questions = [Question(self.profile.keys[GENUINE_KEY], process, source)]
        key = self.profile.keys[external] if external else None
        mine = self._random()
        if key is not None:
            questions.append(Question(key, self._challenge(), mine))
        answers = self.keys.answer(questions, self.card)
        if not hmac.compare_digest(said, answers[0]):
            raise CardCounterfeitError
        if key is not None:
            self._insist(external, self._show(key, answers[1], mine))
        return Evidence(
            process=process.hex(),
            source=source.hex(),
            answer=said.hex(),
            algorithm=self.card.algorithm.name,
            provider=self.keys.name,
            external=bool(external),
            at=at,
            drawn_by="card" if self.profile.card_draws_challenges else "terminal",
        )

    def _insist(self, name: str, answer: Answer) -> None:
        """Read what the card said to a proof; one late challenge is drawn anew."""
        if answer.status == apdu.NO_CHALLENGE:
            # The challenge was no longer the card's current one; once more, anew.
            answer = self._prove_once(name)
        if answer.ok:
            return
        if answer.tries_left is not None:
            raise KeyRefusedError(name)
        doing = f"EXTERNAL AUTHENTICATE {name}"
        raise apdu.meaning(doing, answer.status)

    def _prove_once(self, name: str) -> Answer:
        key = self.profile.keys[name]
        source = self._random()
        question = Question(key, self._challenge(), source)
        (proof,) = self.keys.answer([question], self.card)
        return self._show(key, proof, source)

    def _show(self, key: Key, proof: bytes, source: bytes) -> Answer:
        command = apdu.external_authenticate(key.card_id, proof, source)
        return exchange(self.link, command)

    def _random(self) -> bytes:
        return self.random_bytes(CHALLENGE_BYTES)

    def _challenge(self) -> bytes:
        """Ask the card for a challenge; it is good for the very next proof only."""
        answer = exchange(self.link, apdu.get_challenge())
        challenge = answer.expect_ok("GET CHALLENGE")
        if len(challenge) != CHALLENGE_BYTES:
            doing = f"GET CHALLENGE with {len(challenge)} bytes"
            raise CardProtocolError(doing, answer.status)
        return challenge


class _Unbroken:
    """A step that a loss of power ends for good: nothing in it is done again."""

    def __enter__(self) -> None:
        """Begin the step."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        """Say of a card that went away inside the step that it was reset there."""
        if kind is CardRemovedError and isinstance(error, ReaderError):
            raise CardResetError(error.detail) from error


def keys_for(file: CardFile, *, pin_verified: bool) -> tuple[str, ...]:
    """Name the keys to prove before *file* reads: the fewest that will do.

    A file that asks for a PIN nobody has verified is left for the card to refuse.
    """
    held = {PIN} if pin_verified else set()
    missing = [sorted(condition - held) for condition in file.read]
    ways = sorted((len(names), tuple(names)) for names in missing if PIN not in names)
    return ways[0][1] if ways else ()
