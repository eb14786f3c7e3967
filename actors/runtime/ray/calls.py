"""Calls between actors over Ray, and the launcher that starts and stops them there."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.placement_group import (
    PlacementGroup,
    get_placement_group,
    placement_group,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from actors.actor_roles import hosted_actor
from actors.settings import ActorSpec, Settings, to_dict
from orderbook.errors import Disconnected, NotReady

log = logging.getLogger(__name__)
MEMBERS_OF_A_GROUP = 3


def namespace_of(deployment: str) -> str:
    return f"trochil-{deployment}"


class RayActorCalls:
    """Calls actors of one deployment by name; raises the errors that they raised."""

    def __init__(self, deployment: str) -> None:
        self.namespace = namespace_of(deployment)
        self._handles: dict[str, Any] = {}

    async def call(self, actor: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Raises NotReady if there is no such actor, Disconnected if it died during the call."""
        try:
            return await self.handle(actor).call.remote(method, *args, **kwargs)
        except RayTaskError as error:
            cause = getattr(error, "cause", None)
            raise cause if isinstance(cause, Exception) else error from None
        except RayActorError as error:
            self._handles.pop(actor, None)
            raise Disconnected(
                f"{actor} went away during {method}: {type(error).__name__}"
            ) from None
        except RayError as error:
            raise Disconnected(
                f"{actor} can't be reached for {method}: {type(error).__name__}"
            ) from None

    def handle(self, actor: str) -> Any:
        if actor not in self._handles:
            try:
                self._handles[actor] = ray.get_actor(actor, namespace=self.namespace)
            except ValueError:
                raise NotReady(f"{actor} isn't running in {self.namespace}") from None
        return self._handles[actor]

    def forget(self, actor: str) -> None:
        self._handles.pop(actor, None)


class RayActorLauncher:
    """Starts detached, named actors; those of one group share a node through a placement group."""

    at_once = 6
    """Each is a process that takes seconds of a core to start."""

    def __init__(
        self, settings: Settings, peers: RayActorCalls, actor_class: Callable[[], Any]
    ) -> None:
        self._settings = settings
        self._peers = peers
        self._actor_class = actor_class
        self._booking = asyncio.Lock()

    async def spawn(self, spec: ActorSpec, settings: dict[str, Any]) -> None:
        async with self._booking:  # otherwise two actors of one group would both find none
            group = await asyncio.to_thread(self._group, spec)
        strategy = PlacementGroupSchedulingStrategy(
            placement_group=group, placement_group_bundle_index=0
        )
        options = actor_options(spec.name, self._settings) | {"scheduling_strategy": strategy}
        self._actor_class().options(**options).remote(spec.name, to_dict(spec), settings)
        self._peers.forget(spec.name)

    async def stop(self, name: str) -> None:
        try:
            ray.kill(self._peers.handle(name), no_restart=True)
        except NotReady:
            return
        finally:
            self._peers.forget(name)

    async def probe(self, name: str) -> dict[str, Any] | None:
        try:
            return await hosted_actor(self._peers, name).host_status()
        except (NotReady, Disconnected):
            return None

    def _group(self, spec: ActorSpec) -> PlacementGroup:
        name = f"{self._peers.namespace}/{spec.group}"
        try:
            found: PlacementGroup = get_placement_group(name)
        except ValueError:
            bundle = {"CPU": MEMBERS_OF_A_GROUP * self._settings.actor_cpus}
            found = placement_group([bundle], name=name, lifetime="detached")
        return found

    async def release(self, specs: list[ActorSpec]) -> None:
        """Release the CPUs that the groups of these actors reserved."""
        await asyncio.to_thread(self._release_groups, specs)

    def _release_groups(self, specs: list[ActorSpec]) -> None:
        for name in {f"{self._peers.namespace}/{spec.group}" for spec in specs}:
            try:
                remove_placement_group(get_placement_group(name))
            except ValueError:
                log.info("placement group %s was already removed", name)


def actor_options(name: str, settings: Settings) -> dict[str, Any]:
    """Options of a named, detached actor with reserved CPUs; an existing one is kept."""
    return {
        "name": name,
        "namespace": namespace_of(settings.deployment),
        "lifetime": "detached",
        "get_if_exists": True,
        "num_cpus": settings.actor_cpus,
    }
