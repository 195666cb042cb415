"""The counter's pages: what the cashier is shown, in both languages, and what not."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from html import unescape
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from settlement.attribution import Suspect
from settlement.catalogue import Catalogue, CatalogueItem
from settlement.claim import ItemClass, VisitKind
from settlement.facts import amounts_from_json, amounts_to_json
from settlement.lifecycle import OPEN, State
from settlement.money import Money
from settlement.reconcile import DayReport
from settlement.split import PackId, SettledAmounts
from terminal.api_models import BillIn
from terminal.app import create_app
from terminal.bill import Bill
from terminal.counter import CounterSite
from terminal.events import EventHub
from terminal.guard import AppSettings
from terminal.metrics import Metrics
from terminal.receipt import PAYER_FIELDS
from terminal.sample_bills import SampleBills
from terminal.split_panel import BAR, split_panel, whys
from terminal.typed_bill import (
    LineError,
    bill_from_json,
    bill_to_json,
    find_item,
    new_bill_no,
    typed_line,
)
from terminal.views import (
    CardState,
    CardView,
    DifferenceView,
    ProblemView,
    QuoteView,
    SettlementView,
)
from tests.terminal.fake_cashier import (
    NOW,
    SITE_TIME,
    FakeCashier,
    a_bill,
    a_settlement,
    half_split,
)
from tests.terminal.terminal_client import HOST, ORIGIN, PORT, clock

HOSPITAL = "测试医院"
COUNTER = {"Host": HOST, "Origin": ORIGIN, "X-Counter": "1"}
PAGES = ("/", "/today", "/open", "/help")
EXPLAINED = {
    "line_no": "",
    "label": "医疗救助基金支出",
    "rule_label": "年度限额",
    "value": "0.00",
    "arithmetic": "0.00",
    "document": "测试文件",
    "article": "第一条",
    "quote": "",
    "grade": "E",
    "since": "2026-01-01",
}
UNKNOWN = ProblemView(
    "settlement-unknown", "结算结果未知。请勿收款。", "Unknown. Take no money."
)


def item(code: str, name: str, price: str) -> CatalogueItem:
    """Return a class A item at *price* yuan."""
    return CatalogueItem(
        code,
        name,
        "西药",
        "盒",
        ItemClass.A,
        Fraction(price),
        None,
        {},
        restricted=False,
    )


CATALOGUE = Catalogue(
    "测试目录",
    sample=True,
    items={
        "XA01": item("XA01", "阿莫西林胶囊", "60.25"),
        "XA02": item("XA02", "阿莫西林颗粒", "0.125"),
        "XB01": item("XB01", "<b>注射液</b>", "8"),
    },
)


class StagedCashier(FakeCashier):
    """A FakeCashier whose slot and whose one settlement a test sets at will."""

    def __init__(self, *, demonstration: bool) -> None:
        super().__init__(demonstration=demonstration)
        self.slot: CardView | None = None
        self.staged: SettlementView | None = None
        self.suspects: tuple[Suspect, ...] | None = None
        self.closing: Callable[[dt.date], DayReport] = super().reconcile

    def reconcile(self, date: dt.date) -> DayReport:
        """Close the day as the test wants it closed."""
        return self.closing(date)

    def quote(self, bill: Bill) -> QuoteView:
        """Differ from the centre by what the test says, if it says so."""
        view = super().quote(bill)
        if self.suspects is None:
            return view
        differs = (DifferenceView("cash_pay", "60.25", "50.25"),)
        return replace(view, differences=differs, suspects=self.suspects)

    def card(self) -> CardView:
        """Return what the test put into the slot."""
        return self.slot or super().card()

    def settlement(self, settlement_id: str) -> SettlementView:
        """Return the staged settlement, whatever its id."""
        return self.staged or super().settlement(settlement_id)

    def today(self) -> tuple[SettlementView, ...]:
        """List the staged settlement."""
        return (self.staged,) if self.staged else super().today()

    def open_items(self) -> tuple[SettlementView, ...]:
        """List the staged settlement while it is undecided."""
        return tuple(view for view in self.today() if view.state in OPEN)

    def found_out(self) -> tuple[SettlementView, ...]:
        """List the staged settlement once it is decided."""
        return tuple(view for view in self.today() if view.state not in OPEN)


class Counter:
    """A browser without a screen, at a counter over a FakeCashier."""

    def __init__(
        self,
        samples: Path,
        *,
        demonstration: bool = True,
        host_keyboard_pin: bool = True,
    ) -> None:
        self.service = StagedCashier(demonstration=demonstration)
        app = create_app(
            self.service,
            settings=AppSettings(port=PORT, demonstration=demonstration),
            events=EventHub(max_streams=2),
            metrics=Metrics(),
            now=clock,
            site=CounterSite(
                HOSPITAL,
                SITE_TIME,
                CATALOGUE,
                SampleBills(samples),
                host_keyboard_pin=host_keyboard_pin,
                now=clock,
            ),
        )
        self.client: FlaskClient = app.test_client()
        self.get("/")

    def get(self, path: str, **more) -> str:
        """Return the page at *path*."""
        return self.client.get(path, headers=COUNTER, **more).text

    def post(self, fragment: str, body: object) -> str:
        """Return the fragment that *body* brings."""
        path = f"/counter/fragment/{fragment}"
        return self.client.post(path, json=body, headers=COUNTER).text

    def quote(self) -> str:
        """Put the card in and quote the usual bill."""
        self.service.insert_card("sm4")
        return self.post("quote", {"bill": bill_to_json(a_bill())})


@pytest.fixture
def counter(tmp_path) -> Counter:
    """Return a counter with one sample bill."""
    (tmp_path / "outpatient.toml").write_text(
        '[bill]\nkind = "outpatient"\n\n[[line]]\nitem_code = "XA01"\n'
        'quantity = "2"\nunit_price = "60.25"\namount = "120.50"\n',
        encoding="utf-8",
    )
    return Counter(tmp_path)


def text_of(html: str) -> str:
    """Return what a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def attribute(html: str, name: str) -> str:
    """Return the value of the first attribute *name*."""
    found = re.search(rf'\b{name}="([^"]*)"', html)
    if found is None:
        pytest.fail(f"no attribute {name}")
    return unescape(found[1])


