"""Files that only their owner may read, written whole or not at all."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path


def read_private(path: Path) -> str | None:
    """The text of a file that is its owner's alone; None where there is no such file.

    Raises ValueError that says what to do, for a file that others can read or own, or that is no
    text."""
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            payload = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.getuid():
        raise ValueError(f"{path} belongs to another user: move it away, or choose another place")
    if mode & 0o077:
        raise ValueError(
            f"{path} can be read by others (mode {mode:04o}): delete it, a new one is made; "
            f"or keep it: chmod 600 {path}"
        )
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text: move it away, or choose another place") from None


def write_beside(path: Path, text: str) -> tuple[int, str]:
    """A new file beside ``path`` with mode 0600: its descriptor, still open, and its name.

    Raises ValueError where the folder takes no file."""
    descriptor, temporary = -1, ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with open(descriptor, "w", closefd=False) as file:
            file.write(text)
        os.fsync(descriptor)
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
            os.unlink(temporary)
        raise ValueError(f"{path} can't be written: {error.strerror}") from None
    return descriptor, temporary


def write_private(path: Path, text: str) -> None:
    """Put a file of mode 0600 in place, whatever was there. Raises ValueError."""
    descriptor, temporary = write_beside(path, text)
    os.close(descriptor)
    try:
        os.replace(temporary, path)
    except OSError as error:
        os.unlink(temporary)
        raise ValueError(f"{path} can't be written: {error.strerror}") from None


def make_private_folder(path: Path) -> None:
    """Raises ValueError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(PermissionError):
            path.chmod(0o700)
    except OSError as error:
        raise ValueError(
            f"{path} can't be made: {error.strerror}; name another folder with --state-dir"
        ) from None
