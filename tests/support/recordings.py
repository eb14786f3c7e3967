"""Where recorded frames are, if they are here; tests that need them skip when they aren't."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

FOLDER = Path(os.environ.get("TROCHIL_FRAMES", Path(__file__).parents[3] / "shared" / "frames"))


class Recording(NamedTuple):
    """One pair of a recorded session; ``feed``: the venue's book that it was recorded of."""

    file: str
    exchange: str
    pair: str
    feed: str = ""


BINANCE = Recording("binance_spot_btcusdt_20240808.gz", "binance", "BTC-USDT")
RECORDINGS = [
    BINANCE,
    *(
        Recording("BINANCE.ws.1.0", "binance", pair)
        for pair in ("NKN-USDT", "BLZ-ETH", "LRC-BTC", "RUNE-EUR")
    ),
    *(
        Recording("COINBASE.ws.28.0", "coinbase", pair, "level2")
        for pair in (
            *("BAND-BTC", "BAND-GBP", "CRV-EUR", "DASH-BTC", "NMR-EUR"),
            *("NU-GBP", "SKL-BTC", "SKL-GBP", "SKL-USD", "YFI-BTC"),
        )
    ),
    *(
        Recording("HUOBI.ws.44.0", "htx", pair, "step0")
        for pair in (
            *("BOR-USDT", "DOGE-ETH", "FIL3S-USDT", "NEST-ETH", "OMG-BTC"),
            *("PROPY-ETH", "TRIO-ETH", "XVG-ETH", "YFI-HUSD", "ZEN-ETH"),
        )
    ),
    *(
        Recording("BITTREX.ws.1.0", "bittrex", pair)
        for pair in (
            *("BTC-EUR", "CRV-ETH", "DAWN-BTC", "FTC-BTC"),
            *("KSM-USDT", "REPV2-ETH", "SOLVE-USD", "SUKU-BTC"),
        )
    ),
]


def recording(name: str) -> Path:
    """The path of a recording; skips the test when it is absent."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no recording {path}")
    return path
