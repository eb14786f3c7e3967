"""The sandbox that serves recorded frames, as clients of any kind see it, and as who guides it
does."""

import gzip
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.support.recordings import recording
from tests.support.small_recording import CHANGES, SNAPSHOT_AFTER, SNAPSHOT_ID, write_recording
from trochil.sandbox.process import SandboxError, SandboxProcess

pytestmark = [pytest.mark.sandbox, pytest.mark.filterwarnings("default")]


def sandbox(folder: Path, **options: Any) -> SandboxProcess:
    return SandboxProcess(
        "binance", replay=write_recording(folder), pair="BTC-USDT", **{"speed": "max", **options}
    )


@contextmanager
def subscribed(serving: SandboxProcess) -> Iterator[ClientConnection]:
    address = f"{serving.hosts['binance']['public']}/stream?streams=btcusdt@depth@100ms"
    with connect(address, compression=None, proxy=None) as socket:
        yield socket


def last_ids(socket: ClientConnection, count: int) -> list[int]:
    return [json.loads(socket.recv(timeout=10))["data"]["u"] for _ in range(count)]


def fetch(serving: SandboxProcess) -> dict[str, Any]:
    address = f"{serving.hosts['binance']['rest']}/api/v3/depth?symbol=BTCUSDT&limit=5000"
    with urllib.request.urlopen(address, timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def fetching(serving: SandboxProcess, answers: list[dict[str, Any]]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(fetch(serving)))
    thread.start()
    return thread


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waits_for(serving: SandboxProcess) -> str:
    return str(serving.admin("GET", "status")["waits_for"])


def test_who_never_asks_for_the_snapshot_gets_what_came_before_it(tmp_path: Path) -> None:
    with sandbox(tmp_path) as serving:
        assert waits_for(serving) == "subscription"
        with subscribed(serving) as socket:
            assert last_ids(socket, SNAPSHOT_AFTER) == [10, 20, 30, 40]
            until(lambda: waits_for(serving) == "snapshot request")
            with pytest.raises(TimeoutError):
                socket.recv(timeout=0.2)
            assert serving.admin("GET", "status")["diffs_sent"] == SNAPSHOT_AFTER
            assert fetch(serving)["lastUpdateId"] == SNAPSHOT_ID
            assert last_ids(socket, CHANGES - SNAPSHOT_AFTER)[-1] == CHANGES * 10


def test_a_snapshot_that_is_asked_for_again_is_the_book_of_then(tmp_path: Path) -> None:
    with sandbox(tmp_path) as serving, subscribed(serving) as socket:
        first = fetch(serving)
        last_ids(socket, CHANGES)
        second = fetch(serving)
        assert (first["lastUpdateId"], second["lastUpdateId"]) == (SNAPSHOT_ID, CHANGES * 10)
        assert [[float(price), float(size)] for price, size in first["bids"]] == [[99, 1], [98, 2]]
        assert [float(size) for price, size in second["bids"] if float(price) == 105] == [40.0]


def test_who_asks_before_anybody_subscribed_is_answered(tmp_path: Path) -> None:
    with sandbox(tmp_path) as serving:
        assert fetch(serving)["lastUpdateId"] == SNAPSHOT_ID
        with subscribed(serving) as socket:
            assert last_ids(socket, CHANGES)[-1] == CHANGES * 10


def test_the_snapshot_is_answered_after_what_was_recorded_before_it(tmp_path: Path) -> None:
    with sandbox(tmp_path, speed="1") as serving, subscribed(serving):
        assert fetch(serving)["lastUpdateId"] == SNAPSHOT_ID
        assert serving.admin("GET", "status")["diffs_sent"] >= SNAPSHOT_AFTER


def go_on(serving: SandboxProcess, step: str, sent: int) -> None:
    until(lambda: waits_for(serving) == step)
    assert serving.admin("GET", "status")["diffs_sent"] == sent
    serving.admin("POST", "replay", {"waits_for": step})


def test_a_guided_replay_stops_wherever_it_is_to_be_told(tmp_path: Path) -> None:
    answers: list[dict[str, Any]] = []
    with sandbox(tmp_path, guide="admin", drop="10-11") as serving, subscribed(serving) as socket:
        asking = fetching(serving, answers)
        until(lambda: waits_for(serving) == "start")
        with pytest.raises(SandboxError, match="the replay waits for start"):
            serving.admin("POST", "replay", {"waits_for": "book"})
        go_on(serving, "start", 0)
        until(lambda: waits_for(serving) == "delivery")
        assert last_ids(socket, SNAPSHOT_AFTER) == [10, 20, 30, 40]
        assert answers == []
        go_on(serving, "delivery", SNAPSHOT_AFTER)
        asking.join()
        assert [answer["lastUpdateId"] for answer in answers] == [SNAPSHOT_ID]
        go_on(serving, "book", SNAPSHOT_AFTER)
        go_on(serving, "book", 10)
        assert last_ids(socket, 6) == [50, 60, 70, 80, 90, 120]
        assert last_ids(socket, 28)[-1] == CHANGES * 10
        until(lambda: bool(serving.admin("GET", "status")["finished"]))
        status = serving.admin("GET", "status")
        assert (status["diffs_sent"], status["withheld"], status["unheard"]) == (38, 2, 0)


def test_two_requests_that_wait_get_the_recorded_snapshot_and_the_book_of_then(
    tmp_path: Path,
) -> None:
    answers: list[dict[str, Any]] = []
    with sandbox(tmp_path, guide="admin") as serving, subscribed(serving):
        asking = [fetching(serving, answers), fetching(serving, answers)]
        go_on(serving, "start", 0)
        go_on(serving, "delivery", SNAPSHOT_AFTER)
        for thread in asking:
            thread.join()
        ids = sorted(answer["lastUpdateId"] for answer in answers)
        assert ids == [SNAPSHOT_ID, SNAPSHOT_AFTER * 10]


def test_changes_that_find_nobody_are_counted(tmp_path: Path) -> None:
    answers: list[dict[str, Any]] = []
    with sandbox(tmp_path, guide="admin", drop="10-11") as serving:
        with subscribed(serving):
            asking = fetching(serving, answers)
            go_on(serving, "start", 0)
            go_on(serving, "delivery", SNAPSHOT_AFTER)
            asking.join()
            go_on(serving, "book", SNAPSHOT_AFTER)
            until(lambda: waits_for(serving) == "book")
        until(lambda: serving.admin("GET", "status")["followed"] == [])
        go_on(serving, "book", 10)
        until(lambda: bool(serving.admin("GET", "status")["finished"]))
        assert serving.admin("GET", "status")["unheard"] == 28


def test_a_stream_opens_with_the_recorded_snapshot_and_later_with_the_book_of_then(
    tmp_path: Path,
) -> None:
    snapshot = {
        "type": "snapshot",
        "product_id": "BTC-USD",
        "bids": [["1.50", "2"]],
        "asks": [["9", "1"]],
    }
    change = {"type": "l2update", "product_id": "BTC-USD", "changes": [["buy", "2.25", "4"]]}
    file = tmp_path / "recording"
    file.write_text(f"1 {json.dumps(snapshot)}\n2 {json.dumps(change)}\n")
    serving = SandboxProcess("coinbase", replay=file, pair="BTC-USD")
    request = {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["level2_batch"]}
    with serving, connect(serving.hosts["coinbase"]["public"], proxy=None) as socket:
        for expected in ([snapshot, change], [snapshot | {"bids": [["2.25", "4"], ["1.5", "2"]]}]):
            socket.send(json.dumps(request))
            assert json.loads(socket.recv(timeout=10))["type"] == "subscriptions"
            assert [json.loads(socket.recv(timeout=10)) for _ in expected] == expected


def test_a_stream_of_whole_books_waits_for_no_request() -> None:
    serving = SandboxProcess("htx", replay=recording("HUOBI.ws.44.0"), pair="OMG-BTC")
    topic = "market.omgbtc.depth.step0"
    with serving, connect(f"{serving.hosts['htx']['public']}/ws", proxy=None) as socket:
        socket.send(json.dumps({"sub": topic, "id": "1"}))
        images: list[int] = []
        while len(images) < 31:
            frame = json.loads(gzip.decompress(socket.recv(timeout=10)))
            images += [frame["tick"]["version"]] if frame.get("ch") == topic else []
        assert images[-1] == 101027220563
        socket.send(json.dumps({"req": topic, "id": "2"}))
        while "rep" not in frame:
            frame = json.loads(gzip.decompress(socket.recv(timeout=10)))
        assert frame["data"]["version"] == images[-1]


def test_only_a_replay_is_told_to_go_on() -> None:
    with (
        SandboxProcess("binance", pairs=["BTC-USDT"]) as serving,
        pytest.raises(SandboxError, match="replays nothing"),
    ):
        serving.admin("POST", "replay", {"waits_for": "start"})
