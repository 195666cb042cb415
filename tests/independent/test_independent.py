"""Every bill worked out by sides that share no code: the same fen, or one is wrong.

``INDEPENDENT_COUNT=1000000 pytest tests/independent --timeout=7200`` makes the long
run, on all processors; ``INDEPENDENT_SEED`` repeats or varies one.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

import pytest

from config.exam import read_cases
from config.packs import CASES_SUFFIX
from settlement.claim import Claim
from settlement.columns import columns_of, split_columns
from settlement.engine import program_of
from settlement.errors import PackGapError
from settlement.lowering import bill_of
from settlement.policy import Pack
from tests.independent.decimal_engine import Answer, split
from tests.independent.random_packs import Bills, random_pack, seeded
from tests.independent.shrink import smallest
from tests.independent.sides import (
    SIDES,
    ask_all,
    compared,
    differences,
    is_settled,
)
from tests.settlement.claims import PACKS
from tests.shipped import PACKS as SHIPPED

COUNT = int(os.environ.get("INDEPENDENT_COUNT", "1200"))
SEED = int(os.environ.get("INDEPENDENT_SEED", "20261123"))
#: Bills for one pack: enough that some share a plan, few enough for many packs.
A_PACK, A_LONG_PACK = 20, 250
#: Above this many bills all processors are put to work.
MANY = 20_000
#: Differences told in full; the others are counted.
TOLD = 10


class Task(NamedTuple):
    """Bills of one pack: a shipped one by its number, or a random one by its seed."""

    shipped: int | None
    seed: int
    bills: int


class Found(NamedTuple):
    """What came of a task."""

    bills: int
    settled: int
    different: int
    told: list[str]


def tasks(count: int) -> Iterator[Task]:
    """Divide *count* bills: a quarter for the shipped packs, the rest at random."""
    seeds = seeded(SEED)
    a_pack = A_PACK if count < MANY else A_LONG_PACK
    shipped = count // 4
    while shipped > 0:
        for number in range(len(SHIPPED)):
            yield Task(number, seeds.getrandbits(48), a_pack)
            shipped -= a_pack
    for _ in range(-(-(count - count // 4) // a_pack)):
        yield Task(None, seeds.getrandbits(48), a_pack)


def run(task: Task) -> Found:
    """Ask all sides for every bill of a task."""
    chance = seeded(task.seed)
    if task.shipped is None:
        pack = random_pack(chance, f"random/{task.seed}")
    else:
        pack = SHIPPED[task.shipped]
    bills = Bills(pack, chance)
    settled = different = 0
    told: list[str] = []
    claims = [bills.bill() for _ in range(task.bills)]
    told += [f"{task}, {problem}" for problem in in_columns(claims, pack)]
    different += len(told)
    for number, claim in enumerate(claims):
        answers = ask_all(claim, pack)
        found = compared(claim, answers)
        settled += is_settled(answers)
        if found:
            different += 1
            if len(told) < TOLD:
                told.append(f"{task}, bill {number}: {'; '.join(found)}")
    return Found(task.bills, settled, different, told)


def in_columns(claims: list[Claim], pack: Pack) -> list[str]:
    """Split all bills of a pack at once, and compare with one at a time."""
    program = program_of(pack)
    written = [bill_of(claim, program) for claim in claims if claim.lines]
    whole, one_by_one = [], []
    for bill in written:
        try:
            figures = program.split(bill)
        except PackGapError:
            continue
        whole.append(bill)
        one_by_one.append(figures)
    if not whole:
        return []
    # Chunks smaller than the batch: bills of one chunk must not touch another's.
    found = split_columns(program, columns_of(whole), chunk=7)
    out = []
    for number, figures in enumerate(one_by_one):
        if figures is None:
            if not found.denied[number]:
                out.append(f"bill {number}: denied alone, settled in columns")
            continue
        for name, fen in zip(program.names, figures, strict=True):
            if found.columns[name][number] != fen:
                column = found.columns[name][number]
                out.append(f"bill {number}: {name} {fen} alone, {column} in columns")
    return out


def smallest_of(task: Task, number: int) -> tuple[Claim, Pack, list[str]]:
    """Make the bill and the pack of a difference small, for whoever looks for it."""
    chance = seeded(task.seed)
    pack = (
        random_pack(chance, f"random/{task.seed}")
        if task.shipped is None
        else SHIPPED[task.shipped]
    )
    bills = Bills(pack, chance)
    claims = [bills.bill() for _ in range(number + 1)]
    claim, less = smallest(claims[-1], pack, lambda c, p: bool(differences(c, p)))
    return claim, less, differences(claim, less)


def test_all_sides_agree_on_every_bill_to_the_fen(capsys):
    """One side may be wrong; two that share nothing are not wrong alike."""
    work = list(tasks(COUNT))
    if COUNT < MANY:
        found = [run(task) for task in work]
    else:
        # Fresh processes: those of a test run may hold threads.
        with multiprocessing.get_context("spawn").Pool() as pool:
            found = list(pool.imap_unordered(run, work, chunksize=2))

    bills = sum(each.bills for each in found)
    different = sum(each.different for each in found)
    told = [line for each in found for line in each.told]
    if COUNT >= MANY:
        packs = len({task.seed for task in work if task.shipped is None})
        settled = sum(each.settled for each in found)
        with capsys.disabled():
            print(  # noqa: T201 - the long run says what it did
                f"\n{bills} bills ({settled} settled) of {len(SHIPPED)} shipped and "
                f"{packs} random packs, {len(SIDES)} sides and columns: "
                f"{different} differences"
            )
    assert bills >= COUNT
    assert sum(each.settled for each in found) > bills // 2
    assert different == 0, "\n".join([f"{different} of {bills} differ", *told[:TOLD]])


@pytest.mark.parametrize("pack", SHIPPED, ids=lambda pack: pack.id.name)
def test_the_decimals_pass_the_exam_of_every_pack_that_has_one(pack):
    """The second opinion is only worth something if it knows the golden cases too."""
    file = PACKS / f"{pack.id.name}{CASES_SUFFIX}"
    if not file.exists():
        return
    for case in read_cases(file.read_bytes(), pack):
        answer = split(case.claim, pack)
        if case.refused:
            assert isinstance(answer, str), case.name
            continue
        assert not isinstance(answer, str), case.name
        for name, due in (case.expected or {}).items():
            if name in answer:
                assert answer[name] == Decimal(due.to_yuan()), (case.name, name)
        for name, due in case.after.items():
            stood = Decimal(case.claim.before.amount(name).to_yuan())
            stands = answer.get(f"after.{name}", stood)
            assert stands == Decimal(due.to_yuan()), (case.name, name)
        assert not case.wrong or not _comes_out(case.wrong, answer, pack), case.name


def _comes_out(wrong: Mapping[str, object], answer: Answer, pack: Pack) -> bool:
    by_payer: dict[str, Decimal] = {}
    for fund in pack.funds:
        by_payer[fund.payer.value] = by_payer.get(fund.payer.value, Decimal(0))
        by_payer[fund.payer.value] += answer[fund.id]
    figures = {**answer, **by_payer}
    return all(figures.get(name) == Decimal(str(due)) for name, due in wrong.items())


@pytest.mark.parametrize("side", SIDES, ids=str)
def test_no_side_settles_a_bill_without_lines(side):
    """Nothing was done, so nothing may be booked."""
    bills = Bills(SHIPPED[0], seeded(1))
    empty = replace(bills.bill(), lines=())

    assert SIDES[side](empty, SHIPPED[0]) == "no-lines"


def test_a_text_is_not_seen_before_it_was_published():
    """What was known on a day must not depend on which bill came first."""
    pack = random_pack(seeded(3))
    bills = Bills(pack, seeded(3))
    early = pack.since - dt.timedelta(days=1)
    claims = [bills.bill() for _ in range(20)]
    for claim in claims:
        unknown = replace(claim, visit=replace(claim.visit, known_on=early))
        assert differences(unknown, pack) == []
        assert differences(claim, pack) == []
