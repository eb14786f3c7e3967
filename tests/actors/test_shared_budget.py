"""Many processes and one venue that counts strictly: none of their requests is refused."""

import asyncio
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any, TextIO

import aiohttp
import pytest

from actors.runtime.component_factory import budget_of
from actors.transport.rest import Rest
from exchanges import registry
from exchanges.contract import Call, Endpoints, Request
from orderbook.errors import Disconnected, RateLimited
from tests.known_faults.lab import until
from trochil.sandbox.process import SandboxProcess

PROCESSES = 6
SECONDS = 8.0
AT_ONCE = 4
QUESTIONS = {
    "htx": Request("GET", "/v1/common/timestamp", cost={"public": 1}, urgent=True),
    "coinbase": Request("GET", "/time", cost={"public": 1}, urgent=True),
}
"""Urgent, so that they may use all of the limit."""


def hammer(venue: str, base: str, folder: str, number: int) -> None:
    """Ask the venue as often as the limits allow, a few times at once, and write down what came.

    A file for each process: one that is killed takes no lock of the others along.
    """
    exchange = registry.get(venue)
    question: Call[Any] = Call(QUESTIONS[venue], lambda answer: answer.status)

    async def ask(rest: Rest, said: TextIO, ends: float) -> None:
        while time.monotonic() < ends:
            try:
                await rest.run(question)
                said.write("answered\n")
            except (RateLimited, Disconnected) as error:
                said.write(f"{error}\n")

    async def main() -> None:
        ends = time.monotonic() + SECONDS
        with open(f"{folder}/{number}.said", "w", buffering=1) as said:
            async with aiohttp.ClientSession() as session:
                budget = budget_of(exchange, base, None, folder)
                rest = Rest(exchange, session, Endpoints(base, base, base), budget=budget)
                await asyncio.gather(*(ask(rest, said, ends) for _ in range(AT_ONCE)))
                budget.close()

    asyncio.run(main())


def answers(folder: Path) -> list[str]:
    return [line for file in folder.glob("*.said") for line in file.read_text().splitlines()]


@pytest.mark.sandbox
@pytest.mark.parametrize("venue", QUESTIONS)
def test_processes_that_ask_as_often_as_they_may_are_never_refused(
    venue: str, tmp_path: Path
) -> None:
    """Two of them are killed on the way, and two more started."""
    spawn = multiprocessing.get_context("spawn")
    with SandboxProcess(venue, limits="documented", rate=0) as sandbox:
        base = sandbox.hosts[venue]["rest"]

        def start(number: int) -> Any:
            process = spawn.Process(target=hammer, args=(venue, base, str(tmp_path), number))
            process.start()
            return process

        running = [start(number) for number in range(PROCESSES)]
        assert until(lambda: len(list(tmp_path.glob("*.said"))) == PROCESSES, 60)
        for victim in (0, 1):
            os.kill(running[victim].pid, signal.SIGKILL)
            running[victim].join()
            running[victim] = start(PROCESSES + victim)
        for process in running:
            process.join(90)
        limits = sandbox.admin("GET", "status")["limits"]
    said = answers(tmp_path)
    print(f"{venue}: {len(said)} answers, most {limits['most']}")
    assert limits["refused"] == {}, limits
    assert set(said) == {"answered"}
    assert len(said) > 40, "the limit is used"
