"""The receipt: complete, in words, with its font, and only of what is certain."""

from __future__ import annotations

import io
import re
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from settlement.facts import amounts_from_json, amounts_to_json
from settlement.lifecycle import State
from settlement.money import Money
from settlement.split import SettledAmounts
from terminal import receipt
from terminal.receipt import Group, capitals, receipt_pdf, receipt_rows, receipt_text
from terminal.views import DifferenceView, ProblemView, SettlementView
from tests.terminal.fake_cashier import a_settlement, half_split

HOSPITAL = "测试医院"
REASON = {
    "amount_key": "pooled_fund",
    "line_no": "",
    "label": "统筹基金支出",
    "payer": "pooled_fund",
    "amount": "60.25",
    "rule": "band",
    "rule_label": "分段按比例支付",
    "value": "50%",
    "arithmetic": "120.50 x 50% = 60.25",
    "document": "测试文件",
    "article": "第一条",
    "quote": "支付50%",
    "grade": "E",
    "since": "2026-01-01",
}
LINE = {
    "line_no": "1",
    "item_code": "XA01",
    "item_name": "阿莫西林胶囊",
    "item_class": "A",
    "unit_price": "60.25",
    "quantity": "2",
    "amount": "120.50",
}
UNKNOWN = ProblemView(
    "settlement-unknown", "结算结果未知。请勿收款。", "Take no money."
)


def settled(**changes: object) -> SettlementView:
    """Return a settled settlement with one line and one reason."""
    view = a_settlement()
    return replace(view, explanation=(REASON,), lines=(LINE,), **changes)  # type: ignore[arg-type] # each test names fields of the view


def cancelled() -> SettlementView:
    """Return a settlement that was taken back: the same amounts, negative (I9)."""
    view = settled(state=State.CANCELLED, cancellation_id="C2")
    amounts = SettledAmounts.of(half_split(Money.yuan("120.50")))
    taken_back = amounts_from_json(
        {
            name: value
            if name == "pooled_ratio_bp"
            else (-Money.yuan(str(value))).to_yuan()
            for name, value in amounts_to_json(amounts).items()
        }
    )
    return replace(view, cancellation=taken_back)


def printed(pdf: bytes) -> list[str]:
    """Read the pages of *pdf* back as text."""
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]


# -- what it says ---------------------------------------------------------------


def test_a_receipt_carries_every_amount_under_its_official_label():
    """The insurance office checks a receipt against the interface, name by name."""
    rows = receipt_rows(settled(), "zh", HOSPITAL)

    amounts = {row.label: row.value for row in rows if row.group is Group.PAYERS}
    assert amounts["基本医疗保险统筹基金支出"] == "60.25"
    assert amounts["个人现金支出"] == "60.25"
    assert amounts["统筹基金支付比例"] == "50%"
    shown = {*receipt.PART_FIELDS, *receipt.PAYER_FIELDS, "pooled_ratio_bp"}
    assert shown == {field.name for field in fields(SettledAmounts)}


def test_a_receipt_names_hospital_numbers_and_policy():
    """Whoever holds the paper can find the settlement and the text behind it."""
    said = {row.label: row.value for row in receipt_rows(settled(), "zh", HOSPITAL)}

    assert said["医疗机构"] == HOSPITAL
    assert said["结算ID"] == "C1"
    assert said["本机结算号"] == "s1"
    assert said["报文ID"].startswith("H990100")
    assert "测试包 第 1 版" in said["政策包"]


def test_demonstration_and_sample_policy_are_said_on_every_paper():
    """Nobody can take a demonstration's paper for a claim on anybody."""
    marks = receipt.marks(settled(), "zh")

    assert any("演示" in mark for mark in marks)
    assert any("未经核实" in mark for mark in marks)
    assert not receipt.marks(
        replace(
            settled(demonstration=False),
            pack=replace(settled().pack, verified=True),
        ),
        "zh",
    )


def test_a_cancelled_settlement_shows_both_columns():
    """The patient sees what was paid and that all of it came back."""
    view = cancelled()

    row = next(r for r in receipt_rows(view, "zh") if r.label == "个人现金支出")

    assert (row.value, row.negative) == ("60.25", "-60.25")
    assert any("撤销" in mark for mark in receipt.marks(view, "zh"))


@pytest.mark.parametrize(
    "state",
    [s for s in State if s not in {State.SETTLED, State.CANCELLED}],
)
def test_what_is_not_certain_gives_a_slip_and_no_amounts(state):
    """A paper that looks like a receipt would make somebody pay."""
    view = settled(state=state, problem=UNKNOWN)

    rows = receipt_rows(view, "zh")

    assert not receipt.is_receipt(view)
    assert "单" not in receipt.title(view, "zh")
    assert [row.label for row in rows if row.group is Group.PAYERS] == []


def test_the_text_form_lines_up_and_says_the_same():
    """`demo` prints it in a shell, where a Chinese character takes two columns."""
    text = receipt_text(settled(), "zh", HOSPITAL)

    assert "现在应付" in text
    assert "陆拾元零贰角伍分" not in text
    assert "陆拾元贰角伍分" in text
    assert "演示" in text


