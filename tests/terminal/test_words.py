"""The counter's words: whole in both languages, and no word a template invents."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from settlement.claim import Insurance, VisitKind
from settlement.lifecycle import State
from settlement.reconcile import Kind
from settlement.split import Payer
from terminal import receipt, words
from terminal.views import CardState
from terminal.words import LANGUAGES, TABLE, Words

ROOM = Path(words.__file__).parent
TEMPLATES = sorted((ROOM / "templates").glob("*.html"))
CODE = [ROOM / name for name in ("counter.py", "receipt.py", "split_panel.py")]
_HAN = re.compile(r"[\u3400-\u9fff]")
_JOINS = {"separator", "list_comma"}
_OTHER_LANGUAGE = {"language_name", "language_hint"}  # said in the other one
_WORD = re.compile(r"""(?:\bt|words)(?:\.fill\(|\[)\s*["'](\w+)["']\s*[\],)]""")
_PREFIX = re.compile(r"""\bt\[["'](\w+_)["'] ~""")


@pytest.mark.parametrize("key", sorted(TABLE))
def test_every_word_is_there_in_both_languages(key):
    """A cashier who reads one language never meets a gap or the other one."""
    zh, en = TABLE[key]

    assert zh.strip() == zh
    assert en.strip() == en or key in _JOINS
    assert zh
    assert en
    if key not in _OTHER_LANGUAGE:
        assert not _HAN.search(en)


@pytest.mark.parametrize("key", sorted(TABLE))
def test_both_languages_have_the_same_places_to_fill(key):
    """A figure that one language shows is not lost in the other."""
    zh, en = (
        {name for _, name, _, _ in string.Formatter().parse(text) if name}
        for text in TABLE[key]
    )

    assert zh == en


@pytest.mark.parametrize("path", [*TEMPLATES, *CODE], ids=lambda path: path.name)
def test_pages_use_known_words_only(path):
    """An unknown word would be an error page in front of a patient."""
    used = set(_WORD.findall(path.read_text(encoding="utf-8")))

    assert used <= TABLE.keys()


def test_every_word_has_a_reader():
    """A word no page says is a word nobody will keep right."""
    texts = [path.read_text(encoding="utf-8") for path in [*TEMPLATES, *CODE]]
    texts.append((ROOM / "typed_bill.py").read_text(encoding="utf-8"))
    said = "\n".join(texts)
    prefixes = {prefix for text in texts for prefix in _PREFIX.findall(text)}
    prefixes |= {"age_", "kind_", "state_", "short_", "class_"}

    unused = [
        key
        for key in TABLE
        if not re.search(rf"\b{key}\b", said)
        and not any(key.startswith(prefix) for prefix in prefixes)
    ]

    assert unused == []


@pytest.mark.parametrize(
    "key",
    [
        *(f"card_{state.value}" for state in CardState),
        *(f"state_{state.value}" for state in State),
        *(f"kind_{kind.value}" for kind in VisitKind),
        *(f"insurance_{insurance.value}" for insurance in Insurance),
        *(f"difference_{kind.name.lower()}" for kind in Kind),
        *(f"short_{payer.value}" for payer in Payer),
        *(f"light_{part}" for part in ("reader", "journal", "pack", "centre")),
        *(f"do_{part}" for part in ("reader", "journal", "pack", "centre")),
        *receipt.PART_FIELDS,
        *receipt.PAYER_FIELDS,
    ],
)
def test_every_state_kind_and_payer_has_its_word(key):
    """What the service can say, the screen can show."""
    assert key in TABLE


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_word_is_a_programmers_error(language):
    """It must fail where it is written, not print an empty label."""
    with pytest.raises(AssertionError, match="no word 'nothing'"):
        Words(language)["nothing"]


def test_a_language_nobody_speaks_is_refused():
    """A cookie or an address from elsewhere cannot choose a third language."""
    assert not words.is_language("fr")
    assert not words.is_language(None)
