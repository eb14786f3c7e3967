"""``python -m tests.oracle.batch SECONDS TOGETHER [--long] FEED=SEED...``: sessions in one process,
some at a time. One JSON line for each."""

import asyncio
import json
import logging
import sys

from tests.oracle.session import session


async def main(seconds: float, together: int, long: bool, jobs: list[str]) -> None:
    turn = asyncio.Semaphore(together)

    async def one(job: str) -> None:
        feed, _, seed = job.rpartition("=")
        async with turn:
            report = await session(feed, int(seed), seconds, long=long)
        told = {
            "feed": feed,
            "is_right": report.is_right,
            "live": report.looks.get("LIVE", 0),
            "findings": sum(report.counts.values()),
            "lines": report.lines(),
        }
        print(json.dumps(told), flush=True)

    await asyncio.gather(*map(one, jobs))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    words = [word for word in sys.argv[1:] if word != "--long"]
    asyncio.run(main(float(words[0]), int(words[1]), "--long" in sys.argv, words[2:]))
