"""Eight terminals, two servers, fifty patients, one database, and a wire that loses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.settlement.centre.postgresql import require_postgresql

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_f21_many_terminals_never_pay_more_than_the_cap(database: str):
    """Caps to the fen, both books equal, every terminal reconciled to zero."""
    if database == "postgresql":
        require_postgresql()

    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.rig.contention"),
            *("--seconds", "4", "--database", database),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    said = json.loads(done.stdout.splitlines()[-1])

    assert said["violations"] == []
    assert said["database"] == database
    assert said["settlements"]["settled"] > 20
    assert said["wire"]["answers lost"] > 0
