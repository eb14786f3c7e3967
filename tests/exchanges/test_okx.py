"""OKX spot: keys and feeds; requests as its documentation wants them, frames read as it writes
them."""

import json
from decimal import Decimal as D
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from exchanges.contract import MALFORMED, ErrorKind, Fault, Ready, Reconnect, Request, Send
from exchanges.okx import OKX
from exchanges.orders import Balance, MarketSummary, OrderState, OrderType, OrderUpdate
from orderbook.errors import AuthenticationError
from orderbook.messages import BookDiff, BookSnapshot, Side, Trade
from tests.support.okx_rows import FILL, INSTRUMENT, KEYS, RULE, answer, frames, replaced
from trochil.conformance.venue_harness import vectors_of


@pytest.fixture
def feed() -> Any:
    return OKX.book({}, OKX.book.streams[0])


@pytest.fixture
def user() -> Any:
    return OKX.user(OKX.auth(KEYS), {})


def path_of(steps: Any) -> Any:
    with pytest.raises(StopIteration) as end:
        next(steps)
    return end.value.value


# Signing.

URL = "https://www.okx.com/api/v5/account/balance"
NOW = 1607418537.715  # 2020-12-08T09:08:57.715Z


@pytest.mark.parametrize(
    "vector", json.loads(vectors_of(OKX).read_text()), ids=lambda v: v["source"][:20]
)
def test_requests_are_signed_as_in_the_vectors(vector: dict[str, Any]) -> None:
    auth = OKX.auth(vector["keys"])
    ready = auth.generate_auth_dict(
        vector["http_method"], vector["url"], vector.get("params", {}), None, now=vector["now"]
    )
    assert ready["headers"]["OK-ACCESS-SIGN"] == vector["expect"]


def test_the_query_is_signed_as_it_is_sent() -> None:
    # The published vector's key and time with a query; the signature is derived.
    ready = OKX.auth(KEYS).generate_auth_dict("GET", URL, {"ccy": "BTC"}, None, now=NOW)
    assert ready == {
        "url": f"{URL}?ccy=BTC",
        "headers": {
            "OK-ACCESS-KEY": "key",
            "OK-ACCESS-SIGN": "ebNz0sDoc3LoFm1hqjP8LDT0fnRlDERj5C+I4ZqB4Cw=",
            "OK-ACCESS-TIMESTAMP": "2020-12-08T09:08:57.715Z",
            "OK-ACCESS-PASSPHRASE": "phrase",
        },
        "body": b"",
    }


def test_a_body_is_signed_as_it_is_sent() -> None:
    auth = OKX.auth(KEYS)
    body = {"instId": "BTC-USDT", "sz": "1"}
    ready = auth.generate_auth_dict(
        "POST", "https://www.okx.com/api/v5/trade/order", {}, body, now=NOW
    )
    other = auth.generate_auth_dict(
        "POST", "https://www.okx.com/api/v5/trade/order", {}, {"sz": "1"}, now=NOW
    )
    assert json.loads(ready["body"]) == body
    assert ready["headers"]["OK-ACCESS-SIGN"] != other["headers"]["OK-ACCESS-SIGN"]


def test_the_login_is_signed_in_seconds(user: Any) -> None:
    # Derived from the published vector's secret.
    (frame,) = user.login(1538054050.9)
    sign = "ENpPNQ8mQv8YzDMPhBsB4SrjaKK+FaEh2nozTRW6KU0="
    arg = {"apiKey": "key", "passphrase": "phrase", "timestamp": "1538054050", "sign": sign}
    assert frame == {"op": "login", "args": [arg]}


def test_a_key_needs_all_three_fields_and_shows_none() -> None:
    with pytest.raises(AuthenticationError, match="passphrase"):
        OKX.auth({"api_key": "K", "api_secret": "S"})
    assert "chNOOS" not in repr(OKX.auth(KEYS))


# Public data.


def test_rules_are_read(feed: Any) -> None:
    call = feed.trading_rules()
    assert call.request == Request(
        "GET", "/api/v5/public/instruments", {"instType": "SPOT"}, cost={"public": 1}
    )
    assert call.read(answer([INSTRUMENT])) == [RULE]


@pytest.mark.parametrize("state", ["suspend", "preopen", "test"])
def test_a_pair_that_does_not_trade_is_inactive_and_may_lack_its_steps(
    feed: Any, state: str
) -> None:
    empty = dict.fromkeys(("tickSz", "lotSz", "minSz", "maxLmtSz"), "")
    (rule,) = feed.trading_rules().read(answer([INSTRUMENT | {"state": state} | empty]))
    assert (rule.active, rule.price_tick, rule.size_step, rule.min_size, rule.max_size) == (
        False,
        0,
        0,
        0,
        None,
    )


