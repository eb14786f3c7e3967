"""A wheel carries all that it needs: what a stranger does who installs it and has no checkout."""

import ast
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exchanges.registry import BUILT_IN
from tests.client.test_demo import check
from trochil.conformance.cases import CASES

ROOT = Path(__file__).parents[2]
PACKAGES = ("orderbook", "exchanges", "actors", "trochil")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UNSHIPPED = shutil.ignore_patterns(
    "__pycache__", "*.py[cod]", "*.nb[ci]", "*.db*", ".*cache", ".git", ".venv*", ".hypothesis",
    ".coverage", "*.egg-info", "build", "dist", ".ipynb_checkpoints",
)  # fmt: skip
"""What the tools leave in a checkout."""
LOOKS_AROUND = {
    "orderbook/compile_cache.py": "where compiled code can be kept, beside the packages or not",
    "trochil/guard.py": "compares where the packages are found, and reads none of it",
    "trochil/version.py": "pyproject.toml, only in a checkout that isn't installed",
    "trochil/conformance/venue_harness.py": "the vectors beside an adapter, of any package",
}
"""The modules that know where they stand, and why."""
HOME_OF_TESTS = ("tests/", "docs/", "benchmarks/", "examples/", "../")


def run(*command: str | Path, cwd: Path, timeout: float = 600, **env: str) -> str:
    """What a command that must succeed printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env or None,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, made of a copy of the checkout and without a network."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "checkout", ignore=UNSHIPPED)
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", build, folder, cwd=folder / "checkout")
    (made,) = folder.glob("*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """The wheel, made of the source distribution and without a network."""
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--no-build-isolation", "--wheel-dir", sdist.parent, sdist, cwd=sdist.parent)
    (made,) = sdist.parent.glob("*.whl")
    return made


def shipped(*names: str) -> set[str]:
    """The files of the checkout below these folders, but for what the tools leave in it."""
    found = set()
    for name in names:
        for folder, folders, files in os.walk(ROOT / name):
            kept = set(UNSHIPPED(folder, [*folders, *files]))
            folders[:] = [one for one in folders if one not in kept]
            found |= {str(Path(folder, one).relative_to(ROOT)) for one in {*files} - kept}
    return found


def test_the_wheel_has_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    info = f"trochil-{PROJECT['version']}.dist-info/"
    assert {name for name in names if not name.startswith(info)} == shipped(*PACKAGES)
    assert {"exchanges/vectors/kraken.json", "trochil/templates/adapter.txt"} <= set(names)


def test_the_wheel_says_its_licence_and_its_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        info = f"trochil-{PROJECT['version']}.dist-info"
        metadata = archive.read(f"{info}/METADATA").decode()
        licence = archive.read(f"{info}/licenses/LICENSE").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert licence == (ROOT / "LICENSE").read_text()
    extras = {re.sub("_", "-", extra) for extra in PROJECT["optional-dependencies"]}
    assert set(re.findall(r"^Provides-Extra: (.+)$", metadata, re.M)) == extras


def test_the_source_distribution_has_what_a_change_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    files = ("Makefile", "constraints.txt", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
    wanted = shipped(*PACKAGES, "tests", "docs", "benchmarks", "examples") | {*files, "LICENSE"}
    assert not wanted - names


def code_of(path: Path) -> Iterator[ast.AST]:
    """The pieces of a module, docstrings aside."""
    tree = ast.parse(path.read_text())
    texts = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return (node for node in ast.walk(tree) if node not in texts)


def outward(node: ast.AST) -> bool:
    """Whether a piece of code asks where it stands, or names a folder that no wheel has."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.startswith(HOME_OF_TESTS) or node.value == "__file__"
    if isinstance(node, ast.Name):
        return node.id == "__file__"
    return isinstance(node, ast.Attribute) and node.attr in ("__file__", "cwd", "getcwd")


def test_no_module_reads_what_stands_outside_of_its_package() -> None:
    modules = [name for name in shipped(*PACKAGES) if name.endswith(".py")]
    found = {name for name in modules if any(map(outward, code_of(ROOT / name)))}
    assert len(modules) > 100
    assert found == set(LOOKS_AROUND)


# As a stranger does, far from the checkout.


