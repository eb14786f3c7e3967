"""What a dialect gets wrong is the sandbox's fault; what a client gets wrong is the client's."""

import asyncio
import hashlib
import hmac
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.support.served import Served, served
from trochil.sandbox.book_windows import BookWindow
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import Frame, MarketStats, Row
from trochil.sandbox.dialects import binance
from trochil.sandbox.market.matching import Match
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Rejected
from trochil.sandbox.process import SandboxError, SandboxProcess
from trochil.sandbox.requests import Params, Request, read_message
from trochil.sandbox.server import Server

PAIR = "BTC-USDT"
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "30000.00",
}


class Client:
    """What a client sees of a server, by its own hand."""

    def __init__(self, venue: Served) -> None:
        self.server = venue.server
        self.account = venue.account
        self.port = venue.port
        self._session = venue.session

    async def get(self, path: str) -> tuple[int, Any]:
        async with self._session.get(path) as answer:
            return answer.status, await answer.json()

    async def place(self, **changes: str | None) -> tuple[int, Any]:
        """The order, with some of its parameters changed, or left out by None."""
        sent = {name: value for name, value in (ORDER | changes).items() if value is not None}
        query = urlencode(sent | {"timestamp": str(int(time.time() * 1000))})
        secret = self.account.keys["api_secret"].encode()
        signature = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": self.account.keys["api_key"]}
        path = f"/api/v3/order?{query}&signature={signature}"
        async with self._session.post(path, headers=headers) as answer:
            return answer.status, await answer.json()

    def socket(self, path: str) -> Any:
        return self._session.ws_connect(path)

    @property
    def orders(self) -> int:
        """That the venue took of this account."""
        mine = [o for o in self.server.venue.orders.values() if o.account is self.account]
        return len(mine)


def use(dialect: Callable[[Server], Any], work: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        async with served(dialect, PAIR) as venue:
            await work(Client(venue))

    asyncio.run(run())


# The dialect's mistakes.


class WrongTicker(binance.Dialect):
    def ticker(self, pair: str) -> Row:
        stats: Any = self.market_stats(pair)
        assert isinstance(stats, MarketStats)
        return {"lastPrice": str(stats.lst)}


class WrongEvent(binance.Dialect):
    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        return [("", {"e": "executionReport", "X": binance.STATUS["stat"]})]


class RefusingEvent(binance.Dialect):
    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        raise Rejected(Reason.LOT_SIZE)


class RefusingRow(binance.Dialect):
    def order(self, order: Any) -> Row:
        raise Rejected(Reason.UNKNOWN_SYMBOL, "BTC")


class WrongTrade(binance.Dialect):
    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        return {"trade": {"id": int("not a number")}}


class WrongRefusal(binance.Dialect):
    def error_body(self, code: int | str, message: str, request: Request | None) -> Any:
        return {"code": code, "msg": self.refusals["lot size"]}


def test_a_mistake_in_a_row_is_answered_with_500_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work(client: Client) -> None:
        status, answer = await client.get("/api/v3/ticker/24hr?symbol=BTCUSDT")
        assert (status, "code" in answer) == (500, False)
        (error,) = client.server.own_errors
        assert "GET /api/v3/ticker/24hr" in error
        assert "lst" in error
        assert (await client.get("/api/v3/time"))[0] == 200

    use(WrongTicker, work)
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("dialect", [WrongEvent, RefusingEvent, RefusingRow])
def test_a_mistake_about_an_order_that_was_taken_refuses_nothing(dialect: Any) -> None:
    async def work(client: Client) -> None:
        status, answer = await client.place()
        assert (status, "code" in answer, client.orders) == (500, False, 1)
        (order,) = client.server.venue.orders.values()
        assert order.is_open
        assert client.account.of("USDT").held == 300
        assert client.server.own_error_count == 1

    use(dialect, work)


def test_a_mistake_about_a_trade_leaves_the_venue_right() -> None:
    async def work(client: Client) -> None:
        terms = {"type": "MARKET", "price": None, "timeInForce": None}
        status, _ = await client.place(**terms)
        (order,) = client.server.venue.orders.values()
        assert (status, order.state) == (500, "filled")
        assert client.account.of("USDT").held == 0
        assert client.server.own_errors

    use(WrongTrade, work)


def test_a_mistake_in_a_refusal_is_none_of_the_clients() -> None:
    async def work(client: Client) -> None:
        status, _ = await client.place(quantity="0")
        assert (status, client.orders, client.server.own_error_count) == (500, 0, 1)

    use(WrongRefusal, work)


class WrongBook(binance.Dialect):
    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        return {"pair": window.pair, "asks": window.asks[-1000]}


def test_a_mistake_in_a_frame_ends_the_connection_and_is_counted() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws/btcusdt@depth") as socket:
            for flow in client.server.flows.values():
                flow.fill_up(client.server.now_ns())
            client.server.send_depth(PAIR)
            async with asyncio.timeout(5):
                message = await socket.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1011)
        assert "in a frame at /ws/btcusdt@depth" in client.server.own_errors[0]

    use(WrongBook, work)


