"""What Hyperliquid's sandbox answers to messages and actions that no client should send."""

import asyncio
import itertools
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from exchanges.contract import Auth
from exchanges.hyperliquid import HYPERLIQUID
from tests.sandbox.test_dialect import Client, use
from trochil.sandbox.dialects import hyperliquid
from trochil.sandbox.process import SandboxProcess

pytest.importorskip("eth_account")

ASSET = 10_000
USER = "0x" + "12" * 20
UNREADABLE = "Failed to deserialize the JSON body into the target type: "


NOT_JSON = "Error parsing JSON into valid websocket request: "


def subscribing(subscription: dict[str, Any]) -> dict[str, Any]:
    return {"method": "subscribe", "subscription": subscription}


def order(**changes: Any) -> dict[str, Any]:
    """A row of the action order, with some of its fields changed, or left out by None."""
    row = {
        "a": ASSET,
        "b": True,
        "p": "30000",
        "s": "0.01",
        "r": False,
        "t": {"limit": {"tif": "Gtc"}},
    }
    return {name: value for name, value in (row | changes).items() if value is not None}


def action(*orders: dict[str, Any]) -> dict[str, Any]:
    return {"type": "order", "orders": list(orders), "grouping": "na"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    """It ends with an error where the sandbox made a mistake of its own."""
    with SandboxProcess("hyperliquid", pairs=["BTC-USDC", "ETH-USDC"], rate=0) as process:
        yield process


@pytest.fixture(scope="module")
def auth(sandbox: SandboxProcess) -> Auth:
    return HYPERLIQUID.auth(sandbox.accounts["default"])


def post(sandbox: SandboxProcess, path: str, body: Any) -> tuple[int, Any]:
    url = f"{sandbox.hosts['hyperliquid']['rest']}{path}"
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def signed(sandbox: SandboxProcess, auth: Auth, content: dict[str, Any]) -> dict[str, Any]:
    url = f"{sandbox.hosts['hyperliquid']['rest']}/exchange"
    made = auth.generate_auth_dict("POST", url, {}, content, now=time.time())
    body: dict[str, Any] = json.loads(made["body"])
    return body


def orders_taken(sandbox: SandboxProcess) -> int:
    return len(sandbox.admin("GET", "orders"))


# Actions.


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (order(a=None), "a"),
        (order(a="10000"), "a"),
        (order(a=10_009), "10009"),
        (order(b=None), "b"),
        (order(b="true"), "b"),
        (order(p=None), "p"),
        (order(p="much"), "p"),
        (order(s="NaN"), "s"),
        (order(t={}), "limit"),
        (order(t={"trigger": {"isMarket": True}}), "triggerPx"),
        (order(t={"limit": {"tif": "Gtc", "until": 1}}), "until"),
        (order(a=True), "a"),
        (order(a=2**63), str(2**63)),
        (order(p=30000), "p"),
        (order(r=None), "r"),
        (order(c="mine"), "c"),
        (order(c="0x" + "1" * 80), "c"),
        (order(colour="red"), "colour"),
        (order(t={"limit": {"tif": "Fok"}}), "tif"),
    ],
)
def test_an_order_that_can_not_be_read_is_named_and_nothing_of_its_action_is_done(
    sandbox: SandboxProcess, auth: Auth, row: dict[str, Any], name: str
) -> None:
    before = orders_taken(sandbox)
    answer = post(sandbox, "/exchange", signed(sandbox, auth, action(order(), row)))
    assert answer == (422, UNREADABLE + name)
    assert orders_taken(sandbox) == before


def test_an_order_that_is_refused_leaves_the_others(sandbox: SandboxProcess, auth: Auth) -> None:
    rows = (order(s="0"), order(), order(p="30000.5"))
    status, answer = post(sandbox, "/exchange", signed(sandbox, auth, action(*rows)))
    first, second, third = answer["response"]["data"]["statuses"]
    assert status == 200
    assert first == {"error": f"Order has invalid size. asset={ASSET}"}
    assert [*second] == ["resting"]
    assert third == {"error": f"Price must be divisible by tick size. asset={ASSET}"}


