"""Bittrex's sandbox, asked by a bare client of this file: SignalR's steps, the hub's refusals,
sequences, ids."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USDT"
CONNECTION = {
    "transport": "webSockets",
    "clientProtocol": "1.5",
    "connectionData": '[{"name":"c3"}]',
}
PATIENCE = 20.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("bittrex", pairs=[PAIR, "ETH-USDT"], seed=3) as process:
        yield process


class Client:
    """What the documentation tells a client to do, and no more."""

    def __init__(self, sandbox: SandboxProcess, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.base = sandbox.hosts["bittrex"]["rest"]
        self.keys = sandbox.accounts["default"]

    def proof(self, text: str, secret: str = "") -> str:
        return hmac.new(
            (secret or self.keys["api_secret"]).encode(), text.encode(), "sha512"
        ).hexdigest()

    async def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, Any]:
        """Status, answer and headers of a signed request."""
        text = "" if body is None else json.dumps(body)
        stamp = str(int(time.time() * 1000))
        digest = hashlib.sha512(text.encode()).hexdigest()
        signed = {
            "Api-Key": self.keys["api_key"],
            "Api-Timestamp": stamp,
            "Api-Content-Hash": digest,
        }
        signed["Api-Signature"] = self.proof(stamp + self.base + path + method + digest)
        async with self.session.request(
            method, self.base + path, data=text or None, headers=signed | headers
        ) as answer:
            return answer.status, await answer.json(), answer.headers

    async def place(self, **terms: str) -> tuple[int, Any]:
        """A buy that rests, unless the terms say otherwise."""
        body = {
            "marketSymbol": PAIR,
            "direction": "BUY",
            "type": "LIMIT",
            "quantity": "0.01",
            "limit": "30000",
        }
        body |= {"timeInForce": "GOOD_TIL_CANCELLED", "clientOrderId": str(uuid4())} | terms
        return (await self.ask("POST", "/v3/orders", body))[:2]

    @asynccontextmanager
    async def hub(self, token: str = "") -> AsyncIterator["Hub"]:
        async with self.session.get(f"{self.base}/signalr/negotiate", params=CONNECTION) as answer:
            negotiated = await answer.json()
        params = CONNECTION | {"connectionToken": token or negotiated["ConnectionToken"]}
        async with self.session.ws_connect(f"{self.base}/signalr/connect", params=params) as ws:
            yield Hub(ws)

    async def login(self, hub: "Hub", **wrong: str) -> Any:
        stamp = int(time.time() * 1000)
        content = str(uuid4())
        proof = self.proof(f"{stamp}{content}", wrong.get("secret", ""))
        return await hub.invoke(
            "Authenticate", wrong.get("key", self.keys["api_key"]), stamp, content, proof.upper()
        )


class Hub:
    """One socket; what is pushed while an answer is awaited is kept."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.pushed: list[tuple[str, Any]] = []

    async def frame(self) -> Any:
        frame = await self.ws.receive_json()
        for push in frame.get("M", []):
            assert push["H"] == "C3"
            contents = [
                json.loads(zlib.decompress(base64.b64decode(told), wbits=-15)) for told in push["A"]
            ]
            self.pushed += [(push["M"], content) for content in contents or [None]]
        return frame

    async def invoke(self, method: str, *arguments: Any) -> Any:
        await self.ws.send_json({"H": "c3", "M": method, "A": arguments, "I": 7})
        while "I" not in (frame := await self.frame()):
            pass
        assert frame["I"] == "7"
        return frame.get("R", frame.get("E"))

    async def until(self, name: str, times: int = 1) -> list[Any]:
        """The first contents of pushes of that name."""
        while len(found := [content for said, content in self.pushed if said == name]) < times:
            await self.frame()
        return found[:times]


def use(sandbox: SandboxProcess, work: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE):
            await work(Client(sandbox, session))

    asyncio.run(main())


def test_the_socket_opens_by_its_token_alone(sandbox: SandboxProcess) -> None:
    async def work(client: Client) -> None:
        async with client.hub() as hub:
            assert await hub.frame() == {"C": "d-1", "S": 1, "M": []}
            assert await hub.frame() == {}
        async with client.hub("wrong") as hub:
            assert (await hub.ws.receive()).type in (
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.ERROR,
            )

    use(sandbox, work)


