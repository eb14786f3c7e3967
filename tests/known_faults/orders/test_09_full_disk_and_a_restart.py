"""The disk with the journal is full, orders are open; the market's process restarts.

(A small tmpfs in a mount namespace of its own.) Right: the restarted market can still list and
cancel what is open; no new order is taken. Today it can't open its journal (ConfigError) and so
does not start: nothing here can cancel.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.known_faults.lab import given
from tests.known_faults.lab.namespace import UNSHARE, need_mounts
from tests.known_faults.lab.running_market import running_market, until
from trochil.sandbox.process import SandboxProcess

ROOT = Path(__file__).parents[3]


async def on_a_full_disk(sandbox: SandboxProcess, folder: Path, small: Path) -> dict[str, Any]:
    """What became of an order cancelled while the disk was full, and of others after a restart."""
    address = f"sqlite:///{small}/journal.db"
    found: dict[str, Any] = {}
    async with running_market(sandbox, folder / "first", journal=address) as at:
        for n in range(4):
            order = await at.state(await at.place(f"o{n}"), "open")
        with open(small / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        with contextlib.suppress(Exception):
            for n in range(400):
                await at.place(f"x{n}")
        await at.market.cancel_order(order.client_order_id)
        await asyncio.sleep(1)
        found["cancelled while full"] = await at.venue_state(order)
        found["open before the restart"] = await at.open_at_the_venue()
    try:
        async with running_market(sandbox, folder / "second", journal=address, ready=0) as at:
            await asyncio.sleep(3)
            await at.market.cancel_all_orders()

            async def all_gone() -> bool:
                return not await at.open_at_the_venue()

            await until(all_gone, 10)
            found["open after the restart"] = await at.open_at_the_venue()
    except Exception as error:
        found["error"] = f"{type(error).__name__}: {error}"
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened in a process that has a small disk of its own."""
    need_mounts()
    command = [*UNSHARE, sys.executable, "-m", __name__, str(tmp_path_factory.mktemp("disk"))]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    given(done.returncode == 0, done.stderr[-2000:])
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.slow
def test_a_cancel_works_while_the_disk_is_full(found: dict[str, Any]) -> None:
    assert found["cancelled while full"] == "cancelled"


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a market whose disk is full does not start again, so nothing can cancel what is open",
)
def test_a_market_that_restarts_on_a_full_disk_can_cancel(found: dict[str, Any]) -> None:
    given(found["open before the restart"], "orders were open")
    assert found.get("open after the restart") == 0, found.get("error")


if __name__ == "__main__":  # the child, in a mount namespace of its own
    place = Path(sys.argv[1])
    disk = place / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=5, seed=2) as venue:
        result = asyncio.run(on_a_full_disk(venue, place, disk))
    print(json.dumps(result))
