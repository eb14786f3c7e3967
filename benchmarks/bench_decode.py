"""Frame bytes -> numbers: JSON libraries against our parse and scanner, on recorded frames.

CPU us per frame, one core.
"""

import json

import msgspec
import numpy as np
from common import binance_diffs, cpu_us, pin, show

from exchanges.binance import BINANCE
from orderbook.scanner import scan
from orderbook.warm import warm


def main() -> None:
    pin()
    warm()
    frames = binance_diffs()
    parse = BINANCE.book({}, "").parse
    rows = np.zeros((20_000, 3))
    to_dict = msgspec.json.Decoder().decode

    def with_json() -> int:
        for frame in frames:
            data = json.loads(frame)["data"]
            np.array(data["b"], dtype=float), np.array(data["a"], dtype=float)
        return len(frames)

    def with_msgspec() -> int:
        for frame in frames:
            data = to_dict(frame)["data"]
            np.array(data["b"], dtype=float), np.array(data["a"], dtype=float)
        return len(frames)

    def ours() -> int:
        for frame in frames:
            for diff in parse(frame):
                scan(np.frombuffer(diff.bids, np.uint8), False, rows)
                scan(np.frombuffer(diff.asks, np.uint8), False, rows)
        return len(frames)

    def ours_parse_only() -> int:
        for frame in frames:
            parse(frame)
        return len(frames)

    kinds = [
        ("json + numpy", with_json),
        ("msgspec + numpy", with_msgspec),
        ("ours: parse + scan", ours),
    ]
    timed = [(name, cpu_us(work)) for name, work in [*kinds, ("ours: parse only", ours_parse_only)]]
    first = timed[2][1]
    rows_shown = [[name, us, us / first] for name, us in timed]
    show(
        f"Decode {len(frames)} recorded diffs to float64",
        ["way", "us a frame", "of ours"],
        rows_shown,
    )


if __name__ == "__main__":
    main()
