"""Kraken spot: requests as its documentation wants them, frames and answers as it writes them."""

import json
from decimal import Decimal as D
from typing import Any

import pytest

from exchanges.contract import Answer, ErrorKind, FillCursor, UnsignedRequest
from exchanges.kraken import KRAKEN
from exchanges.orders import (
    Balance,
    Fee,
    InFlightOrder,
    OrderState,
    OrderType,
    TimeInForce,
    symbols_by_alias,
)
from orderbook.errors import AuthenticationError, NotFound
from orderbook.messages import Side

PAIRS = {
    "XXBTZUSD": {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "base": "XXBT",
        "quote": "ZUSD",
        "pair_decimals": 1,
        "lot_decimals": 8,
        "tick_size": "0.1",
        "ordermin": "0.00005",
        "costmin": "0.5",
        "status": "online",
    },
    "XDGUSD": {
        "altname": "XDGUSD",
        "wsname": "XDG/USD",
        "base": "XXDG",
        "quote": "ZUSD",
        "pair_decimals": 7,
        "lot_decimals": 8,
        "tick_size": "0.000001",
        "ordermin": "13",
        "costmin": "0.5",
        "status": "cancel_only",
    },
}
ASSETS = {
    "XXBT": {"altname": "XBT"},
    "ZUSD": {"altname": "USD"},
    "XXDG": {"altname": "XDG"},
    "XZ.F": {"altname": "XZ.F"},
}
ORDER_ROW = {
    "refid": None,
    "userref": 0,
    "cl_ord_id": "mine",
    "status": "open",
    "opentm": 1688666559.8974,
    "descr": {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "price": "30010.0",
        "price2": "0",
        "leverage": "none",
        "order": "buy 1.25000000 XBTUSD @ limit 30010.0",
        "close": "",
    },
    "vol": "1.25000000",
    "vol_exec": "0.37500000",
    "cost": "11253.7",
    "fee": "0.00000",
    "price": "30009.8",
    "oflags": "fciq",
}
TRADE_ROW = {
    "ordertxid": "OQCLML-BW3P3-BUCMWZ",
    "pair": "XXBTZUSD",
    "time": 1688667796.8802,
    "type": "buy",
    "ordertype": "limit",
    "price": "30010.00000",
    "cost": "600.20000",
    "fee": "0.96032",
    "vol": "0.02000000",
    "margin": "0.00000",
    "trade_id": 40274859,
    "maker": True,
}


def answer(result: Any, *errors: str, status: int = 200) -> Answer:
    return Answer(status, {}, json.dumps({"error": errors, "result": result}).encode())


@pytest.fixture
def entry() -> Any:
    rules = KRAKEN.book({}, "").trading_rules().read(answer(PAIRS))
    found = KRAKEN.orders({rule.trading_pair: rule for rule in rules})
    steps = found.handshake()
    call = next(steps)
    with pytest.raises(StopIteration):
        steps.send(call.read(answer(ASSETS)))
    return found


def order(**changes: Any) -> InFlightOrder:
    terms = {
        "client_order_id": "mine",
        "trading_pair": "BTC-USD",
        "symbol": "BTC/USD",
        "side": Side.BUY,
    }
    return InFlightOrder(**{**terms, "amount": D("1.25"), "price": D("37500"), **changes})


def test_rules_have_modern_names_and_the_digits_of_checksums() -> None:
    bitcoin, doge = KRAKEN.book({}, "").trading_rules().read(answer(PAIRS))
    assert (bitcoin.symbol, bitcoin.trading_pair, bitcoin.active) == ("BTC/USD", "BTC-USD", True)
    assert (bitcoin.price_tick, bitcoin.size_step) == (D("0.1"), D("0.00000001"))
    assert (bitcoin.min_size, bitcoin.min_notional) == (D("0.00005"), D("0.5"))
    assert (doge.symbol, doge.active, str(doge.price_tick)) == ("DOGE/USD", False, "0.0000010")
    assert symbols_by_alias([bitcoin]) == {"XBTUSD": "BTC/USD", "XXBTZUSD": "BTC/USD"}


def test_a_pair_without_websocket_name_goes_by_its_codes() -> None:
    row = {
        name: value
        for name, value in PAIRS["XXBTZUSD"].items()
        if name not in ("wsname", "costmin")
    }
    [rule] = KRAKEN.book({}, "").trading_rules().read(answer({"XXBTZUSD.d": row}))
    assert (rule.symbol, rule.min_notional) == ("XXBT/ZUSD", 0)


