"""Frames of every venue -> our records, by its adapter; with ``--against REV`` also by that of an
older revision. CPU us a frame, one core.

Both must give the same records: else nothing is measured, and the exit code is 1.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import pin, show
from wire_frames import ROWS, WIRES

from exchanges import registry

ROOT = Path(__file__).parent.parent
WORKER = Path(__file__).parent / "wire_worker.py"
FRAMES = 200
"""Frames of a row that one round parses."""
CHECKED = 3
"""Frames of a row whose records are compared."""
EXPECTED = {"trade": "Trade", "order_update": "OrderUpdate", "fill": "Fill"}
"""Type of a record that each frame of a row must give."""
RENAMED = {
    "Lost": "FeedInterrupted",
    "coming": "snapshot_expected",
}
"""Names of types and fields in older revisions -> names now."""


def rows(count: int) -> list[dict[str, Any]]:
    """What a worker is given: three rows a venue, ``count`` frames each."""
    missing = set(registry.BUILT_IN) - set(WIRES)
    if missing:
        sys.exit(f"wire_frames.py has no frames of {', '.join(sorted(missing))}")
    return [
        {
            "venue": venue,
            "row": row,
            "role": "book" if row == "trade" else "user",
            "symbol": WIRES[venue].symbol,
            "pair": WIRES[venue].pair,
            "stream": WIRES[venue].stream,
            "handshake": WIRES[venue].handshake,
            "frames": WIRES[venue].texts(row, count),
        }
        for venue in registry.BUILT_IN
        for row in ROWS
    ]


@contextmanager
def worktree(revision: str) -> Iterator[Path]:
    """A checkout of ``revision`` that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "old"
        git("worktree", "add", "--detach", str(path), revision)
        try:
            yield path
        finally:
            git("worktree", "remove", "--force", str(path))


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True)


def asked(checkout: Path, given: list[dict[str, Any]], *arguments: str) -> list[Any]:
    """The answer of a worker that runs with the adapters of ``checkout``."""
    done = subprocess.run(
        [sys.executable, str(WORKER), *arguments],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        input=json.dumps(given),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: list[Any] = json.loads(done.stdout)
    return answer


def renamed(records: Any) -> Any:
    """Records of an older revision under today's names."""
    if isinstance(records, list):
        return [renamed(record) for record in records]
    if isinstance(records, dict):
        return {RENAMED.get(name, name): renamed(value) for name, value in records.items()}
    return RENAMED.get(records, records) if isinstance(records, str) else records


def differences(old: Path) -> list[str]:
    """Rows that give other records, or not those expected. A field that is new since is not
    compared."""
    given = rows(CHECKED)
    found = []
    before = renamed(asked(old, given, "records"))
    now = asked(ROOT, given, "records")
    for row, was, is_now in zip(given, before, now, strict=True):
        name = f"{row['venue']} {row['row']}"
        expected = EXPECTED[row["row"]]
        if not all(expected in {record["type"] for record in frame} for frame in [*was, *is_now]):
            found.append(f"{name}: a frame gives no {expected}")
        elif not same(was, is_now):
            found.append(f"{name}:\n  old {json.dumps(was)}\n  new {json.dumps(is_now)}")
    return found


def same(was: Any, is_now: Any) -> bool:
    if isinstance(was, list) and isinstance(is_now, list):
        return len(was) == len(is_now) and all(map(same, was, is_now))
    if isinstance(was, dict) and isinstance(is_now, dict):
        return all(name in is_now and same(value, is_now[name]) for name, value in was.items())
    return bool(was == is_now)


def timed(checkouts: list[Path], rounds: int) -> list[list[float]]:
    """The best of ``rounds`` for each checkout and row; checkouts take turns."""
    given = rows(FRAMES)
    best = [[float("inf")] * len(given) for _ in checkouts]
    for _ in range(rounds):
        for place, checkout in enumerate(checkouts):
            best[place] = list(map(min, best[place], asked(checkout, given)))
    return best


def compare(revision: str, rounds: int) -> int:
    with worktree(revision) as old:
        found = differences(old)
        if found:
            print("\n".join(["other records than before:", *found]))
            return 1
        before, now = timed([old, ROOT], rounds)
    ratios = [was / is_now for was, is_now in zip(before, now, strict=True)]
    measured = zip(rows(1), before, now, ratios, strict=True)
    shown = [[row["venue"], row["row"], *numbers] for row, *numbers in measured]
    show(
        f"Frame -> records, against {revision}",
        ["venue", "frame", "old us", "new us", "ratio"],
        shown,
    )
    least = min(ratios)
    print(f"\nratio: median {statistics.median(ratios):.2f}, least {least:.2f}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--against", metavar="REV", help="a revision to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, the best counts")
    given = parser.parse_args()
    pin()
    if given.against is not None:
        return compare(given.against, given.rounds)
    (now,) = timed([ROOT], given.rounds)
    shown = [[row["venue"], row["row"], us] for row, us in zip(rows(1), now, strict=True)]
    show("Frame -> records", ["venue", "frame", "us"], shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
