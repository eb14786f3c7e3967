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
from trochil.sandbox.__main__ import arguments, build, ready
from trochil.sandbox.admin import Admin
from trochil.sandbox.process import SandboxProcess


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
        self.server = build(arguments([exchange, *options]))
        self._wrap = wrap
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._runner: web.AppRunner | None = None
        self._said: dict[str, Any] = {}

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
        self._said = ready(self.server, admin, self.exchange, self._runner.addresses[0][1])

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
        hosts: dict[str, dict[str, str]] = self._said["exchange"]
        return hosts

    @property
    def config(self) -> dict[str, Any]:
        venues = {name: {"hosts": hosts} for name, hosts in self.hosts.items()}
        return {"state_dir": str(self.folder / "state"), "venues": venues}

    keys_file = SandboxProcess.keys_file

    @property
    def accounts(self) -> dict[str, dict[str, str]]:
        accounts: dict[str, dict[str, str]] = self._said["accounts"]
        return accounts


# What the public door doesn't offer: a component that dies.


def parts(client: Any) -> dict[str, Any]:
    """The deployment's components by name."""
    return {name: host._component for name, host in client._async._runtime.peers.hosts.items()}


def crash(client: Any, name: str) -> None:
    """Let one component fail; it is put up again as a restarted process would be."""

    async def fail() -> None:
        parts(client)[name].failed.set_exception(RuntimeError("made to fail by a test"))

    client._thread.run(fail())
