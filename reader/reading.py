"""A card file's bytes off the card: at once, record by record, piece by piece."""

from __future__ import annotations

from reader import apdu
from reader.apdu import exchange
from reader.errors import CardDataError
from reader.files import repeated_tags, split_records
from reader.link import Link
from reader.profile import CardFile

#: Le has one byte, and 256 is not every card's; longer files come record by record.
_LONGEST_READ = 255
_BINARY_PIECE = 240
#: A log that never ends would keep the counter waiting.
_MOST_RECORDS = 254


def select(link: Link, file: CardFile) -> None:
    """SELECT a file of the current application.

    Raises:
        CardDataError: the card lacks it.
    """
    answer = exchange(link, apdu.select_file(file.fid))
    if answer.status == apdu.NOT_FOUND:
        raise CardDataError(file.name, "", "is not on this card")
    answer.expect_ok(f"SELECT {file.name}")


def read_records(link: Link, file: CardFile) -> dict[int, list[bytes]]:
    """Read a file at once, or record by record where the card knows no other way.

    Raises:
        CardDataError: the card lacks the file, or a record is cut short.
    """
    select(link, file)
    repeated = repeated_tags(file)
    if file.length <= _LONGEST_READ:
        answer = exchange(link, apdu.read_all(file.length))
        if answer.status not in apdu.NO_FAST_READ:
            raw = answer.expect_ok(f"READ {file.name}")
            return split_records(file.name, raw, repeated=repeated)
    raw = b"".join(
        _read_tag(link, file, element.tag, element.width + 2, element.times)
        for element in file.elements
    )
    return split_records(file.name, raw, repeated=repeated)


def read_rows(link: Link, file: CardFile) -> tuple[bytes, ...]:
    """Read the records of a cyclic file, the newest first; empty ones are left out.

    Raises:
        CardDataError: the card lacks the file.
    """
    select(link, file)
    rows: list[bytes] = []
    for number in range(1, _MOST_RECORDS + 1):
        answer = exchange(link, apdu.read_number(number, file.record_length))
        if answer.status == apdu.RECORD_NOT_FOUND:
            break
        raw = answer.expect_ok(f"READ {file.name}")
        if raw.strip(b"\x00") and raw.strip(b"\xff"):
            rows.append(raw)
    return tuple(rows)


def read_bytes(link: Link, file: CardFile) -> bytes:
    """Read a transparent file; the card's own may be shorter than the table says.

    Raises:
        CardDataError: the card lacks the file, or answers with nothing.
    """
    select(link, file)
    raw = b""
    while len(raw) < file.record_length:
        wanted = min(_BINARY_PIECE, file.record_length - len(raw))
        answer = exchange(link, apdu.read_binary(len(raw), wanted))
        if answer.status == apdu.END_OF_FILE and raw:
            break
        piece = answer.expect_ok(f"READ {file.name}")
        if not piece:
            raise CardDataError(file.name, "", "ends nowhere")
        raw += piece
    return raw[: file.record_length]


def _read_tag(link: Link, file: CardFile, tag: int, length: int, times: int) -> bytes:
    """Read the records with one tag, as many as there are and may be."""
    raw = b""
    for number in range(times):
        ask = apdu.read_next if number else apdu.read_tag
        answer = exchange(link, ask(tag, length))
        if answer.status == apdu.RECORD_NOT_FOUND:
            break
        raw += answer.expect_ok(f"READ {file.name}")
    return raw