async def connect_and_leave(port: int) -> None:
    """Asks for a socket and resets the connection at once."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    connected = writer.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def test_a_client_that_leaves_during_its_handshake_is_no_mistake_of_ours() -> None:
    async def work(client: Client) -> None:
        for _ in range(200):
            await connect_and_leave(client.port)
        async with client.socket("/ws") as websocket:
            await websocket.send_str("{}")
        assert client.server.own_errors == []

    use(binance.Dialect, work)


def test_a_sandbox_that_made_mistakes_fails_the_test() -> None:
    sandbox = SandboxProcess("binance", pairs=[PAIR], rate=0)
    with sandbox:
        assert sandbox.admin("GET", "status")["own_errors"] == []
        sandbox.raise_own_errors()

    class Mistaken(SandboxProcess):
        def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
            return super().admin(method, path, body) | {"own_errors": ["in a row: KeyError()"]}

    with pytest.raises(SandboxError, match="in a row: KeyError"), Mistaken("binance", pairs=[PAIR]):
        pass


# The client's mistakes.


@pytest.mark.parametrize(
    ("changes", "code", "name"),
    [
        ({"side": None}, -1102, "side"),
        ({"side": "HOLD"}, -1117, "side"),
        ({"type": None}, -1102, "type"),
        ({"type": "STOP"}, -1116, "orderType"),
        ({"timeInForce": None}, -1102, "timeInForce"),
        ({"timeInForce": "GTX"}, -1115, "timeInForce"),
        ({"quantity": ""}, -1105, "quantity"),
        ({"quantity": "much"}, -1100, "quantity"),
        ({"quantity": "NaN"}, -1100, "quantity"),
        ({"quantity": "1e40"}, -1100, "quantity"),
        ({"price": None}, -1102, "price"),
        ({"type": "LIMIT_MAKER"}, -1106, "timeInForce"),
        ({"symbol": "NOPE"}, -1121, ""),
        ({"recvWindow": "long"}, -1100, "recvWindow"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused_in_the_venues_words(
    changes: dict[str, str | None], code: int, name: str
) -> None:
    async def work(client: Client) -> None:
        status, answer = await client.place(**changes)
        assert (status, answer["code"]) == (400, code)
        assert name in answer["msg"]
        assert (client.orders, client.server.own_errors) == (0, [])

    use(binance.Dialect, work)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v3/depth", -1102),
        ("/api/v3/depth?symbol=BTCUSDT&limit=ten", -1100),
        ("/api/v3/depth?symbol=BTCUSDT&limit=-1", -1100),
        ("/api/v3/ticker/24hr?symbol=NOPE", -1121),
        ("/api/v3/account", -1102),
    ],
)
def test_a_request_that_does_not_fit_is_refused_too(path: str, code: int) -> None:
    async def work(client: Client) -> None:
        status, answer = await client.get(path)
        assert (status, answer["code"]) == (400, code)
        assert client.server.own_errors == []

    use(binance.Dialect, work)


@pytest.mark.parametrize(
    "text", ["no json", "[]", "{}", '{"method": "SUBSCRIBE", "id": 1}', '{"method": "SUBSCRIBE", '
    '"params": [7], "id": 1}']
)  # fmt: skip
def test_a_message_that_does_not_fit_is_refused_and_the_socket_stays(text: str) -> None:
    async def work(client: Client) -> None:
        async with client.socket("/stream") as socket, asyncio.timeout(5):
            await socket.send_str(text)
            assert (await socket.receive_json())["error"]["code"] in (2, 3)
            message = {"method": "SUBSCRIBE", "params": ["btcusdt@depth"], "id": 2}
            await socket.send_json(message)
            assert await socket.receive_json() == {"result": None, "id": 2}
        assert client.server.own_errors == []

    use(binance.Dialect, work)


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (lambda params: params["none"], "missing none"),
        (lambda params: params.string("empty"), "missing empty"),
        (lambda params: params.string("list"), "illegal list"),
        (lambda params: params.integer("text"), "illegal text"),
        (lambda params: params.decimal("huge"), "illegal huge"),
        (lambda params: params.time_s("text"), "illegal text"),
        (lambda params: params.time_s("infinite"), "illegal infinite"),
        (lambda params: params.client_uuid("text"), "illegal text"),
        (lambda params: params.strings("text"), "illegal text"),
        (lambda params: params.params("list"), "illegal list"),
        (lambda params: params.params_list("list"), "illegal list"),
        (lambda params: params.choice("text", {"a": 1}), "illegal text"),
    ],
)
def test_readers_name_what_does_not_fit(read: Callable[[Params], Any], reason: str) -> None:
    values = {"none": None, "empty": "", "text": "abc", "list": [1], "huge": "1e99"}
    with pytest.raises(Rejected) as refusal:
        read(Params(values | {"infinite": "inf"}))
    assert str(refusal.value) == reason


def test_readers_read() -> None:
    message = read_message(
        '{"n": 7, "t": "2024-01-01T00:00:00.000Z", "ms": 1700000000123, "o": {"a": "b"}}'
    )
    assert (message.string("n"), message.integer("n"), message.integer("none", 5)) == ("7", 7, 5)
    assert (message.time_s("t"), message.optional_time_ms("ms")) == (1704067200.0, 1700000000123)
    assert message.params("o").choice("a", {"b": 1}) == 1
    assert "none" not in message
