"""The counter in a real browser: the keyboard alone, no error, nobody shut out.

The pictures go to ``var/screenshots``, or to the folder that ``SCREENSHOTS`` names;
``counter.png`` is the one in the README. ``E2E_URL`` drives a running terminal.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import tty
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from config.settings import load_settings
from reader.emulator.pin_keyboard import PinKeyboard
from reader.emulator.serial_line import serve_pty
from reader.keys import TEST_ROOT
from settlement.journal import Journal
from settlement.lifecycle import State
from terminal.journal_keys import sealer_to_write
from terminal.vouchers import demo_voucher
from tests.e2e.program import ROOT, running_terminal

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
QUIET = (
    "--no-sandbox",  # the tests may run as root in a container
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PIN = "246810"
WINDOW: ViewportSize = {"width": 1366, "height": 768}  #: what stands on most counters
MOST_KEYS = 6
ARM_FAULT = """infno => fetch("/api/v1/demo/faults", {
    method: "POST",
    headers: {"X-Counter": "1", "Content-Type": "application/json"},
    body: JSON.stringify({infno, fault: "lose-answer"}),
}).then(answer => answer.status)"""
GENERATION = """() => fetch("/api/v1/card", {headers: {"X-Counter": "1"}})
    .then(answer => answer.json()).then(card => card.generation)"""
HOLD_FIRST = """kind => {
    const real = window.fetch;
    let asked = false;
    window.fetch = async (path, options) => {
        const first = !asked && path.endsWith(kind);
        asked ||= first;
        const answer = await real(path, options);
        if (!first) {
            return answer;
        }
        window.held = await answer.text();
        const body = await new Promise(resolve => { window.letGo = resolve; });
        const { status, headers } = answer;
        return new Response(body ?? window.held, { status, headers });
    };
}"""
ANSWERED_MS, LOOK_MS = 10_000, 20
LOSE_EVERY_MS = 100
TAKE_OUT = """() => fetch("/api/v1/card/demo", {
    method: "POST",
    headers: {"X-Counter": "1", "Content-Type": "application/json"},
    body: JSON.stringify({card_id: null}),
}).then(answer => answer.status)"""
GRAVE = {"serious", "critical"}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.process,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]


@dataclass
class Counter:
    """The counter's page, a count of the keys pressed, and what the console said."""

    page: Page
    url: str
    folder: Path
    keys: int = 0
    console: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        self.open("/")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.console.append(message.text)

    def open(self, path: str) -> None:
        """Go to *path* and wait for its letters."""
        self.page.goto(self.url + path)
        self.page.evaluate("document.fonts.ready.then(() => true)")

    def press(self, key: str) -> None:
        """Press one key and count it."""
        self.keys += 1
        self.page.keyboard.press(key)

    def type_pin(self, digits: str = PIN) -> None:
        """Type where the focus is; the counter has put it into the PIN field."""
        expect(self.page.locator("#pin-input")).to_be_focused()
        self.page.keyboard.type(digits)

    def insert(self, label: str) -> None:
        """Choose a card of the deck by what its label holds, and insert it."""
        option = self.page.locator("#card-id option").filter(has_text=label).first
        value = option.get_attribute("value") or pytest.fail(f"no card {label!r}")
        self.page.locator("#card-id").select_option(value)
        self.press("F2")

    def read_card(self) -> None:
        """Press F2 and wait for that card, not for one that lay there before."""
        with self.page.expect_response("**/api/v1/card/demo"):
            self.press("F2")
        generation = str(self.page.evaluate(GENERATION))
        card = self.page.locator("#card")
        expect(card).to_have_attribute("data-generation", generation)
        self.card_is("ready")

    def quoted(self) -> None:
        """Press what brings card and bill, and wait for the figures."""
        self.read_card()
        self.load_sample()

    def take_out(self) -> None:
        """Leave the slot empty, whatever an earlier test left in it."""
        assert self.page.evaluate(TAKE_OUT) == HTTPStatus.OK
        self.card_is("empty")

    def lose_every_look_up(self) -> None:
        """Keep what is unknown unknown for as long as the test looks at it."""
        # At once too: the worker may look before the interval has passed once.
        assert self.page.evaluate(ARM_FAULT, "5204") == HTTPStatus.ACCEPTED
        self.page.evaluate(
            f"window.losing = setInterval({ARM_FAULT}, {LOSE_EVERY_MS}, '5204')"
        )

    def let_look_ups_through(self) -> None:
        """Let the centre be asked again."""
        self.page.evaluate("clearInterval(window.losing)")

    def load_sample(self) -> None:
        """Press F4 and wait for the figures of that bill, not of one before it."""
        bill = self.page.locator("#bill")
        before = bill.get_attribute("data-number") or "none"
        self.press("F4")
        expect(bill).not_to_have_attribute("data-number", before)
        expect(bill).not_to_have_attribute("data-number", "")
        expect(self.page.locator("#pays")).to_be_visible()

    def card_is(self, state: str) -> None:
        """Wait until the slot's state is shown."""
        expect(self.page.locator("#card")).to_have_attribute("data-state", state)

    def picture(self, name: str, *, whole: bool = False) -> None:
        """Take a screenshot."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self.folder / f"{name}.png", full_page=whole)

    def findings(self) -> list[str]:
        """Return what keeps somebody from using this page."""
        violations = Axe().run(self.page).response["violations"]
        return [
            f"{found['id']}: {node['target']}"
            for found in violations
            if found["impact"] in GRAVE
            for node in found["nodes"]
        ]


class FirstHeld:
    """Keeps the first answer of a kind from the page until it is let go."""

    def __init__(self, page: Page, kind: str) -> None:
        self._page = page
        page.evaluate(HOLD_FIRST, kind)

    def answer(self) -> str:
        """Return what the terminal answered, once it has."""
        for _ in range(ANSWERED_MS // LOOK_MS):
            held = self._page.evaluate("window.held")
            if held is not None:
                return str(held)
            self._page.wait_for_timeout(LOOK_MS)
        return pytest.fail("the terminal did not answer")

    def let_go(self, body: str | None = None) -> None:
        """Hand the answer to the page, with another *body* if one is given."""
        self.answer()
        self._page.evaluate("body => window.letGo(body)", body)
        self._page.wait_for_timeout(200)  # the page has it, and might act on it


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a demonstration that runs as its own process."""
    with ExitStack() as stack:
        running = os.environ.get("E2E_URL")
        folder = tmp_path_factory.mktemp("terminal")
        yield running or stack.enter_context(running_terminal(folder))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return this machine's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def folder() -> Path:
    """Return where the screenshots go."""
    return ROOT / os.environ.get("SCREENSHOTS", "var/screenshots")


