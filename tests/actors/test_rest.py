"""The REST client against misbehaving servers: known and unknown outcomes, and bans."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from actors.transport.rest import Rest
from exchanges.binance import BINANCE
from exchanges.contract import Answer, Call, Endpoints, Exchange, Request
from exchanges.rows import BadRow, Rows, bad_rows
from orderbook.errors import (
    AuthenticationError,
    Disconnected,
    DuplicateOrder,
    InsufficientFunds,
    InvalidOrder,
    NotFound,
    RateLimited,
    TrochilError,
    UnknownOutcome,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEYS = {"api_key": "K", "api_secret": "very-secret"}


def at_server(
    handler: Handler,
    work: Callable[[Rest, list[str]], Awaitable[None]],
    skew: float = 0.0,
    venue: Exchange = BINANCE,
) -> None:
    """Run ``work`` with a client whose venue answers by ``handler``; the list holds requests."""
    arrived: list[str] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        if request.path == "/api/v3/time":
            return web.json_response({"serverTime": int((time.time() + skew) * 1000)})
        arrived.append(f"{request.method} {request.path}")
        return await handler(request)

    async def main() -> None:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as session:
            await work(Rest(venue, session, Endpoints(base, "", ""), venue.auth(KEYS)), arrived)
        await runner.cleanup()

    asyncio.run(main())


def call(method: str = "POST", **more: Any) -> Call[Any]:
    request = Request(method, "/api/v3/order", is_mutating=method == "POST", **more)
    return Call(request, lambda answer: answer.json())


def answering(body: Any, status: int = 200, **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        if isinstance(body, str):
            return web.Response(text=body, status=status, headers=headers)
        return web.json_response(body, status=status, headers=headers)

    return handler


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def never_answer(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


@pytest.mark.parametrize(
    ("method", "handler", "error"),
    [
        ("POST", hang_up, UnknownOutcome),
        ("GET", hang_up, Disconnected),
        ("POST", never_answer, UnknownOutcome),
        ("GET", never_answer, Disconnected),
        ("POST", answering("<html>", 200), UnknownOutcome),
        ("GET", answering("<html>", 200), Disconnected),
        ("POST", answering("<html>WAF</html>", 403), UnknownOutcome),
        ("POST", answering({"code": -1007, "msg": "x"}, 503), UnknownOutcome),
        (
            "POST",
            answering({"code": -2010, "msg": "Account has insufficient balance"}, 400),
            InsufficientFunds,
        ),
        ("POST", answering({"code": -2010, "msg": "Duplicate order sent."}, 400), DuplicateOrder),
        ("POST", answering({"code": -1013, "msg": "Filter failure"}, 400), InvalidOrder),
        ("DELETE", answering({"code": -2011, "msg": "Unknown order sent."}, 400), NotFound),
        ("GET", answering({"code": -2015, "msg": "Invalid API-key"}, 401), AuthenticationError),
    ],
)
def test_what_comes_back_is_proof_or_is_not(
    method: str, handler: Handler, error: type[TrochilError]
) -> None:
    async def work(rest: Rest, arrived: list[str]) -> None:
        with pytest.raises(error) as caught:
            await rest.run(call(method, signed=True), timeout=0.3)
        assert method == "GET" or len(arrived) == 1, "a changing request is never sent twice"
        assert "very-secret" not in str(caught.value)
        assert "very-secret" not in repr(rest.__dict__)

    at_server(handler, work)


def test_a_refused_connection_proves_that_nothing_was_sent() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            rest = Rest(BINANCE, session, Endpoints("http://127.0.0.1:1", "", ""))
            with pytest.raises(Disconnected, match="nothing was sent"):
                await rest.run(call())

    asyncio.run(main())


def test_a_ban_stops_every_request_until_its_end() -> None:
    banned = iter([True])

    async def handler(request: web.Request) -> web.StreamResponse:
        if next(banned, False):
            return web.json_response(
                {"code": -1003, "msg": "banned"}, status=418, headers={"Retry-After": "1"}
            )
        return web.json_response({})

    async def work(rest: Rest, arrived: list[str]) -> None:
        with pytest.raises(RateLimited) as caught:
            await rest.run(call("GET"))
        assert 0 < caught.value.retry_at - time.time() <= 1.1
        for urgent in (False, True):
            with pytest.raises(RateLimited, match="ban ends in"):
                await rest.run(call("GET", urgent=urgent))
        assert len(arrived) == 1
        await asyncio.sleep(1.05)
        assert await rest.run(call("GET")) == {}

    at_server(handler, work)


@pytest.mark.parametrize(("ahead", "least", "most"), [(3, 2.5, 3.1), (-3, 0.9, 1.1)])
def test_a_ban_ends_when_the_venues_own_header_says_or_a_moment_later(
    ahead: int, least: float, most: float
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        headers = {"X-Reset": str(int((time.time() + ahead) * 1000))}
        return web.json_response({"code": -1003, "msg": "slow down"}, status=429, headers=headers)

    async def work(rest: Rest, arrived: list[str]) -> None:
        with pytest.raises(RateLimited) as caught:
            await rest.run(call("GET"))
        assert least < caught.value.retry_at - time.time() <= most

    at_server(handler, work, venue=replace(BINANCE, reset_header="x-reset"))


def test_what_one_list_does_not_find_is_asked_of_the_next() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/api/v3/order":
            return web.json_response({"code": -2013, "msg": "Order does not exist."}, status=400)
        return web.json_response({"from": request.path})

    async def work(rest: Rest, arrived: list[str]) -> None:
        with pytest.raises(NotFound):
            await rest.run(call("GET"))
        older = Call(Request("GET", "/api/v3/older"), lambda answer: answer.json())
        assert await rest.run(replace(call("GET"), otherwise=older)) == {"from": "/api/v3/older"}

    at_server(handler, work)


def test_a_list_in_parts_is_read_to_its_end_and_its_unreadable_rows_are_kept() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        after = int(request.query.get("after", "0"))
        return web.json_response([after + 1, "x"] if after == 1 else [after + 1])

    def part(after: int) -> Call[list[int]]:
        def following(answer: Answer) -> Call[list[int]] | None:
            return part(after + 1) if after < 2 else None

        def read(answer: Answer) -> Rows[int]:
            rows = answer.json()
            bad = [BadRow("$", "no number", b"x") for row in rows if isinstance(row, str)]
            return Rows((row for row in rows if isinstance(row, int)), bad)

        request = Request("GET", "/api/v3/orders", {"after": str(after)})
        return Call(request, read).in_parts(following)

    async def work(rest: Rest, arrived: list[str]) -> None:
        found = await rest.run(part(0))
        assert (list(found), len(arrived), rest.faults) == ([1, 2, 3], 3, 1)
        assert [bad.reason for bad in bad_rows(found)] == ["no number"]

    at_server(handler, work)


@pytest.mark.parametrize(("in_turn", "most"), [(True, 1), (False, 3)])
def test_signed_requests_wait_for_each_other_where_nonces_must_arrive_in_order(
    in_turn: bool, most: int
) -> None:
    inside: list[int] = [0, 0]

    async def handler(request: web.Request) -> web.StreamResponse:
        inside[0] += 1
        inside[1] = max(inside)
        await asyncio.sleep(0.05)
        inside[0] -= 1
        return web.json_response({})

    async def work(rest: Rest, arrived: list[str]) -> None:
        await rest.run(call("GET"))
        await asyncio.gather(*(rest.run(call("GET", signed=True)) for _ in range(3)))

    at_server(handler, work, venue=replace(BINANCE, in_turn=in_turn))
    assert inside[1] == most


def test_a_wrong_clock_is_read_again_and_the_request_signed_anew() -> None:
    stamps: list[int] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        stamps.append(int(request.query["timestamp"]))
        if len(stamps) == 1:
            return web.json_response({"code": -1021, "msg": "Timestamp"}, status=400)
        return web.json_response({"ok": True})

    async def work(rest: Rest, arrived: list[str]) -> None:
        assert await rest.run(call(signed=True)) == {"ok": True}
        assert abs(stamps[-1] / 1000 - (time.time() + 30)) < 2

    at_server(handler, work, skew=30)


def test_unsigned_requests_carry_their_query_and_body() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({"query": dict(request.query), "body": await request.json()})

    async def work(rest: Rest, arrived: list[str]) -> None:
        found = await rest.run(call(params={"a": "b c"}, body={"x": 1}))
        assert found == {"query": {"a": "b c"}, "body": {"x": 1}}

    at_server(handler, work)


def test_a_signed_request_without_a_key_says_so() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(AuthenticationError, match="needs a key"):
                await Rest(BINANCE, session, Endpoints("http://127.0.0.1:1", "", "")).run(
                    call(signed=True)
                )

    asyncio.run(main())


def test_answers_decode_with_a_type() -> None:
    assert Answer(200, {}, b'{"a":1}').json(dict[str, int]) == {"a": 1}
