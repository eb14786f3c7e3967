"""Kraken's sandbox, checked by ccxt and ccxt.pro; the book's checksums by ccxt's own."""

import itertools
from typing import Any, ClassVar

import ccxt.pro

from tests.support.ccxt_flow import Flow


class TestKraken(Flow):
    venue = "kraken"
    pairs = ("BTC/USD", "ETH/USD")
    codes: ClassVar = {
        "funds": "EOrder:Insufficient funds",
        "rule": "EOrder:Cost minimum not met",
        "would_take": "EOrder:Post only order",
        "cancel": "EOrder:Unknown order",
        "status": "EOrder:Unknown order",
        "twice": "EOrder:Duplicate cl_ord_id",
        "secret": "EAPI:Invalid signature",
        "key": "EAPI:Invalid key",
    }
    # What stands in none of ccxt's tables it raises as ExchangeError.
    errors: ClassVar = {
        **dict.fromkeys(("rule", "would_take", "twice", "secret"), ccxt.pro.ExchangeError),
        "status": ccxt.pro.InvalidOrder,
    }

    def point(self, client: Any, hosts: dict[str, str]) -> None:
        api = client.urls["api"]
        client.enableRateLimit = False
        for name in ("public", "private"):
            api[name] = hosts["rest"]
        for name in ("public", "private", "publicV2", "privateV2"):
            api["ws"][name] = f"{hosts[name.removesuffix('V2')]}/v2"

    def test_the_checksums_of_the_book_hold_for_ccxt(self, use: Any) -> None:
        """Ccxt makes them of floats, which have lost their zeros: here they are written with the
        pair's digits."""

        async def work(client: Any) -> None:
            digits = itertools.cycle((2, 5))
            made = client.crc32
            checked: list[int] = []
            client.format_number = lambda number: f"{number:.{next(digits)}f}".replace(
                ".", ""
            ).lstrip("0")
            client.crc32 = lambda *text: checked.append(made(*text)) or checked[-1]
            client.options["watchOrderBook"] = {"checksum": True}
            for _ in range(12):
                book = await client.watch_order_book(self.pair)
                assert (len(book["bids"]), len(book["asks"])) == (10, 10)
            assert len(set(checked)) > 10

        use(work)
