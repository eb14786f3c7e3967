"""How a tracker asks for snapshots, and the moment in which it takes one."""

from pathlib import Path
from typing import Any

from orderbook.messages import BookState
from tests.actors.test_order_book_tracker import PAIR, SNAPSHOT, running, until_live
from tests.support.channels import run, until


def test_the_moment_inside_a_snapshot_is_a_checkpoint(tmp_path: Path) -> None:
    async def main() -> None:
        seen: list[Any] = []
        books: dict[str, Any] = {}
        reached = lambda point: seen.append((point, books[PAIR].state))  # noqa: E731
        async with running(tmp_path, checkpoint=reached) as (source, tracker):
            books |= tracker.order_books
            source.publish(SNAPSHOT)
            await until_live(tracker)
            assert seen == [("mid_snapshot", BookState.SYNCING)]

    run(main)


def test_snapshots_that_do_not_come_are_requested_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, _):
            await until(lambda: source.snapshot_requests.count(PAIR) >= 2)

    run(main)
