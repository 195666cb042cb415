"""Catalogue files of every kind, read into rows; a wrong cell is named, not guessed.

A table has one row an item and wording, with a header. Headers are the English keys,
the official Chinese labels or, for files of the national platform, its own field names
(1312, 1318 and 1319; the public texts name these fields and not the order of the
columns of 1301-1306, so those files need their header line). The tables of limits
(1318) and of ratios (1319) lie over a catalogue: they state a value for its codes.

Numbers are read from their digits: none passes through a binary fraction.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from config.catalogue import load_catalogue
from config.errors import CatalogueFileError
from settlement.catalogue import CatalogueItem, Restriction
from settlement.claim import ItemClass, Tier
from settlement.money import exact

W = TypeVar("W")

#: Every column: our key, the official label, the platform's field.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "code": ("医保目录编码", "hilist_code"),
    "name": ("医保目录名称", "hilist_name"),
    "kind": ("目录类别", "list_type"),
    "unit": ("计价单位", "prcunt"),
    "class": ("收费项目等级", "chrgitm_lv"),
    "price": ("单价", "pric"),
    "upfront_ratio": ("先行自付比例", "selfpay_prop"),
    "restricted": ("限制使用标志", "lmt_used_flag"),
    "pinyin": ("拼音助记码", "pinyin"),
    "group": ("分组", "group"),
    "since": ("开始日期", "begndate"),
    "until": ("结束日期", "enddate"),
    "limit_township": ("限价_乡镇", "limit_township"),
    "limit_primary": ("限价_一级", "limit_primary"),
    "limit_secondary": ("限价_二级", "limit_secondary"),
    "limit_tertiary": ("限价_三级", "limit_tertiary"),
    "limit": ("限价", "hilist_pric_uplmt_amt"),
    "limit_tier": ("限价医院等级", "hilist_lmtpric_type"),
    "only_tiers": ("限定医院等级", "only_tiers"),
    "only_sex": ("限定性别", "only_sex"),
    "age_from": ("限定年龄起", "age_from"),
    "age_to": ("限定年龄止", "age_to"),
    "most_days": ("限定天数", "most_days"),
    "indication": ("限适应症", "indication"),
}
_KEY_OF = {header: key for key, names in COLUMNS.items() for header in (key, *names)}
#: chrgitm_lv: 01 甲类, 02 乙类, 03 自费.
_CLASSES = {
    **{word.value: word for word in ItemClass},
    "甲": ItemClass.A,
    "乙": ItemClass.B,
    "丙": ItemClass.C,
    "01": ItemClass.A,
    "02": ItemClass.B,
    "03": ItemClass.C,
}
#: hilist_lmtpric_type: two dictionaries in the same document, 1/2/3 and 01/02/03.
_TIERS = {
    **{word.value: word for word in Tier},
    "3": Tier.TERTIARY,
    "03": Tier.TERTIARY,
    "2": Tier.SECONDARY,
    "02": Tier.SECONDARY,
    "1": Tier.PRIMARY,
    "01": Tier.PRIMARY,
}
_YES = {"1": True, "true": True, "是": True, "0": False, "false": False, "否": False}
_SEXES = {"male": "male", "男": "male", "1": "male", "female": "female", "女": "female"}
_MOST_PROBLEMS = 20
_LONG = 8


@dataclass(frozen=True, slots=True)
class Overlay:
    """A limit or a ratio for a code, from a file that lies over a catalogue."""

    code: str
    tier: Tier | None  #: the limit's; None: a ratio
    value: Fraction


def read_items(path: Path, base: Iterable[CatalogueItem] = ()) -> list[CatalogueItem]:
    """Read a catalogue of any known kind.

    Args:
        path: ``.toml``, ``.csv``, ``.txt`` (tab-separated), ``.xlsx``, or a ``.zip``
            with one of those.
        base: the items a file of limits or ratios lies over.

    Raises:
        CatalogueFileError: names file, line, column and problem of the first twenty.
        CatalogueError: a TOML catalogue is not one.
        OSError: the file cannot be read.
    """
    if path.suffix == ".toml":
        items = load_catalogue(path).items.values()
        return [_with_initials(item) for item in items]
    header, lines = _table(path)
    keys = [_KEY_OF.get(cell.strip()) for cell in header]
    strange = [cell for cell, key in zip(header, keys, strict=True) if key is None]
    if strange:
        known = ", ".join(COLUMNS)
        raise CatalogueFileError(
            path.name, (f"line 1: column {strange[0]!r} is not one of {known}",)
        )
    reader = _Rows(path.name, [key for key in keys if key is not None])
    if "class" in reader.keys:
        items_read = reader.items(lines)
        reader.refuse()
        return [_with_initials(item) for item in items_read]
    overlays = reader.overlays(lines)
    reader.refuse()
    return _laid_over(path.name, list(base), overlays)


class _Rows:
    """Reads the rows of one table and collects what is wrong with them."""

    def __init__(self, file: str, keys: Sequence[str]) -> None:
        self.file = file
        self.keys = keys
        self.problems: list[str] = []

    def refuse(self) -> None:
        """Refuse the file if anything in it is wrong."""
        if self.problems:
            raise CatalogueFileError(self.file, tuple(self.problems[:_MOST_PROBLEMS]))

    def items(self, lines: Iterable[Sequence[str]]) -> list[CatalogueItem]:
        """Read items, each with its wording."""
        out = []
        for number, cells in enumerate(lines, start=2):
            row = self._row(number, cells)
            if row is not None:
                out.append(row.item())
                self.problems += row.problems
        return out

    def overlays(self, lines: Iterable[Sequence[str]]) -> list[Overlay]:
        """Read limits or ratios for codes."""
        out = []
        for number, cells in enumerate(lines, start=2):
            row = self._row(number, cells)
            if row is None:
                continue
            code = row.text("code")
            if "limit" in self.keys:
                tier = row.word("limit_tier", _TIERS)
                out.append(Overlay(code, tier, row.number("limit") or Fraction(0)))
            else:
                ratio = row.ratio("upfront_ratio")
                out.append(Overlay(code, None, ratio or Fraction(0)))
            self.problems += row.problems
        return out

    def _row(self, number: int, cells: Sequence[str]) -> _Row | None:
        if not any(cell.strip() for cell in cells):
            return None
        if len(cells) != len(self.keys):
            self.problems.append(
                f"line {number}: {len(cells)} cells, the header has {len(self.keys)}"
            )
            return None
        texts = (cell.strip() for cell in cells)
        return _Row(number, dict(zip(self.keys, texts, strict=True)), [])


@dataclass(frozen=True, slots=True)
class _Row:
    """One row; what a cell cannot mean is noted with line and column."""

    line: int
    cells: dict[str, str]
    problems: list[str]

    def item(self) -> CatalogueItem:
        limits = {
            tier: limit
            for tier in Tier
            if (limit := self.number(f"limit_{tier.value}")) is not None
        }
        since, until = self.day("since"), self.day("until")
        if since is not None and until is not None and until < since:
            self._note("until", f"{until} is before {since}")
        return CatalogueItem(
            code=self.text("code"),
            name=self.text("name"),
            kind=self.cells.get("kind", ""),
            unit=self.cells.get("unit", ""),
            item_class=self.word("class", _CLASSES) or ItemClass.C,
            price=self.number("price") or Fraction(0),
            upfront_ratio=self.ratio("upfront_ratio"),
            price_limits=limits,
            restricted=self.word("restricted", _YES) or False,
            group=self.cells.get("group", ""),
            pinyin=self.cells.get("pinyin", "").casefold(),
            restriction=self._restriction(),
            since=since,
            until=until,
        )

    def _restriction(self) -> Restriction | None:
        tiers = self.cells.get("only_tiers", "")
        named = [word for word in tiers.replace("、", ",").split(",") if word.strip()]
        found = [_TIERS.get(word.strip()) for word in named]
        if None in found:
            self._note("only_tiers", f"{tiers!r} is not a list of hospital levels")
        restriction = Restriction(
            tiers=frozenset(tier for tier in found if tier is not None),
            sex=self.word("only_sex", _SEXES) or "",
            age_from=self.whole("age_from"),
            age_to=self.whole("age_to"),
            most_days=self.whole("most_days"),
            needs_indication=self.word("indication", _YES) or False,
        )
        return None if restriction == Restriction() else restriction

    def text(self, key: str) -> str:
        value = self.cells.get(key, "")
        if not value:
            self._note(key, "is empty")
        return value

    def number(self, key: str) -> Fraction | None:
        value = self.cells.get(key, "")
        if not value:
            return None
        try:
            number = exact(value)
        except ValueError:
            self._note(key, f"{value!r} is not a plain decimal number")
            return None
        if number < 0:
            self._note(key, f"{value} is negative")
        return number

    def ratio(self, key: str) -> Fraction | None:
        ratio = self.number(key)
        if ratio is not None and ratio > 1:
            self._note(key, f"{self.cells[key]} is above 1: write 10 % as 0.1")
        return ratio

    def whole(self, key: str) -> int | None:
        value = self.cells.get(key, "")
        if value and not value.isdecimal():
            self._note(key, f"{value!r} is not a whole number")
            return None
        return int(value) if value else None

    def day(self, key: str) -> dt.date | None:
        value = self.cells.get(key, "")
        if not value:
            return None
        text = value[:10] if "-" in value else value
        try:
            if len(text) == _LONG and text.isdecimal():
                return dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))
            return dt.date.fromisoformat(text)
        except ValueError:
            self._note(key, f"{value!r} is not a day such as 2026-01-31")
            return None

    def word(self, key: str, words: Mapping[str, W]) -> W | None:
        value = self.cells.get(key, "")
        if not value:
            return None
        found = words.get(value)
        if found is None:
            self._note(key, f"{value!r} is not one of {', '.join(words)}")
        return found

    def _note(self, key: str, problem: str) -> None:
        self.problems.append(f"line {self.line}: column {key}: {problem}")


def _laid_over(
    file: str, base: list[CatalogueItem], overlays: Sequence[Overlay]
) -> list[CatalogueItem]:
    known = {item.code for item in base}
    unknown = [o.code for o in overlays if o.code not in known]
    if unknown:
        problem = f"code {unknown[0]} is not in the store; import its catalogue first"
        raise CatalogueFileError(file, (problem,))
    by_code: dict[str, list[Overlay]] = {}
    for overlay in overlays:
        by_code.setdefault(overlay.code, []).append(overlay)
    out = []
    for item in base:
        limits, ratio = dict(item.price_limits), item.upfront_ratio
        for overlay in by_code.get(item.code, ()):
            if overlay.tier is None:
                ratio = overlay.value
            else:
                limits[overlay.tier] = overlay.value
        out.append(replace(item, price_limits=limits, upfront_ratio=ratio))
    return out


def _with_initials(item: CatalogueItem) -> CatalogueItem:
    if item.pinyin:
        return item
    # A dictionary of 40 000 signs: loaded where a catalogue is imported only.
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415

    initials = lazy_pinyin(item.name, style=Style.FIRST_LETTER, errors="ignore")
    return replace(item, pinyin="".join(initials).casefold())


# --- the file's own kind ----------------------------------------------------------


def _table(path: Path) -> tuple[list[str], Iterator[list[str]]]:
    if path.suffix == ".xlsx":
        rows = _sheet(path)
    elif path.suffix == ".zip":
        rows = _zipped(path)
    else:
        rows = _delimited(_decoded(path.name, path.read_bytes()), path.suffix)
    header = next(rows, None)
    if header is None:
        raise CatalogueFileError(path.name, ("it is empty",))
    return header, rows


def _zipped(path: Path) -> Iterator[list[str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.endswith((".txt", ".csv"))]
            if len(names) != 1:
                problem = f"holds {len(names)} tables (.txt, .csv), expected one"
                raise CatalogueFileError(path.name, (problem,))
            data = archive.read(names[0])
    except zipfile.BadZipFile as error:
        raise CatalogueFileError(path.name, (f"is no zip file: {error}",)) from error
    return _delimited(_decoded(path.name, data), Path(names[0]).suffix)


def _decoded(file: str, data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CatalogueFileError(file, ("is neither UTF-8 nor GB 18030",))


def _delimited(text: str, suffix: str) -> Iterator[list[str]]:
    mark = "\t" if suffix == ".txt" else ","
    return csv.reader(io.StringIO(text), delimiter=mark)


def _sheet(path: Path) -> Iterator[list[str]]:
    # A library for one kind of file: loaded where such a file is read only.
    from openpyxl import load_workbook  # noqa: PLC0415
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError) as error:
        raise CatalogueFileError(path.name, (f"is no workbook: {error}",)) from error
    for row in book.worksheets[0].iter_rows(values_only=True):
        yield [_cell(value) for value in row]


def _cell(value: object) -> str:
    """Write a cell as it is shown: a workbook keeps numbers in binary only."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()[:10]
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int | str):
        return str(value)
    # The shortest digits that give the same cell are what somebody typed.
    return f"{Decimal(repr(value)):f}"
