"""OKX spot: requests as its documentation wants them, frames and answers read as it writes them.

tests/frames/okx/public.jsonl: frames of the fact sheet (documentation; the changed levels and trades of a recording of
2022), ids set so that they join; notice, error and connection count by the documentation's field names.
tests/frames/okx/private.jsonl: the fields that the fact sheet names (documentation), values made up.
tests/frames/okx/signatures.json: vectors, each with its source.
"""

import json
from collections.abc import Callable
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from exchanges.contract import MALFORMED, Answer, ErrorKind, Fault, FillCursor, Ready, Reconnect, Request, Send
from exchanges.okx import OKX
from exchanges.orders import (
    Balance,
    Fee,
    Fill,
    InFlightOrder,
    MarketSummary,
    NewOrder,
    OrderState,
    OrderType,
    OrderUpdate,
    TimeInForce,
    TradingRule,
)
from orderbook.errors import AuthenticationError
from orderbook.messages import BookDiff, BookSnapshot, Side, Trade

FRAMES = Path(__file__).parent / "frames" / "okx"
KEYS = {"api_key": "key", "api_secret": "chNOOS4KvNXR_Xq4k4c9qsfoKWvnDecLATCRlcBwyKDYnWgO", "passphrase": "phrase"}
INSTRUMENT = {"instId": "BTC-USDT", "baseCcy": "BTC", "quoteCcy": "USDT", "instType": "SPOT", "state": "live"}
INSTRUMENT |= {"tickSz": "0.1", "lotSz": "0.00000001", "minSz": "0.00001", "maxLmtSz": "9999", "groupId": "1"}
RULE = TradingRule(
    trading_pair="BTC-USDT",
    symbol="BTC-USDT",
    base="BTC",
    quote="USDT",
    price_tick=D("0.1"),
    size_step=D("0.00000001"),
    min_size=D("0.00001"),
    max_size=D(9999),
)
FILL_ROW = {"instId": "BTC-USDT", "ordId": "28", "clOrdId": "mine", "side": "sell", "tradeId": "7", "billId": "900"}
FILL_ROW |= {"fillPx": "100", "fillSz": "0.5", "fee": "-0.05", "feeCcy": "USDT", "execType": "T", "ts": "1705449606022"}
FILL = Fill(
    symbol="BTC-USDT",
    trade_id="7",
    exchange_order_id="28",
    client_order_id="mine",
    side=Side.SELL,
    price=D(100),
    amount=D("0.5"),
    fee=D("0.05"),
    fee_asset="USDT",
    is_maker=False,
    time=1705449606022_000_000,
)


def frames(name: str) -> list[bytes]:
    return (FRAMES / name).read_bytes().splitlines()


def answer(data: Any, code: str = "0", status: int = 200, msg: str = "") -> Answer:
    return Answer(status, {}, json.dumps({"code": code, "msg": msg, "data": data}).encode())


@pytest.fixture
def feed() -> Any:
    return OKX.book({}, OKX.book.streams[0])


@pytest.fixture
def entry() -> Any:
    return OKX.orders({"BTC-USDT": RULE})


@pytest.fixture
def user() -> Any:
    return OKX.user(OKX.auth(KEYS), {})


def order(**changes: Any) -> InFlightOrder:
    terms: dict[str, Any] = {"client_order_id": "mine", "trading_pair": "BTC-USDT", "symbol": "BTC-USDT"}
    return InFlightOrder(**{**terms, "side": Side.BUY, "amount": D(1), "exchange_order_id": "28", **changes})


def new(**changes: Any) -> NewOrder:
    terms: dict[str, Any] = {"client_order_id": "mine", "trading_pair": "BTC-USDT", "side": Side.BUY}
    return NewOrder(**{**terms, "amount": D("1E-5"), "price": D("100.10"), **changes})


def private(path: str, params: dict[str, str] | None = None, cost: str = "private") -> Request:
    return Request("GET", f"/api/v5/{path}", params or {}, signed=True, cost={cost: 1}, urgent=True)


