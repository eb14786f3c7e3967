"""Windows of a book channel: whole, and what changed since the last frame."""

from decimal import Decimal as D

from trochil.sandbox.book_windows import BookLevel
from trochil.sandbox.dialects import coinbase
from trochil.sandbox.market.faults import Faults
from trochil.sandbox.market.flow import LEVELS
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.venue import Symbol
from trochil.sandbox.server import Server

PAIR = "BTC-USDT"


def server_of_whole_books() -> Server:
    symbol = Symbol("BTC", "USDT", D("0.01"), D("0.00001"))
    return Server(coinbase.Dialect, {PAIR: symbol}, rate=0, faults=Faults())


def rest(server: Server, price: str) -> Order:
    """A bid of the liquidity provider's, of 1."""
    return server.venue.place(
        server.liquidity_provider, PAIR, "buy", "limit", D(1), D(price), server.now_ns()
    )


def test_a_channels_first_frame_is_the_whole_window() -> None:
    server = server_of_whole_books()
    rest(server, "100")
    last_id = server.book(PAIR).update_id
    touched = ([BookLevel(D(100), D(1))], list[BookLevel]())
    window = server.dialect.books.update(PAIR, last_id, 0, touched)  # type: ignore[attr-defined]
    assert (window.is_snapshot, window.previous_id) == (True, 0)
    assert (len(window.bids), len(window.asks)) == (LEVELS + 1, LEVELS)


def test_the_next_frame_is_what_changed() -> None:
    server = server_of_whole_books()
    books = server.dialect.books  # type: ignore[attr-defined]
    first = books.update(PAIR, server.book(PAIR).update_id)
    rest(server, "100")
    touched = ([BookLevel(D(100), D(1))], list[BookLevel]())
    window = books.update(PAIR, server.book(PAIR).update_id, 0, touched)
    assert (window.is_snapshot, window.previous_id) == (False, first.last_id)
    assert (window.bids, window.asks) == touched
