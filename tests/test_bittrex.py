"""Bittrex: requests as its documentation wanted them, frames and answers read as it wrote them.

tests/frames/bittrex/hub.jsonl: frames of the hub without content, from the fact sheet (recording, documentation).
Messages below are those of the fact sheet; the tests deflate them as the hub did.
"""

import ast
import base64
import json
import struct
import zlib
from decimal import Decimal as D
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from exchanges.bittrex import BITTREX
from exchanges.contract import (
    MALFORMED,
    Answer,
    ErrorKind,
    Fault,
    FillCursor,
    LoginAgain,
    Ready,
    Reconnect,
    Send,
)
from exchanges.orders import Balance, Fill, InFlightOrder, NewOrder, OrderState, OrderType, OrderUpdate, TimeInForce
from orderbook.errors import AuthenticationError, NotFound
from orderbook.messages import BookDiff, BookSnapshot, Layout, Lost, Side, Trade
from tests.recordings import recording

KEYS = {"api_key": "K", "api_secret": "secret"}
MARKET = {"symbol": "1INCH-BTC", "baseCurrencySymbol": "1INCH", "quoteCurrencySymbol": "BTC", "precision": 8}
MARKET |= {"minTradeSize": "0.51194539", "status": "ONLINE", "createdAt": "2021-04-16T18:50:47.883Z", "tags": []}
BTC = MARKET | {"symbol": "BTC-USD", "baseCurrencySymbol": "BTC", "quoteCurrencySymbol": "USD", "precision": 3}
VLX = {"symbol": "VLX-USDT", "baseCurrencySymbol": "VLX", "quoteCurrencySymbol": "USDT"}
DELTA = {"marketSymbol": "BTC-EUR", "depth": 500, "sequence": 3209226, "bidDeltas": []}
DELTA["askDeltas"] = [{"quantity": "0", "rate": "32601.419"}, {"quantity": "0.78077215", "rate": "32664.866"}]
ORDER = {
    "id": "01fa3794-10cf-4897-bc47-c96f15135f34",
    "marketSymbol": "VLX-USDT",
    "direction": "SELL",
    "type": "LIMIT",
    "quantity": "50.00000000",
    "limit": "0.049000000000",
    "timeInForce": "GOOD_TIL_CANCELLED",
    "fillQuantity": "0.00000000",
    "commission": "0.00000000",
    "proceeds": "0.00000000",
    "status": "OPEN",
    "createdAt": "2022-08-05T15:04:16.02Z",
    "updatedAt": "2022-08-05T15:04:16.02Z",
}
PLACED = 1659711856_020_000_000
EXECUTION = {"id": "e1", "marketSymbol": "VLX-USDT", "executedAt": "2022-08-05T15:04:16.02Z", "quantity": "20"}
EXECUTION |= {"rate": "0.05", "orderId": ORDER["id"], "commission": "0.0025", "isTaker": False}
BALANCE = {"currencySymbol": "VLX", "total": "636.02206857", "available": "0.00000000"}
BALANCE["updatedAt"] = "2022-08-05T13:46:31.73Z"
FILL = Fill(
    symbol="VLX-USDT",
    trade_id="e1",
    exchange_order_id=ORDER["id"],
    side=Side.SELL,
    price=D("0.05"),
    amount=D(20),
    fee=D("0.0025"),
    fee_asset="USDT",
    client_order_id="mine",
    is_maker=True,
    time=PLACED,
)


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def deflated(message: Any) -> str:
    packer = zlib.compressobj(wbits=-15)
    return base64.b64encode(packer.compress(json.dumps(message).encode()) + packer.flush()).decode()


def hub(*pushes: tuple[str, Any]) -> bytes:
    entries = [{"H": "C3", "M": name, "A": [] if told is None else [deflated(told)]} for name, told in pushes]
    return json.dumps({"C": "d-1", "M": entries}).encode()


