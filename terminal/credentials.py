"""Credentials beside the card: an electronic voucher or an identity card, shown here.

Each proves itself in its own way before it is shown here; a card that is read later
takes its place. It lives for a few minutes, and a voucher's token settles once.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Sequence

from config.credentials import Accepted, accepted_on
from reader.credential import CertificateType, Credential
from terminal.errors import CredentialNotAcceptedError, CredentialUsedError
from terminal.masking import mask_name, mask_number
from terminal.views import CardState, CardView

#: How long somebody may stand at the counter before he shows it again.
LIFE = dt.timedelta(minutes=5)
#: Views of other credentials count from here, so that none looks like a card's.
_FIRST_GENERATION = 1_000_000
_MOST_USED = 1000


class ShownCredential:
    """The credential other than a card that lies on the counter now, if one does."""

    def __init__(
        self,
        accept: Sequence[Accepted],
        *,
        now: Callable[[], dt.datetime],
        announce: Callable[[CardView], None],
    ) -> None:
        """Begin with none.

        Args:
            accept: What the site takes on which days.
            now: The terminal's clock.
            announce: Hears each new view.
        """
        self._accept = tuple(accept)
        self._now = now
        self._announce = announce
        self._guard = threading.Lock()
        self._shown: tuple[Credential, dt.datetime] | None = None
        self._generation = _FIRST_GENERATION
        self._used: dict[str, None] = {}

    def require_accepted(self, certificate: CertificateType) -> None:
        """Refuse what the site does not take today.

        Raises:
            CredentialNotAcceptedError: another kind has to be shown.
        """
        if not accepted_on(self._accept, certificate, self._now().date()):
            raise CredentialNotAcceptedError(certificate.value)

    def show(self, who: Credential) -> CardView:
        """Take a proven credential.

        Raises:
            CredentialNotAcceptedError: the site does not take its kind today.
            CredentialUsedError: the voucher's token has settled already.
        """
        self.require_accepted(who.certificate)
        with self._guard:
            if who.number in self._used:
                raise CredentialUsedError
            self._shown = (who, self._now())
            self._generation += 1
        view = self._view_of(who)
        self._announce(view)
        return view

    def require_unused(self, who: Credential) -> None:
        """Refuse a voucher that went into a settlement.

        Raises:
            CredentialUsedError: it did.
        """
        with self._guard:
            if who.number in self._used:
                raise CredentialUsedError

    def current(self) -> Credential | None:
        """Return the credential, unless there is none or its time is over."""
        with self._guard:
            if self._shown is None:
                return None
            who, since = self._shown
            if self._now() - since > LIFE:
                self._shown = None
                return None
            return who

    def view(self) -> CardView | None:
        """Return what the counter shows of it; None: look at the card."""
        who = self.current()
        return None if who is None else self._view_of(who)

    def clear(self) -> None:
        """Take it away."""
        with self._guard:
            self._shown = None
            self._generation += 1

    def used(self, who: Credential) -> None:
        """Remember what went into a settlement, and take it away.

        Another that was shown meanwhile is the next holder's, and stays.
        """
        with self._guard:
            if who.certificate is CertificateType.E_VOUCHER:
                self._used[who.number] = None
                if len(self._used) > _MOST_USED:
                    # The centre refuses a token's second use as well.
                    del self._used[next(iter(self._used))]
            if self._shown is not None and self._shown[0].number == who.number:
                self._shown = None
                self._generation += 1

    def card_came(self, view: CardView) -> None:
        """Give way to a card that was read; the desk's listener."""
        if view.state in {CardState.READY, CardState.VERIFIED}:
            self.clear()

    def _view_of(self, who: Credential) -> CardView:
        return CardView(
            generation=self._generation,
            state=CardState.VERIFIED,
            reader=who.certificate.value,
            holder_name=mask_name(who.name),
            person_cert_no=mask_number(who.person_cert_no),
            sex=str(who.sex),
            birth_year=who.birth_date.year,
            credential=who.certificate.value,
        )