@dataclass
class Stranger:
    """An empty folder, and an environment with nothing but the wheel and what it needs."""

    folder: Path
    bin: Path
    wheel: Path
    env: dict[str, str]

    def install(self, *what: str) -> None:
        pins = ROOT / "constraints.txt"
        run(self.bin / "pip", "install", "--quiet", "-c", pins, *what, cwd=self.folder)

    def run(self, command: str, *arguments: str, timeout: float = 600) -> str:
        return run(self.bin / command, *arguments, cwd=self.folder, timeout=timeout, **self.env)

    def fails(self, *arguments: str) -> str:
        """The one line that a command says which can't be done."""
        done = subprocess.run(
            [self.bin / "trochil", *arguments],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        return done.stderr


def arrive(wheel: Path, place: Path, folder: Path) -> Stranger:
    """A stranger in ``folder`` with the environment at ``place``, which the first one makes."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "RAY_", "TROCHIL_", "PYTEST_", "VIRTUAL_ENV"))
    }
    env |= {"HOME": str(place), "PATH": f"{place / 'venv' / 'bin'}:{env['PATH']}"}
    found = Stranger(folder, place / "venv" / "bin", wheel, env)
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            venv.create(place / "venv", with_pip=True)
            found.install(str(wheel))
            (place / "ready").touch()
    return found


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that all workers of a test run share; the last one to leave removes it."""
    own = tmp_path_factory.getbasetemp()
    base = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with open(base / "environments.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield base / "environments"
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(base / "environments", ignore_errors=True)


@pytest.fixture
def stranger(wheel: Path, environments: Path, tmp_path: Path) -> Stranger:
    return arrive(wheel, environments / "stranger", tmp_path)


@pytest.fixture
def tester(wheel: Path, environments: Path, tmp_path: Path) -> Stranger:
    """A stranger who added a venue by a package of its own, and what the suite needs."""
    place = environments / "tester"
    found = arrive(wheel, place, tmp_path)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        package = place / "mylark"
        if not package.exists():
            told = found.run("trochil", "new-exchange", "lark", "--package", str(package))
            assert f"now: pip install -e '{package}[test]'" in told
            found.install(f"{wheel}[test]", "-e", f"{package}[test]")
    return found


def readme_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


@pytest.mark.slow
@pytest.mark.sandbox
def test_a_stranger_looks_around(stranger: Stranger) -> None:
    assert stranger.run("trochil", "--version") == f"trochil, version {PROJECT['version']}\n"
    said = "import trochil; print(trochil.__version__, trochil.__file__)"
    number, place = stranger.run("python", "-c", said).split()
    assert number == PROJECT["version"]
    assert Path(place).is_relative_to(stranger.bin.parent)
    summary = stranger.run("trochil", "demo", "--inline", "--seconds", "5", "--json")
    check(json.loads(summary.splitlines()[-1]), processes=1)
    assert "eth-account" in stranger.fails("demo", "--inline", "--exchange", "hyperliquid")
    blocks = readme_blocks()
    assert blocks
    for block in blocks:
        (stranger.folder / "readme.py").write_text(block)
        assert "filled" in stranger.run("python", "readme.py")
    look_at_a_sandbox(stranger)


def look_at_a_sandbox(stranger: Stranger) -> None:
    process = subprocess.Popen(
        [stranger.bin / "trochil", "sandbox", "--json"],
        cwd=stranger.folder,
        env=stranger.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            address: dict[str, Any] = json.loads(process.stdout.readline())
            rest = address["venues"]["binance"]["hosts"]["rest"]
            depth = f"{rest}/api/v3/depth?symbol=BTCUSDT"
            with urllib.request.urlopen(depth, timeout=30) as answer:
                assert json.load(answer)["bids"]
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.mark.slow
@pytest.mark.ray
def test_a_stranger_runs_the_demo_on_ray(stranger: Stranger) -> None:
    # Ray's sockets need a short path, and no Ray of others is to be joined.
    with tempfile.TemporaryDirectory(prefix="tw-", ignore_cleanup_errors=True) as folder:
        stranger.env["RAY_TMPDIR"] = folder
        summary = stranger.run("trochil", "demo", "--seconds", "10", "--json")
    check(json.loads(summary.splitlines()[-1]), processes=6)


@pytest.mark.slow
@pytest.mark.sandbox
def test_a_stranger_starts_an_adapter(tester: Stranger) -> None:
    assert "--package" in tester.fails("new-exchange", "finch")
    tester.run("trochil", "new-exchange", "finch", "--package", "myfinch")
    build = ("wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", "./myfinch")
    tester.run("pip", *build)
    (made,) = (tester.folder / "dist").glob("*.whl")
    assert "trochil_finch/vectors/finch.json" in zipfile.ZipFile(made).namelist()
    assert "failed" not in tester.run("trochil", "check", "lark")
    assert "lark" in tester.fails("demo", "--exchange", "wren")


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize("venue", [*BUILT_IN, "lark"])
def test_a_stranger_runs_the_conformance_suite(tester: Stranger, venue: str) -> None:
    suite = ("--pyargs", "trochil.conformance", "-W", "error", "-p", "no:cacheprovider")
    done = tester.run("pytest", *suite, "-k", venue)
    found = re.search(r"(\d+) passed(?:, (\d+) skipped)?, (\d+) deselected", done)
    assert found is not None, done
    passed, skipped, _ = (int(number or 0) for number in found.groups())
    assert passed + skipped == len(CASES)