def floats(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


def finish(steps: Any, token: str) -> tuple[Any, str]:
    call = next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(call.read(answer({"Url": "/signalr", "ConnectionToken": token, "ProtocolVersion": "1.5"})))
    return call.request, end.value.value


@pytest.fixture
def feed() -> Any:
    return BITTREX.book({}, "")


@pytest.fixture
def entry(feed: Any) -> Any:
    rules = feed.trading_rules().read(answer([MARKET, BTC, MARKET | VLX]))
    return BITTREX.orders({rule.trading_pair: rule for rule in rules})


@pytest.fixture
def user() -> Any:
    return BITTREX.user(BITTREX.auth(KEYS), {})


def order(**changes: Any) -> InFlightOrder:
    terms: dict[str, Any] = {"client_order_id": "mine", "trading_pair": "VLX-USDT", "symbol": "VLX-USDT"}
    terms |= {"side": Side.SELL, "amount": D(50), "exchange_order_id": ORDER["id"], "created": PLACED}
    return InFlightOrder(**{**terms, **changes})


# Signing.


def test_an_empty_body_has_the_documented_hash_and_the_signature_of_ccxt() -> None:
    """Hash: documentation of authentication. Signature: ccxt 4.1.80, by the fact sheet."""
    signed = BITTREX.auth(KEYS).generate_auth_dict("GET", "https://api.bittrex.com/v3/balances", {}, now=1542323450.016)
    assert signed["url"] == "https://api.bittrex.com/v3/balances"
    assert signed["body"] == b""
    assert signed["headers"] == {
        "Api-Key": "K",
        "Api-Timestamp": "1542323450016",
        "Api-Content-Hash": "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
        "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
        "Api-Signature": "b0fd2d34857e185dca0babcd7887f5d21d914bedb0ff81e4bf1d0f53a78e6011"
        "ed26cdc664e13fa568bd3beaf0096dad63b77dc4486fefce62af31044fd940b4",
        "Content-Type": "application/json",
    }


def test_a_body_is_hashed_as_it_is_sent() -> None:
    """ccxt 4.1.80, by the fact sheet."""
    body = {"marketSymbol": "BTC-USD", "direction": "BUY", "type": "LIMIT", "quantity": "0.01", "limit": "100"}
    body["timeInForce"] = "GOOD_TIL_CANCELLED"
    auth, url = BITTREX.auth(KEYS), "https://api.bittrex.com/v3/orders"
    signed = auth.generate_auth_dict("POST", url, {}, body, now=1542323450.016)
    assert json.loads(signed["body"]) == body
    assert signed["headers"]["Api-Content-Hash"] == (
        "601371ab7b50f7aed35ccd04a2d544d5148e2e7e2b390830e6b1d47760d56b34"
        "866b9e8846e2833829924aeb1f4e6e717bfc33d3b9726889d46dbd8c6f558e31"
    )
    assert signed["headers"]["Api-Signature"] == (
        "93b258732c52de11491b3bfb12a5d89e4b84c61745be62576a682807c4c12df5"
        "5ea0c310ea8ddac703e00c322b3343dfd9c29b715b883989b50438cb0c3eec67"
    )


def test_the_query_is_part_of_what_is_signed() -> None:
    auth, url = BITTREX.auth(KEYS), "http://localhost:1/v3/orders/open"
    signed = auth.generate_auth_dict("GET", url, {"startDate": "2021-01-01T00:00:00Z"}, now=1.0)
    assert signed["url"] == f"{url}?startDate=2021-01-01T00%3A00%3A00Z"
    plain = auth.generate_auth_dict("GET", url, {}, now=1.0)
    assert signed["headers"]["Api-Signature"] != plain["headers"]["Api-Signature"]


def test_the_socket_login_is_that_of_the_documentation() -> None:
    auth: Any = BITTREX.auth({"api_key": "your_api_key_goes_here", "api_secret": "secret"})
    key, stamp, content, signature = auth.login(1592524115500, "e758c9d0-7603-4c8d-9ad3-3ce0141c576b")
    assert (key, stamp, content) == ("your_api_key_goes_here", 1592524115500, "e758c9d0-7603-4c8d-9ad3-3ce0141c576b")
    assert signature.upper() == (
        "BFBD98224D5720C4F51DC30BF6B5035800A92B3B5E3124D8E2A69F6299A49D3C"
        "6AA428947693B470851AB736996A57C6A11FB60517AB24B5E3379C386688C973"
    )


def test_a_key_without_its_secret_is_refused_and_none_is_shown() -> None:
    with pytest.raises(AuthenticationError, match="api_secret"):
        BITTREX.auth({"api_key": "K"})
    assert "secret" not in repr(BITTREX.auth(KEYS))


# Books.


def test_rules_are_read_those_of_an_offline_market_too(feed: Any) -> None:
    call = feed.trading_rules()
    assert (call.request.method, call.request.path, call.request.signed) == ("GET", "/v3/markets", False)
    rule, other = call.read(answer([MARKET, BTC | {"status": "OFFLINE"}]))
    assert (rule.trading_pair, rule.symbol, rule.base, rule.quote) == ("1INCH-BTC", "1INCH-BTC", "1INCH", "BTC")
    assert (rule.price_tick, rule.size_step, rule.min_size) == (D("0.00000001"), D("0.00000001"), D("0.51194539"))
    assert (rule.active, other.active, other.price_tick) == (True, False, D("0.001"))


def test_volumes_are_read_and_the_days_average_stands_for_the_last_price(feed: Any) -> None:
    call = feed.markets()
    assert call.request.path == "/v3/markets/summaries"
    row = {"symbol": "BTC-USD", "high": "9", "low": "1", "volume": "3", "quoteVolume": "6"}
    found, idle = call.read(answer([row, row | {"volume": "0", "quoteVolume": "0"}]))
    assert (found.symbol, found.last_price, found.base_volume, found.quote_volume) == ("BTC-USD", 2, 3, 6)
    assert idle.last_price == 9


def test_the_connection_is_negotiated_first(feed: Any, user: Any) -> None:
    for role in (feed, user):
        request, path = finish(role.opening(), "a/b+c=")
        assert (request.method, request.path, request.signed) == ("GET", "/signalr/negotiate", False)
        assert request.params == {"clientProtocol": "1.5", "connectionData": '[{"name":"c3"}]'}
        assert path == (
            "/signalr/connect?transport=webSockets&connectionToken=a%2Fb%2Bc%3D"
            "&clientProtocol=1.5&connectionData=%5B%7B%22name%22%3A%22c3%22%7D%5D"
        )


def test_a_snapshot_has_the_sequence_of_its_header(feed: Any) -> None:
    call = feed.snapshot("BTC-EUR")
    assert (call.request.path, call.request.params) == ("/v3/markets/BTC-EUR/orderbook", {"depth": "500"})
    body = {"bid": [{"quantity": "0.05092530", "rate": "32414.61700000"}], "ask": []}
    book = call.read(answer(body, sequence="3209225"))
    assert book == BookSnapshot("BTC-EUR", floats(32414.617, 0.0509253), b"", 3209225, 0, Layout.PACKED)
    with pytest.raises(MALFORMED):
        call.read(answer(body))


def test_a_symbol_has_two_streams(feed: Any) -> None:
    frames = [json.loads(frame) for frame in feed.subscribe(["BTC-USD", "BTC-EUR"])]
    assert frames[0] == {"H": "c3", "M": "Subscribe", "A": [["orderbook_BTC-USD_500", "trade_BTC-USD"]], "I": 1}
    assert frames[1]["A"] == [["orderbook_BTC-EUR_500", "trade_BTC-EUR"]]
    assert [json.loads(frame)["M"] for frame in feed.refresh(["BTC-EUR"])] == ["Unsubscribe", "Subscribe"]


def test_deltas_are_read_and_turned_round(feed: Any) -> None:
    (diff,) = feed.parse(hub(("orderBook", DELTA)))
    levels = floats(32601.419, 0.0, 32664.866, 0.78077215)
    assert diff == BookDiff("BTC-EUR", b"", levels, 3209226, 3209226, 0, Layout.PACKED)


def test_trades_carry_the_takers_side_and_one_frame_holds_several_messages(feed: Any) -> None:
    rows = [{"id": "8e7f", "executedAt": "2021-06-13T22:38:11.08Z", "quantity": "0.5", "rate": "38808.83"}]
    rows = [rows[0] | {"takerSide": "BUY"}, rows[0] | {"takerSide": "SELL", "id": "9"}]
    told = {"deltas": rows, "sequence": 204392, "marketSymbol": "BTC-USD"}
    first, second, diff = feed.parse(hub(("trade", told), ("ticker", {"symbol": "BTC-USD"}), ("orderBook", DELTA)))
    assert first == Trade("BTC-USD", "8e7f", Side.BUY, 38808.83, 0.5, 1623623891_080_000_000)
    assert (second.side, second.trade_id, type(diff)) == (Side.SELL, "9", BookDiff)


def test_several_contents_of_one_push_are_read(feed: Any) -> None:
    contents = [deflated(DELTA), deflated(DELTA | {"sequence": 3209227})]
    frame = json.dumps({"C": "x", "M": [{"H": "C3", "M": "orderBook", "A": contents}]}).encode()
    assert [diff.update_id for diff in feed.parse(frame)] == [3209226, 3209227]


def test_a_sequence_that_begins_again_is_a_loss_and_one_said_twice_is_none(feed: Any) -> None:
    told = [list(feed.parse(hub(("orderBook", DELTA | {"sequence": number})))) for number in (7, 7, 1, 2)]
    assert [len(messages) for messages in told] == [1, 1, 2, 1]
    assert told[2][0] == Lost("BTC-EUR", "its sequence begins again")


def test_the_hubs_own_frames_say_nothing(feed: Any) -> None:
    for line in (Path(__file__).parent / "frames" / "bittrex" / "hub.jsonl").read_bytes().splitlines():
        assert list(feed.parse(line)) == []


def test_refused_subscriptions_are_faults(feed: Any) -> None:
    (fault,) = feed.parse(
        b'{"R":[{"Success":true,"ErrorCode":null},{"Success":false,"ErrorCode":"BAD_REQUEST"}],"I":"1"}'
    )
    assert fault == Fault(ErrorKind.REFUSED, "BAD_REQUEST", "refused")
    (fault,) = feed.parse(b'{"I":"1","E":"There was an error invoking Hub method \\"c3.Subscribe\\"."}')
    assert (fault.kind, "Subscribe" in fault.message) == (ErrorKind.UNKNOWN, True)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"what":1}',
        b'{"M":null}',
        b'{"M":[{"M":"orderBook","A":[]}]}',
        b'{"M":[{"M":"orderBook","A":["%%%"]}]}',
        b'{"M":[{"M":"orderBook","A":["AAAA"]}]}',
        b'{"R":true,"I":"1"}',
        hub(("unheard of", {})),
        hub(("orderBook", {"marketSymbol": "BTC-EUR", "sequence": 1})),
        hub(("orderBook", DELTA | {"bidDeltas": [{"quantity": "nan", "rate": "1"}]})),
        hub(("orderBook", DELTA | {"bidDeltas": [{"quantity": "", "rate": "1"}]})),
    ],
)
def test_a_malformed_frame_is_an_error(feed: Any, user: Any, frame: bytes) -> None:
    for role in (feed, user):
        with pytest.raises(MALFORMED):
            list(role.parse(frame))


