"""ccxt's unified structures in, our records out; calls by the names of its methods; venues that
lack something."""

import asyncio
import sys
from decimal import Decimal as D
from typing import Any

import ccxt
import ccxt.pro
import msgspec
import numpy as np
import pytest

from actors.settings import VenueSettings
from actors.transport.ccxt_client import CcxtClient
from actors.transport.ccxt_rest import CcxtRest, answer_of
from exchanges import ccxt_reading as read
from exchanges.ccxt_venue import PREFIX, CcxtOrderEntry, client_id, read_error
from exchanges.contract import Answer, ErrorKind, FillCursor
from exchanges.orders import InFlightOrder, OrderState, OrderType, TimeInForce
from exchanges.registry import get
from orderbook.errors import (
    AuthenticationError,
    ConfigError,
    Disconnected,
    InvalidOrder,
    NotFound,
    NotListed,
    UnknownOutcome,
)
from orderbook.messages import Layout, Side

MARKET = {
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "spot": True,
    "active": True,
    "precision": {"price": 0.01, "amount": 1e-05},
    "limits": {"amount": {"min": 1e-05, "max": 9000.0}, "cost": {"min": 5.0}, "price": None},
}
ORDER = {
    "id": "7",
    "clientOrderId": "t-tr0000000000000001",
    "symbol": "BTC/USDT",
    "status": "open",
    "side": "buy",
    "type": "limit",
    "price": 60000.1,
    "amount": 0.3,
    "filled": 0.1,
    "cost": 6000.01,
    "timestamp": 1_700_000_000_123,
}


def answer(value: Any) -> Answer:
    return Answer(200, {}, msgspec.json.encode(value))


def rule_of(mode: int, **changes: Any) -> Any:
    (rule,) = read.read_rules({"precision_mode": mode, "markets": [MARKET | changes]})
    return rule


def test_ticks_places_and_digits_become_steps() -> None:
    rule = rule_of(read.TICK_SIZE)
    assert (rule.trading_pair, rule.symbol) == ("BTC-USDT", "BTC/USDT")
    assert (rule.price_tick, rule.size_step) == (D("0.01"), D("0.00001"))
    assert (rule.min_size, rule.max_size, rule.min_notional) == (D("0.00001"), D(9000), D(5))
    rule = rule_of(read.DECIMAL_PLACES, precision={"price": 2, "amount": 5})
    assert (rule.price_tick, rule.size_step) == (D("0.01"), D("0.00001"))
    rule = rule_of(read.SIGNIFICANT_DIGITS, precision={"price": 5, "amount": 8})
    assert (rule.price_tick, rule.size_step, rule.significant_digits) == (0, D("1e-8"), 5)


def test_what_a_market_does_not_say_does_not_bind() -> None:
    rule = rule_of(
        read.TICK_SIZE, precision={"price": None, "amount": None}, limits={}, active=None
    )
    assert (rule.price_tick, rule.size_step, rule.min_size, rule.max_size, rule.active) == (
        0,
        0,
        0,
        None,
        True,
    )


def test_markets_that_no_pair_can_name_are_left_out_and_the_trading_one_of_two_counts() -> None:
    markets = [
        MARKET | {"active": False},
        MARKET,
        MARKET | {"active": False},
        MARKET | {"base": "A-B"},
    ]
    (rule,) = read.read_rules({"precision_mode": read.TICK_SIZE, "markets": markets})
    assert rule.active


def test_a_book_is_packed_and_bears_the_nonce_where_it_is_a_number() -> None:
    book = {
        "bids": [[10.0, 1.0, 3]],
        "asks": [[10.5, 2.0], [11.0, 1.0]],
        "nonce": 5,
        "timestamp": 1,
    }
    image = read.read_book("BTC/USDT", book)
    assert (image.layout, image.update_id, image.time) == (Layout.PACKED, 5, 1_000_000)
    assert np.frombuffer(image.bids).tolist() == [10.0, 1.0]
    assert np.frombuffer(image.asks).tolist() == [10.5, 2.0, 11.0, 1.0]
    assert not read.is_crossed(image)
    assert read.is_crossed(read.read_book("X/Y", book | {"bids": [[10.6, 1.0]], "nonce": "abc"}))
    empty = read.read_book("X/Y", {"bids": [], "asks": [], "nonce": 2**70})
    assert (empty.update_id, empty.bids, empty.time) == (0, b"", 0)


