"""The sandbox, checked by a client that nobody here wrote: ccxt and ccxt.pro, pointed at it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import ccxt.pro
import pytest

from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
PAIR = "BTC/USDT"
PATIENCE = 20.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("binance", pairs=["BTC-USDT", "ETH-USDT"], seed=3) as process:
        yield process


def client_of(sandbox: SandboxProcess, **keys: str) -> Any:
    """ccxt with every address of its own replaced, so that nothing leaves this machine."""
    hosts = sandbox.hosts["binance"]
    options = {
        "fetchMargins": False,
        "fetchCurrencies": False,
        "defaultType": "spot",
        "fetchMarkets": {"types": ["spot"]},
    }
    account = sandbox.accounts["default"]
    credentials = {"apiKey": account["api_key"], "secret": account["api_secret"]} | keys
    client = ccxt.pro.binance({**credentials, "options": options})
    client.has["fetchCurrencies"] = False
    api = client.urls["api"]
    for name, value in api.items():
        if isinstance(value, str):
            api[name] = f"{hosts['rest']}/api/v3"
    api["ws"]["spot"] = f"{hosts['public']}/ws"
    api["ws"]["ws-api"]["spot"] = f"{hosts['private']}/ws-api/v3"
    return client


def use(sandbox: SandboxProcess, work: Callable[[Any], Awaitable[None]], **keys: str) -> None:
    async def main() -> None:
        client = client_of(sandbox, **keys)
        try:
            async with asyncio.timeout(PATIENCE):
                await work(client)
        finally:
            await client.close()

    asyncio.run(main())


def refused_with(client: Any) -> int:
    """The venue's own code of the last answer."""
    code: int = json.loads(client.last_http_response)["code"]
    return code


async def resting_price(client: Any) -> float:
    book = await client.fetch_order_book(PAIR, 5)
    return round(book["bids"][0][0] * 0.9, 2)


def test_markets_ticker_book_and_trades(sandbox: SandboxProcess) -> None:
    async def work(client: Any) -> None:
        markets = await client.load_markets()
        assert {"BTC/USDT", "ETH/USDT"} <= set(markets)
        assert (markets[PAIR]["precision"]["amount"], markets[PAIR]["precision"]["price"]) == (1e-05, 0.01)
        ticker = await client.fetch_ticker(PAIR)
        assert 0 < ticker["bid"] < ticker["ask"]
        book = await client.fetch_order_book(PAIR, 20)
        assert len(book["bids"]) == 20
        assert book["bids"][0][0] < book["asks"][0][0]
        await until(lambda: client.fetch_trades(PAIR), bool)

    use(sandbox, work)


async def until(ask: Callable[[], Awaitable[Any]], good: Callable[[Any], bool]) -> Any:
    while not good(found := await ask()):
        await asyncio.sleep(0.05)
    return found


def test_the_streamed_book_follows_the_snapshot(sandbox: SandboxProcess) -> None:
    async def work(client: Any) -> None:
        nonces = []
        for _ in range(8):
            book = await client.watch_order_book(PAIR)
            assert book["bids"][0][0] < book["asks"][0][0]
            nonces.append(book["nonce"])
        assert nonces == sorted(nonces)
        assert nonces[-1] > nonces[0]

    use(sandbox, work)


def test_trades_are_streamed(sandbox: SandboxProcess) -> None:
    async def work(client: Any) -> None:
        trades = await client.watch_trades(PAIR)
        assert {trade["side"] for trade in trades} <= {"buy", "sell"}
        assert all(trade["amount"] > 0 for trade in trades)

    use(sandbox, work)


def test_a_limit_order_rests_is_found_and_is_cancelled(sandbox: SandboxProcess) -> None:
    async def work(client: Any) -> None:
        before = await client.fetch_balance()
        price = await resting_price(client)
        placed = await client.create_order(PAIR, "limit", "buy", 0.01, price)
        assert placed["status"] == "open"
        held = await client.fetch_balance()
        assert held["USDT"]["used"] == pytest.approx(before["USDT"]["used"] + 0.01 * price)
        assert (await client.fetch_order(placed["id"], PAIR))["status"] == "open"
        assert placed["id"] in [order["id"] for order in await client.fetch_open_orders(PAIR)]
        assert (await client.cancel_order(placed["id"], PAIR))["status"] == "canceled"
        assert (await client.fetch_order(placed["id"], PAIR))["status"] == "canceled"
        assert (await client.fetch_balance())["USDT"]["used"] == before["USDT"]["used"]

    use(sandbox, work)


