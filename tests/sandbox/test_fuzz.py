"""Requests of each venue's own words, right and wrong ones: no server error, no success for what
was not done, and the ledger unchanged by what was refused."""

import asyncio
import importlib

import pytest

from tests.sandbox.fuzzing.engine import Fuzz
from tests.support.served import served
from trochil.sandbox.dialects import load

VENUES = ["binance", "bittrex", "bybit", "coinbase", "htx", "hyperliquid", "kraken", "okx"]
IN_A_MOMENT = 400
SIGNED_SLOWLY = {"hyperliquid": 200}
"""Requests in a moment where signatures take long."""
REQUESTS = 2000


async def fuzzed(venue: str, requests: int, seed: int) -> Fuzz:
    if venue == "hyperliquid":
        pytest.importorskip("eth_account")
    words = importlib.import_module(f"tests.sandbox.fuzzing.{venue}")
    async with served(load(venue), *words.PAIRS) as place:
        fuzz = Fuzz(place, words.WORDS, seed)
        await fuzz.run(requests)
        return fuzz


@pytest.mark.parametrize("venue", VENUES)
def test_what_is_wrong_is_refused_and_what_succeeds_was_done(venue: str) -> None:
    requests = SIGNED_SLOWLY.get(venue, IN_A_MOMENT)
    fuzz = asyncio.run(fuzzed(venue, requests, seed=1))
    assert not fuzz.violations, "\n".join(fuzz.violations)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("venue", VENUES)
def test_many_requests(venue: str, seed: int) -> None:
    fuzz = asyncio.run(fuzzed(venue, REQUESTS, seed))
    assert not fuzz.violations, "\n".join(fuzz.violations)
    never_taken = {
        endpoint.name
        for endpoint in fuzz.words.endpoints
        if not fuzz.done[endpoint.name, "taken"] and endpoint.kind != "check"
    }
    assert not never_taken
    made = {mistake for endpoint in fuzz.words.endpoints for mistake in endpoint.mistakes}
    assert made <= set(fuzz.mistakes)
