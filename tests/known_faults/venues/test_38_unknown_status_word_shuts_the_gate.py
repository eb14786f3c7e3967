"""An order rests; the client comes back while the venue says a word of that order that no table
has.

What one unknown status word does, from the outside (ccxt/ccxt #4017, Coinbase's "canceling"). A
proxy before the sandbox changes the word. Right: another order can be placed. Once no new order was
taken for as long as the venue said that word.
"""

import asyncio
import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

import trochil
from tests.known_faults.lab import given
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USD"
NOT_PASSED_ON = ("host", "content-length", "accept-encoding")


class Proxy:
    """Passes on what REST says, and changes the state of each order in it."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.url = ""
        self.changed = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over = asyncio.Event()
        self._session: aiohttp.ClientSession

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(self._serve()), daemon=True
        )
        thread.start()
        given(self._ready.wait(10), "the proxy listens")
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._over.set)
            thread.join(10)
            self._loop.close()

    async def _serve(self) -> None:
        async with aiohttp.ClientSession(auto_decompress=False) as self._session:
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", self._pass_on)
            runner = web.AppRunner(application, shutdown_timeout=1.0)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._ready.set()
            await self._over.wait()
            await runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in NOT_PASSED_ON
        }
        url = self.target + request.raw_path
        async with self._session.request(
            request.method, url, data=body or None, headers=headers
        ) as said:
            text = await said.text()
        if request.method == "GET" and request.path.startswith("/orders"):
            before = text
            for spelling in ('"status":"open"', '"status": "open"'):
                text = text.replace(spelling, '"status":"canceling"')
            self.changed += text != before
        return web.Response(status=said.status, text=text, content_type="application/json")


@pytest.mark.slow
def test_another_order_can_be_placed_though_one_has_an_unknown_state(tmp_path: Path) -> None:
    with SandboxProcess("coinbase") as sandbox:
        config = copy.deepcopy(sandbox.config) | {"state_dir": str(tmp_path)}
        keys = {"coinbase": f"file:{sandbox.keys_file}#default"}
        with trochil.connect(
            "coinbase", pairs=[PAIR], accounts=keys, config=config, address="inline"
        ) as client:
            price = f"{client.book('coinbase', PAIR).top().bid * 0.5:.2f}"
            client.market("coinbase").buy(PAIR, "0.01", price).wait("open", timeout=10)
        with Proxy(sandbox.hosts["coinbase"]["rest"]).running() as proxy:
            config["venues"]["coinbase"]["hosts"] = sandbox.hosts["coinbase"] | {"rest": proxy.url}
            error = ""
            try:
                with trochil.connect(
                    "coinbase", pairs=[PAIR], accounts=keys, config=config, address="inline"
                ) as client:
                    client.book("coinbase", PAIR)
                    client.market("coinbase").buy(PAIR, "0.01", price).wait("open", timeout=20)
            except (trochil.TrochilError, TimeoutError) as raised:
                error = f"{type(raised).__name__}: {raised}"
            given(proxy.changed, "the word was said")
            assert not error
