"""The folder of a node's books and sockets, and the cleanup of what dead deployments left there."""

import fcntl
import hashlib
import os
import shutil
import zlib
from pathlib import Path

from orderbook.errors import ConfigError


def run_dir(shared_memory: str, deployment: str, node: str) -> str:
    """The folder for books and sockets: short, private, one per deployment and node."""
    path = folder_name(shared_memory, deployment, node)
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"shared memory folder {shared_memory} can't be used: {error.strerror}; "
            "set shared_memory to a folder on a memory file system (on Linux /dev/shm)"
        ) from None
    if os.stat(path).st_uid != os.getuid():
        raise ConfigError(f"{path} belongs to another user; choose another deployment name")
    return path


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

    A deployment is dead when none of its books is locked.
    """
    removed = []
    for folder in Path(shared_memory).glob("trochil-*"):
        if str(folder) == keep or folder.stat().st_uid != os.getuid():
            continue
        books = list(folder.glob("*/*.arrow"))
        if books and not any(_is_locked(book) for book in books):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(str(folder))
    return removed


def _is_locked(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False
