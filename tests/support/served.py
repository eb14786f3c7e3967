"""A sandbox's server in this process, behind a real port."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from trochil.sandbox.__main__ import BALANCES, symbol_of
from trochil.sandbox.admin import Admin
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.faults import Faults
from trochil.sandbox.server import ADMIN_PATH, Server


@dataclass
class Served:
    """The server, an account with something of each asset, and a session at its address."""

    server: Server
    account: Account
    session: aiohttp.ClientSession
    port: int
    admin_token: str

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def admin(self, path: str, **body: Any) -> Any:
        """What a POST at the admin door answers. Raises ValueError with what it refuses."""
        headers = {"X-Sandbox-Token": self.admin_token}
        async with self.session.post(f"{ADMIN_PATH}{path}", json=body, headers=headers) as answer:
            found = await answer.json()
            if answer.status != 200:
                raise ValueError(found["error"])
            return found


@contextlib.asynccontextmanager
async def served(
    dialect: Callable[[Server], Any], *pairs: str, rate: float = 0.0
) -> AsyncIterator[Served]:
    """``rate``: flow events a second and pair; the books are full without any."""
    symbols = {pair: symbol_of(pair) for pair in pairs}
    server = Server(dialect, symbols, seed=1, rate=rate, faults=Faults())
    assets = {asset for pair in pairs for asset in pair.split("-")}
    account = server.new_account("default", {asset: BALANCES[asset] for asset in sorted(assets)})
    app = server.application()
    admin = Admin(server)
    admin.add_routes(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield Served(server, account, session, port, admin.token)
    finally:
        await runner.cleanup()


def serve(
    dialect: Callable[[Server], Any],
    pairs: tuple[str, ...],
    work: Callable[[Served], Awaitable[None]],
    patience_s: float = 20.0,
) -> None:
    """``work`` at a server that must make no mistakes of its own."""

    async def run() -> None:
        async with served(dialect, *pairs) as venue, asyncio.timeout(patience_s):
            await work(venue)
            assert venue.server.own_errors == []

    asyncio.run(run())
