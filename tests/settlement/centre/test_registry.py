"""Who may settle at a centre: institutions, operators, access keys."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from config.provinces import load_province
from settlement.centre import registry
from settlement.centre.book import Book
from settlement.centre.errors import CentreGatewayError, CentreRejectedError
from settlement.centre.gate import Secrets
from settlement.centre.gateway import Gateway, GatewaySettings
from settlement.centre.persons import seed
from settlement.centre.refusal import Refusal
from settlement.centre.registry import Institution
from settlement.centre.server import create_centre
from settlement.centre.serving import listen
from settlement.claim import Tier
from settlement.seal import Sealer
from tests.settlement.centre.counter import CATALOGUE, FIRST, INSTITUTION, KEYS, REGION
from tests.settlement.centre.test_faults import ZONE, _msgid, _order
from tests.shipped import PACKS as SHIPPED

VAULT = Sealer(bytes(range(32)))
HERE = Institution(INSTITUTION, "示例药店", Tier.SECONDARY, active=True)
OTHER = "H99010000077"


class Centre:
    """A centre on a port, and its clock."""

    def __init__(self, folder: Path) -> None:
        self.now = dt.datetime.now(ZONE)
        self.book = Book(f"sqlite:///{folder / 'centre.db'}", lambda: self.now)
        seed(self.book, (FIRST,))
        app = create_centre(
            self.book,
            lambda: SHIPPED,
            CATALOGUE,
            KEYS,
            demonstration=False,
            now=lambda: self.now,
            tier=Tier.SECONDARY,
            vault=VAULT,
        )
        self.server = listen(app, "127.0.0.1", 0)
        self._numbers = count(1)

    def terminal(
        self, keys: Secrets, institution: str = INSTITUTION, operator: str = "T001"
    ) -> Gateway:
        """Return a client of an institution that holds *keys*."""
        settings = GatewaySettings(
            url=f"http://127.0.0.1:{self.server.port}/",
            access_key=keys.access_key,
            secret_key=keys.secret_key,
            institution_code=institution,
            institution_name="示例药店",
            care_region=REGION,
            profile=load_province(),
            operator=operator,
        )
        msgids = lambda: _msgid(next(self._numbers)).replace(INSTITUTION, institution)  # noqa: E731 - a counter
        return Gateway(settings, msgids=msgids, now=lambda: self.now)

    def issue(self, code: str = INSTITUTION) -> Secrets:
        """Issue a key."""
        with self.book.writing() as page:
            return registry.issue_key(page, code, VAULT)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """Serve a centre that lists one institution."""
    opened = Centre(tmp_path)
    with opened.book.writing() as page:
        registry.put_institution(page, HERE)
    thread = threading.Thread(target=opened.server.run)
    thread.start()
    yield opened
    opened.server.stop()
    thread.join()
    opened.book.close()


def reason(gateway: Gateway) -> str:
    """Return why a sign-in is refused by the centre."""
    with pytest.raises(CentreRejectedError) as refused:
        gateway.sign_in()
    return refused.value.reason


def test_a_listed_institution_settles_with_the_centres_own_pair(centre: Centre):
    """As long as it has no key of its own."""
    gateway = centre.terminal(KEYS)
    order = _order()

    settled = gateway.settle(order, gateway.presettle(order).amounts, _msgid(9001))

    assert settled.settlement_id


def test_an_institution_that_is_not_listed_is_refused(centre: Centre):
    """Once any is listed."""
    assert "未登记" in reason(centre.terminal(KEYS, OTHER))


def test_an_institution_that_is_switched_off_is_refused(centre: Centre):
    """Its rows stay: old settlements name it."""
    with centre.book.writing() as page:
        registry.put_institution(
            page, Institution(INSTITUTION, "示例药店", Tier.SECONDARY, active=False)
        )
        listed = registry.institutions(page)

    assert "停用" in reason(centre.terminal(KEYS))
    assert [(one.code, one.active) for one in listed] == [(INSTITUTION, False)]


def test_an_institution_with_a_key_is_heard_under_it_alone(centre: Centre):
    """The pair that everybody shared opens nothing for it any longer."""
    own = centre.issue()

    assert centre.terminal(own).sign_in()
    assert "自己的访问密钥" in reason(centre.terminal(KEYS))


def test_a_key_of_another_institution_is_refused(centre: Centre):
    """A key proves whose message it is."""
    with centre.book.writing() as page:
        registry.put_institution(
            page, Institution(OTHER, "另一家", Tier.PRIMARY, active=True)
        )
    theirs = centre.issue(OTHER)

    assert "不属于" in reason(centre.terminal(theirs))
    assert centre.terminal(theirs, OTHER).sign_in()


def test_a_replaced_key_is_heard_a_week_more(centre: Centre):
    """So that terminals change over one after the other."""
    old = centre.issue()
    new = centre.issue()
    within = centre.terminal(old).sign_in()
    centre.now += registry.OVERLAP + dt.timedelta(seconds=1)

    assert within
    assert centre.terminal(new).sign_in()
    with pytest.raises(CentreGatewayError):
        centre.terminal(old).sign_in()


def test_a_key_that_is_ended_is_heard_no_longer(centre: Centre):
    """At once; and what was never there cannot be ended."""
    own = centre.issue()
    with centre.book.writing() as page:
        ended = registry.end_key(page, own.access_key)
        missing = registry.end_key(page, "nobody's")

    assert (ended, missing) == (True, False)
    with pytest.raises(CentreGatewayError):
        centre.terminal(own).sign_in()


def test_whose_last_key_is_ended_is_not_heard_under_the_shared_pair(centre: Centre):
    """Whoever ends a stolen key closes a door, and opens none."""
    own = centre.issue()
    with centre.book.writing() as page:
        registry.end_key(page, own.access_key)

    assert "自己的访问密钥" in reason(centre.terminal(KEYS))
    assert centre.terminal(centre.issue()).sign_in()


def test_a_wrong_secret_of_a_known_key_is_forged(centre: Centre):
    """The access key alone is no secret."""
    own = centre.issue()
    forged = Secrets(own.access_key, "not-it")

    with pytest.raises(CentreGatewayError) as refused:
        centre.terminal(forged).sign_in()

    assert refused.value.status == 401


def test_where_operators_are_listed_only_they_are_taken(centre: Centre):
    """Who is switched off is not taken either."""
    with centre.book.writing() as page:
        registry.put_operator(page, INSTITUTION, "T001", "窗口一", on=True)
        registry.put_operator(page, INSTITUTION, "T002", "窗口二", on=False)

    assert centre.terminal(KEYS).sign_in()
    assert "经办人" in reason(centre.terminal(KEYS, operator="T002"))
    assert "经办人" in reason(centre.terminal(KEYS, operator="T003"))


@pytest.mark.parametrize("what", ["operator", "key"])
def test_nothing_is_given_to_an_institution_that_is_not_listed(
    centre: Centre, what: str
):
    """A typing mistake in a code would make a key for nobody."""

    def list_an_operator() -> None:
        with centre.book.writing() as page:
            registry.put_operator(page, OTHER, "T001", "", on=True)

    def make_a_key() -> None:
        centre.issue(OTHER)

    give = {"operator": list_an_operator, "key": make_a_key}[what]

    with pytest.raises(Refusal, match="institution-unknown"):
        give()


def test_no_secret_lies_in_the_book_in_clear(centre: Centre, tmp_path: Path):
    """Neither in its file nor in what is listed."""
    own = centre.issue()
    with centre.book.reading() as page:
        listed = registry.keys_of(page, INSTITUTION)

    files = b"".join(path.read_bytes() for path in tmp_path.glob("centre.db*"))
    assert own.access_key.encode() in files
    assert own.secret_key.encode() not in files
    assert own.secret_key not in repr(listed)
