"""Electronic vouchers exchanged (ec.query): the terminal's side.

The exchange goes sealed, as questions to the key service do. A province's own service
speaks the same JSON under its own signature, which is not public.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import cast

from reader.errors import KeyServiceError, VoucherError
from reader.scanner import VoucherHolder

PATH = "/vouchers"
#: The service's code for "exchanged".
OK = 0
#: Of a voucher, and those that a demonstration's person has as his own.
DIGITS, OWN_DIGITS = 28, 17


class VoucherService:
    """Implements ``reader.scanner.VoucherExchange`` over an exchange of strings."""

    def __init__(self, exchange: Callable[[str], str], organisation: str) -> None:
        """Take the way to the service.

        Args:
            exchange: Sends one string, and raises KeyServiceError if no sealed answer
                came in time.
            organisation: 定点医药机构编号.
        """
        self._exchange = exchange
        self._organisation = organisation

    def exchange(self, voucher: str, business: str) -> VoucherHolder:
        """Exchange 28 digits for a token and a holder; nothing is repeated.

        Raises:
            VoucherError: not exchanged, or nobody knows whether; a fresh one is needed.
        """
        asked = {
            "transType": "ec.query",
            "orgId": self._organisation,
            "data": {"qrCode": voucher, "businessType": business},
        }
        try:
            said = cast("object", json.loads(self._exchange(json.dumps(asked))))
        except KeyServiceError as error:
            raise VoucherError(error.detail) from error
        except ValueError:
            detail = "the service's answer is no JSON"
            # The parser's words would carry the answer along.
            raise VoucherError(detail) from None
        data = said.get("data") if isinstance(said, Mapping) else None
        if not isinstance(said, Mapping) or said.get("code") != OK:
            detail = "the service does not know it, or it was used"
            raise VoucherError(detail)
        return VoucherHolder(
            token=text_of(data, "ecToken"),
            person_cert_no=text_of(data, "idNo"),
            name=text_of(data, "userName"),
        )


def demo_voucher(person_cert_no: str) -> str:
    """Make a fresh voucher of a demonstration person: his digits and random ones."""
    own = person_cert_no[:OWN_DIGITS]
    rest = secrets.randbelow(10 ** (DIGITS - OWN_DIGITS))
    return f"{own}{rest:0{DIGITS - OWN_DIGITS}d}"


def text_of(data: object, name: str) -> str:
    """Return the text called *name*; empty where there is none."""
    value = data.get(name) if isinstance(data, Mapping) else None
    return value if isinstance(value, str) else ""
