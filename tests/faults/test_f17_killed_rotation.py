"""The rotation of a journal's keys, killed at its writes: nothing sealed is lost."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from tests.rig.crashes import shimmed

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        shutil.which("gcc") is None and not os.environ.get("CI"),
        reason="gcc is missing. Run: sudo apt-get install gcc",
    ),
]


@pytest.mark.parametrize("before", [0, 1], ids=["the first", "a later one"])
def test_f17_a_rotation_killed_at_a_write_leaves_keys_that_open_everything(before: int):
    """The old ring or the new one, noted in the chain; the next rotation goes through.

    The everyday run takes one write in nine; the certificate takes every one.
    """
    done = shimmed(
        ["--before", str(before), "--every", "9"], "tests.faults.rotating_keys"
    )

    *broken, counts = done.stdout.splitlines() or [done.stderr]
    assert broken == []
    assert json.loads(counts)["points"] >= 20
