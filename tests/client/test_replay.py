"""Recorded frames through real sockets and actors, against a slow dictionary of the test's own."""

import gzip
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orderbook.errors import ConfigError, NotReady
from tests.support.recordings import recording
from tests.support.small_recording import CHANGES, SNAPSHOT_AFTER, write_recording
from trochil.client import Client
from trochil.commands import replay
from trochil.commands.replay import Guide, replaying, run_replay
from trochil.sandbox.process import SandboxProcess

FILE = "binance_spot_btcusdt_20240808.gz"


class DictionaryBook:
    """The synchronisation procedure of the venue's documentation, with dictionaries and floats."""

    def __init__(self, path: Path) -> None:
        with gzip.open(path, "rt") as file:
            lines = [json.loads(line.partition(" ")[2]) for line in file]
        snapshot = next(line for line in lines if "lastUpdateId" in line)
        diffs = [line["data"] for line in lines if line.get("data", {}).get("e") == "depthUpdate"]
        self.bids = {float(price): float(size) for price, size in snapshot["bids"]}
        self.asks = {float(price): float(size) for price, size in snapshot["asks"]}
        self.last = snapshot["lastUpdateId"]
        self.applied = 0
        self.crossed = 0
        for diff in diffs:
            if diff["u"] > self.last:
                self._apply(diff)

    def _apply(self, diff: dict) -> None:  # type: ignore[type-arg]
        assert diff["U"] <= self.last + 1
        for side, levels in ((self.bids, diff["b"]), (self.asks, diff["a"])):
            for price, size in levels:
                side[float(price)] = float(size)
                if not float(size):
                    del side[float(price)]
        self.last = diff["u"]
        self.applied += 1
        self.crossed += max(self.bids) >= min(self.asks)

    @property
    def digest(self) -> str:
        bids = [f"b,{price!r},{self.bids[price]!r}\n" for price in sorted(self.bids, reverse=True)]
        asks = [f"a,{price!r},{self.asks[price]!r}\n" for price in sorted(self.asks)]
        return hashlib.sha256("".join(bids + asks).encode()).hexdigest()


@pytest.fixture(scope="module")
def truth() -> DictionaryBook:
    return DictionaryBook(recording(FILE))


def test_the_whole_session_makes_the_dictionarys_book(truth: DictionaryBook) -> None:
    found = run_replay(str(recording(FILE)), "binance", "BTC-USDT", "max", "", inline=True)
    assert found == {
        "applied": 3449,
        "dropped_before_snapshot": 2,
        "gaps": 0,
        "resyncs": 0,
        "crossed": 0,
        "best_bid": max(truth.bids),
        "best_ask": min(truth.asks),
        "bid_levels": len(truth.bids),
        "ask_levels": len(truth.asks),
        "digest": truth.digest,
    }
    assert (truth.applied, truth.crossed) == (3449, 0)


@pytest.mark.parametrize(
    ("drop", "withheld", "dropped"),
    [
        ("1000-1010", 11, 3),
        pytest.param("3", 1, 3, marks=pytest.mark.slow),
        ("1-3", 1, 1),
        pytest.param("3400-3449", 50, 3, marks=pytest.mark.slow),
    ],
)
def test_withheld_frames_are_a_gap_and_a_resync_and_the_book_is_right_again(
    truth: DictionaryBook, drop: str, withheld: int, dropped: int
) -> None:
    """The frame that shows the gap is in the next snapshot: it is dropped, like the two that were
    older than the first one."""
    found = run_replay(str(recording(FILE)), "binance", "BTC-USDT", "max", drop, inline=True)
    assert (found["gaps"], found["resyncs"], found["crossed"]) == (1, 1, 0)
    assert found["applied"] == truth.applied - withheld - 1
    assert found["dropped_before_snapshot"] == dropped
    assert found["digest"] == truth.digest


def test_the_other_format_replays_too() -> None:
    found = run_replay(
        str(recording("BINANCE.ws.1.0")), "binance", "NKN-USDT", "max", "", inline=True
    )
    assert (found["gaps"], found["crossed"]) == (0, 0)
    assert found["applied"] > 100


