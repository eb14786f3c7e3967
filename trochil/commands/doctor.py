"""``trochil doctor``: checks of what usually breaks."""

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from actors.descriptors import raise_descriptor_limit
from actors.settings import Settings
from actors.transport.credentials import load_keys
from orderbook.compile_cache import VARIABLE, is_writable, usual_folders
from orderbook.errors import AuthenticationError, ConfigError, HiddenPackage
from orderbook.shared import SharedBook
from trochil.guard import refuse_hidden_packages

ENOUGH_SHARED_MEMORY = 256 * 1024 * 1024
LARGEST_SKEW = 1.0
ENOUGH_OPEN_FILES = 1024


class Finding(NamedTuple):
    ok: bool
    what: str
    detail: str


def examine(
    settings: Settings, ray_version: str, cluster_versions: list[str], skews: dict[str, float]
) -> list[Finding]:
    """The findings, most important first."""
    return [
        _packages(),
        _compile_cache(),
        _open_files(),
        _shared_memory(settings.shared_memory),
        _state_dir(settings),
        *(
            _keys(venue, name, ref)
            for venue, s in settings.venues.items()
            for name, ref in s.accounts.items()
        ),
        _versions(ray_version, cluster_versions),
        *(
            Finding(abs(skew) < LARGEST_SKEW, f"clock against {venue}", f"{skew:+.3f} s")
            for venue, skew in skews.items()
        ),
    ]


def _packages() -> Finding:
    try:
        refuse_hidden_packages()
    except (HiddenPackage, ImportError) as error:
        return Finding(False, "packages", str(error))
    return Finding(True, "packages", "none hidden")


def _open_files() -> Finding:
    limit = raise_descriptor_limit()
    detail = f"{limit} may be open: a book takes one in its tracker, and one in each reader"
    return Finding(limit >= ENOUGH_OPEN_FILES, "open files", detail)


def _compile_cache() -> Finding:
    writable = next(filter(is_writable, usual_folders()), None)
    if writable is None:
        folders = ", ".join(map(str, usual_folders()))
        return Finding(
            False,
            "compiled code",
            f"none of {folders} can be written: every process compiles anew for half a minute; "
            f"set {VARIABLE} to a folder that can be written and lasts",
        )
    return Finding(True, "compiled code", f"kept in {writable}")


def _shared_memory(folder: str) -> Finding:
    try:
        free = shutil.disk_usage(folder).free
        with tempfile.TemporaryDirectory(dir=folder, prefix="trochil-doctor-") as place:
            SharedBook.create(
                str(Path(place, "x", "A-B.arrow")), venue="x", trading_pair="A-B"
            ).close(unlink=True)
    except (OSError, ConfigError) as error:
        return Finding(False, "shared memory", str(error))
    return Finding(
        free >= ENOUGH_SHARED_MEMORY, "shared memory", f"{folder}: {free // 2**20} MB free"
    )


def _state_dir(settings: Settings) -> Finding:
    try:
        folder = settings.folder
        probe = folder / f".doctor-{os.getpid()}-{time.time_ns()}"
        probe.touch()
        probe.unlink()
    except (OSError, ConfigError) as error:
        return Finding(False, "state", str(error))
    return Finding(True, "state", str(folder))


def _keys(venue: str, account: str, reference: str) -> Finding:
    try:
        load_keys(reference)
    except (AuthenticationError, ConfigError) as error:
        return Finding(False, f"key of {venue}/{account}", str(error))
    return Finding(True, f"key of {venue}/{account}", f"found by {reference.partition(':')[0]}")


def _versions(here: str, there: list[str]) -> Finding:
    others = sorted({version for version in there if version != here})
    if others:
        return Finding(
            False,
            "Ray",
            f"{here} here, {', '.join(others)} in the cluster: install the same version",
        )
    return Finding(True, "Ray", f"{here}{'' if there else ', no cluster runs'}")
