"""Our adapters read all open orders of venues that list them in pages."""

import asyncio

import pytest

from actors.transport.rest import Rest
from exchanges.bybit import BYBIT
from exchanges.contract import Endpoints, Exchange
from exchanges.okx import OKX
from tests.support import signed
from tests.support.served import served
from trochil.sandbox.dialects import load

PAIR = "BTC-USDT"
ORDERS = 105
OKX_ORDER = {"instId": PAIR, "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "0.001"}
BYBIT_ORDER = {
    "category": "spot",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Limit",
    "qty": "0.001",
}


@pytest.mark.parametrize(
    ("exchange", "path", "order", "price", "requests"),
    [
        (OKX, "/api/v5/trade/order", OKX_ORDER, "px", 2),
        (BYBIT, "/v5/order/create", BYBIT_ORDER, "price", 3),
    ],
    ids=["okx", "bybit"],
)
def test_all_pages_are_read(
    exchange: Exchange, path: str, order: dict[str, str], price: str, requests: int
) -> None:
    async def work() -> None:
        async with served(load(exchange.name), PAIR) as at:
            for number in range(ORDERS):
                terms = order | {price: str(20_000 + number)}
                await signed.send(at, exchange, "POST", path, body=terms)
            hosts = Endpoints(f"http://{at.host}", "", "")
            rest = Rest(exchange, at.session, hosts, exchange.auth(at.account.keys))
            before = rest.requests
            found = await rest.run(exchange.orders({}).open_orders())
            ids = [str(each.id) for each in at.server.venue.orders.values()]
            assert sorted(update.exchange_order_id for update in found) == ids
            assert len(ids) == ORDERS
            assert rest.requests - before in (requests, requests + 1)  # and the clock, once
            assert not at.server.own_errors

    asyncio.run(work())
