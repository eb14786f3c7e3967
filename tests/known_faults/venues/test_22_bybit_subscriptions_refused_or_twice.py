"""Bybit refuses a batch with one topic that is subscribed already (ccxt/ccxt #30284,
bybit-exchange/pybit #373).

Right: refusals are read, at most ten topics a frame, nothing is subscribed twice.
"""

from typing import Any

import pytest

from exchanges.bybit import BybitBook
from tests.known_faults.lab import load, tried
from tests.known_faults.lab.wire import encoded

SYMBOLS = [f"S{n}USDT" for n in range(13)]


@pytest.mark.parametrize(
    "said", load(__file__)["answers"], ids=lambda said: said["ret_msg"] or "ack"
)
def test_an_answer_to_a_subscription_is_read(said: dict[str, Any]) -> None:
    _, error = tried(lambda: list(BybitBook({}, "").parse(encoded(said))))
    assert not error


def test_at_most_ten_topics_a_frame() -> None:
    frames = list(BybitBook({}, "").subscribe(SYMBOLS))
    assert max(len(frame["args"]) for frame in frames) <= 10


def test_subscribing_again_ends_the_old_subscriptions_first() -> None:
    feed = BybitBook({}, "")
    subscribed: set[str] = set()
    again = feed.request_snapshot(SYMBOLS[:3], feed.subscribe(SYMBOLS[:3]))
    for frame in [*feed.subscribe(SYMBOLS), *again]:
        topics = set(frame["args"])
        if frame["op"] == "subscribe":
            assert not topics & subscribed
            subscribed |= topics
        else:
            subscribed -= topics
