"""Binance answers an order with 429 and -1015 "Too many new orders": cancels stay allowed; there is
no Retry-After.

A cancel is sent at once.
"""

import asyncio
import time

import aiohttp
from aiohttp import web

from actors.transport.rest import Rest
from exchanges.binance import BINANCE
from exchanges.contract import Endpoints
from orderbook.errors import TrochilError
from tests.support.any_order import an_order

TOO_MANY = {"code": -1015, "msg": "Too many new orders; current limit is 50 orders per 10 SECOND."}


async def methods_seen() -> list[str]:
    """The methods that come to the venue when an order is refused and then cancelled."""
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.method)
        if request.path.endswith("/time"):
            return web.json_response({"serverTime": int(time.time() * 1000)})
        return (
            web.json_response(TOO_MANY, status=429)
            if request.method == "POST"
            else web.json_response({})
        )

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    auth = BINANCE.auth({"api_key": "k", "api_secret": "s"})
    entry = BINANCE.orders({})
    order = an_order()
    async with aiohttp.ClientSession() as session:
        rest = Rest(BINANCE, session, Endpoints(url, url, url), auth)
        for call in (entry.place(order), entry.cancel(order)):
            try:
                await rest.run(call)
            except TrochilError:
                continue
    await runner.cleanup()
    return seen


def test_a_cancel_is_sent_after_an_order_too_many() -> None:
    seen = asyncio.run(methods_seen())
    assert seen[-2:] == ["POST", "DELETE"]
