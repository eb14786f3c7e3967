"""A reader of trades falls behind on a busy pair: ten trades and 60,000 changes of the book were
sent.

Right: trades() loses nothing that fits into its own queue, or a Break tells how many trades
were missed.
"""

import asyncio
from pathlib import Path

from actors.channel import Publisher
from orderbook.messages import BookDiff, Side, Trade
from trochil.feeds import read_trades
from trochil.records import Break

CHANGES = 60_000
TRADES = 10


async def got_and_missed(tmp_path: Path) -> tuple[int, int]:
    publisher = Publisher(f"{tmp_path}/a.sock", limit=1 << 16)
    await publisher.start()

    class ActorCalls:
        async def call(self, *args: object) -> object:
            return publisher.endpoint()

    def trade(number: int) -> None:
        publisher.publish("A", Trade("A", str(number), Side.BUY, 1.0, 1.0, 0))

    trades = read_trades(ActorCalls(), "tracker", "A")
    first = asyncio.create_task(anext(trades))
    while publisher.subscribers < 1:
        await asyncio.sleep(0.01)
    trade(0)
    await first
    levels = b'[["1","1"],["2","2"],["3","3"]]'
    for n in range(1, CHANGES + 1):
        publisher.publish("A", BookDiff("A", levels, levels, n, n))
        if n % (CHANGES // TRADES) == 0:
            trade(n)
        if n % 100 == 0:
            await asyncio.sleep(0)
    got = missed = 0
    try:
        while True:
            item = await asyncio.wait_for(anext(trades), 2)
            if isinstance(item, Break):
                missed += item.missed
            else:
                got += 1
    except TimeoutError:
        pass
    await publisher.close()
    return got, missed


def test_trades_got_and_trades_missed_make_all_trades(tmp_path: Path) -> None:
    got, missed = asyncio.run(got_and_missed(tmp_path))
    assert got + missed == TRADES, f"got {got}, missed {missed}"
