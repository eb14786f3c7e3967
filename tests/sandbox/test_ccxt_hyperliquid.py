"""Hyperliquid's sandbox, checked by ccxt and ccxt.pro.

ccxt reads no bid and ask of its spot tickers, its fetch_trades are the account's own, and a market
order needs a price.
"""

from typing import Any

import ccxt.pro

from tests.support.ccxt_flow import Flow


class TestHyperliquid(Flow):
    venue = "hyperliquid"
    pairs = ("BTC/USDC", "ETH/USDC")
    steps = (1e-05, 1.0)
    untold = frozenset({"quotes", "trades"})
    client_id = "0x" + "12" * 16
    codes = {
        "funds": "Insufficient spot balance asset=10000",
        "rule": "Order must have minimum value of $10",
        "would_take": "Post only order would have immediately matched",
        "cancel": "Order was never placed, already canceled, or filled.",
        "status": "unknownOid",
        "twice": "Duplicate cloid",
        "secret": "User or API Wallet",
        "key": "User or API Wallet",
    }
    errors = {"twice": ccxt.pro.ExchangeError, "would_take": ccxt.pro.InvalidOrder}

    def point(self, client: Any, hosts: dict[str, str]) -> None:
        client.urls["api"] = dict.fromkeys(("public", "private"), hosts["rest"])
        client.urls["api"]["ws"] = {"public": f"{hosts['public']}/ws"}

    def credentials(self, account: dict[str, str]) -> dict[str, str]:
        return {"walletAddress": account["api_key"], "privateKey": account["api_secret"]}

    async def market_price(self, client: Any) -> float | None:
        book = await client.fetch_order_book(self.pair)
        return float(book["asks"][0][0])

    async def resting_price(self, client: Any) -> float:
        """Of five digits."""
        return float(round(await super().resting_price(client)))

    def test_wrong_keys_are_refused(self, use: Any) -> None:  # type: ignore[override]
        """Questions name an address and no more; what is signed with another key is another
        address's."""

        async def work(client: Any) -> None:
            price = await self.resting_price(client)
            request = client.create_order(self.pair, "limit", "buy", 0.01, price)
            await self.refused(client, "secret", ccxt.pro.InvalidOrder, request)

        use(work, privateKey="0x" + "11" * 32)