def test_every_frame_of_a_real_session_is_read_without_a_gap(feed: Any) -> None:
    last: dict[str, int] = {}
    count = 0
    for line in recording("BITTREX.ws.1.0").read_text().splitlines():
        stamp, _, payload = line.partition(": ")
        if not stamp.replace(".", "").isdigit():
            continue
        for message in feed.parse(payload.encode()):
            assert isinstance(message, BookDiff)
            assert message.first_id == last.get(message.symbol, message.first_id - 1) + 1
            assert (len(message.bids) + len(message.asks)) % 16 == 0
            last[message.symbol] = message.update_id
            count += 1
    assert (count, len(last)) == (1015, 8)


def test_the_snapshots_and_markets_of_a_real_session_are_read(feed: Any) -> None:
    books = []
    for line in recording("BITTREX.http.0.0").read_text().splitlines():
        url, _, rest = line.partition(" -> ")
        if not url.startswith("https"):
            continue
        body, _, header = rest.partition(": ")[2].partition(" header: ")
        headers = json.loads(header) if header.startswith("{") else ast.literal_eval(header)
        lower = {name.lower(): value for name, value in headers.items()}
        call = feed.snapshot(url.split("/")[5])
        books.append(call.read(Answer(200, lower, body.encode())))
    assert (books[0].symbol, books[0].update_id) == ("BTC-EUR", 3209228)
    assert len({book.symbol for book in books}) == 8
    assert all(len(book.bids) % 16 == 0 and len(book.bids) <= 8000 for book in books)
    for line in recording("BITTREX.0").read_text().splitlines():
        if line.startswith("https"):
            rules = feed.trading_rules().read(answer(line.partition(": ")[2].encode()))
            assert {rule.symbol for rule in rules} >= {book.symbol for book in books}


