"""Kraken's frames: books and their checksums, orders one by one, trades, and an account's
executions."""

import json
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from exchanges.contract import Answer, ErrorKind, Fault, Moved, Ready, Reconnect
from exchanges.kraken import KRAKEN
from exchanges.orders import OrderState, OrderType, TradingRule
from orderbook.active_orders import ActiveOrderTracker
from orderbook.book import OrderBook
from orderbook.messages import BookDiff, LevelNames, OrderAction, OrdersSnapshot, Side, Trade

FRAMES = Path(__file__).parents[1] / "frames" / "kraken"
BOOK, LEVEL3 = ((FRAMES / name).read_bytes() for name in ("book.jsonl", "level3.jsonl"))
RULE = TradingRule(
    trading_pair="BTC-USD",
    symbol="BTC/USD",
    base="BTC",
    quote="USD",
    price_tick=D("0.1"),
    size_step=D("1e-8"),
)
TOKEN = Answer(200, {}, b'{"error":[],"result":{"token":"secret-token","expires":900}}')


def frame(**parts: Any) -> bytes:
    return json.dumps(parts).encode()


def opened(feed: Any) -> Any:
    """The feed after its opening calls."""
    steps = feed.handshake()
    call = next(steps)
    assert (call.request.method, call.request.path, call.request.signed) == (
        "POST",
        "/0/private/GetWebSocketsToken",
        True,
    )
    with pytest.raises(StopIteration) as end:
        steps.send(call.read(TOKEN))
    assert end.value.value == "/v2"
    return feed


@pytest.fixture
def feed() -> Any:
    return KRAKEN.book({"BTC/USD": RULE})


@pytest.fixture
def by_order() -> Any:
    return opened(KRAKEN.with_feed("level3").book({}))


@pytest.fixture
def user() -> Any:
    return opened(KRAKEN.user(KRAKEN.auth({"api_key": "k", "api_secret": "c2VjcmV0"}), {}))


def test_the_published_checksum_of_levels(feed: Any) -> None:
    [snapshot] = feed.parse(BOOK)
    assert snapshot.checksum == 3310070434
    assert (snapshot.symbol, snapshot.time) == ("BTC/USD", 1696613755440295000)
    book = OrderBook()
    book.apply_snapshot(snapshot)
    assert feed.checksum("BTC/USD", book.bids, book.asks) == 3310070434
    assert feed.checksum("BTC/USD", book.bids[:9], book.asks) != 3310070434


def test_only_ten_levels_are_checked_and_what_cant_be_isnt(feed: Any) -> None:
    [snapshot] = feed.parse(BOOK)
    book = OrderBook()
    book.apply_snapshot(snapshot)
    deeper = np.vstack((book.bids, [[45000.0, 1.0]]))
    assert feed.checksum("BTC/USD", deeper, book.asks) == 3310070434
    assert feed.checksum("ETH/USD", book.bids, book.asks) == -1
    assert feed.checksum("BTC/USD", np.array([[1.0, 1e9]]), book.asks) == -1
    assert feed.checksum("BTC/USD", np.empty((0, 2)), np.empty((0, 2))) == -1


def test_an_update_carries_levels_as_they_were_written(feed: Any) -> None:
    row = b'{"symbol":"BTC/USD","bids":[{"price":45283.5,"qty":0.10000000}],"asks":[],"checksum":7,'
    row += b'"timestamp":"2023-10-06T17:35:55.5Z"}'
    [diff] = feed.parse(b'{"channel":"book","type":"update","data":[' + row + b"]}")
    assert type(diff) is BookDiff
    assert (diff.bids, diff.asks, diff.checksum) == (
        b'[{"price":45283.5,"qty":0.10000000}]',
        b"[]",
        7,
    )
    assert (diff.first_id, diff.update_id) == (0, 0)
    assert diff.names == LevelNames(price="price", size="qty")


def test_trades_have_the_takers_side(feed: Any) -> None:
    row = (
        b'{"symbol":"BTC/USD","side":"buy","price":105944.20,"qty":0.00027625,"ord_type":"limit",'
        b'"trade_id":10218208,"timestamp":"2023-10-06T17:35:55.440295Z"}'
    )
    [trade] = feed.parse(b'{"channel":"trade","type":"update","data":[' + row + b"]}")
    assert trade == Trade(
        "BTC/USD", "10218208", Side.BUY, 105944.2, 0.00027625, 1696613755440295000
    )


