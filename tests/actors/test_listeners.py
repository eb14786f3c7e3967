"""Queues that follow messages by kind."""

import asyncio
from typing import Any

from actors.books.listeners import Listeners
from tests.support.channels import run


def test_a_full_queue_of_a_listener_loses_its_oldest() -> None:
    async def main() -> None:
        listeners = Listeners()
        queue = asyncio.Queue[Any](2)
        with listeners.listening((int,), queue):
            for number in range(5):
                listeners.publish(number)
            listeners.publish("another kind")
        listeners.publish(9)
        assert [queue.get_nowait(), queue.get_nowait()] == [3, 4]
        assert (queue.empty(), listeners.lost) == (True, 3)

    run(main)