# The private stream.


def test_login_then_subscribing_then_ready(user: Any) -> None:
    (frame,) = user.login(1592524115.5)
    told = json.loads(frame)
    assert (told["H"], told["M"], told["A"][:2]) == ("c3", "Authenticate", ["K", 1592524115500])
    assert told["A"][2:] == user.auth.login(1592524115500, str(UUID(told["A"][2])))[2:]
    (answered,) = user.parse(b'{"R":{"Success":true,"ErrorCode":null},"I":"1"}')
    assert isinstance(answered, Send)
    assert json.loads(answered.frame)["A"] == [["order", "balance", "execution"]]
    assert list(user.parse(b'{"R":[{"Success":true,"ErrorCode":null}],"I":"1"}')) == [Ready()]


def test_a_login_that_runs_out_is_renewed_without_subscribing_again(user: Any) -> None:
    user_said = b'{"R":[{"Success":true,"ErrorCode":null}],"I":"1"}'
    assert list(user.parse(user_said)) == [Ready()]
    assert list(user.parse(hub(("authenticationExpiring", None), ("heartbeat", None)))) == [LoginAgain()]
    assert list(user.parse(b'{"R":{"Success":true,"ErrorCode":null},"I":1}')) == []


@pytest.mark.parametrize("code", ["INVALID_APIKEY", "UNAUTHORIZED_USER"])
def test_a_refused_login_is_a_fault(user: Any, code: str) -> None:
    (fault,) = user.parse(json.dumps({"R": {"Success": False, "ErrorCode": code}, "I": 1}).encode())
    assert (fault.kind, fault.code) == (ErrorKind.AUTH, code)
    (fault,) = user.parse(b'{"I":"1","E":"There was an error invoking Hub method \\"c3.Authenticate\\"."}')
    assert fault.kind is ErrorKind.UNKNOWN


