"""The holder's own page in a real browser: seen after the PIN, gone with the card.

The pictures go where those of the counter go. ``E2E_URL`` drives a running terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.e2e.test_counter_browser import (
    CHROMIUM,
    PIN,
    WINDOW,
    Counter,
    browser,
    folder,
    url,
)

__all__ = ["browser", "folder", "url"]  # fixtures of the counter's tests

CERT_NO, MASKED = "990100198001010018", "9901**********0018"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.process,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]


@dataclass
class Kiosk(Counter):
    """The holder's page, driven as the counter is."""

    def __post_init__(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        self.put(None)
        self.open("/self")
        self.stage_is("empty")

    def put(self, card_id: str | None) -> None:
        """Put a card into the slot or take it out, without the page's doing."""
        self.page.goto(self.url + "/help")
        self.slot(card_id)

    def slot(self, card_id: str | None) -> None:
        """Do the same from the page that is open."""
        status = self.page.evaluate(
            """card_id => fetch("/api/v1/card/demo", {
                method: "POST",
                headers: {"X-Counter": "1", "Content-Type": "application/json"},
                body: JSON.stringify({card_id}),
            }).then(answer => answer.status)""",
            card_id,
        )
        assert status == 200

    def stage_is(self, stage: str) -> None:
        """Wait until the page is at a stage."""
        expect(self.page.locator("#stage")).to_have_attribute("data-stage", stage)

    def insert_here(self) -> None:
        """Insert the first card with the page's own key."""
        self.page.locator("#card-id").focus()
        self.press("Tab")
        self.press("Enter")
        self.stage_is("ready")

    def opened(self) -> None:
        """Insert a card and enter its PIN by keyboard."""
        self.insert_here()
        self.type_pin()
        self.press("Enter")
        self.stage_is("record")


@pytest.fixture
def kiosk(browser: Browser, url: str, folder: Path) -> Iterator[Kiosk]:
    """Return the holder's page with an empty slot; its console must stay silent."""
    context = browser.new_context(viewport=WINDOW, color_scheme="light")
    kiosk = Kiosk(context.new_page(), url, folder)
    yield kiosk
    kiosk.put(None)
    context.close()
    assert kiosk.console == []


def nothing_is_left(kiosk: Kiosk) -> None:
    """Look through the whole document, what is hidden included."""
    html = kiosk.page.content()
    assert CERT_NO not in html
    assert MASKED not in html
    assert "data:image" not in html


def test_a_holder_sees_his_record_by_keyboard_alone(kiosk):
    """Card, PIN, record; the name on top has the focus, the address says nothing."""
    kiosk.picture("self-empty")
    kiosk.insert_here()
    kiosk.picture("self-pin")
    kiosk.type_pin()
    kiosk.press("Enter")
    kiosk.stage_is("record")

    expect(kiosk.page.locator("#ask-title")).to_be_focused()
    expect(kiosk.page.locator("#ask-title")).to_contain_text("测试甲")
    expect(kiosk.page.locator(".photo")).to_be_visible()
    assert kiosk.page.url == kiosk.url + "/self"
    for key in ("basic", "medical", "pension", "unemployment", "maternity", "injury"):
        expect(kiosk.page.locator(f"#chapter-{key}")).to_be_visible()
    expect(kiosk.page.locator("#chapter-centre")).to_contain_text("正常参保")
    states = kiosk.page.locator("[data-file]")
    assert states.count() == 11
    kiosk.picture("self-record", whole=True)


def test_numbers_are_masked_until_the_holder_asks(kiosk):
    """And again when he asks them away."""
    kiosk.opened()
    masked = kiosk.page.get_by_text(MASKED, exact=True)
    whole = kiosk.page.get_by_text(CERT_NO, exact=True)
    expect(masked).to_be_visible()
    expect(whole).to_be_hidden()

    kiosk.page.locator("#whole").focus()
    kiosk.press("Enter")

    expect(whole).to_be_visible()
    expect(masked).to_be_hidden()
    kiosk.picture("self-whole")
    kiosk.press("Enter")
    expect(whole).to_be_hidden()


def test_the_record_goes_with_the_card(kiosk):
    """Nothing of it is left in the document, not even hidden."""
    kiosk.opened()

    kiosk.slot(None)

    kiosk.stage_is("empty")
    nothing_is_left(kiosk)


def test_another_card_shows_nothing_of_the_one_before(kiosk):
    """The next in the queue is asked for his own PIN."""
    kiosk.opened()

    kiosk.slot("v2-yi")

    kiosk.stage_is("ready")
    nothing_is_left(kiosk)


def test_escape_ends_the_visit_and_asks_to_take_the_card(kiosk):
    """The card is powered down: its PIN counts for nothing any more."""
    kiosk.opened()

    kiosk.press("Escape")

    kiosk.stage_is("done")
    nothing_is_left(kiosk)
    kiosk.picture("self-done")


def test_the_record_goes_after_a_while_without_a_key(kiosk):
    """Somebody who walks away leaves an empty screen after ninety seconds."""
    kiosk.page.clock.install()
    kiosk.open("/self")
    kiosk.opened()

    kiosk.page.clock.fast_forward(91_000)

    kiosk.stage_is("done")
    nothing_is_left(kiosk)


def test_leaving_the_page_ends_the_visit(kiosk):
    """The way back leads to the PIN, not to the record."""
    kiosk.opened()

    kiosk.open("/help")
    kiosk.page.go_back()

    expect(kiosk.page.locator("#stage")).not_to_have_attribute("data-stage", "record")
    nothing_is_left(kiosk)


def test_a_reload_asks_for_the_pin_again(kiosk):
    """The visit's name lives in the page's memory and nowhere else."""
    kiosk.opened()

    kiosk.page.reload()

    expect(kiosk.page.locator("#stage")).not_to_have_attribute("data-stage", "record")
    assert kiosk.page.evaluate("sessionStorage.length + localStorage.length") == 0


def test_a_wrong_pin_shows_the_tries_left_and_the_keypad_works(kiosk):
    """A wrong one by the keys on the screen, the right one by keyboard."""
    kiosk.insert_here()
    for digit in "99999":
        kiosk.page.locator(f'[data-digit="{digit}"]').click()
    kiosk.page.locator('[data-digit="back"]').click()
    expect(kiosk.page.locator("#pin-input")).to_have_value("9999")
    kiosk.page.locator("#open").click()

    expect(kiosk.page.locator("#alert")).to_contain_text("2 次")
    expect(kiosk.page.locator("#pin-tries")).to_contain_text("2")
    kiosk.picture("self-wrong-pin")
    kiosk.page.locator("#pin-input").focus()
    kiosk.type_pin(PIN)
    kiosk.press("Enter")
    kiosk.stage_is("record")


@pytest.mark.parametrize(("card_id", "says"), [("v3-expired", "有效期")])
def test_a_refused_card_gives_its_own_sentence(kiosk, card_id, says):
    """What to do with it, in words."""
    kiosk.slot(card_id)

    kiosk.stage_is("refused")
    expect(kiosk.page.locator(".ask .told")).to_contain_text(says)


def test_an_answer_that_was_overtaken_is_not_shown(kiosk):
    """A page that was asked for before the card came would tell of an empty slot."""
    of_before = kiosk.page.evaluate("() => fetch('/self').then(a => a.text())")
    held: list[Route] = []

    def hold_the_first(way):
        if held:
            way.continue_()
        else:
            held.append(way)

    kiosk.page.route("**/self", hold_the_first)
    kiosk.slot("v3-jia")
    kiosk.slot("v3-expired")
    kiosk.stage_is("refused")
    held[0].fulfill(body=of_before, content_type="text/html")
    kiosk.page.wait_for_timeout(200)  # it has it by now

    kiosk.stage_is("refused")
    expect(kiosk.page.locator(".ask .told")).to_contain_text("有效期")


def test_the_switch_turns_the_record_without_another_pin(kiosk):
    """Head, heading and labels; what has no English is marked as Chinese."""
    kiosk.opened()

    kiosk.page.locator("#language").focus()
    kiosk.press("Enter")

    expect(kiosk.page.locator("html")).to_have_attribute("lang", "en")
    expect(kiosk.page.locator("#ask-title")).to_contain_text("Card of")
    kiosk.picture("self-english", whole=True)
    kiosk.page.locator("#language").click()
    expect(kiosk.page.locator("html")).to_have_attribute("lang", "zh-CN")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_finding(kiosk, scheme):
    """WCAG AA at every stage and in both schemes, as axe sees it."""
    kiosk.page.emulate_media(color_scheme=scheme)
    assert kiosk.findings() == []
    kiosk.insert_here()
    assert kiosk.findings() == []
    kiosk.type_pin()
    kiosk.press("Enter")
    kiosk.stage_is("record")
    assert kiosk.findings() == []
    kiosk.page.locator("#whole").click()
    assert kiosk.findings() == []
    kiosk.picture(f"self-{scheme}")


def test_at_twice_the_size_nothing_is_cut_off(kiosk):
    """200% on a 1366 wide window is 683: one column, no sideways scrolling."""
    kiosk.page.set_viewport_size({"width": 683, "height": 384})
    kiosk.opened()

    assert kiosk.page.evaluate("document.documentElement.scrollWidth") <= 683
    kiosk.picture("self-zoomed", whole=True)


def test_a_lost_connection_takes_the_record_off_the_screen(kiosk):
    """Whether the card is still in is not known any more."""
    kiosk.page.add_init_script(
        """const Source = EventSource;
        window.EventSource = class extends Source {
            constructor(...given) { super(...given); window.lastSource = this; }
        };"""
    )
    kiosk.open("/self")
    kiosk.opened()

    kiosk.page.evaluate("window.lastSource.onerror(new Event('error'))")

    nothing_is_left(kiosk)
    expect(kiosk.page.locator("#alert")).to_be_visible()