@pytest.mark.parametrize(
    ("file", "pair", "speed", "drop", "said"),
    [
        ("/nowhere.gz", "BTC-USDT", "max", "", "no recording at /nowhere.gz"),
        (__file__, "BTC-USDT", "max", "", "is no recording"),
        (__file__, "BTC-USDT", "fast", "", "--speed 'fast'"),
        (__file__, "BTC-USDT", "max", "x", "--drop 'x'"),
    ],
)
def test_what_cannot_be_replayed_says_why(
    file: str, pair: str, speed: str, drop: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        run_replay(file, "binance", pair, speed, drop, inline=True)


def small(folder: Path, **options: Any) -> SandboxProcess:
    file = write_recording(folder)
    return SandboxProcess(
        "binance", replay=file, pair="BTC-USDT", guide="admin", **{"speed": "max", **options}
    )


def small_counts(folder: Path, address: str, **options: Any) -> dict[str, Any]:
    sandbox = small(folder, **options)
    with replaying(sandbox, "binance", "BTC-USDT", address, "") as client:
        Guide(client, sandbox, "binance", "BTC-USDT").run()
        return replay.describe(client.book("binance", "BTC-USDT"))


@pytest.mark.parametrize(
    ("drop", "speed", "counts"),
    [
        (None, "max", (CHANGES - 2, 2, 0, 0)),
        (None, "40", (CHANGES - 2, 2, 0, 0)),
        ("2", "max", (CHANGES - 2, 1, 0, 0)),  # older than the snapshot: nobody misses it
        ("4", "max", (CHANGES - 4, 3, 1, 1)),  # recorded before the snapshot: the next shows it
        ("5", "max", (CHANGES - 4, 3, 1, 1)),  # the first after it
        ("10-19", "max", (CHANGES - 13, 3, 1, 1)),
        ("10-19", "40", (CHANGES - 13, 3, 1, 1)),
        ("39", "max", (CHANGES - 4, 3, 1, 1)),
    ],
)
def test_what_is_withheld_counts_the_same_at_every_pace(
    tmp_path: Path, drop: str | None, speed: str, counts: tuple[int, ...]
) -> None:
    found = small_counts(tmp_path, "inline", speed=speed, drop=drop)
    names = ("applied", "dropped_before_snapshot", "gaps", "resyncs")
    assert tuple(found[name] for name in names) == counts
    assert found["best_ask"] == 200.0


def test_a_gap_that_no_later_frame_shows_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="ends at update 390, the recording at 400; the last frames"):
        small_counts(tmp_path, "inline", drop=CHANGES)


def restart(client: Client, actor: str) -> None:
    """The component fails, and the runtime starts it again."""
    host = client._async._runtime.peers.hosts[actor]  # type: ignore[attr-defined]
    loop = client._thread.loop
    loop.call_soon_threadsafe(host._component.failed.set_exception, RuntimeError("of the test"))


def cut(client: Client, sandbox: SandboxProcess) -> None:
    sandbox.admin("POST", "disconnect", {"which": "public"})


BREAKS: dict[str, Callable[[Client, SandboxProcess], None]] = {
    "the data source": lambda client, sandbox: restart(client, "data_source/binance/0"),
    "the tracker": lambda client, sandbox: restart(client, "order_book_tracker/binance/0"),
    "its connection": cut,
}


@contextmanager
def midway(sandbox: SandboxProcess, act: Callable[[], None]) -> Iterator[None]:
    """Calls ``act`` once some changes after the snapshot were sent."""

    def wait_and_act() -> None:
        while sandbox.admin("GET", "status")["diffs_sent"] < SNAPSHOT_AFTER + 3:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.mark.parametrize("broken", BREAKS)
def test_what_restarts_midway_ends_the_replay_with_an_error(tmp_path: Path, broken: str) -> None:
    sandbox = small(tmp_path, speed="1")
    with (
        replaying(sandbox, "binance", "BTC-USDT", "inline", "") as client,
        midway(sandbox, lambda: BREAKS[broken](client, sandbox)),
        pytest.raises(NotReady, match=f"of {CHANGES} recorded changes; a replay can't be rewound"),
    ):
        Guide(client, sandbox, "binance", "BTC-USDT").run()