def test_orders_are_read(user: Any) -> None:
    (update,) = user.parse(hub(("order", {"accountId": "17f2b2e3", "sequence": 22606, "delta": ORDER})))
    assert update == OrderUpdate(
        symbol="VLX-USDT",
        state=OrderState.OPEN,
        exchange_order_id=ORDER["id"],
        filled=D(0),
        quote_filled=D(0),
        time=PLACED,
        side=Side.SELL,
        amount=D(50),
        price=D("0.049"),
        type=OrderType.LIMIT,
    )


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"fillQuantity": "20", "proceeds": "1"}, OrderState.PARTIALLY_FILLED),
        ({"fillQuantity": "50", "status": "CLOSED", "closedAt": "2022-08-05T15:04:17Z"}, OrderState.FILLED),
        ({"fillQuantity": "20", "status": "CLOSED"}, OrderState.CANCELLED),
        ({"status": "CLOSED", "type": "MARKET", "limit": None}, OrderState.CANCELLED),
        ({"status": "CLOSED", "type": "CEILING_MARKET", "quantity": None, "fillQuantity": "3"}, OrderState.FILLED),
        ({"status": "CLOSED", "type": "CEILING_MARKET", "quantity": None}, OrderState.CANCELLED),
    ],
)
def test_the_state_of_an_order_is_in_its_quantities(user: Any, changes: dict[str, Any], state: OrderState) -> None:
    row = ORDER | {"clientOrderId": "mine"} | changes
    (update,) = user.parse(hub(("order", {"sequence": 1, "delta": row})))
    assert (update.state, update.client_order_id, update.filled) == (state, "mine", D(row["fillQuantity"]))
    assert update.time == (1659711857_000_000_000 if "closedAt" in changes else PLACED)


def test_an_execution_waits_for_its_order_which_says_the_side(user: Any) -> None:
    early = hub(("execution", {"sequence": 1, "deltas": [EXECUTION]}))
    assert list(user.parse(early)) == []
    row = ORDER | {"clientOrderId": "mine", "fillQuantity": "20", "proceeds": "1"}
    update, fill = user.parse(hub(("order", {"sequence": 1, "delta": row})))
    assert (update.filled, fill) == (20, FILL)
    (late,) = user.parse(hub(("execution", {"sequence": 2, "deltas": [EXECUTION | {"id": "e2", "isTaker": True}]})))
    assert (late.trade_id, late.is_maker) == ("e2", False)


