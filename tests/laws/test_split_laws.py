"""Laws of every split, whatever the pack says and whoever comes with which bill.

Held over every shipped pack and over random ones; a seed repeats a run, and a failure
names it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from random import Random

import pytest

from settlement.claim import Accumulators, Claim, VisitKind
from settlement.engine import program_of, settle
from settlement.explain import check
from settlement.lowering import bill_of
from settlement.money import Money
from settlement.plan import Denied
from settlement.policy import Measure, Pack, Per
from settlement.split import Part, Payer, Refused, Split
from settlement.stays import split_at_year_end
from tests.independent.random_packs import (
    Bills,
    annual_pack,
    in_parts,
    plain_line,
    random_pack,
    seeded,
    simple_pack,
    two_pass_pack,
)
from tests.shipped import PACKS as SHIPPED

SEED = 20261123
RANDOM_PACKS = 30
BILLS = 8
NAMES = [*(pack.id.name for pack in SHIPPED), *map(str, range(RANDOM_PACKS))]


@cache
def pack_named(name: str) -> Pack:
    """Find a shipped pack by its name, or make the random one of a number."""
    shipped = {pack.id.name: pack for pack in SHIPPED}
    return shipped[name] if name in shipped else random_pack(seeded(SEED, name))


def bills_of(name: str, law: str) -> Iterator[tuple[Claim, Split]]:
    """Make bills of a pack that are settled, other ones for every law."""
    pack = pack_named(name)
    bills = Bills(pack, seeded(SEED, name, law))
    for _ in range(BILLS):
        claim = bills.bill()
        claim = replace(claim, visit=replace(claim.visit, known_on=None))
        outcome = settle(claim, pack)
        if isinstance(outcome, Split):
            yield claim, outcome


def funds_of(claim: Claim, pack: Pack) -> dict[str, tuple[int, int]]:
    """Find what every fund paid of one bill, and on what base, in fen."""
    program = program_of(pack)
    bill = bill_of(claim, program)
    plan = program.plan(bill)
    assert not isinstance(plan, Denied)
    registers, _ = plan.trace(bill)
    return {
        fund.fund.id: (registers[fund.paid], registers[fund.base])
        for fund in plan.funds
    }


def settled(claim: Claim, pack: Pack) -> Split:
    """Settle a bill that has a benefit."""
    outcome = settle(claim, pack)
    assert not isinstance(outcome, Refused)
    return outcome


def sums(split: Split) -> tuple[object, ...]:
    """List everything a split says of the money."""
    return split.by_part, split.by_payer, split.deductible, split.after


@pytest.mark.parametrize("name", NAMES)
def test_no_fen_appears_and_none_is_lost(name):
    """Parts, payers and the bill are one and the same money."""
    for claim, split in bills_of(name, "conservation"):
        total = Money.total(line.amount for line in claim.lines)

        assert Money.total(split.by_part.values()) == total
        assert Money.total(split.by_payer.values()) == total
        hospital = split.paid_by(Payer.HOSPITAL)
        assert split.fund_total + split.person_total + hospital == total
        assert all(amount.fen >= 0 for amount in split.by_part.values())
        assert all(amount.fen >= 0 for amount in split.by_payer.values())


@pytest.mark.parametrize("name", NAMES)
def test_no_fund_pays_more_than_its_base_or_the_bill(name):
    """Where the text forgets a limit, the base is one."""
    pack = pack_named(name)
    for claim, split in bills_of(name, "base"):
        funds = funds_of(claim, pack)

        assert all(0 <= paid <= base for paid, base in funds.values()), funds
        assert sum(paid for paid, _ in funds.values()) <= split.total_fee.fen


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_lines_does_not_matter(name):
    """The hospital prints them as it likes."""
    chance = seeded(SEED, name, "order")
    for claim, split in bills_of(name, "order"):
        lines = list(claim.lines)
        chance.shuffle(lines)

        assert sums(settled(replace(claim, lines=tuple(lines)), pack_named(name))) == (
            sums(split)
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_settlement_taken_back_and_made_again_is_the_same(name):
    """A void restores the year as it was; what came between leaves no trace."""
    pack = pack_named(name)
    for claim, split in bills_of(name, "void"):
        between = replace(claim, before=split.after)
        settle(between, pack)

        again = settled(replace(claim, before=split.before), pack)

        assert sums(again) == sums(split)


@pytest.mark.parametrize("name", NAMES)
def test_every_explanation_adds_up_to_its_split(name):
    """A fen nobody can explain is a fen nobody should pay."""
    for _, split in bills_of(name, "explain"):
        check(split)


@pytest.mark.parametrize("name", NAMES)
def test_a_base_is_made_of_the_amounts_that_are_printed(name):
    """What an amount is taken of stands on the same receipt, under its own label."""
    for _, split in bills_of(name, "base"):
        printed = {part.value: split.part(part) for part in Part}
        printed["total"] = split.total_fee
        bases = (charge.reason.basis for charge in split.charges)
        terms = [term for basis in bases if basis for term in basis.terms]
        for term in terms:
            if term.figure in printed:
                assert term.amount == printed[term.figure]
            elif term.figure == "deductible" and not term.fund:
                # A later benefit may take one more.
                assert term.amount <= split.deductible


@pytest.mark.parametrize("name", NAMES)
def test_no_account_pays_more_than_it_holds(name):
    """The centre refuses what is not there, and the counter has told the person."""
    for claim, split in bills_of(name, "balance"):
        insured = claim.insured
        held = {
            Payer.ACCOUNT: insured.account_balance,
            Payer.FAMILY_ACCOUNT: insured.family_balance,
        }
        for payer, balance in held.items():
            assert split.paid_by(payer) <= balance
            assert insured.use_account or not split.paid_by(payer)


@pytest.mark.parametrize("name", NAMES)
def test_one_bill_stays_within_what_every_cap_leaves(name):
    """A cap is the fund's promise to whoever pays into it."""
    pack = pack_named(name)
    for claim, split in bills_of(name, "cap"):
        funds = funds_of(claim, pack)
        for fund, room in rooms(claim, pack):
            assert funds[fund][0] <= room, (fund, split.pack)