# -- every page -----------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_that_this_is_a_demonstration(counter, path):
    """Nobody must mistake a demonstration for money."""
    assert "演示模式" in counter.get(path)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_carries_script_or_style_of_its_own(counter, path):
    """The content security policy forbids both; a page that needs them is broken."""
    page = counter.get(path)

    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert "<style" not in page
    assert re.findall(r"\s(?:style|on\w+)=", page) == []
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", page) == []


def test_everything_a_page_loads_is_here(counter):
    """The counter works where there is no internet."""
    page = counter.get("/")

    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        answer = counter.client.get(address, headers={"Host": HOST})
        assert answer.status_code == 200
        answer.close()


@pytest.mark.parametrize("path", PAGES)
def test_the_switch_turns_every_page_and_is_remembered(counter, path):
    """English once chosen stays chosen."""
    assert "中文" in counter.get(f"{path}?lang=en")

    page = counter.get(path)

    assert '<html lang="en">' in page
    assert "Settlement terminal" in page


def test_a_language_nobody_speaks_changes_nothing(counter):
    """An address from elsewhere cannot break the page."""
    assert '<html lang="zh-CN">' in counter.get("/?lang=fr")


@pytest.mark.parametrize("part", ["reader", "journal", "pack", "centre", "clock"])
def test_a_part_out_of_order_has_a_word_a_shape_and_a_sentence(counter, part):
    """A red lamp alone tells nobody what to do."""
    counter.service.orders.not_ready = part

    lights = counter.get("/counter/fragment/lights")

    assert lights.count("异常") == 1
    assert lights.count('class="light ok"') == 4
    assert '<p class="now">' in lights


def test_a_clock_that_drifts_is_told_before_it_stops_anything(counter):
    """Amber: settling goes on, and somebody has the time to set it."""
    counter.service.orders.drifts = "clock"

    lights = counter.get("/counter/fragment/lights")

    assert "异常" not in lights
    assert lights.count('class="light drifts"') == 1
    assert "有偏差" in lights
    assert "暂不影响结算" in lights