def test_frames_of_another_book_of_the_venue_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "SUBSCRIBED_WITHIN", 0.3)
    file = tmp_path / "recording"
    snapshot = {"type": "snapshot", "product_id": "BTC-USD", "bids": [["1", "1"]], "asks": []}
    file.write_text(f"1 {json.dumps(snapshot)}\n")
    with pytest.raises(ConfigError, match=r"\(full:BTC-USD, .*choose another book with --feed: le"):
        run_replay(str(file), "coinbase", "BTC-USD", "max", "", inline=True)


@pytest.mark.parametrize("exchange", ["bybit", "hyperliquid", "kraken", "okx"])
def test_a_venue_whose_recordings_are_not_read_is_said(tmp_path: Path, exchange: str) -> None:
    said = (
        f"^no recordings of {exchange} can be read, only those of binance, bittrex, coinbase, htx"
    )
    with pytest.raises(ConfigError, match=said):
        run_replay(str(write_recording(tmp_path)), exchange, "BTC-USDT", "max", "", inline=True)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a", b"# notes\n", "a line begins with '#'.*; read are lines of `<ns> <frame>`"),
        ("a", b"\x7fELF\xd0\x00", "is no recording .*utf-8.*; read are lines"),
        ("a.gz", b"1 {}\n", "Not a gzipped file.*; read are lines"),
        ("a.gz", gzip.compress(b"1 {}\n", mtime=0)[:-9], "ended before.*; read are lines"),
        ("NAME.ws.1.0", b"GET -> now: {}\n", "could not convert.*; read are lines"),
        ("a", b'1500000000 {"data": 3}\n', "received at 1.500 s can't be read .AttributeError"),
        ("a", b'1500000000 {"lastUpdateId": 3}\n', "received at 1.500 s can't be read .KeyError"),
        ("a", b"1 {}\n", "has no snapshot of BTC-USDT"),
    ],
)
def test_a_file_in_no_known_format_says_what_is_read(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        run_replay(str(tmp_path / name), "binance", "BTC-USDT", "max", "", inline=True)


@pytest.mark.ray
@pytest.mark.filterwarnings("default")
def test_a_small_recording_counts_on_ray_as_inline(tmp_path: Path, ray_address: str) -> None:
    on_ray = small_counts(tmp_path, ray_address, drop="10-19")
    assert on_ray == small_counts(tmp_path, "inline", drop="10-19")
    assert reserved_for_replays() == []


def reserved_for_replays() -> list[str]:
    """The placement groups that replays left on the cluster."""
    from ray.util.placement_group import placement_group_table

    return [
        group["name"]
        for group in placement_group_table().values()
        if "replay-" in group["name"] and group["state"] != "REMOVED"
    ]


@pytest.mark.ray
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("name", "exchange", "pair", "feed", "speed"),
    [
        (FILE, "binance", "BTC-USDT", "", "max"),
        pytest.param(
            *("COINBASE.ws.28.0", "coinbase", "NU-GBP", "level2", "40"), marks=pytest.mark.slow
        ),
    ],
)
def test_a_recording_counts_on_ray_as_inline(
    ray_address: str, name: str, exchange: str, pair: str, feed: str, speed: str
) -> None:
    file = str(recording(name))
    on_ray = run_replay(file, exchange, pair, speed, "", False, feed, ray_address)
    assert on_ray == run_replay(file, exchange, pair, "max", "", True, feed)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", ["data_source", "order_book_tracker"])
def test_an_actor_that_is_killed_midway_ends_the_replay_with_an_error(
    tmp_path: Path, ray_address: str, kind: str
) -> None:
    sandbox = small(tmp_path, speed="0.5")

    def kill() -> None:
        os.kill(client.pair_status("binance", "BTC-USDT")[kind]["pid"], signal.SIGKILL)

    with (
        replaying(sandbox, "binance", "BTC-USDT", ray_address, "") as client,
        midway(sandbox, kill),
        pytest.raises(NotReady, match="a replay can't be rewound: run it again"),
    ):
        Guide(client, sandbox, "binance", "BTC-USDT").run()
