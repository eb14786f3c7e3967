"""The Ray actor, which forwards every call to its ComponentHost; the only use of ``ray.remote``."""

import logging
import os
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import ray

from actors.component import Component
from actors.descriptors import raise_descriptor_limit
from actors.node_paths import run_dir
from actors.runtime.component_factory import ComponentFactory
from actors.runtime.component_host import ComponentHost
from actors.runtime.ray.calls import RayActorCalls, RayActorLauncher
from actors.runtime.supervisor import Supervisor
from actors.settings import ActorSpec, Settings
from orderbook.warm import warm

log = logging.getLogger(__name__)
FAILPOINTS = "TROCHIL_FAILPOINTS"
"""An environment variable with a folder, for crash tests.

A file there with the name of a checkpoint makes the process that reaches it kill itself, once.
"""


@cache
def actor_class() -> Any:
    """The class of every Ray actor.

    It is pickled by value: on a worker it puts our own packages first on the path before it imports
    any of them, so that a user's ``orderbook.py`` in a job's directory can't hide ours.
    """

    class ComponentActor:
        def __init__(
            self, role: str, spec: "dict[str, Any] | None", settings: "dict[str, Any]"
        ) -> None:
            import os
            import sys

            home = next(
                (
                    p
                    for p in sys.path
                    if os.path.isfile(os.path.join(p, "actors", "runtime", "ray", "actor.py"))
                ),
                None,
            )
            saved = list(sys.path)
            sys.path[:] = [home, *saved] if home else saved
            try:
                from actors.runtime.ray import actor
            finally:
                sys.path[:] = saved
            self.host = actor.host_of(role, spec, settings)

        async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
            return await self.host.call(method, *args, **kwargs)

    return ray.remote(max_restarts=-1, max_task_retries=0)(ComponentActor)


def host_of(role: str, spec: "dict[str, Any] | None", settings: dict[str, Any]) -> ComponentHost:
    """The host of one actor process: of the supervisor, or of one component."""
    logging.basicConfig(
        level=os.environ.get("TROCHIL_LOG", "INFO"), format="%(asctime)s %(name)s %(message)s"
    )
    raise_descriptor_limit()
    wanted = msgspec.convert(settings, Settings)
    peers = RayActorCalls(wanted.deployment)
    if spec is None:
        launcher = RayActorLauncher(wanted, peers, actor_class)
        return ComponentHost(role, lambda: Supervisor(wanted, launcher, peers), end_process)
    node = ray.get_runtime_context().get_node_id()
    factory = ComponentFactory(
        wanted, run_dir(wanted.shared_memory, wanted.deployment, node), peers, checkpoint_of()
    )

    def build() -> Component:
        warm()
        return factory.build(msgspec.convert(spec, ActorSpec))

    return ComponentHost(role, build, end_process)


def end_process(error: BaseException) -> None:
    """End the process of a failed component, so that Ray restarts the actor."""
    log.critical("the actor's process ends: %r", error, exc_info=error)
    logging.shutdown()
    os._exit(1)


def checkpoint_of() -> Callable[[str], None]:
    """The callback of checkpoints: does nothing, or kills the process if a crash test orders it."""
    folder = os.environ.get(FAILPOINTS)
    if not folder:
        return lambda point: None

    def die_if_ordered(point: str) -> None:
        order = Path(folder, point)
        if order.exists():
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    return die_if_ordered