@pytest.fixture
def counter(browser: Browser, url: str, folder: Path) -> Iterator[Counter]:
    """Return a fresh page at the counter; at its end the console must be silent."""
    context = browser.new_context(viewport=WINDOW, color_scheme="light")
    counter = Counter(context.new_page(), url, folder)
    yield counter
    context.close()
    assert counter.console == []


def test_a_whole_sale_takes_the_keyboard_and_at_most_six_keys(counter):
    """Insert, read, bill, quote, PIN, settle, receipt: acceptance of the counter."""
    counter.read_card()
    counter.picture("card")
    counter.load_sample()
    counter.picture("quote")
    told = counter.page.locator("#split").get_attribute("data-pays")
    counter.type_pin()
    counter.press("Enter")
    counter.card_is("verified")
    expect(counter.page.locator("#settle")).to_be_focused()
    counter.picture("counter")
    counter.press("F8")

    result = counter.page.locator("#split.result.settled")
    expect(result).to_be_visible()
    counter.picture("settled", whole=True)
    assert counter.keys <= MOST_KEYS
    assert result.locator("#pays").inner_text() == told
    counter.page.keyboard.press("Escape")
    expect(counter.page.locator("#split")).to_have_attribute("data-mode", "empty")


@pytest.mark.parametrize(
    ("button", "name"), [("出示电子凭证", "医保电子凭证"), ("出示身份证", "居民身份证")]
)
def test_a_voucher_or_an_identity_card_settles_without_a_pin(counter, button, name):
    """Exchanged or read, shown by its kind, and gone after the settlement."""
    page = counter.page
    page.locator("#card-id").select_option("v2-yi")
    page.get_by_role("button", name=button).click()
    counter.card_is("verified")
    expect(page.locator("#credential")).to_have_text(name)
    counter.load_sample()
    counter.picture(f"credential-{name}")

    counter.press("F8")

    expect(page.locator("#split.result.settled")).to_be_visible()
    assert counter.console == []


