"""A disk that fills, fails or loses power at a write, at every kind of place.

The everyday run takes a spread of the writes; the certificate takes every one.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import pytest

from tests.rig.crashes import shimmed

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        shutil.which("gcc") is None and not os.environ.get("CI"),
        reason="gcc is missing. Run: sudo apt-get install gcc",
    ),
]


def enumerated(*arguments: str) -> tuple[dict[str, Any], list[str]]:
    """Run the enumerator; return its counts and what was broken."""
    done = shimmed([*arguments])
    *broken, counts = done.stdout.splitlines() or [done.stderr]
    found: dict[str, Any] = json.loads(counts)
    return found, broken


@pytest.mark.parametrize("how", ["kill", "torn", "power"])
def test_f17_killed_at_a_write_and_again_in_recovery_nothing_is_lost(how: str):
    """Killed, killed in half a write, and with what was not synced taken back."""
    counts, broken = enumerated("--how", how, "--sample", "20", "--nested", "some")

    assert broken == []
    assert counts["writes"] > 200
    assert counts["crash_points"][how] >= 20
    assert counts["nested"] >= 20


def test_f17_commits_that_are_not_synced_are_found_out():
    """The same day on a journal without fsync: what was told is lost, and seen."""
    counts, broken = enumerated(
        "--how", "power", "--sample", "12", "--nested", "none", "--careless"
    )

    assert counts["violations"] >= 4
    assert all(line.startswith("power at write") for line in broken)


def test_f14_a_full_disk_stops_selling_and_loses_nothing():
    """ENOSPC from a write on: refused with a code, whole again after a restart."""
    _, broken = enumerated("--how", "no-space", "--sample", "12", "--nested", "some")

    assert broken == []


@pytest.mark.parametrize("how", ["io-error", "sync-error"])
def test_f15_a_failing_disk_stops_selling_and_loses_nothing(how: str):
    """EIO from a write or a sync on: never acknowledged, never tried again."""
    _, broken = enumerated("--how", how, "--sample", "12", "--nested", "some")

    assert broken == []