def test_tickers_come_by_rest_names() -> None:
    feed = KRAKEN.book({}, "")
    feed = KRAKEN.book({rule.symbol: rule for rule in feed.trading_rules().read(answer(PAIRS))})
    row = {"c": ["30300.10000", "0.1"], "v": ["2.0", "4.0"], "p": ["30200.0", "30000.0"]}
    assert feed.markets().request.path == "/0/public/Ticker"
    known, other = feed.markets().read(answer({"XXBTZUSD": row, "NEWUSD": row}))
    assert (known.symbol, known.last_price, known.base_volume) == ("BTC/USD", D("30300.1"), 4)
    assert (known.quote_volume, other.symbol) == (120000, "NEWUSD")


def test_nonces_grow_though_the_clock_stands() -> None:
    auth = KRAKEN.auth({"api_key": "k", "api_secret": "c2VjcmV0"})
    ask = UnsignedRequest("POST", "https://api.kraken.com/0/private/BalanceEx", {}, {"a": "b c"})
    bodies = [auth.sign(ask, 1700000000.0)["body"].decode() for _ in range(2)]
    assert bodies == ["nonce=1700000000000000&a=b%20c", "nonce=1700000000000001&a=b%20c"]
    assert auth.sign(ask, 1.0)["headers"]["Content-Type"] == "application/x-www-form-urlencoded"
    with pytest.raises(AuthenticationError, match="api_secret"):
        KRAKEN.auth({"api_key": "k"})


def test_a_limit_order_is_placed_with_fees_in_quote(entry: Any) -> None:
    call = entry.place(order(tif=TimeInForce.IOC))
    request = call.request
    assert (request.method, request.path, request.signed, request.is_mutating) == (
        "POST",
        "/0/private/AddOrder",
        True,
        True,
    )
    terms = {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "volume": "1.25",
        "cl_ord_id": "mine",
    }
    assert request.body == {**terms, "oflags": "fciq", "price": "37500", "timeinforce": "IOC"}
    update = call.read(answer({"descr": {"order": "buy"}, "txid": ["OUF4EM-FRGI2-MQMWZD"]}))
    assert (update.symbol, update.state, update.client_order_id) == (
        "BTC/USD",
        OrderState.OPEN,
        "mine",
    )
    assert update.exchange_order_id == "OUF4EM-FRGI2-MQMWZD"


def test_market_and_post_only_orders(entry: Any) -> None:
    market = entry.place(order(type=OrderType.MARKET, price=None)).request.body
    assert not {"price", "timeinforce"} & set(market)
    assert market["ordertype"] == "market"
    assert entry.place(order(post_only=True)).request.body["oflags"] == "post,fciq"


def test_cancel_names_the_venues_id_where_it_is_known(entry: Any) -> None:
    assert entry.cancel(order()).request.body == {"cl_ord_id": "mine"}
    call = entry.cancel(order(exchange_order_id="OX"))
    assert (call.request.body, call.request.path) == ({"txid": "OX"}, "/0/private/CancelOrder")
    assert call.read(answer({"count": 1})) is None


