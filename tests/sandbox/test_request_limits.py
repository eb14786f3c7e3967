"""The sandbox counts what venues document, strictly, and refuses what is too much."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from trochil.sandbox import dialects
from trochil.sandbox.__main__ import arguments, build
from trochil.sandbox.request_limits import AnyStretch, AtOnce, Bucket

COUNTED = ("binance", "coinbase", "htx", "hyperliquid", "kraken")


def test_a_stretch_counts_wherever_it_begins() -> None:
    count = AnyStretch(10, 1.0)
    assert all(count.takes(1, 0.9) for _ in range(10))
    assert not count.takes(1, 1.8)
    assert all(count.takes(1, 1.91 + 0.9) for _ in range(10))
    assert count.most == 11


def test_a_bucket_fills_again() -> None:
    bucket = Bucket(15, 10.0)
    assert all(bucket.takes(1, 5.0) for _ in range(15))
    assert not bucket.takes(1, 5.0)
    assert bucket.takes(1, 5.2)


def test_what_is_open_is_given_back() -> None:
    count = AtOnce(2)
    assert count.takes(2, 0.0)
    assert not count.takes(1, 0.0)
    assert count.takes(-1, 0.0)
    assert count.most == 3


def at(venue: str, work: Any) -> dict[str, Any]:
    """``work(session)`` at a venue that counts; what it counted."""

    async def main() -> dict[str, Any]:
        server = build(venue, arguments([venue, "--limits", "documented", "--rate", "1"]))
        runner = web.AppRunner(server.application())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            await work(session)
        await runner.cleanup()
        assert server.own_errors == []
        assert server.limits is not None
        return server.limits.status()

    return asyncio.run(main())


PUBLIC = {
    "coinbase": ("/time", 15, "rate limit exceeded"),
    "htx": ("/v1/common/timestamp", 10, "rate-too-many-requests"),
    "kraken": ("/0/public/Time", 20, "Rate limit exceeded"),
}
"""A question, how many may be asked at once, and the words of the refusal."""


@pytest.mark.parametrize("venue", PUBLIC)
def test_public_requests_are_refused_in_the_venues_words(venue: str) -> None:
    path, most, words = PUBLIC[venue]
    texts: list[str] = []

    async def ask(session: aiohttp.ClientSession) -> None:
        async with session.get(path) as answer:
            texts.append(await answer.text())

    async def work(session: aiohttp.ClientSession) -> None:
        await asyncio.gather(*(ask(session) for _ in range(3 * most)))

    limits = at(venue, work)
    refused = sum(words in text for text in texts)
    assert limits["refused"]["public"] == refused > 0, texts[-1]


def test_more_subscriptions_than_an_address_may_hold_close_the_socket() -> None:
    closed: list[bool] = []

    async def work(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect("/ws") as socket:
            for number in range(1001):
                topic = {"type": "l2Book", "coin": f"@{number}"}
                await socket.send_json({"method": "subscribe", "subscription": topic})
            while not socket.closed:
                await socket.receive(5)
            closed.append(socket.closed)

    limits = at("hyperliquid", work)
    assert closed == [True]
    assert limits["refused"] == {"subscriptions": 1}


def test_an_eleventh_socket_is_closed() -> None:
    kinds: list[aiohttp.WSMsgType] = []

    async def work(session: aiohttp.ClientSession) -> None:
        sockets = [await session.ws_connect("/ws") for _ in range(11)]
        while (message := await sockets[-1].receive(5)).type is aiohttp.WSMsgType.TEXT:
            pass
        kinds.append(message.type)
        for socket in sockets:
            await socket.close()

    limits = at("hyperliquid", work)
    assert kinds[0] in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    assert limits["refused"] == {"sockets": 1}


def test_handshakes_are_refused_by_their_number() -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        for _ in range(300):
            await (await session.ws_connect("/stream")).close()
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect("/stream")
        assert caught.value.status == 429

    assert at("binance", work)["refused"] == {"connections": 1}


def test_venues_that_can_not_be_counted_are_named() -> None:
    for name in dialects.names():
        if name in COUNTED:
            continue
        with pytest.raises(ValueError, match=f"count the limits of {name}"):
            build(name, arguments([name, "--limits", "documented"]))