def path_of(steps: Any) -> Any:
    with pytest.raises(StopIteration) as end:
        next(steps)
    return end.value.value


# Signing.

URL = "https://www.okx.com/api/v5/account/balance"
NOW = 1607418537.715  # 2020-12-08T09:08:57.715Z


@pytest.mark.parametrize("vector", json.loads((FRAMES / "signatures.json").read_text()), ids=lambda v: v["source"][:20])
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
            "Content-Type": "application/json",
        },
        "body": b"",
    }


def test_a_body_is_signed_as_it_is_sent() -> None:
    auth, body = OKX.auth(KEYS), {"instId": "BTC-USDT", "sz": "1"}
    ready = auth.generate_auth_dict("POST", "https://www.okx.com/api/v5/trade/order", {}, body, now=NOW)
    other = auth.generate_auth_dict("POST", "https://www.okx.com/api/v5/trade/order", {}, {"sz": "1"}, now=NOW)
    assert json.loads(ready["body"]) == body
    assert ready["headers"]["OK-ACCESS-SIGN"] != other["headers"]["OK-ACCESS-SIGN"]


def test_the_login_is_signed_in_seconds(user: Any) -> None:
    # Derived from the published vector's secret.
    (frame,) = user.login(1538054050.9)
    sign = "ENpPNQ8mQv8YzDMPhBsB4SrjaKK+FaEh2nozTRW6KU0="
    arg = {"apiKey": "key", "passphrase": "phrase", "timestamp": "1538054050", "sign": sign}
    assert json.loads(frame) == {"op": "login", "args": [arg]}


def test_a_key_needs_all_three_fields_and_shows_none() -> None:
    with pytest.raises(AuthenticationError, match="passphrase"):
        OKX.auth({"api_key": "K", "api_secret": "S"})
    assert "chNOOS" not in repr(OKX.auth(KEYS))


# Public data.


def test_rules_are_read(feed: Any) -> None:
    call = feed.trading_rules()
    assert call.request == Request("GET", "/api/v5/public/instruments", {"instType": "SPOT"}, cost={"public": 1})
    assert call.read(answer([INSTRUMENT])) == [RULE]


@pytest.mark.parametrize("state", ["suspend", "preopen", "test"])
def test_a_pair_that_does_not_trade_is_inactive_and_may_lack_its_steps(feed: Any, state: str) -> None:
    empty = dict.fromkeys(("tickSz", "lotSz", "minSz", "maxLmtSz"), "")
    (rule,) = feed.trading_rules().read(answer([INSTRUMENT | {"state": state} | empty]))
    assert (rule.active, rule.price_tick, rule.size_step, rule.min_size, rule.max_size) == (False, 0, 0, 0, None)


def test_volumes_are_read_and_pairs_without_a_price_left_out(feed: Any) -> None:
    row = {"instId": "BTC-USDT", "last": "2", "vol24h": "3", "volCcy24h": "6"}
    call = feed.markets()
    assert call.request == Request("GET", "/api/v5/market/tickers", {"instType": "SPOT"}, cost={"public": 1})
    assert call.read(answer([row, row | {"last": ""}])) == [MarketSummary("BTC-USDT", D(2), D(3), D(6))]


def test_the_clock_is_read() -> None:
    assert OKX.server_time is not None
    assert OKX.server_time.request.path == "/api/v5/public/time"
    assert OKX.server_time.read(answer([{"ts": "1597026383085"}])) == 1597026383.085


def test_the_streams_have_their_paths(feed: Any, user: Any) -> None:
    assert path_of(feed.opening()) == "/ws/v5/public"
    assert path_of(user.opening()) == "/ws/v5/private"
    assert feed.snapshot("BTC-USDT") is None
    assert (feed.depth, OKX.ping) == (400, "ping")


def test_subscriptions_name_books_and_trades(feed: Any) -> None:
    (frame,) = feed.subscribe(["A-B"])
    args = [{"channel": "books", "instId": "A-B"}, {"channel": "trades", "instId": "A-B"}]
    assert json.loads(frame) == {"op": "subscribe", "args": args}
    (frame,) = feed.unsubscribe(["A-B"])
    assert json.loads(frame) == {"op": "unsubscribe", "args": args}
    many = [json.loads(frame)["args"] for frame in feed.subscribe([f"S{n}-B" for n in range(300)])]
    assert [len(args) for args in many] == [500, 100]