def test_what_is_scanned_and_is_no_voucher_is_refused_and_gone(counter):
    """The sentence says what to do; the digits stay nowhere on the page."""
    page = counter.page
    counter.press("F6")
    expect(page.locator("#scan")).to_be_focused()

    page.keyboard.type("990100198001010018")
    page.keyboard.press("Enter")

    expect(page.get_by_text("刷新二维码").first).to_be_visible()
    expect(page.locator("#scan")).to_have_value("")
    assert "990100198001010018" not in page.content()
    assert "990100198001010018" not in page.url
    counter.console.clear()  # the browser itself notes the refusal, by its status


def test_the_receipt_is_there_to_be_printed(counter):
    """F9 opens a PDF with the font in it; the page says the same."""
    counter.quoted()
    counter.type_pin()
    counter.press("Enter")
    counter.card_is("verified")
    counter.press("F8")
    link = counter.page.locator("#pdf")
    expect(link).to_be_focused()

    pdf = counter.page.request.get(counter.url + (link.get_attribute("href") or ""))

    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.body().startswith(b"%PDF-")


def test_a_wrong_pin_shows_the_tries_left_and_spends_one_per_press(counter):
    """Enter twice must not cost the holder two tries (acceptance 8)."""
    counter.quoted()
    tries = counter.page.locator("#pin-tries")
    before = tries.inner_text()
    counter.type_pin("999999")
    counter.press("Enter")

    expect(counter.page.locator("#alert")).to_be_visible()
    expect(tries).not_to_have_text(before)
    counter.picture("wrong-pin")
    after = tries.inner_text()
    counter.press("Enter")  # the field is empty: nothing is sent
    assert tries.inner_text() == after
    expect(counter.page.locator("#pin-input")).to_have_value("")
    counter.type_pin()
    counter.press("Enter")
    counter.card_is("verified")


def test_the_last_try_is_spent_after_a_second_word_only(counter):
    """One more wrong PIN would lock the card: the dialog says so, Enter does not."""
    counter.quoted()
    card = counter.page.locator("#card")
    for left in (2, 1):
        counter.type_pin("999999")
        counter.press("Enter")
        # Until the card has answered, a second Enter is not taken for a second PIN.
        expect(counter.page.locator("#alert")).to_contain_text(f"还可以试 {left} 次")
    expect(card).to_have_attribute("data-last-try", "true")
    dialog = counter.page.locator("#last-try")

    counter.type_pin("999999")
    counter.press("Enter")
    expect(dialog).to_be_visible()
    counter.picture("last-try")
    counter.press("Enter")  # the key that has the focus is "not now"
    expect(dialog).to_be_hidden()
    expect(counter.page.locator("#pin-input")).to_have_value("")
    counter.card_is("ready")

    counter.type_pin()
    counter.press("Enter")
    counter.page.get_by_role("button", name="确认使用最后一次机会").click()
    counter.card_is("verified")


@pytest.mark.parametrize(
    ("label", "says"), [("锁定", "锁"), ("过期", "有效期"), ("损坏", "读")]
)
def test_each_refused_card_gives_its_own_sentence_and_no_sale(counter, label, says):
    """Blocked, expired and unreadable: three sentences and no settlement."""
    counter.insert(label)
    counter.card_is("refused")
    counter.press("F4")

    expect(counter.page.locator("#card .told")).to_contain_text(says)
    expect(counter.page.locator("#settle")).to_have_count(0)
    counter.picture(f"refused-{label}")


def test_the_reason_behind_an_amount_is_one_key_away(counter):
    """Rule, value, clause and arithmetic, and Escape folds them again."""
    counter.quoted()
    why = counter.page.locator(".why").first
    why.focus()
    counter.press("Enter")

    reasons = counter.page.locator(".because:not([hidden])")
    expect(reasons).to_have_count(1)
    expect(reasons.locator(".sum").first).to_have_text(re.compile(r"\d+\.\d\d"))
    expect(reasons.locator(".clause").first).not_to_be_empty()
    counter.picture("why", whole=True)
    counter.press("Escape")
    expect(reasons).to_have_count(0)


