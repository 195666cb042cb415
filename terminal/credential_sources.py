"""Where credentials other than cards come from: scanner, ministry's module, demo."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from reader.credential import CertificateType, Credential
from reader.emulator.deck import CardSpec
from reader.emulator.identity_sam import EmulatedIdentity, IdentitySamDevice
from reader.emulator.serial_line import PipePort
from reader.identity_card import read_identity_card
from reader.links.framed import Port
from reader.scanner import VoucherExchange, credential_of, read_voucher
from terminal.errors import (
    DemoCardUnknownError,
    NoIdCardReaderError,
    NotInDemonstrationError,
)
from terminal.vouchers import demo_voucher

#: businessType of a settlement.
_SETTLING = "01301"


class CredentialSources:
    """Reads a credential by each way that this terminal has."""

    def __init__(
        self,
        *,
        exchange: VoucherExchange,
        open_id_card: Callable[[], Port] | None,
        demo: Mapping[str, CardSpec] | None,
        now: Callable[[], dt.datetime],
    ) -> None:
        """Take the ways.

        Args:
            exchange: Who exchanges vouchers.
            open_id_card: Opens the ministry's module; None: there is none.
            demo: The demonstration's people by their cards; None in production.
            now: The terminal's clock.
        """
        self._exchange = exchange
        self._open_id_card = open_id_card
        self._demo = demo
        self._now = now

    def voucher(self, code: str) -> Credential:
        """Exchange what was scanned for its holder.

        Raises:
            VoucherError: it is no voucher, or was not exchanged.
        """
        voucher = read_voucher(code)
        return credential_of(voucher, self._exchange, business=_SETTLING, now=self._now)

    def id_card(self) -> Credential:
        """Read the identity card that lies on the module.

        Raises:
            NoIdCardReaderError: none is set up.
            IdentityCardError, ReaderUnavailableError: it does not read.
        """
        if self._open_id_card is None:
            raise NoIdCardReaderError
        return self._read(self._open_id_card())

    def demonstrated(self, kind: CertificateType, card_id: str) -> Credential:
        """Let a demonstration person show a fresh voucher or his identity card.

        Raises:
            NotInDemonstrationError: people come by themselves.
            DemoCardUnknownError: nobody has such a card.
        """
        if self._demo is None:
            raise NotInDemonstrationError
        spec = self._demo.get(card_id)
        if spec is None:
            raise DemoCardUnknownError(card_id, tuple(self._demo))
        if kind is CertificateType.E_VOUCHER:
            return self.voucher(demo_voucher(spec.person_cert_no))
        identity = EmulatedIdentity(
            name=spec.name,
            sex=spec.sex,
            birth_date=f"{spec.birth_date:%Y%m%d}",
            number=spec.person_cert_no,
        )
        return self._read(PipePort(IdentitySamDevice(identity)))

    def _read(self, port: Port) -> Credential:
        try:
            return read_identity_card(port, self._now)
        finally:
            port.close()
