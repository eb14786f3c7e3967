"""Forty pairs of one venue in four shards, all from one address.

The venue (Coinbase) allows 10 requests a second, with bursts to 15. Right: it never counts more
than 15 requests in a second. Today each shard has a budget of its own: up to 29 in a second, and
the venue refuses some.
"""

import collections
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.known_faults.lab import until
from tests.known_faults.lab.deployment import SandboxHere, deployment

PAIRS = [f"A{n}-USD" for n in range(40)]
MOST = 15


class Limit:
    """The venue's count of requests in any second; what is above it is refused."""

    def __init__(self) -> None:
        self.times: collections.deque[float] = collections.deque()
        self.worst = self.refused = 0

    def middleware(self) -> Any:
        @web.middleware
        async def limit(request: web.Request, handler: Any) -> web.StreamResponse:
            if "_sandbox" in request.path or request.headers.get("Upgrade"):
                return await handler(request)
            now = time.monotonic()
            self.times.append(now)
            while self.times[0] < now - 1:
                self.times.popleft()
            self.worst = max(self.worst, len(self.times))
            if len(self.times) > MOST:
                self.refused += 1
                return web.json_response({"message": "Public rate limit exceeded"}, status=429)
            return await handler(request)

        return limit


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="each shard has a budget of its own, though the venue counts by address",
)
def test_a_venues_limit_holds_over_all_shards(tmp_path: Path) -> None:
    limit = Limit()
    options = ("--seed", "1", "--rate", "0.3", "--pairs", *PAIRS)
    with (
        SandboxHere("coinbase", tmp_path, *options, wrap=limit.middleware()) as sandbox,
        deployment(
            sandbox, *PAIRS, keys=True, venue={"pairs_per_shard": 10, "capacity": 256}
        ) as client,
    ):

        def all_live() -> bool:
            return sum(view.state.name == "LIVE" for view in client.books()) == len(PAIRS)

        until(all_live, 40, every=0.5)
    assert limit.worst <= MOST, f"{limit.worst} in a second, {limit.refused} refused"
