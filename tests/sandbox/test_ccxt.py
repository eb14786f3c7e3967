"""Binance's sandbox, checked by ccxt and ccxt.pro."""

from typing import Any

import ccxt.pro

from tests.support.ccxt_flow import Flow


class TestBinance(Flow):
    venue = "binance"
    codes = {
        "funds": "-2010",
        "rule": "-1013",
        "would_take": "-2010",
        "cancel": "-2011",
        "status": "-2013",
        "twice": "Duplicate order sent",
        "secret": "-1022",
        "key": "-2015",
    }
    errors = {"twice": ccxt.pro.ExchangeError, "rule": ccxt.pro.ExchangeError}

    def point(self, client: Any, hosts: dict[str, str]) -> None:
        client.options |= {"fetchMargins": False, "fetchCurrencies": False}
        api = client.urls["api"]
        for name, value in api.items():
            if isinstance(value, str):
                api[name] = f"{hosts['rest']}/api/v3"
        api["ws"]["spot"] = f"{hosts['public']}/ws"
        api["ws"]["ws-api"]["spot"] = f"{hosts['private']}/ws-api/v3"
