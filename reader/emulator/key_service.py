"""The centre's key service: an HSM that answers the driver's Step1 strings."""

from __future__ import annotations

from collections.abc import Mapping

from reader.crypto import Algorithm
from reader.keys import TEST_ROOT, CardContext, Question, SecuredCommand, TestKeys
from reader.profile import GENUINE_KEY, Key, Profile
from reader.providers.two_step import READING_KEY


class KeyService:
    """Answers Step1 strings under a root; it knows keys by the site's addresses."""

    def __init__(
        self,
        profile: Profile,
        addresses: Mapping[str, str],
        *,
        root: bytes = TEST_ROOT,
    ) -> None:
        """Take what it holds.

        Args:
            profile: Its keys, and how its cities' factors are made.
            addresses: Key names to the addresses they are asked for by.
            root: The national root of every key.
        """
        self._profile = profile
        self._keys = TestKeys(root)
        self._named = {address: name for name, address in addresses.items()}

    def answer(self, asked: str) -> str:
        """Answer one string.

        Raises:
            ValueError: it is no Step1 string, or asks for what is not here.
        """
        fields = asked.split("|")[:-1]
        work = {9: self._basic, 6: self._single, 7: self._secured}.get(len(fields))
        if work is None:
            msg = f"a string of {len(fields)} fields"
            raise ValueError(msg)
        return work(fields)

    def _basic(self, fields: list[str]) -> str:
        region, historical, algorithm, _serial, *challenges = fields[:8]
        card = self._card(region, historical, algorithm)
        said = self._pair(self._profile.keys[GENUINE_KEY], card, *challenges[:2])
        if challenges[2]:
            key = self._profile.keys[READING_KEY]
            said += self._pair(key, card, *challenges[2:])
        return said

    def _single(self, fields: list[str]) -> str:
        algorithm, address, process, source, region, historical = fields
        card = self._card(region, historical, algorithm)
        return self._pair(self._key(address), card, process, source)

    def _secured(self, fields: list[str]) -> str:
        algorithm, address, process, header, data, region, historical = fields
        command = SecuredCommand(
            self._key(address),
            bytes.fromhex(process),
            bytes.fromhex(header)[:4],
            bytes.fromhex(data),
        )
        body = self._keys.secure(command, self._card(region, historical, algorithm))
        return f"{header}{body.hex().upper()}|"

    def _card(self, region: str, historical: str, algorithm: str) -> CardContext:
        factors = self._profile.factors(region, bytes.fromhex(historical)[-8:])
        return CardContext(Algorithm(int(algorithm)), factors)

    def _key(self, address: str) -> Key:
        if address not in self._named:
            msg = "no key at that address"
            raise ValueError(msg)
        return self._profile.keys[self._named[address]]

    def _pair(self, key: Key, card: CardContext, process: str, source: str) -> str:
        question = Question(key, bytes.fromhex(process), bytes.fromhex(source))
        (proof,) = self._keys.answer([question], card)
        return f"{proof.hex().upper()}{source}|"
