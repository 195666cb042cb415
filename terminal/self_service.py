"""What a holder sees of his card, row by row: pure, from what was read.

Values are printed by their coding: dates as days, codes by their official words,
amounts in yuan. A number that says who somebody is comes masked, with its whole text
beside it for the page's own switch. Nothing here reads, keeps or logs.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from reader.files import Values
from reader.profile import CardFile, Coding, Element, Sensitivity
from settlement.claim import Accumulators
from settlement.money import Money
from terminal.card_files import (
    PHOTO_FILE,
    FileRead,
    FileState,
    HolderRecord,
    Standing,
)
from terminal.masking import mask_card_no, mask_number
from terminal.self_words import (
    ACCUMULATORS,
    ASSISTANCES,
    CATEGORIES,
    CODES,
    ELEMENTS_EN,
    FILES,
    INSURANCE_KINDS,
    INSURANCE_MARKS,
    INSURANCES,
    TABLE,
)
from terminal.views import ProblemView
from terminal.words import Language, Word, Words

#: The chapters of the page and the files in each.
CHAPTERS: Mapping[str, tuple[str, ...]] = {
    "basic": ("SSSEEF06", "SSSEEF05"),
    "medical": ("DF04EF05", "DF04EF08", "DF04EF15"),
    "pension": ("DF03EF07",),
    "unemployment": ("DF03EF05",),
    "maternity": ("DF03EF16",),
    "injury": ("DF03EF15", "DF03EF17", "DF03EF06"),
}
#: A longer log would bury what follows it.
ROWS_SHOWN = 30

_UNNAMED = "数据项 "
_NAMES = frozenset({"name", "name_more"})
_FEN = "_fen"
_JPEG = b"\xff\xd8\xff"
_MARKED = 8


@dataclass(frozen=True, slots=True, repr=False)
class Row:
    """One element with its label and value."""

    label: str
    value: str  #: as shown first; empty: not filled in
    whole: str = ""  #: of a masked value: all of it
    chinese: bool = False  #: label or value has no English

    @property
    def masked(self) -> bool:
        """Whether there is more than is shown first."""
        return bool(self.whole)


@dataclass(frozen=True, slots=True, repr=False)
class Log:
    """The records of a log, the newest first."""

    labels: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[bool, ...]  #: which columns are amounts


@dataclass(frozen=True, slots=True, repr=False)
class Section:
    """One file of the card: its rows, its log, or why there are none."""

    name: str
    title: str
    state: FileState
    rows: tuple[Row, ...] = ()
    log: Log | None = None
    unnamed: bool = False  #: some elements have a number and no name

    @property
    def blank(self) -> bool:
        """Whether the file reads and says nothing."""
        has_rows = any(row.value for row in self.rows)
        return self.state is FileState.READ and not has_rows and self.log is None


@dataclass(frozen=True, slots=True, repr=False)
class Chapter:
    """The files about one thing."""

    key: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Photo:
    """The holder's photo as the page carries it: within itself, never by address."""

    state: FileState
    data: str = ""  #: a data address; empty: there is none


@dataclass(frozen=True, slots=True, repr=False)
class CoverageView:
    """One insurance of the holder as the centre tells it."""

    insurance: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, repr=False)