def test_a_trade_without_a_side_is_none() -> None:
    row = {"id": "1", "price": 10.0, "amount": 2.0, "side": "sell", "timestamp": 3}
    trade = read.read_trade("X/Y", row)
    assert trade is not None
    assert (trade.side, trade.time) == (Side.SELL, 3_000_000)
    assert read.read_trade("X/Y", row | {"side": None}) is None


def test_an_order_s_words_become_its_state() -> None:
    update = read.read_order(ORDER)
    assert update.client_order_id == "tr0000000000000001"
    assert (update.state, update.filled, update.quote_filled) == (
        OrderState.PARTIALLY_FILLED,
        D("0.1"),
        D("6000.01"),
    )
    assert (update.price, update.type, update.time) == (
        D("60000.1"),
        OrderType.LIMIT,
        1_700_000_000_123_000_000,
    )
    states = {
        ("closed", 0.3): OrderState.FILLED,
        ("closed", None): OrderState.FILLED,
        ("closed", 0.1): OrderState.CANCELLED,
        ("canceled", 0.1): OrderState.CANCELLED,
        ("expired", 0.0): OrderState.EXPIRED,
        ("rejected", 0.0): OrderState.REJECTED,
        (None, None): OrderState.OPEN,
    }
    for (status, filled), state in states.items():
        assert read.read_order(ORDER | {"status": status, "filled": filled}).state is state
    assert read.read_order(ORDER | {"clientOrderId": "by-hand"}).client_order_id == "by-hand"


def test_fills_have_a_fee_and_those_without_an_id_are_left_out() -> None:
    row = {
        "id": "1",
        "order": "7",
        "symbol": "X/Y",
        "side": "buy",
        "price": 0.1,
        "amount": 0.2,
        "timestamp": 1,
    }
    fee = {"cost": 0.0002, "currency": "X"}
    rows = [row | {"fee": fee}, row | {"fees": [fee]}, row | {"id": None}, row | {"order": None}]
    one, two = read.read_fills(rows)
    assert one == two
    assert (one.fee, one.fee_asset, one.price, one.is_maker) == (D("0.0002"), "X", D("0.1"), None)


def test_balances_know_the_total_or_what_is_free() -> None:
    said = {
        "total": {"A": 1.0, "B": None, "C": None},
        "free": {"A": 0.5, "B": 2.0},
        "timestamp": None,
    }
    found = {b.asset: (b.total, b.available) for b in read.read_balances(said)}
    assert found == {"A": (D(1), D("0.5")), "B": (D(2), D(2))}


def test_client_ids_have_18_letters_and_digits() -> None:
    assert client_id(1) == "tr0000000000000001"
    assert len(client_id(2**80 - 1)) == 18


