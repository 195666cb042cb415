"""The published vectors, from each way to hold the keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from reader.crypto import Algorithm, authentication_data
from reader.emulator.key_service import KeyService
from reader.emulator.psam import PsamApplication, PsamCard, Root
from reader.errors import KeyServiceError, KeyUnavailableError
from reader.keys import TEST_ROOT, KeyProvider, Question, TestKeys
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.profile import Key
from reader.providers.pkcs11 import HsmKeys, HsmSettings
from reader.providers.psam import APPLICATION, PsamKeys
from reader.providers.two_step import CentreKeys
from tests.reader.cards import V3
from tests.reader.hsm import LABELS, MODULE, PIN, TOKEN
from tests.reader.providers import ADDRESSES, PROCESS, SOURCE, VECTORS, context

WAYS = [
    (way, algorithm)
    for way in ("test keys", "psam", "hsm", "centre")
    for algorithm in (Algorithm.TDES, Algorithm.SM4)
    if (way, algorithm) != ("hsm", Algorithm.SM4)  # SoftHSM2 has no SM4
]
#: Of one level the vectors print the proof, of three the card's key.
LEVELS = [1, 3]


def irk(levels: int) -> Key:
    """Return the key of internal authentication, over so many levels."""
    return replace(V3.keys["IRK"], levels=levels)


def psam(algorithm: Algorithm, levels: int) -> PsamKeys:
    """Put the published root into a PSAM as one that needs so many factors."""
    roots = {V3.keys["IRK"].psam_id: Root(TEST_ROOT, levels)}
    slot = EmulatedSlot()
    slot.insert(PsamCard({APPLICATION: PsamApplication(algorithm, roots)}))
    return PsamKeys(EmulatorLink(slot), {algorithm: APPLICATION})


def centre(levels: int) -> CentreKeys:
    """Ask a key service whose root is one of so many levels."""
    profile = replace(V3, keys={**V3.keys, "IRK": irk(levels)})
    service = KeyService(profile, ADDRESSES)
    return CentreKeys(service.answer, ADDRESSES, "990100000001")


@pytest.fixture(params=LEVELS)
def levels(request: pytest.FixtureRequest) -> int:
    """Return how many factors lie between the root and the card."""
    return int(request.param)


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]} {way[1].name}")
def way(
    request: pytest.FixtureRequest, levels: int
) -> Iterator[tuple[KeyProvider, Algorithm]]:
    """Return each provider of a root of so many levels, and the algorithm to ask."""
    kind, algorithm = request.param
    if kind == "hsm":
        request.getfixturevalue("token")
        keys = HsmKeys(HsmSettings(MODULE, TOKEN, PIN, LABELS, levels=levels))
        yield keys, algorithm
        keys.close()
    elif kind == "psam":
        yield psam(algorithm, levels), algorithm
    else:
        yield (TestKeys() if kind == "test keys" else centre(levels)), algorithm


def test_each_provider_meets_the_published_vectors(way, levels):
    """What is printed is what any provider of that root must say to that card."""
    keys, algorithm = way
    column = VECTORS["3DES" if algorithm is Algorithm.TDES else "SM4"]
    three = bytes.fromhex(column["card_key_3_levels"])
    of_three = authentication_data(algorithm, three, PROCESS, SOURCE).hex().upper()

    (proof,) = keys.answer([Question(irk(levels), PROCESS, SOURCE)], context(algorithm))

    assert proof.hex().upper() == (column["auth"] if levels == 1 else of_three)


def test_a_root_of_no_level_we_know_is_a_key_not_held():
    """Four factors are asked for: nothing public says what the fourth would be."""
    keys = psam(Algorithm.TDES, 4)

    with pytest.raises(KeyUnavailableError, match="IRK") as caught:
        keys.answer([Question(irk(3), PROCESS, SOURCE)], context())

    assert not isinstance(caught.value, KeyServiceError)


class Mute(PsamCard):
    """A PSAM put in the wrong way round."""

    def power_on(self) -> bytes:
        """Answer nothing."""
        return b""


def test_a_mute_psam_is_the_key_services_trouble():
    """It lies in its slot: no other provider may paper over that it is broken."""
    slot = EmulatedSlot()
    slot.insert(Mute({}))

    with pytest.raises(KeyServiceError, match="card-mute"):
        PsamKeys(EmulatorLink(slot)).answer(
            [Question(irk(3), PROCESS, SOURCE)], context()
        )


def test_a_psam_that_delivered_nothing_computes_nothing():
    """The emulator's own refusals: no application, no session key, a short source."""
    card = PsamCard(
        {APPLICATION: PsamApplication(Algorithm.TDES, {1: Root(TEST_ROOT, 1)})}
    )
    card.power_on()
    deliver = bytes.fromhex("BFDE270110") + bytes(16)

    assert card.transmit(deliver) == bytes.fromhex("6985")
    card.transmit(bytes.fromhex("00A4040006") + APPLICATION)
    assert card.transmit(bytes.fromhex("80FA000008") + SOURCE) == bytes.fromhex("6985")
    assert card.transmit(bytes.fromhex("BFDE270108") + bytes(8)) == bytes.fromhex(
        "6700"
    )
    assert card.transmit(deliver) == bytes.fromhex("9000")
    assert card.transmit(bytes.fromhex("80FA000004") + SOURCE[:4]) == bytes.fromhex(
        "6700"
    )
    assert card.transmit(bytes.fromhex("80FA000008") + SOURCE)[-2:] == bytes.fromhex(
        "9000"
    )
    assert card.transmit(bytes.fromhex("0082000000")) == bytes.fromhex("6D00")