def test_volumes_are_read_and_a_pair_without_a_price_has_none(feed: Any) -> None:
    row = {"instId": "BTC-USDT", "last": "2", "vol24h": "3", "volCcy24h": "6"}
    call = feed.markets()
    assert call.request == Request(
        "GET", "/api/v5/market/tickers", {"instType": "SPOT"}, cost={"public": 1}
    )
    first, second = call.read(answer([row, row | {"last": ""}]))
    assert first == MarketSummary("BTC-USDT", D(2), D(3), D(6))
    assert second.last_price == 0


def test_a_snapshot_by_rest_has_the_streams_ids(feed: Any) -> None:
    call = feed.snapshot("BTC-USDT")
    query = {"instId": "BTC-USDT", "sz": "400", "source": "0"}
    assert call.request == Request("GET", "/api/v5/market/books", query, cost={"books": 1})
    book = {
        "asks": [["2", "1", "0", "1"]],
        "bids": [["1", "3", "0", "1"]],
        "ts": "1629966436396",
        "seqId": 3235851742,
    }
    snapshot = call.read(answer([book]))
    assert (json.loads(snapshot.bids), json.loads(snapshot.asks)) == (book["bids"], book["asks"])
    assert (snapshot.symbol, snapshot.update_id) == ("BTC-USDT", 3235851742)


def test_the_clock_is_read() -> None:
    assert OKX.server_time is not None
    assert OKX.server_time.request.path == "/api/v5/public/time"
    assert OKX.server_time.read(answer([{"ts": "1597026383085"}])) == 1597026383.085


def test_the_streams_have_their_paths(feed: Any, user: Any) -> None:
    assert path_of(feed.handshake()) == "/ws/v5/public"
    assert path_of(user.handshake()) == "/ws/v5/private"
    assert (feed.depth, OKX.ping) == (400, "ping")


def test_subscriptions_name_books_and_trades(feed: Any) -> None:
    (frame,) = feed.subscribe(["A-B"])
    args = [{"channel": "books", "instId": "A-B"}, {"channel": "trades", "instId": "A-B"}]
    assert frame == {"op": "subscribe", "args": args}
    (frame,) = feed.subscribe(["A-B"], on=False)
    assert frame == {"op": "unsubscribe", "args": args}
    many = [frame["args"] for frame in feed.subscribe([f"S{n}-B" for n in range(300)])]
    assert [len(args) for args in many] == [500, 100]


def test_public_frames_are_read(feed: Any) -> None:
    said = [list(feed.parse(frame)) for frame in frames("public.jsonl")]
    asks = b'[["30249.4","0","0","0"],["30261","4","0","1"]]'
    first = 1652459285464_000_000
    second = 1652459285564_000_000
    assert said == [
        [],
        [
            BookSnapshot(
                "BTC-USDT",
                b'[["8476.97","256","0","12"]]',
                b'[["8476.98","415","0","13"]]',
                123456,
                1597026383085_000_000,
            )
        ],
        # Joined to the one before by its id; old recordings have checksums.
        [
            BookDiff(
                "BTC-USDT",
                b'[["30182.6","452","0","1"]]',
                asks,
                123457,
                123463,
                1652459225464_000_000,
                checksum=1054815633,
            )
        ],
        [BookDiff("BTC-USDT", b"[]", b"[]", 123464, 123463, first)],  # nothing changed for a minute
        [
            BookDiff("BTC-USDT", b'[["30182.6","0","0","0"]]', b"[]", 123464, 15, second)
        ],  # the ids start again
        [Trade("BTC-USDT", "338476374", Side.BUY, 30227.6, 1.03999912, 1652459235575_000_000)],
        [Trade("BTC-USDT", "338476377", Side.SELL, 30227.5, 0.5, 1652459235576_000_000)],
        [],
        [Reconnect("The connection will soon be closed")],
        [Fault(ErrorKind.REFUSED, "60018", "Wrong URL or channel")],
        [Fault(ErrorKind.UNKNOWN, "", "channel-conn-count-error")],
    ]


def test_a_recorded_checksum_is_that_of_its_levels(feed: Any) -> None:
    (snapshot,) = feed.parse(frames("checksum.jsonl")[0])
    bids, asks = (
        np.array(json.loads(side))[:, :2].astype(float) for side in (snapshot.bids, snapshot.asks)
    )
    assert feed.checksum("BTC-USD-220527", bids, asks) == snapshot.checksum == 1054815633