def rooms(claim: Claim, pack: Pack) -> Iterator[tuple[str, int]]:
    """List what each plain yearly cap on pay leaves its fund before the bill."""
    for fund in pack.funds:
        for rule in fund.caps.values():
            if len(rule.wordings) > 1 or rule.wordings[0].when.names:
                continue
            cap = rule.wordings[0].value
            plain = cap.amount is not None and not cap.amount.index
            if cap.measure is not Measure.PAID or cap.per is not Per.YEAR or not plain:
                continue
            if cap.amount is None or cap.amount.growth_months:
                continue
            used = sum(claim.before.amount(name).fen for name in cap.used)
            if fund.id in funds_of(claim, pack) and "@" not in "".join(cap.used):
                yield fund.id, max(0, round(cap.amount.fen) - used)


# --- the year -------------------------------------------------------------------

ANNUAL = [annual_pack(seeded(SEED, "annual", number)) for number in range(30)]


TWO_PASSES = [two_pass_pack(seeded(SEED, "passes", number)) for number in range(15)]


def unit_of(pack: Pack) -> int:
    """Return the unit a pack rounds to, in fen."""
    return pack.rounding.wordings[0].value.how.unit_fen


def year_bill(pack: Pack, chance: Random, before: Accumulators | None = None) -> Claim:
    """Make a bill of class A lines on the pack's first day."""
    bills = Bills(pack, chance)
    claim = bills.bill(before=before or Accumulators(pack.year_of(pack.since)))
    visit = replace(
        claim.visit, on=pack.since, known_on=None, deductible_taken=Money.ZERO
    )
    lines = in_parts(chance, bills.fen(), chance.randint(2, 9))
    return replace(claim, visit=visit, lines=lines)


