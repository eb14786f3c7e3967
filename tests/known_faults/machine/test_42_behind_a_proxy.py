"""Places where a venue is reached through a proxy only (bmoscon/cryptofeed #1002).

(Also sammchardy/python-binance #1312, binance/binance-connector-python #131.) Right: REST and
sockets go to the proxy that the environment names. (A setting instead would be right too: then give
it here.) Today neither does; there is no setting.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from actors.build import rest_of
from actors.settings import VenueSettings
from actors.socket import ExchangeSocket
from exchanges.registry import get

NOWHERE = "venue.invalid"
"""A host that has no address (RFC 2606): only a proxy could reach it."""


async def ask_by_rest() -> None:
    venue = get("binance")
    hosts = {"rest": f"http://{NOWHERE}", "public": f"ws://{NOWHERE}", "private": f"ws://{NOWHERE}"}
    rest = rest_of(venue, VenueSettings(hosts=hosts))  # as the product makes it
    try:
        await rest.run(venue.server_time)
    finally:
        await rest.close()


async def open_a_socket() -> None:
    async with ExchangeSocket(f"wss://{NOWHERE}:9443/ws"):
        pass


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="neither REST nor sockets go to a proxy, and no setting names one",
)
@pytest.mark.parametrize(
    "work", [pytest.param(ask_by_rest, id="REST"), pytest.param(open_a_socket, id="sockets")]
)
def test_the_proxy_of_the_environment_is_used(
    work: Callable[[], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(hear, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, address)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(5):
                await work()
        server.close()
        await server.wait_closed()

    asyncio.run(main())
    assert heard
