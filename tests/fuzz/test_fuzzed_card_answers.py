"""Cards gone mad: no crash, no hang, and nobody is taken for somebody else.

``FUZZ_COUNT=100000`` makes the long run, ``FUZZ_SEED`` repeats one; both are printed
with a failure.

What can be told and what cannot: the region in 卡识别码 takes part in the keys, so a
changed one is a counterfeit; card and citizen's numbers have check characters; a name
has nothing, so a changed one is read as the bytes say. Nothing may ever come from
another card, and no attempt at a PIN may be made that was not asked for.
"""

from __future__ import annotations

import contextlib
import os
import random

from reader.apdu import query_pin
from reader.codec import card_no_check
from reader.errors import ReaderError
from reader.link import Link
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.person_number import check_character
from reader.session import CardSession
from tests.reader.cards import a_card, read
from tests.shipped import SPECS as DECK

COUNT = int(os.environ.get("FUZZ_COUNT", "1500"))
SEED = int(os.environ.get("FUZZ_SEED", "20261123"))
PIN = b"246810"
#: A whole session has about sixty; more than this would be a hang.
MOST_COMMANDS = 3000
HOSTILE = [
    *(b"", b"\x90", b"\x90\x00", b"\x61\xff", b"\x6c\x00", b"\x6c\xff", b"\x63\xc0"),
    *(b"\x63\xc1", b"\x69\x82", b"\x69\x83", b"\x69\x84", b"\x6a\x81", b"\x6a\x82"),
    *(b"\x6a\x83", b"\x6a\x86", b"\x6b\x00", b"\x6f\x00", b"\x93\x03", b"\xff\xff"),
]
GARBAGE = [b"\x81", b"\xfe\xfe", "𠮷".encode("gb18030")[:3], b"\x00", b"\xff", b"\x1b["]


class MadLink:
    """A link whose answers are changed with some chance; counts PINs presented."""

    name = "mad"

    def __init__(self, inner: Link, chance: random.Random, madness: float) -> None:
        self._inner = inner
        self._chance = chance
        self._madness = madness
        self.commands = 0
        self.presented = 0
        self.changed = False

    def present(self) -> bool:
        """Ask the slot."""
        return self._inner.present()

    def power_on(self) -> bytes:
        """Power up; the answer to reset may be changed too."""
        return self._perhaps(self._inner.power_on())

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange one command."""
        self.commands += 1
        assert self.commands < MOST_COMMANDS, "it does not end"
        if command[1] == 0x20 and bytes(command) != query_pin():
            self.presented += 1
        return self._perhaps(self._inner.transmit(command))

    def power_off(self) -> None:
        """Power down."""
        self._inner.power_off()

    def _perhaps(self, answer: bytes) -> bytes:
        if self._chance.random() >= self._madness:
            return answer
        self.changed = True
        return mad(self._chance, answer)


def mad(chance: random.Random, answer: bytes) -> bytes:
    """Change an answer: bits, lengths, tags, status words, text, or all of it."""
    out = bytearray(answer)
    place = chance.randrange(len(out) + 1)
    what = chance.randrange(7)
    if what == 0 and place < len(out):
        out[place] ^= 1 << chance.randrange(8)
    elif what == 1:
        del out[place:]
    elif what == 2:
        return chance.choice(HOSTILE)
    elif what == 3:
        out[place:place] = chance.choice(GARBAGE)
    elif what == 4 and len(out) > 2:
        out[-2:] = chance.choice(HOSTILE)[-2:]
    elif what == 5:
        out += chance.randbytes(chance.randrange(300))
    else:
        return chance.randbytes(chance.randrange(260))
    return bytes(out)


def everything(link: Link) -> CardSession:
    """Do all that a session can do; only our errors may end a part of it."""
    session = read(link)
    for work in (
        lambda: session.verify_pin(bytearray(b"135790")),
        lambda: session.verify_pin(bytearray(PIN)),
        lambda: session.read_file("DF04EF05"),
        lambda: session.read_file("DF03EF06"),
        lambda: session.read_log("DF04EF08"),
        lambda: session.read_binary("SSSEEF08"),
        session.still_same_card,
        session.close,
    ):
        with contextlib.suppress(ReaderError):
            work()
    return session


def identity_holds(session: CardSession, mine: str, others: str) -> None:
    """Assert what a read identity must be, whatever the card answered."""
    who, true, other = session.credential, DECK[mine], DECK[others]
    assert who.card_serial[:6] == true.card_serial[:6]
    assert who.number[-1] == card_no_check(who.number[:-1])
    number = who.person_cert_no
    if len(number) == 18 and number[:17].isdigit():
        assert number[-1] == check_character(number[:17])
    assert who.number != other.card_no
    assert number != other.person_cert_no
    assert who.name != other.name
    assert who.card_serial != other.card_serial


def test_whatever_a_card_answers_ends_in_our_errors_or_in_its_own_holder():
    """Two cards in turns, so that nothing of one may stay behind for the other."""
    cards = ("v3-jia", "v2-yi")
    survived = 0
    for run in range(COUNT):
        chance = random.Random(SEED + run)  # noqa: S311 - repeatable, not secret
        mine, other = cards if run % 2 else cards[::-1]
        slot = EmulatedSlot()
        slot.insert(a_card(mine))
        link = MadLink(EmulatorLink(slot), chance, chance.choice((0.02, 0.1, 0.5)))
        try:
            with contextlib.suppress(ReaderError):
                session = everything(link)
                identity_holds(session, mine, other)
                survived += 1
                if not link.changed:
                    assert session.credential.person_cert_no == (
                        DECK[mine].person_cert_no
                    )
            assert link.presented <= 2
        except BaseException as error:
            error.add_note(f"repeat with FUZZ_COUNT=1 FUZZ_SEED={SEED + run}")
            raise
    assert survived > COUNT // 20
