"""Bybit's sandbox, checked by the venue's own SDK, where it is installed."""

import queue
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from trochil.sandbox.process import SandboxProcess

unified_trading = pytest.importorskip("pybit.unified_trading")
exceptions = pytest.importorskip("pybit.exceptions")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
SPOT = {"category": "spot", "symbol": "BTCUSDT"}
PATIENCE = 15.0


class Noted(dict[str, str]):
    """The SDK notes a subscription after it has sent it: an answer from the same machine may be
    there before."""

    def __missing__(self, request: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while request not in self:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        return self[request]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("bybit", pairs=["BTC-USDT", "ETH-USDT"], seed=3) as process:
        yield process


@pytest.fixture
def make(sandbox: SandboxProcess) -> Callable[..., Any]:
    """A session of the SDK, whose address is the sandbox's."""

    def build(**keys: str) -> Any:
        session = unified_trading.HTTP(**{**sandbox.accounts["default"], **keys})
        session.endpoint = sandbox.hosts["bybit"]["rest"]
        return session

    return build


@pytest.fixture
def session(make: Callable[..., Any]) -> Any:
    return make()


@pytest.fixture
def stream(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """A socket of the SDK, closed at the end: ``stream("spot")``, ``stream("private", **keys)``."""
    hosts = sandbox.hosts["bybit"]
    opened = []
    monkeypatch.setattr(
        unified_trading, "PUBLIC_WSS", hosts["public"] + "/v5/public/{CHANNEL_TYPE}"
    )
    monkeypatch.setattr(unified_trading, "PRIVATE_WSS", hosts["private"] + "/v5/private")

    def build(channel: str, **keys: str) -> Any:
        opened.append(unified_trading.WebSocket(testnet=False, channel_type=channel, **keys))
        opened[-1].subscriptions = Noted()
        return opened[-1]

    yield build
    for socket in opened:
        socket.exit()


def listed(answer: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = answer["result"]["list"]
    return rows


def far_price(session: Any) -> str:
    best = float(session.get_orderbook(**SPOT, limit=1)["result"]["b"][0][0])
    return f"{best * 0.9:.2f}"


def buy(session: Any, **terms: str) -> str:
    order_id: str = session.place_order(**SPOT, side="Buy", **terms)["result"]["orderId"]
    return order_id


def test_public_answers_have_their_form(session: Any) -> None:
    (rule,) = listed(session.get_instruments_info(**SPOT))
    assert (rule["baseCoin"], rule["quoteCoin"], rule["status"]) == ("BTC", "USDT", "Trading")
    assert (rule["lotSizeFilter"]["basePrecision"], rule["priceFilter"]["tickSize"]) == (
        "0.00001",
        "0.01",
    )
    (ticker,) = listed(session.get_tickers(**SPOT))
    assert 0 < float(ticker["bid1Price"]) < float(ticker["ask1Price"])
    book = session.get_orderbook(**SPOT, limit=20)["result"]
    assert (book["s"], len(book["b"]), len(book["a"])) == ("BTCUSDT", 20, 20)
    assert session.get_server_time()["retCode"] == 0


def test_a_limit_order_rests_holds_money_and_is_cancelled(session: Any) -> None:
    (account,) = listed(session.get_wallet_balance(accountType="UNIFIED"))
    before = {coin["coin"]: coin for coin in account["coin"]}
    placed = buy(
        session, orderType="Limit", qty="0.01", price=far_price(session), orderLinkId="a-1"
    )
    (order,) = listed(session.get_open_orders(**SPOT, orderLinkId="a-1"))
    assert (order["orderId"], order["orderStatus"], order["timeInForce"]) == (placed, "New", "GTC")
    assert placed in [row["orderId"] for row in listed(session.get_open_orders(**SPOT))]
    (account,) = listed(session.get_wallet_balance(accountType="UNIFIED"))
    held = next(coin for coin in account["coin"] if coin["coin"] == "USDT")
    assert float(held["locked"]) > float(before["USDT"]["locked"])
    session.cancel_order(**SPOT, orderId=placed)
    (order,) = listed(session.get_order_history(**SPOT, orderId=placed))
    assert order["orderStatus"] == "Cancelled"
    assert placed not in [row["orderId"] for row in listed(session.get_open_orders(**SPOT))]


@pytest.mark.parametrize(("unit", "qty"), [("baseCoin", "0.01"), ("quoteCoin", "500")])
def test_market_orders_are_sized_in_either_unit(session: Any, unit: str, qty: str) -> None:
    placed = buy(session, orderType="Market", qty=qty, marketUnit=unit)
    (order,) = listed(session.get_order_history(**SPOT, orderId=placed))
    assert (order["orderStatus"], order["marketUnit"], order["qty"]) == ("Filled", unit, qty)
    spent = order["cumExecQty"] if unit == "baseCoin" else order["cumExecValue"]
    assert float(spent) == pytest.approx(float(qty), rel=0.01)
    fills = listed(session.get_executions(**SPOT, orderId=placed))
    assert sum(float(fill["execQty"]) for fill in fills) == pytest.approx(
        float(order["cumExecQty"])
    )
    assert {(fill["feeCurrency"], fill["isMaker"]) for fill in fills} == {("BTC", False)}


def test_executions_are_paged_by_the_venues_own_cursor(session: Any) -> None:
    for _ in range(5):
        buy(session, orderType="Market", qty="0.01", marketUnit="baseCoin")
    whole = [fill["execId"] for fill in listed(session.get_executions(**SPOT, limit=100))]
    paged: list[str] = []
    cursor = ""
    while len(paged) < len(whole):
        answer = session.get_executions(**SPOT, limit=2, **({"cursor": cursor} if cursor else {}))
        cursor = answer["result"]["nextPageCursor"]
        paged += [fill["execId"] for fill in listed(answer)]
    assert paged == whole


def test_post_only_that_would_take_is_accepted_and_cancelled(session: Any) -> None:
    price = f"{float(far_price(session)) * 1.3:.2f}"
    placed = buy(session, orderType="Limit", qty="0.01", price=price, timeInForce="PostOnly")
    (order,) = listed(session.get_order_history(**SPOT, orderId=placed))
    assert (order["orderStatus"], order["cumExecQty"], order["timeInForce"]) == (
        "Cancelled",
        "0",
        "PostOnly",
    )


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"qty": "900", "price": "59000"}, 170131),
        ({"qty": "0.00002", "price": "100"}, 170140),
        ({"qty": "0.01", "price": "100.001"}, 170134),
        ({"qty": "0.000001", "price": "30000"}, 170137),
        ({"qty": "0.01"}, 10001),
    ],
)
def test_orders_outside_means_or_rules_are_refused_by_code(
    session: Any, terms: dict[str, str], code: int
) -> None:
    with pytest.raises(exceptions.InvalidRequestError) as caught:
        buy(session, orderType="Limit", **terms)
    assert caught.value.status_code == code


