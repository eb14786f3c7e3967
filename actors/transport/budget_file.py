"""The file in which all processes of a user on a node count what they use of one venue's limits.

A file of 8 KiB: a header with the end of a ban, then one slot a limit. Every change is one write
inside one page, under an exclusive lock that the kernel takes from a process that dies. It is read
and written, never mapped: a file that someone cuts short raises no signal. Times are seconds of the
monotonic clock, which all processes of a boot share.
"""

import fcntl
import logging
import os
import struct
import time
import zlib
from hashlib import blake2s
from pathlib import Path
from typing import Protocol

from actors.node_paths import BUDGETS
from orderbook.errors import ConfigError

log = logging.getLogger(__name__)
MAGIC = b"TRCHLBG1"
SLOTS = 15
SLOT_SIZE = 512
SIZE = SLOT_SIZE * (SLOTS + 1)
HEADER = struct.Struct("<8s16sQdd")
"""Magic, boot, generation, banned until, urgent requests banned until."""
CHECK = struct.Struct("<I")
"""CRC-32 of the header or the slot, in the last four bytes of its 512."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
LOCK_TRIES = 40
LOCK_PAUSE = 0.0002
"""Seconds between two tries to lock: a holder keeps the lock for some microseconds."""
LONGEST_BAN = 7 * 86_400.0
OLD = 86_400.0
"""Seconds without a change after which a file is removed, unless it holds a ban."""


class Unusable(Exception):
    """The file can't be used; the message says why."""


class Storage(Protocol):
    """Where the bytes are."""

    why_private: str
    """Why they are not shared; empty where they are."""

    def lock(self) -> bool:
        """Whether the lock was taken. Raises Unusable."""

    def unlock(self) -> None: ...

    def read(self) -> bytes:
        """All bytes. Raises Unusable."""

    def write(self, data: bytes, offset: int) -> None:
        """Raises Unusable."""

    def close(self) -> None: ...


class PrivateStorage:
    """The bytes of one process alone."""

    def __init__(self, why: str = "no shared memory is given") -> None:
        self.why_private = why
        self._data = bytearray(SIZE)

    def lock(self) -> bool:
        return True

    def unlock(self) -> None:
        pass

    def read(self) -> bytes:
        return bytes(self._data)

    def write(self, data: bytes, offset: int) -> None:
        self._data[offset : offset + len(data)] = data

    def close(self) -> None:
        pass


class FileStorage:
    """The bytes of a file, 0600, in a folder of this user alone. Not for several threads."""

    why_private = ""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file. Raises Unusable."""
        self.path = path
        self._file = -1
        self._open()

    def _open(self) -> None:
        self.close()
        try:
            self._file = open_own_file(self.path)
        except OSError as error:
            raise Unusable(f"{self.path}: {error.strerror or error}") from None

    def lock(self) -> bool:
        try:
            for _ in range(LOCK_TRIES):
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    time.sleep(LOCK_PAUSE)
                    continue
                if os.fstat(self._file).st_nlink:
                    return True
                self._open()  # someone removed it: another has its name, or none
        except OSError as error:
            raise Unusable(f"{self.path}: {error.strerror or error}") from None
        return False

    def unlock(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def read(self) -> bytes:
        try:
            return os.pread(self._file, SIZE, 0)
        except OSError as error:
            raise Unusable(f"{self.path}: {error.strerror or error}") from None

    def write(self, data: bytes, offset: int) -> None:
        try:
            if os.pwrite(self._file, data, offset) != len(data):
                raise Unusable(f"{self.path}: no room")
        except OSError as error:
            raise Unusable(f"{self.path}: {error.strerror or error}") from None

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def open_own_file(path: Path) -> int:
    """A descriptor of the file, made if needed. Raises OSError, also for a file of another user."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    file = os.open(path, flags, 0o600)
    try:
        found = os.fstat(file)
        if found.st_uid != os.getuid():
            raise PermissionError(0, "it belongs to another user")
        if found.st_mode & 0o077:
            os.fchmod(file, 0o600)
        # Room is taken now: a write into a hole of a full file system would fail later.
        os.posix_fallocate(file, 0, SIZE)
    except OSError:
        os.close(file)
        raise
    return file


def storage_at(folder: str, name: str) -> Storage:
    """The file that counts for ``name`` in a folder of shared memory.

    Private bytes, which say why, where the folder or the file can't be used.
    """
    digest = blake2s(name.encode(), digest_size=8).hexdigest()
    try:
        place = budget_folder(folder)
        storage = FileStorage(place / f"{digest}.budget")
    except (Unusable, ConfigError) as error:
        log.warning("requests are counted in this process alone: %s", error)
        return PrivateStorage(str(error))
    remove_old(place)
    return storage


def budget_folder(shared_memory: str) -> Path:
    """The folder of this user's budgets, made private. Raises ConfigError."""
    folder = Path(shared_memory) / f"{BUDGETS}{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ConfigError(f"{folder} can't be used: {error.strerror}") from None
    if found.st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
        raise ConfigError(f"{folder} is not a folder of this user")
    return folder


def remove_old(folder: Path) -> None:
    """Remove files that nobody changed for a day, but none that holds a ban or is locked."""
    now = time.time()
    for path in folder.glob("*.budget"):
        try:
            if now - path.stat().st_mtime < OLD:
                continue
            storage = FileStorage(path)
        except (OSError, Unusable):
            continue
        try:
            if storage.lock() and not _is_banned(storage.read()):
                path.unlink(missing_ok=True)
        except (OSError, Unusable):
            continue
        finally:
            storage.close()


def _is_banned(data: bytes) -> bool:
    return is_sound(data, 0) and HEADER.unpack_from(data)[3] > time.monotonic()


def boot() -> bytes:
    """Sixteen bytes that name this start of the machine."""
    try:
        text = BOOT_ID.read_bytes()
    except OSError:
        text = b""
    return blake2s(text, digest_size=16).digest()


def sealed(data: bytes) -> bytes:
    """A header or slot, filled up to its size, with its checksum."""
    padded = data.ljust(SLOT_SIZE - CHECK.size, b"\0")
    return padded + CHECK.pack(zlib.crc32(padded))


def is_sound(data: bytes, offset: int) -> bool:
    """Whether the header or slot there is whole and has its checksum."""
    end = offset + SLOT_SIZE
    if len(data) < end:
        return False
    expected: int = CHECK.unpack_from(data, end - CHECK.size)[0]
    return zlib.crc32(data[offset : end - CHECK.size]) == expected
