"""Read rows out of a SQLite file that SQLite itself may not open any more.

Every page that still looks like the leaf of a table is taken apart, in the file and in
the log beside it, whatever the pages above it say. Nothing here is believed: what a row
is worth, its digest tells to whoever takes it. Layout: sqlite.org, "Database File
Format", sections 1.6, 2.1 and 4.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

Value = str | bytes | int | None
#: Takes a row by its number and columns; True: it is one, and no other reading of the
#: same cell is wanted.
Take = Callable[[int, list[Value]], bool]

_PAGE = 4096  #: what SQLite gives a new file
_SMALLEST, _LARGEST = 512, 65536
_FILE_HEADER, _LOG_HEADER, _FRAME_HEADER = 100, 32, 24
_LEAF_OF_TABLE = 0x0D
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_NULL, _FLOAT, _ZERO, _ONE, _FIRST_BLOB = 0, 7, 8, 9, 12
#: No row of a journal is larger; a larger one is a spoilt length.
_LARGEST_ROW = 64 * 1024 * 1024


class _SpoiltError(ValueError):
    """These bytes are no row."""


def carve(path: Path, take: Take) -> None:
    """Give every row that the pages of *path* and of its log still hold to *take*.

    The same row comes once for every version of its page, the file's first.

    Args:
        path: the SQLite file; it may be missing, cut, or spoilt anywhere.
        take: is given each row; what it does not take is read in another way, if
            there is one.

    Raises:
        OSError: a file is there and cannot be read.
    """
    with ExitStack() as stack:
        file = _mapped(path, stack)
        log = _mapped(path.with_name(path.name + "-wal"), stack)
        size = _page_size(file, log)
        pages = _Pages(file, log, size)
        for number, page in pages.every_version():
            for cell in _cells(page, size, first=number == 1):
                _read(cell, pages, take)


def _mapped(path: Path, stack: ExitStack) -> bytes | mmap.mmap:
    if not path.is_file() or not path.stat().st_size:
        return b""
    file = stack.enter_context(path.open("rb"))
    return stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _page_size(file: bytes | mmap.mmap, log: bytes | mmap.mmap) -> int:
    for found in (
        int.from_bytes(file[16:18], "big"),
        int.from_bytes(log[8:12], "big"),
    ):
        said = _LARGEST if found == 1 else found
        if _SMALLEST <= said <= _LARGEST and said & (said - 1) == 0:
            return said
    return _PAGE


class _Pages:
    """The pages of a file and every version of them that its log holds."""

    def __init__(
        self, file: bytes | mmap.mmap, log: bytes | mmap.mmap, size: int
    ) -> None:
        self._file, self._log, self._size = file, log, size
        self._frames: list[tuple[int, int]] = []  # page, and where it begins
        self._newest: dict[int, int] = {}
        for at in range(_LOG_HEADER, len(log), _FRAME_HEADER + size):
            number = int.from_bytes(log[at : at + 4], "big")
            self._frames.append((number, at + _FRAME_HEADER))
            self._newest[number] = at + _FRAME_HEADER

    def every_version(self) -> Iterator[tuple[int, bytes]]:
        """Return each page with its number: the file's, then the log's."""
        for at in range(0, len(self._file), self._size):
            yield at // self._size + 1, self._whole(self._file, at)
        for number, at in self._frames:
            yield number, self._whole(self._log, at)

    def newest(self, number: int) -> bytes:
        """Return a page as the log has it last, else the file's."""
        at = self._newest.get(number)
        return self.oldest(number) if at is None else self._whole(self._log, at)

    def oldest(self, number: int) -> bytes:
        """Return a page as it lies in the file."""
        return self._whole(self._file, (number - 1) * self._size)

    def _whole(self, content: bytes | mmap.mmap, at: int) -> bytes:
        # A file that was cut ends within a page.
        return bytes(content[at : at + self._size]).ljust(self._size, b"\0")


@dataclass(frozen=True, slots=True)
class _Cell:
    """A row as its leaf has it: the end may lie on other pages."""

    number: int
    length: int
    here: bytes
    goes_on: int  #: the page; 0: nowhere


def _cells(page: bytes, size: int, *, first: bool) -> Iterator[_Cell]:
    head = _FILE_HEADER if first else 0
    if page[head] != _LEAF_OF_TABLE:
        return
    count = int.from_bytes(page[head + 3 : head + 5], "big")
    begin = head + 8
    for place in range(begin, min(begin + 2 * count, size - 1), 2):
        try:
            yield _cell(page, int.from_bytes(page[place : place + 2], "big"), size)
        except (_SpoiltError, IndexError):
            continue


def _cell(page: bytes, at: int, usable: int) -> _Cell:
    length, at = _varint(page, at)
    number, at = _varint(page, at)
    if not 0 < length <= _LARGEST_ROW or number >> 62:
        raise _SpoiltError
    most = usable - 35
    if length <= most:
        return _Cell(number, length, page[at : at + length], 0)
    least = (usable - 12) * 32 // 255 - 23
    local = least + (length - least) % (usable - 4)
    if local > most:
        local = least
    end = at + local
    goes_on = int.from_bytes(page[end : end + 4], "big")
    return _Cell(number, length, page[at:end], goes_on)


def _read(cell: _Cell, pages: _Pages, take: Take) -> None:
    """Read a cell, with the end of it from the log or else from the file."""
    ways = (pages.newest, pages.oldest) if cell.goes_on else (pages.newest,)
    for way in ways:
        try:
            values = _values(_payload(cell, way))
        except (_SpoiltError, IndexError, UnicodeDecodeError):
            continue
        if take(cell.number, values):
            return


def _payload(cell: _Cell, page_of: Callable[[int], bytes]) -> bytes:
    found, missing, number = [cell.here], cell.length - len(cell.here), cell.goes_on
    while missing > 0:
        if number < 1:
            raise _SpoiltError
        page = page_of(number)
        piece = page[4 : 4 + missing]
        found.append(piece)
        missing -= len(piece)
        number = int.from_bytes(page[:4], "big")
    return b"".join(found)


def _values(record: bytes) -> list[Value]:
    """Take a record apart into its columns."""
    head, at = _varint(record, 0)
    types = []
    while at < head:
        kind, at = _varint(record, at)
        types.append(kind)
    if at != head:
        raise _SpoiltError
    values = []
    for kind in types:
        value, at = _value(record, at, kind)
        values.append(value)
    if at != len(record):
        raise _SpoiltError
    return values


def _value(record: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == _NULL:
        return None, at
    if kind in {_ZERO, _ONE}:
        return kind - _ZERO, at
    if kind in _INTEGERS:
        end = at + _INTEGERS[kind]
        return int.from_bytes(_piece(record, at, end), "big", signed=True), end
    if kind == _FLOAT or kind < _FIRST_BLOB:
        raise _SpoiltError  # a journal has no column of these
    end = at + (kind - _FIRST_BLOB) // 2
    piece = _piece(record, at, end)
    return (piece.decode() if kind % 2 else piece), end


def _piece(record: bytes, at: int, end: int) -> bytes:
    if end > len(record):
        raise _SpoiltError
    return record[at:end]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of one to nine bytes; return it and where the next begins."""
    value = 0
    for count in range(8):
        byte = data[at + count]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that more follows
            return value, at + count + 1
    return value << 8 | data[at + 8], at + 9
