"""Joining a cluster: what a dead one left behind is not waited for."""

import socket
from pathlib import Path

import pytest

from actors.runtime.ray.runtime import _cluster_listens


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which Ray notes the last cluster of this machine."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    return tmp_path / "ray" / "ray_current_cluster"


def test_nothing_is_joined_where_no_cluster_was(recorded: Path) -> None:
    assert not _cluster_listens()


def test_a_dead_cluster_is_not_joined_and_a_living_one_is(recorded: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        recorded.write_text(f"127.0.0.1:{server.getsockname()[1]}\n")
        assert _cluster_listens()
    assert not _cluster_listens()


def test_an_address_in_the_environment_comes_first(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.write_text("127.0.0.1:1")
    monkeypatch.setenv("RAY_ADDRESS", "ray://elsewhere:10001")
    assert _cluster_listens()
