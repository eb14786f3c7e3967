"""Nonces of one key, for all processes of this node: each larger than every one before it."""

import fcntl
import hashlib
import logging
import os
import struct
import tempfile
import time
from pathlib import Path

log = logging.getLogger(__name__)
MEMORY = Path("/dev/shm")
"""Where the file is kept, if it exists: until the machine restarts."""
STEP = 1e-6
"""Seconds between two nonces."""
LOCK_PATIENCE = 0.05
"""Seconds that the file's lock is waited for; then this process counts on by itself."""
_NUMBER = struct.Struct("<q")


class Nonces:
    """Gives out times to sign with: now, or a moment after the last that any process gave out.

    Venues that demand growing nonces remember the largest one of a key. So a clock that was set
    back must not make them smaller, in this process or in another one with the same key.
    """

    def __init__(self, venue: str, key: str, folder: Path | None = None) -> None:
        """``folder``: where the files are; None: a private one of this user, in memory."""
        self._last = 0
        self._told = False
        digest = hashlib.blake2s(f"{venue}/{key}".encode(), digest_size=16).hexdigest()
        self._path = (folder or _own_folder()) / digest

    def next(self, now: float) -> float:
        """``now`` (unix seconds), or one microsecond after the last nonce."""
        try:
            self._last = self._from_file(round(now / STEP))
        except OSError as error:
            self._last = max(self._last + 1, round(now / STEP))
            if not self._told:
                self._told = True
                log.warning(
                    "nonces can't be shared with other processes by %s: %s", self._path, error
                )
        return self._last * STEP

    def _from_file(self, wanted: int) -> int:
        folder = self._path.parent
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to another user")
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            _lock(file)
            stored = os.pread(file, _NUMBER.size, 0)
            last = _NUMBER.unpack(stored)[0] if len(stored) == _NUMBER.size else 0
            found: int = max(last + 1, self._last + 1, wanted)
            os.pwrite(file, _NUMBER.pack(found), 0)
            return found
        finally:
            os.close(file)


def _lock(file: int) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            os.sched_yield()


def _own_folder() -> Path:
    base = MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())
    return base / f".trochil-nonces-{os.getuid()}"
