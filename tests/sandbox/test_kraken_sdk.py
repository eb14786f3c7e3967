"""python-kraken-sdk at Kraken's sandbox: orders by REST, executions by socket, and its own check of
book checksums."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from exchanges.contract import UnsignedRequest
from exchanges.kraken import KRAKEN
from trochil.sandbox.process import SandboxProcess

pytest.importorskip("kraken.spot")
from kraken.base_api import SpotClient
from kraken.exceptions import KrakenCostMinimumNotMetError, KrakenUnknownOrderError
from kraken.spot import Market, SpotOrderBookClient, SpotWSClient, Trade, User

PAIR = "BTC/USD"
TERMS = {"ordertype": "limit", "side": "buy", "pair": "XBTUSD", "volume": "0.01"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("kraken", pairs=["BTC-USD"], seed=3) as process:
        yield process


@pytest.fixture
def key(sandbox: SandboxProcess) -> dict[str, str]:
    account = sandbox.accounts["default"]
    return {"key": account["api_key"], "secret": account["api_secret"]}


@pytest.fixture
def rest(sandbox: SandboxProcess) -> str:
    return sandbox.hosts["kraken"]["rest"]


def test_it_signs_as_we_do(key: dict[str, str]) -> None:
    auth = KRAKEN.auth({"api_key": key["key"], "api_secret": key["secret"]})
    path = "/0/private/AddOrder"
    terms = {"pair": "XBTUSD", "price": "1"}
    ours = auth.sign(
        UnsignedRequest("POST", f"https://api.kraken.com{path}", {}, terms), 1700000000.0
    )
    nonce = "1700000000000000"
    theirs = SpotClient(**key)._get_kraken_signature(path, ours["body"].decode(), int(nonce))
    assert ours["headers"]["API-Sign"] == theirs
    assert f"nonce={nonce}" in ours["body"].decode()


def test_orders_by_rest(key: dict[str, str], rest: str) -> None:
    market = Market(url=rest)
    trade = Trade(**key, url=rest)
    user = User(**key, url=rest)
    price = round(float(market.get_ticker(pair="XBTUSD")["XXBTZUSD"]["b"][0]) * 0.9, 2)
    txid = trade.create_order(**TERMS, price=price, cl_ord_id="ours")["txid"][0]
    assert user.get_open_orders(cl_ord_id="ours")["open"][txid]["descr"]["price"] == f"{price:g}"
    assert user.get_orders_info(txid=txid)[txid]["status"] == "open"
    assert float(user.get_balances()["ZUSD"]["hold_trade"]) > 0
    assert trade.cancel_order(txid=txid) == {"count": 1}
    assert user.get_open_orders(cl_ord_id="ours")["open"] == {}
    assert user.get_closed_orders(cl_ord_id="ours")["closed"][txid]["status"] == "canceled"
    with pytest.raises(KrakenUnknownOrderError):
        trade.cancel_order(txid=txid)
    with pytest.raises(KrakenCostMinimumNotMetError):
        trade.create_order(**TERMS, price=1)
    bought = trade.create_order(**{**TERMS, "ordertype": "market"})["txid"][0]
    mine = [
        row for row in user.get_trades_history()["trades"].values() if row["ordertxid"] == bought
    ]
    assert sum(float(row["vol"]) for row in mine) == pytest.approx(0.01)


def test_executions_by_socket(sandbox: SandboxProcess, key: dict[str, str], rest: str) -> None:
    host = sandbox.hosts["kraken"]["public"]
    heard: list[Any] = []

    async def hear(message: Any) -> None:
        if message.get("channel") == "executions":
            heard.append(message)

    def kinds() -> set[str]:
        return {row["exec_type"] for message in heard for row in message["data"]}

    async def work(client: Any) -> None:
        await client.subscribe(params={"channel": "executions"})
        await until(lambda: heard)
        await asyncio.to_thread(
            Trade(**key, url=rest).create_order, **{**TERMS, "ordertype": "market"}
        )
        await until(lambda: "filled" in kinds())

    run(
        lambda: SpotWSClient(**key, callback=hear, rest_url=rest, ws_url=host, auth_ws_url=host),
        work,
    )
    assert [message["sequence"] for message in heard] == [*range(1, len(heard) + 1)]
    assert kinds() == {"pending_new", "new", "trade", "filled"}


@pytest.mark.parametrize("depth", [10, 100])
def test_it_finds_the_books_checksums_right(
    sandbox: SandboxProcess, rest: str, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SpotClient, "URL", rest)
    monkeypatch.setattr(SpotOrderBookClient, "WS_URL", sandbox.hosts["kraken"]["public"])
    updates: list[Any] = []

    async def work(client: Any) -> None:
        await client.add_book(pairs=[PAIR])
        await until(lambda: len(updates) > 20)
        assert client.get(PAIR)["valid"]
        sandbox.admin("POST", "faults", {"bad_checksum": 1})
        await until(lambda: not all("channel" in message for message in updates))

    run(
        lambda: SpotOrderBookClient(
            depth=depth, callback=lambda pair, message: updates.append(message)
        ),
        work,
    )
    assert all("channel" in message for message in updates[:20])


def run(make: Callable[[], Any], work: Callable[[Any], Awaitable[None]]) -> None:
    """Its sockets swallow being cancelled: they must be closed, whatever happens."""

    async def main() -> None:
        client = make()
        await client.start()
        try:
            await work(client)
        finally:
            await client.close()

    asyncio.run(main())


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.05)
