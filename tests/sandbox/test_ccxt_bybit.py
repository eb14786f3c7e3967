"""Bybit's sandbox, checked by ccxt and ccxt.pro."""

from typing import Any, ClassVar

import ccxt.pro

from tests.support.ccxt_flow import Flow


class TestBybit(Flow):
    venue = "bybit"
    market_terms: ClassVar = {"marketUnit": "baseCoin"}
    refuses_post_only = False
    codes: ClassVar = {
        "funds": "170131",
        "rule": "170140",
        "cancel": "170213",
        "status": '"list": []',
        "twice": "170141",
        "secret": "10004",
        "key": "10003",
    }
    errors: ClassVar = {"twice": ccxt.pro.InvalidOrder}

    def point(self, client: Any, hosts: dict[str, str]) -> None:
        api = client.urls["api"]
        for name in ("spot", "futures", "v2", "public", "private"):
            api[name] = hosts["rest"]
        api["ws"]["public"]["spot"] = f"{hosts['public']}/v5/public/spot"
        api["ws"]["private"]["contract"] = f"{hosts['private']}/v5/private"
        client.options["createMarketBuyOrderRequiresPrice"] = False
        client.options["fetchOrder"] = {"acknowledged": True}