def test_unknown_orders_symbols_and_keys_are_refused_by_code(
    session: Any, make: Callable[..., Any]
) -> None:
    asked: list[tuple[Callable[[], Any], int]] = [
        (lambda: session.cancel_order(**SPOT, orderId="999999"), 170213),
        (lambda: session.get_tickers(category="spot", symbol="NOSUCH"), 170121),
        (lambda: make(api_key="nobody").get_wallet_balance(accountType="UNIFIED"), 10003),
        (lambda: make(api_secret="wrong").get_wallet_balance(accountType="UNIFIED"), 10004),
    ]
    for ask, code in asked:
        with pytest.raises(
            (exceptions.InvalidRequestError, exceptions.FailedRequestError)
        ) as caught:
            ask()
        assert caught.value.status_code == code


@pytest.mark.parametrize("depth", [50, 200, 1000])
def test_books_are_numbered_frame_by_frame_and_trades_come_beside(
    stream: Callable[..., Any], depth: int
) -> None:
    """The SDK applies the diffs itself: what it hands on is its own book."""
    books: queue.Queue[Any] = queue.Queue()
    trades: queue.Queue[Any] = queue.Queue()
    socket = stream("spot")
    socket.orderbook_stream(depth, "BTCUSDT", lambda message: books.put(deepcopy(message)))
    socket.trade_stream("BTCUSDT", trades.put)
    heard = [books.get(timeout=PATIENCE)["data"] for _ in range(6)]
    numbers = [data["u"] for data in heard]
    assert numbers == [*range(numbers[0], numbers[0] + 6)]
    for data in heard:
        assert float(data["b"][0][0]) < float(data["a"][0][0])
    assert {row["S"] for row in trades.get(timeout=PATIENCE)["data"]} <= {"Buy", "Sell"}


def test_orders_executions_and_the_wallet_are_streamed(
    sandbox: SandboxProcess, session: Any, stream: Callable[..., Any]
) -> None:
    heard: dict[str, queue.Queue[Any]] = {
        name: queue.Queue() for name in ("order", "execution", "wallet")
    }
    socket = stream("private", **sandbox.accounts["default"])
    for name, waiting in heard.items():
        getattr(socket, f"{name}_stream")(waiting.put)
    placed = ""
    while heard["wallet"].empty():
        placed = buy(session, orderType="Market", qty="0.01", marketUnit="baseCoin")
    told = {name: waiting.get(timeout=PATIENCE)["data"][0] for name, waiting in heard.items()}
    assert told["order"]["orderStatus"] in ("New", "PartiallyFilled", "Filled")
    assert (told["execution"]["execType"], told["execution"]["feeCurrency"]) == ("Trade", "BTC")
    assert {coin["coin"] for coin in told["wallet"]["coin"]} >= {"BTC", "USDT"}
    assert placed
