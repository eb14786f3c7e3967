"""``python -m tests.oracle VENUE FEED SEED SECONDS [--faults KIND,...] [--long]``: one session.

``VENUE`` may be "all", and "VENUE:FEED" is one word; FEED "" or "-" is the venue's usual one. SEED
may be a range, 1-20. The exit code is 1 where something was wrong.
"""

import argparse
import asyncio
import logging
import sys

from tests.oracle.session import Report, session
from tests.oracle.world import feeds


def parsed(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("words", nargs="+", metavar="VENUE [FEED] SEED SECONDS")
    parser.add_argument("--faults", default="", help="the faults that may be drawn")
    parser.add_argument("--long", action="store_true", help="also those that take long")
    parser.add_argument("--together", type=int, default=1, help="sessions at a time")
    return parser.parse_args(argv)


def names_of(words: list[str]) -> list[str]:
    if words == ["all"]:
        return feeds()
    feed = words[1].strip("-") if len(words) > 1 else ""
    return [f"{words[0]}:{feed}" if feed else words[0]]


async def main(options: argparse.Namespace) -> list[Report]:
    *words, seeds, seconds = options.words
    first, _, last = seeds.partition("-")
    turn = asyncio.Semaphore(options.together)
    kinds = options.faults.split(",") if options.faults else None

    async def one(name: str, seed: int) -> Report:
        async with turn:
            report = await session(name, seed, float(seconds), kinds, long=options.long)
        print("\n".join(report.lines()), flush=True)
        return report

    found = [
        one(name, seed)
        for name in names_of(words)
        for seed in range(int(first), int(last or first) + 1)
    ]
    return await asyncio.gather(*found)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    reports = asyncio.run(main(parsed(sys.argv[1:])))
    sys.exit(not all(report.is_right for report in reports))
