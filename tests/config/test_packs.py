"""Packs: complete with their sources, or refused by file and key."""

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pytest

from config.packs import load_pack, load_packs, pack_for
from settlement.claim import Insurance
from settlement.errors import PackError, PackMissingError, PolicyNotInForceError
from settlement.numerals import percent
from settlement.policy import Fund, Pack, Rule
from tests.settlement.claims import JIAMUSI, MUDANJIANG, PACKS

FILE = PACKS / "heilongjiang-jiamusi" / "resident-2018.toml"
TEXT = FILE.read_text(encoding="utf-8")
FIRST = dt.date(2018, 1, 1)


def load(tmp_path: Path, text: str) -> Pack:
    """Load *text* as the only pack of a folder."""
    path = tmp_path / "region" / "pack.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return load_pack(path, tmp_path)


def fund(pack: Pack, name: str) -> Fund:
    """Find a fund of *pack*."""
    return next(found for found in pack.funds if found.id == name)


def at_tier(rule: Rule[Any] | None, tier: str) -> Any:
    """Read the value a rule has for a local visit at *tier*."""
    facts = {"tier": tier, "place": "local", "kind": "inpatient", "assistance": "none"}
    assert rule is not None
    (found,) = [w.value for w in rule.in_force(FIRST) if w.when.holds(facts)]
    return found


def test_the_jiamusi_pack_says_what_its_source_says():
    """Figures of the text, followed from the file to the value."""
    inpatient, critical = fund(JIAMUSI, "inpatient"), fund(JIAMUSI, "critical")

    rows = {
        tier: (
            at_tier(inpatient.deductible, tier).amount.fen,
            percent(at_tier(inpatient.bands, tier)[0].ratio),
        )
        for tier in ("township", "primary", "secondary", "tertiary")
    }
    assert rows == {
        "township": (20000, "90%"),
        "primary": (30000, "80%"),
        "secondary": (40000, "75%"),
        "tertiary": (70000, "65%"),
    }
    assert at_tier(inpatient.caps["annual"], "tertiary").amount.fen == 8_000_000
    assert at_tier(critical.caps["annual"], "tertiary").amount.fen == 20_000_000


def test_a_pack_is_named_by_its_path_and_fixed_by_its_bytes():
    """A settlement must name the very text that computed it."""
    assert JIAMUSI.id.name == "heilongjiang-jiamusi/resident-2018"
    assert JIAMUSI.id.digest == hashlib.sha256(FILE.read_bytes()).hexdigest()


def test_only_a_pack_of_sourced_texts_counts_as_verified():
    """Grade E figures are a sample, whatever the file is called."""
    assert JIAMUSI.id.verified
    assert not MUDANJIANG.id.verified


@pytest.mark.parametrize("pack", [JIAMUSI, MUDANJIANG], ids=lambda p: p.id.name)
def test_every_value_has_document_article_quote_grade_and_days(pack):
    """A value without its clause would be an opinion on a receipt."""
    assert pack.clauses
    for clause in pack.clauses:
        assert clause.document
        assert clause.article
        assert clause.quote
        assert clause.since >= pack.since
        assert clause.checked_on >= clause.since
        assert clause.published <= clause.checked_on


def test_the_pack_of_a_person_is_chosen_by_region_insurance_and_day():
    """A person of 绥芬河 falls under the pack of 牡丹江."""
    packs = load_packs(PACKS)
    on = dt.date(2026, 5, 1)

    assert pack_for(packs, "231081", Insurance.RESIDENT, on).id == MUDANJIANG.id
    assert pack_for(packs, "230803", Insurance.RESIDENT, on).id == JIAMUSI.id


def test_a_region_without_a_pack_is_refused_by_name():
    """Another region's figures are not a substitute."""
    with pytest.raises(PackMissingError, match="990100"):
        pack_for([JIAMUSI], "990100", Insurance.RESIDENT, FIRST)
    with pytest.raises(PackMissingError, match="employee"):
        pack_for([JIAMUSI], "230800", Insurance.EMPLOYEE, FIRST)


def test_the_day_before_the_first_day_is_refused_by_name():
    """No pack in force is an error with the day in it."""
    with pytest.raises(PolicyNotInForceError, match="2017-12-31"):
        pack_for([JIAMUSI], "230800", Insurance.RESIDENT, dt.date(2017, 12, 31))


