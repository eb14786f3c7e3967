"""The local clock is wrong by 60 s, the venue's is right (Binance).

Right: the private stream logs in by the venue's clock as REST does; the market is ready within 12
s. Today "Invalid timestamp" for ever: the stream signs with a clock whose offset is read for signed
REST requests only.
"""

import asyncio
import time
from pathlib import Path

import pytest

from actors.clock import Clock
from tests.known_faults.lab.running_market import running_market, until
from trochil.sandbox.process import SandboxProcess

FAULT = pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="the private stream signs with a clock whose offset only REST learns",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "skew",
    [
        pytest.param(0, id="right"),
        pytest.param(60, id="60 s ahead", marks=FAULT),
        pytest.param(-40, id="40 s behind", marks=FAULT),
    ],
)
def test_the_market_gets_ready_with_a_local_clock_that_is(tmp_path: Path, skew: float) -> None:
    clock = Clock(lambda: time.time() + skew, time.monotonic)

    async def main(sandbox: SandboxProcess) -> tuple[bool, str]:
        async with running_market(sandbox, tmp_path, clock=clock, ready=0) as at:

            async def ready() -> bool:
                return bool(at.market.status()["ready"])

            return await until(ready, 12), at.source.status()["reason"]

    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=5, seed=2) as sandbox:
        ready, reason = asyncio.run(main(sandbox))
    assert ready, reason