def test_a_disk_that_fills_is_told_before_it_stops_anything(counter):
    """Amber, with what to do, while there is time."""
    counter.service.orders.low = "disk"

    lights = counter.get("/counter/fragment/lights")

    assert "异常" not in lights
    assert lights.count('class="light low"') == 1
    assert "不足" in lights


# -- the card -------------------------------------------------------------------


@pytest.mark.parametrize("state", list(CardState))
def test_every_state_of_the_card_is_shown(counter, state):
    """No state may leave the panel empty or raise."""
    counter.service.slot = CardView(7, state, "r")

    fragment = counter.get("/counter/fragment/card")

    assert attribute(fragment, "data-state") == state.value
    assert attribute(fragment, "data-said") in fragment


@pytest.mark.parametrize(
    "problem",
    [
        ProblemView("pin-blocked", "密码已锁定。请到服务网点解锁。", "Blocked."),
        ProblemView("card-expired", "此卡已过期。请换卡。", "Expired."),
        ProblemView("card-unreadable", "读不出此卡。请重新插卡。", "Unreadable."),
    ],
)
def test_a_refused_card_gives_its_own_sentence(counter, problem):
    """Blocked, expired and unreadable need three different things done."""
    counter.service.slot = CardView(7, CardState.REFUSED, "r", problem=problem)

    fragment = counter.get("/counter/fragment/card")

    assert problem.sentence_zh in fragment
    assert 'role="alert"' in fragment


def test_the_deck_is_offered_in_the_demonstration_only(tmp_path, counter):
    """On a real terminal a card comes from a pocket, a PIN from a PIN pad."""
    assert 'id="deck"' in counter.get("/")
    assert 'id="pin-input"' in counter.get("/")

    real = Counter(tmp_path, demonstration=False, host_keyboard_pin=False).get("/")

    assert 'id="deck"' not in real
    assert 'id="pin-input"' not in real
    assert 'id="pin-start"' in real
    assert "请持卡人在密码键盘上输入密码" in real
    assert "演示模式" not in real


def test_the_page_knows_that_one_try_is_left(counter):
    """It asks before it sends what would lock the card."""
    for left, known in ((3, "false"), (1, "true")):
        counter.service.slot = CardView(7, CardState.READY, "r", tries_left=left)

        assert f'data-last-try="{known}"' in counter.get("/counter/fragment/card")

    page = counter.get("/")
    assert "再错一次，社保卡密码就会锁定" in page
    assert "确认使用最后一次机会" in page


# -- the bill and the quote -----------------------------------------------------


def test_a_quote_shows_the_one_number_the_bar_and_every_reason(counter):
    """What the patient pays now, who pays the rest, and why."""
    html = counter.quote()

    assert attribute(html, 'id="split" data-swap[^>]*data-pays') == "60.25"
    said = text_of(html)
    assert "现在应付 60 .25 元 大写： 陆拾元贰角伍分" in said
    assert "统筹 50.0%" in said
    assert "测试文件 第一条" in said
    assert "120.50 × 50% = 60.25" in said
    assert 'data-settleable="true"' in html


@pytest.mark.parametrize(
    ("suspects", "says"),
    [
        (
            (Suspect("class", 1, "B", "A", ("cash_pay",), whole=True),),
            ("能完全解释差异", "第1行项目等级：本地B，中心似为A"),
        ),
        (
            (Suspect("balance", 0, "100.00", "90.00", ("cash_pay",), whole=False),),
            ("只能解释一部分", "个人账户余额：本地100.00，中心似为90.00"),
        ),
        ((), ("不能解释差异，请联系经办机构",)),
    ],
)
def test_a_difference_says_what_the_centre_seems_to_hold_otherwise(
    counter, suspects, says
):
    """The cashier tells the patient why, and the bureau what to look at."""
    counter.service.suspects = suspects

    page = text_of(counter.quote())

    assert "60.25" in page
    for words in says:
        assert words in page


def test_a_sample_policy_is_named_beside_its_figures(counter):
    """Figures of an unverified pack never stand alone."""
    assert "未经核实" in counter.quote()


def test_what_is_sent_to_be_settled_is_what_is_shown(counter):
    """The bill in the page is, to the letter, a bill the API takes."""
    html = counter.quote()

    bill = json.loads(attribute(html, 'id="split" data-swap[^>]*data-bill'))

    assert BillIn.model_validate(bill).to_bill() == a_bill()


