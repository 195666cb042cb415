"""Reported cards (黑名单): a CSV file in, ``reader.listed`` out.

One record a line: ``卡识别码,卡号`` for one card, or ``卡号-卡号`` for all from the
first to the last. Blank lines and what follows ``#`` are skipped. A line that is
neither is refused by its number; what it holds is never repeated.
"""

from __future__ import annotations

import re
from pathlib import Path

from config.errors import ListedCardsError
from reader.listed import ListedCards

_NUMBER = r"([0-9A-Z]{8})[0-9X]"
_CARD = re.compile(rf"([0-9A-F]{{32}})\s*,\s*({_NUMBER})", re.ASCII)
_RANGE = re.compile(rf"{_NUMBER}\s*-\s*{_NUMBER}", re.ASCII)


def load_listed_cards(path: Path) -> ListedCards:
    """Load the list.

    Raises:
        ListedCardsError: names the file and the first line that is no record.
    """
    try:
        # Spreadsheets put a byte order mark before the first line.
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = f"cannot be read ({type(error).__name__})"
        raise ListedCardsError(path.name, 0, problem) from None
    pairs: set[tuple[str, str]] = set()
    ranges: list[tuple[str, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        record = line.partition("#")[0].strip().upper()
        if not record:
            continue
        if found := _CARD.fullmatch(record):
            pairs.add((found[1], found[2]))
        elif found := _RANGE.fullmatch(record):
            if found[2] < found[1]:
                problem = "the range ends before it begins"
                raise ListedCardsError(path.name, number, problem)
            ranges.append((found[1], found[2]))
        else:
            problem = "is neither 卡识别码,卡号 nor 卡号-卡号"
            raise ListedCardsError(path.name, number, problem)
    return ListedCards(frozenset(pairs), tuple(ranges))
