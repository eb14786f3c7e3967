"""Candles and the last day, of trades at chosen times; what venues tell of them."""

import asyncio
from collections.abc import Callable
from decimal import Decimal as D
from itertools import pairwise
from typing import Any

import pytest

from tests.support.served import Served, served
from trochil.sandbox.candles import KEPT, Candles, Interval, flat, named_interval
from trochil.sandbox.dialects import load
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Match, Order

NOON = 1_700_049_600
"""Unix seconds of a Wednesday, 12:00 UTC."""
DAY_S = 86_400
HONG_KONG_S = -8 * 3600
NAMES = ("1s", "1m", "15m", "1h", "4h", "1d", "3d", "1w", "1M")


def trade(number: int, second: int, price: str = "100", side: str = "buy") -> Match:
    """Of 2 in base, by a taker of that side."""
    account = Account("flow")
    sides = {"buy": "sell", "sell": "buy"}
    maker, taker = (
        Order(number, "", account, "BTC-USDT", each, "limit", "GTC", D(2), D(price), second)
        for each in (sides[side], side)
    )
    return Match(number, maker, taker, D(price), D(2), second * 10**9)


def candles_of(*trades: Match) -> Candles:
    candles = Candles()
    for match in trades:
        candles.add(match)
    return candles


@pytest.mark.parametrize(
    ("interval", "begin", "end"),
    [
        (named_interval("1m"), 1_699_999_980, 1_700_000_040),
        (named_interval("3d"), 1_699_833_600, 1_700_092_800),
        (named_interval("1w"), 1_699_833_600, 1_700_438_400),
        (named_interval("1M"), 1_698_796_800, 1_701_388_800),
        (Interval(DAY_S, first=HONG_KONG_S), 1_699_977_600, 1_700_064_000),
        (Interval(months=3, first=HONG_KONG_S), 1_696_089_600, 1_704_038_400),
        (Interval(months=12), 1_672_531_200, 1_704_067_200),
    ],
)
def test_intervals_begin_where_venues_say(interval: Interval, begin: int, end: int) -> None:
    assert interval.begin(1_700_000_000) == begin
    assert interval.begin(begin) == begin
    assert interval.begin(end - 1) == begin
    assert interval.end(begin) == end


def test_a_candle_sums_up_the_trades_of_its_interval() -> None:
    candles = candles_of(
        trade(1, NOON - 1, "90"),
        trade(2, NOON, "100"),
        trade(3, NOON + 20, "80", "sell"),
        trade(4, NOON + 59, "110"),
        trade(5, NOON + 60, "120"),
    )
    candle = candles.at(NOON + 30, named_interval("1m"))
    assert candle is not None
    assert (candle.begin, candle.open, candle.high, candle.low, candle.close) == (
        *(NOON, 100, 110, 80, 110),
    )
    assert (candle.volume, candle.quote_volume, candle.count) == (6, 580, 3)
    assert (candle.taker_buy_volume, candle.taker_buy_quote_volume) == (4, 420)
    assert (candle.first_trade_id, candle.last_trade_id) == (2, 4)
    assert candle.average_price == D(580) / 6


