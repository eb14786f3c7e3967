"""Settings: what a user writes, and what is said when it is wrong."""

import os
import stat
from pathlib import Path

import pytest

from actors.node_paths import folder_name, run_dir, socket_path, sweep
from actors.settings import Settings, load_settings, to_dict
from orderbook.errors import ConfigError

YAML = """
deployment: desk
venues:
  somewhere:
    pairs: [BTC-USDT]
    accounts: {main: env:SOMEWHERE}
"""


def test_a_yaml_file_and_a_toml_file_say_the_same(tmp_path: Path) -> None:
    yaml = tmp_path / "a.yaml"
    toml = tmp_path / "a.toml"
    yaml.write_text(YAML)
    toml.write_text(
        'deployment = "desk"\n[venues.somewhere]\npairs = ["BTC-USDT"]\n'
        'accounts = {main = "env:SOMEWHERE"}\n'
    )
    assert (
        load_settings(yaml)
        == load_settings(str(toml))
        == load_settings(to_dict(load_settings(yaml)))
    )


def test_an_unknown_key_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "deployment.yaml"
    path.write_text(YAML.replace("pairs:", "pears:"))
    with pytest.raises(
        ConfigError, match=r"deployment.yaml.*pears.*venues.*known keys: deployment, venues"
    ):
        load_settings(path)


@pytest.mark.parametrize("text", ["venues: [", "deployment: 7", "- a\n- b"])
def test_a_broken_file_is_a_config_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deployment.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="deployment.yaml"):
        load_settings(path)


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yaml can't be read"):
        load_settings(tmp_path / "nowhere.yaml")


def test_the_state_folder_is_private(tmp_path: Path) -> None:
    folder = Settings(state_dir=str(tmp_path / "state"), deployment="desk").folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_state_folder_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="state_dir"):
        _ = Settings(state_dir=str(tmp_path / "file")).folder


def test_places_of_a_node_are_short_private_and_its_own(tmp_path: Path) -> None:
    here = run_dir(str(tmp_path), "desk", "node-1")
    there = folder_name(str(tmp_path), "desk", "node-2")
    assert here != there
    assert stat.S_IMODE(os.stat(here).st_mode) == 0o700
    assert len(socket_path(folder_name("/dev/shm", "d" * 90, "n" * 90), "x" * 200)) < 100


def test_a_wrong_shared_memory_folder_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="/nowhere/at/all"):
        run_dir("/proc/nowhere/at/all", "desk", "node")


def test_sweeping_removes_only_dead_folders(tmp_path: Path) -> None:
    import fcntl

    for name in ("trochil-dead", "trochil-live", "trochil-kept", "other"):
        (tmp_path / name / "venue").mkdir(parents=True)
        (tmp_path / name / "venue" / "A-B.arrow").write_text("")
    with open(tmp_path / "trochil-live" / "venue" / "A-B.arrow") as book:
        fcntl.flock(book, fcntl.LOCK_EX)
        removed = sweep(str(tmp_path), str(tmp_path / "trochil-kept"))
    assert removed == [str(tmp_path / "trochil-dead")]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other", "trochil-kept", "trochil-live"]
