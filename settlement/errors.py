"""What can go wrong in the rooms of settlement.

SettlementError                 the root; every class has a stable ``code``
├── PolicyNotInForceError       no text of the pack covers the day
├── PackMissingError            no pack for this region and insurance
├── PackError                   a policy pack is not well formed: file and key
├── PackGapError                a pack says nothing, or two things, for a bill
├── ExplanationWrongError       the reasons of a split do not add up to it
├── CatalogueError              a catalogue file is not well formed: file and key
├── CatalogueItemUnknownError   a bill names a code the catalogue does not have
├── ClaimError                  a claim contradicts itself (amount, price, quantity)
├── ColumnsError                a batch of bills lacks a column or holds a wrong one
└── ExampleError                a worked example is not in the schema cn-mi-ex/1

A foreseen refusal (no benefit for this visit) is a value, `settlement.split.Refused`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping


class SettlementError(Exception):
    """Something the settlement rooms could not do.

    ``code`` is stable and kebab-case: API type, metric label and runbook heading.
    """

    code: str = "settlement-failed"


class PolicyNotInForceError(SettlementError):
    """No text of the rule covers the day of service."""

    code = "policy-not-in-force"

    def __init__(
        self, rule: str, on: dt.date, first: dt.date, last: dt.date | None = None
    ) -> None:
        days = f"from {first}" if last is None else f"from {first} to {last}"
        super().__init__(
            f"No text of {rule} is in force on {on}: it holds {days}. "
            "Install the policy pack that covers this day, or settle at the bureau."
        )
        self.rule = rule
        self.on = on


class PackMissingError(SettlementError):
    """No installed pack speaks for this region and insurance."""

    code = "no-policy-pack"

    def __init__(self, region: str, insurance: str) -> None:
        super().__init__(
            f"No policy pack for region {region} and insurance {insurance} is "
            "installed. Install one under config/packs, or settle at the bureau."
        )
        self.region = region
        self.insurance = insurance


class PackError(SettlementError):
    """A policy pack does not say what a pack must say, or says more."""

    code = "pack-invalid"

    def __init__(self, file: str, key: str, problem: str) -> None:
        where = f"{file}: {key}" if key else file
        super().__init__(
            f"{where}: {problem}. Correct the pack and run `packs check` again."
        )
        self.file = file
        self.key = key


class PackGapError(SettlementError):
    """A pack says nothing, or two things at once, for a bill it should speak for."""

    code = "pack-gap"

    def __init__(
        self,
        pack: str,
        rule: str,
        on: dt.date,
        facts: Mapping[str, str | int],
        how_many: str,
    ) -> None:
        known = ("kind", "tier", "place", "filing", "person", "assistance", "class")
        said = ", ".join(f"{name} {facts[name]}" for name in known if name in facts)
        found = "no wording" if how_many == "none" else "more than one wording"
        super().__init__(
            f"{pack}: {rule} has {found} on {on} for {said}. Correct the pack, run "
            "`packs check` and install it; settle at the bureau until then."
        )
        self.pack = pack
        self.rule = rule
        self.on = on


class ExplanationWrongError(SettlementError):
    """The reasons of a split do not add up to it: nothing may be settled on it."""

    code = "explanation-wrong"

    def __init__(self, pack: str, faults: tuple[str, ...]) -> None:
        super().__init__(
            f"The explanation of a split under {pack} does not hold: "
            f"{'; '.join(faults)}. Nothing was sent. Keep the bill and tell the "
            "developer; settle at the bureau."
        )
        self.faults = faults


class CatalogueError(SettlementError):
    """A catalogue file does not say what a catalogue must say, or says more."""

    code = "catalogue-invalid"

    def __init__(self, file: str, key: str, problem: str) -> None:
        where = f"{file}: {key}" if key else file
        super().__init__(f"{where}: {problem}. Correct the catalogue file.")
        self.file = file
        self.key = key


class CatalogueItemUnknownError(SettlementError):
    """A bill names a code that the catalogue does not have."""

    code = "catalogue-item-unknown"

    def __init__(self, item_code: str, catalogue: str) -> None:
        super().__init__(
            f"Item {item_code} is not in the catalogue {catalogue}. Check the code; "
            "an item outside the insurance needs its own entry of class C (丙类)."
        )
        self.item_code = item_code


class ClaimError(SettlementError):
    """A claim contradicts itself; nothing is guessed."""

    code = "claim-invalid"

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}. Correct the bill and send it again.")
        self.where = where


class ColumnsError(SettlementError):
    """A batch of bills lacks a column the pack asks for, or holds a wrong one."""

    code = "columns-invalid"

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(f"Column {column}: {problem}. Correct the batch of claims.")
        self.column = column


class ExampleError(SettlementError):
    """A worked example does not follow its schema."""

    code = "example-invalid"

    def __init__(self, example: str, problem: str) -> None:
        super().__init__(
            f"Example {example}: {problem}. Examples follow the schema cn-mi-ex/1."
        )
        self.example = example