def test_a_refusal_is_a_sentence_and_nothing_to_press(counter):
    """No benefit is an answer of the policy, not a failure of the machine."""
    counter.service.orders.refusal = ProblemView("x", "本类别没有待遇。", "No benefit.")

    html = counter.quote()

    assert "本类别没有待遇。" in html
    assert 'data-action="settle"' not in html


def test_a_sample_bill_gets_a_number_of_its_own(counter):
    """The same sample can be sold twice; the same bill number cannot."""
    counter.service.insert_card("sm4")

    first, second = (counter.post("quote", {"sample": 1}) for _ in range(2))

    assert attribute(first, "data-number") != attribute(second, "data-number")
    assert "阿莫西林胶囊" in first


def test_a_bill_without_a_card_is_kept_and_waits(counter):
    """Bill first, card second is no mistake."""
    html = counter.post("quote", {"sample": 1})

    assert attribute(html, "data-mode") == "waiting"
    assert "120.50" in html
    assert "请先插入社保卡" in html


@pytest.mark.parametrize("body", [{"sample": 9}, {"sample": "1"}, {"bill": {}}, []])
def test_what_is_no_bill_is_refused(counter, body):
    """The page sends none of these; somebody else's page might."""
    path = "/counter/fragment/quote"

    answer = counter.client.post(path, json=body, headers=COUNTER)

    assert answer.status_code == 400
    assert answer.json["code"] == "request-invalid"


def test_a_typed_line_is_worked_out_here(counter):
    """2.5 x 0.125 is 0.31 to the fen, half up, and no browser has a say in it."""
    add = {"item": "XA02", "quantity": "2.5", "unit_price": ""}

    html = counter.post("bill", {"bill": None, "kind": "pharmacy", "add": add})

    bill = json.loads(attribute(html, "data-bill"))
    assert bill["kind"] == "pharmacy"
    assert bill["lines"][0]["amount"] == "0.31"
    assert attribute(html, "data-mode") == "empty"


def test_days_of_supply_are_typed_shown_and_sent(counter):
    """An item paid for five days needs to know for how many it is."""
    add = {"item": "XA02", "quantity": "1", "unit_price": "", "days": "7"}

    html = counter.post("bill", {"bill": None, "kind": "pharmacy", "add": add})

    bill = json.loads(attribute(html, "data-bill"))
    assert bill["lines"][0]["supply_days"] == 7
    assert "7 天用量" in text_of(html)


@pytest.mark.parametrize(
    ("add", "says"),
    [
        ({"item": "XA01", "days": "0"}, "天数应为"),
        ({"item": "XA01", "days": "100"}, "天数应为"),
        ({"item": "XA01", "days": "2.5"}, "天数应为"),
        ({"item": "XA01", "days": "七"}, "天数应为"),
        ({"item": "阿莫西林"}, "有多个项目"),
        ({"item": "青霉素"}, "没有这个项目"),
        ({"item": ""}, "没有这个项目"),
        ({"item": "XA01", "quantity": "0"}, "请填写"),
        ({"item": "XA01", "quantity": "-1"}, "请填写"),
        ({"item": "XA01", "quantity": "1.00001"}, "请填写"),
        ({"item": "XA01", "unit_price": "\uff11\uff12"}, "请填写"),
        ({"item": "XA01", "unit_price": "1e3"}, "请填写"),
    ],
)
def test_a_line_that_cannot_be_taken_says_why_and_keeps_the_bill(counter, add, says):
    """A slip of the finger costs one line, not the bill."""
    kept = bill_to_json(a_bill())

    html = counter.post("bill", {"bill": kept, "add": add})

    assert says in html
    assert len(json.loads(attribute(html, "data-bill"))["lines"]) == 1


def test_a_line_can_be_taken_out_and_the_last_one_empties_the_bill(counter):
    """Back to the start without a reload."""
    html = counter.post("bill", {"bill": bill_to_json(a_bill()), "remove": 1})

    assert attribute(html, "data-bill") == ""
    assert "还没有账单" in html


