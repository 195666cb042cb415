"""Profiles and the deck as files: whole, or refused by file and key."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from config.card_profiles import load_deck, load_profiles
from reader.errors import ProfileError
from reader.profile import Sensitivity
from tests.reader.cards import CARDS, PROFILES

V3, V2 = PROFILES

Change = Callable[[str], str]


def changed(folder: Path, name: str, change: Change) -> Path:
    """Copy the project's folder of cards with one file changed."""
    copy = folder / "cards"
    shutil.copytree(CARDS, copy)
    text = (copy / name).read_text(encoding="utf-8")
    new = change(text)
    assert new != text, "the change found nothing to change"
    (copy / name).write_text(new, encoding="utf-8")
    return copy


def swap(old: str, new: str) -> Change:
    """Replace the first *old*."""
    return lambda text: text.replace(old, new, 1)


def test_the_newest_generation_comes_first():
    """The first profile's layout is what an unknown card is first read with."""
    assert [profile.name for profile in PROFILES] == ["v3", "v2"]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_the_fast_reads_have_the_lengths_seen_on_cards(profile):
    """64 and 91 bytes: a wrong Le makes every card answer 6Cxx first."""
    assert profile.files["SSSEEF05"].length == 0x40
    assert profile.files["SSSEEF06"].length == 0x5B


def test_the_generations_differ_in_algorithm_and_in_who_may_read_the_holder():
    """V2.0 notice table 3; traces of 3.0 cards."""
    assert (V2.default_algorithm, V3.default_algorithm) == (1, 3)
    assert V2.files["SSSEEF06"].read == ()
    assert V3.files["SSSEEF06"].read == (frozenset({"RKSSSE"}),)


def test_what_tells_of_a_person_is_marked():
    """Traces and logs are redacted by this mark."""
    holder = V3.files["SSSEEF06"].elements

    assert {element.sensitivity for element in holder} == {Sensitivity.PERSONAL}


@pytest.mark.parametrize(
    ("change", "key", "problem"),
    [
        (swap("spec_prefix", "spec_prefx"), "spec_prefix", "missing"),
        (swap("levels = 3", "levels = 3\ncolour = 1"), "key.IRK.colour", "unknown"),
        (swap("levels = 3", "levels = 0"), "key.IRK.levels", "between 1 and 3"),
        (swap("0x0A", "0x10A"), "key.RKSSSE.card_id", "between 0 and 255"),
        (swap('"7368"', '"73 6"'), "province_suffix", "bytes in hex"),
        (swap('"hex"', '"octal"'), "element[0].coding", "not one of"),
        (swap("tag = 0x02", "tag = 0x01"), "element.tag", "twice"),
        (swap('"card_class"', '"card_serial"'), "element.name", "twice"),
        (swap("width = 16", "width = 300"), "element[0].width", "between 1"),
        (swap("width = 16", 'width = "16"'), "element[0].width", "whole number"),
        (swap("width = 16", "width = true"), "element[0].width", "whole number"),
        (swap('["free"]', '"free"'), "SSSEEF05.read", "list of strings"),
        (swap('["RKSSSE"]', '["RKNONE"]'), "SSSEEF06.read", "no key: RKNONE"),
        (swap('"D15600000503"', '"DF04"x'), "the file", "TOML"),
        (swap('"D15600000503"', '"DF-04"'), "application", "AID in hex"),
        (swap("[key.IRK]", "[key.IRQ]"), "key.IRK", "missing"),
        (swap("file.SSSEEF06", "file.SSSEEF66"), "file.SSSEEF06", "missing"),
        (swap("default_algorithm = 3", "default_algorithm = 9"), "algorithm", "1 and"),
        (swap("optional = true", 'optional = "yes"'), "optional", "true or false"),
    ],
)
def test_a_profile_that_is_not_whole_is_refused_by_file_and_key(
    tmp_path, change, key, problem
):
    """Guessing at a card's layout would spend tries or show the wrong person."""
    with pytest.raises(ProfileError) as caught:
        load_profiles(changed(tmp_path, "v3.toml", change))

    said = str(caught.value)
    assert "v3.toml" in said
    assert key in said
    assert problem in said


@pytest.mark.parametrize(
    ("change", "key", "problem"),
    [
        (swap('pin = "246810"', "pin = 246810"), "card[0].pin", "string"),
        (swap("tries = 3", 'tries = 3\nname2 = "x"'), "card[0].name2", "unknown"),
        (swap("1980-01-01", "1980-01-01T00:00:00"), "card[0].birth_date", "date"),
        (swap('"v2-yi"', '"v3-jia"'), "card.id", "twice"),
    ],
)
def test_a_deck_that_is_not_whole_is_refused_by_file_and_key(
    tmp_path, change, key, problem
):
    """A demonstration that starts half is worse than one that says why not."""
    with pytest.raises(ProfileError) as caught:
        load_deck(changed(tmp_path, "demo_deck.toml", change))

    said = str(caught.value)
    assert "demo_deck.toml" in said
    assert key in said
    assert problem in said


def test_a_folder_without_profiles_is_refused(tmp_path):
    """A terminal that reads no card must say so at the start, not at noon."""
    with pytest.raises(ProfileError, match="no card profile"):
        load_profiles(tmp_path)


def test_a_missing_deck_is_refused(tmp_path):
    """The path was set wrongly."""
    with pytest.raises(ProfileError, match="cannot be opened"):
        load_deck(tmp_path)
