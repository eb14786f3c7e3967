"""The version, which stands in pyproject.toml alone."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def installed_version() -> str:
    """The installed version; in a checkout that isn't installed, what its pyproject.toml says."""
    try:
        return version("trochil")
    except PackageNotFoundError:
        project = Path(__file__).parent.parent / "pyproject.toml"
        return str(tomllib.loads(project.read_text())["project"]["version"])


__version__ = installed_version()
