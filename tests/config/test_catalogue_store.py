"""A catalogue of any kind: imported whole or not at all, found by what is typed."""

from __future__ import annotations

import datetime as dt
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner
from openpyxl import Workbook

from config.catalogue import load_catalogue
from config.catalogue_rows import read_items
from config.catalogue_store import open_store, write_store
from config.errors import CatalogueFileError
from run_terminal import main
from settlement.catalogue import CatalogueItem, Known, Restriction
from settlement.claim import ItemClass, Tier
from settlement.errors import CatalogueItemUnknownError
from settlement.money import Money

SAMPLE = Path(__file__).resolve().parents[2] / "config" / "catalogue" / "sample.toml"
HEADER = (
    "医保目录编码,医保目录名称,计价单位,收费项目等级,单价,先行自付比例,"
    "限价_三级,开始日期,结束日期"
)
ROW = "Y1,样本阿莫西林胶囊,盒,乙,12.50,0.1,10.00,2026-01-01,2026-06-30"
LATER = "Y1,样本阿莫西林胶囊,盒,甲,12.50,,9.00,2026-07-01,"


def a_file(tmp_path: Path, *lines: str, name: str = "items.csv") -> Path:
    """Write a table."""
    path = tmp_path / name
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def stored(tmp_path: Path, *lines: str) -> Path:
    """Import a table into a store."""
    path = tmp_path / "catalogue.db"
    write_store(read_items(a_file(tmp_path, *lines)), path, name="test", sample=True)
    return path


def test_an_item_is_found_as_it_stands_on_a_day(tmp_path):
    """A limit that changes in July does not reach back into June."""
    catalogue = open_store(stored(tmp_path, ROW, LATER))

    june = catalogue.item("Y1", dt.date(2026, 6, 30))
    july = catalogue.item("Y1", dt.date(2026, 7, 1))
    assert (june.item_class, june.price_limits[Tier.TERTIARY]) == (
        ItemClass.B,
        Fraction(10),
    )
    assert (july.item_class, july.price_limits[Tier.TERTIARY]) == (
        ItemClass.A,
        Fraction(9),
    )
    assert june.upfront_ratio == Fraction(1, 10)
    assert catalogue.sample


def test_a_day_before_the_first_wording_has_no_item(tmp_path):
    """What was not in the catalogue then is not in it for then."""
    catalogue = open_store(stored(tmp_path, ROW))

    with pytest.raises(CatalogueItemUnknownError):
        catalogue.item("Y1", dt.date(2025, 12, 31))
    with pytest.raises(CatalogueItemUnknownError):
        catalogue.item("Y1", dt.date(2026, 7, 1))


@pytest.mark.parametrize("text", ["amxl", "阿莫西林", "阿莫", "Y1", "ybamxl", "西林胶"])
def test_an_item_is_found_by_initials_name_and_code(tmp_path, text):
    """A cashier types what is quickest; the name may be found in its middle."""
    catalogue = open_store(stored(tmp_path, ROW))

    if text == "amxl":
        assert "amxl" in catalogue.item("Y1").pinyin
    assert [item.code for item in catalogue.search(text)] == ["Y1"]


@pytest.mark.parametrize("text", ["", "青霉素", '"', "%", "zzz"])
def test_what_is_not_there_is_not_found(tmp_path, text):
    """No sign of the index's own language does anything."""
    assert open_store(stored(tmp_path, ROW)).search(text) == ()


def test_the_sample_comes_back_from_the_store_as_it_was(tmp_path):
    """Every item, with limits, ratio, group and restriction."""
    sample = load_catalogue(SAMPLE)
    path = tmp_path / "sample.db"
    write_store(read_items(SAMPLE), path, name="sample", sample=True)

    catalogue = load_catalogue(path)
    assert len(catalogue.items) == len(sample.items) >= 300
    for code, item in sample.items.items():
        assert replace(catalogue.item(code), pinyin="") == item


def test_a_workbook_and_a_zipped_table_read_the_same(tmp_path):
    """Offices send what they have."""
    rows = [line.split(",") for line in (HEADER, ROW, LATER)]
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "items.xlsx")
    text = "\n".join("\t".join(row) for row in rows)
    with zipfile.ZipFile(tmp_path / "items.zip", "w") as archive:
        archive.writestr("1312.txt", text)

    expected = read_items(a_file(tmp_path, ROW, LATER))
    assert read_items(tmp_path / "items.xlsx") == expected
    assert read_items(tmp_path / "items.zip") == expected


