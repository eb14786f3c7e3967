"""Bittrex's books and signatures: requests as its documentation wanted them, frames and answers
read as it wrote them.

tests/frames/bittrex/hub.jsonl: frames of the hub without content, from a recording and the
documentation.
"""

import ast
import json
from decimal import Decimal as D
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from actors.runtime.component_factory import hosts_of
from actors.settings import VenueSettings
from exchanges.bittrex import BITTREX
from exchanges.contract import MALFORMED, Answer, Endpoints, ErrorKind, Fault
from orderbook.book import OrderBook
from orderbook.errors import AuthenticationError, ConfigError
from orderbook.messages import BookDiff, BookSnapshot, FeedInterrupted, LevelNames, Side, Trade
from tests.support.answers import answer
from tests.support.bittrex_wire import BTC, DELTA, KEYS, MARKET, deflated, hub, new_book, new_user
from tests.support.recordings import recording

NAMES = LevelNames(price="rate", size="quantity")


@pytest.fixture
def feed() -> Any:
    return new_book()


def finish(steps: Any, token: str) -> tuple[Any, str]:
    call = next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(
            call.read(
                answer({"Url": "/signalr", "ConnectionToken": token, "ProtocolVersion": "1.5"})
            )
        )
    return call.request, end.value.value


# Signing.


def test_an_empty_body_has_the_documented_hash_and_the_signature_of_ccxt() -> None:
    """Hash: documentation of authentication. Signature: ccxt 4.1.80."""
    signed = BITTREX.auth(KEYS).generate_auth_dict(
        "GET", "https://api.bittrex.com/v3/balances", {}, None, now=1542323450.016
    )
    assert signed["url"] == "https://api.bittrex.com/v3/balances"
    assert signed["body"] == b""
    assert signed["headers"] == {
        "Api-Key": "K",
        "Api-Timestamp": "1542323450016",
        "Api-Content-Hash": "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
        "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
        "Api-Signature": "b0fd2d34857e185dca0babcd7887f5d21d914bedb0ff81e4bf1d0f53a78e6011"
        "ed26cdc664e13fa568bd3beaf0096dad63b77dc4486fefce62af31044fd940b4",
    }


def test_a_body_is_hashed_as_it_is_sent() -> None:
    """ccxt 4.1.80."""
    body = {
        "marketSymbol": "BTC-USD",
        "direction": "BUY",
        "type": "LIMIT",
        "quantity": "0.01",
        "limit": "100",
    }
    body["timeInForce"] = "GOOD_TIL_CANCELLED"
    auth = BITTREX.auth(KEYS)
    url = "https://api.bittrex.com/v3/orders"
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
    auth = BITTREX.auth(KEYS)
    url = "http://localhost:1/v3/orders/open"
    signed = auth.generate_auth_dict(
        "GET", url, {"startDate": "2021-01-01T00:00:00Z"}, None, now=1.0
    )
    assert signed["url"] == f"{url}?startDate=2021-01-01T00%3A00%3A00Z"
    plain = auth.generate_auth_dict("GET", url, {}, None, now=1.0)
    assert signed["headers"]["Api-Signature"] != plain["headers"]["Api-Signature"]


def test_the_socket_proof_is_that_of_the_documentation() -> None:
    auth: Any = BITTREX.auth({"api_key": "your_api_key_goes_here", "api_secret": "secret"})
    assert auth.proof("1592524115500" + "e758c9d0-7603-4c8d-9ad3-3ce0141c576b").upper() == (
        "BFBD98224D5720C4F51DC30BF6B5035800A92B3B5E3124D8E2A69F6299A49D3C"
        "6AA428947693B470851AB736996A57C6A11FB60517AB24B5E3379C386688C973"
    )


def test_the_login_proves_the_time_and_a_content_of_its_own() -> None:
    auth: Any = BITTREX.auth(KEYS)
    first, second = (auth.login(now) for now in (1592524115.5, 1592524115.501))
    assert (first["H"], first["M"], first["A"][:2]) == ("c3", "Authenticate", ("K", 1592524115500))
    assert first["A"][3] == auth.proof(f"1592524115500{UUID(first['A'][2])}")
    assert first["A"][2] != second["A"][2]


def test_a_key_without_its_secret_is_refused_and_none_is_shown() -> None:
    with pytest.raises(AuthenticationError, match="api_secret"):
        BITTREX.auth({"api_key": "K"})
    assert "secret" not in repr(BITTREX.auth(KEYS))


# Books.


