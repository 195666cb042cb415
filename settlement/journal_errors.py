"""What can go wrong with the terminal's durable record.

JournalError                  the root
├── JournalLockedError        another daemon has this journal open
├── JournalDamagedError       the file fails SQLite's own check; never repaired in place
├── BackupError               a copy was not made, because it would not prove itself
├── RebuildError              a damaged journal was not rebuilt, and nothing was touched
├── JournalStoppedError       the disk failed; nothing more is written or promised
├── KeyFileError              the file of the sealing key is missing a property
├── OuterKeyError             the key around the keys is not where the site says
├── IllegalStepError          the drawing of states has no such arrow
│   └── OvertakenError        it went on since it was looked at
├── IntentKnownError          the key or the bill has a living settlement
└── UnknownSettlementError    no settlement has that id
"""

from __future__ import annotations

from settlement.errors import SettlementError
from settlement.lifecycle import State


class JournalError(SettlementError):
    """The terminal's durable record could not do something."""

    code = "journal-failed"


class JournalLockedError(JournalError):
    """Another process has the journal open for writing."""

    code = "journal-locked"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The journal {name} is open in another process; one writer owns it. "
            "Stop the other daemon, or use that one."
        )


class JournalDamagedError(JournalError):
    """The file fails SQLite's own check."""

    code = "journal-damaged"

    def __init__(self, name: str, found: str) -> None:
        super().__init__(
            f"The journal {name} is damaged ({found}). Nothing is settled on it and "
            "nothing is repaired in place: keep the file; run_terminal.py journal "
            "rebuild says what it still proves and how to go on."
        )
        self.found = found


class BackupError(JournalError):
    """A copy that does not prove itself is no backup; none is left behind."""

    code = "backup-failed"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            f"The copy {name} was not made: {problem}. Choose a new name for every "
            "copy; if the journal itself is at fault, run_terminal.py journal verify."
        )


class RebuildError(JournalError):
    """A damaged journal was not rebuilt; every file stays as it was."""

    code = "rebuild-failed"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            f"{name}: {problem}. Nothing was rebuilt and no file was touched; "
            "docs/runbook.zh.md, journal-damaged, says what to do step by step."
        )
        self.problem = problem


class JournalStoppedError(JournalError):
    """A write failed: what reached the disk is not known, so writing ends."""

    code = "journal-stopped"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The journal stopped ({why}): the disk is full, read-only or failing. "
            "Free or replace the disk and start the terminal again."
        )


class KeyFileError(JournalError):
    """The file with the sealing key is not as it must be."""

    code = "key-file-invalid"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            f"The key file {name}: {problem}. Restore it from the safe copy; without "
            "it sealed fields cannot be read."
        )


class OuterKeyError(JournalError):
    """The key that wraps the journal's keys cannot be had."""

    code = "outer-key-unavailable"

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(
            f"The journal's outer key ({source}): {problem}. Nothing was changed; "
            "the journal is not opened without it."
        )


class IllegalStepError(JournalError):
    """A settlement was to go where the drawing has no arrow."""

    code = "settlement-step-refused"

    def __init__(self, settlement_id: str, current: State, to: State) -> None:
        super().__init__(
            f"Settlement {settlement_id} is {current.value} and cannot become "
            f"{to.value}. Look at its history before doing anything else."
        )
        self.settlement_id = settlement_id
        self.current = current
        self.to = to


class OvertakenError(IllegalStepError):
    """A settlement went on while somebody found out how it had ended."""

    code = "settlement-overtaken"

    def __init__(self, settlement_id: str, seen: State, now: State) -> None:
        JournalError.__init__(
            self,
            f"Settlement {settlement_id} was {seen.value} when this was decided and "
            f"went on meanwhile; now it is {now.value}. Nothing was changed; look at "
            "it again.",
        )
        self.settlement_id = settlement_id
        self.current = now
        self.to = now


class IntentKnownError(JournalError):
    """The key or the bill already has a living settlement."""

    code = "settlement-known"

    def __init__(self, settlement_id: str, what: str) -> None:
        super().__init__(
            f"The {what} already belongs to settlement {settlement_id}; nothing was "
            "begun. Ask for that settlement."
        )
        self.settlement_id = settlement_id


class UnknownSettlementError(JournalError):
    """No settlement has that id."""

    code = "settlement-unknown-id"

    def __init__(self, settlement_id: str) -> None:
        super().__init__(f"No settlement has the id {settlement_id}. Check the id.")
