"""How personal fields look where seeing them whole is not the purpose."""

from __future__ import annotations


def mask_name(name: str) -> str:
    """Show the family name's first character.

    >>> mask_name("测试甲")
    '测**'
    """
    return name[:1] + "*" * (len(name) - 1)


def mask_number(number: str, *, head: int = 4, tail: int = 4) -> str:
    """Show the ends of an ID number; a number too short for that shows nothing.

    >>> mask_number("990100198001010018")
    '9901**********0018'
    """
    hidden = len(number) - head - tail
    if hidden < 1:
        return "*" * len(number)
    return number[:head] + "*" * hidden + number[-tail:]


def mask_card_no(card_no: str) -> str:
    """Show the ends of a card number.

    >>> mask_card_no("A12345674")
    'A1*****74'
    """
    return mask_number(card_no, head=2, tail=2)
