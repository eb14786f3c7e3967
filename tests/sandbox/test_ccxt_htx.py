"""HTX's sandbox, checked by ccxt and ccxt.pro."""

from typing import Any

import ccxt.pro
import pytest

from tests.support.ccxt_flow import Flow


class TestHtx(Flow):
    venue = "htx"
    streams = ("orders", "my_trades")
    """A pushed balance is one object; this version of ccxt reads it as a list, and finds nothing in
    it."""
    refuses_post_only = False
    codes = {
        "funds": "account-frozen-balance-insufficient-error",
        "rule": "order-value-min-error",
        "cancel": "order-orderstate-error",
        "status": "base-record-invalid",
        "twice": "invalid-client-order-id",
        "secret": "api-signature-not-valid",
        "key": "api-signature-not-valid",
    }
    errors = {"twice": ccxt.pro.ExchangeError}

    def point(self, client: Any, hosts: dict[str, str]) -> None:
        client.hostname = client.urls["hostnames"]["spot"] = hosts["rest"].partition("://")[2]
        client.options["fetchMarkets"]["types"] = {"spot": True, "linear": False, "inverse": False}
        # Else ccxt asks at a path of candles that the venue does not document.
        client.options["fetchOHLCV"] = {"useHistoricalEndpointForSpot": False}
        for name in ("spot", "public", "private", "v2Public", "v2Private"):
            client.urls["api"][name] = "http://{hostname}"
        paths = {"public": "/ws", "feed": "/feed", "private": "/ws/v2"}
        client.urls["api"]["ws"]["api"]["spot"] |= {
            name: f"ws://{{hostname}}{path}" for name, path in paths.items()
        }

    async def buy_at_market(self, client: Any) -> str:
        """Exact in base: the venue's own purchases at market are of an amount in quote."""
        price = round(await self.resting_price(client) * 1.2, 2)
        order = await client.create_order(
            self.pair, "limit", "buy", 0.01, price, {"timeInForce": "IOC"}
        )
        return str(order["id"])

    def test_market_orders_are_sold_in_base_and_bought_by_cost(self, use: Any) -> None:
        async def work(client: Any) -> None:
            sold = await client.create_order(self.pair, "market", "sell", 0.01)
            order = await client.fetch_order(sold["id"], self.pair)
            assert (order["status"], order["filled"]) == ("closed", 0.01)
            bought = await client.create_order(
                self.pair, "market", "buy", 0.01, 60000, {"cost": 600}
            )
            order = await client.fetch_order(bought["id"], self.pair)
            assert order["status"] == "closed"
            assert order["cost"] == pytest.approx(600, rel=0.01)

        use(work)
