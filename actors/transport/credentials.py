"""Keys by reference, read on the node that signs."""

import os
import stat
import tomllib
from pathlib import Path

from orderbook.errors import AuthenticationError, ConfigError

FIELDS = ("API_KEY", "API_SECRET", "PASSPHRASE")


def load_keys(reference: str) -> dict[str, str]:
    """The fields of the key that "env:NAME" or "file:PATH#section" refers to.

    Raises AuthenticationError when a key is missing, ConfigError for a file that others can read
    or that is not valid TOML.
    """
    kind, _, rest = reference.partition(":")
    if kind == "env" and rest:
        return _from_environment(rest)
    if kind == "file" and rest:
        path, _, section = rest.partition("#")
        return _from_file(Path(path).expanduser(), section)
    raise ConfigError(
        'a key reference must be "env:NAME" or "file:PATH#section", never a key itself'
    )


def _from_environment(name: str) -> dict[str, str]:
    found = {
        field.lower(): os.environ[f"{name}_{field}"]
        for field in FIELDS
        if os.environ.get(f"{name}_{field}")
    }
    missing = [f"{name}_{field}" for field in FIELDS[:2] if field.lower() not in found]
    if missing:
        raise AuthenticationError(
            f"{' and '.join(missing)} not set in the environment of this node"
        )
    return found


def _from_file(path: Path, section: str) -> dict[str, str]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigError(
                f"key file {path} can be read by others (mode {mode:04o}): chmod 600 {path}"
            )
        tables = tomllib.loads(path.read_text())
    except OSError as error:
        raise AuthenticationError(f"key file {path} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ConfigError(f"key file {path} is not valid TOML") from None
    table = tables.get(section) if section else tables
    if not isinstance(table, dict):
        names = (
            ", ".join(name for name, value in tables.items() if isinstance(value, dict)) or "none"
        )
        raise AuthenticationError(f"key file {path} has no section [{section}]; it has {names}")
    return {name: value for name, value in table.items() if isinstance(value, str)}