def test_a_refresh_leaves_the_trades_alone(feed: Any) -> None:
    books = [{"channel": "books", "instId": "A-B"}]
    frames = [json.loads(frame) for frame in feed.refresh(["A-B"])]
    assert frames == [{"op": "unsubscribe", "args": books}, {"op": "subscribe", "args": books}]


def test_public_frames_are_read(feed: Any) -> None:
    said = [list(feed.parse(frame)) for frame in frames("public.jsonl")]
    asks = b'[["30249.4","0","0","0"],["30261","4","0","1"]]'
    first, second = 1652459285464_000_000, 1652459285564_000_000
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
        # Joined to the one before by its id; a checksum of old recordings is not read.
        [BookDiff("BTC-USDT", b'[["30182.6","452","0","1"]]', asks, 123457, 123463, 1652459225464_000_000)],
        [BookDiff("BTC-USDT", b"[]", b"[]", 123464, 123463, first)],  # nothing changed for a minute
        [BookDiff("BTC-USDT", b'[["30182.6","0","0","0"]]', b"[]", 123464, 15, second)],  # the ids start again
        [Trade("BTC-USDT", "338476374", Side.BUY, 30227.6, 1.03999912, 1652459235575_000_000)],
        [Trade("BTC-USDT", "338476377", Side.SELL, 30227.5, 0.5, 1652459235576_000_000)],
        [],
        [Reconnect("The connection will soon be closed")],
        [Fault(ErrorKind.REFUSED, "60018", "Wrong URL or channel")],
        [Fault(ErrorKind.UNKNOWN, "", "channel-conn-count-error")],
    ]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"ping",
        b'{"what_is":"this"}',
        b'{"event":"news"}',
        b'{"arg":{"channel":"books","instId":"A-B"},"action":"new","data":[]}',
        b'{"arg":{"channel":"books"},"action":"update","data":[{"asks":[],"bids":[],"ts":"1","seqId":1,"prevSeqId":0}]}',
        b'{"arg":{"channel":"books","instId":"A-B"},"action":"update","data":[{"asks":[],"bids":[],"ts":"1","seqId":2}]}',
        b'{"arg":{"channel":"books5","instId":"A-B"},"data":[{"asks":[],"bids":[],"ts":"1","seqId":2}]}',
        b'{"arg":{"channel":"trades","instId":"A-B"},"data":[{"instId":"A-B","tradeId":"1","px":"x","sz":"1","side":"buy","ts":"1"}]}',
        b'{"arg":{"channel":"trades","instId":"A-B"},"data":[{"instId":"A-B","tradeId":"1","px":"1","sz":"1","side":"?","ts":"1"}]}',
    ],
)
def test_a_malformed_frame_is_an_error(feed: Any, frame: bytes) -> None:
    with pytest.raises(MALFORMED):
        list(feed.parse(frame))


@pytest.mark.parametrize("frame", [b"", b"[]", b"{}", b'{"arg":{"channel":"fills"},"data":[]}', b'{"event":"news"}'])
def test_a_malformed_private_frame_is_an_error(user: Any, frame: bytes) -> None:
    with pytest.raises(MALFORMED):
        list(user.parse(frame))


def test_a_pong_says_nothing(feed: Any, user: Any) -> None:
    assert (list(feed.parse(b"pong")), list(user.parse(b"pong"))) == ([], [])


# The account.


def update(number: int, **changes: Any) -> OrderUpdate:
    terms: dict[str, Any] = {"symbol": "BTC-USDT", "exchange_order_id": f"3122698653563740{number}", "side": Side.BUY}
    return OrderUpdate(**{**terms, "type": OrderType.LIMIT, **changes})


