"""Nothing is lost, nothing is doubled: real processes, real sockets, real kills."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from settlement.journal_proof import verify
from settlement.seal import Sealer, load_or_create_key
from tests.faults.bills import BILL_NO, a_bill_json
from tests.faults.processes import (
    ALLOWED_S,
    Place,
    centre_beside,
    die_at,
    terminal_at,
)

pytestmark = pytest.mark.process


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Run a centre and a terminal for one test."""
    with centre_beside(tmp_path) as centre, terminal_at(centre) as both:
        yield both


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Place]:
    """Run a centre only; the test starts its terminals."""
    with centre_beside(tmp_path) as alone:
        yield alone


def is_proven(place: Place) -> bool:
    """Prove the journal of *place*."""
    key = load_or_create_key(place.data / "journal.key")
    return verify(place.data / "journal.db", Sealer(key)).ok


@pytest.mark.parametrize("fault", ["lose-answer", "status-503", "late=5"])
@pytest.mark.parametrize("kind", ["outpatient", "pharmacy"])
def test_f03_an_answer_that_does_not_come_ends_decided(
    place: Place, kind: str, fault: str
):
    """Booked and not answered: UNKNOWN in between, then found or reversed in time."""
    infno = "2207" if kind == "outpatient" else "2102"
    place.card_and_pin()
    place.ask("POST", "/demo/faults", {"infno": infno, "fault": fault})

    status, said, headers = place.ask(
        "POST", "/settlements", {"bill": a_bill_json("B-1", kind)}, key="k"
    )
    _, waiting, _ = place.ask("GET", "/open-items")
    _, then, _ = place.ask("GET", f"/settlements/{said['settlement_id']}")
    is_decided = then["state"] in {"settled", "reversed"}
    state, waited = place.ends(str(said["settlement_id"]))

    assert (status, said["state"]) == (202, "unknown")
    assert said["settlement_id"] in headers["Location"]
    # It is listed for as long as it is open; a slow asker may come after its end.
    assert len(waiting["open_items"]) == 1 or is_decided
    assert waited < ALLOWED_S
    assert (state, place.living()) in {("settled", 1), ("reversed", 0)}
    # A pharmacy's message can only be reversed, unless its answer still comes.
    heard = kind == "outpatient" or fault == "late=5"
    assert state == ("settled" if heard else "reversed")
    assert is_proven(place)


def test_f01_killed_with_the_answer_in_hand_it_is_found_and_settled(centre: Place):
    """Power cut after the central commit: the centre's number comes back by itself."""
    killed_and_started_again(centre, "answer", "settled")


def test_f02_killed_before_a_byte_left_nobody_who_left_is_charged(centre: Place):
    """Power cut after the intent and before sending: it is taken back whole."""
    killed_and_started_again(centre, "intent", "reversed")


def killed_and_started_again(centre: Place, where: str, expected: str) -> None:
    """SIGKILL at *where*; after the restart it ends decided, and exactly once."""
    assert die_at(centre, where) == -9

    with terminal_at(centre) as place:
        (found,) = place.today()
        before = found["state"]
        state, waited = place.ends(str(found["settlement_id"]))
        living = place.living()
        page = place.page("/open")
        place.card_and_pin()
        again, _, _ = place.ask(
            "POST", "/settlements", {"bill": a_bill_json(BILL_NO)}, key="new"
        )

    assert before in {"intent", "sending", "unknown", "reversing", state}
    assert waited < ALLOWED_S
    assert state == expected
    assert living == (1 if expected == "settled" else 0)
    assert "今天已查明的结算" in page
    assert BILL_NO in page
    # The bill can be settled exactly once in the end, whatever happened before.
    assert again == (409 if expected == "settled" else 201)
    assert place.living() == 1
    assert is_proven(centre)


def test_f03_a_daemon_killed_while_unknown_goes_on_where_it_was(place: Place):
    """The open item is there after the restart and comes to its end."""
    place.card_and_pin()
    place.ask("POST", "/demo/faults", {"infno": "2207", "fault": "lose-answer"})
    _, said, _ = place.ask(
        "POST", "/settlements", {"bill": a_bill_json("B-1")}, key="k"
    )
    place.kill()

    with terminal_at(place):
        state, waited = place.ends(str(said["settlement_id"]))

    assert (state, place.living()) == ("settled", 1)
    assert waited < ALLOWED_S


