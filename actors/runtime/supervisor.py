"""The supervisor: compares the desired state with the running actors and closes the difference."""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from actors.actor_roles import (
    MarketActor,
    SupervisorActor,
    data_source_actor,
    market_actor,
)
from actors.component import ActorCalls, Tasks
from actors.settings import BOOK_KINDS, ORDER_KINDS, ActorSpec, Settings, VenueSettings, to_dict
from exchanges.registry import get
from orderbook.errors import BadPair, ConfigError, TrochilError

log = logging.getLogger(__name__)
PROBE_EVERY = 1.0
"""Seconds between two probes of every actor."""
PROBE_TIMEOUT = 5.0
GIVE_UP_AFTER = 30.0
"""Seconds without an answer after which an actor that should run is restarted."""
STARTS_WITHIN = 180.0
"""The same for an actor that has never answered: many starting together share a node's cores."""


SCHEMA = 3
"""Of the file of the desired state. 1: without a number. 2: with one. 3: with a generation."""


class SchemaNumber(msgspec.Struct):
    schema: int = 1


class Desired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of the desired state: settings, and venue -> its shards -> their pairs."""

    settings: Settings
    shards: dict[str, list[list[str]]]
    schema: int = 1
    generation: int = 0


def read_desired(text: bytes) -> Desired:
    """The desired state, of this version's schema or an earlier one. Raises ConfigError for a
    newer one, DecodeError."""
    schema = msgspec.json.decode(text, type=SchemaNumber).schema
    if schema > SCHEMA:
        raise ConfigError(
            f"it has schema {schema}, this version reads up to {SCHEMA}; "
            "use the version that wrote it"
        )
    return msgspec.json.decode(text, type=Desired)


class ActorLauncher(Protocol):
    """Starts and stops actors; the only thing that differs between Ray and one process."""

    at_once: int
    """Actors that may be starting at the same time."""

    async def spawn(self, spec: ActorSpec, settings: dict[str, Any]) -> None:
        """Start an actor under its name; a no-op if it exists already."""

    async def stop(self, name: str) -> None: ...

    async def release(self, specs: list[ActorSpec]) -> None:
        """Release the resources that were reserved for these actors, which are stopped."""

    async def probe(self, name: str) -> dict[str, Any] | None:
        """The actor's own status; None if no actor of that name answers."""


@dataclass(frozen=True, slots=True)
class Action:
    verb: str
    """spawn, stop, respawn or set_pairs."""
    name: str
    spec: ActorSpec | None = None


@dataclass(slots=True)
class Seen:
    """The last known state of one actor."""

    pid: int = 0
    restarts: int = 0
    silent_since: float | None = None
    probe: dict[str, Any] = field(default_factory=dict)

    def note(self, probe: dict[str, Any] | None, now: float) -> None:
        if probe is None:
            self.silent_since = now if self.silent_since is None else self.silent_since
            return
        if self.pid not in (0, probe["pid"]):
            self.restarts += 1
        self.pid = probe["pid"]
        self.silent_since = None
        self.probe = probe


def assign(shards: list[list[str]], wanted: list[str], size: int) -> list[list[str]]:
    """Assign pairs to shards: a pair stays in its shard, a new one takes the first free place."""
    kept = [[pair for pair in shard if pair in wanted] for shard in shards]
    placed = {pair for shard in kept for pair in shard}
    for pair in dict.fromkeys(wanted):
        if pair in placed:
            continue
        room = next((shard for shard in kept if len(shard) < size), None)
        if room is None:
            kept.append(room := [])
        room.append(pair)
    return kept


def specs_of(settings: Settings, shards: Mapping[str, list[list[str]]]) -> dict[str, ActorSpec]:
    """Every actor of the desired state, by name. Pure."""
    specs = []
    for venue, wanted in settings.venues.items():
        reference = next(iter(wanted.accounts.values()), "")
        for number, pairs in enumerate(shards.get(venue, [])):
            for kind in BOOK_KINDS if pairs else ():
                key = reference if kind == "data_source" else ""
                specs.append(
                    ActorSpec(
                        kind=kind, venue=venue, key=str(number), pairs=pairs, key_reference=key
                    )
                )
        for account, reference in wanted.accounts.items():
            for kind in ORDER_KINDS:
                key = "" if kind == "user_stream_tracker" else reference
                specs.append(ActorSpec(kind=kind, venue=venue, key=account, key_reference=key))
    return {spec.name: spec for spec in specs}


