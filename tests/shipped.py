"""What the program ships, read once for every test that asks for the whole of it."""

from __future__ import annotations

from pathlib import Path

from config.card_profiles import load_deck, load_profiles
from config.catalogue import load_catalogue
from config.packs import load_packs

CONFIG = Path(__file__).parents[1] / "config"
PACKS = load_packs(CONFIG / "packs")
PROFILES = load_profiles(CONFIG / "cards")
SPECS = {spec.card_id: spec for spec in load_deck(CONFIG / "cards")}
CATALOGUE = load_catalogue(CONFIG / "catalogue" / "sample.toml")