def test_f5_keeps_what_is_on_the_counter(counter):
    """A reload in the middle of a sale is a habit, not a wish."""
    counter.quoted()
    told = counter.page.locator("#pays").inner_text()
    counter.page.evaluate("window.stillHere = true")

    counter.press("F5")

    expect(counter.page.locator("#pays")).to_have_text(told)
    assert counter.page.evaluate("window.stillHere") is True


def test_a_bill_can_be_typed(counter):
    """Without a POS and without a sample: item, days, Enter, F3."""
    counter.page.keyboard.press("Tab")
    if counter.page.locator("[data-action=clear]").count():
        counter.page.locator("[data-action=clear]").click()
        expect(counter.page.locator("#bill tbody")).to_have_count(0)
    counter.page.locator("#typed-item").focus()
    counter.page.keyboard.type("XA0001")
    for _ in range(3):
        counter.page.keyboard.press("Tab")
    counter.page.keyboard.type("3")
    counter.page.keyboard.press("Enter")
    expect(counter.page.locator("#bill tbody tr")).to_have_count(1)
    expect(counter.page.locator("#bill tbody tr")).to_contain_text("3 天用量")
    expect(counter.page.locator("#typed-item")).to_be_focused()
    counter.read_card()
    counter.press("F3")

    expect(counter.page.locator("#pays")).to_be_visible()


def test_an_answer_about_the_card_that_was_overtaken_is_not_shown(counter):
    """A slow answer from before must not say that a read card is still being read."""
    counter.take_out()
    first = FirstHeld(counter.page, "/fragment/card")
    counter.press("F2")
    counter.card_is("ready")
    past = re.sub(r'data-state="\w+"', 'data-state="reading"', first.answer())
    first.let_go(past)

    counter.load_sample()
    counter.card_is("ready")


def test_a_card_that_is_shown_as_verified_can_settle_before_the_pins_own_answer(
    counter,
):
    """The event is faster than the answer now and then; F8 must not be swallowed."""
    counter.quoted()
    slow = FirstHeld(counter.page, "/card/pin")
    counter.type_pin()
    counter.press("Enter")
    counter.card_is("verified")
    counter.press("F8")

    settled = counter.page.locator("#split.result.settled")
    expect(settled).to_be_visible()
    slow.let_go()
    expect(settled).to_be_visible()


def test_a_late_look_at_the_card_does_not_clear_the_settlement_that_followed(counter):
    """What was just settled stays on the screen until the cashier has seen it."""
    counter.quoted()
    late = FirstHeld(counter.page, "/fragment/card")
    counter.type_pin()
    counter.press("Enter")
    counter.card_is("verified")
    assert 'data-state="verified"' in late.answer()
    counter.press("F8")
    settled = counter.page.locator("#split.result.settled")
    expect(settled).to_be_visible()
    counter.card_is("done")
    late.let_go()

    expect(settled).to_be_visible()


def test_a_bill_that_was_too_early_for_the_card_is_quoted_when_the_card_is_read(
    counter,
):
    """Also while the answer to an older bill, which is not wanted now, hangs."""
    counter.take_out()
    older = FirstHeld(counter.page, "/fragment/quote")
    counter.press("F4")
    older.answer()
    with counter.page.expect_response("**/counter/fragment/quote"):
        counter.press("F4")
    expect(counter.page.locator("#split .empty")).to_contain_text("请先插入社保卡")
    bill = counter.page.locator("#bill")
    number = bill.get_attribute("data-number") or pytest.fail("no bill came")

    counter.press("F2")

    expect(counter.page.locator("#pays")).to_be_visible()
    older.let_go()
    expect(bill).to_have_attribute("data-number", number)
    expect(counter.page.locator("#pays")).to_be_visible()


def test_a_bill_is_quoted_when_the_card_came_while_it_was_being_loaded(counter):
    """The answer "no card yet" may arrive after the card that it asked for."""
    counter.take_out()
    early = FirstHeld(counter.page, "/fragment/quote")
    counter.press("F4")
    assert 'data-mode="waiting"' in early.answer()
    counter.press("F2")
    counter.card_is("ready")
    early.let_go()

    expect(counter.page.locator("#pays")).to_be_visible()