def test_the_text_of_a_slip_says_what_to_do_and_that_it_is_none():
    """The cashier reads the sentence, not an amount to collect."""
    text = receipt_text(settled(state=State.UNKNOWN, problem=UNKNOWN), "zh")

    assert "请勿收款" in text
    assert "不是收据" in text
    assert "现在应付" not in text


# -- in words -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yuan", "words"),
    [
        ("1409.50", "壹仟肆佰零玖元伍角整"),
        ("6007.14", "陆仟零柒元壹角肆分"),
        ("1680.32", "壹仟陆佰捌拾元叁角贰分"),
        ("107000.53", "壹拾万零柒仟元伍角叁分"),
        ("16409.02", "壹万陆仟肆佰零玖元零贰分"),
        ("325.04", "叁佰贰拾伍元零肆分"),
        ("0.00", "零元整"),
        ("0.05", "伍分"),
        ("0.50", "伍角整"),
        ("10.00", "壹拾元整"),
        ("100000000.00", "壹亿元整"),
        ("100010000.00", "壹亿零壹万元整"),
        ("100000001.00", "壹亿零壹元整"),
        ("-60.25", "负陆拾元贰角伍分"),
    ],
)
def test_an_amount_in_words_is_written_as_the_rule_says(yuan, words):
    """The first six are the rule's own examples (银发〔1997〕393号, 附一)."""
    assert capitals(Money.yuan(yuan)) == words


@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_two_amounts_never_share_their_words(one, other):
    """Words that two amounts share would prove nothing."""
    assert (capitals(Money(one)) == capitals(Money(other))) == (one == other)


# -- on paper -------------------------------------------------------------------


def test_the_pdf_says_who_pays_and_why_on_its_second_page():
    """The explanation is part of what the patient takes home."""
    first, second = printed(receipt_pdf(settled(), "zh", HOSPITAL))

    assert HOSPITAL in first
    assert "陆拾元贰角伍分" in first
    assert "为什么付这么多" in second
    assert "120.50 × 50% = 60.25" in second
    assert "阿莫西林胶囊" in second
    assert all("演示" in page and "未经核实" in page for page in (first, second))


def test_the_pdf_says_where_its_reasons_are_not_the_centres():
    """Amounts and reasons on one paper add up, or the paper says where they do not."""
    differs = (DifferenceView("cash_pay", "50.25", "60.25"),)

    first, second = printed(receipt_pdf(settled(differences=differs), "zh", HOSPITAL))

    assert "按本机试算" not in first
    assert "以下原因按本机试算写出" in second
    assert re.search(r"个人现金支出\s+50\.25\s+60\.25", second)


@pytest.mark.parametrize("name", ["测试䶮", "𠮷试甲", "测·㛃"])
def test_a_rare_name_is_printed_and_reads_back(name):
    """U+4DAE, Extension A and B: never a box, never a question mark."""
    pdf = receipt_pdf(settled(holder_name=name), "zh", HOSPITAL)

    assert name in printed(pdf)[0]


def test_every_font_of_the_pdf_is_embedded():
    """The printer's own Chinese font, if it has one, is not asked."""
    reader = PdfReader(io.BytesIO(receipt_pdf(settled(), "zh", HOSPITAL)))

    found = []
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index] # a PDF dictionary
            below = font.get_object()["/DescendantFonts"][0].get_object()
            descriptor = below["/FontDescriptor"].get_object()
            found.append(str(descriptor["/FontName"]))
            assert "/FontFile3" in descriptor
    assert found
    assert all("TerminalSansSC" in name for name in found)


def test_the_same_settlement_prints_the_same_bytes():
    """A reprint can be compared with the first print, byte for byte."""
    assert receipt_pdf(settled(), "zh", HOSPITAL) == receipt_pdf(
        settled(), "zh", HOSPITAL
    )


@pytest.mark.parametrize("name", ["#panic()", "*测*", "$x$", '"]}', "\\ #read(1)"])
def test_a_name_is_never_markup(name):
    """A holder's name is data from a card and must not run in the typesetter."""
    page = printed(receipt_pdf(settled(holder_name=name), "zh", HOSPITAL))[0]

    assert name.replace(" ", "") in page.replace(" ", "")


def test_a_negative_amount_keeps_its_hyphen():
    """A typographic minus would not be found by whoever searches for the amount."""
    page = printed(receipt_pdf(cancelled(), "zh", HOSPITAL))[0]

    assert "-60.25" in page
    assert "\u2212" not in page


def test_the_slip_is_one_page_without_an_amount_to_pay():
    """Unknown: the paper says so and asks for nothing."""
    pages = printed(
        receipt_pdf(settled(state=State.UNKNOWN, problem=UNKNOWN), "zh", HOSPITAL)
    )

    assert len(pages) == 1
    assert "请勿收款" in pages[0]
    assert "个人现金支出" not in pages[0]


def test_english_prints_the_english_reasons():
    """The switch holds for the paper as well."""
    view = settled(explanation_en=({**REASON, "label": "Pooled fund"},))

    pages = printed(receipt_pdf(view, "en", HOSPITAL))

    assert "Medical insurance settlement" in pages[0]
    assert "Pooled fund" in pages[-1]
