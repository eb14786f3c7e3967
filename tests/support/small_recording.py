"""A recording that a test writes itself: Binance, BTC-USDT, ten changes a second."""

import json
from pathlib import Path
from typing import Any

CHANGES = 40
SNAPSHOT_ID = 25
SNAPSHOT_AFTER = 4
"""Changes recorded before the snapshot: two older than it, one that joins it, one newer."""
BEGAN_NS = 1_700_000_000_000_000_000


def change(number: int) -> dict[str, Any]:
    """The change ``number``, from 1: ids 1 to 10, 11 to 20 and so on."""
    data = {
        "e": "depthUpdate",
        "E": 1,
        "s": "BTCUSDT",
        "U": number * 10 - 9,
        "u": number * 10,
        "b": [[f"{100 + number % 7}.00", f"{number}.0"]],
        "a": [[f"{200 + number % 5}.00", f"{number}.0"]],
    }
    return {"stream": "btcusdt@depth@100ms", "data": data}


def write_recording(folder: Path) -> Path:
    """The file of the recording, in ``folder``."""
    snapshot = {
        "lastUpdateId": SNAPSHOT_ID,
        "bids": [["99.00", "1.0"], ["98.00", "2.0"]],
        "asks": [["210.00", "1.0"], ["211.00", "2.0"]],
    }
    frames = [change(number) for number in range(1, CHANGES + 1)]
    frames.insert(SNAPSHOT_AFTER, snapshot)
    path = folder / "recording"
    path.write_text(
        "".join(
            f"{BEGAN_NS + number * 100_000_000} {json.dumps(frame)}\n"
            for number, frame in enumerate(frames)
        )
    )
    return path