def test_deltas_of_each_depth_are_numbered_and_join_the_snapshot_of_that_depth(
    sandbox: SandboxProcess,
) -> None:
    async def work(client: Client) -> None:
        async with client.hub() as hub:
            done = {"Success": True, "ErrorCode": None}
            names = [f"orderbook_{PAIR}_{depth}" for depth in (1, 500)]
            assert await hub.invoke("Subscribe", names) == [done, done]
            told = await hub.until("orderBook", 8)
            for depth in (1, 500):
                numbers = [each["sequence"] for each in told if each["depth"] == depth]
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
                path = f"/v3/markets/{PAIR}/orderbook?depth={depth}"
                status, book, headers = await client.ask("GET", path)
                assert (status, len(book["bid"]) <= depth) == (200, True)
                assert int(headers["Sequence"]) >= numbers[-1]
            assert await hub.invoke("Unsubscribe", names) == [done, done]

    use(sandbox, work)


def test_trades_say_the_takers_side(sandbox: SandboxProcess) -> None:
    async def work(client: Client) -> None:
        async with client.hub() as hub:
            await hub.invoke("Subscribe", [f"trade_{PAIR}"])
            (told,) = await hub.until("trade")
            assert (told["marketSymbol"], told["deltas"][0]["takerSide"] in ("BUY", "SELL")) == (
                PAIR,
                True,
            )

    use(sandbox, work)


def test_an_account_hears_of_itself_by_numbers_once_it_has_logged_in(
    sandbox: SandboxProcess,
) -> None:
    async def work(client: Client) -> None:
        async with client.hub() as hub, client.hub() as other:
            streams = ["order", "execution", "balance"]
            refused = await hub.invoke("Subscribe", streams)
            assert {row["ErrorCode"] for row in refused} == {"UNAUTHORIZED_USER"}
            for each in (hub, other):
                assert (await client.login(each))["Success"]
                await each.invoke("Subscribe", streams)
            _, bought = await client.place(type="MARKET", timeInForce="FILL_OR_KILL", limit="")
            assert (bought["status"], bought["timeInForce"]) == ("CLOSED", "FILL_OR_KILL")
            heard = []
            for each in (hub, other):
                orders = await each.until("order", 2)
                fills = await each.until("execution")
                balances = await each.until("balance", 4)
                assert orders[1]["delta"]["id"] == fills[0]["deltas"][0]["orderId"] == bought["id"]
                assert fills[0]["deltas"][0]["isTaker"]
                for told in (orders, balances):
                    assert [each["sequence"] - told[0]["sequence"] for each in told] == list(
                        range(len(told))
                    )
                heard.append((orders, fills, balances))
            assert heard[0] == heard[1]

    use(sandbox, work)


@pytest.mark.parametrize("wrong", [{"secret": "wrong"}, {"key": "nobody"}])
def test_a_wrong_login_is_refused(sandbox: SandboxProcess, wrong: dict[str, str]) -> None:
    async def work(client: Client) -> None:
        async with client.hub() as hub:
            assert await client.login(hub, **wrong) == {
                "Success": False,
                "ErrorCode": "INVALID_APIKEY",
            }
            failed = 'There was an error invoking Hub method "c3.'
            assert await hub.invoke("Nothing") == f'{failed}Nothing".'
            assert await hub.invoke("Authenticate", "too few") == f'{failed}Authenticate".'

    use(sandbox, work)


def test_a_login_that_runs_out_is_announced(sandbox: SandboxProcess) -> None:
    async def work(client: Client) -> None:
        async with client.hub() as hub:
            await client.login(hub)
            await hub.invoke("Subscribe", ["order"])
            await asyncio.to_thread(sandbox.admin, "POST", "faults", {"user_stream_terminated": 1})
            await client.place()
            assert await hub.until("authenticationExpiring") == [None]

    use(sandbox, work)


