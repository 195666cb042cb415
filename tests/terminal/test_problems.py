"""Every error of ours has its row, its status and its two sentences."""

from __future__ import annotations

import importlib
import pkgutil
import re
from types import ModuleType

import pytest

import reader
import settlement
import terminal
from reader.errors import ReaderError
from settlement.errors import ClaimError, SettlementError
from terminal.errors import PinRequiredError, TerminalError
from terminal.problems import (
    CODE_OF_STATUS,
    TABLE,
    plain_view,
    problem_view,
    row_of,
)

ROOTS: tuple[type[Exception], ...] = (TerminalError, ReaderError, SettlementError)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def _load(package: ModuleType) -> None:
    """Import every module of *package* that defines errors."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if found.name.endswith("errors"):
            importlib.import_module(found.name)


def every_error() -> list[type[Exception]]:
    """Return every error class of ours, roots included."""
    for package in (reader, settlement, terminal):
        _load(package)
    found: list[type[Exception]] = []
    left = list(ROOTS)
    while left:
        kind = left.pop()
        found.append(kind)
        left.extend(kind.__subclasses__())
    return [kind for kind in found if not kind.__name__.startswith("_")]


def code_of(kind: type[Exception]) -> str:
    """Return the stable code of an error class."""
    return str(getattr(kind, "code", ""))


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_has_its_row(kind):
    """One without a row would be answered as a 500 at the worst moment."""
    assert code_of(kind) in TABLE


def test_every_row_has_its_error():
    """A row nobody raises is a promise in the API document nobody keeps."""
    raised = {code_of(kind) for kind in every_error()}
    printed = {*CODE_OF_STATUS.values(), "internal-error", "settlement-rejected"}

    assert set(TABLE) == raised | printed


@pytest.mark.parametrize("code", sorted(TABLE))
def test_every_code_is_kebab_case_and_every_status_an_error(code):
    """The code is an address part, a label and a heading."""
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
    assert 400 <= TABLE[code].status.value <= 599
    assert TABLE[code].title


FROM_OTHER_ROOMS = [k for k in every_error() if not issubclass(k, TerminalError)]


@pytest.mark.parametrize("kind", FROM_OTHER_ROOMS, ids=lambda kind: kind.__name__)
def test_every_error_says_something_to_the_cashier(kind):
    """Chinese, of its own or from the table; ours cannot be made without."""
    said = getattr(kind, "sentence_zh", row_of(code_of(kind)).sentence_zh)

    assert _CHINESE.search(said)


@pytest.mark.parametrize("code", sorted({*CODE_OF_STATUS.values(), "internal-error"}))
def test_what_flask_refuses_has_both_sentences(code):
    """A 404 of the framework is as polite as one of ours."""
    view = plain_view(code)

    assert view.code == code
    assert _CHINESE.search(view.sentence_zh)
    assert view.sentence_en.endswith(".")


def test_an_error_of_the_terminal_brings_its_own_sentences():
    """What to do is known where the error is raised."""
    view = problem_view(PinRequiredError())

    assert view.code == "pin-required"
    assert view.sentence_zh == "请持卡人输入密码，验证通过后再结算。"


def test_an_error_of_the_settlement_rooms_gets_its_sentence_here():
    """The rooms know no counter; their English message says the details."""
    view = problem_view(ClaimError("line 3", "amount is not price x quantity"))

    assert "line 3" in view.sentence_en
    assert _CHINESE.search(view.sentence_zh)


def test_a_code_nobody_entered_is_answered_as_ours_to_mend():
    """Never as the caller's fault."""
    assert row_of("brand-new").status == 500
