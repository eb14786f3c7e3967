"""A venue tells an order whose client id is null (OKX "clOrdId": null).

Right: the order reaches whoever listens, with an empty id; or the frame is refused where it is
read. The channel lives. Once it passed parse, was published, and broke the subscriber's connection
with a ValidationError.
"""

import asyncio
from pathlib import Path

import pytest

from actors.channel import Publisher, Reset, Subscriber
from exchanges.okx import OKX, OkxUser
from exchanges.orders import UserMessage
from tests.known_faults.lab import tried
from tests.known_faults.lab.wire import encoded

ROW = {
    "instId": "BTC-USDT",
    "state": "live",
    "ordId": "1",
    "accFillSz": "0",
    "avgPx": "",
    "side": "buy",
    "sz": "1",
    "px": "10",
    "ordType": "limit",
    "clOrdId": None,
    "uTime": "1700000000000",
    "cancelSource": "",
    "tgtCcy": "",
    "tradeId": "",
    "fillSz": "0",
}


async def heard(folder: Path, messages: list[UserMessage]) -> list[str]:
    """What a subscriber got: "Reset" each time its connection began, "message" for a batch."""
    publisher = Publisher(str(folder / "x.sock"))
    await publisher.start()
    got: list[str] = []

    async def where() -> object:
        return publisher.endpoint()

    async def listen() -> None:
        async for batch in Subscriber(where, UserMessage).batches():
            got.append("Reset" if isinstance(batch[0], Reset) else "message")

    task = asyncio.create_task(listen())
    async with asyncio.timeout(10):
        while not (publisher.subscribers and got):
            await asyncio.sleep(0.01)
    for message in messages:
        publisher.publish("user", message)
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await publisher.close()
    return got


@pytest.mark.slow
def test_an_order_without_a_client_id_ends_no_channel(memory: Path) -> None:
    feed = OkxUser(OKX.auth({"api_key": "k", "api_secret": "s", "passphrase": "p"}), {})
    frame = encoded({"arg": {"channel": "orders"}, "data": [ROW]})
    messages, refused = tried(lambda: list(feed.parse(frame)))
    if not refused:  # refused where it is read is right too
        got = asyncio.run(heard(memory, messages))
        assert got.count("Reset") == 1
        assert "message" in got
