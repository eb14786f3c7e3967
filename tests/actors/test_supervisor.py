"""The supervisor: pure decisions, and the loop that closes the difference."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from actors.runtime.supervisor import (
    GIVE_UP_AFTER,
    STARTS_WITHIN,
    Seen,
    Supervisor,
    assign,
    decide,
    read_desired,
    specs_of,
)
from actors.settings import ActorSpec, Settings, VenueSettings, to_dict
from orderbook.errors import BadPair, ConfigError

VENUE = "binance"


def spec(kind: Any = "data_source", pairs: list[str] | None = None) -> ActorSpec:
    return ActorSpec(kind=kind, venue=VENUE, key="0", pairs=pairs or ["A-B"])


@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=3), max_size=3),
    st.lists(st.sampled_from("abcdefgh")),
    st.integers(1, 3),
)
def test_assignment_places_every_pair_once_and_moves_none(
    shards: list[list[str]], wanted: list[str], size: int
) -> None:
    seen: set[str] = set()
    shards = [[p for p in shard if not (p in seen or seen.add(p))][:size] for shard in shards]
    new = assign(shards, wanted, size)
    assert sorted(pair for shard in new for pair in shard) == sorted(set(wanted))
    assert all(len(shard) <= size for shard in new)
    for before, after in zip(shards, new, strict=False):
        assert [p for p in before if p in wanted] == [p for p in after if p in before]


def test_a_venue_needs_five_kinds_of_actors() -> None:
    settings = Settings(venues={VENUE: VenueSettings(pairs=["A-B"], accounts={"main": "env:X"})})
    found = specs_of(settings, {VENUE: [["A-B"]]})
    assert set(found) == {
        "data_source/binance/0",
        "order_book_tracker/binance/0",
        "user_stream_data_source/binance/main",
        "user_stream_tracker/binance/main",
        "market/binance/main",
    }
    assert found["market/binance/main"].key_reference == "env:X"
    assert found["data_source/binance/0"].group == found["order_book_tracker/binance/0"].group


def test_what_is_missing_is_spawned_and_what_is_unwanted_stopped() -> None:
    wanted = spec()
    actions = decide({wanted.name: wanted}, {"market/binance/old": Seen()}, now=0.0)
    assert [(a.verb, a.name) for a in actions] == [
        ("stop", "market/binance/old"),
        ("spawn", wanted.name),
    ]


def test_an_actor_silent_for_too_long_is_started_anew() -> None:
    wanted = spec()
    view = Seen(pid=1)
    view.note(None, now=10.0)
    view.note(None, now=20.0)
    assert decide({wanted.name: wanted}, {wanted.name: view}, now=10.0 + GIVE_UP_AFTER) == []
    assert (
        decide({wanted.name: wanted}, {wanted.name: view}, now=10.1 + GIVE_UP_AFTER)[0].verb
        == "respawn"
    )


def test_few_actors_start_at_the_same_time_and_are_given_time_to() -> None:
    wanted = {f"market/binance/{n}": spec() for n in range(5)}
    seen: dict[str, Seen] = {}
    spawned = [action.name for action in decide(wanted, seen, now=0.0, at_once=2)]
    assert spawned == list(wanted)[:2]
    for name in spawned:
        seen[name] = Seen()
        seen[name].note(None, now=0.0)
    assert decide(wanted, seen, now=STARTS_WITHIN, at_once=2) == []
    seen[spawned[0]].note({"pid": 1}, now=1.0)
    assert [action.name for action in decide(wanted, seen, now=2.0, at_once=2)] == [list(wanted)[2]]


def test_a_data_source_with_other_pairs_is_told() -> None:
    wanted = spec(pairs=["A-B", "C-D"])
    view = Seen()
    view.note({"pid": 1, "status": {"wanted_pairs": ["A-B"]}}, now=0.0)
    assert decide({wanted.name: wanted}, {wanted.name: view}, now=1.0)[0].verb == "set_pairs"


def test_a_new_process_counts_as_a_restart() -> None:
    view = Seen()
    for pid in (1, 1, 2, 2, 3):
        view.note({"pid": pid}, now=0.0)
    assert view.restarts == 2


class Room:
    """A launcher and actor calls over plain dicts: what is spawned is what answers."""

    at_once = 1000

    def __init__(self) -> None:
        self.running: dict[str, list[str]] = {}
        self.calls: list[tuple[str, str]] = []
        self.released: list[str] = []

    async def spawn(self, spec: ActorSpec, settings: dict[str, Any]) -> None:
        self.running[spec.name] = spec.pairs

    async def stop(self, name: str) -> None:
        self.running.pop(name, None)

    async def release(self, specs: list[ActorSpec]) -> None:
        assert not self.running
        self.released += sorted({spec.group for spec in specs})

    async def probe(self, name: str) -> dict[str, Any] | None:
        if name not in self.running:
            return None
        return {"pid": 1, "state": "running", "status": {"wanted_pairs": self.running[name]}}

    async def call(self, actor: str, method: str, *args: Any, **kw: Any) -> Any:
        self.calls.append((actor, method))
        if method == "set_pairs":
            self.running[actor] = args[0]


def settings_in(folder: Path) -> Settings:
    return Settings(state_dir=str(folder), deployment="t")


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def test_pairs_come_and_go_and_survive_a_restart_of_the_supervisor(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room()
        first = Supervisor(settings_in(tmp_path), room, room)
        await first.start()
        await first.ensure(
            to_dict(Settings(venues={VENUE: VenueSettings(pairs=["A-B"], accounts={"m": "env:X"})}))
        )
        assert len(room.running) == 5
        await first.add_pairs(VENUE, ["C-D"])
        await until(lambda: room.running["data_source/binance/0"] == ["A-B", "C-D"])
        assert (await first.locate_pair(VENUE, "C-D"))[
            "order_book_tracker"
        ] == "order_book_tracker/binance/0"
        await first.tasks.stop()

        second = Supervisor(settings_in(tmp_path), room, room)
        await second.start()
        assert (await second.describe())["venues"][VENUE]["pairs"] == ["A-B", "C-D"]
        await second.remove_pairs(VENUE, ["A-B"])
        await until(lambda: room.running["data_source/binance/0"] == ["C-D"])
        await second.halt(True)
        assert ("market/binance/m", "halt") in room.calls
        await second.close_deployment()
        assert room.running == {}
        assert len(room.released) == 2  # of the pair's actors, and of the account's

    asyncio.run(main())


def test_bad_input_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room()
        supervisor = Supervisor(settings_in(tmp_path), room, room)
        with pytest.raises(ConfigError, match="nowhere"):
            await supervisor.ensure(to_dict(Settings(venues={"nowhere": VenueSettings()})))
        with pytest.raises(ConfigError, match="isn't part"):
            await supervisor.add_pairs(VENUE, ["A-B"])
        await supervisor.ensure(to_dict(Settings(venues={VENUE: VenueSettings(pairs=["A-B"])})))
        with pytest.raises(BadPair, match="doesn't track X-Y; it tracks A-B"):
            await supervisor.remove_pairs(VENUE, ["X-Y"])
        with pytest.raises(BadPair, match="isn't tracked"):
            await supervisor.locate_pair(VENUE, "X-Y")
        with pytest.raises(ConfigError, match="another deployment"):
            await supervisor.ensure(
                to_dict(Settings(venues={VENUE: VenueSettings(hosts={"rest": "http://x"})}))
            )

    asyncio.run(main())


def test_a_broken_memory_of_the_supervisor_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        settings = settings_in(tmp_path)
        (settings.folder / "desired.json").write_text("{")
        room = Room()
        with pytest.raises(ConfigError, match=r"desired.json can't be read"):
            await Supervisor(settings, room, room).start()

    asyncio.run(main())


def test_a_desired_state_that_cannot_be_saved_is_told_and_what_runs_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        settings = settings_in(tmp_path)
        (settings.folder / "desired.new").mkdir()  # no file can be written there
        room = Room()
        supervisor = Supervisor(settings, room, room)
        await supervisor.start()
        await supervisor.ensure(to_dict(Settings(venues={VENUE: VenueSettings(pairs=["A-B"])})))
        assert room.running["data_source/binance/0"] == ["A-B"]
        assert "can't be written" in supervisor.status()["actors"]["supervisor"]["error"]
        (settings.folder / "desired.new").rmdir()
        await supervisor.add_pairs(VENUE, ["C-D"])
        assert supervisor.status()["actors"]["supervisor"]["error"] == ""
        await supervisor.close_deployment()

    asyncio.run(main())


def test_a_desired_state_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        settings = settings_in(tmp_path)
        (settings.folder / "desired.json").mkdir()
        room = Room()
        with pytest.raises(ConfigError, match=r"desired.json can't be read: Is a directory"):
            await Supervisor(settings, room, room).start()

    asyncio.run(main())


class NobodyRuns:
    """A launcher and peers of a deployment in which nothing runs."""

    at_once = 0

    async def stop(self, name: str) -> None:
        pass


async def generations(folder: Path, count: int) -> list[int]:
    """What one life of a supervisor hands out."""
    nobody: Any = NobodyRuns()
    supervisor = Supervisor(Settings(deployment="d", state_dir=str(folder)), nobody, nobody)
    await supervisor.start()
    try:
        return [await supervisor.new_generation() for _ in range(count)]
    finally:
        await supervisor.stop()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The supervisor's clock, in unix seconds: its one item may be moved."""
    seconds = [2_000_000_000.0]
    monkeypatch.setattr("actors.runtime.supervisor.time.time", lambda: seconds[0])
    return seconds


def test_generations_only_grow_also_over_restarts_and_over_clocks_that_were_set_back(
    tmp_path: Path, now: list[float]
) -> None:
    handed = asyncio.run(generations(tmp_path, 3))
    assert handed == [2_000_000_000, 2_000_000_001, 2_000_000_002]
    now[0] -= 3600.0
    handed += asyncio.run(generations(tmp_path, 2))
    now[0] += 7200.0
    handed += asyncio.run(generations(tmp_path, 1))
    assert handed == sorted(set(handed))
    assert handed[-1] == 2_000_003_600


def test_a_generation_is_stored_before_it_is_given(tmp_path: Path) -> None:
    (handed,) = asyncio.run(generations(tmp_path, 1))
    file = tmp_path / "d" / "desired.json"
    assert read_desired(file.read_bytes()).generation == handed


def test_a_store_that_was_lost_is_made_up_for_by_the_clock(
    tmp_path: Path, now: list[float]
) -> None:
    before = asyncio.run(generations(tmp_path, 2))
    (tmp_path / "d" / "desired.json").unlink()
    now[0] += 5.0
    assert min(asyncio.run(generations(tmp_path, 1))) > max(before)