def test_subscriptions(feed: Any) -> None:
    book = {"channel": "book", "symbol": ["BTC/USD"], "depth": 500}
    trade = {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": False}
    assert [*feed.subscribe(["BTC/USD"])] == [
        {"method": "subscribe", "params": p} for p in (book, trade)
    ]
    assert [*feed.subscribe(["BTC/USD"], on=False)] == [
        {"method": "unsubscribe", "params": p} for p in (book, trade)
    ]
    assert [*feed.request_snapshot(["BTC/USD"])] == [
        {"method": m, "params": book} for m in ("unsubscribe", "subscribe")
    ]


def test_what_needs_no_answer(feed: Any) -> None:
    for said in (
        {"channel": "heartbeat"},
        {"channel": "status", "type": "update", "data": [{"system": "online"}]},
        {
            "method": "subscribe",
            "success": True,
            "result": {"channel": "book", "symbol": "BTC/USD"},
        },
    ):
        assert [*feed.parse(frame(**said))] == []
    with pytest.raises(ValueError, match="no known form"):
        feed.parse(frame(what_is="this"))


def test_refusals(feed: Any) -> None:
    said = {
        "method": "subscribe",
        "success": False,
        "symbol": "X",
        "error": "Currency pair not supported X",
    }
    [fault] = feed.parse(frame(**said))
    assert type(fault) is Fault
    assert fault.kind is ErrorKind.UNKNOWN
    [control] = feed.parse(
        frame(method="subscribe", success=False, error="ESession:Invalid session")
    )
    assert control == Reconnect("ESession:Invalid session")


def test_the_published_checksum_of_orders(by_order: Any) -> None:
    [snapshot] = by_order.parse(LEVEL3)
    assert type(snapshot) is OrdersSnapshot
    assert snapshot.checksum == 1063832831
    tracker = ActiveOrderTracker(by_order.depth)
    tracker.snapshot(snapshot)
    bids = sorted(tracker.active_bids, reverse=True)
    asks = sorted(tracker.active_asks)
    assert (len(bids), len(asks)) == (10, 10)
    texts = tracker.texts(Side.BUY, bids), tracker.texts(Side.SELL, asks)
    assert by_order.orders_checksum("MATIC/USD", *texts) == 1063832831


def test_level3_has_its_own_host_and_needs_a_token(by_order: Any) -> None:
    assert KRAKEN.with_feed("level3").hosts.public == "wss://ws-l3.kraken.com"
    assert KRAKEN.hosts.public == "wss://ws.kraken.com"
    book, trade = by_order.subscribe(["BTC/USD"])
    assert book["params"] == {
        "channel": "level3",
        "symbol": ["BTC/USD"],
        "depth": 100,
        "token": "secret-token",
    }
    assert trade["params"]["channel"] == "trade"


def test_events_of_one_message_belong_together(by_order: Any) -> None:
    rows = (
        b'{"event":"delete","order_id":"A","limit_price":0.5629,"order_qty":0,'
        b'"timestamp":"2023-10-06T17:35:00Z"},'
        b'{"event":"modify","order_id":"B","limit_price":0.5630,"order_qty":1.50000000,'
        b'"timestamp":"2023-10-06T17:35:00Z"}'
    )
    ask = (
        b'{"event":"add","order_id":"C","limit_price":0.6,"order_qty":111.56125344,'
        b'"timestamp":"2023-10-06T17:35:00Z"}'
    )
    data = (
        b'{"symbol":"M/USD","checksum":5,"bids":['
        + rows
        + b'],"asks":['
        + ask
        + b'],"timestamp":"2023-10-06T17:35:00Z"}'
    )
    events = by_order.parse(b'{"channel":"level3","type":"update","data":[' + data + b"]}")
    assert [event.action for event in events] == [
        OrderAction.DONE,
        OrderAction.CHANGE,
        OrderAction.OPEN,
    ]
    assert [(event.more, event.checksum) for event in events] == [
        (True, -1),
        (True, -1),
        (False, 5),
    ]
    assert (events[1].text, events[1].price, events[1].side) == ("5630150000000", 0.563, "buy")
    assert (events[2].text, events[2].size, events[2].side) == (
        "611156125344",
        111.56125344,
        "sell",
    )


def execution(**row: Any) -> bytes:
    sequence = row.pop("sequence", 1)
    data = [{"timestamp": "2023-09-22T10:33:05.709950Z", **row}]
    return frame(channel="executions", type="update", data=data, sequence=sequence)


OPEN = {
    "order_id": "OK4GJX-KSTLS-7DZZO5",
    "cl_ord_id": "mine",
    "symbol": "BTC/USD",
    "side": "sell",
    "order_type": "limit",
    "limit_price": 26500.4,
    "order_qty": 0.005,
    "exec_type": "new",
    "order_status": "new",
}


def test_the_private_stream_opens(user: Any) -> None:
    [login] = user.login(0.0)
    assert login["params"] == {
        "channel": "executions",
        "snap_orders": True,
        "snap_trades": False,
        "token": "secret-token",
    }
    assert [
        *user.parse(frame(method="subscribe", success=True, result={"channel": "executions"}))
    ] == [Ready()]
    assert [*user.parse(frame(channel="heartbeat"))] == []
    assert [
        *user.parse(frame(method="subscribe", success=False, error="ESession:Invalid session"))
    ] == [Reconnect("ESession:Invalid session")]


def test_sparse_events_are_completed(user: Any) -> None:
    [update] = user.parse(execution(**OPEN))
    assert (update.state, update.amount, update.price) == (
        OrderState.OPEN,
        D("0.005"),
        D("26500.4"),
    )
    news = {
        "order_id": OPEN["order_id"],
        "exec_type": "canceled",
        "order_status": "canceled",
        "reason": "User requested",
    }
    [update] = user.parse(execution(sequence=2, **news))
    assert (update.state, update.symbol, update.client_order_id) == (
        OrderState.CANCELLED,
        "BTC/USD",
        "mine",
    )
    assert (update.side, update.reason, update.type) == (
        Side.SELL,
        "User requested",
        OrderType.LIMIT,
    )


def test_a_trade_is_an_update_and_a_fill(user: Any) -> None:
    list(user.parse(execution(**OPEN)))
    trade = {
        "order_id": OPEN["order_id"],
        "exec_id": "TEXEC1-AAAAA-BBBBBB",
        "exec_type": "trade",
        "order_status": "filled",
        "trade_id": 365573,
        "last_qty": 0.005,
        "last_price": 26500.4,
        "cum_qty": 0.005,
        "cum_cost": 132.502,
        "liquidity_ind": "m",
        "fees": [{"asset": "USD", "qty": 0.3}],
    }
    update, fill = user.parse(execution(sequence=2, **trade))
    assert (update.state, update.filled, update.quote_filled) == (
        OrderState.FILLED,
        D("0.005"),
        D("132.502"),
    )
    assert (fill.trade_id, fill.amount, fill.price, fill.fee, fill.fee_asset) == (
        "TEXEC1-AAAAA-BBBBBB",
        D("0.005"),
        D("26500.4"),
        D("0.3"),
        "USD",
    )
    assert (fill.is_maker, fill.side, fill.client_order_id) == (True, Side.SELL, "mine")
    filled = {"order_id": OPEN["order_id"], "exec_type": "filled", "order_status": "filled"}
    [update] = user.parse(execution(sequence=3, **filled))
    assert (update.state, update.filled) == (OrderState.FILLED, D("0.005"))


def test_a_gap_in_the_sequence_reconnects_and_a_repetition_is_nothing(user: Any) -> None:
    assert len([*user.parse(execution(sequence=7, **OPEN))]) == 1
    assert [*user.parse(execution(sequence=7, **OPEN))] == []
    [control] = user.parse(execution(sequence=9, **OPEN))
    assert control == Reconnect("executions 8 to 8 are missing")


def test_a_sparse_event_of_an_unknown_order_raises(user: Any) -> None:
    with pytest.raises(ValueError, match="order O is not known"):
        list(user.parse(execution(order_id="O", exec_type="canceled", order_status="canceled")))


def test_a_trade_that_names_no_fee_has_paid_none(user: Any) -> None:
    list(user.parse(execution(**OPEN)))
    trade = {
        "order_id": OPEN["order_id"],
        "exec_type": "trade",
        "order_status": "partially_filled",
        "last_qty": 0.001,
        "last_price": 26500.4,
        "liquidity_ind": "t",
    }
    fee = {"asset": "USD", "qty": 0.138}
    _, first = user.parse(execution(sequence=2, exec_id="TA", fees=[fee], **trade))
    _, second = user.parse(execution(sequence=3, exec_id="TB", **trade))
    assert (first.fee, first.fee_asset) == (D("0.138"), "USD")
    assert (second.fee, second.fee_asset, second.trade_id) == (0, "", "TB")


def executions(*rows: dict[str, Any]) -> bytes:
    data = [{"timestamp": "2023-09-22T10:33:05.709950Z", **row} for row in rows]
    return frame(channel="executions", type="update", data=data, sequence=1)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (
            {"order_id": "O", "exec_type": "canceled", "order_status": "canceled"},
            "$.data[1]: ValueError: order O is not known: Missing required argument 'symbol'",
        ),
        (OPEN | {"order_id": None}, "$.data[1].order_id: Expected `str`, got `null`"),
        (OPEN | {"side": "both"}, "$.data[1].side: Invalid enum value 'both'"),
        (OPEN | {"cum_qty": []}, "$.data[1].cum_qty: Expected `decimal`, got `array`"),
        (
            OPEN | {"exec_type": "trade", "exec_id": None},
            "$.data[1].exec_id: Expected `str`, got `null`",
        ),
        (OPEN | {"exec_type": "trade"}, "$.data[1]: ValueError: a trade of OK4GJX-KSTLS-7DZZO5"),
    ],
)
def test_an_event_that_cannot_be_read_hides_no_other(
    user: Any, row: dict[str, Any], why: str
) -> None:
    other = OPEN | {"order_id": "OTHER", "new_field": {"a": [None]}}
    first, second, fault = user.parse(executions(OPEN, row, other))
    assert (first.exchange_order_id, second.exchange_order_id) == (OPEN["order_id"], "OTHER")
    assert fault.kind is ErrorKind.UNREADABLE
    assert fault.message.startswith(why)
    assert b'"timestamp"' in fault.frame