def test_an_item_name_is_text_and_never_markup(counter):
    """The catalogue is data; a tag in a name must show as a tag."""
    html = counter.get("/counter/fragment/items?text=XB01")

    assert "&lt;b&gt;注射液" in html
    assert "<b>" not in html


def test_a_pushed_bill_appears_at_the_counter(counter):
    """The POS asked the API; the cashier sees the same figures."""
    counter.service.insert_card("sm4")
    counter.service.quote(a_bill("POS-7"))

    html = counter.get("/counter/fragment/quote")

    assert "收费软件送来" in html
    assert "POS-7" in html
    assert "POS-7" in counter.get("/")


def test_a_settled_bill_does_not_come_back_with_a_reload(counter):
    """The next patient must not find the former one's bill."""
    counter.quote()
    counter.service.verify_pin(bytearray(b"123456"))

    counter.service.settle(a_bill(), key="k", digest="d", patient_pays=None)

    assert attribute(counter.get("/"), "data-number") == ""


# -- the settlement -------------------------------------------------------------


def stands(counter: Counter, state: State, **changes: object) -> str:
    """Let settlement s1 stand at *state* and return its fragment."""
    counter.service.staged = replace(
        a_settlement(state=state, problem=UNKNOWN),
        **changes,  # type: ignore[arg-type] # each test names fields of the view
    )
    return counter.get("/counter/fragment/settlement/s1")


def test_a_settled_bill_shows_the_receipt_by_itself(counter):
    """The cashier takes the money and reaches for the paper."""
    said = text_of(stands(counter, State.SETTLED, problem=None))

    assert "请收取现金 60 .25 元" in said
    assert "结算ID C1" in said
    assert "演示" in said
    assert "未经核实" in said


def test_booked_otherwise_than_told_is_said_beside_the_amount_to_take(counter):
    """The patient heard another number a moment ago."""
    told = ProblemView("booked-otherwise", "告知50.25元，实际60.25元。", "Told 50.25.")
    changed = (DifferenceView("cash_pay", "50.25", "60.25"),)

    html = stands(counter, State.SETTLED, problem=told, drift=changed)

    said = text_of(html)
    assert re.search(r'role="alert">告知50.25元，实际60.25元。', html)
    assert "请收取现金 60 .25 元" in said
    assert "告知 实际结算 个人现金支出 50.25 60.25" in said
    assert "与告知不同" in text_of(counter.get("/today"))


def test_a_receipt_says_where_its_reasons_are_not_the_centres(counter):
    """The amounts are the centre's, the reasons ours: told apart, and why."""
    differs = (DifferenceView("cash_pay", "50.25", "60.25"),)
    stands(
        counter,
        State.SETTLED,
        problem=None,
        differences=differs,
        suspects=(Suspect("class", 1, "A", "B", ("cash_pay",), whole=True),),
    )

    said = text_of(counter.get("/settlements/s1/receipt"))

    assert "本地试算与中心不一致" in said
    assert "第1行项目等级：本地A，中心似为B" in said
    assert "以下原因按本机试算写出" in said


def test_where_all_agree_nothing_is_said_of_a_difference(counter):
    """The plain receipt stays plain."""
    stands(counter, State.SETTLED, problem=None)

    said = text_of(counter.get("/settlements/s1/receipt"))

    assert "不一致" not in said
    assert "与告知" not in said
    assert "以下原因按本机试算写出" not in said


@pytest.mark.parametrize("state", [State.UNKNOWN, State.SENDING, State.REVERSING])
def test_an_undecided_settlement_asks_for_no_money(counter, state):
    """Age, what to do, and a link to the open items; never an amount to collect."""
    html = stands(counter, state, amounts=None)

    assert attribute(html, "data-open") == "true"
    assert "60 秒" in html or "1 分钟" in html
    assert "请勿收款" in html
    assert "请收取现金" not in html
    assert "/open" in html


def test_a_rejected_settlement_ends_and_says_why(counter):
    """Certain, nothing booked: the bill can be settled anew."""
    html = stands(counter, State.REJECTED, amounts=None)

    assert attribute(html, "data-open") == "false"
    assert "中心未受理" in html


