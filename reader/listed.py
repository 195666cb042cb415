"""Which cards a terminal takes: reported cards, issuers, classes.

A reported card stands on the list by its 识别码 and 卡号, or inside a range of 卡号.
Source: part 7 §5, part 8 §7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reader.errors import CardListedError, CardNotSupportedError


@dataclass(frozen=True, slots=True)
class ListedCards:
    """黑名单, in both of its record formats. Its repr tells nothing personal."""

    pairs: frozenset[tuple[str, str]] = frozenset()  #: (卡识别码, 卡号)
    ranges: tuple[tuple[str, str], ...] = ()  #: 卡号区段, both ends included

    def __repr__(self) -> str:
        return f"ListedCards({len(self.pairs)} cards, {len(self.ranges)} ranges)"

    def holds(self, card_serial: str, card_no: str) -> bool:
        """Say whether the card is reported; the check character is not compared."""
        if (card_serial, card_no) in self.pairs:
            return True
        body = card_no[:-1]
        return any(first <= body <= last for first, last in self.ranges)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What a site takes of the cards that are genuine and in date."""

    listed: ListedCards = ListedCards()
    issuers: tuple[str, ...] = ()  #: prefixes of 初始化机构编号; empty: every one
    classes: frozenset[str] = frozenset()  #: 卡的类别; empty: every one

    def check(self, issuer: Mapping[str, str]) -> None:
        """Look at the issuer's file of a card.

        Raises:
            CardListedError: the card is reported.
            CardNotSupportedError: its issuer or its class is not taken here.
        """
        if self.listed.holds(issuer["card_serial"], issuer["card_no"]):
            raise CardListedError
        if self.issuers and not issuer["issuer"].startswith(self.issuers):
            detail = "its issuer is not taken here"
            raise CardNotSupportedError(detail)
        if self.classes and issuer["card_class"] not in self.classes:
            detail = "its class is not taken here"
            raise CardNotSupportedError(detail)
