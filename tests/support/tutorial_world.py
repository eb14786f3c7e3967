"""The world of the tutorial's checks: one inline deployment, and the register of checks."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import trochil
from actors.orders.tutorial_market import TutorialMarket
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USDT"
OTHER = "ETH-USDT"
TABLE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
CHECKS: dict[str, Callable[["World"], Awaitable[None]]] = {}
Check = Callable[["World"], Awaitable[None]]


def rows() -> list[str]:
    """Class.function of every row of the document."""
    found = []
    kind = ""
    for line in TABLE.splitlines():
        if line.startswith("## "):
            kind = line[3:]
        elif match := re.match(r"\| `(\w+)` \|", line):
            found.append(f"{kind}.{match[1]}")
    return found


def row(name: str) -> Callable[[Check], Check]:
    def keep(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return keep


class World:
    """The plain objects of one inline deployment, and the loop they live on."""

    def __init__(self, client: trochil.Client, sandbox: SandboxProcess) -> None:
        self.client = client
        self.sandbox = sandbox
        hosts = client._async._runtime.peers.hosts  # type: ignore[attr-defined]
        self.source, self.tracker, self.user_source, self.user, market = (
            hosts[name]._component
            for name in (
                "data_source/binance/0",
                "order_book_tracker/binance/0",
                "user_stream_data_source/binance/default",
                "user_stream_tracker/binance/default",
                "market/binance/default",
            )
        )
        self.market = TutorialMarket(market)

    async def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return await asyncio.to_thread(self.sandbox.admin, method, path, body)

    async def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)

    async def resting(self, pair: str = PAIR) -> str:
        """A buy order that nobody takes; its id, once it is open."""
        price = self.market.quantize_order_price(
            pair, D(str(self.market.get_price(pair, False) * 0.8))
        )
        client_id: str = await self.market.buy(
            pair, "0.01" if pair == PAIR else "0.1", "limit", price
        )
        await self.until(lambda: self.market.get_order(client_id).state == "open")
        return client_id

    async def received(self, listen: Callable[..., Awaitable[None]], n: int = 2) -> list[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        task = asyncio.ensure_future(listen(asyncio.get_running_loop(), queue))
        try:
            async with asyncio.timeout(10):
                return [await queue.get() for _ in range(n)]
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
