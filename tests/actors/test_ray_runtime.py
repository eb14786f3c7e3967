"""Joining a cluster: what a dead one left behind is not waited for, an address that was named must
answer."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.runtime.ray import cluster_address as module
from actors.runtime.ray.cluster_address import cluster_address
from orderbook.errors import ConfigError

ROOT = Path(__file__).parents[2]
GREETING = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The settings with which an HTTP/2 server begins."""


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which Ray notes the last cluster of this machine."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    return tmp_path / "ray" / "ray_current_cluster"


def serve(says: bytes) -> Iterator[str]:
    """The address of a server that greets the first client with ``says``."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        program = (
            "import socket, sys, time\n"
            "server = socket.socket(fileno=int(sys.argv[1]))\n"
            "while True:\n"
            "    client, _ = server.accept()\n"
            "    client.sendall(bytes.fromhex(sys.argv[2]))\n"
        )
        command = [sys.executable, "-c", program, str(server.fileno()), says.hex()]
        with subprocess.Popen(command, pass_fds=[server.fileno()]) as process:
            yield f"127.0.0.1:{server.getsockname()[1]}"
            process.kill()


@pytest.fixture
def living() -> Iterator[str]:
    yield from serve(GREETING)


@pytest.fixture
def other() -> Iterator[str]:
    yield from serve(b"SSH-2.0-OpenSSH_9.6\r\n")


@pytest.fixture
def silent() -> Iterator[str]:
    yield from serve(b"")


def test_nothing_is_joined_where_no_cluster_was(recorded: Path) -> None:
    assert cluster_address(None) is None
    with pytest.raises(ConfigError, match="no Ray cluster runs here"):
        cluster_address("auto")


def test_a_living_cluster_is_joined(recorded: Path, living: str) -> None:
    recorded.write_text(f"{living}\n")
    assert cluster_address(None) == living
    assert cluster_address("auto") == living
    assert cluster_address(f"ray://{living}") == f"ray://{living}"


def test_a_dead_cluster_is_not_joined(recorded: Path) -> None:
    recorded.write_text("127.0.0.1:1\n")
    assert cluster_address(None) is None


def test_a_noted_address_where_something_else_answers_is_not_joined(
    recorded: Path, other: str
) -> None:
    recorded.write_text(f"{other}\n")
    assert cluster_address(None) is None


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ray://127.0.0.1:1", "host.invalid:6379", "127.0.0.1"]
)
def test_a_named_address_must_answer(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    with pytest.raises(ConfigError, match="no Ray cluster answers at address"):
        cluster_address(address)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ConfigError, match="no Ray cluster answers at RAY_ADDRESS"):
        cluster_address(None)


def test_a_named_address_must_be_rays(recorded: Path, other: str) -> None:
    with pytest.raises(ConfigError, match="what answers is no Ray"):
        cluster_address(other)


def test_a_named_address_that_says_nothing_is_an_error(
    recorded: Path, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GREETING_TIMEOUT", 0.2)
    with pytest.raises(ConfigError, match="says nothing"):
        cluster_address(silent)


def test_connecting_to_an_address_where_nothing_answers_is_a_named_error(tmp_path: Path) -> None:
    program = (
        "import trochil\n"
        "try: trochil.connect('binance', pairs=['BTC-USDT'], address='127.0.0.1:9')\n"
        "except trochil.ConfigError as error: print(error)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("no Ray cluster answers at address '127.0.0.1:9'"), done.stderr


@pytest.mark.ray
def test_rays_own_server_is_known_by_its_greeting(ray_address: str) -> None:
    assert cluster_address(ray_address) == ray_address
