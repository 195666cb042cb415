"""Several providers, asked in order: the PSAM first, then what is behind a network.

The driver's rule (LD/T 33): the next one is asked when a key is not held here, and on
nothing else. A provider that does not answer, or a card that refuses, ends the matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from reader.errors import KeyServiceError, KeyUnavailableError
from reader.keys import CardContext, KeyProvider, Question, SecuredCommand

T = TypeVar("T")


class ChainedKeys:
    """A KeyProvider that asks others; its name is that of the last that answered."""

    def __init__(self, providers: Sequence[KeyProvider]) -> None:
        """Take the providers in the order in which they are asked.

        Raises:
            AssertionError: there is none.
        """
        if not providers:
            msg = "a chain without a provider"
            raise AssertionError(msg)
        self._providers = tuple(providers)
        self._answered = self._providers[0]

    @property
    def name(self) -> str:
        """The name of the provider that answered last."""
        return self._answered.name

    def answer(
        self, questions: Sequence[Question], card: CardContext
    ) -> tuple[bytes, ...]:
        """Return the proofs of the first provider that holds all keys."""
        return self._first(lambda provider: provider.answer(questions, card))

    def secure(self, command: SecuredCommand, card: CardContext) -> bytes:
        """Return the body of the first provider that secures commands with its key."""
        return self._first(lambda provider: provider.secure(command, card))

    def _first(self, ask: Callable[[KeyProvider], T]) -> T:
        for provider in self._providers[:-1]:
            try:
                answer = ask(provider)
            except KeyServiceError:
                raise
            except KeyUnavailableError:
                continue
            self._answered = provider
            return answer
        answer = ask(self._providers[-1])
        self._answered = self._providers[-1]
        return answer
