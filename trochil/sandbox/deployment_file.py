"""The file that ``trochil sandbox --write`` makes for ``trochil up -f``, and the keys beside it."""

import fcntl
import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from trochil.sandbox.private_files import read_private, write_beside, write_private

MARK = "# Written by `trochil sandbox --write`"
HEADER = f"{MARK}, at each start anew: to change it, copy it under another name.\n"
KEYS_HEADER = (
    f"{MARK}: keys of local accounts, read again at each start. No real venue knows them.\n"
)
SUFFIXES = (".yaml", ".yml")
CPUS_OF_MANY = 0.02
"""What each actor books where several venues share this machine, so that all of them start."""
Keys = dict[str, str]


class DeploymentFile:
    """One deployment file of this command: locked from ``take`` on, until the process ends.

    Whatever can't be read, or is not ours, raises ValueError that says what to do."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).expanduser().resolve()
        if self.path.suffix not in SUFFIXES:
            raise ValueError(f"--write {path}: name a file that ends in .yaml")
        self.keys_path = self.path.with_name(f"{self.path.stem}.keys.toml")
        self.deployment = re.sub(r"[^A-Za-z0-9_-]", "-", self.path.stem)
        self.keys: dict[str, Keys] = {}
        """Venue -> the keys of its account."""
        self.ports: dict[str, int] = {}
        """Venue -> the port that the file gave it."""
        self._text: str | None = None
        self._lock: int | None = None

    def release(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def take(self) -> None:
        """Lock the file, if it is there, and read both."""
        self._text = self._locked_text()
        if self._text is not None:
            _must_be_ours(self.path, self._text)
            self.ports = _ports(self._text)
        self.keys = self._read_keys()

    def _locked_text(self) -> str | None:
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(f"{self.path} can't be read: {error.strerror}") from None
        self._lock = descriptor
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_current = os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except OSError:
            is_current = False
        if not is_current:
            raise self._in_use()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def _in_use(self) -> ValueError:
        return ValueError(
            f"another sandbox runs with {self.path}: end it first, or --write another file"
        )

    def _read_keys(self) -> dict[str, Keys]:
        text = read_private(self.keys_path)
        if text is None:
            return {}
        _must_be_ours(self.keys_path, text)
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            raise ValueError(
                f"{self.keys_path} is not valid TOML: delete it, new keys are made"
            ) from None
        return {name: keys for name, keys in tables.items() if isinstance(keys, dict)}

    def write(self, venues: Mapping[str, Mapping[str, Any]], state_dir: Path) -> None:
        """Put both files in place. ``venues``: hosts, pairs and, with TLS, ca_file of each; the
        keys are those in ``keys``, and written by whoever has the lock."""
        settings: dict[str, Any] = {"deployment": self.deployment, "state_dir": str(state_dir)}
        if len(venues) > 1:
            settings["actor_cpus"] = CPUS_OF_MANY
        settings["venues"] = {
            name: {**found, "accounts": {"default": f"file:{self.keys_path}#{name}"}}
            for name, found in venues.items()
        }
        text = HEADER + yaml.safe_dump(settings, sort_keys=False)
        if text != self._text:
            self._replace(text)
        self._write_keys()

    def _write_keys(self) -> None:
        tables = [
            f"[{_toml_key(name)}]\n"
            + "".join(
                f"{_toml_key(field)} = {json.dumps(value)}\n" for field, value in keys.items()
            )
            for name, keys in self.keys.items()
        ]
        text = KEYS_HEADER + "\n" + "\n".join(tables)
        if text != read_private(self.keys_path):
            write_private(self.keys_path, text)

    def _replace(self, text: str) -> None:
        """The new file is locked before it is in its place. Where there was none, it takes no place
        that another sandbox took meanwhile."""
        descriptor, temporary = write_beside(self.path, text)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if self._lock is None:
                os.link(temporary, self.path)
                os.unlink(temporary)
            else:
                os.replace(temporary, self.path)
                os.close(self._lock)
        except OSError as error:
            os.close(descriptor)
            os.unlink(temporary)
            if isinstance(error, FileExistsError):
                raise self._in_use() from None
            raise ValueError(f"{self.path} can't be written: {error.strerror}") from None
        self._lock = descriptor
        self._text = text


def _must_be_ours(path: Path, text: str) -> None:
    if not text.startswith(MARK):
        raise ValueError(
            f"{path} was not written by this command, and stays as it is: --write another file"
        )


def _ports(text: str) -> dict[str, int]:
    """What can be read of them: a file that was cut off has none."""
    try:
        venues = yaml.safe_load(text)["venues"]
        found = {name: urlsplit(venue["hosts"]["rest"]).port for name, venue in venues.items()}
    except (yaml.YAMLError, LookupError, TypeError, AttributeError, ValueError):
        return {}
    return {name: port for name, port in found.items() if port}


def _toml_key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