def test_open_items_say_state_age_what_is_known_and_what_to_do(counter):
    """The person at the counter, not a log, is told (D1)."""
    stands(counter, State.UNKNOWN, amounts=None)

    said = text_of(counter.get("/open"))

    assert "结果未知" in said
    assert "已等待 1 分钟" in said
    assert "报文号 H990100" in said
    assert "现在怎么办 结算结果未知。请勿收款。" in said
    assert "1 笔待处理" in text_of(counter.get("/"))


@pytest.mark.parametrize(
    ("state", "to_do"),
    [
        (State.SETTLED, "现金 60.25 元如还没有收，请收取并出具收据"),
        (State.REJECTED, "没有记账。已收的款请退还"),
        (State.REVERSED, "本单可以重新结算"),
        (State.CANCELLED, "现金 60.25 元如还没有退，请退还并收回原收据"),
    ],
)
def test_f01_what_was_found_out_says_what_to_do_now(counter, state, to_do):
    """Who served the patient did not see the outcome: every page says there is one."""
    just_now = clock() - dt.timedelta(minutes=9)
    amounts = (
        a_settlement().amounts if state in {State.SETTLED, State.CANCELLED} else None
    )
    stands(counter, state, problem=None, state_since=just_now, amounts=amounts)

    page, desk = text_of(counter.get("/open")), text_of(counter.get("/"))

    assert "没有待处理的结算" in page
    assert "今天已查明的结算" in page
    assert "B1" in page
    assert to_do in page
    assert "1 笔刚刚查明" in desk


def test_what_was_found_out_an_hour_ago_is_no_longer_news(counter):
    """It stays on its own list until midnight."""
    earlier = clock() - dt.timedelta(hours=1)
    stands(counter, State.SETTLED, problem=None, state_since=earlier)

    assert "今天已查明的结算" in text_of(counter.get("/open"))
    assert "刚刚查明" not in text_of(counter.get("/"))


def test_without_cash_nobody_is_told_to_take_or_return_any(counter):
    """The funds and the account paid it all."""
    paid = a_settlement().amounts
    assert paid is not None
    amounts = replace(paid, cash_pay=Money.ZERO)
    stands(counter, State.SETTLED, problem=None, amounts=amounts)

    said = text_of(counter.get("/open"))

    assert "已结算，不收现金。请出具收据。" in said


def test_a_cancellation_found_refused_takes_no_money_back(counter):
    """The settlement stands, whatever the cashier hoped for."""
    history = (("2026-11-24T09:00:00+08:00", "cancelling"),)
    stands(counter, State.SETTLED, problem=None, history=history)

    said = text_of(counter.get("/open"))

    assert "没有撤销，原结算有效。请勿退款。" in said
    assert "请收取" not in said


@pytest.mark.parametrize("state", [State.UNKNOWN, State.QUARANTINED])
def test_only_what_waits_for_a_person_can_be_given_back(counter, state):
    """The worker has the others in hand already."""
    stands(counter, state, amounts=None)

    html = counter.get("/open")

    assert ('data-action="look-again"' in html) is (state is State.QUARANTINED)
    assert 'data-action="adopt"' not in html


def test_a_doubtful_cancellation_can_be_taken_over_from_the_centre(counter):
    """What the centre took back itself is booked here with a reason."""
    history = (("2026-11-24T09:00:00+08:00", "cancelling"),)
    stands(counter, State.QUARANTINED, history=history)

    assert 'data-action="adopt"' in counter.get("/open")


def test_today_lists_amounts_and_marks_sample_policies(counter):
    """A list of figures of an unverified pack says so too."""
    stands(counter, State.SETTLED, problem=None)

    said = text_of(counter.get("/today"))

    assert "已结算" in said
    assert "120.50" in said
    assert "未核实" in said


def test_the_receipt_page_and_its_pdf_are_there(counter):
    """On screen and on paper, from the same rows."""
    stands(counter, State.SETTLED, problem=None)

    page = counter.get("/settlements/s1/receipt")
    pdf = counter.client.get("/settlements/s1/receipt.pdf", headers=COUNTER)

    assert "医疗保险结算单" in page
    assert "陆拾元贰角伍分" in page
    assert pdf.mimetype == "application/pdf"
    assert pdf.data.startswith(b"%PDF-")


