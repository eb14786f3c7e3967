"""Virtual environments of foreign clients, beside the project's own: their versions clash."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = Path(os.environ.get("TROCHIL_FOREIGN_ENVIRONMENTS") or HERE.parents[1] / ".venv-foreign")


def python_of(name: str) -> Path:
    """The interpreter of an environment, made at the first call.

    ``name``: of a file in ``requirements``. "": the interpreter of the tests. What stands in
    ``<name>.alone.txt`` is installed afterwards without its dependencies, and built with what is
    there: for packages that demand versions which this Python can't have. Several processes may ask
    at once. Raises CalledProcessError with pip's words where it can't be installed.
    """
    if not name:
        return Path(sys.executable)
    wanted = b"".join(file.read_bytes() for file, _ in _steps(name))
    stamp = hashlib.sha256(wanted + sys.version.encode()).hexdigest()
    place = ROOT / name
    ROOT.mkdir(parents=True, exist_ok=True)
    with (ROOT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = place / "made-of"
        if not made.exists() or made.read_text() != stamp:
            shutil.rmtree(place, ignore_errors=True)
            _make(place, name)
            made.write_text(stamp)
    return place / "bin" / "python"


def _steps(name: str) -> list[tuple[Path, list[str]]]:
    """Files of requirements with the options by which pip installs them."""
    folder = HERE / "requirements"
    alone = folder / f"{name}.alone.txt"
    steps: list[tuple[Path, list[str]]] = [(folder / f"{name}.txt", [])]
    if alone.exists():
        steps.append((alone, ["--no-deps", "--no-build-isolation"]))
    return steps


def _make(place: Path, name: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    for file, options in _steps(name):
        install = [place / "bin" / "pip", "install", "--quiet", *options, "--requirement", file]
        subprocess.run(install, check=True)
