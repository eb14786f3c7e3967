"""Whom we believe to be a venue."""

import ssl
from pathlib import Path

from orderbook.errors import ConfigError


def trusting(ca_file: str) -> ssl.SSLContext:
    """The system's certificates and those of a PEM file. Raises ConfigError."""
    path = Path(ca_file).expanduser()
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise ConfigError(f"ca_file {path} holds no certificate in PEM") from None
    except OSError as error:
        raise ConfigError(f"ca_file {path} can't be read: {error.strerror}") from None
    return context