def test_checksums_are_signed_at_the_venue_and_none_where_they_are_0(feed: Any) -> None:
    frame = frames("checksum.jsonl")[0]
    for said, checksum in ((b"-1404728636", 2890238660), (b"0", -1)):
        (snapshot,) = feed.parse(frame.replace(b"1054815633", said))
        assert snapshot.checksum == checksum


def test_the_longer_side_goes_on_alone_in_a_checksum(feed: Any) -> None:
    bids = np.array([[2.0, 0.00000001], [1.0, 30.0]])
    asks = np.array([[3.5, 1e-7]])
    assert feed.checksum("A-B", bids, asks) == crc32(b"2:0.00000001:3.5:0.0000001:1:30")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"ping",
        b'{"what_is":"this"}',
        b'{"arg":{"channel":"books","instId":"A-B"},"action":"new","data":[]}',
        b'{"arg":{"channel":"books"},"action":"update","data":[{"asks":[],"bids":[],"ts":"1","seqId":1,"prevSeqId":0}]}',
        b'{"arg":{"channel":"books","instId":"A-B"},"action":"update","data":[{"asks":[],"bids":[],"ts":"1","seqId":2}]}',
        b'{"arg":{"channel":"trades","instId":"A-B"},"data":[{"instId":"A-B","tradeId":"1","px":"1","sz":"1","side":"?","ts":"1"}]}',
    ],
)
def test_a_malformed_frame_is_an_error(feed: Any, frame: bytes) -> None:
    with pytest.raises(MALFORMED):
        list(feed.parse(frame))


@pytest.mark.parametrize(
    "frame", [b"", b"[]", b"{}", b'{"arg":{"channel":"fills"},"data":[]}', b'{"event":"news"}']
)
def test_a_malformed_private_frame_is_an_error(user: Any, frame: bytes) -> None:
    with pytest.raises(MALFORMED):
        list(user.parse(frame))


def test_a_pong_says_nothing(feed: Any, user: Any) -> None:
    assert OKX.decode is not None
    assert OKX.decode(b"{}") == b"{}"
    pong = OKX.decode(b"pong")
    assert (list(feed.parse(pong)), list(user.parse(pong))) == ([], [])


# The account.


def update(number: int, **changes: Any) -> OrderUpdate:
    terms: dict[str, Any] = {
        "symbol": "BTC-USDT",
        "exchange_order_id": f"3122698653563740{number}",
        "side": Side.BUY,
    }
    return OrderUpdate(**{**terms, "type": OrderType.LIMIT, **changes})


def test_private_frames_are_read(user: Any) -> None:
    said = [list(user.parse(frame)) for frame in frames("private.jsonl")]
    subscribe = {
        "op": "subscribe",
        "args": [{"channel": "account"}, {"channel": "orders", "instType": "SPOT"}],
    }
    assert said[0] == [Send(subscribe)]
    terms = {"client_order_id": "mine", "amount": D("0.01"), "price": D(100)}
    bought: dict[str, Any] = {"side": Side.BUY, "fee_asset": "BTC"}
    part = {
        "price": D(99),
        "amount": D("0.004"),
        "fee": D("0.0000032"),
        "time": 1705449606020_000_000,
    }
    whole = {
        "price": D(100),
        "fee": D("-0.0001"),
        "time": 1705449608000_000_000,
        "client_order_id": "",
    }
    assert said[1:] == [
        [],
        [],
        [Ready()],
        [
            Balance("USDT", D("100.5"), D("80.25"), 1705449605015_000_000),
            Balance("BTC", D(0), D(0), 0),
        ],
        [
            update(
                16,
                state=OrderState.OPEN,
                filled=D(0),
                quote_filled=D(0),
                time=1705449605015_000_000,
                **terms,
            )
        ],
        [
            update(
                16,
                state=OrderState.PARTIALLY_FILLED,
                filled=D("0.006"),
                quote_filled=D("0.597"),
                time=1705449606021_000_000,
                **terms,
            ),
            replaced(
                FILL,
                trade_id="1167",
                exchange_order_id="312269865356374016",
                is_maker=True,
                **bought,
                **part,
            ),
        ],
        [
            update(
                17,
                state=OrderState.CANCELLED,
                side=Side.SELL,
                filled=D(0),
                quote_filled=D(0),
                amount=D(1),
                price=D(90),
                time=1705449607000_000_000,
                reason="31",
            )
        ],
        [
            # Placed elsewhere with a size in quote: no base amount is known but what is filled.
            update(
                18,
                state=OrderState.FILLED,
                type=OrderType.MARKET,
                filled=D("0.5"),
                quote_filled=D(50),
                amount=D("0.5"),
                time=1705449608000_000_000,
            ),
            replaced(
                FILL, trade_id="1168", exchange_order_id="312269865356374018", **bought, **whole
            ),
        ],
        [Fault(ErrorKind.AUTH, "60009", "Login failed.")],
    ]


