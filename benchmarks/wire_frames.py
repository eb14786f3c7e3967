"""A trade, an order update and a fill of each venue, with all fields of its documentation."""

import base64
import json
import zlib
from dataclasses import dataclass
from typing import Any

NUMBER = "<number>"
"""Stands for the frame's number, where a venue numbers what it sends."""


@dataclass(frozen=True)
class Wire:
    """What one venue sends."""

    symbol: str
    pair: str
    trade: Any
    order_update: Any
    fill: Any
    stream: str = ""
    """Of the trade; the first by default."""
    handshake: tuple[Any, ...] = ()
    """What the calls before the private socket opens give."""

    def texts(self, row: str, count: int) -> list[str]:
        """``count`` frames of a row in :data:`ROWS`, as a connection gets them."""
        frame = getattr(self, row)
        return [framed(frame, number) for number in range(1, count + 1)]


@dataclass(frozen=True)
class Push:
    """A push of SignalR: base64 of raw deflate."""

    name: str
    content: Any


ROWS = ("trade", "order_update", "fill")


def framed(frame: Any, number: int) -> str:
    if isinstance(frame, Push):
        packer = zlib.compressobj(wbits=-15)
        packed = packer.compress(framed(frame.content, number).encode()) + packer.flush()
        argument = base64.b64encode(packed).decode()
        push = {"H": "C3", "M": frame.name, "A": [argument]}
        return json.dumps({"C": f"d-{number}", "M": [push]}, separators=(",", ":"))
    return json.dumps(frame, separators=(",", ":")).replace(f'"{NUMBER}"', str(number))


BINANCE_REPORT = {
    "e": "executionReport",
    "E": 1499405658658123,
    "s": "BTCUSDT",
    "c": "t12s79bv9jl8461a9",
    "S": "BUY",
    "o": "LIMIT",
    "f": "GTC",
    "q": "1.00000000",
    "p": "60018.00000000",
    "P": "0.00000000",
    "F": "0.00000000",
    "g": -1,
    "C": "",
    "x": "NEW",
    "X": "NEW",
    "r": "NONE",
    "i": 4293153,
    "l": "0.00000000",
    "z": "0.00000000",
    "L": "0.00000000",
    "n": "0",
    "N": None,
    "T": 1499405658657123,
    "t": -1,
    "I": 8641984,
    "w": True,
    "m": False,
    "M": False,
    "O": 1499405658657123,
    "Z": "0.00000000",
    "Y": "0.00000000",
    "Q": "0.00000000",
    "W": 1499405658657123,
    "V": "NONE",
}
BINANCE_TRADED = {
    "x": "TRADE",
    "X": "PARTIALLY_FILLED",
    "l": "0.50000000",
    "z": "0.50000000",
    "L": "60018.00000000",
    "n": "0.00050000",
    "N": "BTC",
    "t": 77517,
    "m": True,
    "Z": "30009.00000000",
    "Y": "30009.00000000",
}
BINANCE = Wire(
    symbol="BTCUSDT",
    pair="BTC-USDT",
    trade={
        "stream": "btcusdt@trade",
        "data": {
            "e": "trade",
            "E": 1672515782136001,
            "s": "BTCUSDT",
            "t": 12345,
            "p": "60003.01000000",
            "q": "0.44466000",
            "T": 1672515782136000,
            "m": True,
            "M": True,
        },
    },
    order_update={"subscriptionId": 0, "event": BINANCE_REPORT},
    fill={"subscriptionId": 0, "event": BINANCE_REPORT | BINANCE_TRADED},
)