def test_a_lost_answer_is_shown_as_unknown_until_it_is_decided(counter):
    """No money is asked for, others are served, and the end comes by itself (D1)."""
    counter.quoted()
    assert counter.page.evaluate(ARM_FAULT, "2207") == HTTPStatus.ACCEPTED
    counter.lose_every_look_up()
    counter.type_pin()
    counter.press("Enter")
    counter.card_is("verified")
    counter.press("F8")

    expect(counter.page.locator("#split.unknown")).to_be_visible(timeout=15_000)
    expect(counter.page.locator(".opened")).to_be_visible()
    counter.picture("unknown")
    counter.let_look_ups_through()
    expect(counter.page.locator("#split.settled, #split.reversed")).to_be_visible(
        timeout=20_000
    )


def left_to_a_person(data: Path) -> None:
    """Leave the undecided settlement in a stopped terminal's journal to a person."""
    settings = load_settings(environ={"TERMINAL_DATA_DIR": str(data)})
    journal = Journal.open(
        settings.journal_file,
        sealer=sealer_to_write(settings),
        institution=settings.site.institution_code,
        terminal_no=settings.site.terminal_no,
        now=lambda: dt.datetime.now(settings.site.timezone),
    )
    (record,) = journal.open_items()
    if record.state is State.SENDING:
        record = journal.advance(record, State.UNKNOWN, {"why": "stopped"})
    journal.advance(record, State.QUARANTINED, {"why": "unbelievable-answers"})
    journal.close()


def test_what_waits_for_a_person_is_looked_up_again_at_his_word(
    browser, folder, tmp_path
):
    """With a reason it goes back to the worker, which ends it; without one it stays."""
    with running_terminal(tmp_path) as url:
        context = browser.new_context(viewport=WINDOW)
        counter = Counter(context.new_page(), url, folder)
        counter.quoted()
        assert counter.page.evaluate(ARM_FAULT, "2207") == HTTPStatus.ACCEPTED
        counter.lose_every_look_up()
        counter.type_pin()
        counter.press("Enter")
        counter.card_is("verified")
        counter.press("F8")
        expect(counter.page.locator("#split.unknown")).to_be_visible(timeout=15_000)
        context.close()
    left_to_a_person(tmp_path / "data")
    with running_terminal(tmp_path) as url:
        context = browser.new_context(viewport=WINDOW)
        counter = Counter(context.new_page(), url, folder)
        counter.open("/open")
        again = counter.page.locator("[data-action=look-again]")
        expect(again).to_contain_text("重新核对")
        counter.picture("quarantined", whole=True)

        counter.page.once("dialog", lambda asked: asked.accept(" "))
        again.click()
        expect(again).to_be_visible()
        counter.page.once("dialog", lambda asked: asked.accept("线路已修复"))
        again.click()

        expect(counter.page.locator(".empty")).to_be_visible(timeout=20_000)
        assert counter.console == []
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/today", "/open", "/help"])
def test_no_serious_accessibility_finding(counter, path, scheme):
    """WCAG AA in both schemes, as axe sees it (acceptance 3)."""
    counter.page.emulate_media(color_scheme=scheme)
    counter.open(path)

    assert counter.findings() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_finding_in_a_sale(counter, scheme):
    """The page changes under the cashier's hands: every stage is looked at."""
    counter.page.emulate_media(color_scheme=scheme)
    counter.quoted()
    counter.page.locator(".why").first.click()
    assert counter.findings() == []
    counter.picture(f"sale-{scheme}", whole=True)
    counter.page.locator("#pin-input").focus()
    counter.type_pin()
    counter.press("Enter")
    counter.card_is("verified")
    counter.press("F8")

    expect(counter.page.locator("#split.settled")).to_be_visible()
    assert counter.findings() == []
    counter.page.goto(
        counter.url + (counter.page.locator("#pdf").get_attribute("href") or "")[:-4]
    )
    assert counter.findings() == []
    counter.picture(f"receipt-{scheme}", whole=True)