@pytest.mark.parametrize("pack", ANNUAL, ids=range(len(ANNUAL)))
def test_one_bill_and_the_same_in_two_come_to_the_same(pack):
    """Whoever asks for two invoices must not be paid more for it.

    Every fund lies on the year, so its exact due adds up over the bills. It is rounded
    three times instead of once, each time by less than a unit, all in one direction or
    by half a unit at most: less than two units. What a fund draws on the others carries
    their units along: the pooled fund is off by less than 2 units, critical illness,
    which pays on what that left, by less than 4, and assistance, on what both left, by
    less than 8. The deductible is taken in whole fen, so it is the same.
    """
    chance = seeded(SEED, "halves", pack.id.digest)
    unit = unit_of(pack)
    for _ in range(BILLS):
        whole = year_bill(pack, chance)
        if chance.random() < 0.7:
            start = settled(year_bill(pack, chance), pack).after
            whole = replace(whole, before=start)
        cut = chance.randint(1, len(whole.lines) - 1)
        one = settled(replace(whole, lines=whole.lines[:cut]), pack)
        rest = replace(whole, lines=whole.lines[cut:], before=one.after)
        other, together = settled(rest, pack), settled(whole, pack)

        assert one.deductible + other.deductible == together.deductible
        for payer, units in (
            (Payer.POOLED_FUND, 2),
            (Payer.CRITICAL_ILLNESS_FUND, 4),
            (Payer.MEDICAL_AID, 8),
        ):
            halves = one.paid_by(payer) + other.paid_by(payer)
            assert abs((halves - together.paid_by(payer)).fen) < units * unit, payer


@pytest.mark.parametrize("pack", [*ANNUAL, *TWO_PASSES], ids=lambda p: p.id.digest[:6])
def test_no_cap_is_ever_exceeded_in_a_year_of_bills_and_voids(pack):
    """The counter sees bills and cancellations in any order."""
    chance = seeded(SEED, "year", pack.id.digest)
    history = [Accumulators(pack.year_of(pack.since))]
    for _ in range(3 * BILLS):
        if len(history) > 1 and chance.random() < 0.3:
            history.pop()
            continue
        split = settled(year_bill(pack, chance, history[-1]), pack)
        history.append(split.after)
        for fund in pack.funds:
            for rule in fund.caps.values():
                cap = rule.wordings[0].value
                assert cap.amount is not None
                used = sum(split.after.amount(name).fen for name in cap.used)
                assert used <= cap.amount.fen, fund.id


# --- edges ----------------------------------------------------------------------

SIMPLE = [simple_pack(seeded(SEED, "simple", number)) for number in range(40)]


@pytest.mark.parametrize("pack", SIMPLE, ids=range(len(SIMPLE)))
def test_a_fen_more_at_an_edge_is_a_fen_more_at_most(pack):
    """Bands are marginal: nobody gains or loses a whole band's ratio by one fen.

    A fen more moves the exact due by a ratio of at most one, so the rounded due by
    nothing or by one unit, and never backwards.
    """
    bills = Bills(pack, seeded(SEED, "edges", pack.id.digest))
    claim = year_bill(pack, bills.chance)
    deductibles = [0] if pack.funds[0].deductible is None else bills.edges
    edges = {edge + more for edge in bills.edges for more in [0, *deductibles]}
    for edge in sorted(edges):
        around = [
            settled(replace(claim, lines=(plain_line(1, fen),)), pack)
            for fen in range(max(0, edge - 2), edge + 3)
        ]
        for less, more in pairwise(around):
            step = more.fund_total - less.fund_total
            assert 0 <= step.fen <= unit_of(pack), edge


@pytest.mark.parametrize("pack", SHIPPED, ids=lambda pack: pack.id.name)
def test_a_fen_more_moves_no_fund_of_a_shipped_pack_by_more_than_a_fen(pack):
    """As above, for the figures that people are paid by."""
    bills = Bills(pack, seeded(SEED, "edges", pack.id.name))
    claims = [bills.bill() for _ in range(60)]
    claims = [replace(c, visit=replace(c.visit, known_on=None)) for c in claims]
    for claim in claims:
        if isinstance(settle(claim, pack), Refused):
            continue
        edge = bills.fen()
        fens = range(max(0, edge - 2), edge + 3)
        around = [replace(claim, lines=(plain_line(1, fen),)) for fen in fens]
        for less, more in pairwise(around):
            was, now = funds_of(less, pack), funds_of(more, pack)
            for fund, (paid, _) in now.items():
                assert abs(paid - was[fund][0]) <= unit_of(pack), fund