def test_private_frames_are_read(user: Any) -> None:
    said = [list(user.parse(frame)) for frame in frames("private.jsonl")]
    subscribe = {"op": "subscribe", "args": [{"channel": "account"}, {"channel": "orders", "instType": "SPOT"}]}
    assert isinstance(said[0][0], Send)
    assert json.loads(said[0][0].frame) == subscribe
    terms = {"client_order_id": "mine", "amount": D("0.01"), "price": D(100)}
    bought: dict[str, Any] = {"side": Side.BUY, "fee_asset": "BTC"}
    part = {"price": D(99), "amount": D("0.004"), "fee": D("0.0000032"), "time": 1705449606020_000_000}
    whole = {"price": D(100), "fee": D("-0.0001"), "time": 1705449608000_000_000, "client_order_id": ""}
    assert said[1:] == [
        [],  # the account's subscription is still to be confirmed
        [],
        [Ready()],
        [
            Balance("USDT", D("100.5"), D("80.25"), 1705449605015_000_000),
            Balance("BTC", D(0), D(0), 0),
        ],
        [update(16, state=OrderState.OPEN, filled=D(0), quote_filled=D(0), time=1705449605015_000_000, **terms)],
        [
            update(
                16,
                state=OrderState.PARTIALLY_FILLED,
                filled=D("0.006"),
                quote_filled=D("0.597"),
                time=1705449606021_000_000,
                **terms,
            ),
            replaced(FILL, trade_id="1167", exchange_order_id="312269865356374016", is_maker=True, **bought, **part),
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
            replaced(FILL, trade_id="1168", exchange_order_id="312269865356374018", **bought, **whole),
        ],
        [Fault(ErrorKind.AUTH, "60009", "Login failed.")],
    ]


def replaced(fill: Fill, **changes: Any) -> Fill:
    return Fill(**{name: getattr(fill, name) for name in fill.__struct_fields__} | changes)


def test_a_frame_cut_short_is_an_error(user: Any) -> None:
    with pytest.raises(MALFORMED):
        list(user.parse(b'{"arg":{"channel":"orders"},"data":[{"instId":"BTC-USDT"}]}'))


def test_a_notice_ends_the_private_stream_too(user: Any) -> None:
    assert list(user.parse(b'{"event":"notice","code":"64008","msg":"","connId":"1"}')) == [Reconnect("notice")]


# Orders.


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"ordType": "limit", "px": "100.10"}),
        ({"post_only": True}, {"ordType": "post_only", "px": "100.10"}),
        ({"tif": TimeInForce.IOC}, {"ordType": "ioc", "px": "100.10"}),
        ({"tif": TimeInForce.FOK}, {"ordType": "fok", "px": "100.10"}),
        ({"type": OrderType.MARKET, "price": None}, {"ordType": "market", "tgtCcy": "base_ccy"}),
    ],
)
def test_orders_are_placed_as_the_venue_wants_them(
    entry: Any, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    body = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "clOrdId": "mine", "sz": "0.00001"} | expected
    request = entry.place(new(**changes)).request
    assert request == Request("POST", "/api/v5/trade/order", body=body, signed=True, cost={"orders": 1})


def test_a_placed_order_is_open(entry: Any) -> None:
    row = {"ordId": "28", "clOrdId": "mine", "tag": "", "ts": "1695190491421", "sCode": "0", "sMsg": ""}
    read, state = entry.place(new()).read(answer([row])), OrderState.OPEN
    assert read == OrderUpdate(symbol="BTC-USDT", state=state, client_order_id="mine", exchange_order_id="28")


def test_a_cancel_names_our_id_and_waits_for_the_stream(entry: Any) -> None:
    call, body = entry.cancel(order()), {"instId": "BTC-USDT", "clOrdId": "mine"}
    assert call.request == Request(
        "POST", "/api/v5/trade/cancel-order", body=body, signed=True, cost={"cancels": 1}, urgent=True
    )
    assert call.read(answer([{"ordId": "28", "clOrdId": "mine", "sCode": "0", "sMsg": ""}])) is None


def test_an_order_placed_elsewhere_has_the_venues_id_only(entry: Any) -> None:
    names = {"instId": "BTC-USDT", "ordId": "28"}
    assert entry.cancel(order(external=True)).request.body == names
    assert entry.status(order(external=True)).request == private("trade/order", names)


