"""Coinbase's sandbox, checked by ccxt and ccxt.pro, which know the venue as coinbaseexchange.

They have no watchBalance there, and no name for the refusal of a value that is too small. What a
post-only order that would take is answered with is an order, not an error.
"""

from typing import Any

import ccxt.pro
import pytest

from tests.support.ccxt_flow import Flow


class TestCoinbase(Flow):
    venue = "coinbase"
    ccxt_id = "coinbaseexchange"
    pairs = ("BTC/USD", "ETH/USD")
    passphrase = "passphrase"
    whole_books = True
    streams = ("orders", "my_trades")
    client_id = "f6f9a4a2-6d2e-4b8f-9d2c-5a1a3e0f7c11"
    unknown_id = "d0c5340b-6d6c-49d9-b567-48c4bfca13d2"
    codes = {
        "funds": "Insufficient funds",
        "rule": "notional is too small",
        "cancel": "order not found",
        "status": "NotFound",
        "twice": "client_oid is a duplicate",
        "secret": "invalid signature",
        "key": "Invalid API Key",
    }

    errors = {"twice": ccxt.pro.ExchangeError, "rule": ccxt.pro.ExchangeError}

    def point(self, client: Any, hosts: dict[str, str]) -> None:
        client.urls["api"] = {
            "public": hosts["rest"],
            "private": hosts["rest"],
            "ws": f"{hosts['public']}/",
        }

    def test_post_only_rests_or_does_not_take(self, use: Any) -> None:
        async def work(client: Any) -> None:
            price = await self.resting_price(client)
            terms = {"postOnly": True}
            placed = await client.create_order(self.pair, "limit", "buy", 0.01, price, terms)
            assert (placed["status"], placed["postOnly"]) == ("open", True)
            await client.cancel_order(placed["id"], self.pair)
            taking = await client.create_order(self.pair, "limit", "buy", 0.01, price * 2, terms)
            assert (taking["status"], taking["filled"]) == ("rejected", 0.0)

        use(work)

    def test_a_wrong_pass_phrase_is_refused(self, use: Any) -> None:
        async def work(client: Any) -> None:
            with pytest.raises(ccxt.pro.AuthenticationError, match="Invalid Passphrase"):
                await client.fetch_balance()

        use(work, password="wrong")

    def test_lists_candles_fees_and_currencies(self, use: Any) -> None:
        async def work(client: Any) -> None:
            await client.load_markets()
            bought = await self.buy_at_market(client)
            price = await self.resting_price(client)
            resting = await client.create_order(self.pair, "limit", "buy", 0.01, price)
            closed = await client.fetch_closed_orders(self.pair)
            assert (closed[-1]["id"], closed[-1]["status"]) == (bought, "closed")
            known = [order["id"] for order in await client.fetch_orders(self.pair)]
            assert known[-2:] == [bought, resting["id"]]
            fills = await client.fetch_order_trades(bought, self.pair)
            assert sum(fill["amount"] for fill in fills) == pytest.approx(0.01)
            since = client.milliseconds() - 3_600_000
            assert await client.fetch_my_trades(self.pair, since)
            candles = await client.fetch_ohlcv(self.pair, "1m", since, 100)
            assert sum(candle[5] for candle in candles) > 0
            assert {"BTC", "USD"} <= set(await client.fetch_currencies())
            fees = await client.fetch_trading_fees()
            assert fees[self.pair]["taker"] == 0.001
            accounts = {each["code"]: each["id"] for each in await client.fetch_accounts()}
            assert len(accounts["BTC"]) == 36
            assert abs(await client.fetch_time() - client.milliseconds()) < 30_000
            await client.cancel_all_orders(self.pair)
            assert await client.fetch_open_orders(self.pair) == []

        use(work)