# --- the year's end -------------------------------------------------------------


def stay(pack: Pack, chance: Random) -> Claim:
    """Make a stay with fees on both sides of the turn of an insured year."""
    year = pack.year.wordings[0].value
    turn = dt.date(pack.since.year + 1, year.starts_month, year.starts_day)
    claim = Bills(pack, chance).bill()
    on = turn + dt.timedelta(days=chance.randint(0, 20))
    days = [turn + dt.timedelta(days=n) for n in range(-20, (on - turn).days + 1)]
    lines = tuple(replace(line, on=chance.choice(days)) for line in claim.lines)
    begun = min(line.on or on for line in lines) if year.split_stays else on
    visit = replace(
        claim.visit,
        on=on,
        known_on=None,
        kind=VisitKind.INPATIENT,
        deductible_taken=Money.ZERO,
        carried_on=False,
    )
    before = replace(claim.before, year=pack.year_of(begun))
    return replace(claim, visit=visit, before=before, lines=lines)


@pytest.mark.parametrize("name", NAMES)
def test_a_stay_divided_at_the_years_end_is_the_same_money(name):
    """No line falls between the years, none is paid in both, no balance twice."""
    pack = pack_named(name)
    chance = seeded(SEED, name, "stay")
    for _ in range(BILLS):
        whole = stay(pack, chance)
        parts = split_at_year_end(whole, pack)
        outcomes = [settle(part, pack) for part in parts]
        splits = [outcome for outcome in outcomes if isinstance(outcome, Split)]

        assert sorted(line.line_no for part in parts for line in part.lines) == [
            line.line_no for line in whole.lines
        ]
        assert Money.total(part.total_fee for part in parts) == whole.total_fee
        for part, split in zip(parts, outcomes, strict=True):
            if isinstance(split, Split):
                assert Money.total(split.by_payer.values()) == part.total_fee
                assert split.after.year == pack.year_of(part.visit.on)
        for payer, balance in (
            (Payer.ACCOUNT, whole.insured.account_balance),
            (Payer.FAMILY_ACCOUNT, whole.insured.family_balance),
        ):
            assert Money.total(split.paid_by(payer) for split in splits) <= balance
        admitted = [
            outcome.after.admissions - outcome.before.admissions for outcome in splits
        ]
        assert sum(admitted) <= 1


@pytest.mark.parametrize("pack", SIMPLE, ids=range(len(SIMPLE)))
def test_a_stay_divided_at_the_years_end_pays_one_deductible(pack):
    """One admission, one deductible: what the old year took the new one does not."""
    chance = seeded(SEED, pack.id.digest, "stay")
    for _ in range(BILLS):
        whole = stay(pack, chance)
        parts = [settled(part, pack) for part in split_at_year_end(whole, pack)]
        year = pack.year_of(whole.visit.on)
        undivided = settled(replace(whole, before=Accumulators(year)), pack)

        taken = Money.total(part.deductible for part in parts)
        assert taken == undivided.deductible


@pytest.mark.parametrize("pack", SHIPPED, ids=lambda pack: pack.id.name)
def test_a_stay_begun_before_the_packs_first_day_is_not_lost(pack):
    """The pack of the last day speaks for it, or says on which day it does not."""
    on = pack.since + dt.timedelta(days=2)
    eve = pack.since - dt.timedelta(days=1)
    claim = Bills(pack, seeded(SEED, pack.id.name, "first day")).bill()
    lines = tuple(
        replace(plain_line(number, 100_00), on=day)
        for number, day in enumerate((eve, on), start=1)
    )
    visit = replace(claim.visit, on=on, known_on=None)

    parts = split_at_year_end(replace(claim, visit=visit, lines=lines), pack)

    assert Money.total(part.total_fee for part in parts) == Money(200_00)