def test_f06_fifty_posts_with_one_key_settle_once(place: Place):
    """One settlement; every other answer is the same bytes or points to it."""
    place.card_and_pin()
    body = {"bill": a_bill_json("B-1")}

    def post(_: int) -> tuple[int, str]:
        status, said, _headers = place.ask("POST", "/settlements", body, key="one")
        return status, json.dumps(said, sort_keys=True)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(post, range(50)))
    after = place.ask("POST", "/settlements", body, key="one")

    settled = {text for status, text in answers if status == 201}
    assert Counter(status for status, _ in answers).keys() <= {201, 409}
    assert len(settled) == 1
    assert json.dumps(after[1], sort_keys=True) in settled
    assert len(place.today()) == 1
    assert place.living() == 1


def test_a_wrong_pin_spends_one_try_and_settles_nothing(place: Place):
    """One press of Enter, one try; the count is the card's own."""
    place.ask("POST", "/card/demo", {"card_id": "v3-jia"})

    left = [
        place.ask("PUT", f"/card/pin{query}", raw=b"135790")[1]["tries_left"]
        for query in ("", "", "", "?confirm_last_try=true")
    ]
    blocked = place.ask("PUT", "/card/pin", raw=b"246810")[1]
    settle = place.ask("POST", "/settlements", {"bill": a_bill_json("B-1")}, key="k")

    assert left == [2, 1, 1, 0]  # the last one is not spent without a word
    assert blocked["problem"]["code"] == "pin-blocked"
    assert settle[0] == 409
    assert place.today() == []


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("v3-blocked", "pin-blocked"),
        ("v3-expired", "card-expired"),
        ("v3-damaged", "card-data-unreadable"),
    ],
)
def test_a_card_that_cannot_settle_says_why(place: Place, card: str, code: str):
    """Its own sentence, and no settlement."""
    _, shown, _ = place.ask("POST", "/card/demo", {"card_id": card})

    settle = place.ask("POST", "/settlements", {"bill": a_bill_json("B-1")}, key="k")

    assert shown["problem"]["code"] == code
    assert shown["problem"]["sentence_zh"]
    assert settle[0] == 409
    assert place.living() == 0


def test_somebody_whose_insurance_rests_is_told_so(place: Place):
    """The centre's own reason reaches the counter as a refusal."""
    place.card_and_pin("v3-suspended")

    status, said, _ = place.ask(
        "POST", "/settlements", {"bill": a_bill_json("B-1")}, key="k"
    )

    assert status == 422
    assert said["cashier_sentence"]
    assert place.living() == 0


def test_a_cancelled_settlement_leaves_a_day_that_balances(place: Place):
    """Positive and negative are both in the statement, and it is equal."""
    place.card_and_pin()
    _, said, _ = place.ask(
        "POST", "/settlements", {"bill": a_bill_json("B-1")}, key="k"
    )
    cancelled = place.ask(
        "POST", f"/settlements/{said['settlement_id']}/cancellation", {}, key="c"
    )
    day = place.today()[0]["created_at"][:10]

    _, report, _ = place.ask("POST", "/reconciliations", {"date": day})

    assert (cancelled[0], cancelled[1]["state"]) == (200, "cancelled")
    assert report["balanced"] is True
    assert place.living() == 2


def test_a_cancelled_bill_can_be_settled_anew(place: Place):
    """Under a new key and a visit of its own; the day still balances."""
    bill = {"bill": a_bill_json("B-1")}
    place.card_and_pin()
    _, first, _ = place.ask("POST", "/settlements", bill, key="k1")
    place.ask(
        "POST", f"/settlements/{first['settlement_id']}/cancellation", {}, key="c"
    )
    place.card_and_pin()

    status, again, _ = place.ask("POST", "/settlements", bill, key="k2")
    day = place.today()[0]["created_at"][:10]
    _, report, _ = place.ask("POST", "/reconciliations", {"date": day})

    assert (status, again["state"]) == (201, "settled")
    assert again["visit_id"] != first["visit_id"]
    assert report["balanced"] is True
