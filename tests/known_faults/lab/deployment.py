"""The product from the outside: a sandbox, ``trochil.connect(address="inline")``, and a way to its
parts.
"""

import asyncio
import copy
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web

import trochil
from trochil.sandbox.__main__ import arguments, build
from trochil.sandbox.admin import Admin


@contextmanager
def deployment(
    sandbox: Any,
    *pairs: str,
    keys: bool = False,
    state: Path | None = None,
    venue: dict[str, Any] | None = None,
    **settings: Any,
) -> Iterator[Any]:
    """A client of everything in this process, on ``sandbox``; ``venue``: more settings of it."""
    name = sandbox.exchange
    config = copy.deepcopy(sandbox.config) | settings
    config["venues"][name] |= venue or {}
    if state is not None:
        config["state_dir"] = str(state)
    accounts = {name: f"file:{sandbox.keys_file}#default"} if keys else {}
    with trochil.connect(
        name, pairs=list(pairs), accounts=accounts, config=config, address="inline"
    ) as client:
        yield client


def orders_of(sandbox: Any, account: str = "default") -> dict[str, dict[str, Any]]:
    """The venue's own orders by client id."""
    return {
        row["client_order_id"]: row for row in sandbox.admin("GET", f"orders?account={account}")
    }


class SandboxHere:
    """The sandbox in a thread of this process, for what its admin door can't do.

    ``run`` works on its loop.
    """

    def __init__(self, exchange: str, folder: Path, *options: str, wrap: Any = None) -> None:
        self.exchange = exchange
        self.folder = folder
        self.server = build(exchange, arguments([exchange, "--rate", "50", *options]))
        self._wrap = wrap
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._runner: web.AppRunner | None = None
        self._port = 0

    def __enter__(self) -> "SandboxHere":
        self._thread.start()
        self._await(self._begin())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._await(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _await(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _begin(self) -> None:
        application = self.server.application()
        admin = Admin(self.server)
        admin.add_routes(application)
        if self._wrap is not None:
            application.middlewares.append(self._wrap)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]

    async def _end(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def run(self, work: Callable[[], Any]) -> Any:
        """``work()`` on the sandbox's loop."""

        async def call() -> Any:
            return work()

        return self._await(call())

    @property
    def hosts(self) -> dict[str, dict[str, str]]:
        here = f"127.0.0.1:{self._port}"
        socket = f"ws://{here}"
        return {self.exchange: {"rest": f"http://{here}", "public": socket, "private": socket}}

    @property
    def config(self) -> dict[str, Any]:
        venues = {name: {"hosts": hosts} for name, hosts in self.hosts.items()}
        return {"state_dir": str(self.folder / "state"), "venues": venues}

    @property
    def keys_file(self) -> str:
        """A private TOML file with a table of each account's keys."""
        path = self.folder / "keys.toml"
        path.touch(0o600)
        tables = [
            f"[{name}]\n" + "".join(f'{field} = "{value}"\n' for field, value in keys.items())
            for name, keys in self.accounts.items()
        ]
        path.write_text("\n".join(tables))
        return str(path)

    @property
    def accounts(self) -> dict[str, dict[str, str]]:
        return {
            account.name: account.keys
            for account in self.server.venue.accounts.values()
            if account is not self.server.liquidity_provider
        }


# What the public door doesn't offer: a component that dies.


def parts(client: Any) -> dict[str, Any]:
    """The deployment's components by name."""
    return {name: host._component for name, host in client._async._runtime.peers.hosts.items()}


def crash(client: Any, name: str) -> None:
    """Let one component fail; it is put up again as a restarted process would be."""

    async def fail() -> None:
        parts(client)[name].failed.set_exception(RuntimeError("made to fail by a test"))

    client._thread.run(fail())