def test_an_unknown_status_is_told_as_such(user: Any) -> None:
    [update] = user.parse(execution(**OPEN | {"order_status": "amending"}))
    assert (update.state, update.reason) == (None, "the status 'amending' is unknown here")
    [update] = user.parse(
        execution(sequence=2, order_id=OPEN["order_id"], exec_type="new", order_status="new")
    )
    assert (update.state, update.reason) == (OrderState.OPEN, "")


def test_private_channels_that_are_new_are_passed_over(user: Any) -> None:
    for said in (b'{"channel":"instrument","data":{"pairs":[]}}', b'{"channel":"new"}'):
        assert [*user.parse(said)] == []


def test_changes_of_the_ticker_say_that_a_pair_moved(feed: Any) -> None:
    row = {"symbol": "BTC/USD", "bid": 1, "ask": 2}
    assert [*feed.parse(frame(channel="ticker", type="snapshot", data=[row]))] == []
    moved = [*feed.parse(frame(channel="ticker", type="update", data=[row]))]
    assert moved == [Moved("BTC/USD")]
    (sign,) = feed.subscribe_signs(["BTC/USD"])
    assert sign["params"] == {"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": "bbo"}


def test_a_trade_that_cannot_be_read_hides_no_other(feed: Any) -> None:
    row = {
        "symbol": "BTC/USD",
        "side": "buy",
        "price": 1.5,
        "qty": 2,
        "trade_id": 7,
        "timestamp": "2023-10-06T17:35:55.440295Z",
    }
    rows = [row, row | {"side": "both"}, row | {"trade_id": 8, "new_field": 1}]
    first, second, fault = feed.parse(frame(channel="trade", type="update", data=rows))
    assert (first.trade_id, second.trade_id) == ("7", "8")
    assert fault.message == "$.data[1].side: Invalid enum value 'both'"
    for name in row:
        short = {key: value for key, value in row.items() if key != name}
        _, fault = feed.parse(frame(channel="trade", type="update", data=[short, row]))
        assert fault.message == f"$.data[0]: Object missing required field `{name}`"


@pytest.mark.parametrize(
    "changes",
    [{"event": "new"}, {"order_id": None}, {"limit_price": None}, {"order_qty": "much"}],
)
def test_an_order_of_the_book_that_cannot_be_read_is_an_error(
    by_order: Any, changes: dict[str, Any]
) -> None:
    def told(row: dict[str, Any]) -> bytes:
        data = {"symbol": "M/USD", "checksum": 5, "bids": [row], "asks": []}
        return frame(channel="level3", type="update", data=[data])

    row = {"event": "add", "order_id": "A", "limit_price": 0.5, "order_qty": 1}
    assert len(by_order.parse(told(row))) == 1
    with pytest.raises(ValueError, match=r"event|order_id|could not convert"):
        by_order.parse(told(row | changes))


def test_a_malformed_frame_raises(feed: Any) -> None:
    with pytest.raises(msgspec.DecodeError):
        feed.parse(b'{"channel":"book","data":[{"symbol"')
