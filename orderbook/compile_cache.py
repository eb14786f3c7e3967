"""Where compiled kernels are kept, if neither our own folder nor the user's can be written.

Numba keeps them beside the source, else in the user's cache, else it refuses to import. In a
container with a read-only image and no home that would be the end: there a private folder among the
temporary files is used, which the variable NUMBA_CACHE_DIR names.
"""

import os
import stat
import sys
import tempfile
from pathlib import Path

from orderbook.errors import ConfigError

VARIABLE = "NUMBA_CACHE_DIR"


def usual_folders() -> list[Path]:
    """Where numba looks by itself, in its order."""
    given = os.environ.get(VARIABLE, "")
    cache = os.environ.get("XDG_CACHE_HOME", "") or os.path.expanduser("~/.cache")
    beside = Path(__file__).parent / "__pycache__"
    return [*([Path(given)] if given else []), beside, Path(cache) / "numba"]


def is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def place_compile_cache() -> None:
    """Set NUMBA_CACHE_DIR to a temporary folder where no usual one can be written.

    It must be called before anything is compiled. Raises ConfigError where there is no such folder.
    """
    if any(map(is_writable, usual_folders())):
        return
    folder = str(_temporary())
    os.environ[VARIABLE] = folder  # for processes that this one starts, too
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = folder


def _temporary() -> Path:
    """A folder of this user alone: what lies in it is executed."""
    try:
        folder = Path(tempfile.gettempdir()) / f"trochil-compiled-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        is_private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
        if is_private and found.st_uid == os.getuid() and is_writable(folder):
            return folder
        return Path(tempfile.mkdtemp(prefix="trochil-compiled-"))
    except OSError as error:
        raise ConfigError(
            f"compiled code can't be kept anywhere: {error.strerror or error}; set {VARIABLE} to a "
            "folder that can be written"
        ) from None
