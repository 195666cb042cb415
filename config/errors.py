"""What can be wrong with what a site set up.

ConfigError
├── SettingsError   a setting that is unknown, missing or not what it must be
└── ListedCardsError  the list of reported cards does not read
"""

from __future__ import annotations


class ConfigError(Exception):
    """Anything wrong with the configuration."""

    code = "config"


class SettingsError(ConfigError):
    """A setting that is unknown, missing or not what it must be."""

    code = "settings-invalid"

    def __init__(self, where: str, key: str, problem: str) -> None:
        named = f"{where}: {key}" if key else where
        super().__init__(
            f"{named}: {problem}. Every setting stands in config/default.toml."
        )
        self.where = where
        self.key = key


class ListedCardsError(ConfigError):
    """The list of reported cards does not read; its lines are named, not repeated."""

    code = "listed-cards-invalid"

    def __init__(self, file: str, line: int, problem: str) -> None:
        where = f"{file}:{line}" if line else file
        super().__init__(
            f"{where}: {problem}. Correct the file that reader.listed_cards_file "
            "names, or fetch it again."
        )
        self.line = line
