"""Hyperliquid, checked by the venue's own SDK: our signatures are its signatures, and it trades at
the sandbox."""

import json
import queue
import time
from collections.abc import Callable, Iterator
from decimal import Decimal as D
from typing import Any

import pytest

from exchanges.hyperliquid import HYPERLIQUID
from exchanges.orders import InFlightOrder, TimeInForce
from orderbook.messages import Side
from tests.exchanges.test_hyperliquid_orders import KEYS, entry_of
from trochil.sandbox.process import SandboxProcess

pytest.importorskip("hyperliquid.exchange")
from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.signing import (
    order_request_to_order_wire,
    order_wires_to_order_action,
    sign_l1_action,
)
from hyperliquid.utils.types import Cloid

from tests.exchanges.test_hyperliquid import SPOT_META

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
COIN = "BTC/USDC"
GTC = {"limit": {"tif": "Gtc"}}
MINE = "0x" + "34" * 16


# Our requests against its own.


@pytest.mark.parametrize(
    "host", ["https://api.hyperliquid.xyz", "https://api.hyperliquid-testnet.xyz"]
)
@pytest.mark.parametrize(("tif", "word"), [(TimeInForce.GTC, "Gtc"), (TimeInForce.IOC, "Ioc")])
@pytest.mark.parametrize(
    ("amount", "price"), [("1.50", "30.500"), ("0.01", "31"), ("1E+3", "0.00012")]
)
def test_our_action_and_signature_are_its_own(
    host: str, tif: TimeInForce, word: str, amount: str, price: str
) -> None:
    terms = {
        "client_order_id": MINE,
        "trading_pair": "HYPE-USDC",
        "symbol": "@107",
        "side": Side.SELL,
        "tif": tif,
    }
    order = InFlightOrder(amount=D(amount), price=D(price), **terms)
    ours = entry_of("", SPOT_META).place(order).request.body
    request = {
        "coin": "@107",
        "is_buy": False,
        "sz": float(amount),
        "limit_px": float(price),
        "reduce_only": False,
    }
    request |= {"order_type": {"limit": {"tif": word}}, "cloid": Cloid.from_str(MINE)}
    theirs = order_wires_to_order_action([order_request_to_order_wire(request, 10107)])
    assert json.dumps(ours) == json.dumps(theirs), "the order of the keys is signed too"
    signed = HYPERLIQUID.auth(KEYS).generate_auth_dict(
        "POST", f"{host}/exchange", {}, ours, now=1677777606.04
    )
    wallet = Account.from_key(KEYS["api_secret"])
    mainnet = "testnet" not in host
    expected = sign_l1_action(wallet, theirs, None, 1677777606040, None, mainnet)
    found = json.loads(signed["body"])["signature"]
    assert {name: int(str(found[name]), 0) for name in "rsv"} == {
        name: int(str(expected[name]), 0) for name in "rsv"
    }


# Its trading at the sandbox.


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("hyperliquid", pairs=["BTC-USDC", "ETH-USDC"], seed=7) as process:
        yield process


@pytest.fixture
def address(sandbox: SandboxProcess) -> str:
    return sandbox.accounts["default"]["api_key"]


@pytest.fixture
def base_url(sandbox: SandboxProcess) -> str:
    return sandbox.hosts["hyperliquid"]["rest"]


@pytest.fixture
def exchange(sandbox: SandboxProcess, base_url: str) -> Any:
    return Exchange(Account.from_key(sandbox.accounts["default"]["api_secret"]), base_url)


def status_of(answer: Any) -> Any:
    assert answer["status"] == "ok", answer
    (status,) = answer["response"]["data"]["statuses"]
    return status


def low(exchange: Any) -> float:
    return float(round(float(exchange.info.l2_snapshot(COIN)["levels"][0][0]["px"]) * 0.8))


def test_it_finds_the_markets(exchange: Any) -> None:
    info = exchange.info
    assert (
        info.name_to_asset("BTC/USDC"),
        info.name_to_asset("ETH/USDC"),
        info.name_to_asset("ETH"),
    ) == (
        10000,
        10001,
        1,
    )
    book = info.l2_snapshot("ETH/USDC")
    assert [len(side) for side in book["levels"]] == [20, 20]
    assert (
        float(book["levels"][0][0]["px"])
        < float(info.all_mids()["@1"])
        < float(book["levels"][1][0]["px"])
    )