def test_at_twice_the_size_nothing_is_cut_off(counter):
    """200% on a 1366 wide window is 683: one column, no sideways scrolling."""
    counter.page.set_viewport_size({"width": 683, "height": 384})
    counter.quoted()

    wide = counter.page.evaluate("document.documentElement.scrollWidth")

    assert wide <= 683
    counter.picture("zoomed", whole=True)


def test_the_one_number_is_large(counter):
    """Read from where the patient stands: at least 72 pixels."""
    counter.quoted()

    size = counter.page.locator("#pays").evaluate(
        "element => parseFloat(getComputedStyle(element).fontSize)"
    )

    assert size >= 72


def test_english_is_one_click_away_and_whole(counter):
    """The switch turns the page; no Chinese word of ours is left on the keys."""
    counter.open("/?lang=en")
    counter.quoted()

    expect(counter.page.locator(".pays .label")).to_have_text("Patient pays now")
    keys = counter.page.locator(".keys").inner_text()
    assert keys.isascii()
    counter.picture("english")


def sold(counter: Counter) -> str:
    """Settle a sample bill by keyboard and return its number."""
    counter.quoted()
    number = counter.page.locator("#bill").get_attribute("data-number") or ""
    counter.type_pin()
    counter.press("Enter")
    counter.card_is("verified")
    counter.press("F8")
    expect(counter.page.locator("#split.settled")).to_be_visible()
    return number


