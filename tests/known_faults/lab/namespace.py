"""Mounts that only one child process sees."""

from tests.support.mounts import UNSHARE, need_mounts

__all__ = ["UNSHARE", "need_mounts"]
