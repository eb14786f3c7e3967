"""Shared by the benchmarks: recorded frames, a clock, a table, the description of the machine."""

import gzip
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(
    os.environ.get("TROCHIL_FRAMES", Path(__file__).parent.parent.parent / "shared" / "frames")
)
ROUNDS = 7


def recording(name: str) -> Path:
    """A recording's path; ends the benchmark with a message when it is absent."""
    path = FOLDER / name
    if not path.exists():
        sys.exit(f"skipped: no recording {path} (TROCHIL_FRAMES names their folder)")
    return path


def binance_diffs() -> list[bytes]:
    """Frames of the combined stream, as they came."""
    with gzip.open(recording("binance_spot_btcusdt_20240808.gz"), "rb") as file:
        return [line.partition(b" ")[2].strip() for line in file if b'"depthUpdate"' in line]


def binance_snapshot() -> dict:
    with gzip.open(recording("binance_spot_btcusdt_20240808.gz"), "rt") as file:
        return next(json.loads(line.partition(" ")[2]) for line in file if "lastUpdateId" in line)


def coinbase_frames() -> list[bytes]:
    """Snapshots and l2update frames of ten pairs."""
    lines = recording("COINBASE.ws.28.0").read_text().splitlines()
    payloads = [
        line.partition(": ")[2] for line in lines if not line.startswith("wss") and ": " in line
    ]
    return [
        p.encode() for p in payloads if p.startswith(('{"type":"snapshot"', '{"type":"l2update"'))
    ]


def cpu_us(work: Callable[[], int], rounds: int = ROUNDS) -> float:
    """CPU microseconds an item, median of ``rounds``; ``work`` gives how many items it did."""
    work()
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        done = work()
        taken.append((time.process_time() - begun) / done * 1e6)
    return statistics.median(taken)


def pin() -> None:
    """Stay on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def show(title: str, columns: list[str], rows: list[list[object]]) -> None:
    print(f"\n{title}\n{where()}")
    cells = [
        columns,
        *([f"{c:.2f}" if isinstance(c, float) else str(c) for c in row] for row in rows),
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def where() -> str:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"({machine}, {time.strftime('%Y-%m-%d')})"
