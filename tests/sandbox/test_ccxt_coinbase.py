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
