"""Whatever our own clock says, requests and logins are signed by the venue's, from the first on."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from actors.books.data_source import OrderBookTrackerDataSource
from actors.clock import Clock
from actors.orders.user_stream import UserStreamTrackerDataSource
from actors.transport.rest import Rest, run_handshake
from exchanges.contract import Endpoints, Exchange
from exchanges.registry import BUILT_IN, get
from tests.support.feed import until
from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.sandbox
MINUTE_AHEAD = 60.0
MINUTE_BEHIND = -60.0


class MovableClock:
    """A machine's clock that is off by ``skew`` seconds."""

    def __init__(self, skew: float) -> None:
        self.skew = skew
        self.clock = Clock(lambda: time.time() + self.skew, time.monotonic)


class Signing:
    """What of one account signs by time: the private stream, and REST, each on its own."""

    def __init__(self, exchange: Exchange, sandbox: SandboxProcess, own: MovableClock) -> None:
        self.exchange = exchange
        self.sandbox = sandbox
        self.own = own
        self.stream: UserStreamTrackerDataSource
        self.rest: Rest

    async def balances(self) -> None:
        """One signed request."""
        rules = await self.rest.run(self.exchange.book({}, "").trading_rules())
        entry = self.exchange.orders({rule.trading_pair: rule for rule in rules})
        await run_handshake(entry.handshake(), self.rest)
        await self.rest.run(entry.balances())

    async def cut(self) -> None:
        await asyncio.to_thread(self.sandbox.admin, "POST", "disconnect", {"which": "private"})


@asynccontextmanager
async def signing(
    sandbox: SandboxProcess, folder: Path, own: MovableClock
) -> AsyncIterator[Signing]:
    exchange = get(sandbox.exchange)
    hosts = Endpoints(**sandbox.hosts[sandbox.exchange])
    ours, theirs = (exchange.auth(sandbox.accounts["default"]) for _ in range(2))
    found = Signing(exchange, sandbox, own)
    async with aiohttp.ClientSession() as session:
        found.rest = Rest(exchange, session, hosts, ours, own.clock)
        found.stream = UserStreamTrackerDataSource(
            exchange,
            hosts=hosts,
            rest=Rest(exchange, session, hosts, theirs, own.clock),
            auth=theirs,
            run_dir=str(folder),
            name="source",
            clock=own.clock,
        )
        await found.stream.start()
        try:
            yield found
        finally:
            await found.stream.stop()


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why a private stream went down, oldest first."""
    said = [record.getMessage() for record in caplog.records]
    return [message for message in said if "user stream down" in message]


@pytest.mark.parametrize("skew", [MINUTE_AHEAD, MINUTE_BEHIND])
@pytest.mark.parametrize("venue", list(BUILT_IN))
def test_a_clock_that_is_off_from_the_start_is_refused_nowhere(
    venue: str, skew: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main(sandbox: SandboxProcess) -> None:
        async with signing(sandbox, tmp_path, MovableClock(skew)) as found:
            await until(
                lambda: found.stream.status()["connected"], 10, "the private stream is open"
            )
            await found.balances()

    with SandboxProcess(venue, rate=1, seed=2) as sandbox:
        asyncio.run(main(sandbox))
    assert refusals(caplog) == []


@pytest.mark.parametrize("venue", list(BUILT_IN))
def test_a_clock_that_jumps_is_found_before_the_next_login(
    venue: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main(sandbox: SandboxProcess) -> None:
        own = MovableClock(0.0)
        async with signing(sandbox, tmp_path, own) as found:
            await until(
                lambda: found.stream.status()["connected"], 10, "the private stream is open"
            )
            await found.balances()
            own.skew = MINUTE_BEHIND
            await found.balances()
            await found.cut()
            await until(lambda: len(refusals(caplog)) == 1, 10, "the cut is noticed")
            await until(lambda: found.stream.status()["connected"], 10, "it is open again")

    with SandboxProcess(venue, rate=1, seed=2) as sandbox:
        asyncio.run(main(sandbox))
    assert len(refusals(caplog)) == 1, "the cut alone: no login was refused"


@pytest.mark.parametrize("feed", ["", "level2"])
@pytest.mark.parametrize("skew", [MINUTE_AHEAD, MINUTE_BEHIND])
def test_a_public_feed_logs_in_by_the_venues_clock_too(
    feed: str, skew: float, tmp_path: Path
) -> None:
    own = MovableClock(skew)

    async def main(sandbox: SandboxProcess) -> None:
        exchange = get("coinbase").with_feed(feed)
        hosts = Endpoints(**sandbox.hosts["coinbase"])
        auth = exchange.auth(sandbox.accounts["default"])
        async with aiohttp.ClientSession() as session:
            source = OrderBookTrackerDataSource(
                exchange,
                hosts=hosts,
                pairs=["BTC-USD"],
                rest=Rest(exchange, session, hosts, auth, own.clock),
                auth=auth,
                clock=own.clock,
                run_dir=str(tmp_path),
                name="books",
            )
            await source.start()
            try:
                await until(lambda: frames(source) > 2, 10, "the feed flows")
                assert source.faults == []
                own.skew = -skew
                await asyncio.to_thread(sandbox.admin, "POST", "disconnect", {"which": "public"})
                await until(lambda: connects(source) == 2, 10, "it connects again")
                await until(lambda: frames(source) > 2, 10, "it flows again")
                assert source.faults == []
                assert connects(source) == 2
            finally:
                await source.stop()

    with SandboxProcess("coinbase", pairs=["BTC-USD"], rate=50, seed=2) as sandbox:
        asyncio.run(main(sandbox))


def frames(source: OrderBookTrackerDataSource) -> int:
    found: int = source.status()["received"]
    return found


def connects(source: OrderBookTrackerDataSource) -> int:
    found: int = source.status()["connections"][0]["connects"]
    return found


@pytest.mark.parametrize("venue", list(BUILT_IN))
def test_a_venue_whose_clock_jumps_refuses_one_login_at_most(
    venue: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main(sandbox: SandboxProcess) -> None:
        async with signing(sandbox, tmp_path, MovableClock(0.0)) as found:
            await until(
                lambda: found.stream.status()["connected"], 10, "the private stream is open"
            )
            await found.balances()
            faults = {"clock_skew": MINUTE_BEHIND}
            await asyncio.to_thread(sandbox.admin, "POST", "faults", faults)
            await found.balances()
            await found.cut()
            await until(lambda: len(refusals(caplog)) >= 1, 10, "the cut is noticed")
            await until(lambda: found.stream.status()["connected"], 10, "it is open again")

    with SandboxProcess(venue, rate=1, seed=2) as sandbox:
        asyncio.run(main(sandbox))
    assert len(refusals(caplog)) <= 2, "the cut, and one login"
