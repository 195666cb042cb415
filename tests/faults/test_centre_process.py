"""The centre as a process of its own: it says where it is, and ends when told to."""

from __future__ import annotations

import datetime as dt
import json
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from config.centre_seed import load_persons
from config.provinces import load_province
from settlement.centre.gateway import Gateway, GatewaySettings
from settlement.centre.port import Order
from settlement.claim import FeeLine, Insurance, ItemClass, VisitKind
from settlement.money import Money, exact
from terminal.centre_keys import load_or_make_secrets
from tests.settlement.centre.counter import INSTITUTION, REGION

ROOT = Path(__file__).parents[2]
CENTRE = """
import sys
from pathlib import Path
from functools import partial
from config.packs import load_packs
from terminal.centre_command import run_centre

folder, with_parent = Path(sys.argv[1]), sys.argv[2] == "parent"
sys.exit(
    run_centre(
        host="127.0.0.1",
        port=0,
        db_url=f"sqlite:///{folder / 'centre.db'}",
        secret_file=folder / "centre.keys",
        demonstration=True,
        region="230800",
        packs=partial(load_packs, Path("config/packs")),
        catalogue_file=Path("config/catalogue/sample.toml"),
        leave_with_parent=with_parent,
    )
)
"""

pytestmark = pytest.mark.process

Start = Callable[[str], tuple["subprocess.Popen[str]", int]]


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Start:
    """Start a centre over the test's folder; it is ended when the test is."""

    def begin(how: str) -> tuple[subprocess.Popen[str], int]:
        child = subprocess.Popen(
            [sys.executable, "-c", CENTRE, str(tmp_path), how],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        request.addfinalizer(lambda: end(child))
        if child.stdout is None:
            msg = "a pipe was asked for"
            raise AssertionError(msg)
        said = json.loads(child.stdout.readline())
        assert said["event"] == "centre.listening"
        return child, int(said["port"])

    return begin


def end(child: subprocess.Popen[str]) -> None:
    """Make sure that a child is gone and its pipes are closed."""
    child.kill()
    child.wait(timeout=10)
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()


def gateway(folder: Path, port: int) -> Gateway:
    """The real client, with the keys the centre made."""
    keys = load_or_make_secrets(folder / "centre.keys")
    serial = iter(range(int(dt.datetime.now().timestamp()) % 9000, 9999))  # noqa: DTZ005 - only a number that differs

    return Gateway(
        GatewaySettings(
            url=f"http://127.0.0.1:{port}/",
            access_key=keys.access_key,
            secret_key=keys.secret_key,
            institution_code=INSTITUTION,
            institution_name="示例医院",
            care_region=REGION,
            profile=load_province(),
        ),
        msgids=lambda: f"{INSTITUTION}{now():%Y%m%d%H%M%S}{next(serial):04d}",
        now=now,
    )


def now() -> dt.datetime:
    """The terminal's clock."""
    return dt.datetime.now().astimezone()


def order() -> Order:
    """A pharmacy bill of the first demonstration holder."""
    holder = load_persons(ROOT / "config/demo_persons.toml", REGION, now().year)[0]
    line = FeeLine(1, "NOBODY", "x", ItemClass.C, exact("5"), exact("1"), Money(500))
    return Order(
        certificate=holder.certificate,
        person_id=holder.person.person_id,
        insurance=Insurance.RESIDENT,
        insured_region=REGION,
        person_type="1701",
        kind=VisitKind.PHARMACY,
        on=now(),
        bill_no="B1",
        lines=(line,),
        total_fee=Money(500),
        use_account=True,
    )


def test_it_says_its_port_and_ends_on_sigterm(start: Start, tmp_path: Path) -> None:
    """The daemon reads one line, and stopping is clean."""
    child, port = start("alone")
    person = gateway(tmp_path, port).person(order().certificate)

    child.send_signal(signal.SIGTERM)

    assert child.wait(timeout=20) == 0
    assert person.name == "测试甲"
    assert person.coverages[0].account_balance == Money(8650)


def test_it_does_not_outlive_the_daemon(start: Start) -> None:
    """Standard input closes however the daemon died, and the centre leaves."""
    child, _port = start("parent")

    if child.stdin is not None:
        child.stdin.close()

    assert child.wait(timeout=20) == 0


def test_what_was_answered_survives_a_kill(start: Start, tmp_path: Path) -> None:
    """SIGKILL right after the answer: the record stands, the seed is not doubled."""
    child, port = start("alone")
    first = gateway(tmp_path, port)
    booked = first.settle(order(), first.presettle(order()).amounts, a_msgid())
    child.kill()
    child.wait(timeout=10)

    _again, port = start("alone")

    after = gateway(tmp_path, port)
    found = after.settlement(
        booked.person_id, REGION, booked.visit_id, booked.settlement_id
    )
    assert found.msgid == booked.msgid
    assert found.amounts == booked.amounts
    balance = after.person(order().certificate).coverages[0].account_balance
    assert balance == booked.amounts.account_balance


def a_msgid() -> str:
    """A message id of its own."""
    return f"{INSTITUTION}{now():%Y%m%d%H%M%S}9999"


def test_the_keys_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    """The pair is the only thing that keeps strangers out."""
    path = tmp_path / "centre.keys"

    made = load_or_make_secrets(path)

    assert load_or_make_secrets(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made != load_or_make_secrets(tmp_path / "other.keys")
    assert made.secret_key not in repr(made)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"access_key": "a"}'])
def test_keys_that_do_not_read_are_not_replaced(tmp_path: Path, text: str) -> None:
    """Making new ones in silence would lock every terminal out."""
    path = tmp_path / "centre.keys"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)

    with pytest.raises(click.ClickException, match="not a pair of keys"):
        load_or_make_secrets(path)

    assert path.read_text(encoding="utf-8") == text
