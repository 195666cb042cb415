"""What can be wrong with what a site set up.

ConfigError
├── SettingsError   a setting that is unknown, missing or not what it must be
├── CatalogueFileError  a file of items does not read: lines and columns
├── ListedCardsError  the list of reported cards does not read
├── ProvinceError     a province's profile is unknown or not well formed
├── PackRefusedError  a pack that is not installed; what was in force stays so
│   ├── PackFileError              it is no pack's file
│   ├── PackSignatureError         a byte is not the one that was signed
│   ├── PackKeyUnknownError        signed by nobody this site knows
│   ├── PackOtherRegionError       for a region this site does not serve
│   ├── PackVersionNotHigherError  not above every version that is here
│   ├── PackDaysLostError          days would lose the text they have
│   └── PackExamFailedError        a golden case does not come out
├── PackInstallBusyError     another install is under way
├── PackDamagedError         what is installed is not what was installed
├── PackVersionMissingError  the pack of an old settlement is not here
└── PackKeyFileError         the file of a signing key is not as it must be
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence


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


class CatalogueFileError(ConfigError):
    """A file of items does not read; nothing of it was imported."""

    code = "catalogue-file-invalid"

    def __init__(self, file: str, problems: tuple[str, ...]) -> None:
        super().__init__(
            f"{file}: {'; '.join(problems)}. Nothing was imported and the store is as "
            "it was; correct the file and import it again."
        )
        self.problems = problems


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


class ProvinceError(ConfigError):
    """A province's profile is unknown or not well formed."""

    code = "province-invalid"

    def __init__(self, name: str, key: str, problem: str) -> None:
        where = f"config/provinces/{name}.toml: {key}" if key else f"province {name}"
        super().__init__(
            f"{where} {problem}. Correct the file, or centre.province in the settings."
        )
        self.key = key


_STAYS = "Nothing was installed; what was in force stays in force."
_SHOWN_FAILURES = 3


class PackRefusedError(ConfigError):
    """A pack that is not installed; its kinds have the codes."""


class PackFileError(PackRefusedError):
    """A file that is not a pack's file, whoever signed it."""

    code = "pack-file-invalid"

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(
            f"{file}: {problem}. {_STAYS} Fetch the file again; if it stays so, ask "
            "its sender for one made with `packs sign`."
        )


class PackSignatureError(PackRefusedError):
    """A byte is not the one that was signed."""

    code = "pack-signature"

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(
            f"{file}: {problem}: it was changed or damaged on its way. {_STAYS} Fetch "
            "the file again, and tell its sender if it stays so."
        )


class PackKeyUnknownError(PackRefusedError):
    """Signed by a key that this site does not know."""

    code = "pack-key-unknown"

    def __init__(self, file: str, key: str, known: Mapping[str, str]) -> None:
        ours = ", ".join(f"{name} {found}" for name, found in known.items())
        super().__init__(
            f"{file} is signed with the key {key}; this site knows {ours or 'none'}. "
            f"{_STAYS} Ask the sender for the public key over another way than the "
            "file came, and add its line to packs.keys."
        )
        self.key = key


class PackOtherRegionError(PackRefusedError):
    """A pack for a region that this site does not serve."""

    code = "pack-other-region"

    def __init__(self, file: str, region: str, regions: Sequence[str]) -> None:
        super().__init__(
            f"{file} is for region {region}; this site takes regions that begin with "
            f"{', '.join(regions)} (packs.regions). {_STAYS} Install it at its own "
            "sites, or add the region if this site serves it."
        )
        self.region = region


class PackVersionNotHigherError(PackRefusedError):
    """A pack that is not above every version of its name that is here."""

    code = "pack-version-not-higher"

    def __init__(self, name: str, version: int, highest: int) -> None:
        super().__init__(
            f"{name} v{version} is not above v{highest}, which is here already; "
            f"versions only rise. {_STAYS} Take the newest file, or have the texts "
            f"signed again as v{highest + 1} or higher."
        )
        self.version = version
        self.highest = highest


class PackDaysLostError(PackRefusedError):
    """Days that have a text now would have none."""

    code = "pack-days-lost"

    def __init__(
        self, name: str, version: int, since: dt.date, before: dt.date
    ) -> None:
        last = since - dt.timedelta(days=1)
        super().__init__(
            f"{name} v{version} starts on {since}; the version it would replace holds "
            f"from {before}, so a gap of days from {before} to {last} would have no "
            f"text. {_STAYS} Have the new wording added below the old one, which "
            "stays in the file."
        )


class PackExamFailedError(PackRefusedError):
    """A golden case of the pack does not come out as it says."""

    code = "pack-exam-failed"

    def __init__(self, name: str, version: int, failures: Sequence[str]) -> None:
        shown = "; ".join(failures[:_SHOWN_FAILURES])
        more = len(failures) - _SHOWN_FAILURES
        rest = f"; and {more} more" if more > 0 else ""
        super().__init__(
            f"{name} v{version} fails its own exam: {shown}{rest}. {_STAYS} Send this "
            "to the signer; texts and cases must agree."
        )
        self.failures = tuple(failures)


class PackInstallBusyError(ConfigError):
    """Another install holds the folder of installed packs."""

    code = "pack-install-busy"

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"Another install is under way in {folder}. Let it end, then install again."
        )


class PackDamagedError(ConfigError):
    """What is installed is not what was installed; nothing else takes its place."""

    code = "pack-damaged"

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(
            f"{what} cannot be proven to be what was installed: {problem}. No older "
            "pack is taken in its place. Put the folder of installed packs back from "
            "its backup, or install a higher version of the pack."
        )


class PackVersionMissingError(ConfigError):
    """The very pack that computed an old settlement is not here."""

    code = "pack-version-missing"

    def __init__(self, name: str, version: int, digest: str) -> None:
        super().__init__(
            f"{name} v{version} with the digest {digest[:12]}… is not here, and no "
            "other text may stand in for it. Put the folder of installed packs back "
            "from its backup, or have the bureau take the settlement back."
        )


class PackKeyFileError(ConfigError):
    """The file of a signing key is not as it must be."""

    code = "pack-key-file"

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(
            f"The signing key {file}: {problem}. Use the file that `packs keygen` made."
        )