def test_every_error_class_has_its_kind() -> None:
    kinds = {
        ccxt.InsufficientFunds: ErrorKind.FUNDS,
        ccxt.InvalidOrder: ErrorKind.REFUSED,
        ccxt.OrderImmediatelyFillable: ErrorKind.REFUSED,
        ccxt.OrderNotFound: ErrorKind.NOT_FOUND,
        ccxt.DuplicateOrderId: ErrorKind.DUPLICATE,
        ccxt.RateLimitExceeded: ErrorKind.RATE,
        ccxt.DDoSProtection: ErrorKind.RATE,
        ccxt.InvalidNonce: ErrorKind.CLOCK,
        ccxt.AuthenticationError: ErrorKind.AUTH,
        ccxt.PermissionDenied: ErrorKind.AUTH,
        ccxt.ExchangeError: ErrorKind.UNKNOWN,
        ccxt.BadRequest: ErrorKind.UNKNOWN,
        ccxt.ChecksumError: ErrorKind.UNKNOWN,
    }
    for kind, ours in kinds.items():
        said = answer_of(kind("no"))
        assert said is not None
        fault = read_error(said)
        assert fault is not None
        assert (fault.kind, fault.code, fault.message) == (ours, kind.__name__, "no")
    for nothing in (
        ccxt.RequestTimeout(""),
        ccxt.ExchangeNotAvailable(""),
        ccxt.BadResponse(""),
        KeyError("x"),
    ):
        assert answer_of(nothing) is None
    assert read_error(Answer(200, {}, b"")) is None


def order(**changes: Any) -> InFlightOrder:
    terms = {
        "client_order_id": "c1",
        "trading_pair": "BTC-USDT",
        "symbol": "BTC/USDT",
        "side": Side.BUY,
    }
    return InFlightOrder(**(terms | {"amount": D("0.3"), "price": D("60000.1")} | changes))


ENTRY = CcxtOrderEntry({"BTC-USDT": rule_of(read.TICK_SIZE)})


def test_orders_become_calls() -> None:
    call = ENTRY.place(order(post_only=True))
    assert (call.request.path, call.request.is_mutating) == ("create_order", True)
    assert call.request.body == {
        "symbol": "BTC/USDT",
        "kind": "limit",
        "side": "buy",
        "amount": "0.3",
        "price": "60000.1",
        "params": {"clientOrderId": "c1", "postOnly": True},
    }
    bare = call.read(answer({"id": "9", "symbol": None, "status": None}))
    assert (bare.exchange_order_id, bare.client_order_id, bare.symbol) == ("9", "c1", "BTC/USDT")
    assert bare.state is OrderState.OPEN
    market = ENTRY.place(order(type=OrderType.MARKET, tif=TimeInForce.IOC)).request.body
    assert market is not None
    assert (market["price"], market["params"]["timeInForce"]) == (None, "IOC")
    assert ENTRY.cancel(order()).read(answer(None)) is None
    assert ENTRY.cancel(order()).request.urgent


def test_open_orders_of_other_markets_are_not_ours() -> None:
    rows = [ORDER, ORDER | {"symbol": "BTC/USDT:USDT"}]
    assert len(ENTRY.open_orders().read(answer(rows))) == 1
    body = ENTRY.open_orders("BTC-USDT").request.body
    assert body == {"symbol": "BTC/USDT"}


def test_fills_go_on_while_pages_are_full_and_time_goes_on() -> None:
    row = {
        "id": "1",
        "order": "7",
        "symbol": "BTC/USDT",
        "side": "buy",
        "price": 1.0,
        "amount": 1.0,
    }
    rows = [row | {"id": str(n), "timestamp": 1000 + n} for n in range(20)]
    call = ENTRY.fills("BTC-USDT", FillCursor(time=1000 * 10**6))
    assert call.request.body == {"symbol": "BTC/USDT", "since": 1000}
    page = call.read(answer(rows))
    assert (len(page.items), page.next) == (20, "1019")
    assert ENTRY.fills("BTC-USDT", FillCursor(page="1019")).read(answer(rows)).next == ""
    assert call.read(answer(rows[:5])).next == ""


# Venues that lack something.


