"""Cards and terminals proving themselves to each other (part 5; part 9 §9.4)."""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from reader import apdu
from reader.apdu import exchange
from reader.credential import Evidence
from reader.errors import CardCounterfeitError, CardProtocolError, KeyRefusedError
from reader.keys import CardContext, KeyProvider
from reader.link import Link
from reader.profile import CardFile, Profile

CHALLENGE_BYTES = 8
PIN = "pin"
_GENUINE_KEY = "IRK"


@dataclass(frozen=True, slots=True)
class Prover:
    """The terminal's side of an authentication with one powered card."""

    link: Link
    keys: KeyProvider
    profile: Profile
    card: CardContext
    random_bytes: Callable[[int], bytes]

    def prove_card(self, *, at: dt.datetime, external: bool) -> Evidence:
        """Let the card prove itself over challenges that the terminal draws.

        Cards could draw them too, and some drivers let them; a replaying card would
        then choose its own question.

        Raises:
            KeyUnavailableError: nobody here can compute the answer; the card was
                not asked.
            CardCounterfeitError: the answer is another.
        """
        process = self.random_bytes(CHALLENGE_BYTES)
        source = self.random_bytes(CHALLENGE_BYTES)
        key = self.profile.keys[_GENUINE_KEY]
        wanted = self.keys.authenticate(key, self.card, process=process, source=source)
        command = apdu.internal_authenticate(process, source)
        answer = exchange(self.link, command).expect_ok("INTERNAL AUTHENTICATE")
        if not hmac.compare_digest(answer, wanted):
            raise CardCounterfeitError
        return Evidence(
            process=process.hex(),
            source=source.hex(),
            answer=answer.hex(),
            algorithm=self.card.algorithm.name,
            provider=self.keys.name,
            external=external,
            at=at,
        )

    def prove_terminal(self, name: str) -> None:
        """Prove to the card that the terminal holds the key *name*.

        Raises:
            KeyUnavailableError: it does not.
            KeyRefusedError: the card does not believe it.
        """
        answer = self._prove_once(name)
        if answer.status == apdu.NO_CHALLENGE:
            # The challenge was no longer the card's current one; once more, anew.
            answer = self._prove_once(name)
        if answer.ok:
            return
        if answer.tries_left is not None:
            raise KeyRefusedError(name)
        doing = f"EXTERNAL AUTHENTICATE {name}"
        raise apdu.meaning(doing, answer.status)

    def _prove_once(self, name: str) -> apdu.Answer:
        key = self.profile.keys[name]
        answer = exchange(self.link, apdu.get_challenge())
        challenge = answer.expect_ok("GET CHALLENGE")
        if len(challenge) != CHALLENGE_BYTES:
            doing = f"GET CHALLENGE with {len(challenge)} bytes"
            raise CardProtocolError(doing, answer.status)
        source = self.random_bytes(CHALLENGE_BYTES)
        proof = self.keys.authenticate(key, self.card, process=challenge, source=source)
        command = apdu.external_authenticate(key.card_id, proof, source)
        return exchange(self.link, command)


def keys_for(file: CardFile, *, pin_verified: bool) -> tuple[str, ...]:
    """Name the keys to prove before *file* reads: the fewest that will do.

    A file that asks for a PIN nobody has verified is left for the card to refuse.
    """
    held = {PIN} if pin_verified else set()
    missing = [sorted(condition - held) for condition in file.read]
    ways = sorted((len(names), tuple(names)) for names in missing if PIN not in names)
    return ways[0][1] if ways else ()