@pytest.mark.parametrize("path", ["receipt", "receipt.pdf"])
def test_no_settlement_no_receipt(counter, path):
    """A wrong address is a page with a sentence, not a stack of code."""
    answer = counter.client.get(f"/settlements/nothing/{path}", headers=COUNTER)

    assert answer.status_code == 404
    assert "没有找到这笔结算" in answer.text


# -- laws -----------------------------------------------------------------------


def test_the_bar_is_filled_to_its_end():
    """The pieces add up to the bar, as the charges add up to the bill."""
    amounts = replace(
        SettledAmounts.of(half_split(Money(10001))),
        pooled_fund=Money(3333),
        medical_aid=Money(3333),
        account_pay=Money(1),
        cash_pay=Money(3334),
    )

    panel = split_panel(amounts, (), "zh")

    assert sum(piece.width for piece in panel.payers) == BAR
    assert panel.payers[0].x == 0


def test_a_fund_that_pays_nothing_for_a_reason_is_still_there():
    """A cap that is used up is just what the patient asks about."""
    amounts = SettledAmounts.of(half_split(Money(100)))
    row = {**EXPLAINED, "amount_key": "medical_aid", "amount": "0.00"}

    panel = split_panel(amounts, whys([row], {}, "zh"), "zh")

    piece = next(piece for piece in panel.payers if piece.key == "medical_aid")
    assert (piece.amount, piece.width) == ("0.00", 0)
    assert len(piece.whys) == 1


def test_a_refused_card_is_named_where_the_figures_would_be(counter):
    """Blocked says more than please insert a card."""
    blocked = ProblemView("pin-blocked", "密码已锁定。", "Blocked.")
    counter.service.slot = CardView(7, CardState.REFUSED, "r", problem=blocked)

    html = counter.post("quote", {"sample": 1})

    assert attribute(html, "data-mode") == "waiting"
    assert "密码已锁定。" in html


def test_every_payer_of_the_receipt_can_stand_on_the_bar():
    """A fund that pays cannot be missing from the picture."""
    sums = {"fund_total", "person_total", "account_balance"}
    base = SettledAmounts.of(half_split(Money(100)))

    for field in set(PAYER_FIELDS) - sums:
        changed = {**amounts_to_json(base), field: "0.07"}
        panel = split_panel(amounts_from_json(changed), (), "zh")
        assert field in [piece.key for piece in panel.payers]


def test_a_bill_survives_the_way_to_the_page_and_back():
    """Nothing is rounded, dropped or added on the way."""
    bill = replace(a_bill(), accident=True, use_account=False)

    assert bill_from_json(bill_to_json(bill)) == bill


def test_a_typed_bill_number_fits_the_interface():
    """At most twenty characters, and another one each time."""
    numbers = {new_bill_no(NOW) for _ in range(20)}

    assert all(len(number) <= 20 for number in numbers)
    assert len(numbers) > 15


def test_an_item_is_found_by_code_by_the_lists_text_and_by_its_name():
    """What the list offers, what the cashier knows by heart, what she types."""
    for typed in ("XA01", "XA01 阿莫西林胶囊", " 阿莫西林胶囊 ", "胶囊"):
        assert find_item(CATALOGUE, typed).code == "XA01"


def test_a_quantity_with_too_many_decimals_is_refused():
    """数值型 16,4: what does not fit is not cut off."""
    with pytest.raises(LineError):
        typed_line(CATALOGUE, "XA01", "1.23456", "")


def test_kinds_of_samples_follow_the_keys(tmp_path):
    """F4 is the outpatient bill, whatever else is there."""
    for kind in (VisitKind.INPATIENT, VisitKind.OUTPATIENT):
        (tmp_path / f"{kind.value}.toml").touch()

    samples = SampleBills(tmp_path)

    assert samples.kinds() == (VisitKind.OUTPATIENT, VisitKind.INPATIENT)
    assert samples.load(3, now=NOW, bill_no="C1") is None


def test_a_verified_pack_carries_no_mark(counter):
    """The mark means something only if it is absent elsewhere."""
    pack = PackId("佳木斯", 1, "0" * 64, verified=True)

    html = stands(counter, State.SETTLED, problem=None, pack=pack)

    assert "未经核实" not in html
    assert "已核实" in html