class Lacking:
    """A ccxt object of a venue that was taught little."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked = list[str]()

    def __getattr__(self, name: str) -> Any:
        async def method(*arguments: Any) -> Any:
            self.asked.append(name)
            said = self.answers[name]
            said = said(*arguments) if callable(said) else said
            if isinstance(said, Exception):
                raise said
            return said

        return method


def client_of(api: Lacking, *can: str) -> CcxtClient:
    made = CcxtClient(get("ccxt:binance"), VenueSettings(pairs=["BTC-USDT"]), None)
    made.api = api
    made._can = frozenset(can)
    return made


def ask(client: CcxtClient, method: str, *arguments: Any) -> Any:
    return asyncio.run(getattr(client, method)(*arguments))


def test_an_order_is_found_in_lists_where_it_cannot_be_asked_for() -> None:
    api = Lacking(
        fetchOpenOrders=[], fetchClosedOrders=[ORDER], fetch_order=ccxt.ArgumentsRequired("id")
    )
    client = client_of(api, "fetchOpenOrders", "fetchClosedOrders")
    assert ask(client, "fetch_order", "BTC/USDT", "7", "")["id"] == "7"
    assert ask(client, "fetch_order", "BTC/USDT", "", "tr0000000000000001")["id"] == "7"
    with pytest.raises(NotListed):
        ask(client, "fetch_order", "BTC/USDT", "8", "")


def test_a_denial_proves_nothing_before_an_order_was_found_in_the_same_way() -> None:
    known: list[str] = []

    def fetch(id: str, symbol: str, words: dict[str, str]) -> Any:
        name = words["clientOrderId"]
        return ORDER | {"clientOrderId": name} if name in known else ccxt.OrderNotFound("no")

    client = client_of(Lacking(fetch_order=fetch))
    with pytest.raises(NotListed):
        ask(client, "fetch_order", "BTC/USDT", "", "lost")
    client._witness = ("BTC/USDT", "there")
    with pytest.raises(NotListed):
        ask(client, "fetch_order", "BTC/USDT", "", "lost")
    known.append("there")
    with pytest.raises(ccxt.OrderNotFound):
        ask(client, "fetch_order", "BTC/USDT", "", "lost")


def test_an_answer_about_another_order_is_not_believed() -> None:
    client = client_of(Lacking(fetch_order=ORDER))
    with pytest.raises(NotListed):
        ask(client, "fetch_order", "BTC/USDT", "", "lost")
    with pytest.raises(ccxt.RequestTimeout):
        ask(
            client_of(Lacking(fetch_order=ccxt.RequestTimeout("slow"))),
            "fetch_order",
            "BTC/USDT",
            "",
            "lost",
        )


def test_a_cancel_always_names_the_venue_s_id() -> None:
    asked: list[tuple[Any, ...]] = []

    def fetch(*given: Any) -> Any:
        return ORDER if len(given) == 3 else ccxt.RequestTimeout("slow")

    api = Lacking(fetch_order=fetch, cancel_order=lambda *given: asked.append(given))
    client = client_of(api, "fetchOrder")
    assert ask(client, "cancel_order", "BTC/USDT", "", "tr0000000000000001") is None
    assert asked == [("7", "BTC/USDT")]


def test_open_orders_are_listed_pair_by_pair_where_a_symbol_is_a_must() -> None:
    def fetch(symbol: str | None) -> Any:
        return [ORDER] if symbol else ccxt.ArgumentsRequired("symbol")

    assert ask(client_of(Lacking(fetch_open_orders=fetch)), "fetch_open_orders", None) == [ORDER]


def test_fills_come_from_what_there_is() -> None:
    trade = {"id": "1", "order": "7"}
    api = Lacking(
        fetch_order_trades=[trade], fetch_my_trades=[trade], fetch_order={"trades": [trade]}
    )
    for can in ("fetchOrderTrades", "fetchOrder"):
        assert ask(client_of(api, can), "fetch_order_trades", "BTC/USDT", "7") == [trade]
    assert ask(client_of(api), "fetch_my_trades", "BTC/USDT", None) == []
    assert ask(client_of(api, "fetchMyTrades"), "fetch_my_trades", "BTC/USDT", 5) == [trade]


def test_an_order_s_fills_are_asked_for_by_order_where_that_can_be_done_or_nothing_else() -> None:
    rules = {"BTC-USDT": rule_of(read.TICK_SIZE)}
    known = order(exchange_order_id="7")
    for can, by_order in (
        ({"fetchOrderTrades", "fetchMyTrades"}, True),
        ({"fetchMyTrades"}, False),
        (set(), True),
    ):
        entry = CcxtOrderEntry.of(frozenset(can), 0.0)(rules)
        assert (entry.order_fills(known) is not None) is by_order
        assert entry.order_fills(order()) is None
    assert get("ccxt:bybit").orders.fills_span == 7 * 86400


def test_what_ccxt_would_round_is_refused_before_it_leaves() -> None:
    client = CcxtClient(get("ccxt:binance"), VenueSettings(), None)
    client.api.set_markets(
        [MARKET | {"id": "BTCUSDT", "type": "spot", "baseId": "BTC", "quoteId": "USDT"}]
    )
    client._must_be_exact("BTC/USDT", "0.29", "60000.01")
    with pytest.raises(InvalidOrder, match=r"amount 0\.29 instead of 0\.290000001"):
        client._must_be_exact("BTC/USDT", "0.290000001", None)
    with pytest.raises(InvalidOrder, match="price"):
        client._must_be_exact("BTC/USDT", "0.29", "60000.012")


def test_what_fails_before_an_order_leaves_was_not_sent() -> None:
    client = client_of(Lacking(load_markets=ccxt.RequestTimeout("slow")))
    with pytest.raises(Disconnected, match="nothing was sent"):
        ask(client, "create_order", "BTC/USDT", "limit", "buy", "1", "1", {})


# The driver's rules of what is known.


def run(said: Any, call: Any) -> Any:
    rest = CcxtRest(
        get("ccxt:binance"),
        client_of(Lacking(create_order=said, fetch_order=said, load_markets=None)),
    )
    rest.client._must_be_exact = lambda *given: None  # type: ignore[method-assign]
    return asyncio.run(rest.run(call))


@pytest.mark.parametrize(
    ("said", "placing", "asking"),
    [
        (ccxt.RequestTimeout("slow"), UnknownOutcome, Disconnected),
        (ccxt.ExchangeNotAvailable("gone"), UnknownOutcome, Disconnected),
        (KeyError("id"), UnknownOutcome, NotListed),
        (ccxt.ExchangeError("what?"), UnknownOutcome, NotListed),
        (ccxt.InvalidOrder("no"), InvalidOrder, NotListed),
        (ccxt.AuthenticationError("who?"), AuthenticationError, AuthenticationError),
        (ccxt.OrderNotFound("no"), NotFound, NotListed),
    ],
)
def test_only_a_word_of_the_venue_proves(
    said: Exception, placing: type[Exception], asking: type[Exception]
) -> None:
    with pytest.raises(placing):
        run(said, ENTRY.place(order()))
    with pytest.raises(asking):
        run(said, ENTRY.status(order()))


# Which venues.


def test_well_over_fifty_venues_can_be_bridged() -> None:
    found = []
    for each in ccxt.pro.exchanges:
        try:
            found.append(get(PREFIX + each))
        except ConfigError:
            continue
    assert len(found) > 50
    assert all(row.bridged and "bridge" in row.has for row in found)
    assert (
        "market" not in get("ccxt:gate").has
    )  # it wants the amount of a market buy in quote currency
    assert get("ccxt:gateio").bridged == get("ccxt:gate").bridged


def test_keys_are_asked_for_in_our_words() -> None:
    okx = get("ccxt:okx")
    with pytest.raises(AuthenticationError, match="lacks passphrase"):
        okx.auth({"api_key": "a", "api_secret": "b"})
    auth = okx.auth({"api_key": "a", "api_secret": "b", "passphrase": "c"})
    assert repr(auth) == "CcxtAuth(***)"


def test_without_ccxt_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt.pro", None)
    get.cache_clear()
    with pytest.raises(ConfigError, match="pip install ccxt"):
        get("ccxt:kraken")