def test_an_orders_state_is_read(entry: Any) -> None:
    (row,) = json.loads(frames("private.jsonl")[7])["data"]
    call = entry.status(order())
    assert call.request == private("trade/order", {"instId": "BTC-USDT", "clOrdId": "mine"})
    found = call.read(answer([row | {"cancelSourceReason": "would take", "state": "mmp_canceled"}]))
    assert (found.state, found.reason, found.exchange_order_id) == (
        OrderState.CANCELLED,
        "would take",
        "312269865356374017",
    )


def test_open_orders_are_asked_for_all_or_one_pair(entry: Any) -> None:
    (row,) = json.loads(frames("private.jsonl")[5])["data"]
    assert entry.open_orders().request == private("trade/orders-pending", {"instType": "SPOT"})
    call = entry.open_orders("BTC-USDT")
    assert call.request == private("trade/orders-pending", {"instType": "SPOT", "instId": "BTC-USDT"})
    assert [(found.client_order_id, found.state) for found in call.read(answer([row]))] == [("mine", OrderState.OPEN)]


PAIR = {"instType": "SPOT", "instId": "BTC-USDT"}


def test_fills_are_read_oldest_first(entry: Any) -> None:
    later = FILL_ROW | {"tradeId": "8", "fillTime": "1705449606029", "execType": "M", "fee": "0.01"}
    assert entry.fills("BTC-USDT", FillCursor()).request == private("trade/fills", PAIR)
    call = entry.fills("BTC-USDT", FillCursor(time=1705449606022_999_999))
    assert call.request == private("trade/fills", PAIR | {"begin": "1705449606022"})
    page = call.read(answer([later, FILL_ROW]))
    second = replaced(FILL, trade_id="8", is_maker=True, fee=D("-0.01"), time=1705449606029_000_000)
    assert (page.items, page.more) == ([FILL, second], False)


def test_pages_of_fills_go_back_to_where_the_first_began(entry: Any) -> None:
    def rows(ids: range) -> list[dict[str, str]]:
        return [FILL_ROW | {"tradeId": str(n), "billId": str(9000 + n)} for n in reversed(ids)]

    def after(page: Any) -> FillCursor:
        return FillCursor(page.items[-1].trade_id, page.items[-1].time)

    page = entry.fills("BTC-USDT", FillCursor(time=10**15)).read(answer(rows(range(101, 201))))
    assert (page.items[0].trade_id, page.items[-1].trade_id, page.more) == ("101", "200", True)
    call = entry.fills("BTC-USDT", after(page))
    assert call.request.params == PAIR | {"begin": "1000000000", "after": "9101"}
    last = call.read(answer(rows(range(60, 101))))
    assert ([last.items[0].trade_id, last.items[-1].trade_id], last.more) == (["60", "100"], False)
    # A cursor of another time reads forward; a venue that gives the same page again gives no more.
    assert entry.fills("BTC-USDT", after(last)).request.params == PAIR | {"begin": "1705449606022"}
    same = entry.fills("BTC-USDT", after(page)).read(answer(rows(range(101, 201))))
    assert (len(same.items), same.more) == (100, False)


def test_one_orders_fills_are_asked_for_by_its_id(entry: Any) -> None:
    call = entry.order_fills(order())
    assert call.request == private("trade/fills", PAIR | {"ordId": "28"})
    assert call.read(answer([FILL_ROW])) == [FILL]
    assert entry.order_fills(order(exchange_order_id="")) is None
    assert entry.order_fills(order(fills={str(n): FILL for n in range(100)})) is None


def test_balances_are_read(entry: Any) -> None:
    details = [{"ccy": "BTC", "cashBal": "2", "availBal": "1.5", "frozenBal": "0.5", "uTime": "1705449605015"}]
    call = entry.balances()
    assert call.request == private("account/balance", cost="account")
    assert call.read(answer([{"details": details}])) == [Balance("BTC", D(2), D("1.5"), 1705449605015_000_000)]


