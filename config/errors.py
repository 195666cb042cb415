"""What can be wrong with what a site set up.

ConfigError
└── SettingsError   a setting that is unknown, missing or not what it must be
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
