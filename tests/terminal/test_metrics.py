"""Every figure is documented, counted where it happens, and names nobody."""

from __future__ import annotations

import datetime as dt

from prometheus_client.parser import text_string_to_metric_families

from settlement.lifecycle import State
from terminal.metrics import DOCUMENTED, OUTCOMES, Metrics
from tests.terminal.fake_cashier import NOW, a_settlement
from tests.terminal.terminal_client import HOST, Terminal


def test_every_figure_is_documented_and_every_documented_figure_exists():
    """A figure nobody explained is a figure nobody watches."""
    assert Metrics().names() == set(DOCUMENTED)
    assert all(text.endswith(".") for text in DOCUMENTED.values())


def test_every_outcome_is_a_state():
    """The label's values are the states of the drawing, no others."""
    assert {State(outcome).value for outcome in OUTCOMES} == OUTCOMES


def test_the_oldest_undecided_settlement_has_an_age():
    """The alert is on this figure: unknown for longer than a minute."""
    old = a_settlement("s1", state=State.UNKNOWN, since=NOW)
    new = a_settlement(
        "s2", state=State.REVERSING, since=NOW + dt.timedelta(seconds=50)
    )

    text = Metrics().exposition((old, new), 0, NOW + dt.timedelta(seconds=90)).decode()

    assert "terminal_settlement_unknown_age_seconds 90.0" in text
    assert 'terminal_open_items{state="unknown"} 1.0' in text
    assert 'terminal_open_items{state="reversing"} 1.0' in text
    assert 'terminal_open_items{state="quarantined"} 0.0' in text


def test_with_nothing_open_the_age_is_zero():
    """Zero, not absent: an alert on an absent figure never fires."""
    assert (
        "terminal_settlement_unknown_age_seconds 0.0"
        in Metrics().exposition((), 0, NOW).decode()
    )


def test_requests_are_counted_by_route_and_never_by_address():
    """A settlement's number in a label would be one time series per patient."""
    terminal = Terminal()
    terminal.get("/api/v1/settlements/s-1234")
    terminal.get("/nowhere/p-9901")

    text = terminal.client.get("/metrics", headers={"Host": HOST}).text

    assert "s-1234" not in text
    assert "p-9901" not in text
    assert 'route="/api/v1/settlements/<settlement_id>"' in text
    assert 'route="unmatched"' in text
    assert 'terminal_problems_total{code="settlement-not-found"} 1.0' in text
    assert list(text_string_to_metric_families(text))


def test_an_open_stream_is_counted_and_its_length_is_not_a_duration():
    """A stream of an hour would spoil the percentiles of everything else."""
    terminal = Terminal()
    stream = terminal.get("/api/v1/events", buffered=False)

    text = terminal.client.get("/metrics", headers={"Host": HOST}).text

    assert "terminal_event_streams 1.0" in text
    assert 'terminal_http_request_seconds_count{route="/api/v1/events"}' not in text
    stream.close()


def test_two_daemons_in_one_process_do_not_share_figures():
    """No registry at module level: tests and tools stay apart."""
    one, other = Metrics(), Metrics()

    one.saw_problem("key-reused")

    assert "key-reused" not in other.exposition((), 0, NOW).decode()