@pytest.mark.parametrize(
    ("groups", "fee"),
    [
        ({}, Fee(D("0.0008"), D("0.001"))),
        ({"feeGroup": [{"groupId": "4", "maker": "0", "taker": "-0.0005"}]}, Fee(D(0), D("0.0005"))),
        ({"feeGroup": [{"groupId": "1"}, {"groupId": "2"}]}, Fee(D("0.0008"), D("0.001"))),
    ],
)
def test_fees_are_those_of_the_pairs_group(entry: Any, groups: dict[str, Any], fee: Fee) -> None:
    call = entry.fees("BTC-USDT")
    assert call.request == private("account/trade-fee", PAIR, cost="account")
    assert call.read(answer([{"maker": "-0.0008", "taker": "-0.001", **groups}])) == fee


# Errors.


def in_row(code: str) -> Answer:
    return answer([{"ordId": "", "clOrdId": "mine", "sCode": code, "sMsg": "why"}], "1", msg="All operations failed")


def on_top(code: str) -> Answer:
    return answer([], code, msg="why")


@pytest.mark.parametrize("where", [in_row, on_top])
@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        (ErrorKind.REFUSED, "51000 51001 51004 51006 51020 51024 51116 51120 51121 51137 51201 50014 50027 59113"),
        (ErrorKind.FUNDS, "51008 51119 51131"),
        (ErrorKind.DUPLICATE, "51016 51011"),
        (ErrorKind.NOT_FOUND, "51400 51401 51402 51503 51509 51510 51603"),
        (ErrorKind.RATE, "50011 50061"),
        (ErrorKind.CLOCK, "50102 50112"),
        (ErrorKind.AUTH, "50101 50103 50104 50105 50106 50110 50111 50113"),
        (ErrorKind.UNKNOWN, "50001 50004 50005 50013 50026 63999 99999 1"),
    ],
)
def test_refusals_are_told_apart_wherever_their_code_stands(
    kind: ErrorKind, codes: str, where: Callable[[str], Answer]
) -> None:
    assert {OKX.error(where(code)) for code in codes.split()} == {Fault(kind, code, "why") for code in codes.split()}


def test_success_is_no_fault() -> None:
    assert OKX.error(answer([{"ordId": "28", "sCode": "0", "sMsg": ""}])) is None
    assert OKX.error(answer([])) is None


def test_a_cancel_under_way_already_is_taken() -> None:
    assert OKX.error(in_row("51410")) is None


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (429, b'{"code":"50011","msg":"Too Many Requests"}', Fault(ErrorKind.RATE, "50011", "Too Many Requests")),
        (429, b"<html>", Fault(ErrorKind.RATE, "", "HTTP 429")),
        (401, b'{"code":"50113","msg":"Invalid Sign"}', Fault(ErrorKind.AUTH, "50113", "Invalid Sign")),
        (400, b"<html>", Fault(ErrorKind.UNKNOWN, "", "HTTP 400")),
        (503, b'{"code":"51008","msg":"x"}', Fault(ErrorKind.UNKNOWN, "51008", "x")),
        (200, b"{}", Fault(ErrorKind.UNKNOWN, "", "HTTP 200")),
    ],
)
def test_the_status_decides_where_the_body_cannot(status: int, body: bytes, fault: Fault) -> None:
    assert OKX.error(Answer(status, {}, body)) == fault


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"code":"0","data":"no"}'])
def test_an_answer_that_is_none_is_an_unknown_outcome(body: bytes) -> None:
    fault = OKX.error(Answer(200, {}, body))
    assert fault is not None
    assert (fault.kind, fault.message[:9]) == (ErrorKind.UNKNOWN, "no answer")


def test_client_ids_are_short_alphanumeric_and_distinct() -> None:
    numbers = [0, 1, 35, 36, 2**64, 2**80 - 1]
    ids = [OKX.client_id(number) for number in numbers]
    assert len(set(ids)) == len(numbers)
    assert all(name.isascii() and name.isalnum() and 1 <= len(name) <= 32 for name in ids)
