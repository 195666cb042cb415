"""Make docs/card-files.md from config/cards: every file and element of every profile.

    .venv/bin/python .ci/card_files.py

``tests/test_docs.py`` fails when the file is not what this prints.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from config.card_profiles import load_profiles  # noqa: E402 - the path comes first
from reader.profile import CardFile, Element, Profile  # noqa: E402 - as above

TARGET = ROOT / "docs" / "card-files.md"
CARDS = ROOT / "config" / "cards"


def card_files() -> str:
    """Return the whole page: a profile that extends another shows what differs."""
    profiles = load_profiles(CARDS)
    by_name = {profile.name: profile for profile in profiles}
    lines = [
        "# Files of the card",
        "",
        "Made by `.ci/card_files.py` from `config/cards/`; edit those.",
        "The same data drive the reader, the emulated cards and the tests. An element",
        "called 数据项 XX is known by its tag, type and length only.",
    ]
    for profile in sorted(profiles, key=lambda profile: profile.name != "v2"):
        base = by_name.get(_base_of(profile))
        lines += ["", f"## {profile.name}: {profile.label}", "", _rules(profile)]
        if base is not None:
            lines += ["", f"As {base.name}, but:"]
        for file in profile.files.values():
            if base is None or base.files.get(file.name) != file:
                lines += _file(file)
        lines += _keys(profile, base)
    return "\n".join(lines) + "\n"


def _base_of(profile: Profile) -> str:
    text = (CARDS / f"{profile.name}.toml").read_text(encoding="utf-8")
    found = [line for line in text.splitlines() if line.startswith("extends = ")]
    return found[0].partition('"')[2].rstrip('"') if found else ""


def _rules(profile: Profile) -> str:
    versions = ", ".join(prefix or "blank" for prefix in profile.spec_prefixes)
    regions = ", ".join(profile.region_prefixes) or "every region"
    return (
        f"规范版本 {versions}; {regions}; algorithm {profile.default_algorithm} where "
        f"the card names none; suffixes {profile.province_suffix}, "
        f"{profile.city_suffix}."
    )


def _file(file: CardFile) -> list[str]:
    lines = [
        "",
        f"### {file.name} {file.label}",
        "",
        "; ".join(
            (
                file.structure,
                f"read: {_rights(file.read)}",
                f"update: {_rights(file.update)}",
                f"source: {file.source}.",
            )
        ),
        "",
        "| tag | element | label | type | bytes | tells |",
        "|---|---|---|---|---|---|",
    ]
    for element in file.elements:
        lines.append(_row(element, ""))
        lines += [_row(inner, f"{element.name}.") for inner in element.inner]
        if element.newer is not None:
            lines.append(_row(element.newer, "padded with E: "))
    return lines


def _row(element: Element, before: str) -> str:
    tag = f"{element.tag:02X}" if element.tag else "–"
    times = f" × {element.times}" if element.times > 1 else ""
    return (
        f"| {tag} | {before}`{element.name}` | {element.label} "
        f"| {element.coding} | {element.width}{times} | {element.sensitivity} |"
    )


def _rights(conditions: tuple[frozenset[str], ...]) -> str:
    if not conditions:
        return "free"
    return " or ".join(" and ".join(sorted(all_of)) for all_of in conditions)


def _keys(profile: Profile, base: Profile | None) -> list[str]:
    keys = [
        key
        for key in profile.keys.values()
        if base is None or base.keys.get(key.name) != key
    ]
    if not keys:
        return []
    lines = [
        "",
        f"### Keys of {profile.name}",
        "",
        "| key | on the card | in a PSAM | usage | levels | source |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {key.name} | {key.card_id:02X} | {key.psam_id:02X} | {key.usage} "
        f"| {key.levels} | {key.source} |"
        for key in keys
    ]
    return lines


if __name__ == "__main__":
    TARGET.write_text(card_files(), encoding="utf-8")