def test_balances_are_absolute(user: Any) -> None:
    (balance,) = user.parse(hub(("balance", {"accountId": "1", "sequence": 33119, "delta": BALANCE})))
    assert balance == Balance("VLX", D("636.02206857"), D(0), 1659707191_730_000_000)


def test_a_hole_in_a_sequence_means_another_connection_and_a_repetition_nothing(user: Any) -> None:
    def said(name: str, number: int) -> list[Any]:
        return list(user.parse(hub((name, {"sequence": number, "delta": BALANCE}))))

    assert len(said("balance", 5)) == 1
    assert said("balance", 5) == []
    assert len(said("balance", 6)) == 1
    assert said("balance", 8) == [Reconnect("balance: 8 after 6")]
    assert said("balance", 1) == [Reconnect("balance: 1 after 8")]
    assert len(list(user.parse(hub(("order", {"sequence": 1, "delta": ORDER}))))) == 1


# Orders.


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"type": "LIMIT", "timeInForce": "GOOD_TIL_CANCELLED", "limit": "1.10"}),
        ({"tif": TimeInForce.IOC}, {"type": "LIMIT", "timeInForce": "IMMEDIATE_OR_CANCEL", "limit": "1.10"}),
        ({"tif": TimeInForce.FOK}, {"type": "LIMIT", "timeInForce": "FILL_OR_KILL", "limit": "1.10"}),
        ({"post_only": True}, {"type": "LIMIT", "timeInForce": "POST_ONLY_GOOD_TIL_CANCELLED", "limit": "1.10"}),
        ({"type": OrderType.MARKET, "price": None}, {"type": "MARKET", "timeInForce": "IMMEDIATE_OR_CANCEL"}),
        (
            {"type": OrderType.MARKET, "price": None, "tif": TimeInForce.FOK},
            {"type": "MARKET", "timeInForce": "FILL_OR_KILL"},
        ),
    ],
)
def test_orders_are_placed_as_the_venue_wants_them(
    entry: Any, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    terms = {"client_order_id": "mine", "trading_pair": "BTC-USD", "side": Side.BUY}
    request = entry.place(NewOrder(**{**terms, "amount": D("1E-5"), "price": D("1.10"), **changes})).request
    assert (request.method, request.path, request.signed, request.urgent) == ("POST", "/v3/orders", True, False)
    same = {"marketSymbol": "BTC-USD", "direction": "BUY", "quantity": "0.00001", "clientOrderId": "mine"}
    assert request.body == same | expected
    assert (request.params, request.cost) == ({}, {"calls": 1})


def test_an_order_answer_is_read_and_ours_by_its_client_id(entry: Any) -> None:
    new = NewOrder(client_order_id="mine", trading_pair="VLX-USDT", side=Side.SELL, amount=D(50), price=D("0.049"))
    update = entry.place(new).read(answer(ORDER, 201))
    assert (update.state, update.client_order_id, update.exchange_order_id) == (OrderState.OPEN, "mine", ORDER["id"])


def test_placing_again_tells_the_first_ones_id(entry: Any) -> None:
    call = entry.resend(order(price=D("0.049"), exchange_order_id=""))
    assert call.request == entry.place(order(price=D("0.049"))).request
    assert call.request.body["clientOrderId"] == "mine"
    refused = answer({"code": "CLIENTORDERID_ALREADY_EXISTS", "data": {"id": ORDER["id"]}}, 409)
    assert BITTREX.error(refused) is None
    update = call.read(refused)
    assert (update.state, update.client_order_id, update.exchange_order_id) == (OrderState.OPEN, "mine", ORDER["id"])
    assert (update.filled, update.symbol) == (None, "VLX-USDT")


def test_orders_are_cancelled_by_the_venues_id(entry: Any) -> None:
    call = entry.cancel(order())
    assert (call.request.method, call.request.path) == ("DELETE", f"/v3/orders/{ORDER['id']}")
    assert (call.request.signed, call.request.urgent) == (True, True)
    assert call.read(answer(ORDER | {"status": "CLOSED"})).state is OrderState.CANCELLED
    assert entry.cancel(order(exchange_order_id="")).request.path == "/v3/orders/mine"


def test_the_status_of_an_open_order_is_in_the_list_of_those(entry: Any) -> None:
    for asked in (order(), order(exchange_order_id="")):
        call = entry.status(asked)
        assert (call.request.path, call.request.params) == ("/v3/orders/open", {"marketSymbol": "VLX-USDT"})
        rows = [ORDER | {"id": "another"}, ORDER | {"clientOrderId": "mine"}]
        assert call.read(answer(rows)).exchange_order_id == ORDER["id"]


def test_what_is_not_open_is_looked_for_among_the_closed(entry: Any) -> None:
    with pytest.raises(NotFound):
        entry.status(order()).read(answer([]))
    call = entry.status(order())
    assert call.request.path == "/v3/orders/closed"
    query = {"marketSymbol": "VLX-USDT", "pageSize": "200", "startDate": "2022-08-05T14:04:16Z"}
    assert call.request.params == query
    row = ORDER | {"status": "CLOSED", "fillQuantity": "50", "clientOrderId": "mine"}
    assert call.read(answer([row])).state is OrderState.FILLED
    assert entry.status(order()).request.path == "/v3/orders/open"


def test_an_order_in_neither_list_was_cancelled(entry: Any) -> None:
    with pytest.raises(NotFound):
        entry.status(order()).read(answer([]))
    update = entry.status(order()).read(answer([ORDER | {"id": "another", "status": "CLOSED"}]))
    assert (update.state, update.exchange_order_id) == (OrderState.CANCELLED, ORDER["id"])
    assert (update.symbol, update.client_order_id, update.filled) == ("VLX-USDT", "mine", None)


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ({"exchange_order_id": ""}, 0),  # never seen: it may not be there yet
        ({"filled": D(1)}, 0),  # it has fills, so it must be among the closed
        ({"created": 0}, 200),  # it may be on another page
    ],
)
def test_an_order_in_neither_list_is_not_found_where_that_proves_nothing(
    entry: Any, changes: dict[str, Any], listed: int
) -> None:
    with pytest.raises(NotFound):
        entry.status(order(**changes)).read(answer([]))
    call = entry.status(order(**changes))
    assert ("startDate" in call.request.params) == ("created" not in changes)
    with pytest.raises(NotFound):
        call.read(answer([ORDER | {"id": str(number), "status": "CLOSED"} for number in range(listed)]))
    assert entry.status(order(**changes)).request.path == "/v3/orders/open"


