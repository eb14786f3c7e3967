"""OKX's own SDK (python-okx) at the sandbox, and its signatures beside ours. Its sockets insist on
TLS: REST only."""

import json
from collections.abc import Iterator
from decimal import Decimal as D
from typing import Any

import pytest

from exchanges.okx import OKX
from trochil.sandbox.process import SandboxProcess

pytest.importorskip("okx")
from okx.Account import AccountAPI  # type: ignore[import-untyped]
from okx.MarketData import MarketAPI  # type: ignore[import-untyped]
from okx.PublicData import PublicAPI  # type: ignore[import-untyped]
from okx.Trade import TradeAPI  # type: ignore[import-untyped]
from okx.websocket import WsUtils  # type: ignore[import-untyped]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:httpx")
PAIR = "BTC-USDT"
TERMS = {"instId": PAIR, "tdMode": "cash", "side": "buy", "sz": "0.01"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("okx", pairs=[PAIR], seed=3) as process:
        yield process


@pytest.fixture
def made(sandbox: SandboxProcess) -> Iterator[Any]:
    """``made(TradeAPI)``: a client of the SDK with the sandbox's address and key."""
    keys = sandbox.accounts["default"]
    clients = []

    def make(kind: Any, **changes: str) -> Any:
        fields = keys | changes
        client = kind(
            *(fields[name] for name in OKX.auth.fields),
            flag="0",
            domain=sandbox.hosts["okx"]["rest"],
        )  # type: ignore[attr-defined]
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    assert answer["code"] == "0", answer
    return list(answer["data"])


def test_public_data(made: Any) -> None:
    (instrument,) = rows(made(PublicAPI).get_instruments("SPOT", instId=PAIR))
    assert (instrument["instId"], instrument["state"]) == (PAIR, "live")
    market = made(MarketAPI)
    (ticker,) = rows(market.get_ticker(PAIR))
    assert 0 < D(ticker["bidPx"]) < D(ticker["askPx"])
    (book,) = rows(market.get_orderbook(PAIR, sz="20"))
    assert (len(book["bids"]), len(book["bids"][0])) == (20, 4)


def test_an_order_rests_is_found_and_is_cancelled(made: Any) -> None:
    trade = made(TradeAPI)
    (placed,) = rows(trade.place_order(**TERMS, ordType="limit", px="30000", clOrdId="mine"))
    assert (placed["sCode"], placed["clOrdId"]) == ("0", "mine")
    (order,) = rows(trade.get_order(PAIR, clOrdId="mine"))
    assert (order["ordId"], order["state"], order["px"]) == (placed["ordId"], "live", "30000")
    assert placed["ordId"] in [row["ordId"] for row in rows(trade.get_order_list("SPOT"))]
    assert rows(trade.cancel_order(PAIR, ordId=placed["ordId"]))[0]["sCode"] == "0"
    assert rows(trade.get_order(PAIR, ordId=placed["ordId"]))[0]["state"] == "canceled"


def test_a_market_order_fills_and_is_paid(made: Any) -> None:
    trade = made(TradeAPI)
    account = made(AccountAPI)
    before = balance(account, "BTC")
    (placed,) = rows(trade.place_order(**TERMS, ordType="market", tgtCcy="base_ccy"))
    fills = rows(trade.get_fills("SPOT", ordId=placed["ordId"]))
    assert sum(D(fill["fillSz"]) for fill in fills) == D("0.01")
    assert {(fill["execType"], fill["feeCcy"]) for fill in fills} == {("T", "BTC")}
    assert balance(account, "BTC") == before + D("0.01") + sum(D(fill["fee"]) for fill in fills)
    (rate,) = rows(account.get_fee_rates("SPOT", instId=PAIR))
    assert D(fills[0]["fee"]) == D(rate["taker"]) * D(fills[0]["fillSz"])


def balance(account: Any, asset: str) -> D:
    (row,) = rows(account.get_account_balance())
    return next(D(detail["cashBal"]) for detail in row["details"] if detail["ccy"] == asset)


def test_wrong_keys_are_refused(made: Any) -> None:
    for changes, code in (({"api_secret": "wrong"}, "50113"), ({"passphrase": "wrong"}, "50105")):
        assert made(AccountAPI, **changes).get_account_balance()["code"] == code


def test_its_login_is_ours() -> None:
    login = json.loads(WsUtils.initLoginParams(False, "key", "phrase", "secret"))
    stamp = login["args"][0]["timestamp"]
    login["args"][0]["timestamp"] = str(stamp)  # a number there; the documentation shows both
    assert (
        OKX.auth({"api_key": "key", "api_secret": "secret", "passphrase": "phrase"}).login(stamp)
        == login
    )
