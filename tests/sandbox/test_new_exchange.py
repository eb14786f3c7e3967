"""A made-up venue, by the commands and the page that tell how to add one, as a package that isn't
ours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orderbook.errors import ConfigError
from trochil.commands.new_exchange import new_exchange, template

ROOT = Path(__file__).parents[2]
REGISTRY = "exchanges/registry.py"


def installed(folder: Path, name: str) -> dict[str, str]:
    """An environment in which the package at ``folder`` counts as installed: its entry points are
    found."""
    project = (folder / "pyproject.toml").read_text()
    found = re.findall(r'entry-points\."(.+?)"\]\n(\w+) = "(.+?)"', project)
    assert [group for group, _, _ in found] == ["trochil.exchanges", "trochil.sandbox"]
    info = folder / f"trochil_{name}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: trochil-{name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        "".join(f"[{group}]\n{key} = {value}\n" for group, key, value in found)
    )
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}


def run(*command: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=env, cwd=cwd, capture_output=True, text=True, timeout=400, check=False
    )


def test_a_made_up_venue_of_another_package_passes_the_conformance_suite(tmp_path: Path) -> None:
    new_exchange("lark", tmp_path, package=True)
    env = installed(tmp_path, "lark")
    suite = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
    )
    done = run(*suite, "--pyargs", "trochil.conformance", "-k", "lark", env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert re.search(r"(\d+) passed, 1 skipped", done.stdout), done.stdout[-300:]


def test_the_skeleton_is_written_as_we_write(tmp_path: Path) -> None:
    new_exchange("lark", tmp_path, package=True)
    ruff = Path(sys.executable).with_name("ruff")
    for verb in (("format", "--check"), ("check", "--ignore", "I001")):
        done = run(
            str(ruff),
            *verb,
            "--config",
            str(ROOT / "pyproject.toml"),
            ".",
            env=dict(os.environ),
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout


def test_in_a_checkout_the_four_places_are_written(tmp_path: Path) -> None:
    (tmp_path / "exchanges").mkdir()
    (tmp_path / REGISTRY).write_text((ROOT / REGISTRY).read_text())
    written = new_exchange("lark", tmp_path, package=False)
    places = [path.relative_to(tmp_path).as_posix() for path in written]
    assert places == [
        "exchanges/lark.py",
        REGISTRY,
        "trochil/sandbox/dialects/lark.py",
        "exchanges/vectors/lark.json",
    ]
    assert '    "lark": "exchanges.lark:LARK",\n' in (tmp_path / REGISTRY).read_text()
    with pytest.raises(ConfigError, match="nothing was written"):
        new_exchange("lark", tmp_path, package=False)


@pytest.mark.parametrize("name", ["", "Lark", "2lark", "la rk", "../lark"])
def test_a_bad_name_writes_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't name"):
        new_exchange(name, tmp_path, package=True)
    assert not list(tmp_path.iterdir())


def test_outside_of_a_checkout_the_error_says_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--package"):
        new_exchange("lark", tmp_path, package=False)


def test_the_page_that_tells_how_shows_the_skeleton_whole() -> None:
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/add_an_exchange.md").read_text(), re.S
    )
    shown = "\n".join(line for block in blocks for line in block.splitlines() if line.strip())
    for which in ("adapter", "dialect"):
        text = "\n".join(line for line in template(which, "lark").splitlines() if line.strip())
        assert text in shown, f"docs/add_an_exchange.md doesn't show the {which} as it is written"
    adapter, dialect = (
        len(template(which, "lark").splitlines()) for which in ("adapter", "dialect")
    )
    assert (
        f"{adapter} lines of adapter, {dialect} of dialect"
        in (ROOT / "docs/add_an_exchange.md").read_text()
    )