def test_lists_of_open_orders_are_read(entry: Any) -> None:
    call = entry.open_orders()
    assert (call.request.method, call.request.path, call.request.params) == ("GET", "/v3/orders/open", {})
    found = call.read(answer([ORDER, ORDER | {"id": "2"}]))
    assert [update.exchange_order_id for update in found] == [ORDER["id"], "2"]
    assert entry.open_orders("BTC-USD").request.params == {"marketSymbol": "BTC-USD"}


def test_fills_are_paged_from_the_newest_to_the_oldest(entry: Any) -> None:
    first = entry.fills("VLX-USDT", FillCursor(time=PLACED))
    query = {"marketSymbol": "VLX-USDT", "pageSize": "200", "startDate": "2022-08-05T15:04:16Z"}
    assert (first.request.path, first.request.params) == ("/v3/executions", query)
    assert entry.fills("VLX-USDT", FillCursor("e1", PLACED)).request.params == query | {"nextPageToken": "e1"}
    assert "startDate" not in entry.fills("VLX-USDT", FillCursor()).request.params


def test_fills_have_the_side_of_their_order_and_are_left_out_without_one(entry: Any) -> None:
    call = entry.fills("VLX-USDT", FillCursor())
    assert call.read(answer([EXECUTION])).items == []
    entry.open_orders().read(answer([ORDER | {"clientOrderId": "mine"}]))
    page = call.read(answer([EXECUTION, EXECUTION | {"orderId": "unknown"}]))
    assert (page.items, page.more) == ([FILL], False)
    assert call.read(answer([EXECUTION] * 200)).more


def test_fills_of_one_order_are_read_whoever_has_seen_it(entry: Any) -> None:
    call = entry.order_fills(order())
    assert call.request.path == f"/v3/orders/{ORDER['id']}/executions"
    assert call.read(answer([EXECUTION])) == [FILL]
    assert entry.order_fills(order(exchange_order_id="")) is None


def test_only_the_newest_orders_are_remembered(entry: Any) -> None:
    rows = [ORDER | {"id": str(number)} for number in range(20_001)]
    entry.open_orders().read(answer(rows))
    call = entry.fills("VLX-USDT", FillCursor())
    told = call.read(answer([EXECUTION | {"orderId": str(number)} for number in (0, 1)]))
    assert [fill.exchange_order_id for fill in told.items] == ["1"]


