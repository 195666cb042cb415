"""One exchange: 61xx and 6Cxx followed, nothing that spends a try sent twice."""

from __future__ import annotations

import pytest

from reader import apdu
from reader.apdu import exchange, meaning
from reader.crypto import Algorithm
from reader.errors import (
    CardBlockedError,
    CardNotSupportedError,
    CardProtocolError,
    KeyRefusedError,
)
from reader.greeting import algorithm_of, algorithm_unsaid, card_factor

#: The FCI of a third generation card: SFI of the directory, algorithm 03.
FCI = bytes.fromhex("6F1C840F7378312E73682EC9E7BBE1B1A3D5CFA5098801 1E9F0C03860103")


class Script:
    """A link whose answers a test wrote down; the last one repeats."""

    name = "script"

    def __init__(self, *answers: str) -> None:
        self._answers = [bytes.fromhex(answer) for answer in answers]
        self.commands: list[bytes] = []

    def present(self) -> bool:
        """Say that there is a card."""
        return True

    def power_on(self) -> bytes:
        """Answer to reset with nothing of interest."""
        return b"\x3b\x00"

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Give the next answer."""
        self.commands.append(bytes(command))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def power_off(self) -> None:
        """Lose nothing."""


def test_an_answer_in_parts_is_put_together():
    """T=0 cards keep the data until GET RESPONSE asks for them."""
    link = Script("AA6102", "BBCC9000")

    answer = exchange(link, apdu.select_name(b"name"))

    assert (answer.data.hex(), answer.ok) == ("aabbcc", True)
    assert link.commands[1].hex() == "00c0000002"


def test_a_wrong_length_is_asked_for_again_with_the_right_one():
    """6Cxx says how much there is; nothing was done yet."""
    link = Script("6C05", "01020304059000")

    assert exchange(link, apdu.read_all(64)).data.hex() == "0102030405"
    assert link.commands[1].hex() == "00b2010505"


@pytest.mark.parametrize(
    "command",
    [
        apdu.verify(bytearray.fromhex("246810")),
        apdu.query_pin(),
        apdu.external_authenticate(0x0A, bytes(8), bytes(8)),
    ],
    ids=["VERIFY", "query", "EXTERNAL AUTHENTICATE"],
)
def test_what_counts_tries_is_never_sent_twice(command):
    """A card that answers 6Cxx to a PIN could otherwise take two tries of one key."""
    link = Script("6C03")

    answer = exchange(link, command)

    assert (answer.status, len(link.commands)) == (0x6C03, 1)


@pytest.mark.parametrize("answer", ["6101", "6C01"])
def test_a_card_without_an_end_is_given_up(answer):
    """A broken chip must not hold the counter for ever."""
    link = Script(answer)

    with pytest.raises(CardProtocolError, match="6100"):
        exchange(link, apdu.read_all(64))

    assert len(link.commands) <= 64


@pytest.mark.parametrize("answer", ["", "90"])
def test_an_answer_without_a_status_is_no_answer(answer):
    """Two bytes are the least a card can say."""
    with pytest.raises(CardProtocolError):
        exchange(Script(answer), apdu.get_challenge())


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (0x9303, CardBlockedError),
        (0x6A81, CardBlockedError),
        (0x6982, KeyRefusedError),
        (0x6983, KeyRefusedError),
        (0x6F00, CardProtocolError),
        (0x6A88, CardProtocolError),
    ],
)
def test_a_status_word_becomes_the_error_it_means(status, error):
    """The cashier needs the next step, not four hex digits."""
    assert type(meaning("READ", status)) is error


def test_an_unexpected_status_word_is_said():
    """Support needs the four hex digits, and what was being done."""
    assert "READ answered 6F00" in str(meaning("READ", 0x6F00))


def test_the_fci_names_the_algorithm():
    """6F / A5 / 9F0C / 86, as traced from third generation cards."""
    assert algorithm_of(FCI) is Algorithm.SM4


@pytest.mark.parametrize("cut", range(len(FCI)))
def test_an_fci_cut_anywhere_names_no_algorithm(cut):
    """Hostile or worn, it must neither crash nor be guessed at."""
    assert algorithm_of(FCI[:cut]) is None


def test_an_unknown_algorithm_is_refused():
    """A fourth one would be computed wrongly and cost the card a try."""
    with pytest.raises(CardNotSupportedError, match="algorithm 07"):
        algorithm_of(FCI[:-1] + b"\x07")


@pytest.mark.parametrize(
    ("serial", "algorithm"),
    [("110000D156", Algorithm.SSF33), ("990100D156", Algorithm.TDES)],
)
def test_without_an_fci_the_issuing_city_decides(serial, algorithm):
    """Part 3: Beijing's cards without the tag are SSF33, all others DES."""
    assert algorithm_unsaid(serial) is algorithm


@pytest.mark.parametrize("atr", ["", "3B", "3BF0", "3BFD81", "3B8D80808080"])
def test_a_broken_answer_to_reset_is_refused(atr):
    """Interface bytes that promise more than there is are no reason to crash."""
    with pytest.raises(CardNotSupportedError):
        card_factor(bytes.fromhex(atr))