class YearView:
    """What one insurance has paid this year."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, repr=False)
class CentreView:
    """What the centre knows today."""

    coverages: tuple[CoverageView, ...]
    assistance: str
    years: tuple[YearView, ...]
    problem: ProblemView | None
    known: bool


@dataclass(frozen=True, slots=True, repr=False)
class RecordView:
    """Everything the page shows of one holder."""

    name: str
    photo: Photo
    chapters: tuple[Chapter, ...]
    centre: CentreView

    @property
    def unnamed(self) -> bool:
        """Whether some element has a number and no name."""
        return any(s.unnamed for chapter in self.chapters for s in chapter.sections)


def record_view(record: HolderRecord, language: Language) -> RecordView:
    """Lay out what was read of a card and asked of the centre."""
    words = Words(language, TABLE)
    sections = {
        name: _section(name, read, words)
        for name, read in record.files.items()
        if name != PHOTO_FILE
    }
    return RecordView(
        name=_name(record.files.get("SSSEEF06")),
        photo=_photo(record.files.get(PHOTO_FILE)),
        chapters=tuple(
            Chapter(key, tuple(sections[name] for name in names if name in sections))
            for key, names in CHAPTERS.items()
        ),
        centre=_centre(record.standing, words),
    )


def _section(name: str, read: FileRead, words: Words) -> Section:
    title = _title(name, read.file, words)
    file, content = read.file, read.content
    if file is None or content is None or isinstance(content, bytes):
        return Section(name, title, read.state)
    unnamed = any(element.label.startswith(_UNNAMED) for element in file.elements)
    if isinstance(content, tuple):
        return Section(name, title, read.state, log=_log(file, content, words))
    rows = tuple(_rows(file, content, words))
    return Section(name, title, read.state, rows, unnamed=unnamed)


def _title(name: str, file: CardFile | None, words: Words) -> str:
    if file is not None and words.language == "zh":
        return file.label
    return _in(words, FILES[name])


def _rows(file: CardFile, values: Values, words: Words) -> Iterator[Row]:
    for element in file.elements:
        if element.inner:
            yield from _group(file, element, values, words)
        elif element.name == "name_more":
            continue  # printed with the name that it continues
        else:
            meant = element
            if element.name not in values and element.newer is not None:
                meant = element.newer
            yield from _element(file, meant, _text(meant, values), words)


def _text(element: Element, values: Values) -> str:
    text = values.get(element.name, "")
    return text + values.get("name_more", "") if element.name == "name" else text


def _group(
    file: CardFile, group: Element, values: Values, words: Words
) -> Iterator[Row]:
    """Print each coming of a group that says something; none at all is one blank."""
    blank = True
    for number in range(1, group.times + 1):
        for inner in group.inner:
            text = values.get(f"{group.name}.{number}.{inner.name}")
            if text is None:
                continue
            blank = False
            head = f"{_label(group, words)} {number} · {_label(inner, words)}"
            value = _value(file, inner, text, words)
            yield Row(head, value, chinese=_is_chinese(value, words))
    if blank:
        yield Row(_label(group, words), "")


def _element(
    file: CardFile, element: Element, text: str, words: Words
) -> Iterator[Row]:
    label = _label(element, words)
    if element.name == "insurance_kind" and len(text) == _MARKED:
        yield Row(label, _named(text[:3], INSURANCE_KINDS.get(text[:3]), words))
        for mark, said in zip(INSURANCE_MARKS, text[3:], strict=True):
            answers = {"0": TABLE["no"], "1": TABLE["yes"]}
            yield Row(_in(words, mark), _named(said, answers.get(said), words))
        return
    value = _value(file, element, text, words)
    masked = _masked(element, value)
    chinese = _is_chinese(label + value, words)
    if masked == value:
        yield Row(label, value, chinese=chinese)
    else:
        yield Row(label, masked, value, chinese=chinese)


def _masked(element: Element, value: str) -> str:
    """Mask a number that says who somebody is; a name is the holder's own to see."""
    identity = element.sensitivity is Sensitivity.IDENTITY
    if not identity or element.name in _NAMES:
        return value
    return mask_card_no(value) if element.name == "card_no" else mask_number(value)


def _label(element: Element, words: Words) -> str:
    if element.label.startswith(_UNNAMED):
        return words.fill("data_item", tag=element.label.removeprefix(_UNNAMED))
    if words.language == "zh":
        return element.label
    return ELEMENTS_EN.get(element.name, element.label)