OKX_ORDER = {
    "accFillSz": "0",
    "algoClOrdId": "",
    "algoId": "",
    "amendResult": "",
    "amendSource": "",
    "attachAlgoClOrdId": "",
    "attachAlgoOrds": [],
    "avgPx": "",
    "cTime": "1695190491421",
    "cancelSource": "",
    "category": "normal",
    "ccy": "",
    "clOrdId": "t2c2rhwwdvziudkox",
    "code": "0",
    "execType": "",
    "fee": "0",
    "feeCcy": "BTC",
    "fillFee": "0",
    "fillFeeCcy": "",
    "fillNotionalUsd": "",
    "fillPx": "",
    "fillSz": "0",
    "fillTime": "",
    "instId": "BTC-USDT",
    "instType": "SPOT",
    "lever": "0",
    "msg": "",
    "notionalUsd": "599.6",
    "ordId": "620258920632008725",
    "ordType": "limit",
    "pnl": "0",
    "posSide": "",
    "px": "60021",
    "rebate": "0",
    "rebateCcy": "USDT",
    "reduceOnly": "false",
    "reqId": "",
    "side": "buy",
    "slOrdPx": "",
    "slTriggerPx": "",
    "slTriggerPxType": "",
    "source": "",
    "state": "live",
    "stpMode": "cancel_maker",
    "sz": "0.00999",
    "tag": "",
    "tdMode": "cash",
    "tgtCcy": "",
    "tpOrdPx": "",
    "tpTriggerPx": "",
    "tpTriggerPxType": "",
    "tradeId": "",
    "uTime": "1695190491421",
}
OKX_TRADED = {
    "accFillSz": "0.00499",
    "avgPx": "60021",
    "execType": "M",
    "fee": "-0.00000499",
    "fillFee": "-0.00000499",
    "fillFeeCcy": "BTC",
    "fillNotionalUsd": "299.6",
    "fillPx": "60021",
    "fillSz": "0.00499",
    "fillTime": "1695190491430",
    "state": "partially_filled",
    "tradeId": "242589207",
    "uTime": "1695190491431",
}
OKX_ARGUMENT = {"channel": "orders", "instType": "SPOT", "uid": "614488474791936"}
OKX = Wire(
    symbol="BTC-USDT",
    pair="BTC-USDT",
    trade={
        "arg": {"channel": "trades", "instId": "BTC-USDT"},
        "data": [
            {
                "instId": "BTC-USDT",
                "tradeId": "130639474",
                "px": "42219.9",
                "sz": "0.12060306",
                "side": "buy",
                "ts": "1630048897897",
                "count": "3",
                "source": "0",
                "seqId": 1234,
            }
        ],
    },
    order_update={"arg": OKX_ARGUMENT, "data": [OKX_ORDER]},
    fill={"arg": OKX_ARGUMENT, "data": [OKX_ORDER | OKX_TRADED]},
)