def test_a_frame_cut_short_is_an_error(user: Any) -> None:
    with pytest.raises(MALFORMED):
        list(user.parse(b'{"arg":{"channel":"orders"},"data":[{"instId":"BTC-USDT"}]}'))


def test_a_notice_ends_the_private_stream_too(user: Any) -> None:
    assert list(user.parse(b'{"event":"notice","code":"64008","msg":"","connId":"1"}')) == [
        Reconnect("notice")
    ]


# Rows stand on their own.


def orders_frame(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"arg": {"channel": "orders"}, "data": rows}).encode()


def order_row(**changes: Any) -> dict[str, Any]:
    (row,) = json.loads(frames("private.jsonl")[5])["data"]
    return {**row, **changes}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ordId": None}, "$.data[0].ordId: Expected `str`, got `null`"),
        ({"clOrdId": None}, "$.data[0].clOrdId: Expected `str`, got `null`"),
        ({"side": "both"}, "$.data[0].side: Invalid enum value 'both'"),
        ({"sz": ["1"]}, "$.data[0].sz: Expected `str`, got `array`"),
        ({"uTime": "now"}, "$.data[0]: ValueError: invalid literal for int() with base 10: 'now'"),
    ],
)
def test_an_order_that_can_not_be_read_hides_no_other(
    user: Any, change: dict[str, Any], message: str
) -> None:
    update, fault = user.parse(orders_frame(order_row(**change), order_row(news=[1])))
    assert (update.exchange_order_id, update.state) == ("312269865356374016", OrderState.OPEN)
    assert (fault.kind, fault.message) == (ErrorKind.UNREADABLE, message)


def test_an_order_without_a_field_hides_no_other(user: Any) -> None:
    lacking = order_row()
    del lacking["state"]
    update, fault = user.parse(orders_frame(order_row(), lacking))
    assert update.state is OrderState.OPEN
    assert fault.message == "$.data[1]: Object missing required field `state`"
    assert json.loads(fault.frame) == lacking


def test_a_fill_that_can_not_be_read_hides_no_other_order(user: Any) -> None:
    (filled,) = json.loads(frames("private.jsonl")[6])["data"]
    update, fault = user.parse(orders_frame(filled | {"fillPx": "much"}, order_row()))
    assert update.filled == 0
    assert fault.message.startswith("$.data[0]: InvalidOperation")


def test_an_order_of_an_unknown_state_has_none(user: Any) -> None:
    unknown, known = user.parse(orders_frame(order_row(state="order_failed"), order_row()))
    assert (unknown.state, unknown.reason) == (None, "the status 'order_failed' is unknown here")
    assert (unknown.amount, known.state) == (D("0.01"), OrderState.OPEN)


def test_a_balance_that_can_not_be_read_hides_no_other(user: Any) -> None:
    frame = json.loads(frames("private.jsonl")[4])
    frame["data"][0]["details"][0]["cashBal"] = None
    balance, fault = user.parse(json.dumps(frame).encode())
    assert balance.asset == "BTC"
    assert fault.message == "$.data[0].details[0].cashBal: Expected `str`, got `null`"


def test_a_trade_that_can_not_be_read_hides_no_other(feed: Any) -> None:
    row = {"instId": "A-B", "tradeId": "1", "px": "2", "sz": "3", "side": "buy", "ts": "5"}
    rows = [row | {"px": "much"}, row, row | {"tradeId": None}]
    frame = {"arg": {"channel": "trades", "instId": "A-B"}, "data": rows}
    trade, *faults = feed.parse(json.dumps(frame).encode())
    assert trade == Trade("A-B", "1", Side.BUY, 2.0, 3.0, 5_000_000)
    assert [fault.message for fault in faults] == [
        "$.data[0]: ValueError: could not convert string to float: 'much'",
        "$.data[2].tradeId: Expected `str`, got `null`",
    ]


def test_codes_may_be_numbers(user: Any) -> None:
    assert list(user.parse(b'{"event":"error","code":60009,"msg":"Login failed."}')) == [
        Fault(ErrorKind.AUTH, "60009", "Login failed.")
    ]


def test_a_checksum_of_numbers_that_float64_has_not_wholly_is_none(feed: Any) -> None:
    asks = np.array([[2.0, 123456789012345.0]])
    assert feed.checksum("A-B", np.array([[1.0, 0.1]]), asks) >= 0
    for long in (123456789.12345678, 0.1234567890123456, 1234567890123456.0):
        assert feed.checksum("A-B", np.array([[1.0, long]]), asks) == -1
