"""The request that shows whether a silent book's market moved, of every feed in the sandbox."""

import asyncio
from typing import Any

import aiohttp
import pytest

from actors.transport.rest import Rest
from exchanges.contract import BookLook, Endpoints
from exchanges.registry import BUILT_IN, get
from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.sandbox
PERPETUALS = ("perps", "l4Book")


async def looks(sandbox: SandboxProcess, venue: str, feed: str) -> list[BookLook]:
    """Two of a market at rest, one after it moved."""
    exchange = get(venue).with_feed(feed)
    hosts = Endpoints(**sandbox.hosts[venue])
    base, _, quote = sandbox.pairs[0].partition("-")
    pair = f"{base}-{'USD' if feed in PERPETUALS else quote}"
    async with aiohttp.ClientSession() as session:
        rest = Rest(exchange, session, hosts)
        rules: dict[str, Any] = {}
        book = exchange.book(rules, exchange.book.streams[0])
        for rule in await rest.run(book.trading_rules()):
            rules[rule.symbol] = rule
        (symbol,) = (rule.symbol for rule in rules.values() if rule.trading_pair == pair)

        async def look() -> BookLook:
            call = book.look(symbol)
            assert call is not None
            return await rest.run(call)

        async def move(paused: bool) -> None:
            await asyncio.to_thread(sandbox.admin, "POST", "flow", {"paused": paused})

        await move(True)
        found = [await look()]
        await asyncio.sleep(1.2)
        found.append(await look())
        await move(False)
        await asyncio.sleep(1.0)
        found.append(await look())
        return found


@pytest.mark.parametrize("venue", BUILT_IN)
def test_looks_differ_when_the_market_moved(venue: str) -> None:
    with SandboxProcess(venue, seed=3, rate=100) as sandbox:
        for feed in ("", *get(venue).feeds):
            first, second, third = asyncio.run(looks(sandbox, venue, feed))
            assert first == second
            assert first != third
            assert third.number > first.number or third.number == 0