BYBIT = Wire(
    symbol="BTCUSDT",
    pair="BTC-USDT",
    trade={
        "topic": "publicTrade.BTCUSDT",
        "type": "snapshot",
        "ts": 1672304486868,
        "data": [
            {
                "T": 1672304486865,
                "s": "BTCUSDT",
                "S": "Buy",
                "v": "0.001",
                "p": "16578.50",
                "i": "2100000000007542509",
                "BT": False,
                "RPI": False,
                "seq": 1783284617,
            }
        ],
    },
    order_update={
        "id": "5923240c6880ab-c59f-420b-9adb-3639adc9dd90",
        "topic": "order.spot",
        "creationTime": 1672364262474,
        "data": [
            {
                "symbol": "BTCUSDT",
                "orderId": "1523347543495541248",
                "side": "Buy",
                "orderType": "Limit",
                "cancelType": "UNKNOWN",
                "price": "60018",
                "qty": "0.00999",
                "orderIv": "",
                "timeInForce": "GTC",
                "orderStatus": "New",
                "orderLinkId": "tef1kavpejwk0bup",
                "lastPriceOnCreated": "",
                "reduceOnly": False,
                "leavesQty": "0.00999",
                "leavesValue": "599.57982",
                "cumExecQty": "0",
                "cumExecValue": "0",
                "avgPrice": "",
                "blockTradeId": "",
                "positionIdx": 0,
                "cumExecFee": "0",
                "closedPnl": "0",
                "createdTime": "1672364262444",
                "updatedTime": "1672364262457",
                "rejectReason": "EC_NoError",
                "stopOrderType": "",
                "tpslMode": "",
                "triggerPrice": "",
                "takeProfit": "",
                "stopLoss": "",
                "tpTriggerBy": "",
                "slTriggerBy": "",
                "tpLimitPrice": "",
                "slLimitPrice": "",
                "triggerDirection": 0,
                "triggerBy": "",
                "closeOnTrigger": False,
                "category": "spot",
                "placeType": "",
                "smpType": "None",
                "smpGroup": 0,
                "smpOrderId": "",
                "feeCurrency": "",
                "cumFeeDetail": {},
                "marketUnit": "",
            }
        ],
    },
    fill={
        "id": "386825804_BTCUSDT_140612148849382",
        "topic": "execution.spot",
        "creationTime": 1746270400355,
        "data": [
            {
                "category": "spot",
                "symbol": "BTCUSDT",
                "closedSize": "",
                "execFee": "0.00000499",
                "execId": "2100000000007764263",
                "execPrice": "60018",
                "execQty": "0.00499",
                "execType": "Trade",
                "execValue": "299.48982",
                "feeRate": "0.001",
                "feeCurrency": "BTC",
                "tradeIv": "",
                "markIv": "",
                "blockTradeId": "",
                "markPrice": "",
                "indexPrice": "",
                "underlyingPrice": "",
                "leavesQty": "0.005",
                "orderId": "1523347543495541248",
                "orderLinkId": "tef1kavpejwk0bup",
                "orderPrice": "60018",
                "orderQty": "0.00999",
                "orderType": "Limit",
                "stopOrderType": "",
                "side": "Buy",
                "execTime": "1746270400353",
                "isLeverage": "0",
                "isMaker": True,
                "seq": 140612148849382,
                "marketUnit": "",
                "execPnl": "0",
                "createType": "CreateByUser",
            }
        ],
    },
)

COINBASE_MATCH = {
    "type": "match",
    "trade_id": 5455505,
    "maker_order_id": "e5f5754d-70a3-4346-95a6-209bcb503629",
    "taker_order_id": "88bf7086-7b15-40ff-8b19-ab4e08516d69",
    "side": "sell",
    "size": "0.00021019",
    "price": "47338.46",
    "product_id": "BTC-USD",
    "sequence": NUMBER,
    "time": "2021-03-05T16:37:13.396107Z",
}
COINBASE_ACCOUNT = {
    "profile_id": "774ee0ce-fdda-405f-aa8d-47189a14ba0a",
    "user_id": "54fc141576dcf32596000133",
}
COINBASE_TAKER = {
    "taker_profile_id": "774ee0ce-fdda-405f-aa8d-47189a14ba0a",
    "taker_user_id": "54fc141576dcf32596000133",
    "taker_fee_rate": "0.005",
}
COINBASE = Wire(
    symbol="BTC-USD",
    pair="BTC-USD",
    trade=COINBASE_MATCH,
    order_update={
        "type": "done",
        "time": "2021-03-05T16:37:13.396107Z",
        "product_id": "BTC-USD",
        "sequence": NUMBER,
        "price": "47338.46",
        "order_id": "88bf7086-7b15-40ff-8b19-ab4e08516d69",
        "reason": "canceled",
        "side": "buy",
        "remaining_size": "0.00021019",
        **COINBASE_ACCOUNT,
    },
    fill=COINBASE_MATCH | COINBASE_ACCOUNT | COINBASE_TAKER,
)