def test_status_by_the_venues_id(entry: Any) -> None:
    call = entry.status(order(exchange_order_id="OX"))
    assert (call.request.path, call.request.body, call.request.is_mutating) == (
        "/0/private/QueryOrders",
        {"txid": "OX"},
        False,
    )
    assert call.request.cost == {"counter": 1}
    update = call.read(answer({"OX": ORDER_ROW}))
    assert (update.symbol, update.state, update.exchange_order_id) == (
        "BTC/USD",
        OrderState.OPEN,
        "OX",
    )
    assert (update.filled, update.quote_filled, update.amount) == (
        D("0.375"),
        D("11253.7"),
        D("1.25"),
    )
    assert (update.price, update.type, update.side) == (30010, OrderType.LIMIT, Side.BUY)
    assert (update.client_order_id, update.time // 1_000_000) == ("mine", 1688666559897)


def test_status_by_our_id_looks_among_the_open_then_the_closed(entry: Any) -> None:
    call = entry.status(order())
    assert (call.request.path, call.otherwise.request.path) == (
        "/0/private/OpenOrders",
        "/0/private/ClosedOrders",
    )
    assert call.request.body == call.otherwise.request.body == {"cl_ord_id": "mine"}
    with pytest.raises(NotFound):
        call.read(answer({"open": {}}))
    closed = ORDER_ROW | {"status": "canceled", "reason": "User requested", "closetm": 1688666600.5}
    update = call.otherwise.read(answer({"closed": {"OX": closed}, "count": 1}))
    assert (update.state, update.reason, update.time) == (
        OrderState.CANCELLED,
        "User requested",
        1688666600500000000,
    )
    with pytest.raises(NotFound):
        call.otherwise.read(answer({"closed": {}, "count": 0}))


def test_open_orders_of_pairs_that_are_not_listed_keep_their_name(entry: Any) -> None:
    other = {**ORDER_ROW, "cl_ord_id": None, "descr": {**ORDER_ROW["descr"], "pair": "ODDUSD"}}
    ours, odd = entry.open_orders().read(answer({"open": {"OX": ORDER_ROW, "OY": other}}))
    assert (ours.symbol, odd.symbol, odd.client_order_id) == ("BTC/USD", "ODDUSD", "")


def test_fills_come_page_by_page_of_all_pairs(entry: Any) -> None:
    call = entry.fills("BTC-USD", FillCursor(time=1688667700 * 10**9))
    terms = {"start": "1688667700", "ofs": "0", "consolidate_taker": "false"}
    assert (call.request.body, call.request.cost) == (terms, {"counter": 2})
    page = call.read(
        answer({"trades": {"T1": TRADE_ROW, "T2": TRADE_ROW | {"pair": "XDGUSD"}}, "count": 2})
    )
    [fill] = page.items
    assert (fill.symbol, fill.trade_id, fill.exchange_order_id) == (
        "BTC/USD",
        "T1",
        "OQCLML-BW3P3-BUCMWZ",
    )
    assert (fill.price, fill.amount, fill.fee, fill.fee_asset) == (
        30010,
        D("0.02"),
        D("0.96032"),
        "USD",
    )
    assert (fill.is_maker, fill.side, fill.time // 1000, page.next) == (
        True,
        Side.BUY,
        1688667796880200,
        "",
    )
    full = call.read(answer({"trades": {f"T{n}": TRADE_ROW for n in range(50)}, "count": 70}))
    after = entry.fills("BTC-USD", FillCursor(trade_id="T0", page=full.next)).request.body
    assert (full.next, after["ofs"], after["start"]) == ("50", "50", "T0")


def test_balances_have_modern_names(entry: Any) -> None:
    call = entry.balances()
    rows = {
        "ZUSD": {"balance": "25435.21", "hold_trade": "8249.76"},
        "XXBT": {"balance": "1.2", "hold_trade": "0"},
    }
    found = call.read(answer({**rows, "NEW": {"balance": "1", "hold_trade": "0"}}))
    assert found == [
        Balance("USD", D("25435.21"), D("17185.45")),
        Balance("BTC", D("1.2"), D("1.2")),
        Balance("NEW", D(1), D(1)),
    ]


def test_holdings_that_earn_rewards_count_as_the_asset_and_staked_ones_do_not(entry: Any) -> None:
    def held(balance: str | None, hold: str = "0") -> dict[str, str | None]:
        return {"balance": balance, "hold_trade": hold}

    rows = {
        "XBT.F": held("0.0016"),
        "ETH.F": held("0.03"),
        "XXBT": held("0.0004", "0.0001"),
        "ETH.S": held("5"),
    }
    assert entry.balances().read(answer(rows)) == [
        Balance("BTC", D("0.0020"), D("0.0019")),
        Balance("ETH", D("0.03"), D("0.03")),
        Balance("ETH.S", D(5), D(5)),
    ]
    partly = entry.balances().read(answer(rows | {"XXBT": held(None)}))
    assert [balance.asset for balance in partly] == ["ETH", "ETH.S"]
    assert [bad.path for bad in partly.bad] == ["$.result.XXBT.balance"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"vol_exec": None}, ".vol_exec: Expected `decimal`, got `null`"),
        ({"cost": []}, ".cost: Expected `decimal`, got `array`"),
        ({"descr": ORDER_ROW["descr"] | {"type": "hold"}}, ".descr.type: Invalid enum value"),
        ({"opentm": ...}, ": Object missing required field `opentm`"),
        ({"status": ...}, ": Object missing required field `status`"),
        ({"vol": "nan"}, ": ValueError: order OY: NaN is not a finite number"),
    ],
)
def test_an_order_that_cannot_be_read_hides_no_other(
    entry: Any, changes: dict[str, Any], why: str
) -> None:
    changed = ORDER_ROW | changes
    bad_row = {name: value for name, value in changed.items() if value is not ...}
    rows = {"OX": ORDER_ROW, "OY": bad_row, "OZ": ORDER_ROW | {"new_field": [None]}}
    updates = entry.open_orders().read(answer({"open": rows}))
    assert [update.exchange_order_id for update in updates] == ["OX", "OZ"]
    assert [str(bad)[: 16 + len(why)] for bad in updates.bad] == [f"$.result.open.OY{why}"]
    with pytest.raises(ValueError, match="OY"):
        entry.status(order(exchange_order_id="OY")).read(answer({"OY": bad_row}))