def test_an_order_in_a_closed_market_is_refused(sandbox: SandboxProcess, auth: Auth) -> None:
    sandbox.admin("POST", "delist", {"pair": "ETH-USDC"})
    row = order(a=ASSET + 1, p="2000")
    status, answer = post(sandbox, "/exchange", signed(sandbox, auth, action(row)))
    (refusal,) = answer["response"]["data"]["statuses"]
    assert (status, refusal) == (200, {"error": f"Invalid asset asset={ASSET + 1}"})


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"type": "order"}, "orders"),
        ({"type": "order", "orders": [7]}, "orders"),
        ({"type": "order", "orders": []}, "grouping"),
        ({"type": "order", "orders": [], "grouping": "pairs"}, "grouping"),
        ({"type": "noop", "orders": []}, "orders"),
        ({"type": "usdSend"}, "type"),
        ({"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 2}, "type"),
        ({"type": "cancel"}, "cancels"),
        ({"type": "cancel", "cancels": [{"a": ASSET}]}, "o"),
        ({"type": "cancel", "cancels": [{"a": ASSET, "o": "first"}]}, "o"),
        ({"type": "cancel", "cancels": [{"o": 1}]}, "a"),
        ({"type": "cancelByCloid", "cancels": [{"asset": ASSET}]}, "cloid"),
        ({"kind": "order"}, "type"),
    ],
)
def test_an_action_that_can_not_be_read_is_refused(
    sandbox: SandboxProcess, auth: Auth, content: dict[str, Any], name: str
) -> None:
    answer = post(sandbox, "/exchange", signed(sandbox, auth, content))
    assert answer == (422, UNREADABLE + name)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"action": None}, "action"),
        ({"action": {"type": 2**70}}, "type"),
        ({"action": action(order(a=2**64))}, "a"),
        ({"nonce": None}, "nonce"),
        ({"nonce": "soon"}, "nonce"),
        ({"nonce": 2**64}, "nonce"),
        ({"expiresAfter": 2**64}, "expiresAfter"),
        ({"vaultAddress": "0xsafe"}, "vaultAddress"),
        ({"signature": "0x00"}, "signature"),
        ({"signature": {}}, "v"),
        ({"signature": {"v": 27, "r": "0x1", "s": "one"}}, "s"),
        ({"signature": {"v": 27, "r": "0x0", "s": "0x0"}}, "signature"),
        ({"signature": {"v": 5, "r": "0x1", "s": "0x1"}}, "v"),
        ({"signature": {"v": 27, "r": "0x" + "ff" * 32, "s": "0x1"}}, "signature"),
        ({"signature": {"v": 27, "r": "0x" + "ff" * 40, "s": "0x1"}}, "r"),
    ],
)
def test_what_is_signed_wrongly_is_the_clients_mistake(
    sandbox: SandboxProcess, auth: Auth, changes: dict[str, Any], name: str
) -> None:
    body = signed(sandbox, auth, action(order())) | changes
    assert post(sandbox, "/exchange", body) == (422, UNREADABLE + name)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "type"),
        ({"type": "dreams"}, "type"),
        ({"type": "userFeesAndAssetCtxs"}, "type"),
        ({"type": "l2Book"}, "coin"),
        ({"type": "orderStatus"}, "oid"),
        ({"type": "userFillsByTime", "startTime": 1}, "user"),
        ({"type": "userFills", "user": "0x12"}, "user"),
        ({"type": "userFillsByTime", "user": USER, "startTime": "early"}, "startTime"),
        ({"type": "userFills", "user": USER, "aggregateByTime": True}, "aggregateByTime"),
        ({"type": "orderStatus", "user": USER, "oid": "first"}, "oid"),
        ({"type": "meta", "colour": "red"}, "colour"),
        ({"type": "l2Book", "coin": "BTC", "nSigFigs": 3}, "nSigFigs"),
        ({"type": "candleSnapshot", "req": {}}, "type"),
    ],
)
def test_a_question_that_can_not_be_read_is_refused(
    sandbox: SandboxProcess, body: dict[str, Any], name: str
) -> None:
    assert post(sandbox, "/info", body) == (422, UNREADABLE + name)


