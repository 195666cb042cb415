"""The citizen's number (公民身份号码) of 18 characters: its check, day and sex. Pure.

Source: GB 11643-1999: region 6, day of birth 8, order 3 (odd: male), check by
ISO 7064 mod 11-2.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from reader.credential import Sex

_FORM = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
_CHECKS = "10X98765432"


@dataclass(frozen=True, slots=True, repr=False)
class PersonNumber:
    """A number whose check holds, and what stands in it."""

    number: str
    birth_date: dt.date
    sex: Sex


def read_person_number(text: str) -> PersonNumber:
    """Read a number.

    >>> read_person_number("990100198001010018").sex.value
    'male'

    Raises:
        ValueError: it has not 18 characters, its check is wrong, or no such day.
    """
    if _FORM.fullmatch(text) is None:
        msg = "not 17 digits and a check character"
        raise ValueError(msg)
    if text[-1] != check_character(text[:-1]):
        msg = "the check character is wrong"
        raise ValueError(msg)
    born = dt.date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    return PersonNumber(text, born, Sex.MALE if int(text[16]) % 2 else Sex.FEMALE)


def check_character(first_17: str) -> str:
    """Return the check character of the first 17 digits.

    >>> check_character("99010019800101001")
    '8'
    """
    total = sum(
        int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(first_17)
    )
    return _CHECKS[total % 11]
