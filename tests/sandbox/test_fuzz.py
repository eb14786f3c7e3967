"""Requests of each venue's own words, right and wrong ones: no server error, no success for what
was not done, and the ledger unchanged by what was refused."""

import asyncio
import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.fuzzing.engine import Fuzz
from tests.sandbox.fuzzing.socket import Socket
from tests.support.served import served
from trochil.sandbox.dialect import BaseDialect
from trochil.sandbox.dialects import hyperliquid, load

VENUES = ["binance", "bittrex", "bybit", "coinbase", "htx", "hyperliquid", "kraken", "okx"]
IN_A_MOMENT = 400
SIGNED_SLOWLY = {"hyperliquid": 200}
"""Requests in a moment where signatures take long."""
REQUESTS = 2000
SENT_UNASKED = {"kraken": ("status", "heartbeat")}
"""Streams that nobody subscribes to."""


async def fuzzed(venue: str, requests: int, seed: int) -> Fuzz:
    if venue == "hyperliquid":
        pytest.importorskip("eth_account")
    words = importlib.import_module(f"tests.sandbox.fuzzing.{venue}")
    async with served(load(venue), *words.PAIRS) as place:
        fuzz = Fuzz(place, words.WORDS, seed)
        await fuzz.run(requests)
        if requests >= REQUESTS:
            await fuzz.take_rest()
        return fuzz


@pytest.mark.parametrize("venue", VENUES)
def test_what_is_wrong_is_refused_and_what_succeeds_was_done(venue: str) -> None:
    requests = SIGNED_SLOWLY.get(venue, IN_A_MOMENT)
    fuzz = asyncio.run(fuzzed(venue, requests, seed=1))
    assert not fuzz.violations, "\n".join(fuzz.violations)


def form_of(path: str) -> str:
    """Without the names of what it names in braces."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def routes_of(dialect: BaseDialect) -> set[tuple[str, str]]:
    """HTTP methods and paths, of sockets too."""
    sockets = {("GET", form_of(path)) for path in dialect.sockets()}
    return sockets | {(route.method, form_of(route.path)) for route in dialect.routes()}


@pytest.mark.parametrize("venue", VENUES)
def test_every_route_has_words(venue: str) -> None:
    async def work() -> None:
        words = importlib.import_module(f"tests.sandbox.fuzzing.{venue}")
        async with served(load(venue), *words.PAIRS) as place:
            named = {endpoint.route for endpoint in words.WORDS.endpoints}
            named = {(method, form_of(path)) for method, path in named}
            assert not routes_of(place.server.dialect) - named

    asyncio.run(work())


def test_every_question_action_and_subscription_of_hyperliquid_has_words() -> None:
    pytest.importorskip("eth_account")
    words = importlib.import_module("tests.sandbox.fuzzing.hyperliquid")

    async def work() -> None:
        async with served(load("hyperliquid"), *words.PAIRS) as place:
            named = {endpoint.name for endpoint in words.WORDS.endpoints}
            assert {f"info {kind}" for kind in place.server.dialect.questions()} <= named
            assert {f"action {kind}" for kind in hyperliquid.ACTIONS} <= named
            for method in ("subscribe", "unsubscribe"):
                assert {f"{method} {kind}" for kind in hyperliquid.SUBSCRIPTIONS} <= named

    asyncio.run(work())


def sockets_of(venue: str) -> list[Socket]:
    """The words for sockets."""
    words = importlib.import_module(f"tests.sandbox.fuzzing.{venue}").WORDS
    return [endpoint for endpoint in words.endpoints if isinstance(endpoint, Socket)]


@pytest.mark.parametrize("venue", VENUES)
def test_every_method_of_a_socket_has_words(venue: str) -> None:
    named = {endpoint.method for endpoint in sockets_of(venue)}
    assert not set(load(venue).offered_methods) - named


def texts_in(value: Any) -> Iterator[str]:
    """All texts of a value, without names."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts_in(each)
    elif isinstance(value, dict):
        yield from texts_in([*value.values()])


def followed_by_words(venue: str) -> set[str]:
    """What the words for sockets name as right values, or in their own names."""
    words = importlib.import_module(f"tests.sandbox.fuzzing.{venue}").WORDS
    named: set[str] = set()
    for endpoint in sockets_of(venue):
        named.add(endpoint.name.removeprefix("subscribe "))
        for name in endpoint.params:
            values = words.right.get(f"{endpoint.name} {name}") or words.right[name]
            named |= {*texts_in([*values])}
    return named


@pytest.mark.parametrize("venue", VENUES)
def test_every_stream_of_a_socket_has_words(venue: str) -> None:
    named = followed_by_words(venue)
    for stream in load(venue).offered_streams:
        name, _, _ = stream.partition(" (")
        form = re.sub(r"<\w+>|\\{\w+\\}|\\\$\w+", "[^@#.]+", re.escape(name))
        form = re.sub(r"0(\\\|[0-9])+", "[0-9]", form)
        is_named = any(re.fullmatch(form, each) for each in named)
        assert is_named or stream in SENT_UNASKED.get(venue, ()), stream


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("venue", VENUES)
def test_many_requests(venue: str, seed: int) -> None:
    fuzz = asyncio.run(fuzzed(venue, REQUESTS, seed))
    assert not fuzz.violations, "\n".join(fuzz.violations)
    assert not [endpoint.name for endpoint in fuzz.never_taken()]
    made = {mistake for endpoint in fuzz.words.endpoints for mistake in endpoint.mistakes}
    assert made <= set(fuzz.mistakes)
