"""Who pays more or less: by payer, person category and hospital level, to the fen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from settlement.columns import Bills, Whole, Words

#: Who bears a bill, in the order of a receipt.
PAYERS = (
    "pooled_fund",
    "critical_illness_fund",
    "large_claim_fund",
    "medical_aid",
    "civil_servant_fund",
    "employer_fund",
    "other_fund",
    "hospital",
    "account",
    "family_account",
    "cash",
)
#: What bills are grouped by: the fact, and what the group is called.
GROUPINGS = ("person", "tier", "kind")
_PERSON = ("account", "family_account", "cash")


@dataclass(slots=True)
class Group:
    """One group of bills: what was paid, what would be, who gains and who loses."""

    bills: int = 0
    was: dict[str, int] = field(default_factory=dict)  #: fen, by payer
    now: dict[str, int] = field(default_factory=dict)
    more: int = 0  #: bills for which the person pays more
    less: int = 0
    denied: int = 0  #: bills for which there is no benefit any more

    @property
    def same(self) -> int:
        """Bills for which the person pays the same."""
        return self.bills - self.more - self.less

    def change(self, payer: str) -> int:
        """What *payer* would bear more, in fen."""
        return self.now.get(payer, 0) - self.was.get(payer, 0)


class _Columns(NamedTuple):
    """One batch: both sides by payer, what the persons bear more, who gets nothing."""

    was: Mapping[str, Whole]
    now: Mapping[str, Whole]
    change: Whole
    denied: npt.NDArray[np.bool_]


@dataclass(slots=True)
class Comparison:
    """A batch before and after."""

    whole: Group = field(default_factory=Group)
    groups: dict[str, dict[str, Group]] = field(
        default_factory=lambda: {name: {} for name in GROUPINGS}
    )
    left_out: int = 0  #: settlements of the journal that kept no claim
    outside: int = 0  #: bills of days a pack does not cover, put on its nearest day

    def add(
        self,
        bills: Bills,
        was: Mapping[str, Whole],
        now: Mapping[str, Whole],
        denied: npt.NDArray[np.bool_],
    ) -> None:
        """Add one batch: what each payer bore, and what each would bear, in fen."""
        count = len(bills)
        everything = np.ones(count, np.bool_)
        change = person_pays(now, count) - person_pays(was, count)
        columns = _Columns(was, now, change, denied)
        self._add(self.whole, columns, everything)
        for name in GROUPINGS:
            fact = bills.facts.get(name)
            if not isinstance(fact, Words):
                continue
            for code, word in enumerate(fact.words):
                mine = fact.codes == code
                if mine.any():
                    group = self.groups[name].setdefault(word, Group())
                    self._add(group, columns, mine)

    @staticmethod
    def _add(group: Group, columns: _Columns, mine: npt.NDArray[np.bool_]) -> None:
        group.bills += int(mine.sum())
        for payer in PAYERS:
            for side, held in ((columns.was, group.was), (columns.now, group.now)):
                column = side.get(payer)
                if column is not None:
                    held[payer] = held.get(payer, 0) + int(column[mine].sum())
        group.more += int((columns.change[mine] > 0).sum())
        group.less += int((columns.change[mine] < 0).sum())
        group.denied += int(columns.denied[mine].sum())

    def check(self) -> None:
        """Prove that no fen appeared or vanished: both sides are the same bills.

        Raises:
            AssertionError: the payers' changes do not add up to zero.
        """
        for group in (self.whole, *self._all()):
            off = sum(group.change(payer) for payer in PAYERS)
            if off:
                msg = f"the payers' changes are off by {off} fen"
                raise AssertionError(msg)

    def _all(self) -> Iterable[Group]:
        return (group for groups in self.groups.values() for group in groups.values())


def person_pays(paid: Mapping[str, Whole], count: int) -> Whole:
    """Add up what the persons bear of *count* bills: account, family account, cash."""
    total = np.zeros(count, np.int64)
    for name in _PERSON:
        column = paid.get(name)
        if column is not None:
            total = total + column
    return total
