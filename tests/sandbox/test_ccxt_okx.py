"""OKX's sandbox, checked by ccxt and ccxt.pro."""

from typing import Any

import ccxt.pro

from tests.support.ccxt_flow import Flow


class TestOkx(Flow):
    venue = "okx"
    passphrase = "passphrase"
    market_terms = {"tgtCcy": "base_ccy"}
    refuses_post_only = False
    codes = {
        "funds": "51008",
        "rule": "51020",
        "cancel": "51400",
        "status": "51603",
        "twice": "51016",
        "secret": "50113",
        "key": "50111",
    }

    errors = {"twice": ccxt.pro.InvalidOrder}

    def point(self, client: Any, hosts: dict[str, str]) -> None:
        client.urls["api"] = {"rest": hosts["rest"], "ws": f"{hosts['public']}/ws/v5"}
