"""The vocabulary of the books: what a venue's feed can say, in our words.

Levels travel as bytes and are scanned into numbers where the book lives, in one kernel. ``Layout``
says how to read them. Ids are int64, prices and sizes float64, times nanoseconds since 1970 (UTC).
"""

from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import NamedTuple

import msgspec

INFINITE = float("inf")
LARGEST = 1 << 63
"""The first integer that int64 doesn't have."""


def require_int64(number: int) -> None:
    """Raises ValueError for a number of more than 64 bits, which no message can carry."""
    if not -LARGEST <= number < LARGEST:
        raise ValueError(f"{number} needs more than 64 bits")


class BookState(IntEnum):
    """What a reader may believe. Only LIVE levels are the venue's."""

    SYNCING = 0
    LIVE = 1
    STALE = 2
    INVALID = 3

    def __str__(self) -> str:
        return self.name

    def __format__(self, spec: str) -> str:
        return format(self.name, spec)


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class Layout(IntEnum):
    """How the level bytes of a message are to be read."""

    JSON = 0
    """JSON rows ``[["price","size"], ...]``, or objects where a message has ``names``."""
    PACKED = 1
    """Little-endian float64 pairs, price then size."""
    SIDED = 2
    """JSON rows ``[["buy","price","size"], ...]`` of both sides, all in ``bids``; a bid's word
    starts with b."""


class LevelNames(NamedTuple):
    """Under which names rows that are objects have their price and size."""

    price: str
    size: str


class OrderBookRow(NamedTuple):
    """One level as float64s; ``update_id`` is the venue's id of the change that set it."""

    price: float
    amount: float
    update_id: int


class ClientOrderBookRow(NamedTuple):
    """One level at the client's border."""

    price: Decimal
    amount: Decimal
    update_id: int


class BookSnapshot(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=1, gc=False):
    """A whole book: it replaces what stood there. ``update_id`` 0: the venue numbers nothing."""

    symbol: str
    bids: bytes
    asks: bytes
    update_id: int = 0
    time: int = 0
    layout: Layout = Layout.JSON
    checksum: int = -1
    names: LevelNames | None = None
    """Rows are JSON objects, read by these names; None: arrays, as ``layout`` says."""


class BookDiff(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=2, gc=False):
    """Changed levels with absolute sizes; size 0 removes. Covers the venue's ids
    first_id..update_id.

    ``first_id`` is the previous id + 1 where the venue names the previous one. Both 0: no
    numbering, the connection's order is all there is.
    """

    symbol: str
    bids: bytes
    asks: bytes
    first_id: int = 0
    update_id: int = 0
    time: int = 0
    layout: Layout = Layout.JSON
    checksum: int = -1
    names: LevelNames | None = None
    """Rows are JSON objects, read by these names; None: arrays, as ``layout`` says."""


class Trade(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=3, gc=False):
    """A public trade; ``side`` is the taker's. ``time``: the venue's.

    Raises ValueError for numbers that no trade has: a price must be positive and finite, a size
    finite and not negative, a time in ns of 64 bits.
    """

    symbol: str
    trade_id: str
    side: Side
    price: float
    size: float
    time: int
    receive_time: int = 0

    @property
    def venue_time(self) -> int:
        return self.time

    def __post_init__(self) -> None:
        if not (0.0 < self.price < INFINITE and 0.0 <= self.size < INFINITE):
            raise ValueError(f"no trade has the price {self.price} and the size {self.size}")
        require_int64(self.time)


class OrderAction(IntEnum):
    OPEN = 0  # a resting order appears: price, size
    MATCH = 1  # a resting order shrinks by size
    CHANGE = 2  # a resting order has the new absolute size (and price, if not nan)
    DONE = 3  # a resting order leaves
    NOTHING = 4  # only its number counts


class OrderEvent(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=4, gc=False):
    """One event of an order-by-order (L3) feed. ``side`` may be empty where the order is known.

    ``text``: what the venue's checksum is made of for this order. ``checksum``: of the book after
    this event. ``more``: the next event belongs to the same change; the book is the venue's after
    the last of them only.
    """

    symbol: str
    action: OrderAction
    order_id: str
    side: str = ""
    price: float = 0.0
    size: float = 0.0
    first_id: int = 0
    update_id: int = 0
    time: int = 0
    text: str = ""
    checksum: int = -1
    more: bool = False


class RestingOrder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    order_id: str
    price: float
    size: float
    text: str = ""


class OrdersSnapshot(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=5):
    """Every resting order, best price first, queue order within a price."""

    symbol: str
    bids: list[RestingOrder]
    asks: list[RestingOrder]
    update_id: int = 0
    time: int = 0
    checksum: int = -1


class FeedInterrupted(
    msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=6, gc=False
):
    """The feed of this symbol broke here: what follows may not join what came before.

    ``snapshot_expected``: its next snapshot follows without being asked for.
    """

    symbol: str
    reason: str
    snapshot_expected: bool = False


class Pairs(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=7):
    """The pairs that a data source serves now; sent on subscribing, and whenever they change or the
    trading rules of one of them do."""

    trading_pairs: list[str]


OrderBookMessage = BookSnapshot | BookDiff | Trade | OrderEvent | OrdersSnapshot | FeedInterrupted
"""What a parser may say about a symbol's book."""
DataMessage = (
    BookSnapshot | BookDiff | Trade | OrderEvent | OrdersSnapshot | FeedInterrupted | Pairs
)
"""What a data source says to its tracker."""


class BookChange(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=20, gc=False):
    """One change of a tracked book, with its (epoch, sequence) in the envelope.

    Levels have absolute sizes, 0 removes. After them nothing stands beyond the bounds: the worst
    prices up to which the sides are known (0.0 and inf: wholly).
    """

    bids: bytes
    asks: bytes
    bid_bound: float
    ask_bound: float
    update_id: int
    venue_time: int
    state: BookState
    layout: Layout = Layout.JSON
    names: LevelNames | None = None


class BookImage(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=21, gc=False):
    """A tracked book as a whole, as it is after the change of its (epoch, sequence).

    ``bids`` and ``asks``: packed float64 pairs, best first. ``is_change``: the book was replaced by
    it, with a number of its own; else it repeats what stands there, for who joins or lost the
    thread.
    """

    bids: bytes
    asks: bytes
    bid_bound: float
    ask_bound: float
    update_id: int
    venue_time: int
    state: BookState
    is_change: bool = False


class BookStateChange(
    msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=22, gc=False
):
    """A tracked book's state became another; its levels stay."""

    state: BookState
    reason: str


class Untracked(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=23):
    """This tracker does not track the topic's pair any more; another may."""


BookMessage = BookChange | BookImage | BookStateChange | Untracked | Trade
"""What a tracker says about its books."""
