"""A tracker's process is just restarting, so nobody locks its books; another deployment starts and
sweeps.

Each connect and each `trochil status` sweeps what nobody holds. Right: the folder of a living
deployment stays; the restarted tracker's book is LIVE. Today the folder is removed with the data
source's socket in it: STALE for good, while everything says "running".
"""

import os
from pathlib import Path
from typing import Any

import pytest

from actors.node_paths import sweep
from actors.settings import to_dict
from tests.known_faults.lab import until
from tests.known_faults.lab.deployment import deployment, parts
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USDT"
TRACKER = "order_book_tracker/binance/0"


async def dies_and_comes_back(client: Any, memory: Path) -> list[str]:
    """The folders that another deployment's start removed while the tracker was down."""
    runtime = client._async._runtime
    supervisor = parts(client)["supervisor"]
    host = runtime.peers.hosts.pop(TRACKER)
    host._life.remove_done_callback(host._ended)
    host._life.cancel()
    await host._component.tasks.stop()
    for pipeline in host._component._pipelines.values():
        pipeline.book.close(unlink=False)  # as the kernel does when a process dies
    host._component._pipelines.clear()
    await host._component._publisher.close()
    removed = sweep(str(memory), f"{memory}/trochil-other")
    os.makedirs(runtime.run_dir, mode=0o700, exist_ok=True)  # as the new process does
    await supervisor._launcher.spawn(supervisor._desired()[TRACKER], to_dict(supervisor.settings))
    return removed


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="another deployment's start removes the folder of one whose tracker is just restarting",
)
def test_another_deployments_start_leaves_a_living_one_alone(memory: Path) -> None:
    # a shared memory folder of its own: no other deployment is touched
    with (
        SandboxProcess("binance", pairs=[PAIR], seed=3, rate=100) as sandbox,
        deployment(sandbox, PAIR, shared_memory=str(memory)) as client,
    ):
        view = client.book("binance", PAIR)
        removed = client._thread.run(dies_and_comes_back(client, memory))
        live = until(lambda: view.state.name == "LIVE", 15, every=0.2)
        assert not removed
        assert live
