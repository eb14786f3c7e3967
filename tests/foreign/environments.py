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

    ``name``: of a file in ``requirements``. "": the interpreter of the tests. Several processes may
    ask at once. Raises CalledProcessError with pip's words where it can't be installed.
    """
    if not name:
        return Path(sys.executable)
    wanted = (HERE / "requirements" / f"{name}.txt").read_bytes()
    stamp = hashlib.sha256(wanted + sys.version.encode()).hexdigest()
    place = ROOT / name
    ROOT.mkdir(parents=True, exist_ok=True)
    with (ROOT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = place / "made-of"
        if not made.exists() or made.read_text() != stamp:
            shutil.rmtree(place, ignore_errors=True)
            _make(place, HERE / "requirements" / f"{name}.txt")
            made.write_text(stamp)
    return place / "bin" / "python"


def _make(place: Path, requirements: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    install = [place / "bin" / "pip", "install", "--quiet", "--requirement", requirements]
    subprocess.run(install, check=True)
