"""What is told of a settlement: to whoever listens, and to whoever asked."""

from __future__ import annotations

from collections.abc import Callable

from settlement.journal_records import Record
from terminal.record_view import Place, view_of
from terminal.views import SettlementView


class Telling:
    """Shows the records of a journal as this site shows them."""

    def __init__(
        self,
        place: Place,
        *,
        publish: Callable[[SettlementView], None],
        render: Callable[[SettlementView], bytes],
    ) -> None:
        """Take what hears of a change, and what prints an answer.

        Args:
            place: The site.
            publish: Hears each view that is new.
            render: Prints one as JSON.
        """
        self._place = place
        self._publish = publish
        self._render = render

    def view(self, record: Record, *, owed: bool = False) -> SettlementView:
        """Return a record as the counter shows it; *owed*: a remainder of it waits."""
        return view_of(record, self._place, owed=owed)

    def publish(self, view: SettlementView) -> None:
        """Let everybody who listens hear of it."""
        self._publish(view)

    def tell(self, record: Record) -> SettlementView:
        """Publish a record as it stands now, and return what was published."""
        view = self.view(record)
        self._publish(view)
        return view

    def body(self, record: Record) -> bytes:
        """Print a record as the bytes its caller gets."""
        return self._render(self.view(record))
