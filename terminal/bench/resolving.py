"""How soon an unknown settlement is found at the centre, once its answer is lost."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from pathlib import Path

from config.settings import load_settings
from settlement.centre.port import CentreSettlement
from settlement.claim import VisitKind
from settlement.lifecycle import State
from terminal.bench.figure import NS_PER_MS, Figure, Goal
from terminal.parts import Parts, build_parts
from terminal.quote_file import load_bill

LOST = 5
CARD, PIN = "v3-jia", b"246810"
#: The worker looks at once, and waits half a second before it looks again.
GOAL_MS = 1000
PATIENCE_S = 20.0


def latency_ms(folder: Path) -> Figure:
    """From "unknown" on the screen to settled, against asking for it by hand.

    Real parts: the embedded centre in a process of its own, over signed HTTP.
    """
    # A file, because the centre is a process of its own and reads it too.
    config = folder / "resolving.toml"
    data = json.dumps(str(folder.resolve() / "resolving"))
    config.write_text(
        f'mode = "demonstration"\ndata_dir = {data}\n'
        "[centre]\nport = 0\nread_timeout_s = 1\n"
    )
    settings = load_settings(config, environ={})
    took, asked = [], []
    with build_parts(settings) as parts:
        for number in range(LOST):
            begun = _lose(parts, Path(settings.bills_folder), number)
            took.append(_settled_at(parts) - begun)
            before = time.perf_counter_ns()
            if _found(parts) is None:
                msg = "the centre does not know what it has settled"
                raise AssertionError(msg)
            asked.append(time.perf_counter_ns() - before)
    return Goal(GOAL_MS, of_value=True).figure(
        "resolver.latency_ms",
        "ms",
        statistics.median(took) / NS_PER_MS,
        statistics.median(asked) / NS_PER_MS,
        "the two questions (5204, 5203) alone",
    )


def _lose(parts: Parts, bills: Path, number: int) -> int:
    """Settle a bill whose answer is lost; return when that was said."""
    cashier = parts.cashier
    cashier.insert_card(CARD)
    cashier.verify_pin(bytearray(PIN))
    bill = load_bill(
        bills / f"{VisitKind.OUTPATIENT.value}.toml",
        now=parts.now(),
        bill_no=f"BENCH-{number}",
    )
    cashier.arm_fault("2207", "lose-answer")
    digest = hashlib.sha256(bill.bill_no.encode()).hexdigest()
    answer = cashier.settle(bill, key=bill.bill_no, digest=digest, patient_pays=None)
    said = time.perf_counter_ns()
    if answer.status != 202:  # noqa: PLR2004 - accepted, not known yet
        msg = f"the answer was not lost: {answer.status}"
        raise AssertionError(msg)
    return said


def _settled_at(parts: Parts) -> int:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        (record, *_) = reversed(parts.journal.records())
        if record.state is State.SETTLED:
            return time.perf_counter_ns()
        time.sleep(0.005)
    msg = "the worker did not find it"
    raise AssertionError(msg)


def _found(parts: Parts) -> CentreSettlement | None:
    (record, *_) = reversed(parts.journal.records())
    return parts.gateway.find(
        record.person_id,
        record.insured_region,
        str(record.facts["intent"]["visit_id"]),
        record.msgid,
    )