def test_a_market_order_fills_and_shows_in_my_trades(sandbox: SandboxProcess) -> None:
    async def work(client: Any) -> None:
        placed = await client.create_order(PAIR, "market", "buy", 0.01)
        assert (placed["status"], placed["filled"]) == ("closed", 0.01)
        mine = [trade for trade in await client.fetch_my_trades(PAIR) if trade["order"] == placed["id"]]
        assert sum(trade["amount"] for trade in mine) == pytest.approx(0.01)
        assert {trade["takerOrMaker"] for trade in mine} == {"taker"}

    use(sandbox, work)


def test_post_only_rests_or_is_refused(sandbox: SandboxProcess) -> None:
    async def work(client: Any) -> None:
        price = await resting_price(client)
        placed = await client.create_order(PAIR, "limit", "buy", 0.01, price, {"postOnly": True})
        assert placed["status"] == "open"
        await client.cancel_order(placed["id"], PAIR)
        with pytest.raises(ccxt.pro.OrderImmediatelyFillable):
            await client.create_order(PAIR, "limit", "buy", 0.01, price * 2, {"postOnly": True})
        assert refused_with(client) == -2010

    use(sandbox, work)


def test_orders_trades_and_balances_are_streamed(sandbox: SandboxProcess) -> None:
    async def work(client: Any) -> None:
        await client.load_markets()
        watching = [
            asyncio.ensure_future(each)
            for each in (client.watch_orders(), client.watch_my_trades(), client.watch_balance())
        ]
        while not sandbox.admin("GET", "status")["connections"]["private"]:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0)
        placed = await until_streamed(client, watching)
        orders, trades, balance = await asyncio.gather(*watching)
        assert placed["id"] in {order["id"] for order in orders} | {trade["order"] for trade in trades}
        assert trades[0]["price"] > 0
        assert balance["BTC"]["total"] > 0

    use(sandbox, work)


async def until_streamed(client: Any, watching: list[Any]) -> Any:
    """Trade until every watcher has heard something: a subscription is confirmed at its own pace."""
    while True:
        placed = await client.create_order(PAIR, "market", "buy", 0.01)
        done, _ = await asyncio.wait(watching, timeout=0.5)
        if len(done) == len(watching):
            return placed


@pytest.mark.parametrize(
    ("amount", "price", "error", "code"),
    [
        (900, 59000, ccxt.pro.InsufficientFunds, -2010),
        (0.00002, 100, ccxt.pro.ExchangeError, -1013),
    ],
)
def test_orders_outside_rules_or_means_are_refused_with_the_venues_code(
    sandbox: SandboxProcess, amount: float, price: float, error: type[Exception], code: int
) -> None:
    async def work(client: Any) -> None:
        with pytest.raises(error):
            await client.create_order(PAIR, "limit", "buy", amount, price)
        assert refused_with(client) == code

    use(sandbox, work)


def test_unknown_orders_and_duplicates_are_refused(sandbox: SandboxProcess) -> None:
    async def work(client: Any) -> None:
        with pytest.raises(ccxt.pro.OrderNotFound, match="-2011"):
            await client.cancel_order("999999", PAIR)
        with pytest.raises(ccxt.pro.OrderNotFound, match="-2013"):
            await client.fetch_order("999999", PAIR)
        price = await resting_price(client)
        placed = await client.create_order(PAIR, "limit", "buy", 0.01, price, {"clientOrderId": "twice"})
        with pytest.raises(ccxt.pro.ExchangeError, match="Duplicate order sent"):
            await client.create_order(PAIR, "limit", "buy", 0.01, price, {"clientOrderId": "twice"})
        await client.cancel_order(placed["id"], PAIR)

    use(sandbox, work)


@pytest.mark.parametrize(("keys", "code"), [({"secret": "wrong"}, "-1022"), ({"apiKey": "nobody"}, "-2015")])
def test_wrong_keys_are_refused(sandbox: SandboxProcess, keys: dict[str, str], code: str) -> None:
    async def work(client: Any) -> None:
        with pytest.raises(ccxt.pro.AuthenticationError, match=code):
            await client.fetch_balance()

    use(sandbox, work, **keys)
