"""The card desk: one slot, one card session at a time, and its state for the counter.

Every card operation runs on the desk's own thread with a deadline, so a reader that
hangs never holds the daemon. No lock is held while the card works.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from reader.credential import Credential
from reader.errors import (
    CardRemovedError,
    CardResetError,
    CardSwappedError,
    NoCardError,
    ReaderError,
    ReaderUnavailableError,
)
from reader.link import Link
from reader.pin import PinEntry
from reader.session import CardSession
from reader.watch import DEBOUNCE_S, POLL_S, SlotEvent, SlotState, SlotWatch
from terminal.card_thread import CardThread
from terminal.errors import CardBusyError, CardRequiredError, PinRequiredError
from terminal.lease import Lease, lease_on
from terminal.masking import mask_card_no, mask_name, mask_number
from terminal.views import CardState, CardView, PinView, ProblemView

log = logging.getLogger(__name__)
T = TypeVar("T")

OPERATION_TIMEOUT_S = 15.0
#: A holder at a PIN pad; longer than the pad itself waits, so that it is the pad that
#: gives up and tells that no try was spent.
PAD_TIMEOUT_S = 75.0
#: A verified card left in the slot is powered down after this long without use.
IDLE_S = 300.0
#: How soon a card that lies in a slot that failed is looked at again.
RECHECK_S = 2.0

#: The code of a PIN that the card refused: an answer, no error.
WRONG_PIN = "pin-incorrect"

_NOBODY = frozenset({CardState.EMPTY, CardState.NO_READER})
_READ = frozenset({CardState.READY, CardState.VERIFIED})


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """The waits of the desk, in seconds."""

    poll_s: float = POLL_S
    debounce_s: float = DEBOUNCE_S
    operation_timeout_s: float = OPERATION_TIMEOUT_S
    pad_timeout_s: float = PAD_TIMEOUT_S
    idle_s: float = IDLE_S
    recheck_s: float = RECHECK_S


class CardDesk:
    """Reads the card in the slot, keeps its session, and says what the slot holds."""

    def __init__(
        self,
        link: Link,
        open_session: Callable[[Link], CardSession],
        *,
        monotonic: Callable[[], float],
        settings: DeskSettings | None = None,
    ) -> None:
        self._link = link
        self._open_session = open_session
        self._monotonic = monotonic
        self._settings = settings or DeskSettings()
        self._card_thread = CardThread()
        self._watch = SlotWatch(
            link,
            self._slot_changed,
            poll_s=self._settings.poll_s,
            debounce_s=self._settings.debounce_s,
            monotonic=monotonic,
        )
        self._state = threading.Lock()
        self._session: CardSession | None = None
        self._lease: Lease | None = None
        self._view = CardView(0, CardState.EMPTY, link.name)
        self._listeners: list[Callable[[CardView], None]] = []
        self._last_use = monotonic()
        self._slot = SlotState.EMPTY
        self._emptied_at = monotonic()
        self._stopping = threading.Event()
        self._minder: threading.Thread | None = None

    def on_change(self, listener: Callable[[CardView], None]) -> None:
        """Tell *listener* every new view."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Begin to watch the slot."""
        self._watch.start()
        self._minder = threading.Thread(target=self._mind, name="desk-minder")
        self._minder.start()

    def stop(self) -> None:
        """Power the card down and stop watching."""
        self._stopping.set()
        self._watch.stop()
        if self._minder is not None:
            self._minder.join()
        try:
            self._on_card(self._close_session)
        except (ReaderError, CardBusyError) as error:
            log.warning("desk.stop", extra={"code": error.code})
        self._card_thread.stop()

    def view(self) -> CardView:
        """Return what the slot holds now."""
        return self._view

    def read(self, before: Callable[[], None] | None = None) -> CardView:
        """Read and authenticate the card in the slot; a refusal is a view too.

        Args:
            before: What to do on the card thread first; the demonstration puts its
                card in there, so that the watch never reads it a second time.

        Raises:
            NoCardError: the slot is empty.
            CardBusyError: an operation on the card is under way.
        """
        before_reading = self._view
        reading = self._show(CardState.READING, clear=True)
        try:
            session = self._on_card(lambda: self._read_session(before))
        except CardBusyError:
            # Whatever holds the card goes on with the session that it has, and has
            # perhaps said since what came of it.
            self._publish(before_reading, while_true=lambda: self._view is reading)
            raise
        except NoCardError:
            self._show(CardState.EMPTY, clear=True)
            raise
        except ReaderError as error:
            log.warning("card.refused", extra={"code": error.code})
            self._show(_state_after(error), clear=True, problem=problem_of(error))
            return self._view
        return self._show_session(session)

    def with_session(
        self, work: Callable[[CardSession], T], *, timeout_s: float | None = None
    ) -> T:
        """Run *work* with the card's session, on the card thread.

        Args:
            work: What to ask of the card.
            timeout_s: Until when; the desk's usual time if not given.

        Raises:
            CardRequiredError: no card has been read.
            CardBusyError: an operation on the card is under way.
            ReaderError: what *work* raised; the session is over if the card or the
                reader is gone.
        """
        if self._session is None:
            raise CardRequiredError
        try:
            result = self._on_card(lambda: work(self._present()), timeout_s)
        except (CardRemovedError, CardSwappedError, ReaderUnavailableError) as error:
            self._forget(error)
            raise
        self._last_use = self._monotonic()
        return result

    def verify_pin(
        self,
        entry_for: Callable[[Credential], PinEntry],
        *,
        last_try_confirmed: bool = False,
        at_pad: bool = False,
    ) -> PinView:
        """Have the holder's PIN entered and verified: at most one try; wiped always.

        Args:
            entry_for: Makes the entry for the holder of the card.
            last_try_confirmed: The holder knows that a wrong PIN locks the card.
            at_pad: The holder enters it now and has a pad's time for it.

        Raises:
            CardRequiredError: no card has been read.
        """
        timeout_s = self._settings.pad_timeout_s if at_pad else None
        try:
            outcome = self.with_session(
                lambda session: session.verify_pin(
                    entry_for(session.credential), last_try_confirmed=last_try_confirmed
                ),
                timeout_s=timeout_s,
            )
        except ReaderError as error:
            return self._pin_refused(error)
        left = outcome.tries_left
        if outcome.verified:
            self._show(CardState.VERIFIED, tries_left=left)
            return PinView(True, left, None)  # noqa: FBT003 - named in PinView
        if outcome.blocked:
            self._show(CardState.REFUSED, tries_left=0, problem=_BLOCKED)
            return PinView(verified=False, tries_left=0, problem=_BLOCKED)
        problem = ProblemView(
            WRONG_PIN,
            f"密码错误，还可以试 {left} 次。请持卡人重新输入。",
            f"Wrong PIN, {left} tries left. Let the holder enter it again.",
        )
        self._show(CardState.READY, tries_left=left)
        return PinView(verified=False, tries_left=left, problem=problem)

    def _pin_refused(self, error: ReaderError) -> PinView:
        """Put into a view why nothing was verified; the tries are the card's word."""
        problem = problem_of(error)
        log.warning("pin.refused", extra={"code": error.code})
        session = self._session
        if session is None:
            return PinView(verified=False, tries_left=None, problem=problem)
        left = session.pin_status.tries_left
        if session.pin_status.blocked:
            self._show(CardState.REFUSED, tries_left=0, problem=problem)
        else:
            self._show(self._view.state, tries_left=left)
        return PinView(verified=False, tries_left=left, problem=problem)

    def credential(self) -> Credential:
        """Return who the card in the slot belongs to.

        Raises:
            CardRequiredError: no card has been read, or it was refused.
        """
        session = self._session
        if session is None or self._view.state not in _READ:
            raise CardRequiredError
        self._last_use = self._monotonic()
        return session.credential

    def verified_credential(self) -> Credential:
        """Return the holder after proving that the same card is still in the slot.

        Raises:
            CardRequiredError: no card has been read.
            PinRequiredError: the holder's PIN has not been verified.
            CardSwappedError: another card sits in the slot now.
        """
        credential = self.credential()
        if self._view.state is not CardState.VERIFIED:
            raise PinRequiredError
        try:
            self._on_card(lambda: self._present().still_same_card())
        except ReaderError as error:
            self._forget(error)
            raise
        return credential

    def finish(self) -> None:
        """Power the card down: the session is over, the card is to be taken out."""
        try:
            self._on_card(self._close_session)
        except (ReaderError, CardBusyError) as error:
            log.warning("desk.finish", extra={"code": error.code})
        self._show(CardState.DONE, clear=True)

    def removed(self) -> CardView:
        """Say at once that the card was taken out, without waiting for the watch."""
        self._session = None
        self._show(CardState.EMPTY, clear=True)
        return self._view

    def _present(self) -> CardSession:
        session = self._session
        if session is None:
            raise CardRemovedError
        return session

    def _read_session(self, before: Callable[[], None] | None) -> CardSession:
        try:
            self._close_session()
        except ReaderError as error:
            # Its card or its reader is gone, and what follows powers up anew.
            log.info("desk.old_session_lost", extra={"code": error.code})
        if before is not None:
            before()
        with self._state:
            self._lease = lease = lease_on(self._link)
        session = self._open_session(lease)
        with self._state:
            if lease.is_over:
                raise ReaderUnavailableError(self._link.name)
            self._session = session
        return session

    def _close_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _forget(self, error: ReaderError) -> None:
        self._session = None
        self._show(_state_after(error), clear=True, problem=problem_of(error))

    def _show_session(self, session: CardSession) -> CardView:
        who, pin = session.credential, session.pin_status
        card = who.card
        if card is None:
            msg = "a card session without a card"
            raise AssertionError(msg)
        self._last_use = self._monotonic()
        if pin.blocked:
            state = CardState.REFUSED
        elif pin.not_set:
            state = CardState.VERIFIED
        else:
            state = CardState.READY
        return self._publish(
            CardView(
                generation=0,
                state=state,
                reader=self._link.name,
                holder_name=mask_name(who.name),
                person_cert_no=mask_number(who.person_cert_no),
                card_no=mask_card_no(who.number),
                sex=str(who.sex),
                birth_year=who.birth_date.year,
                spec_version=card.spec_version,
                algorithm=card.algorithm.name,
                valid_until=card.valid_until,
                tries_left=pin.tries_left,
                problem=_BLOCKED if pin.blocked else None,
            ),
            # A later read has closed it: its holder is not the one at the counter.
            while_true=lambda: self._session is session,
        )

    def _show(
        self,
        state: CardState,
        *,
        clear: bool = False,
        tries_left: int | None = None,
        problem: ProblemView | None = None,
    ) -> CardView:
        if state in _NOBODY:
            self._emptied_at = self._monotonic()
        if clear:
            view = CardView(0, state, self._link.name, problem=problem)
        else:
            old = self._view
            left = tries_left if tries_left is not None else old.tries_left
            view = dataclasses.replace(
                old, state=state, tries_left=left, problem=problem
            )
        return self._publish(view)

    def _publish(
        self, view: CardView, *, while_true: Callable[[], bool] = lambda: True
    ) -> CardView:
        """Show *view* as the next generation, unless it was overtaken meanwhile."""
        with self._state:
            if not while_true():
                return self._view
            view = dataclasses.replace(view, generation=self._view.generation + 1)
            self._view = view
        for listener in self._listeners:
            listener(view)
        return view

    def _on_card(self, work: Callable[[], T], timeout_s: float | None = None) -> T:
        """Run *work* on the card thread and wait for it, not longer than allowed."""
        allowed = timeout_s or self._settings.operation_timeout_s
        try:
            with self._watch.paused():
                return self._card_thread.run(work, allowed)
        except TimeoutError as error:
            with self._state:
                if self._lease is not None:
                    self._lease.revoke()
                self._session = None
            log.warning("card.hangs", extra={"reader": self._link.name})
            raise ReaderUnavailableError(self._link.name) from error

    def _slot_changed(self, event: SlotEvent) -> None:
        """Follow what the watch tells of the slot."""
        self._slot = event.state
        if event.problem is not None:
            if self._view.state is not CardState.NO_READER:
                self._session = None
                problem = problem_of(event.problem)
                self._show(CardState.NO_READER, clear=True, problem=problem)
        elif event.state is SlotState.EMPTY:
            if self._view.state is not CardState.EMPTY:
                self.removed()
        elif self._view.state in _NOBODY:
            self._read_inserted()

    def _mind(self) -> None:
        """See to a forgotten card, and to one whose reading failed by the reader."""
        while not self._stopping.wait(min(self._settings.recheck_s / 4, 1.0)):
            now = self._monotonic()
            if self._session is not None and (
                now - self._last_use > self._settings.idle_s
            ):
                log.info("card.idle_powered_down")
                self.finish()
            if now - self._emptied_at > self._settings.recheck_s:
                self._look_again()

    def _look_again(self) -> None:
        """Mend what the watch cannot: it tells changes only.

        A card that was never out for it, and a reader that was never gone, may have
        failed an operation all the same.
        """
        if self._view.state not in _NOBODY:
            return
        if self._slot is SlotState.PRESENT:
            self._read_inserted()
        elif self._slot is SlotState.EMPTY and self._view.state is CardState.NO_READER:
            self.removed()

    def _read_inserted(self) -> None:
        try:
            self.read()
        except NoCardError:
            log.info("card.gone_again")
        except CardBusyError:
            log.info("card.busy")


_BLOCKED = ProblemView(
    "pin-blocked",
    "密码已锁定。请持卡人带身份证到社保卡服务网点解锁；本次请改用自费结算。",
    "The PIN is blocked. The holder unblocks it at the card service.",
)


def _state_after(error: ReaderError) -> CardState:
    """Say what the slot holds after *error* ended a session."""
    if isinstance(error, ReaderUnavailableError):
        return CardState.NO_READER
    # A card that lost its power in an authenticated step is not read again unasked.
    if isinstance(error, CardRemovedError) and not isinstance(error, CardResetError):
        return CardState.EMPTY
    return CardState.EMPTY if isinstance(error, NoCardError) else CardState.REFUSED


def problem_of(error: ReaderError) -> ProblemView:
    """Put a reader's error into the words of the counter."""
    return ProblemView(error.code, error.sentence_zh, error.sentence_en)
