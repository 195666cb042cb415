"""A stay over the year's end, a refund in mid-year, a text that came later."""

import datetime as dt
from dataclasses import replace

import pytest

from config.packs import read_pack
from settlement.claim import Accumulators, Claim
from settlement.explain import refusal_sentence
from settlement.money import Money
from settlement.policy import Pack
from settlement.refund import Settled, Undone, settle_again, undo
from settlement.split import Payer, Refused
from settlement.stays import split_at_year_end
from tests.settlement.claims import JIAMUSI, PACKS, claim, line, settled

TEXT = (PACKS / "heilongjiang-jiamusi" / "resident-2018.toml").read_text("utf-8")
DIVIDES = read_pack(
    TEXT.replace("splits_stays = false", "splits_stays = true").encode(), "divides"
)
REPLAYS = read_pack(
    TEXT.replace("replays_the_year = false", "replays_the_year = true").encode(),
    "replays",
)
DECEMBER, JANUARY = dt.date(2018, 12, 30), dt.date(2019, 1, 3)


def a_stay() -> Claim:
    """Return a stay from December to January, 10 000 yuan in each year."""
    lines = (
        line(1, "A", "10000.00", on=DECEMBER),
        line(2, "A", "10000.00", on=JANUARY),
    )
    stay = claim(on=JANUARY, lines=lines, before=Accumulators(2018))
    return replace(stay, visit=replace(stay.visit, days=5))


def test_a_stay_is_settled_whole_where_the_pack_does_not_divide_it():
    """The day of discharge decides over all of it."""
    assert split_at_year_end(a_stay(), JIAMUSI) == (a_stay(),)


def test_a_divided_stay_pays_its_deductible_once_and_is_one_admission():
    """Money is conserved: both parts are the whole bill, 700 are taken once."""
    first, second = split_at_year_end(a_stay(), DIVIDES)
    one, two = settled(first, DIVIDES), settled(second, DIVIDES)

    assert first.visit.on == dt.date(2018, 12, 31)
    assert first.visit.days + second.visit.days == 5
    assert one.total_fee + two.total_fee == Money.yuan("20000.00")
    assert (one.deductible, two.deductible) == (Money.yuan("700"), Money.ZERO)
    assert one.paid_by(Payer.POOLED_FUND) == Money.yuan("6045.00")  # 9300 x 65%
    assert two.paid_by(Payer.POOLED_FUND) == Money.yuan("6500.00")  # 10000 x 65%
    assert (one.after.admissions, two.after.admissions) == (1, 0)
    assert two.after.year == 2019


def test_a_stay_within_one_year_is_not_divided():
    """Nothing turned."""
    inside = claim(on=dt.date(2018, 5, 3), lines=(line(1, "A", "9.00", on=DECEMBER),))

    assert split_at_year_end(inside, DIVIDES) == (inside,)


def a_year(pack: Pack, *amounts: str) -> list[Settled]:
    """Settle bills one after the other, each on how the last one left the year."""
    history: list[Settled] = []
    before = Accumulators(2018)
    for number, amount in enumerate(amounts, start=1):
        asked = claim(amount, on=dt.date(2018, number, 1), before=before)
        split = settled(asked, pack)
        history.append(Settled(f"s{number}", asked, split, pack))
        before = split.after
    return history


def test_the_newest_settlement_is_undone_from_its_snapshot():
    """The year stands as if it had not been; nothing else changes."""
    history = a_year(JIAMUSI, "20000.00", "30000.00")

    undone = undo(history, "s2", newest_year=2018)

    assert undone == Undone(history[0].split.after, ())


def test_an_older_one_is_refused_where_the_pack_does_not_replay():
    """Later settlements stand on it."""
    history = a_year(JIAMUSI, "20000.00", "30000.00", "100.00")

    refused = undo(history, "s1", newest_year=2018)

    assert isinstance(refused, Refused)
    assert refused.code == "refund-not-newest"
    assert "2" in refusal_sentence(refused, "zh")


def test_an_older_one_replays_the_year_where_the_pack_says_so():
    """Each later settlement gets a voucher over what it would have been."""
    history = a_year(REPLAYS, "40000.00", "40000.00")
    alone = settled(replace(history[1].claim, before=Accumulators(2018)), REPLAYS)

    undone = undo(history, "s1", newest_year=2018)

    assert isinstance(undone, Undone)
    assert undone.accumulators == alone.after
    (voucher,) = undone.vouchers
    assert voucher.settlement_id == "s2"
    # With 13 755 borne before, all of the second was above 10 000; alone 3 755 are.
    less = alone.paid_by(Payer.CRITICAL_ILLNESS_FUND) - history[1].split.paid_by(
        Payer.CRITICAL_ILLNESS_FUND
    )
    assert voucher.differences["critical_illness_fund"] == less
    assert less < Money.ZERO
    assert (
        Money.total(
            voucher.differences[name] for name in ("fund_total", "person_total")
        )
        == Money.ZERO
    )


def test_a_closed_year_is_not_opened_again():
    """The next year has begun: it is the bureau's business."""
    refused = undo(a_year(REPLAYS, "100.00"), "s1", newest_year=2019)

    assert isinstance(refused, Refused)
    assert refused.code == "year-closed"


def test_a_settlement_that_is_not_there_is_an_error():
    """Nothing is taken back by mistake."""
    with pytest.raises(KeyError, match="s9"):
        undo(a_year(JIAMUSI, "100.00"), "s9", newest_year=2018)


LATER = """
[source.notice]
document = "invented for this test"
url = "https://example.org"
grade = "A"
published = 2018-10-02
checked_on = 2026-11-23

[[scope.upfront]]
class = ["B"]
ratio = "0"
since = 2018-03-01
source = "notice"
article = "test"
quote = "retroactive"

[[scope.outside]]"""


def test_a_text_that_came_later_changes_nothing_that_was_known_before():
    """Valid from March, given out in October: vouchers for what was settled between."""
    pack = read_pack(TEXT.replace("\n[[scope.outside]]", LATER, 1).encode(), "later")
    asked = claim(on=dt.date(2018, 4, 1), lines=(line(1, "B", "2000.00"),))
    then = replace(asked, visit=replace(asked.visit, known_on=dt.date(2018, 4, 1)))
    history = [Settled("s1", asked, settled(then, pack), pack)]

    same = settle_again(history, lambda s: s.pack, known_on=dt.date(2018, 10, 1))
    again = settle_again(history, lambda s: s.pack, known_on=dt.date(2018, 10, 2))

    assert same.vouchers == ()
    (voucher,) = again.vouchers
    # 10% upfront of 2000 falls away: 200 more in scope, 65% of them paid.
    assert voucher.differences["upfront_share"] == Money.yuan("-200.00")
    assert voucher.differences["pooled_fund"] == Money.yuan("130.00")


def test_a_year_without_settlements_cannot_be_settled_again():
    """Asked of nothing, there is no answer."""
    with pytest.raises(ValueError, match="without settlements"):
        settle_again([], lambda s: s.pack)
