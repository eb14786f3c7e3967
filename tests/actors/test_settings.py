"""Settings: what a user writes, and what is said when it is wrong."""

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from actors.node_paths import folder_name, release, run_dir, socket_path, sweep
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


HOLD = """
import sys
from actors.node_paths import run_dir
print(run_dir(sys.argv[1], "desk", "node"), flush=True)
sys.stdin.read()
"""


def test_a_folder_that_a_living_process_holds_is_not_swept_even_without_books(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().decode().strip())
        assert sweep(str(tmp_path), "") == []
        (folder / "venue").mkdir()
        (folder / "venue" / "A-B.arrow").touch()
        assert sweep(str(tmp_path), "") == []
        process.kill()
        process.wait()
    assert sweep(str(tmp_path), "") == [str(folder)]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_held_until_each_that_took_it_has_released_it(tmp_path: Path) -> None:
    folder = run_dir(str(tmp_path), "desk", "node")
    assert run_dir(str(tmp_path), "desk", "node") == folder
    release(folder)
    assert sweep(str(tmp_path), "") == []
    (Path(folder) / "venue").mkdir()
    release(folder)
    assert list(tmp_path.iterdir()) == [], "the last one leaves nothing behind"
    release(folder)
    folder = run_dir(str(tmp_path), "desk", "node")
    (Path(folder) / "kept.sock").touch()
    release(folder)
    assert sweep(str(tmp_path), "") == [folder]


def test_a_folder_that_cannot_be_looked_at_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    books = tmp_path / "trochil-other" / "venue"
    books.mkdir(parents=True)
    (books / "A-B.arrow").mkdir()  # can't be opened as a file
    assert sweep(str(tmp_path), "") == []
    assert "trochil-other is left as it is" in caplog.text
    assert books.exists()


def test_no_descriptor_left_is_no_proof_of_a_dead_deployment(tmp_path: Path) -> None:
    (tmp_path / "trochil-other" / "venue").mkdir(parents=True)
    (tmp_path / "trochil-other" / "venue" / "A-B.arrow").touch()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unused = os.open("/dev/null", os.O_RDONLY)
    os.close(unused)
    resource.setrlimit(resource.RLIMIT_NOFILE, (unused, hard))
    try:
        assert sweep(str(tmp_path), "") == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert sweep(str(tmp_path), "") == [str(tmp_path / "trochil-other")]


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    program = (
        "import resource\n"
        "from actors.descriptors import raise_descriptor_limit\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 900))\n"
        "print(raise_descriptor_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["900", "900", "900"]
