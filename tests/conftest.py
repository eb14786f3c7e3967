"""What several tests share: one local Ray cluster for the session, and a sandbox with a deployment on it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import report

BIN = Path(sys.executable).parent


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in report.LINES:
        terminalreporter.write_line(line)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def failpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where a file with a point's name orders the death of the process that reaches it."""
    return tmp_path_factory.mktemp("failpoints")


@pytest.fixture(scope="session")
def ray_address(failpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Ray head of its own, as `ray start --head` makes it, with token authentication on; stopped at the end."""
    port = free_port()
    token = tmp_path_factory.mktemp("ray") / "token"
    token.write_text("trochil-test-" + os.urandom(16).hex())
    token.chmod(0o600)
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "TROCHIL_FAILPOINTS": str(failpoints)}
    os.environ["PATH"] = f"{BIN}:{os.environ['PATH']}"  # a job's `python` is the one that has the package
    os.environ["RAY_ADDRESS"] = f"127.0.0.1:{port}"
    command = [str(BIN / "ray"), "start", "--head", f"--port={port}", "--num-cpus=8", "--object-store-memory=100000000"]
    dashboard = free_port()
    os.environ["TROCHIL_TEST_DASHBOARD"] = f"http://127.0.0.1:{dashboard}"
    command += ["--include-dashboard=true", f"--dashboard-port={dashboard}", "--disable-usage-stats"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    yield f"127.0.0.1:{port}"
    import ray

    ray.shutdown()
    subprocess.run([str(BIN / "ray"), "stop", "--force"], check=True, capture_output=True, timeout=60)


@contextmanager
def deployment(address: str, state_dir: Path, *, name: str, pairs: list[str], **sandbox: Any) -> Iterator[Any]:
    """(client, sandbox): a sandbox of its own and a deployment that trades on it; both end with the block."""
    import trochil
    from trochil.sandbox.process import SandboxProcess

    with SandboxProcess("binance", pairs=pairs, **sandbox) as venue:
        client = trochil.connect(
            "binance",
            pairs=pairs,
            address=address,
            accounts={"binance": f"file:{venue.keys_file}#default"},
            config=config_for(venue, state_dir, name),
        )
        try:
            yield client, venue
        finally:
            client.shutdown()


def config_for(venue: Any, state_dir: Path, name: str) -> dict[str, Any]:
    return {
        "deployment": name,
        "state_dir": str(state_dir),
        "venues": {"binance": {"hosts": venue.hosts["binance"]}},
    }
