"""ccxt:binance on a sandbox: the setting that points ccxt at it, and a MarketHarness over it."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import ccxt.pro

from actors.orders.journal import Journal
from actors.orders.market import Market
from actors.orders.user_stream_tracker import UserStreamTracker
from actors.runtime.component_factory import rest_of, user_stream_of
from actors.settings import VenueSettings
from actors.transport.rest import Rest
from exchanges.contract import Endpoints
from exchanges.registry import get
from orderbook.errors import NotReady
from tests.support.market_harness import ActorCalls, MarketHarness, agreement
from trochil.sandbox.process import SandboxProcess

VENUE = "ccxt:binance"
EXCHANGE = dataclasses.replace(get(VENUE), visibility=1.0)
"""With a short time after which an order must be found."""


def ccxt_setting(sandbox: SandboxProcess) -> dict[str, Any]:
    """Every address that ccxt has for Binance replaced, so that nothing leaves this machine."""
    hosts = sandbox.hosts["binance"]
    theirs = ccxt.pro.binance().urls["api"]
    api: dict[str, Any] = {
        name: f"{hosts['rest']}/api/v3" for name, url in theirs.items() if isinstance(url, str)
    }
    api["ws"] = {
        "spot": f"{hosts['public']}/ws",
        "ws-api": {"spot": f"{hosts['private']}/ws-api/v3"},
    }
    options = {"fetchMargins": False, "defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}
    return {"urls": {"api": api}, "has": {"fetchCurrencies": False}, "options": options}


def bridge_config(sandbox: SandboxProcess, state_dir: Path, name: str) -> dict[str, Any]:
    return {
        "deployment": name,
        "state_dir": str(state_dir),
        "venues": {VENUE: {"ccxt": ccxt_setting(sandbox)}},
    }


@asynccontextmanager
async def bridge_harness(
    sandbox: SandboxProcess, folder: Path, **settings: Any
) -> AsyncIterator[MarketHarness]:
    """A market with its user stream over ccxt; ``settings`` are the venue's."""
    peers = ActorCalls()
    place = {"run_dir": str(folder)}
    venue = VenueSettings(pairs=["BTC-USDT"], ccxt=ccxt_setting(sandbox), **settings)
    auth = EXCHANGE.auth(sandbox.accounts["default"])
    rests: list[Rest] = [rest_of(EXCHANGE, venue, auth) for _ in range(2)]
    source = user_stream_of(EXCHANGE, venue)(
        EXCHANGE, hosts=Endpoints("", "", ""), rest=rests[0], auth=auth, name="source", **place
    )
    tracker = UserStreamTracker(
        EXCHANGE, peers=peers, data_source="source", name="tracker", **place
    )
    market = Market(
        EXCHANGE,
        account="default",
        rest=rests[1],
        peers=peers,
        user_stream_tracker="tracker",
        name="market",
        journal=Journal(f"sqlite:///{folder}/journal.db", venue=VENUE, account="default"),
        books=lambda pair: (_ for _ in ()).throw(NotReady(pair)),
        **place,
    )
    peers.components = {"source": source, "tracker": tracker, "market": market}
    for component in (source, tracker, market):
        await component.start()
    try:
        await market.wait_ready(30)
        yield MarketHarness(market, sandbox)
    finally:
        for component in (market, tracker, source):
            await component.stop()
        for rest in rests:
            await rest.close()


def run_with_bridge(
    sandbox: SandboxProcess,
    folder: Path,
    work: Callable[[MarketHarness], Awaitable[None]],
    **settings: Any,
) -> None:
    """Run ``work`` with a market; afterwards fills and balances must agree with the venue's."""

    async def main() -> None:
        async with bridge_harness(sandbox, folder, **settings) as found:
            await work(found)
            await agreement(found)
            await balances_agree(found)

    asyncio.run(main())


async def balances_agree(found: MarketHarness, within: float = 15.0) -> None:
    async with asyncio.timeout(within):
        while True:
            ours = {
                asset: list(both) for asset, both in (await found.market.balances_now()).items()
            }
            verdict = await found.admin(
                "POST", "balances_match", {"account": "default", "balances": ours}
            )
            if verdict["match"]:
                return
            await asyncio.sleep(0.1)