def decide(
    desired: Mapping[str, ActorSpec], seen: Mapping[str, Seen], now: float, at_once: int = 1000
) -> list[Action]:
    """The actions that close the difference, with at most ``at_once`` actors starting. Pure."""
    actions = [Action("stop", name) for name in seen if name not in desired]
    room = at_once - sum(not view.pid for view in seen.values())
    for name, spec in desired.items():
        view = seen.get(name)
        if view is None:
            room -= 1
            actions += [Action("spawn", name, spec)] if room >= 0 else []
        elif view.silent_since is not None and now - view.silent_since > (
            GIVE_UP_AFTER if view.pid else STARTS_WITHIN
        ):
            actions.append(Action("respawn", name, spec))
        elif spec.kind == "data_source" and _serves_other_pairs(view, spec):
            actions.append(Action("set_pairs", name, spec))
    return actions


def _serves_other_pairs(view: Seen, spec: ActorSpec) -> bool:
    wanted = view.probe.get("status", {}).get("wanted_pairs")
    return view.silent_since is None and wanted is not None and set(wanted) != set(spec.pairs)


class Supervisor:
    """Keeps the desired state, probes the actors, and closes the difference.

    The desired state is saved in a file, which survives a restart of the supervisor.
    """

    def __init__(
        self,
        settings: Settings,
        launcher: ActorLauncher,
        peers: ActorCalls,
        *,
        remember: bool = True,
    ) -> None:
        self.settings = settings
        self._launcher = launcher
        self._peers = peers
        self._remember = remember
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        self._file = Path(settings.folder) / "desired.json"
        self._shards: dict[str, list[list[str]]] = {}
        self._generation = 0
        self._seen: dict[str, Seen] = {}
        self._changed = asyncio.Event()
        self._halted = False
        self._unsaved = ""

    async def start(self) -> None:
        self._restore()
        self.tasks.spawn("supervise", self._supervise())

    async def stop(self) -> None:
        await self.tasks.stop()
        await asyncio.gather(*(self._launcher.stop(name) for name in reversed(list(self._seen))))
        self._seen.clear()

    async def close_deployment(self) -> None:
        """Stop every actor, release what was reserved for them and delete the desired state."""
        self._file.unlink(missing_ok=True)
        specs = list(self._desired().values())
        await self.stop()
        await self._launcher.release(specs)

    def status(self) -> dict[str, Any]:
        return {"actors": self._actors(), "shards": self._shards, "halted": self._halted}

    async def overview(self, fresh: bool = True) -> dict[str, Any]:
        """The status; ``fresh``: after a probe of every actor."""
        if fresh:
            await self._probe_all()
        return self.status()

    def _actors(self) -> dict[str, dict[str, Any]]:
        myself = {
            "pid": os.getpid(),
            "restarts": 0,
            "state": "running",
            "error": self._unsaved,
            "status": {},
        }
        return {"supervisor": myself} | {
            name: {
                "pid": view.pid,
                "restarts": view.restarts,
                "state": view.probe.get("state", "starting")
                if view.silent_since is None
                else "unreachable",
                "error": view.probe.get("error", ""),
                "status": view.probe.get("status", {}),
            }
            for name, view in self._seen.items()
        }

    async def specs(self) -> list[dict[str, Any]]:
        return [to_dict(spec) for spec in self._desired().values()]

    async def describe(self) -> dict[str, Any]:
        """The settings in force, as builtins."""
        return to_dict(self.settings)

    async def ensure(self, settings: dict[str, Any]) -> None:
        """Add venues, pairs and accounts to the desired state; running actors are not touched."""
        for name, venue in msgspec.convert(settings, Settings).venues.items():
            get(name)
            self._merge(name, venue)
        await self._apply()

    async def add_pairs(self, venue: str, pairs: list[str]) -> None:
        wanted = self._venue(venue)
        wanted.pairs = list(dict.fromkeys([*wanted.pairs, *pairs]))
        await self._apply()

    async def remove_pairs(self, venue: str, pairs: list[str]) -> None:
        wanted = self._venue(venue)
        missing = [pair for pair in pairs if pair not in wanted.pairs]
        if missing:
            raise BadPair(
                f"{venue} doesn't track {', '.join(missing)}; it tracks {', '.join(wanted.pairs)}"
            )
        wanted.pairs = [pair for pair in wanted.pairs if pair not in pairs]
        await self._apply()

    async def new_generation(self) -> int:
        """A number that no start of a tracker had before, and never below the clock's seconds.

        It is stored before it is given; a file that was lost is made up for by the clock.
        """
        self._generation = max(self._generation + 1, int(time.time()))
        self._save()
        return self._generation

    async def locate_pair(self, venue: str, pair: str) -> dict[str, str]:
        """The actors that serve a pair: {"data_source": name, "order_book_tracker": name}."""
        for number, pairs in enumerate(self._shards.get(venue, [])):
            if pair in pairs:
                return {
                    kind: f"{kind}/{venue}/{number}"
                    for kind in ("data_source", "order_book_tracker")
                }
        raise BadPair(
            f"{pair} isn't tracked on {venue}; add it with add_pairs({venue!r}, {pair!r})"
        )

    async def halt(self, cancel: bool = True) -> None:
        self._halted = True
        await asyncio.gather(*(market.halt(cancel) for market in self._markets()))

    async def resume(self) -> None:
        self._halted = False
        await asyncio.gather(*(market.resume() for market in self._markets()))

    def _markets(self) -> list[MarketActor]:
        return [
            market_actor(self._peers, name)
            for name, spec in self._desired().items()
            if spec.kind == "market"
        ]

    def _venue(self, name: str) -> VenueSettings:
        if name not in self.settings.venues:
            others = ", ".join(self.settings.venues) or "none"
            raise ConfigError(f"{name} isn't part of this deployment; it has {others}")
        return self.settings.venues[name]

    def _merge(self, name: str, venue: VenueSettings) -> None:
        known = self.settings.venues.setdefault(name, venue)
        if known is not venue:
            known.pairs = list(dict.fromkeys([*known.pairs, *venue.pairs]))
            known.accounts |= venue.accounts
            for setting in ("hosts", "ccxt", "proxy"):
                ours = getattr(known, setting)
                theirs = getattr(venue, setting)
                if theirs and theirs != ours:
                    why = f"other {setting} need another deployment"
                    raise ConfigError(f"{name} runs with {setting} {ours or 'of its own'}; {why}")

    def _desired(self) -> dict[str, ActorSpec]:
        return specs_of(self.settings, self._shards)

    async def _apply(self) -> None:
        for name, venue in self.settings.venues.items():
            self._shards[name] = assign(
                self._shards.get(name, []), venue.pairs, venue.pairs_per_shard
            )
        self._save()
        await self._close_difference()
        self._changed.set()

    def _save(self) -> None:
        if not self._remember:
            return
        try:
            self._write()
            self._unsaved = ""
        except OSError as error:
            # What runs goes on: only a restart of the supervisor would not know of the change.
            self._unsaved = f"{self._file} can't be written: {error.strerror or error}"
            log.error("the desired state is not saved: %s", self._unsaved)

    def _write(self) -> None:
        temporary = self._file.with_suffix(".new")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            desired = Desired(self.settings, self._shards, SCHEMA, self._generation)
            file.write(msgspec.json.encode(desired))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._file)

    def _restore(self) -> None:
        if not self._remember or not self._file.exists():
            return
        try:
            desired = read_desired(self._file.read_bytes())
        except msgspec.DecodeError as error:
            raise ConfigError(
                f"{self._file} can't be read ({error}); remove it and start the deployment again"
            ) from None
        except OSError as error:
            what = f"{self._file} can't be read: {error.strerror or error}"
            raise ConfigError(f"{what}; make it readable, or remove it") from None
        except ConfigError as error:
            raise ConfigError(f"{self._file}: {error}") from None
        self.settings = desired.settings
        self._shards = desired.shards
        self._generation = desired.generation

    async def _supervise(self) -> None:
        while True:
            self._changed.clear()
            await self._probe_all()
            await self._close_difference()
            try:
                async with asyncio.timeout(PROBE_EVERY):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _probe_all(self) -> None:
        names = list(self._seen)
        probes = await asyncio.gather(*(self._probe(name) for name in names))
        now = asyncio.get_running_loop().time()
        for name, probe in zip(names, probes, strict=True):
            if name in self._seen:
                self._seen[name].note(probe, now)

    async def _probe(self, name: str) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                return await self._launcher.probe(name)
        except TimeoutError:
            return None

    async def _close_difference(self) -> None:
        for action in decide(
            self._desired(), self._seen, asyncio.get_running_loop().time(), self._launcher.at_once
        ):
            try:
                await self._perform(action)
            except TrochilError as error:
                log.warning(
                    "%s of %s failed, will be tried again: %s", action.verb, action.name, error
                )

    async def _perform(self, action: Action) -> None:
        log.info("%s %s", action.verb, action.name)
        if action.verb in ("stop", "respawn"):
            await self._launcher.stop(action.name)
            self._seen.pop(action.name, None)
        if action.spec is None:
            return
        if action.verb == "set_pairs":
            await data_source_actor(self._peers, action.name).set_pairs(action.spec.pairs)
        else:
            self._seen[action.name] = Seen()
            await self._launcher.spawn(action.spec, to_dict(self.settings))


if TYPE_CHECKING:

    def _supervisor_role(it: Supervisor) -> SupervisorActor:
        return it
