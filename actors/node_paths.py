"""The folder of a node's books and sockets, and the cleanup of what dead deployments left there."""

import fcntl
import hashlib
import logging
import os
import shutil
import zlib
from pathlib import Path

from orderbook.errors import ConfigError

log = logging.getLogger(__name__)

BUDGETS = "trochil-budgets-"
"""What the name of a user's folder of request budgets begins with; the user's number follows."""
LOCK = ".lock"
"""The file of a folder that each process which uses it locks, shared, as long as it lives."""
_held: dict[str, list[int]] = {}
"""Folder -> our descriptors of its lock, one for each time that it was taken."""


def run_dir(shared_memory: str, deployment: str, node: str) -> str:
    """The folder for books and sockets: short, private, one per deployment and node.

    It is held, so that no other deployment's ``sweep`` removes it, until ``release`` or the end of
    this process. Raises ConfigError.
    """
    path = folder_name(shared_memory, deployment, node)
    try:
        _hold(path)
    except OSError as error:
        raise ConfigError(
            f"shared memory folder {shared_memory} can't be used: {error.strerror}; "
            "set shared_memory to a folder on a memory file system (on Linux /dev/shm)"
        ) from None
    return path


def _hold(path: str) -> None:
    """Make the folder and hold it. Raises OSError, ConfigError."""
    while True:
        os.makedirs(path, mode=0o700, exist_ok=True)
        if os.stat(path).st_uid != os.getuid():
            raise ConfigError(f"{path} belongs to another user; choose another deployment name")
        try:
            file = os.open(f"{path}/{LOCK}", os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            continue  # it was swept between the two
        fcntl.flock(file, fcntl.LOCK_SH)
        if _stands_at(f"{path}/{LOCK}", file):
            _held.setdefault(path, []).append(file)
            return
        os.close(file)  # it was swept before we held it


def _stands_at(path: str, file: int) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def release(path: str) -> None:
    """Hold a folder of ``run_dir`` no longer, and remove it if it is empty and nobody holds it."""
    files = _held.get(path)
    if not files:
        return
    file = files.pop()
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove_if_empty(path)
    except OSError:
        pass  # somebody else holds it, or it can't be removed: the next sweep looks again
    finally:
        os.close(file)


def _remove_if_empty(folder: str) -> None:
    for path, _, files in os.walk(folder, topdown=False):
        if path == folder and files == [LOCK]:
            os.unlink(f"{folder}/{LOCK}")
        os.rmdir(path)


def folder_name(shared_memory: str, deployment: str, node: str) -> str:
    digest = hashlib.blake2s(
        f"{deployment}/{node}/{os.getuid()}".encode(), digest_size=4
    ).hexdigest()
    return os.path.join(shared_memory, f"trochil-{digest}")


def socket_path(folder: str, actor: str) -> str:
    """The socket path of an actor's channel; under 100 bytes whatever the actor's name."""
    return f"{folder}/{zlib.crc32(actor.encode()):08x}.sock"


def sweep(shared_memory: str, keep: str) -> list[str]:
    """Remove the folders of this user's dead deployments, but not ``keep``; returns the removed.

    A deployment is dead when no process holds its folder and none of its books is locked. What
    can't be looked at stays.
    """
    removed = []
    for name in _listed(shared_memory):
        if name.startswith(BUDGETS):
            continue  # all deployments count there, and those to come remember it
        folder = Path(shared_memory, name)
        try:
            if str(folder) != keep and _sweep_dead(folder):
                removed.append(str(folder))
        except OSError as error:
            log.warning("%s is left as it is: %s", folder, error.strerror or error)
    return removed


def _listed(shared_memory: str) -> list[str]:
    try:
        names = os.listdir(shared_memory)
    except OSError as error:
        log.warning("%s is left as it is: %s", shared_memory, error.strerror or error)
        return []
    return sorted(name for name in names if name.startswith("trochil-"))


def _sweep_dead(folder: Path) -> bool:
    """Remove a folder if it is a dead deployment's; whether it was. Raises OSError."""
    if not folder.is_dir() or folder.stat().st_uid != os.getuid():
        return False
    books = list(folder.glob("*/*.arrow"))
    try:
        lock = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        # Of an earlier version, or just being made: its books alone tell.
        lock = -1
    try:
        if lock >= 0 and not _taken_alone(lock):
            return False
        if (lock < 0 and not books) or any(_is_locked(book) for book in books):
            return False
        # The lock goes first: who waits for it sees that it must make the folder again.
        (folder / LOCK).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        return True
    finally:
        if lock >= 0:
            os.close(lock)


def _taken_alone(file: int) -> bool:
    """Whether we have a lock that nobody else holds."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_locked(path: Path) -> bool:
    """Raises OSError for a book that can't be looked at."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