def test_rules_are_read_those_of_an_offline_market_too(feed: Any) -> None:
    call = feed.trading_rules()
    assert (call.request.method, call.request.path, call.request.signed) == (
        "GET",
        "/v3/markets",
        False,
    )
    rule, other = call.read(answer([MARKET, BTC | {"status": "OFFLINE"}]))
    assert (rule.trading_pair, rule.symbol, rule.base, rule.quote) == (
        "1INCH-BTC",
        "1INCH-BTC",
        "1INCH",
        "BTC",
    )
    assert (rule.price_tick, rule.size_step, rule.min_size) == (
        D("0.00000001"),
        D("0.00000001"),
        D("0.51194539"),
    )
    assert (rule.active, other.active, other.price_tick) == (True, False, D("0.001"))


def test_volumes_are_read_and_the_days_average_stands_for_the_last_price(feed: Any) -> None:
    call = feed.markets()
    assert call.request.path == "/v3/markets/summaries"
    row = {"symbol": "BTC-USD", "high": "9", "low": "1", "volume": "3", "quoteVolume": "6"}
    found, idle = call.read(answer([row, row | {"volume": "0", "quoteVolume": "0"}]))
    assert (found.symbol, found.last_price, found.base_volume, found.quote_volume) == (
        "BTC-USD",
        2,
        3,
        6,
    )
    assert idle.last_price == 9


def test_the_connection_is_negotiated_first_at_the_sockets_host() -> None:
    for role, over in ((new_book(), "public"), (new_user(), "private")):
        request, path = finish(role.handshake(), "a/b+c=")
        assert (request.method, request.path, request.signed) == (
            "GET",
            "/signalr/negotiate",
            False,
        )
        assert request.over == over
        assert request.params == {"clientProtocol": "1.5", "connectionData": '[{"name":"c3"}]'}
        assert path == (
            "/signalr/connect?transport=webSockets&connectionToken=a%2Fb%2Bc%3D"
            "&clientProtocol=1.5&connectionData=%5B%7B%22name%22%3A%22c3%22%7D%5D"
        )


def test_a_snapshot_has_the_sequence_of_its_header(feed: Any) -> None:
    call = feed.snapshot("BTC-EUR")
    assert (call.request.path, call.request.params) == (
        "/v3/markets/BTC-EUR/orderbook",
        {"depth": "500"},
    )
    body = {"bid": [{"quantity": "0.05092530", "rate": "32414.61700000"}], "ask": []}
    book = call.read(answer(body, sequence="3209225"))
    bids = b'[{"quantity": "0.05092530", "rate": "32414.61700000"}]'
    assert book == BookSnapshot("BTC-EUR", bids, b"[]", 3209225, names=NAMES)
    made = OrderBook(64)
    made.apply_snapshot(book)
    assert made.bids.tolist() == [[32414.617, 0.0509253]]
    with pytest.raises(MALFORMED):
        call.read(answer(body))


def test_a_symbol_has_two_streams(feed: Any) -> None:
    (frame,) = feed.subscribe(["BTC-USD", "BTC-EUR"])
    streams = ["orderbook_BTC-USD_500", "trade_BTC-USD", "orderbook_BTC-EUR_500", "trade_BTC-EUR"]
    assert frame == {"H": "c3", "M": "Subscribe", "A": (streams,), "I": 1}
    assert [told["M"] for told in feed.request_snapshot(["BTC-EUR"])] == [
        "Unsubscribe",
        "Subscribe",
    ]


def test_deltas_keep_their_levels_as_they_are(feed: Any) -> None:
    (diff,) = feed.parse(hub(("orderBook", DELTA)))
    asks = json.dumps(DELTA["askDeltas"]).encode()
    assert diff == BookDiff("BTC-EUR", b"[]", asks, 3209226, 3209226, names=NAMES)


@pytest.mark.parametrize("quantity", ["nan", "", "-1", None])
def test_levels_that_are_no_numbers_are_refused_by_the_book(
    feed: Any, quantity: str | None
) -> None:
    (diff,) = feed.parse(
        hub(("orderBook", DELTA | {"bidDeltas": [{"quantity": quantity, "rate": "1"}]}))
    )
    with pytest.raises(ValueError, match="malformed"):
        OrderBook(64).apply_diff(diff)


def test_trades_carry_the_takers_side_and_one_frame_holds_several_messages(feed: Any) -> None:
    rows = [
        {
            "id": "8e7f",
            "executedAt": "2021-06-13T22:38:11.08Z",
            "quantity": "0.5",
            "rate": "38808.83",
        }
    ]
    rows = [rows[0] | {"takerSide": "BUY"}, rows[0] | {"takerSide": "SELL", "id": "9"}]
    told = {"deltas": rows, "sequence": 204392, "marketSymbol": "BTC-USD"}
    first, second, diff = feed.parse(
        hub(("trade", told), ("ticker", {"symbol": "BTC-USD"}), ("orderBook", DELTA))
    )
    assert first == Trade("BTC-USD", "8e7f", Side.BUY, 38808.83, 0.5, 1623623891_080_000_000)
    assert (second.side, second.trade_id, type(diff)) == (Side.SELL, "9", BookDiff)


