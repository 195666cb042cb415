"""Every provider of card keys over the published test root."""

from __future__ import annotations

import json
from pathlib import Path

from config.card_profiles import load_profiles
from reader.crypto import Algorithm
from reader.emulator.key_service import KeyService
from reader.emulator.psam import PsamApplication, PsamCard, Root, root_below
from reader.keys import TEST_ROOT, CardContext
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.providers.psam import APPLICATION, PsamKeys
from reader.providers.two_step import CentreKeys

PROVINCE, V3, *_ = load_profiles(Path(__file__).parents[2] / "config" / "cards")
VECTORS = json.loads((Path(__file__).parent / "card_vectors.json").read_text("utf-8"))
PROCESS = bytes.fromhex(VECTORS["challenge_R"])
SOURCE = bytes.fromhex(VECTORS["source_S"])
HISTORICAL = VECTORS["atr"][8:]
FACTORS = V3.factors("990100", bytes.fromhex(HISTORICAL[-16:]))
#: Where SM4 lies in a PSAM is the site's to say; this is ours.
SM4_APPLICATION = bytes.fromhex("D15600000591")
ADDRESSES = {"RK1DF04": "address-1", "STKSSSE": "address-2", "PUK": "address-3"}


def context(algorithm: Algorithm = Algorithm.TDES) -> CardContext:
    """Return the card of the published vectors."""
    return CardContext(
        algorithm,
        FACTORS,
        region="990100",
        card_serial="990100D156000005000000010000000F",
        historical=HISTORICAL,
    )


def a_psam(levels: int = 3, **changed: object) -> PsamCard:
    """Make a PSAM that holds every key of V3 at one level, for both algorithms."""
    ids = {key.psam_id for key in PROVINCE.keys.values() if key.psam_id}

    def roots(algorithm: Algorithm) -> dict[int, Root]:
        below = root_below(algorithm, *FACTORS[: 3 - levels], root=TEST_ROOT)
        return dict.fromkeys(ids, below)

    return PsamCard(
        {
            APPLICATION: PsamApplication(Algorithm.TDES, roots(Algorithm.TDES)),
            SM4_APPLICATION: PsamApplication(Algorithm.SM4, roots(Algorithm.SM4)),
        },
        **changed,  # type: ignore[arg-type]  # what a test changes
    )


def psam_slot(card: PsamCard) -> tuple[EmulatedSlot, PsamKeys]:
    """Put a PSAM into a slot, and a provider before it."""
    slot = EmulatedSlot()
    slot.insert(card)
    return slot, psam_keys(EmulatorLink(slot))


def psam_keys(link: object) -> PsamKeys:
    """Return a provider over the PSAM behind *link*."""
    applications = {Algorithm.TDES: APPLICATION, Algorithm.SM4: SM4_APPLICATION}
    return PsamKeys(link, applications)  # type: ignore[arg-type]  # any link


def centre_keys(service: KeyService | None = None) -> CentreKeys:
    """Return a provider over a key service in this process."""
    service = service or KeyService(V3, ADDRESSES)
    return CentreKeys(service.answer, ADDRESSES, "990100000001")
