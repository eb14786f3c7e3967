"""A hub's frames: recorded ones, and what is answered to invocations that no client should send."""

import json
from typing import Any

import pytest

from tests.sandbox.test_dialect import PAIR, Client, use
from trochil.sandbox.dialects import bittrex
from trochil.sandbox.signalr import deflate, inflate

CONNECT = "/signalr/connect?connectionToken=c2FuZGJveA%2F%2Bsandbox%3D%3D"
TOPIC = f"orderbook_{PAIR}_25"


def test_contents_are_packed_and_unpacked() -> None:
    content = {"marketSymbol": "A-B", "sequence": 3, "deltas": []}
    assert inflate(deflate(content)) == content


def test_recorded_messages_of_a_hub_are_frames_of_their_own() -> None:
    recordings = bittrex.Recordings()
    contents = [
        {
            "marketSymbol": symbol,
            "bidDeltas": [{"quantity": "0", "rate": "2"}],
            "askDeltas": [],
            "sequence": 3,
        }
        for symbol in ("A-B", "C-D")
    ]
    packed = [deflate(content) for content in contents]
    text = json.dumps({"C": "x", "M": [{"H": "C3", "M": "orderBook", "A": packed}]})
    first, second = recordings.records(1.0, text, "")
    assert (first.kind, first.symbol, second.topic) == ("diff", "A-B", "orderbook_C-D_500")
    assert (recordings.last_id(first), recordings.levels(first)) == (3, ([["2", "0"]], []))
    (message,) = json.loads(str(first.text))["M"]
    assert message["A"] == packed[:1]


def test_a_recorded_snapshot_has_its_number_in_a_header_and_its_market_in_the_address() -> None:
    recordings = bittrex.Recordings()
    answer = '{"bid": [{"quantity": "2", "rate": "1"}], "ask": []} header: {"Sequence": "5"}'
    url = "https://x/v3/markets/A-B/orderbook?depth=500"
    (snapshot,) = recordings.records(0.0, answer, url)
    assert (snapshot.kind, snapshot.symbol, recordings.last_id(snapshot)) == ("snapshot", "A-B", 5)
    assert recordings.levels(snapshot) == ([["1", "2"]], [])


def test_what_is_neither_a_book_nor_a_trade_is_no_record() -> None:
    recordings = bittrex.Recordings()
    heartbeat = json.dumps({"C": "x", "M": [{"H": "C3", "M": "heartbeat", "A": [deflate({})]}]})
    assert [*recordings.records(1.0, heartbeat, ""), *recordings.records(2.0, "no json", "")] == []


@pytest.mark.parametrize(
    ("message", "number", "method"),
    [
        ("hello", "", ""),
        ([], "", ""),
        ({"H": "c3", "M": "Subscribe", "A": [[TOPIC]]}, "", "Subscribe"),
        ({"M": "Subscribe", "A": [[TOPIC]], "I": 4}, "4", "Subscribe"),
        ({"H": "c2", "M": "Subscribe", "A": [[TOPIC]], "I": 4}, "4", "Subscribe"),
        ({"H": "c3", "M": "Subscribe", "A": [TOPIC], "I": 4}, "4", "Subscribe"),
        ({"H": "c3", "M": "Subscribe", "A": [[7]], "I": 4}, "4", "Subscribe"),
        ({"H": "c3", "M": "Subscribe", "A": [], "I": 4}, "4", "Subscribe"),
        ({"H": "c3", "M": "Authenticate", "A": ["", 1, "", {}], "I": 4}, "4", "Authenticate"),
        ({"H": "c3", "M": "Connect", "A": [], "I": 4}, "4", "Connect"),
    ],
)
def test_a_wrong_invocation_fails_and_the_connection_lives(
    message: Any, number: str, method: str
) -> None:
    async def work(client: Client) -> None:
        async with client.socket(CONNECT) as socket:
            assert await socket.receive_json(timeout=5) == {"C": "d-1", "S": 1, "M": []}
            assert await socket.receive_json(timeout=5) == {}
            await socket.send_json(message)
            assert await socket.receive_json(timeout=5) == {
                "I": number,
                "E": f'There was an error invoking Hub method "c3.{method}".',
            }
            await socket.send_json({"H": "c3", "M": "subscribe", "A": [[TOPIC]], "I": 5})
            done = {"Success": True, "ErrorCode": None}
            assert await socket.receive_json(timeout=5) == {"I": "5", "R": [done]}
        assert client.server.own_errors == []

    use(bittrex.Dialect, work)
