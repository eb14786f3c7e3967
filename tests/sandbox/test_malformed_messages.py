"""Messages that a venue can't read are refused in its own words, and the socket stays."""

import asyncio
import gzip
import json
from typing import Any

import aiohttp
import pytest

from tests.sandbox.test_dialect import Client, use
from trochil.sandbox.dialects import htx

SYMBOL = "btcusdt"


async def receive(socket: aiohttp.ClientWebSocketResponse) -> Any:
    message = await socket.receive()
    if message.type is aiohttp.WSMsgType.BINARY:
        return json.loads(gzip.decompress(message.data))
    assert message.type is aiohttp.WSMsgType.TEXT
    return json.loads(message.data)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("no json", "not json string"),
        ("[]", "not json string"),
        ("{}", "Field is missing: sub."),
        ('{"sub": {}}', "Format Error: sub."),
        ('{"sub": "x"}', "invalid topic x"),
        ('{"sub": "market.btcusdt"}', "invalid topic market.btcusdt"),
        ('{"sub": "market.btcusdt.mbp.150"}', "invalid topic market.btcusdt.mbp.150"),
        ('{"sub": "market.nothing.depth.step0"}', "invalid symbol nothing"),
        ('{"sub": "market.btcusdt.kline.1min"}', "invalid topic market.btcusdt.kline.1min"),
        ('{"sub": "market.btcusdt.depth.step9"}', "invalid topic market.btcusdt.depth.step9"),
        ('{"sub": "index.btcusdt.bbo"}', "invalid topic index.btcusdt.bbo"),
        ('{"req": "market.btcusdt.bbo"}', "invalid topic market.btcusdt.bbo"),
        (
            '{"unsub": "market.btcusdt.bbo"}',
            "unsub with not subbed topic market.btcusdt.bbo",
        ),
        ('{"sub": "market.btcusdt.bbo", "pick": ["x"]}', "invalid parameter: pick"),
    ],
)
def test_htx_refuses_a_topic_by_an_error_frame(text: str, error: str) -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws") as socket, asyncio.timeout(5):
            assert "ping" in await receive(socket)
            await socket.send_str(text)
            frame = await receive(socket)
            assert (frame["status"], frame["err-msg"]) == ("error", error)
            topic = f"market.{SYMBOL}.trade.detail"
            await socket.send_json({"sub": topic, "id": 2})
            assert (await receive(socket))["subbed"] == topic
        assert client.server.own_errors == []

    use(htx.Dialect, work)


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("no json", 2001, "invalid.json"),
        ('{"action": "sub"}', 2001, "invalid.ch"),
        ('{"action": {"a": 1}, "ch": "auth"}', 2001, "invalid.param"),
        ('{"action": "place", "ch": "orders#btcusdt"}', 2001, "invalid.action"),
        ('{"action": "req", "ch": "auth"}', 2001, "missing.param.auth"),
        ('{"action": "req", "ch": "auth", "params": {}}', 2001, "missing.param.auth"),
        ('{"action": "req", "ch": "accounts.list"}', 2001, "invalid.ch"),
        ('{"action": "sub", "ch": "orders#btcusdt"}', 2002, "invalid.auth.state"),
    ],
)
def test_htx_refuses_an_accounts_message_by_a_code(text: str, code: int, reason: str) -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws/v2") as socket, asyncio.timeout(5):
            assert (await receive(socket))["action"] == "ping"
            for _ in range(2):
                await socket.send_str(text)
                frame = await receive(socket)
                assert (frame["code"], frame["message"]) == (code, reason)
        assert client.server.own_errors == []

    use(htx.Dialect, work)
