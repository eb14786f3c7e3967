"""Runs every component in this process and loop, without Ray: same classes, sockets and books."""

import asyncio
import logging
import os
from typing import Any

import msgspec

from actors.actor_roles import supervisor_actor
from actors.component import Component
from actors.descriptors import raise_descriptor_limit
from actors.node_paths import release, run_dir
from actors.runtime.component_factory import ComponentFactory
from actors.runtime.component_host import ComponentHost
from actors.runtime.supervisor import Supervisor
from actors.settings import ActorSpec, Settings, to_dict
from orderbook.errors import NotReady
from orderbook.warm import warm

log = logging.getLogger(__name__)
RESTART_AFTER = 1.0
"""Seconds between a component's failure and its restart, as a process would take."""


class InlineActorCalls:
    """Calls between the components of one process."""

    def __init__(self) -> None:
        self.hosts: dict[str, ComponentHost] = {}

    async def call(self, actor: str, method: str, *args: Any, **kwargs: Any) -> Any:
        if actor not in self.hosts:
            raise NotReady(f"{actor} doesn't run here")
        return await self.hosts[actor].call(method, *args, **kwargs)


class InlineActorLauncher:
    """Spawns hosts as objects; one whose component failed is restarted, as Ray would."""

    at_once = 1000

    def __init__(self, folder: str, peers: InlineActorCalls) -> None:
        self._folder = folder
        self._peers = peers
        self._factories: dict[str, ComponentFactory] = {}

    async def spawn(self, spec: ActorSpec, settings: dict[str, Any]) -> None:
        if spec.name not in self._peers.hosts:
            self._start_host(spec, settings)

    def _start_host(self, spec: ActorSpec, settings: dict[str, Any]) -> None:
        factory = ComponentFactory(
            msgspec.convert(settings, Settings), self._folder, self._peers, lambda point: None
        )
        self._factories[spec.name] = factory

        def restart(error: BaseException) -> None:
            log.error("%s failed and is restarted: %r", spec.name, error)
            self._restarting = asyncio.ensure_future(self._restart(spec, settings))

        host = ComponentHost(spec.name, lambda: factory.build(spec), restart)
        self._peers.hosts[spec.name] = host

    async def _restart(self, spec: ActorSpec, settings: dict[str, Any]) -> None:
        await self.stop(spec.name)
        await asyncio.sleep(RESTART_AFTER)
        self._start_host(spec, settings)

    async def stop(self, name: str) -> None:
        host = self._peers.hosts.pop(name, None)
        if host is not None:
            await host.stop()
            await self._factories.pop(name).close()

    async def release(self, specs: list[ActorSpec]) -> None:
        """Nothing is reserved in one process."""

    async def probe(self, name: str) -> dict[str, Any] | None:
        host = self._peers.hosts.get(name)
        return await host.host_status() if host else None


class InlineRuntime:
    """A deployment in this process; it ends with ``close``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.run_dir = run_dir(
            settings.shared_memory, settings.deployment, f"inline-{os.getpid()}-{id(self)}"
        )
        self.peers = InlineActorCalls()

    async def start(self) -> None:
        raise_descriptor_limit()
        warm()
        launcher = InlineActorLauncher(self.run_dir, self.peers)
        bare = msgspec.structs.replace(self.settings, venues={})

        def build() -> Component:
            return Supervisor(bare, launcher, self.peers, remember=False)

        self.peers.hosts["supervisor"] = ComponentHost(
            "supervisor", build, lambda error: log.error("supervisor: %r", error)
        )
        await supervisor_actor(self.peers).ensure(to_dict(self.settings))

    async def close(self) -> None:
        supervisor = self.peers.hosts.get("supervisor")
        if supervisor is not None:
            await supervisor_actor(self.peers).close_deployment()
            del self.peers.hosts["supervisor"]
            await supervisor.stop()
        release(self.run_dir)

    async def shutdown(self) -> None:
        await self.close()
