"""When venues stop listening: until when, for what, and that everything here obeys at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from actors.clock import Clock
from actors.runtime.component_factory import budget_of
from actors.transport.rate_limits import URGENT_GUESS, share_of
from actors.transport.rest import Rest
from actors.transport.websocket import ExchangeSocket
from exchanges import registry
from exchanges.binance import BinanceUser
from exchanges.contract import (
    CONNECTIONS,
    Answer,
    Call,
    Endpoints,
    ErrorKind,
    Exchange,
    RateLimit,
    Request,
)
from exchanges.kraken import KRAKEN
from orderbook.errors import Disconnected, RateLimited, VenueError
from tests.support.any_order import an_order, entry_of

VENUES = list(registry.BUILT_IN)
NOW = 1659142907.531
BANNED = {
    "code": -1003,
    "msg": "Way too much request weight used; IP banned until 1659146400000. Please use WebSocket "
    "Streams for live updates to avoid bans.",
}
LEFT = 1659146400 - NOW
DATE = "Sat, 30 Jul 2022 02:00:00 GMT"
"""The same end as a date of HTTP."""


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    said = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    return Answer(status, {name.replace("_", "-"): text for name, text in headers.items()}, said)


@dataclass
class Heard:
    """A client of a venue at a standing clock, after the venue refused something."""

    venue: str
    clock: list[float] = field(default_factory=lambda: [NOW])

    def __post_init__(self) -> None:
        self.exchange = registry.get(self.venue)
        clock = Clock(lambda: self.clock[0], lambda: self.clock[0])
        self.rest = Rest(self.exchange, None, self.exchange.hosts, None, clock)
        self.entry = entry_of(self.venue)

    def refused(self, request: Request, said: Answer) -> VenueError:
        fault = self.exchange.error(said)
        assert fault is not None
        assert fault.kind is ErrorKind.RATE, fault
        return self.rest._error_of(fault, said, request.cost)

    def wait(self, request: Request) -> float:
        share = share_of(request)
        return self.rest._budget.take(request.cost, share, request.urgent).wait

    @property
    def place(self) -> Request:
        return self.entry.place(an_order()).request

    @property
    def cancel(self) -> Request:
        return self.entry.cancel(an_order()).request


# Until when.

ENDS = {
    "seconds": ("binance", answer(BANNED, 418, retry_after="3493"), 3493),
    "fractions": ("binance", answer({"code": -1003, "msg": ""}, 418, retry_after="3.5"), 3.5),
    "message": ("binance", answer(BANNED, 418), LEFT),
    "message of a 429": ("binance", answer(BANNED, 429), LEFT),
    "date": ("binance", answer({"code": -1003, "msg": ""}, 418, retry_after=DATE), LEFT),
    "date, of a page": ("okx", answer("<html>", 429, retry_after=DATE), LEFT),
    "the latest of several": ("binance", answer(BANNED, 418, retry_after="10"), LEFT),
    "throttled": ("kraken", answer({"error": ["EService: Throttled: 1659142967"]}), 59.5),
    "throttled, closer": ("kraken", answer({"error": ["EService:Throttled:1659142967"]}), 59.5),
    "address of bybit": ("bybit", answer("403, access too frequent", 403), 600),
    "seconds, of a page of coinbase": ("coinbase", answer("slow", 429, retry_after="77"), 77),
    "seconds, of a page of htx": ("htx", answer("slow", 429, retry_after="77"), 77),
    "seconds, of a page of hyperliquid": ("hyperliquid", answer("null", 429, retry_after="77"), 77),
    "seconds, of a page of bittrex": ("bittrex", answer("slow", 429, retry_after="77"), 77),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_nothing_is_sent_before_the_end_that_the_venue_named(name: str) -> None:
    venue, said, seconds = ENDS[name]
    heard = Heard(venue)
    error = heard.refused(heard.place, said)
    assert isinstance(error, RateLimited)
    assert error.retry_at == pytest.approx(NOW + seconds, abs=0.1)
    for request in (heard.place, heard.cancel, Request("GET", "/")):
        assert heard.wait(request) == pytest.approx(seconds, abs=0.1)
    heard.clock[0] += seconds + 0.2
    assert heard.wait(heard.cancel) == 0


@pytest.mark.parametrize(
    ("venue", "header", "body"),
    [
        (
            "htx",
            "x_hb_ratelimit_requests_expire",
            {"status": "error", "err-code": "rate-too-many-requests"},
        ),
        ("bybit", "x_bapi_limit_reset_timestamp", {"retCode": 10006, "retMsg": "Too many visits."}),
    ],
)
def test_an_end_in_the_venues_own_header_is_of_the_limit_alone(
    venue: str, header: str, body: Any
) -> None:
    heard = Heard(venue)
    heard.refused(heard.place, answer(body, **{header: str(int((NOW + 4) * 1000))}))
    assert heard.wait(heard.place) == pytest.approx(4.0, abs=0.1)
    assert heard.wait(heard.cancel) == 0


def test_an_end_in_an_error_of_the_websocket_api_is_told_from_the_venues_own_clock() -> None:
    user = BinanceUser(registry.get("binance").auth({"api_key": "K", "api_secret": "S"}), {})
    for unit in (1, 1000):
        data = {"serverTime": 1659142907531 * unit, "retryAfter": 1659146400000 * unit}
        error = BANNED | {"data": data}
        (fault,) = user.parse(msgspec.json.encode({"id": "user", "status": 418, "error": error}))
        assert (fault.kind, fault.ban) == (ErrorKind.RATE, True)
        assert fault.retry_after == pytest.approx(LEFT, abs=0.1)
    (fault,) = user.parse(msgspec.json.encode({"id": "user", "status": 418, "error": BANNED}))
    assert (fault.retry_after, fault.retry_at) == (0.0, 1659146400.0)


def test_a_time_is_compared_with_the_date_of_the_answer_where_our_clock_is_off() -> None:
    heard = Heard("binance")
    heard.clock[0] += 3600.0
    said = answer(BANNED, 418, date="Sat, 30 Jul 2022 01:01:48 GMT")
    heard.refused(heard.place, said)
    assert heard.wait(heard.place) == pytest.approx(3492, abs=1.5)


def test_a_local_clock_that_jumps_moves_no_end() -> None:
    wall = [NOW]
    monotonic = [50.0]
    exchange = registry.get("binance")
    clock = Clock(lambda: wall[0], lambda: monotonic[0])
    rest = Rest(exchange, None, exchange.hosts, None, clock)
    said = answer(BANNED, 418, retry_after="100")
    fault = exchange.error(said)
    assert fault is not None
    rest._error_of(fault, said)
    for jump in (-86_400.0, 2 * 86_400.0):
        wall[0] += jump
        assert rest._budget.take({}).wait == pytest.approx(LEFT, abs=0.1)
    monotonic[0] += LEFT + 0.2
    assert rest._budget.take({}).wait == 0


@pytest.mark.parametrize("text", ["soon", "", "-5", "99999999999999999999", "Foo, 99 Bar"])
def test_an_end_that_makes_no_sense_ends_nothing(text: str) -> None:
    heard = Heard("binance")
    heard.refused(heard.place, answer({"code": -1003, "msg": "banned"}, 418, retry_after=text))
    assert 1.0 <= heard.wait(heard.place) <= 8 * 86_400


# For what.

LIMITS_OF_ORDERS = {
    "binance": answer(
        {"code": -1015, "msg": "Too many new orders; current limit is 50 orders per 10 S."},
        429,
    ),
    "bittrex": answer({"code": "THROTTLED"}, 429),
    "bybit": answer({"retCode": 10006, "retMsg": "Too many visits. Exceeded the API Rate Limit."}),
    "coinbase": answer({"message": "Private rate limit exceeded"}, 429),
    "htx": answer({"status": "error", "err-code": "rate-too-many-requests", "err-msg": ""}),
    "hyperliquid": answer(
        {
            "status": "ok",
            "response": {
                "type": "order",
                "data": {
                    "statuses": [
                        {
                            "error": "Too many cumulative requests sent (11001 > 11000) for "
                            "cumulative volume traded $100. Place taker orders to free up 1 "
                            "request per USDC traded."
                        }
                    ]
                },
            },
        }
    ),
    "kraken": answer({"error": ["EOrder:Rate limit exceeded"]}),
    "okx": answer({"code": "50011", "msg": "Rate limit reached.", "data": []}, 429),
}
SHARED_WITH_CANCELS = {"bittrex": "calls", "coinbase": "private"}
"""Where the venue counts orders and cancels together."""


@pytest.mark.parametrize("venue", VENUES)
def test_a_limit_of_orders_leaves_cancels_and_other_questions_alone(venue: str) -> None:
    heard = Heard(venue)
    heard.refused(heard.place, LIMITS_OF_ORDERS[venue])
    assert heard.wait(heard.place) > 0
    most = URGENT_GUESS if venue in SHARED_WITH_CANCELS else 0.0
    assert heard.wait(heard.cancel) <= most
    if venue != "bittrex":  # all calls are counted together there
        assert heard.wait(heard.exchange.book({}, "").trading_rules().request) == 0
    if venue not in SHARED_WITH_CANCELS:
        assert heard.wait(heard.entry.balances().request) == 0
        assert heard.wait(heard.entry.status(an_order()).request) == 0


@pytest.mark.parametrize("venue", VENUES)
def test_a_limit_of_public_questions_leaves_orders_alone(venue: str) -> None:
    heard = Heard(venue)
    question = heard.exchange.book({}, "").trading_rules().request
    names = set(question.cost)
    said = {
        "kraken": answer({"error": ["EGeneral:Rate limit exceeded"]}),
        "binance": answer({"code": -1003, "msg": "Too much request weight used"}, 429),
        "hyperliquid": answer({"status": "err", "response": "Too many requests"}),
    }.get(venue, LIMITS_OF_ORDERS[venue])
    if venue == "kraken":
        said = answer({"error": ["EAPI:Rate limit exceeded"]})
    heard.refused(question, said)
    assert heard.wait(question) > 0
    for request in (heard.place, heard.cancel):
        if not names & set(request.cost):
            assert heard.wait(request) == 0
    assert heard.wait(heard.cancel) <= URGENT_GUESS


@pytest.mark.parametrize("venue", VENUES)
def test_every_request_counts_against_a_limit_or_changes_orders(venue: str) -> None:
    """Else its refusal would stop everything."""
    exchange = registry.get(venue)
    entry = entry_of(venue)
    feed = exchange.book({}, "")
    calls = [
        feed.trading_rules(),
        feed.markets(),
        feed.snapshot("AB"),
        exchange.server_time,
        entry.place(an_order()),
        entry.status(an_order()),
        entry.open_orders(),
        entry.balances(),
        entry.fees("A-B"),
    ]
    known = {limit.name for limit in exchange.limits}
    for call in calls:
        if call is not None:
            assert known & set(call.request.cost), call.request.path
    assert CONNECTIONS in known


@pytest.mark.parametrize("venue", VENUES)
def test_limits_of_an_account_are_none_of_an_address(venue: str) -> None:
    """What public questions cost is counted by address."""
    exchange = registry.get(venue)
    feed = exchange.book({}, "")
    by = {limit.name: limit.counted_by for limit in exchange.limits}
    for call in (feed.trading_rules(), feed.markets(), feed.snapshot("AB")):
        if call is not None:
            assert {by[name] for name in call.request.cost} == {"address"}


# Everything here obeys, by REST and by sockets.


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
QUIET = replace(
    KRAKEN,
    name="quiet",
    limits=(RateLimit(CONNECTIONS, 0, 1.0), RateLimit("public", 100, 1.0)),
    server_time=None,
)


async def at_venue(
    handler: Handler, work: Callable[[str], Awaitable[None]]
) -> list[tuple[float, str]]:
    """Run ``work`` with the address of a venue; when each request came, and its path."""
    arrived: list[tuple[float, str]] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        arrived.append((time.monotonic(), request.path))
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        await work(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()
    return arrived


def client(exchange: Exchange, session: aiohttp.ClientSession, base: str, memory: Path) -> Rest:
    """A client as each process has one: what it uses is counted in shared memory."""
    hosts = Endpoints(base, base.replace("http", "ws"), base)
    return Rest(exchange, session, hosts, budget=budget_of(exchange, base, None, str(memory)))


def refusing(status: int, **headers: str) -> Handler:
    """Refuses the first request, and sockets; answers other requests."""
    left = [1]

    async def handler(request: web.Request) -> web.StreamResponse:
        if left and left.pop():
            return web.Response(status=status, headers=headers, text="slow down")
        if request.headers.get("Upgrade"):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.close()
            return socket
        return web.json_response({"result": {}, "error": []})

    return handler


async def opened(rest: Rest) -> None:
    async with ExchangeSocket(rest._hosts.public, rest=rest):
        pass


async def opens(rest: Rest) -> float:
    """Seconds until a socket was opened."""
    began = time.monotonic()
    while True:
        try:
            await opened(rest)
            return time.monotonic() - began
        except (Disconnected, RateLimited):
            await asyncio.sleep(0.05)


QUESTION: Call[Any] = Call(Request("GET", "/0/public/Time", cost={"public": 1}), lambda it: it)


def test_a_refused_handshake_holds_the_handshakes_of_all_and_no_requests(tmp_path: Path) -> None:
    async def work(base: str) -> None:
        async with aiohttp.ClientSession() as session:
            here, there = (client(QUIET, session, base, tmp_path) for _ in range(2))
            with pytest.raises(RateLimited):
                await opened(here)
            await there.run(QUESTION)
            await asyncio.gather(opens(here), opens(there))
            for rest in (here, there):
                rest._budget.close()

    arrived = asyncio.run(at_venue(refusing(429, **{"Retry-After": "2"}), work))
    sockets = [at for at, path in arrived if path == "/"]
    assert len(sockets) == 3
    assert min(sockets[1:]) - sockets[0] >= 1.9
    assert [path for _, path in arrived][:2] == ["/", "/0/public/Time"]


@pytest.mark.parametrize("first", ["socket", "request"])
def test_a_ban_by_either_way_stops_both(tmp_path: Path, first: str) -> None:
    async def work(base: str) -> None:
        async with aiohttp.ClientSession() as session:
            here, there = (client(QUIET, session, base, tmp_path) for _ in range(2))
            with pytest.raises(RateLimited):
                await (here.run(QUESTION) if first == "request" else opened(here))
            with pytest.raises(RateLimited, match="the venue's ban ends in"):
                await there.run(QUESTION)
            await opens(there)
            await there.run(QUESTION)
            for rest in (here, there):
                rest._budget.close()

    arrived = asyncio.run(at_venue(refusing(418, **{"Retry-After": "2"}), work))
    assert len(arrived) == 3
    assert arrived[1][0] - arrived[0][0] >= 1.9


def test_a_ban_that_is_heard_while_a_request_waits_for_its_turn_is_obeyed(tmp_path: Path) -> None:
    """Kraken's signed requests wait for each other: what waits longest knows least."""
    exchange = replace(QUIET, in_turn=True)

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return web.json_response({"error": ["EService:Throttled:99999999999"]})

    async def work(base: str) -> None:
        async with aiohttp.ClientSession() as session:
            rest = client(exchange, session, base, tmp_path)
            rest._auth = KRAKEN.auth({"api_key": "K", "api_secret": "c2VjcmV0"})
            call: Call[Any] = Call(
                Request("POST", "/0/private/X", signed=True, is_mutating=True), lambda it: it
            )
            done = await asyncio.gather(*(rest.run(call) for _ in range(4)), return_exceptions=True)
            assert all(isinstance(error, RateLimited) for error in done)
            rest._budget.close()

    assert len(asyncio.run(at_venue(handler, work))) == 1
