"""What several tests share: one local Ray cluster for the session, and a sandbox with a deployment
on it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import report

BIN = Path(sys.executable).parent


PRIVATE = Path(tempfile.mkdtemp(prefix="trochil-tests-"))
(PRIVATE / "token").write_text("trochil-test-" + os.urandom(16).hex())
(PRIVATE / "token").chmod(0o600)
# Before anything imports Ray: it reads its token once in a process's life.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(PRIVATE / "token")}


def pytest_unconfigure() -> None:
    shutil.rmtree(PRIVATE, ignore_errors=True)


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
    """The folder where a file named like a point kills the process that reaches the point."""
    return tmp_path_factory.mktemp("failpoints")


@pytest.fixture(scope="session")
def ray_address(failpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Ray head of its own, as `ray start --head` makes it, with token authentication on; stopped
    at the end."""
    port = free_port()
    os.environ["TROCHIL_FAILPOINTS"] = str(failpoints)
    os.environ["PATH"] = (
        f"{BIN}:{os.environ['PATH']}"  # a job's `python` is the one that has the package
    )
    os.environ["RAY_ADDRESS"] = f"127.0.0.1:{port}"
    dashboard = free_port()
    os.environ["TROCHIL_TEST_DASHBOARD"] = f"http://127.0.0.1:{dashboard}"
    command = [str(BIN / "ray"), "start", "--head", "--block", f"--port={port}", "--num-cpus=8"]
    command += [
        "--object-store-memory=100000000",
        "--include-dashboard=true",
        f"--dashboard-port={dashboard}",
    ]
    # --block: the head ends with this process of ours, and no other Ray on the machine with it.
    with open(tmp_path_factory.mktemp("head") / "log", "w") as log:
        head = subprocess.Popen([*command, "--disable-usage-stats"], stdout=log, stderr=log)
        wait_for_head(f"127.0.0.1:{port}", head)
        yield f"127.0.0.1:{port}"
        import ray

        ray.shutdown()
        end_head(head)


def end_head(head: "subprocess.Popen[bytes]") -> None:
    """At once: asked politely, a head drains its node for half a minute first. Workers end with
    their raylet."""
    children = Path(f"/proc/{head.pid}/task/{head.pid}/children").read_text().split()
    for pid in (head.pid, *map(int, children)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    head.wait(30)


def wait_for_head(address: str, head: "subprocess.Popen[bytes]") -> None:
    """Until Ray's control answers, and the dashboard that takes jobs."""
    check = [str(BIN / "ray"), "health-check", "--address", address]
    while subprocess.run(check, capture_output=True, timeout=60, check=False).returncode:
        assert head.poll() is None, "the Ray head ended; see its log"
    while not dashboard_answers():
        assert head.poll() is None, "the Ray head ended; see its log"
        time.sleep(0.2)


def dashboard_answers() -> bool:
    try:
        with urllib.request.urlopen(os.environ["TROCHIL_TEST_DASHBOARD"], timeout=5):
            return True
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return True  # it wants the token: it is there
    except OSError:
        return False


@contextmanager
def deployment(
    address: str, state_dir: Path, *, name: str, pairs: list[str], **sandbox: Any
) -> Iterator[Any]:
    """(client, sandbox): a sandbox of its own and a deployment that trades on it; both end with the
    block."""
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
