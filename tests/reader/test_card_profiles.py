"""Profiles and the deck as files: whole, or refused by file and key."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from config.card_profiles import load_deck, load_profiles
from reader.errors import ProfileError
from reader.profile import Sensitivity
from tests.reader.cards import CARDS, PROVINCE, V1, V2, V3
from tests.shipped import PROFILES

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
    """Provinces before generations: the most particular profile is tried first."""
    names = [profile.name for profile in PROFILES]

    assert names == ["province-9901", "v3", "v2", "v1"]


def test_a_province_adds_to_a_generation_and_changes_only_what_it_says():
    """One file, one key and the suffix of the province factor; the rest is V3's."""
    more = set(PROVINCE.files) - set(V3.files)

    assert more == {"SSSEEF0D"}
    assert PROVINCE.files["DF04EF08"] == V3.files["DF04EF08"]
    assert PROVINCE.factors("990199", b"")[0].hex() == "3939303030307378"
    assert V3.factors("990199", b"")[0].hex() == "3939303030307368"


def test_every_file_of_the_notice_is_described():
    """V2.0 notice, tables 3 to 8; a file left out could not be read at all."""
    assert len(V2.files) == 37
    assert {file.structure.value for file in V2.files.values()} == {
        *("records", "cyclic", "transparent")
    }
    assert V2.files["DF04EF06"].read == (frozenset({"pin", "RK1DF04"}),)
    assert V2.files["DF04EF08"].update == (frozenset({"never"}),)
    assert V2.files["DF04EF08"].record_length == 0x1C
    assert V1.files["DF04EF08"].least_records == 10


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_the_fast_reads_have_the_lengths_seen_on_cards(profile):
    """64 and 91 bytes: a wrong Le makes every card answer 6Cxx first."""
    without_more = 0x5B - 0x16
    assert profile.files["SSSEEF05"].length == 0x40
    assert profile.files["SSSEEF06"].length == (without_more if profile is V1 else 0x5B)


def test_the_generations_differ_in_algorithm_and_in_who_may_read_the_holder():
    """V2.0 notice table 3; traces of 3.0 cards."""
    assert (V2.default_algorithm, V3.default_algorithm) == (1, 3)
    assert V2.files["SSSEEF06"].read == ()
    assert V3.files["SSSEEF06"].read == (frozenset({"RKSSSE"}),)


def test_what_tells_of_a_person_is_marked():
    """Traces and logs are redacted by this mark."""
    holder = V3.files["SSSEEF06"].elements

    marks = {element.sensitivity for element in holder}
    assert marks == {Sensitivity.IDENTITY, Sensitivity.PERSONAL}
    assert V3.files["SSSEEF08"].elements[0].sensitivity is Sensitivity.BIOMETRIC


@pytest.mark.parametrize(
    ("change", "key", "problem"),
    [
        (swap("spec_prefixes", "spec_prefxes"), "spec_prefixes", "missing"),
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
        (swap('["RKSSSE"]', '["RKNONE"]'), "SSSEEF07.read", "no key: RKNONE"),
        (swap('"D15600000500"', '"DF01"x'), "the file", "TOML"),
        (swap('"D15600000500"', '"DF-01"'), "application", "AID in hex"),
        (swap("[key.IRK]", "[key.IRQ]"), "key.IRK", "missing"),
        (swap("file.SSSEEF06", "file.SSSEEF66"), "file.SSSEEF06", "missing"),
        (swap("default_algorithm = 1", "default_algorithm = 9"), "algorithm", "1 and"),
        (swap("optional = true", 'optional = "yes"'), "optional", "true or false"),
        (swap(', raw = "33"', ""), "element[1].raw", "missing"),
        (swap('raw = "33"', 'raw = "3"'), "element[1].raw", "bytes in hex"),
        (swap('"transparent"', '"opaque"'), "structure", "not one of"),
        (swap('"transparent"', '"records"'), "element[0].tag", "missing"),
        (swap('structure = "records"', 'structure = "transparent"'), "tag", "unknown"),
        (swap("width = 52, ", "width = 53, "), "width", "inner elements"),
        (swap("times = 3", "times = 0"), "times", "between 1 and 9"),
        (swap("psam_id = 0x08", "psam_id = 256"), "psam_id", "between 0 and 255"),
        (swap("usage = 8", "usage = 32"), "usage", "between 1 and 31"),
    ],
)
def test_a_profile_that_is_not_whole_is_refused_by_file_and_key(
    tmp_path, change, key, problem
):
    """Guessing at a card's layout would spend tries or show the wrong person."""
    with pytest.raises(ProfileError) as caught:
        load_profiles(changed(tmp_path, "v2.toml", change))

    said = str(caught.value)
    assert "v2.toml" in said
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


@pytest.mark.parametrize("base", ["v3", "v9", "../v2"])
def test_a_profile_that_extends_itself_or_nothing_is_refused(tmp_path, base):
    """A circle of profiles would never end, and a path is no profile."""
    turned = swap('extends = "v2"', f'extends = "{base}"')

    with pytest.raises(ProfileError, match=r"extends|cannot be opened"):
        load_profiles(changed(tmp_path, "v3.toml", turned))


def test_a_folder_without_profiles_is_refused(tmp_path):
    """A terminal that reads no card must say so at the start, not at noon."""
    with pytest.raises(ProfileError, match="no card profile"):
        load_profiles(tmp_path)


def test_a_missing_deck_is_refused(tmp_path):
    """The path was set wrongly."""
    with pytest.raises(ProfileError, match="cannot be opened"):
        load_deck(tmp_path)