def test_a_trade_that_cannot_be_read_hides_no_other(feed: Any) -> None:
    row = {
        "id": "1",
        "executedAt": "2021-06-13T22:38:11.08Z",
        "quantity": "0.5",
        "rate": "2",
        "takerSide": "BUY",
    }
    rows = [row, row | {"id": None}, row | {"rate": "much"}, row | {"id": "4", "newField": 1}]
    told = {"deltas": rows, "sequence": 1, "marketSymbol": "BTC-USD"}
    first, second, *faults = feed.parse(hub(("trade", told)))
    assert (first.trade_id, second.trade_id) == ("1", "4")
    assert [fault.message for fault in faults] == [
        "$.deltas[1].id: Expected `str`, got `null`",
        "$.deltas[2]: ValueError: could not convert string to float: 'much'",
    ]


def test_several_contents_of_one_push_are_read(feed: Any) -> None:
    contents = [deflated(DELTA), deflated(DELTA | {"sequence": 3209227})]
    frame = json.dumps({"C": "x", "M": [{"H": "C3", "M": "orderBook", "A": contents}]}).encode()
    assert [diff.update_id for diff in feed.parse(frame)] == [3209226, 3209227]


def test_a_sequence_that_begins_again_is_a_loss_and_one_said_twice_is_none(feed: Any) -> None:
    told = [
        list(feed.parse(hub(("orderBook", DELTA | {"sequence": number}))))
        for number in (7, 7, 1, 2)
    ]
    assert [len(messages) for messages in told] == [1, 1, 2, 1]
    assert told[2][0] == FeedInterrupted("BTC-EUR", "its sequence begins again")


def test_the_hubs_own_frames_say_nothing(feed: Any) -> None:
    for line in (
        (Path(__file__).parents[1] / "frames" / "bittrex" / "hub.jsonl").read_bytes().splitlines()
    ):
        assert list(feed.parse(line)) == []


def test_refused_subscriptions_are_faults(feed: Any) -> None:
    (fault,) = feed.parse(
        b'{"R":[{"Success":true,"ErrorCode":null},{"Success":false,"ErrorCode":"BAD_REQUEST"}],"I":"1"}'
    )
    assert fault == Fault(ErrorKind.REFUSED, "BAD_REQUEST", "refused")
    (fault,) = feed.parse(
        b'{"I":"1","E":"There was an error invoking Hub method \\"c3.Subscribe\\"."}'
    )
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
        hub(("orderBook", {"marketSymbol": "BTC-EUR", "sequence": 1})),
    ],
)
def test_a_malformed_frame_is_an_error(frame: bytes) -> None:
    for role in (new_book(), new_user()):
        with pytest.raises(MALFORMED):
            list(role.parse(frame))


def test_an_unheard_private_message_is_an_error() -> None:
    with pytest.raises(MALFORMED):
        list(new_user().parse(hub(("unheard of", {}))))


def test_every_frame_of_a_real_session_is_read_without_a_gap(feed: Any) -> None:
    last: dict[str, int] = {}
    count = 0
    made = OrderBook(4096)
    for line in recording("BITTREX.ws.1.0").read_text().splitlines():
        stamp, _, payload = line.partition(": ")
        if not stamp.replace(".", "").isdigit():
            continue
        for message in feed.parse(payload.encode()):
            assert isinstance(message, BookDiff)
            assert message.first_id == last.get(message.symbol, message.first_id - 1) + 1
            made.apply_diff(message)
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
    for book in books:
        made = OrderBook(1024)
        made.apply_snapshot(book)
        assert 0 < made.top().bid < made.top().ask
        assert len(made.bids) <= 500
    for line in recording("BITTREX.0").read_text().splitlines():
        if line.startswith("https"):
            rules = feed.trading_rules().read(answer(line.partition(": ")[2].encode()))
            assert {rule.symbol for rule in rules} >= {book.symbol for book in books}


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


def test_the_venue_is_closed_and_says_so_unless_its_hosts_are_replaced() -> None:
    assert BITTREX.testnet is None
    theirs = VenueSettings(hosts={"rest": "http://127.0.0.1:1"})
    for settings in (VenueSettings(), theirs):
        with pytest.raises(
            ConfigError, match="bittrex is closed: .*December 2023.*sandbox.*recordings"
        ):
            hosts_of(BITTREX, settings)
    ours = {
        "rest": "http://127.0.0.1:1",
        "public": "ws://127.0.0.1:1",
        "private": "ws://127.0.0.1:1",
    }
    assert hosts_of(BITTREX, VenueSettings(hosts=ours)) == Endpoints(**ours)  # type: ignore[arg-type]
