"""The driver's third step: the length of what comes back, and what it begins with."""

from __future__ import annotations

import pytest

from reader.crypto import Algorithm
from reader.emulator.key_service import KeyService
from reader.errors import KeyServiceError
from reader.keys import SecuredCommand, TestKeys
from reader.providers.two_step import CentreKeys
from tests.reader.providers import ADDRESSES, PROCESS, V3, context

STKSSSE = V3.keys["STKSSSE"]
RESET, UNBLOCK = bytes.fromhex("84240001"), bytes.fromhex("84240000")
NEW = bytes.fromhex("246810")


def secured(
    said: list[str], algorithm: Algorithm, header: bytes, data: bytes, edit: str = ""
) -> bytes:
    """Have a command secured, noting what the service said; *edit* is said instead."""
    service = KeyService(V3, ADDRESSES)

    def exchange(asked: str) -> str:
        said.append(edit or service.answer(asked))
        return said[-1]

    return CentreKeys(exchange, ADDRESSES, "990100000001").secure(
        SecuredCommand(STKSSSE, PROCESS, header, data), context(algorithm)
    )


@pytest.mark.parametrize(
    ("algorithm", "header", "data", "characters", "lc"),
    [
        (Algorithm.TDES, RESET, NEW, 34, "0C"),
        (Algorithm.SM4, RESET, NEW, 50, "14"),
        (Algorithm.TDES, UNBLOCK, b"", 18, "04"),
        (Algorithm.SM4, UNBLOCK, b"", 18, "04"),
    ],
)
def test_step_three_has_the_drivers_lengths(algorithm, header, data, characters, lc):
    """34 and 50 characters to reset a PIN, 18 to unblock it: the whole command."""
    said: list[str] = []

    body = secured(said, algorithm, header, data)

    text = said[0].rstrip("|")
    assert len(text) == characters
    assert text[:10] == header.hex().upper() + lc
    assert body == TestKeys().secure(
        SecuredCommand(STKSSSE, PROCESS, header, data), context(algorithm)
    )


@pytest.mark.parametrize(
    "edit",
    [
        "842400000C" + "0" * 24 + "|",  # unblock, where a reset was asked for
        "8424000114" + "0" * 24 + "|",  # the length of the other algorithm
        "842400010C" + "0" * 22 + "|",
        "842400010C" + "0" * 26 + "|",
        "842400010C" + "Z" * 24 + "|",
        "0" * 24 + "|",  # the body alone
        "|",
    ],
)
def test_another_command_than_was_asked_for_is_not_sent(edit):
    """A late answer to an unblock must not be shown to the card as a reset."""
    with pytest.raises(KeyServiceError, match="belong") as caught:
        secured([], Algorithm.TDES, RESET, NEW, edit)

    assert "0000" not in str(caught.value)
