"""The card desk: one slot, one card session at a time, and its state for the counter.

Every card operation runs on the desk's own thread with a deadline, so a reader that
hangs never holds the daemon. No lock is held while the card works.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import TypeVar

from reader.credential import Credential
from reader.errors import (
    CardRemovedError,
    NoCardError,
    ReaderError,
    ReaderUnavailableError,
)
from reader.link import Link
from reader.session import CardSession
from terminal.errors import CardRequiredError, PinRequiredError
from terminal.masking import mask_card_no, mask_name, mask_number
from terminal.views import CardState, CardView, PinView, ProblemView

log = logging.getLogger(__name__)
T = TypeVar("T")

POLL_S = 0.2
OPERATION_TIMEOUT_S = 15.0
#: A verified card left in the slot is powered down after this long without use.
IDLE_S = 300.0


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """The waits of the desk, in seconds."""

    poll_s: float = POLL_S
    operation_timeout_s: float = OPERATION_TIMEOUT_S
    idle_s: float = IDLE_S


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
        self._card_thread = ThreadPoolExecutor(1, thread_name_prefix="card")
        self._state = threading.Lock()
        self._session: CardSession | None = None
        self._view = CardView(0, CardState.EMPTY, link.name)
        self._listeners: list[Callable[[CardView], None]] = []
        self._last_use = monotonic()
        self._busy = threading.Event()
        self._stopping = threading.Event()
        self._watch: threading.Thread | None = None

    def on_change(self, listener: Callable[[CardView], None]) -> None:
        """Tell *listener* every new view."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Begin to watch the slot."""
        self._watch = threading.Thread(target=self._watch_slot, name="slot-watch")
        self._watch.start()

    def stop(self) -> None:
        """Power the card down and stop watching."""
        self._stopping.set()
        if self._watch is not None:
            self._watch.join()
        try:
            self._on_card(self._close_session)
        except ReaderError as error:
            log.warning("desk.stop", extra={"code": error.code})
        self._card_thread.shutdown(wait=False, cancel_futures=True)

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
        """
        self._show(CardState.READING, clear=True)
        try:
            session = self._on_card(lambda: self._read_session(before))
        except NoCardError:
            self._show(CardState.EMPTY, clear=True)
            raise
        except ReaderError as error:
            log.warning("card.refused", extra={"code": error.code})
            gone = isinstance(error, ReaderUnavailableError)
            state = CardState.NO_READER if gone else CardState.REFUSED
            self._show(state, clear=True, problem=problem_of(error))
            return self._view
        return self._show_session(session)

    def verify_pin(self, pin: bytearray) -> PinView:
        """Let the card verify *pin*: at most one try, and the buffer is wiped.

        Raises:
            CardRequiredError: no card has been read.
        """
        try:
            if self._session is None:
                raise CardRequiredError
            outcome = self._on_card(lambda: self._present().verify_pin(pin))
        except ReaderError as error:
            problem = problem_of(error)
            log.warning("pin.refused", extra={"code": error.code})
            if isinstance(error, CardRemovedError | ReaderUnavailableError):
                self._forget(problem)
                return PinView(verified=False, tries_left=None, problem=problem)
            left = self._view.tries_left
            if error.code == "pin-blocked":
                left = 0
                self._show(CardState.REFUSED, tries_left=0, problem=problem)
            return PinView(verified=False, tries_left=left, problem=problem)
        finally:
            pin[:] = bytes(len(pin))
        self._last_use = self._monotonic()
        if outcome.verified:
            self._show(CardState.VERIFIED, tries_left=outcome.tries_left)
            return PinView(True, outcome.tries_left, None)  # noqa: FBT003 - named in PinView
        if outcome.blocked:
            problem = ProblemView(
                "pin-blocked",
                "密码已锁定。请持卡人带身份证到社保卡服务网点解锁；本次请改用自费结算。",
                "The PIN is blocked. The holder unblocks it at the card service.",
            )
            self._show(CardState.REFUSED, tries_left=0, problem=problem)
        else:
            left = outcome.tries_left
            problem = ProblemView(
                "pin-incorrect",
                f"密码错误，还可以试 {left} 次。请持卡人重新输入。",
                f"Wrong PIN, {left} tries left. Let the holder enter it again.",
            )
            self._show(CardState.READY, tries_left=left)
        return PinView(verified=False, tries_left=outcome.tries_left, problem=problem)

    def credential(self) -> Credential:
        """Return who the card in the slot belongs to.

        Raises:
            CardRequiredError: no card has been read, or it was refused.
        """
        session = self._session
        if session is None or self._view.state not in {
            CardState.READY,
            CardState.VERIFIED,
        }:
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
            self._forget(problem_of(error))
            raise
        return credential

    def finish(self) -> None:
        """Power the card down: the session is over, the card is to be taken out."""
        try:
            self._on_card(self._close_session)
        except ReaderError as error:
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
        self._close_session()
        if before is not None:
            before()
        session = self._open_session(self._link)
        self._session = session
        return session

    def _close_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _forget(self, problem: ProblemView) -> None:
        self._session = None
        gone = problem.code in {"card-removed", "no-card"}
        state = CardState.EMPTY if gone else CardState.REFUSED
        self._show(state, clear=True, problem=problem)

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
        problem = None
        if pin.blocked:
            problem = ProblemView(
                "pin-blocked",
                "密码已锁定。请持卡人带身份证到社保卡服务网点解锁；本次请改用自费结算。",
                "The PIN is blocked. The holder unblocks it at the card service.",
            )
        return self._publish(
            CardView(
                generation=self._view.generation + 1,
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
                problem=problem,
            )
        )

    def _show(
        self,
        state: CardState,
        *,
        clear: bool = False,
        tries_left: int | None = None,
        problem: ProblemView | None = None,
    ) -> None:
        old = self._view
        if clear:
            view = CardView(old.generation + 1, state, self._link.name, problem=problem)
        else:
            view = dataclasses.replace(
                old,
                generation=old.generation + 1,
                state=state,
                tries_left=tries_left if tries_left is not None else old.tries_left,
                problem=problem,
            )
        self._publish(view)

    def _publish(self, view: CardView) -> CardView:
        with self._state:
            self._view = view
        for listener in self._listeners:
            listener(view)
        return view

    def _on_card(self, work: Callable[[], T]) -> T:
        """Run *work* on the card thread and wait for it, not longer than allowed."""
        self._busy.set()
        try:
            future: Future[T] = self._card_thread.submit(work)
            return future.result(self._settings.operation_timeout_s)
        except FutureTimeout as error:
            raise ReaderUnavailableError(self._link.name) from error
        finally:
            self._busy.clear()

    def _watch_slot(self) -> None:
        """Notice insertion, removal and a forgotten card until the desk stops."""
        was_present = False
        while not self._stopping.wait(self._settings.poll_s):
            if self._busy.is_set():
                continue
            try:
                present = self._link.present()
            except ReaderError as error:
                if self._view.state is not CardState.NO_READER:
                    self._session = None
                    self._show(
                        CardState.NO_READER, clear=True, problem=problem_of(error)
                    )
                continue
            empty = self._view.state in {CardState.EMPTY, CardState.NO_READER}
            if not present and (not empty or self._view.state is CardState.NO_READER):
                self._session = None
                self._show(CardState.EMPTY, clear=True)
            elif present and not was_present and empty:
                self._read_inserted()
            was_present = present
            idle = self._monotonic() - self._last_use > self._settings.idle_s
            if self._session is not None and idle:
                log.info("card.idle_powered_down")
                self.finish()

    def _read_inserted(self) -> None:
        try:
            self.read()
        except NoCardError:
            log.info("card.gone_again")


def problem_of(error: ReaderError) -> ProblemView:
    """Put a reader's error into the words of the counter."""
    return ProblemView(error.code, error.sentence_zh, error.sentence_en)
