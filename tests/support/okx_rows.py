"""What the tests of OKX read: frames of its documentation and of recordings, and rows of answers.

tests/frames/okx/public.jsonl: frames of the fact sheet (documentation; the changed levels and
trades of a recording of 2022), ids set so that they join; notice, error and connection count by
the documentation's field names.
tests/frames/okx/private.jsonl: the fields of the fact sheet (documentation), values made up.
tests/frames/okx/checksum.jsonl: levels and checksum of a recording of 2022 (a future: the venue's
books are all alike).
exchanges/vectors/okx.json: vectors, each with its source.
"""

import json
from decimal import Decimal as D
from pathlib import Path
from typing import Any

from exchanges.contract import Answer
from exchanges.orders import Fill, InFlightOrder, TradingRule
from orderbook.messages import Side

FRAMES = Path(__file__).parents[1] / "frames" / "okx"
KEYS = {
    "api_key": "key",
    "api_secret": "chNOOS4KvNXR_Xq4k4c9qsfoKWvnDecLATCRlcBwyKDYnWgO",
    "passphrase": "phrase",
}
INSTRUMENT = {
    "instId": "BTC-USDT",
    "baseCcy": "BTC",
    "quoteCcy": "USDT",
    "instType": "SPOT",
    "state": "live",
}
INSTRUMENT |= {
    "tickSz": "0.1",
    "lotSz": "0.00000001",
    "minSz": "0.00001",
    "maxLmtSz": "9999",
    "groupId": "1",
}
RULE = TradingRule(
    trading_pair="BTC-USDT",
    symbol="BTC-USDT",
    base="BTC",
    quote="USDT",
    price_tick=D("0.1"),
    size_step=D("0.00000001"),
    min_size=D("0.00001"),
    max_size=D(9999),
)
FILL_ROW = {
    "instId": "BTC-USDT",
    "ordId": "28",
    "clOrdId": "mine",
    "side": "sell",
    "tradeId": "7",
    "billId": "900",
}
FILL_ROW |= {
    "fillPx": "100",
    "fillSz": "0.5",
    "fee": "-0.05",
    "feeCcy": "USDT",
    "execType": "T",
    "ts": "1705449606022",
}
FILL = Fill(
    symbol="BTC-USDT",
    trade_id="7",
    exchange_order_id="28",
    client_order_id="mine",
    side=Side.SELL,
    price=D(100),
    amount=D("0.5"),
    fee=D("0.05"),
    fee_asset="USDT",
    is_maker=False,
    time=1705449606022_000_000,
)


def frames(name: str) -> list[bytes]:
    return (FRAMES / name).read_bytes().splitlines()


def answer(data: Any, code: str = "0", status: int = 200, msg: str = "") -> Answer:
    return Answer(status, {}, json.dumps({"code": code, "msg": msg, "data": data}).encode())


def order(**changes: Any) -> InFlightOrder:
    terms: dict[str, Any] = {
        "client_order_id": "mine",
        "trading_pair": "BTC-USDT",
        "symbol": "BTC-USDT",
    }
    return InFlightOrder(
        **{**terms, "side": Side.BUY, "amount": D(1), "exchange_order_id": "28", **changes}
    )


def replaced(fill: Fill, **changes: Any) -> Fill:
    return Fill(**{name: getattr(fill, name) for name in fill.__struct_fields__} | changes)