def _value(file: CardFile, element: Element, text: str, words: Words) -> str:
    """Print a value by its coding; a code nobody published stays as it is."""
    codes = CODES.get((file.name, element.name))
    if codes is not None:
        return _named(text, codes.get(text), words)
    if not text:
        return ""
    if element.coding is Coding.DATE:
        return _day(dt.date.fromisoformat(text), words)
    if element.coding is Coding.TIME:
        at = dt.datetime.fromisoformat(text)
        return f"{_day(at.date(), words)} {at:%H:%M:%S}"
    if element.name.endswith(_FEN):
        return Money(int(text)).to_yuan()
    return text


def _named(code: str, word: Word | None, words: Words) -> str:
    return code if word is None else _in(words, word)


def _day(day: dt.date, words: Words) -> str:
    if words.language == "zh":
        return f"{day.year} 年 {day.month} 月 {day.day} 日"
    return day.isoformat()


def _log(file: CardFile, rows: tuple[Values, ...], words: Words) -> Log | None:
    if not rows:
        return None
    return Log(
        labels=tuple(
            _label(e, words).replace("（分）", "（元）") for e in file.elements
        ),
        rows=tuple(
            tuple(_value(file, e, row.get(e.name, ""), words) for e in file.elements)
            for row in rows[:ROWS_SHOWN]
        ),
        numbers=tuple(e.name.endswith(_FEN) for e in file.elements),
    )


def _name(read: FileRead | None) -> str:
    if read is None or not isinstance(read.content, dict):
        return ""
    return read.content.get("name", "") + read.content.get("name_more", "")


def _photo(read: FileRead | None) -> Photo:
    if read is None:
        return Photo(FileState.ABSENT)
    content = read.content
    if not isinstance(content, bytes) or not content:
        return Photo(read.state)
    kind = "jpeg" if content.startswith(_JPEG) else "bmp"
    data = base64.b64encode(content).decode()
    return Photo(read.state, f"data:image/{kind};base64,{data}")


# -- the centre -------------------------------------------------------------------


def _centre(standing: Standing, words: Words) -> CentreView:
    person = standing.person
    if person is None:
        return CentreView((), "", (), standing.problem, known=False)
    return CentreView(
        coverages=tuple(
            CoverageView(
                _in(words, INSURANCES[coverage.insurance]),
                (
                    Row(words["insured_at"], coverage.region),
                    Row(
                        words["coverage_state"],
                        words[
                            "coverage_active"
                            if coverage.active
                            else "coverage_suspended"
                        ],
                    ),
                    Row(
                        words["person_category"],
                        _in(words, CATEGORIES[coverage.category]),
                    ),
                    Row(
                        words["civil_servant"],
                        words["yes" if coverage.civil_servant else "no"],
                    ),
                    Row(words["account_balance"], coverage.account_balance.to_yuan()),
                ),
            )
            for coverage in person.coverages
        ),
        assistance=_assistance(standing, words),
        years=tuple(
            YearView(
                words.fill(
                    "year_title",
                    year=told.year,
                    insurance=_in(words, INSURANCES[coverage.insurance]),
                ),
                tuple(_accumulated(told, words)),
            )
            for coverage, told in standing.years
        ),
        problem=standing.problem,
        known=True,
    )


def _assistance(standing: Standing, words: Words) -> str:
    person = standing.person
    kinds = sorted(person.assistance) if person else []
    if not kinds:
        return words["no_assistance"]
    join = "、" if words.language == "zh" else ", "
    return join.join(_in(words, ASSISTANCES[kind]) for kind in kinds)


def _accumulated(told: Accumulators, words: Words) -> Iterator[Row]:
    for field in fields(told):
        value = getattr(told, field.name)
        word = ACCUMULATORS.get(field.name)
        if word is not None:
            text = value.to_yuan() if isinstance(value, Money) else str(value)
            yield Row(_in(words, word), text)


def _in(words: Words, word: Word) -> str:
    return word.zh if words.language == "zh" else word.en


def _is_chinese(text: str, words: Words) -> bool:
    """Say whether an English page has to mark a text as Chinese."""
    return words.language == "en" and not text.isascii()