def test_balances_and_fees_are_read(entry: Any) -> None:
    call = entry.balances()
    assert (call.request.path, call.request.signed) == ("/v3/balances", True)
    bare = {"currencySymbol": "BTC", "total": "2", "available": "1.5"}
    assert call.read(answer([BALANCE, bare])) == [
        Balance("VLX", D("636.02206857"), D(0), 1659707191_730_000_000),
        Balance("BTC", D(2), D("1.5")),
    ]
    call = entry.fees("BTC-USD")
    assert call.request.path == "/v3/account/fees/trading/BTC-USD"
    fee = call.read(answer({"marketSymbol": "BTC-USD", "makerRate": "0.00750000", "takerRate": "0.00800000"}))
    assert (fee.maker, fee.taker) == (D("0.0075"), D("0.008"))


# Errors, and the rest.


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"code": "BAD_REQUEST", "detail": "x"}, ErrorKind.REFUSED),
        (400, {"code": "INVALID_ORDER_TYPE"}, ErrorKind.REFUSED),
        (400, {"code": "RATE_PRECISION_NOT_ALLOWED"}, ErrorKind.REFUSED),
        (409, {"code": "MIN_TRADE_REQUIREMENT_NOT_MET"}, ErrorKind.REFUSED),
        (409, {"code": "DUST_TRADE_DISALLOWED_MIN_VALUE"}, ErrorKind.REFUSED),
        (409, {"code": "POST_ONLY", "detail": "was cancelled"}, ErrorKind.REFUSED),
        (409, {"code": "INSUFFICIENT_FUNDS"}, ErrorKind.FUNDS),
        (409, {"code": "CLIENTORDERID_ALREADY_EXISTS"}, ErrorKind.DUPLICATE),
        (409, {"code": "CLIENTORDERID_ALREADY_EXISTS", "data": "text"}, ErrorKind.DUPLICATE),
        (404, {"code": "ORDER_DOES_NOT_EXIST"}, ErrorKind.NOT_FOUND),
        (409, {"code": "ORDER_NOT_OPEN", "data": {"id": "1"}}, ErrorKind.NOT_FOUND),
        (429, {"code": "THROTTLED"}, ErrorKind.RATE),
        (429, b"<html>", ErrorKind.RATE),
        (401, {"code": "APIKEY_INVALID"}, ErrorKind.AUTH),
        (401, {"code": "INVALID_SIGNATURE"}, ErrorKind.AUTH),
        (403, {"code": "WHITELIST_VIOLATION_IP"}, ErrorKind.AUTH),
        (401, {"code": "INVALID_TIMESTAMP"}, ErrorKind.CLOCK),
        (503, {"code": "CURRENCY_OFFLINE"}, ErrorKind.UNKNOWN),
        (500, b"", ErrorKind.UNKNOWN),
        (409, {"code": "ORDER_ERROR_CONTACT_SUPPORT"}, ErrorKind.UNKNOWN),
        (400, {"code": "NEVER_HEARD_OF"}, ErrorKind.UNKNOWN),
    ],
)
def test_refusals_are_classified(status: int, body: Any, kind: ErrorKind) -> None:
    fault = BITTREX.error(answer(body, status))
    assert fault is not None
    assert fault.kind is kind
    assert fault.message


def test_success_is_no_fault() -> None:
    assert BITTREX.error(answer([])) is None
    assert BITTREX.error(answer(ORDER, 201)) is None


def test_the_server_time_is_in_seconds() -> None:
    assert BITTREX.server_time is not None
    assert BITTREX.server_time.request.path == "/v3/ping"
    assert BITTREX.server_time.read(answer({"serverTime": 1499827319559})) == 1499827319.559


def test_client_ids_are_distinct_uuids() -> None:
    numbers = [0, 1, *(1 << bit for bit in range(1, 80)), 2**80 - 1]
    ids = [BITTREX.client_id(number) for number in numbers]
    assert len(set(ids)) == len(numbers)
    assert {UUID(name).version for name in ids} == {4}
    assert {len(name) for name in ids} == {36}


def test_the_venue_is_closed() -> None:
    assert "2023" in BITTREX.closed
    assert BITTREX.testnet is None
