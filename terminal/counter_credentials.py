"""Who stands at the counter: card, voucher, identity card, PIN; the old drivers too."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

from reader.credential import CertificateType as ShownType
from reader.credential import Credential
from reader.driver import NOT_A_CARD, DriverRefusal
from terminal.card_files import CardFiles, HolderRecord
from terminal.credential_sources import CredentialSources
from terminal.credentials import ShownCredential
from terminal.deck import Deck
from terminal.desk import CardDesk
from terminal.errors import (
    CredentialNotAcceptedError,
    CredentialShownError,
    HolderPresentError,
    NotInDemonstrationError,
    PinNotTypedError,
    RequestInvalidError,
)
from terminal.holder_lookup import HolderLookup
from terminal.pin_ways import PinWay
from terminal.site import Site
from terminal.views import CardState, CardView, PinView

PIN_FORM = "4 to 12 ASCII digits and nothing else"


class CounterCredentials:
    """The card in the slot, and what was shown beside it: whose turn it is."""

    def __init__(  # noqa: PLR0913 - what a holder can show and prove, each by name
        self,
        *,
        site: Site,
        desk: CardDesk,
        deck: Deck | None,
        pin_way: PinWay,
        shown: ShownCredential | None,
        sources: CredentialSources | None,
        lookup: HolderLookup,
    ) -> None:
        """Take what a holder can use here.

        Args:
            site: Whether a PIN may be typed here.
            desk: The slot and the card in it.
            deck: The demonstration's cards; None at a real reader.
            pin_way: How a PIN gets to the card.
            shown: What lies beside the card; None: nothing else is taken.
            sources: Where that comes from.
            lookup: Forgets the last holder when another comes.
        """
        self._site = site
        self._desk = desk
        self._deck = deck
        self._pin_way = pin_way
        self._shown = shown
        self._sources = sources
        self._lookup = lookup
        self._files = CardFiles(
            desk, terminal_no=site.psam_no, device_no=site.device_no
        )
        self._naming_key = secrets.token_bytes(32)

    # -- the card ---------------------------------------------------------------

    def card(self) -> CardView:
        """Return what the slot holds, or who showed another credential."""
        other = self._shown.view() if self._shown else None
        return other or self._desk.view()

    def read_card(self) -> CardView:
        """Read the card in the slot."""
        self.clear()
        self._lookup.forget()
        return self._desk.read()

    def release_card(self) -> CardView:
        """Power the card down; its PIN is verified no longer."""
        self._desk.finish()
        return self._desk.view()

    def verify_pin(
        self, pin: bytearray | None, *, confirm_last_try: bool = False
    ) -> PinView:
        """Have the PIN verified; the buffer is wiped whatever happens."""
        digits = bytearray() if pin is None else pin
        try:
            self._require_the_card()
            if self._pin_way.typed and pin is None:
                raise RequestInvalidError(where="body", expected=PIN_FORM)
            typed_here = self._pin_way.typed and self._site.host_keyboard_pin
            if pin is not None and not typed_here:
                raise PinNotTypedError
            return self._desk.verify_pin(
                lambda who: self._pin_way.entry(digits, who),
                last_try_confirmed=confirm_last_try,
                at_pad=not self._pin_way.typed,
            )
        finally:
            digits[:] = bytes(len(digits))

    def _require_the_card(self) -> None:
        """Refuse what is about a card while another credential is in use.

        Raises:
            CredentialShownError: the card in the slot may be somebody else's.
        """
        if self._shown is not None and self._shown.current() is not None:
            raise CredentialShownError

    # -- the demonstration's cards ----------------------------------------------

    def deck(self) -> tuple[tuple[str, str], ...]:
        """List the demonstration's cards as (id, label); a real reader has none."""
        return self._deck.labels() if self._deck is not None else ()

    def insert_card(self, card_id: str) -> CardView:
        """Put a demonstration card into the emulated slot and read it."""
        deck = self._demo_deck()
        deck.require(card_id)
        self.clear()
        self._lookup.forget()
        return self._desk.read(before=lambda: deck.insert(card_id))

    def remove_card(self) -> CardView:
        """Take the demonstration card out of the emulated slot."""
        self._demo_deck().remove()
        self.clear()
        self._lookup.forget()
        return self._desk.removed()

    def _demo_deck(self) -> Deck:
        if self._deck is None:
            raise NotInDemonstrationError
        return self._deck

    # -- what is shown beside the card ------------------------------------------

    def show_voucher(self, code: str) -> CardView:
        """Take a scanned electronic voucher (医保电子凭证)."""
        return self._show(ShownType.E_VOUCHER, lambda ways: ways.voucher(code))

    def show_scanned(self, code: str) -> CardView:
        """Take what a scanner read that nobody at the counter set off.

        Raises:
            HolderPresentError: a verified card is in the slot; its holder comes first.
        """
        shown = self._shown.current() if self._shown is not None else None
        if shown is None and self._desk.view().state is CardState.VERIFIED:
            raise HolderPresentError
        return self.show_voucher(code)

    def show_id_card(self) -> CardView:
        """Read the identity card that lies on the reader (居民身份证)."""
        return self._show(ShownType.ID_CARD, lambda ways: ways.id_card())

    def show_demo(self, kind: str, card_id: str) -> CardView:
        """Let a demonstration person show something else than his card."""
        wanted = ShownType(kind)
        return self._show(wanted, lambda ways: ways.demonstrated(wanted, card_id))

    def clear(self) -> CardView:
        """Take away what was shown beside the card."""
        if self._shown is not None:
            self._shown.clear()
        return self._desk.view()

    def _show(
        self, kind: ShownType, read: Callable[[CredentialSources], Credential]
    ) -> CardView:
        if self._shown is None or self._sources is None:
            raise CredentialNotAcceptedError(kind.value)
        # Before it is exchanged: a voucher must not be used up for a refusal.
        self._shown.require_accepted(kind)
        self._lookup.forget()
        return self._shown.show(read(self._sources))

    # -- whose bill it is -------------------------------------------------------

    def holder(self) -> Credential:
        """Return who stands at the counter, by whatever he showed."""
        other = self._shown.current() if self._shown else None
        who = other or self._desk.credential()
        return self._accepted(who)

    def verified_holder(self) -> Credential:
        """Return who is proven: another credential by itself, a card by its PIN."""
        other = self._shown.current() if self._shown else None
        return self._accepted(other or self._desk.verified_credential())

    def _accepted(self, who: Credential) -> Credential:
        if self._shown is not None:
            self._shown.require_accepted(who.certificate)
        return who

    def name_of(self, who: Credential) -> str:
        """Return an opaque name of a holder's credential, good for this process."""
        said = f"{who.certificate.value}|{who.card_serial}|{who.number}"
        return hmac.new(self._naming_key, said.encode(), hashlib.sha256).hexdigest()

    def is_named(self, who: Credential, name: str) -> bool:
        """Say whether *name* is the opaque name of that credential."""
        return hmac.compare_digest(name, self.name_of(who))

    def settles_once(self, who: Credential) -> bool:
        """Say whether a credential is good for one settlement: a voucher's token."""
        return who.certificate is ShownType.E_VOUCHER and self._shown is not None

    def require_unused(self, who: Credential) -> None:
        """Refuse a voucher that went into a settlement.

        Raises:
            CredentialUsedError: it did.
        """
        if self._shown is not None:
            self._shown.require_unused(who)

    def leave(self, who: Credential) -> None:
        """Let the holder go: card powered down, what he showed beside it taken away."""
        self._desk.finish()
        if self._shown is not None:
            self._shown.used(who)

    # -- what stands on the card ------------------------------------------------

    def card_basics(self) -> str | DriverRefusal:
        """Answer ``iReadCardBas`` of the old drivers."""
        try:
            self._require_the_card()
        except CredentialShownError:
            return DriverRefusal(NOT_A_CARD)
        return self._files.basics()

    def card_files(
        self, card_info: str, file_address: str, *, by_pin: bool
    ) -> str | DriverRefusal:
        """Answer ``iReadCard`` of the old drivers."""
        try:
            self._require_the_card()
        except CredentialShownError:
            return DriverRefusal(NOT_A_CARD)
        return self._files.answer(card_info, file_address, by_pin=by_pin)

    def holder_record(self) -> HolderRecord:
        """Read what the holder may see of his card, and ask the centre about him."""
        files = self._files.holder()
        return HolderRecord(
            files, self._lookup.standing(self._desk.verified_credential())
        )
