"""BookChannel: what a tracker publishes of one book. Each change is one message with a number."""

from actors.channel import Envelope, Publisher
from orderbook.messages import (
    BookChange,
    BookDiff,
    BookImage,
    BookSnapshot,
    BookStateChange,
    Trade,
    Untracked,
)
from orderbook.shared import SharedBook

Change = BookDiff | BookSnapshot | BookStateChange
"""What a pipeline says that it did with its book."""


class BookChannel:
    """Publishes the changes of one book, after they were made, under the book's own numbers.

    Nothing is encoded that nobody asked for.
    """

    def __init__(self, publisher: Publisher, pair: str, book: SharedBook) -> None:
        self._publisher = publisher
        self._pair = pair
        self._book = book
        self._trades = 0

    def emit(self, change: Change, received: int) -> None:
        """The book was changed by a diff, replaced by a snapshot, or has another state.

        ``received`` in ns.
        """
        self._publisher.notify_changed(self._pair)
        if not self._publisher.wants(self._pair, "book"):
            return
        if isinstance(change, BookStateChange):
            self._publish(change, received)
        elif isinstance(change, BookSnapshot):
            self._publish(self._image(is_change=True), received)
        else:
            self._publish(self._change(change), received)

    def _change(self, diff: BookDiff) -> BookChange:
        bid_bound, ask_bound = self._book.bounds
        return BookChange(
            diff.bids,
            diff.asks,
            bid_bound,
            ask_bound,
            diff.update_id,
            diff.time,
            self._book.state,
            diff.layout,
            diff.names,
        )

    def image(self) -> Envelope:
        """The book as it stands, under the number of its last change."""
        book = self._book
        received = book.receive_time
        image = self._image(is_change=False)
        return Envelope(self._pair, book.epoch, book.sequence, received, image)

    def trade(self, trade: Trade, received: int) -> None:
        """Trades have numbers of their own."""
        self._trades += 1
        self._publisher.publish(
            self._pair, trade, epoch=self._book.epoch, sequence=self._trades, time=received
        )

    def end(self) -> None:
        """This tracker does not track the pair any more."""
        self._publisher.publish(self._pair, Untracked(), epoch=self._book.epoch)

    def _image(self, is_change: bool) -> BookImage:
        book = self._book
        bid_bound, ask_bound = book.bounds
        return BookImage(
            book.bids.tobytes(),
            book.asks.tobytes(),
            bid_bound,
            ask_bound,
            book.update_id,
            book.venue_time,
            book.state,
            is_change,
        )

    def _publish(self, message: BookChange | BookImage | BookStateChange, received: int) -> None:
        book = self._book
        self._publisher.publish(
            self._pair, message, epoch=book.epoch, sequence=book.sequence, time=received
        )
