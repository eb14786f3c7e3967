"""A deployment on Ray for a driver: joins the cluster if there is one, else starts one."""

import asyncio
import logging
from typing import Any

import msgspec
import ray

from actors.actor_roles import RetryingCalls, supervisor_actor
from actors.descriptors import raise_descriptor_limit
from actors.node_paths import release, run_dir, sweep
from actors.runtime.ray.actor import actor_class
from actors.runtime.ray.calls import RayActorCalls, actor_options
from actors.runtime.ray.cluster_address import STARTS_OWN, cluster_address
from actors.settings import Settings, to_dict
from orderbook.errors import ConfigError, Disconnected, NotReady
from orderbook.warm import warm

LOCAL_CPUS = 4
OBJECT_STORE = 128 * 1024 * 1024
SUPERVISOR_TIMEOUT = 60.0


class RayRuntime:
    """Named actors on a Ray cluster. ``close`` leaves them running, ``shutdown`` stops them."""

    def __init__(self, settings: Settings, address: str | None = None) -> None:
        self.settings = settings
        self._address = address
        self.peers = RayActorCalls(settings.deployment)
        self.run_dir = ""
        self._started_ray = False

    async def start(self) -> None:
        """Join or start the cluster and the supervisor.

        Raises ConfigError if the address can't be reached, NotReady if the supervisor doesn't
        answer.
        """
        raise_descriptor_limit()
        await asyncio.to_thread(self._join_or_start)
        node = ray.get_runtime_context().get_node_id()
        self.run_dir = run_dir(self.settings.shared_memory, self.settings.deployment, node)
        sweep(self.settings.shared_memory, self.run_dir)
        await asyncio.to_thread(warm)
        bare = msgspec.structs.replace(self.settings, venues={})
        options = actor_options("supervisor", self.settings)
        actor_class().options(**options).remote("supervisor", None, to_dict(bare))
        await self._ensure()

    async def _ensure(self) -> None:
        calls = RetryingCalls(self.peers, (Disconnected,), SUPERVISOR_TIMEOUT, 0.2)
        try:
            async with asyncio.timeout(SUPERVISOR_TIMEOUT):
                await supervisor_actor(calls).ensure(to_dict(self.settings))
        except TimeoutError:
            raise NotReady(
                f"the supervisor of {self.settings.deployment!r} didn't answer in "
                f"{SUPERVISOR_TIMEOUT:.0f} s; look at `ray status` for free CPUs and at the "
                "actor's log in the dashboard"
            ) from None

    def _join_or_start(self) -> None:
        if ray.is_initialized():
            return
        quiet: dict[str, Any] = {"configure_logging": False, "log_to_driver": False}
        logging.getLogger("ray").setLevel(logging.ERROR)
        found = cluster_address(self._address)
        if found is not None and found != STARTS_OWN:
            try:
                ray.init(address=found, **quiet)
                return
            except (ConnectionError, ValueError) as error:
                if self._address:
                    raise ConfigError(
                        f"no Ray cluster answers at {self._address!r}: {error}"
                    ) from None
        ray.init(
            num_cpus=LOCAL_CPUS,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE,
            address="local",
            **quiet,
        )
        self._started_ray = True

    async def close(self) -> None:
        """Leave the actors running; a Ray that this process started is shut down."""
        if self._started_ray:
            await self.shutdown()
        release(self.run_dir)

    async def shutdown(self) -> None:
        await supervisor_actor(self.peers).close_deployment()
        ray.kill(self.peers.handle("supervisor"), no_restart=True)
        if self._started_ray:
            await asyncio.to_thread(ray.shutdown)
        release(self.run_dir)
