"""No PIN, ID number, card number or name in any log line of the whole run."""

from __future__ import annotations

from pathlib import Path

from config.card_profiles import load_deck
from tests.conftest import LOGS

CARDS = Path(__file__).parents[1] / "config" / "cards"


def test_no_log_line_of_the_whole_run_holds_a_canary():
    """Every process of every test has logged here before this test runs."""
    canaries = {
        text
        for spec in load_deck(CARDS)
        for text in (
            spec.name,
            spec.person_cert_no,
            spec.person_cert_no[:17],  # how a demonstration's voucher begins
            spec.card_no,
            spec.card_serial,
            spec.card_serial.lower(),
            spec.pin,
        )
    }

    found = [
        f"{path.name}:{number}"
        for path in sorted(LOGS.iterdir())
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if any(canary in line for canary in canaries)
    ]

    assert found == []