def reconciles_to_nothing(counter: Counter) -> None:
    """Press F7 on the page of today and wait for the verdict."""
    counter.press("F7")
    result = counter.page.locator("#reconciled[data-balanced=true]")
    expect(result).to_contain_text("零差异")
    expect(result.locator("tbody tr").first).to_contain_text("平")
    # The key takes one press at a time; the next counts once it is free again.
    expect(counter.page.locator("#reconcile")).not_to_have_attribute(
        "aria-disabled", "true"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_day_is_closed_and_a_settlement_taken_back_by_keyboard(counter, scheme):
    """Zero differences before and after a cancellation that was asked for twice."""
    counter.page.emulate_media(color_scheme=scheme)
    number = sold(counter)
    counter.open("/today")
    reconciles_to_nothing(counter)
    assert counter.findings() == []
    counter.picture(f"today-{scheme}", whole=True)

    row = counter.page.locator("#list tbody tr").filter(has_text=number)
    count = counter.page.locator("#totals dd").first
    before = int(count.inner_text())
    row.get_by_role("button").focus()
    counter.press("Enter")
    dialog = counter.page.locator("#cancel-dialog")
    expect(dialog).to_contain_text(number)
    expect(dialog).to_contain_text("不要退款")
    expect(dialog.locator("#cancel-cash")).to_have_text(re.compile(r"^\d+\.\d\d$"))
    assert counter.findings() == []
    counter.picture(f"cancel-{scheme}")
    counter.press("Enter")  # the focus is on the harmless key
    expect(dialog).to_be_hidden()
    expect(row).to_contain_text("已结算")

    row.get_by_role("button").focus()
    counter.press("Enter")
    counter.press("Tab")
    expect(counter.page.locator("#cancel-yes")).to_be_focused()
    counter.press("Enter")

    expect(counter.page.locator("#outcome.cancelled")).to_be_focused()
    expect(counter.page.locator("#outcome")).to_contain_text("请退还现金")
    expect(row).to_contain_text("已撤销")
    expect(row.get_by_role("button")).to_have_count(0)
    expect(count).to_have_text(str(before - 1))
    reconciles_to_nothing(counter)
    assert counter.findings() == []
    counter.picture(f"cancelled-{scheme}", whole=True)
    counter.page.set_viewport_size({"width": 683, "height": 384})
    assert counter.page.evaluate("document.documentElement.scrollWidth") <= 683


def test_a_lost_cancellation_says_pay_nothing_back_until_it_is_decided(counter):
    """Not known is not cancelled: the patient's money stays where it is."""
    sold(counter)
    path = counter.page.locator("#pdf").get_attribute("href") or ""
    assert counter.page.evaluate(ARM_FAULT, "2208") == HTTPStatus.ACCEPTED
    counter.open(path.removesuffix(".pdf"))
    counter.lose_every_look_up()
    counter.page.locator("[data-action=ask-cancel]").click()
    counter.page.locator("#cancel-yes").click()

    outcome = counter.page.locator("#outcome.cancelling")
    expect(outcome).to_contain_text("请勿先退款", timeout=15_000)
    expect(outcome.get_by_role("link")).to_have_attribute("href", "/open")
    counter.picture("cancelling", whole=True)
    counter.let_look_ups_through()
    expect(counter.page.locator("#outcome.cancelled")).to_be_visible(timeout=20_000)
    expect(counter.page.locator("#paper")).to_contain_text("本结算已撤销")


def test_a_centre_that_does_not_answer_leaves_no_verdict_behind(counter):
    """An old 零差异 beside an error would be read as the answer."""
    sold(counter)
    counter.open("/today")
    reconciles_to_nothing(counter)
    counter.page.route("**/counter/fragment/reconciliation", lambda way: way.abort())
    alert = counter.page.locator("#alert")
    for _ in range(3):
        # A request that was under way before the line was cut may still go through.
        counter.press("F7")
        with suppress(PlaywrightTimeoutError):
            alert.wait_for(state="visible", timeout=3000)
            break

    expect(counter.page.locator("#alert")).to_be_visible()
    expect(counter.page.locator("#reconciled")).to_be_empty()
    # The browser itself notes the request that this test cut off.
    assert all("ERR_FAILED" in said for said in counter.console)
    counter.console.clear()


def test_the_holder_enters_the_pin_on_a_pad_and_the_page_waits(
    browser, folder, tmp_path
):
    """The counter has no field for it; a press begins, the pad's enter ends."""
    pad = PinKeyboard({1: TEST_ROOT})
    plugged = serve_pty(pad)
    site = {
        "TERMINAL_PIN_STRATEGY": "serial-pad",
        "TERMINAL_PIN_PAD_PORT": plugged.path,
        "TERMINAL_PIN_PAD_KEY_NUMBER": "1",
        "TERMINAL_PIN_PAD_KEY": TEST_ROOT.hex(),
    }
    with running_terminal(tmp_path, **site) as url:
        context = browser.new_context(viewport=WINDOW, color_scheme="light")
        counter = Counter(context.new_page(), url, folder)
        counter.quoted()
        start = counter.page.locator("#pin-start")
        expect(start).to_be_focused()
        expect(counter.page.locator("#pin-input")).to_have_count(0)

        for keys, state in ((b"\x1b", "ready"), (b"810\r", "verified")):
            start.press("Enter")
            told = counter.page.locator("#pin-pad")
            expect(told).to_contain_text("正在等待持卡人在密码键盘上输入")
            counter.picture("pin-pad")
            while not pad.entering:
                counter.page.wait_for_timeout(20)
            pad.press(b"246")
            shown = counter.page.locator("#pad-digits")
            expect(shown).to_have_text("●●●")
            pad.press(keys)
            counter.card_is(state)
            if state == "ready":
                alert = counter.page.locator("#alert")
                expect(alert).to_contain_text("取消")
                expect(told).not_to_contain_text("正在等待")

        context.close()
        assert counter.console == []
    plugged.close()


def test_a_voucher_from_a_serial_scanner_lies_on_the_counter_by_itself(
    browser, folder, tmp_path
):
    """Nobody presses a key; what is no voucher is refused in a sentence."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    site = {"TERMINAL_CREDENTIALS_SCANNER_PORT": os.ttyname(theirs)}
    with running_terminal(tmp_path, **site) as url:
        context = browser.new_context(viewport=WINDOW, color_scheme="light")
        counter = Counter(context.new_page(), url, folder)
        alert = counter.page.locator("#alert")

        # The line and the page's stream open in their own time.
        for _ in range(20):
            os.write(ours, b"990100198001010018\r")
            with suppress(AssertionError):
                expect(alert).to_contain_text("刷新二维码", timeout=500)
                break
        expect(alert).to_contain_text("刷新二维码")
        assert "990100198001010018" not in counter.page.content()

        os.write(ours, demo_voucher("990100199002150025").encode() + b"\r")
        counter.card_is("verified")
        expect(counter.page.locator("#credential")).to_have_text("医保电子凭证")

        context.close()
        assert counter.console == []
    os.close(ours)
    os.close(theirs)