@pytest.mark.parametrize("name", NAMES)
def test_candles_of_every_length_hold_all_trades_and_join(name: str) -> None:
    interval = named_interval(name)
    trades = [trade(n, NOON + n * 977, str(100 + n % 7)) for n in range(500)]
    candles = Candles()
    for match in trades:
        candles.add(match)
        growing = candles.at(match.time // 10**9, interval)
        assert growing is not None
        assert (growing.close, growing.last_trade_id) == (match.price, match.id)
    until = trades[-1].time // 10**9
    since = interval.begin(NOON) if name != "1s" else until - 4000
    found = [*candles.between(since, until, interval)]
    inside = [match for match in trades if match.time // 10**9 >= since]
    assert sum(candle.count for candle in found) == len(inside)
    assert sum(candle.quote_volume for candle in found) == sum(each.value for each in inside)
    for before, candle in pairwise(found):
        assert candle.begin == interval.end(before.begin)
    assert [candles.at(candle.begin, interval) for candle in found] == found
    assert candles.latest(3, until, interval) == found[-3:]


def test_an_interval_without_trades_has_the_price_before_it() -> None:
    minute = named_interval("1m")
    candles = candles_of(trade(1, NOON, "100"), trade(2, NOON + 180, "105"))
    assert candles.at(NOON - 1, minute) is None
    assert candles.at(NOON + 100, minute) == flat(NOON + 60, D(100))
    assert candles.at(NOON + 700, minute) == flat(NOON + 660, D(105))
    found = [*candles.between(0, NOON + 250, minute)]
    assert [candle.count for candle in found] == [1, 0, 0, 1, 0]


def test_the_last_day_forgets_what_is_older() -> None:
    candles = candles_of(trade(1, NOON - 600, "50"), trade(2, NOON, "100"), trade(3, NOON, "90"))
    whole = candles.day(NOON + 30)
    assert whole is not None
    assert (whole.open, whole.high, whole.low, whole.close) == (50, 100, 50, 90)
    assert (whole.volume, whole.quote_volume, whole.count) == (6, 480, 3)
    later = candles.day(NOON - 600 + DAY_S)
    assert later is not None
    assert (later.open, later.high, later.low, later.count) == (100, 100, 90, 2)
    assert candles.day(NOON + DAY_S) is None


@pytest.mark.parametrize("gap_s", [1, 40, 3000])
def test_the_last_day_is_the_sum_of_its_trades_at_every_moment(gap_s: int) -> None:
    trades = [trade(n, NOON + n * gap_s, str(100 + n * 7 % 11)) for n in range(400)]
    candles = Candles()
    for number, match in enumerate(trades, 1):
        candles.add(match)
        now_s = NOON + number * gap_s - 1
        first_s = now_s // 60 * 60 - DAY_S + 60
        inside = [each for each in trades[:number] if each.time >= first_s * 10**9]
        day = candles.day(now_s)
        if not inside:
            assert day is None
            continue
        assert day is not None
        prices = [each.price for each in inside]
        assert (day.open, day.high, day.low) == (prices[0], max(prices), min(prices))
        assert (day.count, day.quote_volume) == (len(inside), sum(each.value for each in inside))


def test_the_last_minutes_are_told_to_the_second() -> None:
    candles = candles_of(trade(1, NOON, "50"), trade(2, NOON + 10, "100"))
    assert [candles.last_minutes(NOON + second, 5) is None for second in (9, 309, 310)] == [
        *(False, False, True),
    ]
    last = candles.last_minutes(NOON + 300, 5)
    assert last is not None
    assert (last.average_price, last.count) == (100, 1)


def test_old_candles_of_short_intervals_are_forgotten_first() -> None:
    candles = Candles()
    trades = KEPT[1] + 1000
    for number in range(trades):
        candles.add(trade(number, NOON + number))
    until = NOON + trades
    seconds = [*candles.between(0, until, named_interval("1s"))]
    minutes = [*candles.between(0, until, named_interval("1m"))]
    assert sum(candle.count for candle in seconds) == KEPT[1]
    assert sum(candle.count for candle in minutes) == trades


# What venues tell.

PAIR = "BTC-USDT"
TICKERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "binance": ("/api/v3/ticker/24hr?symbol=BTCUSDT", lambda row: row["volume"]),
    "bittrex": (f"/v3/markets/{PAIR}/summary", lambda row: row["volume"]),
    "bybit": (
        "/v5/market/tickers?category=spot&symbol=BTCUSDT",
        lambda answer: answer["result"]["list"][0]["volume24h"],
    ),
    "coinbase": (f"/products/{PAIR}/ticker", lambda row: row["volume"]),
    "htx": ("/market/detail?symbol=btcusdt", lambda answer: answer["tick"]["amount"]),
    "kraken": (
        "/0/public/Ticker?pair=XBTUSDT",
        lambda answer: answer["result"]["XXBTUSDT"]["v"][1],
    ),
    "okx": (f"/api/v5/market/ticker?instId={PAIR}", lambda answer: answer["data"][0]["vol24h"]),
}
"""By venue: where a pair's last day is told, and the volume in it."""


def take(venue: Served, *amounts: str) -> None:
    """Market orders."""
    for amount in amounts:
        server = venue.server
        server.venue.place(venue.account, PAIR, "buy", "market", D(amount), None, server.now_ns())


async def asked(venue: Served, path: str) -> Any:
    async with venue.session.get(path) as response:
        assert response.status == 200
        return await response.json()


@pytest.mark.parametrize("name", TICKERS)
def test_a_venue_tells_the_volume_of_the_last_day(name: str) -> None:
    path, volume_in = TICKERS[name]

    async def work() -> None:
        async with served(load(name), PAIR) as venue:
            take(venue, "0.25", "0.5")
            assert D(str(volume_in(await asked(venue, path)))) == D("0.75")
            last = venue.server.dialect.market_stats(PAIR).last
            venue.server.faults.set({"clock_skew": DAY_S + 120})
            assert D(str(volume_in(await asked(venue, path)))) == 0
            stats = venue.server.dialect.market_stats(PAIR)
            assert (stats.last, stats.day.open, stats.day.high) == (last, last, last)
            take(venue, "0.125")
            assert D(str(volume_in(await asked(venue, path)))) == D("0.125")

    asyncio.run(work())


CANDLES: dict[str, tuple[str, Callable[[Any], list[list[Any]]]]] = {
    "bittrex": (
        f"/v3/markets/{PAIR}/candles/DAY_1/recent",
        lambda rows: [[*row.values()][1:] for row in reversed(rows)],
    ),
    "bybit": (
        "/v5/market/kline?category=spot&symbol=BTCUSDT&interval=D",
        lambda answer: [row[1:] for row in answer["result"]["list"]],
    ),
    "htx": (
        "/market/history/kline?symbol=btcusdt&period=1day",
        lambda answer: [
            [row[name] for name in ("open", "high", "low", "close", "amount", "vol")]
            for row in answer["data"]
        ],
    ),
    "okx": (
        f"/api/v5/market/candles?instId={PAIR}&bar=1D",
        lambda answer: [row[1:7] for row in answer["data"]],
    ),
}
"""By venue: where candles of days are told, and how they are found there, newest first."""


@pytest.mark.parametrize("name", CANDLES)
def test_a_venue_tells_candles(name: str) -> None:
    path, found_in = CANDLES[name]

    async def work() -> None:
        async with served(load(name), PAIR) as venue:
            assert found_in(await asked(venue, path)) == []
            take(venue, "0.25", "0.5")
            before = venue.server.dialect.recent_trades(PAIR)
            venue.server.faults.set({"clock_skew": 2 * DAY_S})
            take(venue, "0.125")
            after = venue.server.dialect.recent_trades(PAIR)[len(before) :]
            newest, empty, *older = found_in(await asked(venue, path))
            prices = [match.price for match in after]
            value = sum(match.value for match in after)
            close = before[-1].price
            assert [D(str(value)) for value in newest[:5]] == [
                *(prices[0], max(prices), min(prices), prices[-1], D("0.125")),
            ]
            assert float(newest[5]) == pytest.approx(float(value))
            assert [D(str(value)) for value in empty] == [close, close, close, close, 0, 0]
            assert sum(D(str(row[4])) for row in older) == D("0.75")

    asyncio.run(work())


def test_candles_of_okx_and_bybit_are_asked_for_by_time() -> None:
    async def work() -> None:
        async with served(load("okx"), PAIR) as venue:
            take(venue, "0.25")
            venue.server.faults.set({"clock_skew": 600})
            path = f"/api/v5/market/history-candles?instId={PAIR}&bar=1m"
            rows = (await asked(venue, path))["data"]
            assert [row[8] for row in rows] == ["0", *["1"] * (len(rows) - 1)]
            assert len(rows) >= 10
            page = f"{path}&after={rows[2][0]}&before={rows[6][0]}"
            assert (await asked(venue, page))["data"] == rows[3:6]
            page = f"{path}&after={rows[2][0]}&limit=2"
            assert (await asked(venue, page))["data"] == rows[3:5]
        async with served(load("bybit"), PAIR) as venue:
            take(venue, "0.25")
            venue.server.faults.set({"clock_skew": 600})
            path = "/v5/market/kline?category=spot&symbol=BTCUSDT&interval=1"
            rows = (await asked(venue, path))["result"]["list"]
            assert len(rows) >= 10
            page = f"{path}&start={rows[5][0]}&end={rows[3][0]}"
            assert (await asked(venue, page))["result"]["list"] == rows[3:6]
            first = f"{path}&start={rows[5][0]}&limit=2"
            assert (await asked(venue, first))["result"]["list"] == rows[4:6]

    asyncio.run(work())