# Sockets.


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("hello", NOT_JSON + '"hello"'),
        ([], NOT_JSON + "[]"),
        ({"method": "fly"}, NOT_JSON + '{"method":"fly"}'),
        ({"method": "subscribe"}, NOT_JSON + '{"method":"subscribe"}'),
        ({"method": "ping", "id": 1}, NOT_JSON + '{"method":"ping","id":1}'),
        (subscribing({}), NOT_JSON + '{"method":"subscribe","subscription":{}}'),
        (
            subscribing({"type": "trades"}),
            NOT_JSON + '{"method":"subscribe","subscription":{"type":"trades"}}',
        ),
        (
            subscribing({"type": "candle", "coin": "BTC"}),
            NOT_JSON + '{"method":"subscribe","subscription":{"type":"candle","coin":"BTC"}}',
        ),
        (
            subscribing({"type": "userFills", "user": "me"}),
            NOT_JSON + '{"method":"subscribe","subscription":{"type":"userFills","user":"me"}}',
        ),
        (
            subscribing({"type": "l4Book", "coin": "NOPE"}),
            'Invalid subscription {"type":"l4Book","coin":"NOPE"}',
        ),
        (
            {"method": "unsubscribe", "subscription": {"type": "trades", "coin": "BTC"}},
            'Already unsubscribed: {"type":"trades","coin":"BTC"}',
        ),
    ],
)
def test_a_wrong_message_is_refused_and_the_connection_lives(message: Any, reason: str) -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws") as socket, asyncio.timeout(5):
            assert await socket.receive_str() == "Websocket connection established."
            await socket.send_json(message)
            assert await socket.receive_json() == {"channel": "error", "data": reason}
            await socket.send_json({"method": "ping"})
            assert await socket.receive_json() == {"channel": "pong"}
        assert client.server.own_errors == []

    use(hyperliquid.Dialect, work)


def test_a_fast_book_has_five_levels_and_half_a_second_between_its_images() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws") as socket, asyncio.timeout(20):
            await socket.receive_str()
            await socket.send_json(subscribing({"type": "l2Book", "coin": "BTC", "fast": True}))
            assert (await socket.receive_json())["data"]["subscription"]["fast"] is True
            client.server.rate = 50.0
            times = []
            for _ in range(6):
                data = (await socket.receive_json())["data"]
                assert [len(side) for side in data["levels"]] == [5, 5]
                times.append(data["time"])
            # Those that follow the opening one; a timer may be a little early.
            gaps = [after - before for before, after in itertools.pairwise(times[1:])]
            assert min(gaps) >= 490

    use(hyperliquid.Dialect, work)


def test_a_book_opens_with_its_levels_under_either_name() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws") as socket, asyncio.timeout(5):
            await socket.receive_str()
            for coin in ("BTC", "BTC/USDT"):
                subscription = {"type": "l2Book", "coin": coin}
                await socket.send_json(subscribing(subscription))
                acknowledgement = await socket.receive_json()
                told = subscribing(subscription | {"nSigFigs": None, "mantissa": None})
                assert acknowledgement == {"channel": "subscriptionResponse", "data": told}
                frame = await socket.receive_json()
                assert (frame["channel"], frame["data"]["coin"]) == ("l2Book", coin)
                assert [len(side) for side in frame["data"]["levels"]] == [20, 20]

    use(hyperliquid.Dialect, work)