def test_an_order_of_an_unknown_state_hides_no_other(entry: Any) -> None:
    rows = {"OX": ORDER_ROW, "OY": ORDER_ROW | {"status": "amending"}}
    updates = entry.open_orders().read(answer({"open": rows}))
    assert [update.state for update in updates] == [OrderState.OPEN, None]
    assert (updates[1].reason, updates.is_complete) == (
        "the status 'amending' is unknown here",
        True,
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ordertxid": None}, ".ordertxid: Expected `str`, got `null`"),
        ({"price": {}}, ".price: Expected `decimal`, got `object`"),
        ({"fee": "nan"}, ": ValueError: trade T2: NaN is not a finite number"),
    ],
)
def test_a_fill_that_cannot_be_read_hides_no_other(
    entry: Any, changes: dict[str, Any], why: str
) -> None:
    rows = {"T1": TRADE_ROW, "T2": TRADE_ROW | changes, "T3": TRADE_ROW | {"pair": "XDGUSD"}}
    page = entry.fills("BTC-USD", FillCursor()).read(answer({"trades": rows, "count": 3}))
    assert [fill.trade_id for fill in page.items] == ["T1"]
    assert [str(bad)[: 18 + len(why)] for bad in page.items.bad] == [f"$.result.trades.T2{why}"]


def test_a_page_is_full_by_all_its_rows(entry: Any) -> None:
    rows = {f"T{n}": TRADE_ROW | {"pair": "XDGUSD"} for n in range(49)}
    call = entry.fills("BTC-USD", FillCursor())
    full = call.read(answer({"trades": rows | {"T": TRADE_ROW | {"price": None}}, "count": 70}))
    assert (full.items, full.next) == ([], "50")
    assert call.read(answer({"trades": rows, "count": 49})).next == ""


def test_a_placed_order_has_an_id(entry: Any) -> None:
    for txid in (None, [], [None]):
        with pytest.raises(ValueError, match="txid"):
            entry.place(order()).read(answer({"descr": {}, "txid": txid}))


def test_fees_are_percent(entry: Any) -> None:
    call = entry.fees("BTC-USD")
    assert call.request.body == {"pair": "XBTUSD"}
    result = {
        "fees": {"XXBTZUSD": {"fee": "0.2600"}},
        "fees_maker": {"XXBTZUSD": {"fee": "0.1600"}},
    }
    assert call.read(answer(result)) == Fee(D("0.0016"), D("0.0026"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EOrder:Insufficient funds", ErrorKind.FUNDS),
        ("EOrder:Order minimum not met", ErrorKind.REFUSED),
        ("EOrder:Cost minimum not met", ErrorKind.REFUSED),
        ("EOrder:Post only order", ErrorKind.REFUSED),
        ("EOrder:Tick size check failed", ErrorKind.REFUSED),
        ("EGeneral:Invalid arguments:volume", ErrorKind.REFUSED),
        ("EQuery:Unknown asset pair", ErrorKind.REFUSED),
        ("EService:Market in post_only mode", ErrorKind.REFUSED),
        ("EOrder:Unknown order", ErrorKind.NOT_FOUND),
        ("EOrder:Duplicate cl_ord_id", ErrorKind.DUPLICATE),
        ("EAPI:Rate limit exceeded", ErrorKind.RATE),
        ("EOrder:Rate limit exceeded", ErrorKind.RATE),
        ("EAPI:Invalid nonce", ErrorKind.CLOCK),
        ("EAPI:Invalid key", ErrorKind.AUTH),
        ("EGeneral:Permission denied", ErrorKind.AUTH),
        ("EService:Unavailable", ErrorKind.UNKNOWN),
        ("EService:Busy", ErrorKind.UNKNOWN),
        ("EGeneral:Internal error", ErrorKind.UNKNOWN),
    ],
)
def test_errors(text: str, kind: ErrorKind) -> None:
    fault = KRAKEN.error(answer(None, "WGeneral:a warning", text))
    assert fault is not None
    assert (fault.kind, f"{fault.code}:{fault.message}") == (kind, text)


def test_what_is_no_answer_of_the_venue_is_unknown() -> None:
    assert KRAKEN.error(answer({})) is None
    assert KRAKEN.error(answer({}, "WOrder:a warning")) is None
    for found in (Answer(520, {}, b"<html>"), Answer(200, {}, b"<html>"), answer(None, status=503)):
        fault = KRAKEN.error(found)
        assert fault is not None
        assert fault.kind is ErrorKind.UNKNOWN


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'"EOrder:Unknown order"'])
def test_what_a_gateway_says_proves_nothing(body: bytes) -> None:
    faults = [KRAKEN.error(Answer(status, {}, body)) for status in (200, 403, 404, 429)]
    assert [fault.kind for fault in faults if fault is not None] == [
        ErrorKind.UNKNOWN,
        ErrorKind.UNKNOWN,
        ErrorKind.UNKNOWN,
        ErrorKind.RATE,
    ]


def test_client_ids_fit() -> None:
    assert len(KRAKEN.client_id(2**80 - 1)) <= 18