def test_a_limit_order_rests_is_found_by_either_name_and_is_cancelled(
    exchange: Any, address: str
) -> None:
    price = low(exchange)
    info = exchange.info
    oid = status_of(exchange.order(COIN, True, 0.01, price, GTC, cloid=Cloid.from_str(MINE)))[
        "resting"
    ]["oid"]
    assert [(row["oid"], row["origSz"]) for row in info.open_orders(address)] == [(oid, "0.01")]
    for found in (
        info.query_order_by_oid(address, oid),
        info.query_order_by_cloid(address, Cloid.from_str(MINE)),
    ):
        assert (found["status"], found["order"]["status"], found["order"]["order"]["oid"]) == (
            "order",
            "open",
            oid,
        )
    assert status_of(exchange.cancel_by_cloid(COIN, Cloid.from_str(MINE))) == "success"
    assert info.query_order_by_oid(address, oid)["order"]["status"] == "canceled"
    assert "never placed" in status_of(exchange.cancel(COIN, oid))["error"]
    assert info.query_order_by_oid(address, 999999) == {"status": "unknownOid"}


def test_a_market_order_fills(exchange: Any, address: str) -> None:
    filled = status_of(exchange.market_open(COIN, True, 0.01))["filled"]
    assert float(filled["totalSz"]) == 0.01
    mine = [fill for fill in exchange.info.user_fills(address) if fill["oid"] == filled["oid"]]
    assert sum(D(fill["sz"]) for fill in mine) == D("0.01")
    assert all(
        fill["crossed"] and fill["side"] == "B" and fill["feeToken"] == "BTC" for fill in mine
    )
    assert exchange.info.user_fills_by_time(address, mine[0]["time"])
    held = {
        row["coin"]: D(row["total"]) for row in exchange.info.spot_user_state(address)["balances"]
    }
    assert held["BTC"] > 10


@pytest.mark.parametrize(
    ("tif", "away", "why"),
    [
        ("Alo", 1.5, "Post only order would have immediately matched"),
        ("Ioc", 0.5, "could not immediately match"),
    ],
)
def test_orders_that_may_not_take_or_must_are_refused(
    exchange: Any, tif: str, away: float, why: str
) -> None:
    price = float(round(low(exchange) * away))
    assert (
        why in status_of(exchange.order(COIN, True, 0.01, price, {"limit": {"tif": tif}}))["error"]
    )


def test_prices_of_six_digits_and_unknown_wallets_are_refused(exchange: Any, base_url: str) -> None:
    assert (
        "tick size"
        in status_of(exchange.order(COIN, True, 0.01, low(exchange) + 0.5, GTC))["error"]
    )
    stranger = Exchange(Account.create(), base_url)
    answer = stranger.order(COIN, True, 0.01, low(exchange), GTC)
    assert (answer["status"], "does not exist" in answer["response"]) == ("err", True)


def test_it_hears_books_trades_orders_and_fills(exchange: Any, base_url: str, address: str) -> None:
    info = Info(base_url)
    heard: dict[str, queue.Queue[Any]] = {}

    def listen(kind: str, **more: str) -> None:
        came = heard[kind] = queue.Queue()
        info.subscribe({"type": kind, **more}, came.put)

    def hear(kind: str, good: Callable[[Any], bool]) -> Any:
        deadline = time.monotonic() + 15
        while True:
            said = heard[kind].get(timeout=max(0.1, deadline - time.monotonic()))["data"]
            if good(said):
                return said

    try:
        for kind in ("l2Book", "trades"):
            listen(kind, coin=COIN)
        for kind in ("orderUpdates", "userFills"):
            listen(kind, user=address)
        assert hear("userFills", lambda said: said.get("isSnapshot", False))
        assert len(hear("l2Book", lambda said: True)["levels"]) == 2
        oid = status_of(exchange.market_open(COIN, False, 0.01))["filled"]["oid"]
        assert hear("trades", lambda said: any(trade["side"] == "A" for trade in said))
        assert hear(
            "orderUpdates",
            lambda said: (said[0]["order"]["oid"], said[0]["status"]) == (oid, "filled"),
        )
        assert hear("userFills", lambda said: said["fills"][0]["oid"] == oid)
    finally:
        info.disconnect_websocket()