def test_client_ids_never_come_again_and_orders_without_fills_are_forgotten(
    sandbox: SandboxProcess,
) -> None:
    async def work(client: Client) -> None:
        name = str(uuid4())
        status, placed = await client.place(clientOrderId=name)
        assert (status, placed["status"], placed["clientOrderId"]) == (201, "OPEN", name)
        path = f"/v3/orders/{placed['id']}"
        assert (await client.ask("GET", path))[1] == placed
        _, cancelled, _ = await client.ask("DELETE", path)
        assert (cancelled["status"], "closedAt" in cancelled) == ("CLOSED", True)
        for method in ("GET", "DELETE"):
            status, refused, _ = await client.ask(method, path)
            assert (status, refused["code"]) == (404, "ORDER_DOES_NOT_EXIST")
        status, refused = await client.place(clientOrderId=name)
        assert (status, refused["code"]) == (409, "CLIENTORDERID_ALREADY_EXISTS")
        assert refused["data"] == {"id": placed["id"]}
        closed = (await client.ask("GET", f"/v3/orders/closed?marketSymbol={PAIR}"))[1]
        assert placed["id"] not in [row["id"] for row in closed]

    use(sandbox, work)


def test_fills_are_listed_newest_first_and_by_pages(sandbox: SandboxProcess) -> None:
    async def work(client: Client) -> None:
        for _ in range(3):
            _, bought = await client.place(
                type="MARKET", timeInForce="IMMEDIATE_OR_CANCEL", limit=""
            )
        status, refused, _ = await client.ask("DELETE", f"/v3/orders/{bought['id']}")
        assert (status, refused["code"]) == (409, "ORDER_NOT_OPEN")
        path = f"/v3/executions?marketSymbol={PAIR}&startDate=2024-01-01T00:00:00Z"
        whole = (await client.ask("GET", path))[1]
        assert whole[0]["orderId"] == bought["id"]
        page = (await client.ask("GET", f"{path}&pageSize=2"))[1]
        then = (await client.ask("GET", f"{path}&pageSize=2&nextPageToken={page[-1]['id']}"))[1]
        assert page + then == whole[:4]
        own = (await client.ask("GET", f"/v3/orders/{bought['id']}/executions"))[1]
        assert sum(float(row["commission"]) for row in own) == pytest.approx(
            float(bought["commission"])
        )
        assert (await client.ask("GET", path.replace("2024", "2124")))[1] == []

    use(sandbox, work)


@pytest.mark.parametrize(
    ("terms", "status", "code"),
    [
        ({"limit": "30000.001"}, 400, "RATE_PRECISION_NOT_ALLOWED"),
        ({"quantity": "0.000000001"}, 409, "MIN_TRADE_REQUIREMENT_NOT_MET"),
        ({"quantity": "0.00001"}, 409, "DUST_TRADE_DISALLOWED_MIN_VALUE"),
        ({"quantity": "900"}, 409, "INSUFFICIENT_FUNDS"),
        ({"limit": "90000", "timeInForce": "POST_ONLY_GOOD_TIL_CANCELLED"}, 409, "POST_ONLY"),
        ({"marketSymbol": "USDT-BTC"}, 400, "MARKET_NAME_REVERSED"),
        ({"marketSymbol": "BTC-NONE"}, 404, "MARKET_DOES_NOT_EXIST"),
        ({"type": "MARKET"}, 400, "BAD_REQUEST"),
        ({"type": "CEILING_MARKET"}, 400, "BAD_REQUEST"),
        ({"type": "CEILING_LIMIT"}, 400, "ORDER_TYPE_INVALID"),
        ({"clientOrderId": "mine"}, 400, "BAD_REQUEST"),
    ],
)
def test_what_is_not_allowed_is_refused(
    sandbox: SandboxProcess, terms: dict[str, str], status: int, code: str
) -> None:
    async def work(client: Client) -> None:
        found, refused = await client.place(**terms)
        assert (found, refused["code"]) == (status, code)

    use(sandbox, work)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Api-Key": "nobody"}, "APIKEY_INVALID"),
        ({"Api-Signature": "ab"}, "INVALID_SIGNATURE"),
        ({"Api-Content-Hash": "ab"}, "INVALID_SIGNATURE"),
    ],
)
def test_wrong_signatures_are_refused(
    sandbox: SandboxProcess, headers: dict[str, str], code: str
) -> None:
    async def work(client: Client) -> None:
        status, refused, _ = await client.ask("GET", "/v3/balances", **headers)
        assert (status, refused["code"]) == (401, code)

    use(sandbox, work)
