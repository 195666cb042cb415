"""What the documentation says is there, and what is there is documented."""

import dataclasses
import importlib
import pkgutil
import re
import runpy
from pathlib import Path

import pytest

import config
import reader
import settlement
import terminal
from config.errors import ConfigError
from config.settings import load_settings
from reader.errors import ReaderError
from settlement.errors import SettlementError
from settlement.nhsa import AMOUNTS
from settlement.reconcile import Kind
from settlement.split import SettledAmounts
from terminal.desk import WRONG_PIN
from terminal.errors import TerminalError
from terminal.metrics import DOCUMENTED
from terminal.problems import TABLE
from terminal.record_view import SETTLEMENT_CODES
from tests.terminal.terminal_client import Terminal

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
RUNBOOK = (DOCS / "runbook.zh.md").read_text(encoding="utf-8")
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")
API = (DOCS / "api.md").read_text(encoding="utf-8")
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])

HEADINGS = re.findall(r"(?m)^### (.+)$", RUNBOOK)


def codes() -> set[str]:
    """Collect the code of every error class of the four rooms."""
    for room in (config, reader, settlement, terminal):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if not module.name.startswith("reader.links.pcsc"):
                importlib.import_module(module.name)
    found: set[str] = set()
    roots: list[type[BaseException]] = [
        ConfigError,
        ReaderError,
        SettlementError,
        TerminalError,
    ]
    while roots:
        error = roots.pop()
        found.add(str(vars(error).get("code", "")))
        roots += error.__subclasses__()
    # No errors: a wrong PIN is an answer of the card, a settlement waits for one of the
    # centre's. Their codes stand on the screen all the same.
    return (found | {WRONG_PIN} | SETTLEMENT_CODES) - {""}


def test_every_code_has_its_heading_in_the_runbook():
    """A code on the screen at night must be found by searching one page."""
    assert (codes() | set(TABLE)) - set(HEADINGS) == set()


def test_every_heading_in_the_runbook_is_a_code():
    """A heading for a code that is gone sends people down a wrong path."""
    assert set(HEADINGS) - (codes() | set(TABLE)) == set()


def test_no_code_stands_twice_in_the_runbook():
    """Two answers to one question are none."""
    assert len(HEADINGS) == len(set(HEADINGS))


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_heading_says_what_to_do_in_chinese(heading):
    """The page is for the counter; a title alone helps nobody."""
    text = RUNBOOK.partition(f"### {heading}\n")[2].partition("\n#")[0]

    assert len(re.findall(r"[\u4e00-\u9fff]", text)) >= 12


def test_every_difference_of_the_day_is_explained_in_the_runbook():
    """The kinds are closed; each has its next step where the office looks."""
    assert all(f"`{kind.value}`" in RUNBOOK for kind in Kind)


def test_every_setting_is_documented_with_its_variable():
    """Who sets up a site finds it without reading code."""
    for row in load_settings(environ={}).effective:
        assert f"| `{row.key}` | `{row.variable}` |" in OPERATIONS


def test_no_setting_is_documented_that_is_not_there():
    """A setting that does nothing is worse than a missing one."""
    documented = set(re.findall(r"(?m)^\| `([a-z_.]+)` \| `TERMINAL_", OPERATIONS))

    assert documented == {row.key for row in load_settings(environ={}).effective}


def test_every_metric_is_documented():
    """An alert is written from this table."""
    assert set(re.findall(r"(?m)^\| `(terminal_[a-z_]+)`", OPERATIONS)) == set(
        DOCUMENTED
    )


def test_every_route_of_the_interface_is_documented():
    """A vendor reads one page before the OpenAPI document."""
    rules = Terminal().app.url_map.iter_rules()
    routes = {
        f"{method} {rule.rule}"
        for rule in rules
        if rule.rule.startswith("/api/") or rule.endpoint.startswith("health.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert set(re.findall(r"(?m)^\| `([A-Z]+ /[^`]+)`", API)) == routes


def test_the_files_of_the_card_are_what_the_profiles_say():
    """It is made by .ci/card_files.py; editing it by hand would be lost."""
    made = runpy.run_path(str(ROOT / ".ci" / "card_files.py"))["card_files"]()

    assert (DOCS / "card-files.md").read_text(encoding="utf-8") == made


def test_the_glossary_is_what_the_table_says():
    """It is made by .ci/glossary.py; editing it by hand would be lost."""
    made = runpy.run_path(str(ROOT / ".ci" / "glossary.py"))["glossary"]()

    assert (DOCS / "glossary.md").read_text(encoding="utf-8") == made


def test_the_table_of_names_is_one_to_one_and_total():
    """An amount without its official name could not be sent."""
    ours = [name.ours for name in AMOUNTS]

    assert len({name.official for name in AMOUNTS}) == len(AMOUNTS)
    assert len(set(ours)) == len(ours)
    assert set(ours) == {field.name for field in dataclasses.fields(SettledAmounts)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page):
    """A dead link is the first thing a newcomer meets."""
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_decisions_are_numbered_without_a_gap_and_have_their_three_parts():
    """Context, decision, consequences: what a newcomer would otherwise undo."""
    pages = sorted((DOCS / "decisions").glob("*.md"))

    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
            assert part in text, page.name
