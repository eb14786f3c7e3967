"""The Ray actors: the only file that says ``ray.remote``. A shell holds a ComponentHost and
forwards, nothing else."""

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
from actors.node_paths import run_dir
from actors.runtime.component_factory import ComponentFactory
from actors.runtime.component_host import ComponentHost
from actors.runtime.ray.peers import RayPeers, RayRunner
from actors.runtime.supervisor import Supervisor
from actors.settings import ActorSpec, Settings
from orderbook import kernels

log = logging.getLogger(__name__)
FAILPOINTS = "TROCHIL_FAILPOINTS"
"""Names a folder; a file there with a point's name makes the process that reaches the point kill
itself, once."""


@cache
def shell_class() -> Any:
    """The actor class. It travels by value: on a worker our own packages are found before it
    names any of them, so that a user's ``orderbook.py`` in a job's directory can't hide ours."""

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
                from actors.runtime.ray import actor as shells
            finally:
                sys.path[:] = saved
            self.host = shells.host_of(role, spec, settings)

        async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
            return await self.host.call(method, *args, **kwargs)

    return ray.remote(max_restarts=-1, max_task_retries=0)(ComponentActor)


def host_of(role: str, spec: "dict[str, Any] | None", settings: dict[str, Any]) -> ComponentHost:
    """The host of one actor process: the supervisor's, or that of one component."""
    logging.basicConfig(
        level=os.environ.get("TROCHIL_LOG", "INFO"), format="%(asctime)s %(name)s %(message)s"
    )
    wanted = msgspec.convert(settings, Settings)
    peers = RayPeers(wanted.deployment)
    if spec is None:
        runner = RayRunner(wanted, peers, shell_class)
        return ComponentHost(role, lambda: Supervisor(wanted, runner, peers), end_process)
    node = ray.get_runtime_context().get_node_id()
    factory = ComponentFactory(
        wanted, run_dir(wanted.shared_memory, wanted.deployment, node), peers, checkpoint_of()
    )

    def build() -> Component:
        kernels.warm()
        return factory.build(msgspec.convert(spec, ActorSpec))

    return ComponentHost(role, build, end_process)


def end_process(error: BaseException) -> None:
    """A component whose loop died must not look healthy: end, so that Ray starts the actor
    again."""
    log.critical("this actor ends: %r", error, exc_info=error)
    logging.shutdown()
    os._exit(1)


def checkpoint_of() -> Callable[[str], None]:
    """What happens at a named point: nothing, or the death that a crash test ordered."""
    folder = os.environ.get(FAILPOINTS)
    if not folder:
        return lambda point: None

    def die_if_asked(point: str) -> None:
        order = Path(folder, point)
        if order.exists():
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    return die_if_asked