HTX = Wire(
    symbol="btcusdt",
    pair="BTC-USDT",
    stream="/ws",
    handshake=("7",),
    trade={
        "ch": "market.btcusdt.trade.detail",
        "ts": 1630994963175,
        "tick": {
            "id": 137005445109,
            "ts": 1630994963173,
            "data": [
                {
                    "id": 137005445109359286410323766,
                    "ts": 1630994963173,
                    "tradeId": 102523573486,
                    "amount": 0.006754,
                    "price": 52648.62,
                    "direction": "buy",
                }
            ],
        },
    },
    order_update={
        "action": "push",
        "ch": "orders#*",
        "data": {
            "orderSize": "0.00999",
            "orderCreateTime": 1583853365586,
            "accountId": 7,
            "orderPrice": "60010.5",
            "type": "buy-limit",
            "orderId": 27163533,
            "clientOrderId": "t4yko1dg034wrn7cx",
            "orderSource": "spot-api",
            "orderStatus": "submitted",
            "symbol": "btcusdt",
            "eventType": "creation",
        },
    },
    fill={
        "action": "push",
        "ch": "trade.clearing#*#0",
        "data": {
            "eventType": "trade",
            "symbol": "btcusdt",
            "orderId": "27163533",
            "clientOrderId": "t4yko1dg034wrn7cx",
            "orderSide": "buy",
            "orderType": "buy-limit",
            "accountId": 7,
            "source": "spot-api",
            "orderPrice": "60010.5",
            "orderSize": "0.00999",
            "orderCreateTime": 1645124660365,
            "orderStatus": "partial-filled",
            "feeCurrency": "btc",
            "tradePrice": "60010.5",
            "tradeVolume": "0.00499",
            "aggressor": True,
            "tradeId": 101539740584,
            "tradeTime": 1645124660368,
            "transactFee": "0.00000998",
            "feeDeduct": "0",
            "feeDeductType": "",
        },
    },
)

KRAKEN_ORDER = {
    "order_id": "OK4GJX-KSTLS-7DZZO5",
    "cl_ord_id": "t4ekpuzpiihr60ikh",
    "order_userref": 0,
    "symbol": "BTC/USD",
    "side": "buy",
    "order_type": "limit",
    "order_qty": 0.09997,
    "limit_price": 26500.0,
    "limit_price_type": "static",
    "time_in_force": "GTC",
    "post_only": False,
    "reduce_only": False,
    "margin": False,
    "order_status": "new",
    "exec_type": "new",
    "cum_qty": 0,
    "cum_cost": 0,
    "avg_price": 0,
    "fee_usd_equiv": 0,
    "fee_ccy_pref": "fciq",
    "timestamp": "2023-09-22T10:33:05.709950Z",
}
KRAKEN_TRADED = {
    "exec_type": "trade",
    "exec_id": "TFZKZC-Q3FVB-2UIZF5",
    "trade_id": 37221217,
    "last_qty": 0.04998,
    "last_price": 26500.0,
    "cost": 1324.47,
    "liquidity_ind": "m",
    "order_status": "partially_filled",
    "cum_qty": 0.04998,
    "cum_cost": 1324.47,
    "avg_price": 26500.0,
    "fees": [{"asset": "USD", "qty": 3.44362}],
    "fee_usd_equiv": 3.44362,
}
KRAKEN = Wire(
    symbol="BTC/USD",
    pair="BTC-USD",
    handshake=("token",),
    trade={
        "channel": "trade",
        "type": "update",
        "data": [
            {
                "symbol": "BTC/USD",
                "side": "sell",
                "price": 26500.1,
                "qty": 0.37983,
                "ord_type": "market",
                "trade_id": 4665906,
                "timestamp": "2023-09-25T07:49:37.708706Z",
            }
        ],
    },
    order_update={
        "channel": "executions",
        "type": "update",
        "data": [KRAKEN_ORDER],
        "sequence": NUMBER,
    },
    fill={
        "channel": "executions",
        "type": "update",
        "data": [KRAKEN_ORDER | KRAKEN_TRADED],
        "sequence": NUMBER,
    },
)

