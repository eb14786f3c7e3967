"""Mounts that only one child process sees; tests that need them skip where this isn't allowed."""

import shutil
import subprocess

import pytest

UNSHARE = ["unshare", "--map-root-user", "--mount"]


def need_mounts() -> None:
    """Skip the test where a process can't have mounts of its own."""
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        pytest.skip("no unshare or no mount here")
    probe = [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace may be made here")