LATER = """
[[scope.upfront]]
class = ["B"]
ratio = "0.05"
since = 2027-01-01
source = "assumption"
article = "乙类先行自付比例"
quote = "a test"

[[scope.outside]]"""


def test_a_later_wording_is_one_block_more(tmp_path):
    """A reform touches one file: the old days keep their figure."""
    pack = load(tmp_path, TEXT.replace("\n[[scope.outside]]", LATER, 1))

    def ratio(on: dt.date) -> str:
        found = [
            wording.value
            for wording in pack.scope.upfront.in_force(on)
            if wording.when.holds({"class": "B"})
        ]
        return ", ".join(map(percent, found))

    assert ratio(dt.date(2026, 12, 31)) == "10%"
    assert ratio(dt.date(2027, 1, 1)) == "5%"


BAND = 'bands = [{ from = "0", to = "unlimited", ratio = "0.65" }]'
UPFRONT = "scope.upfront[2].ratio"
DEDUCTIBLE = "fund.inpatient.deductible["


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("[pack]", "[pack]\nowner = 'x'", "pack.owner", "unknown key"),
        ("[pack]", "[surprise]\n\n[pack]", "surprise", "unknown key"),
        ('ratio = "0.10"', "ratio = 0.10", UPFRONT, "with a point"),
        ('ratio = "0.10"', "ratio = 1", UPFRONT, "must be a string"),
        ('ratio = "0.10"', 'ratio = "1.10"', UPFRONT, "between 0 and 1"),
        ('ratio = "0.10"', 'ratio = "-0.1"', UPFRONT, "not be negative"),
        ('yuan = "700"', 'yuan = "700.001"', DEDUCTIBLE, "not an amount"),
        ('yuan = "700"', 'yuan = "-7"', DEDUCTIBLE, "not be negative"),
        ('yuan = "700"', "", DEDUCTIBLE, "is missing"),
        ('source = "interview"', "", ".source", "is missing"),
        ('source = "interview"', 'source = "hearsay"', ".source", "hearsay"),
        ('article = "住院待遇"', "", ".article", "is missing"),
        ('article = "住院待遇"', 'article = ""', ".article", "with words"),
        ('grade = "A"', 'grade = "Z"', "source.interview.grade", "must be one of"),
        ('region = "230800"', 'region = "2308"', "pack.region", "six digits"),
        ('"half_up"', '"bankers"', "rounding[0].mode", "bankers"),
        ("unit_fen = 1", "unit_fen = 7", "rounding[0].unit_fen", "1 (分)"),
        ('measure = "paid"', 'measure = "said"', ".measure", "scope"),
        ('per = "year"', 'per = "days"', ".per", "year"),
        ('used = ["pooled_inpatient_paid"]', "", ".used", "share it"),
        ('used = ["pooled_inpatient_paid"]', 'used = ["luck"]', ".used", "luck"),
        ('plus = ["in_scope"]', 'plus = ["critical.paid"]', ".plus", "come in order"),
        ('payer = "pooled_fund"', 'payer = "cash"', ".payer", "not a fund"),
        ('change = "factor"', 'change = "points"', ".change", "factor"),
        ('change = "points"', 'change = "minus"', ".change", "own_share"),
        ('kind = ["inpatient"]', 'kind = ["inpatients"]', ".kind", "inpatients"),
        ('class = ["B"]', 'class = ["A"]', "scope.upfront", "same conditions"),
        ('class = ["B"]', 'tier = ["primary"]', "scope.upfront", "overlap"),
        ('tier = ["tertiary"]', 'tier = ["secondary"]', DEDUCTIBLE, "same conditions"),
        ("since = 2018-01-01\n", "since = 2019-01-01\n", "", "a gap"),
        (BAND, BAND.replace('"0",', '"1",'), "bands", "a gap"),
        (BAND, BAND.replace('"unlimited"', '"0"'), "bands[0].to", "above from"),
        ("[pack]", "[pack", "", "TOML"),
        ("person_bears_rest = true", "person_bears_rest = 1", "cash[0]", "true or"),
        ("benefit = true", "benefit = false", "", "every visit would be refused"),
    ],
)
def test_a_pack_that_is_not_one_is_refused_by_file_line_and_key(
    tmp_path, old, new, key, words
):
    """Whoever edits a pack is told where, not left with a wrong receipt."""
    assert old in TEXT
    # A first day that slips is tried on a rule, since the pack's own moves with it.
    head, rest = TEXT.split("[[rounding]]")
    if old.startswith("since"):
        broken = f"{head}[[rounding]]{rest.replace(old, new, 1)}"
    elif old.startswith("benefit"):
        broken = TEXT.replace(old, new)
    else:
        broken = TEXT.replace(old, new, 1)

    with pytest.raises(PackError) as refused:
        load(tmp_path, broken)
    assert refused.value.file.startswith("region/pack.toml")
    assert key in refused.value.key
    assert words in str(refused.value)


