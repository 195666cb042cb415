"""Alive and ready are two questions, and not ready says why."""

from __future__ import annotations

import pytest

from tests.terminal.terminal_client import HOST, Terminal


@pytest.fixture
def terminal() -> Terminal:
    """Return a terminal whose parts are in order."""
    return Terminal()


def test_a_terminal_in_order_is_ready(terminal):
    """Supervision and `make run` wait for this answer."""
    answer = terminal.client.get("/readyz", headers={"Host": HOST})

    assert answer.status_code == 200
    assert answer.json["ready"] is True
    assert [part["part"] for part in answer.json["parts"]] == [
        "reader",
        "journal",
        "pack",
        "centre",
        "clock",
    ]


@pytest.mark.parametrize("part", ["reader", "journal", "pack", "centre", "clock"])
def test_each_part_out_of_order_is_named_by_its_code(terminal, part):
    """503 alone would send somebody looking in four places."""
    terminal.service.orders.not_ready = part

    answer = terminal.client.get("/readyz", headers={"Host": HOST})

    assert answer.status_code == 503
    broken = [p for p in answer.json["parts"] if not p["ok"]]
    assert broken == [{"part": part, "ok": False, "code": f"{part}-missing"}]
    figures = terminal.client.get("/metrics", headers={"Host": HOST}).text
    assert f'terminal_part_ready{{part="{part}"}} 0.0' in figures


def test_a_terminal_that_is_not_ready_is_still_alive(terminal):
    """Restarting the daemon does not plug the reader in."""
    terminal.service.orders.not_ready = "reader"

    answer = terminal.client.get("/healthz", headers={"Host": HOST})

    assert answer.json == {"status": "alive"}


def test_health_tells_no_version_and_opens_no_session(terminal):
    """A stranger on the port learns nothing to look a weakness up by."""
    answer = terminal.client.get("/healthz", headers={"Host": HOST})

    assert "Server" not in answer.headers
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_has_no_effects(terminal, path):
    """It is open to everybody, so it may do nothing."""
    answer = terminal.ask("POST", path, body={})

    assert answer.status_code == 405