def test_a_table_in_the_platforms_own_names_is_read(tmp_path):
    """1312 names the item; 1318 and 1319 lay limit and ratio over it."""
    (tmp_path / "1312.csv").write_text(
        "hilist_code,hilist_name,chrgitm_lv,lmt_used_flag,begndate\n"
        "Y1,样本片,02,1,20260101\n",
        encoding="utf-8",
    )
    (tmp_path / "1318.csv").write_text(
        "hilist_code,hilist_lmtpric_type,hilist_pric_uplmt_amt\nY1,03,8.80\n",
        encoding="utf-8",
    )
    (tmp_path / "1319.csv").write_text(
        "hilist_code,selfpay_prop\nY1,0.15\n", encoding="utf-8"
    )

    items = read_items(tmp_path / "1312.csv")
    items = read_items(tmp_path / "1318.csv", items)
    (item,) = read_items(tmp_path / "1319.csv", items)

    assert (item.item_class, item.restricted) == (ItemClass.B, True)
    assert item.price_limits == {Tier.TERTIARY: Fraction("8.80")}
    assert item.upfront_ratio == Fraction("0.15")
    assert item.since == dt.date(2026, 1, 1)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ROW.replace("乙", "丁"), "column class"),
        (ROW.replace("0.1,", "1.1,"), "above 1"),
        (ROW.replace("12.50", "12,50"), "10 cells"),
        (ROW.replace("12.50", "twelve"), "column price"),
        (ROW.replace("12.50", "-1"), "negative"),
        (ROW.replace("2026-01-01", "2026-13-01"), "column since"),
        (ROW.replace("2026-06-30", "2025-06-30"), "is before"),
        (ROW.replace("Y1", "", 1), "column code"),
    ],
)
def test_a_wrong_cell_is_named_by_line_and_column(tmp_path, row, words):
    """The office corrects one cell and sends the file again."""
    with pytest.raises(CatalogueFileError, match="line 3") as refused:
        read_items(a_file(tmp_path, LATER.replace("Y1", "Y2"), row))
    assert words in str(refused.value)


def test_only_the_first_twenty_mistakes_are_listed(tmp_path):
    """A file of the wrong kind does not flood the screen."""
    wrong = [ROW.replace("乙", "丁").replace("Y1", f"Y{n}") for n in range(50)]

    with pytest.raises(CatalogueFileError) as refused:
        read_items(a_file(tmp_path, *wrong))
    assert len(refused.value.problems) == 20


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"code,colour\nY1,red\n", "colour"),
        ("a.zip", b"PK\x03\x04 broken", "no zip"),
        ("a.xlsx", b"not a workbook", "no workbook"),
        ("a.csv", b"\xff\xff\xff\n", "neither UTF-8"),
        (
            "1318.csv",
            b"hilist_code,hilist_pric_uplmt_amt\nY9,1.00\n",
            "not in the store",
        ),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(tmp_path, name, data, words):
    """By its name, with what is wrong."""
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(CatalogueFileError, match=words):
        read_items(path)


def test_a_failed_import_leaves_the_old_catalogue(tmp_path):
    """Two wordings of one code on one day: nothing is taken over."""
    path = stored(tmp_path, ROW)
    before = path.read_bytes()
    twice = read_items(a_file(tmp_path, ROW, ROW.replace("2026-01-01", "2026-02-01")))

    with pytest.raises(CatalogueFileError, match="two wordings on 2026-02-01"):
        write_store(twice, path, name="test", sample=True)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir() if item.suffix == ".new"] == []


def test_what_is_no_store_is_refused(tmp_path):
    """A truncated or foreign file is named, not taken for an empty catalogue."""
    path = tmp_path / "x.db"
    path.write_bytes(b"no database at all, but long enough to look at" * 30)

    with pytest.raises(CatalogueFileError, match="no catalogue store"):
        open_store(path)


def item(restriction: Restriction) -> CatalogueItem:
    """Return a plain item restricted so."""
    return CatalogueItem(
        "Y1",
        "样本",
        "",
        "",
        ItemClass.A,
        Fraction(1),
        None,
        {},
        False,  # noqa: FBT003 - not restricted as a whole
        restriction=restriction,
    )


@pytest.mark.parametrize(
    ("restriction", "known", "approved", "met"),
    [
        (Restriction(sex="male"), Known(sex="female"), True, False),
        (Restriction(sex="male"), Known(), True, True),
        (Restriction(age_from=60), Known(age_years=59), True, False),
        (Restriction(age_from=60), Known(age_years=60), True, True),
        (Restriction(age_to=14), Known(age_years=15), False, False),
        (Restriction(most_days=5), Known(days=6), True, False),
        (Restriction(tiers=frozenset({Tier.TERTIARY})), Known(), True, False),
        (Restriction(needs_indication=True), Known(), False, False),
        (Restriction(needs_indication=True), Known(), True, True),
    ],
)
def test_a_restriction_that_is_broken_makes_the_line_the_persons_own(
    tmp_path, restriction, known, approved, met
):
    """Level, sex, age, days and indication; an approval does not mend a wrong sex."""
    path = tmp_path / "r.db"
    write_store([item(restriction)], path, name="test", sample=True)

    line = open_store(path).fee_line(
        1,
        "Y1",
        Fraction(1),
        Fraction(1),
        Money.yuan("1"),
        Tier.PRIMARY,
        approved,
        known,
    )

    assert line.restriction_unmet is not met


def test_the_command_imports_shows_and_finds(tmp_path, monkeypatch):
    """As an operator does it."""
    store = tmp_path / "c.db"
    file = a_file(tmp_path, ROW, LATER)
    run = CliRunner().invoke(
        main, ["catalogue", "import", str(file), "--store", str(store)]
    )
    assert run.exit_code == 0, run.output
    assert "2 items" in run.output
    monkeypatch.setenv("TERMINAL_CATALOGUE_FILE", str(store))

    found = CliRunner().invoke(main, ["catalogue", "search", "amxl"])
    shown = CliRunner().invoke(main, ["catalogue", "show", "Y1", "--on", "2026-06-30"])
    missing = CliRunner().invoke(main, ["catalogue", "show", "Y9"])

    assert "样本阿莫西林胶囊" in found.output
    assert "upfront_ratio: 0.1" in shown.output
    assert missing.exit_code == 2
    assert "catalogue-item-unknown" in missing.output