def test_the_line_of_a_mistake_is_named(tmp_path):
    """A policy office opens the file at the line, not at the beginning."""
    broken = TEXT.replace('yuan = "700"', 'yuan = "seven"', 1)
    line = broken.splitlines().index('yuan = "seven"') + 1

    with pytest.raises(PackError) as refused:
        load(tmp_path, broken)
    assert refused.value.file == f"region/pack.toml:{line}"


@pytest.mark.parametrize(
    ("second", "words"),
    [("400", "overlap"), ("600", "gap"), ("500", None)],
)
def test_bands_meet_without_gap_or_overlap(tmp_path, second, words):
    """A hole in the bands would silently pay nothing for a stretch of the bill."""
    bands = (
        'bands = [{ from = "0", to = "500", ratio = "0.65" }, '
        f'{{ from = "{second}", to = "unlimited", ratio = "0.70" }}]'
    )
    text = TEXT.replace(BAND, bands, 1)

    if words is None:
        assert load(tmp_path, text).since == FIRST
    else:
        with pytest.raises(PackError, match=words):
            load(tmp_path, text)


def test_two_wordings_of_one_day_are_refused(tmp_path):
    """They would leave the choice to chance."""
    twice = TEXT.replace("since = 2020-09-01", "since = 2018-01-01")

    with pytest.raises(PackError, match="same conditions and first day"):
        load(tmp_path, twice)


BASE = """
[source.province]
document = "省文件"
url = "https://example.org"
grade = "A"
published = 2018-01-01
checked_on = 2026-11-23

[[year]]
starts_month = 7
starts_day = 1
splits_stays = false
since = 2018-01-01
source = "province"
article = "年度"
quote = "医保年度自7月1日起"
"""


@pytest.mark.parametrize("how", ["fills in", "states it twice", "overrides"])
def test_a_city_fills_in_what_its_province_leaves_open(tmp_path, how):
    """What both state is refused, unless the city says that it overrides it."""
    (tmp_path / "province.base.toml").write_text(BASE, encoding="utf-8")
    head = '[pack]\nextends = "province"\n'
    text = TEXT.replace("[pack]\n", head, 1)
    if how == "fills in":
        before, _, after = text.partition("[[year]]")
        text = before + after[after.index("[[") :]
    if how == "overrides":
        text = text.replace(head, f'{head}overrides = ["year"]\n', 1)

    if how == "states it twice":
        with pytest.raises(PackError, match="overrides"):
            load(tmp_path, text)
    else:
        pack = load(tmp_path, text)
        day = dt.date(2020, 3, 1)
        assert pack.year_of(day) == (2019 if how == "fills in" else 2020)


def test_two_packs_of_one_region_must_not_claim_the_same_day(tmp_path):
    """Which of the two would settle? The site must say by ``until``."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text(TEXT, encoding="utf-8")

    with pytest.raises(PackError, match=r"one\.toml: pack\.until: overlaps two"):
        load_packs(tmp_path)


def test_a_pack_that_ends_is_followed_by_the_next(tmp_path):
    """With a last day the old figures stay for the old days."""
    since = "since = 2018-01-01\n"
    ended = TEXT.replace(since, f"{since}until = 2018-12-31\n", 1)
    (tmp_path / "a.toml").write_text(ended, encoding="utf-8")
    next_year = TEXT.replace(since, "since = 2019-01-01\n", 1)
    (tmp_path / "b.toml").write_text(next_year, encoding="utf-8")

    packs = load_packs(tmp_path)

    def name(on: dt.date) -> str:
        return pack_for(packs, "230800", Insurance.RESIDENT, on).id.name

    assert name(dt.date(2018, 12, 31)) == "a"
    assert name(dt.date(2019, 1, 1)) == "b"