BITTREX = Wire(
    symbol="BTC-USDT",
    pair="BTC-USDT",
    handshake=("token",),
    trade=Push(
        "trade",
        {
            "deltas": [
                {
                    "id": "8e7f60c5-b4a1-4d3c-9d59-2ab0f2f0a0b1",
                    "executedAt": "2021-06-13T22:38:11.08Z",
                    "quantity": "0.50000000",
                    "rate": "38808.83000000",
                    "takerSide": "BUY",
                }
            ],
            "sequence": NUMBER,
            "marketSymbol": "BTC-USDT",
        },
    ),
    order_update=Push(
        "order",
        {
            "accountId": "9d1ff2a5-6b11-4ba7-9c33-2ab0f2f0a0b1",
            "sequence": NUMBER,
            "delta": {
                "id": "01fa3794-10cf-4897-bc47-c96f15135f34",
                "marketSymbol": "BTC-USDT",
                "direction": "BUY",
                "type": "LIMIT",
                "quantity": "0.00999800",
                "limit": "60012.00000000",
                "timeInForce": "GOOD_TIL_CANCELLED",
                "clientOrderId": "00000001-373d-4000-8100-000100000001",
                "fillQuantity": "0.00000000",
                "commission": "0.00000000",
                "proceeds": "0.00000000",
                "status": "OPEN",
                "createdAt": "2022-08-05T15:04:16.02Z",
                "updatedAt": "2022-08-05T15:04:16.02Z",
            },
        },
    ),
    fill=Push(
        "execution",
        {
            "accountId": "9d1ff2a5-6b11-4ba7-9c33-2ab0f2f0a0b1",
            "sequence": NUMBER,
            "deltas": [
                {
                    "id": "5b5ec1ba-2a5c-4f5b-a7a1-37ec2b5a6f6d",
                    "marketSymbol": "BTC-USDT",
                    "executedAt": "2022-08-05T15:04:16.02Z",
                    "quantity": "0.00499900",
                    "rate": "60012.00000000",
                    "orderId": "01fa3794-10cf-4897-bc47-c96f15135f34",
                    "commission": "0.29999999",
                    "isTaker": False,
                }
            ],
        },
    ),
)

HYPERLIQUID = Wire(
    symbol="@107",
    pair="HYPE-USDC",
    trade={
        "channel": "trades",
        "data": [
            {
                "coin": "@107",
                "side": "B",
                "px": "30.512",
                "sz": "12.55",
                "time": 1681923833000,
                "hash": "0x2222138cc516e3fe746c0411dd733f02e60086f43205af2ae37c93f6a792430b",
                "tid": 907359904431134,
                "users": [
                    "0x7ede98ca0f2c8d83e8764bc4f4d0935bfd55ca1a",
                    "0x31ca8395cf837de08b24da3f660e77761dfb974b",
                ],
            }
        ],
    },
    order_update={
        "channel": "orderUpdates",
        "data": [
            {
                "order": {
                    "coin": "@107",
                    "side": "B",
                    "limitPx": "30.5",
                    "sz": "1.0",
                    "oid": 7456484275,
                    "timestamp": 1681923833000,
                    "origSz": "1.0",
                    "cloid": "0x000000000000e11bfa00000100000001",
                },
                "status": "open",
                "statusTimestamp": 1681923833000,
            }
        ],
    },
    fill={
        "channel": "userFills",
        "data": {
            "user": "0x7ede98ca0f2c8d83e8764bc4f4d0935bfd55ca1a",
            "fills": [
                {
                    "coin": "@107",
                    "px": "30.5",
                    "sz": "0.25",
                    "side": "B",
                    "time": 1681923834000,
                    "startPosition": "26.86",
                    "dir": "Buy",
                    "closedPnl": "0.0",
                    "hash": "0xa166e3fa63c25663024b03f2e0da011a00307e4017465df020210d3d432e7cb8",
                    "oid": 7456484275,
                    "crossed": False,
                    "fee": "0.000025",
                    "tid": 118906512037719,
                    "feeToken": "HYPE",
                    "cloid": "0x000000000000e11bfa00000100000001",
                }
            ],
        },
    },
)

WIRES: dict[str, Wire] = {
    "binance": BINANCE,
    "okx": OKX,
    "bybit": BYBIT,
    "coinbase": COINBASE,
    "htx": HTX,
    "kraken": KRAKEN,
    "bittrex": BITTREX,
    "hyperliquid": HYPERLIQUID,
}
