"""Which Ray cluster to join: found before Ray is asked, which tries a dead address for minutes."""

import os
import socket
from pathlib import Path

from orderbook.errors import ConfigError

CONNECT_TIMEOUT = 5.0
"""Seconds within which an address must take a connection."""
GREETING_TIMEOUT = 5.0
"""Seconds within which Ray's server must say that it is one."""
STARTS_OWN = "local"
"""Ray's word for a cluster of one's own."""
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How an HTTP/2 client begins, with empty settings; Ray speaks gRPC, which is HTTP/2."""
_SETTINGS = 4
"""The type of the frame with which an HTTP/2 server begins: byte 3 of it."""


def cluster_address(named: str | None) -> str | None:
    """The address of the cluster to join; None: none runs here, and none was named.

    ``named``: what the caller gave; "auto" and None: RAY_ADDRESS, else the cluster that Ray noted
    on this machine. Raises ConfigError within 15 s if an address was named, by the caller or by
    RAY_ADDRESS, and no Ray answers there, or if "auto" finds none.
    """
    if named not in (None, "auto"):
        if named != STARTS_OWN:
            _must_answer(named, "address")
        return named
    environment = os.environ.get("RAY_ADDRESS", "")
    if environment and environment != "auto":
        if environment != STARTS_OWN:
            _must_answer(environment, "RAY_ADDRESS")
        return environment
    noted = _noted()
    if noted and _trouble_at(noted) is None:
        return noted
    if named is None:
        return None
    raise ConfigError(
        "no Ray cluster runs here; start one with `ray start --head`, or use `trochil up`"
    )


def _noted() -> str:
    path = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"
    return path.read_text().strip() if path.is_file() else ""


def _must_answer(address: str, setting: str) -> None:
    trouble = _trouble_at(address)
    if trouble is not None:
        raise ConfigError(f"no Ray cluster answers at {setting} {address!r}: {trouble}")


def _trouble_at(address: str) -> str | None:
    """Why no Ray answers at an address; None: one does, or its form is none that we can try."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit() or "://" in host:
        return None if "://" in address else "it is not of the form HOST:PORT"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT) as server:
            return None if _speaks_tls() else _greeting_of(server)
    except (OSError, OverflowError) as error:
        return str(error)


def _speaks_tls() -> bool:
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _greeting_of(server: socket.socket) -> str | None:
    server.settimeout(GREETING_TIMEOUT)
    server.sendall(_PREFACE)
    try:
        said = server.recv(9)
    except TimeoutError:
        return f"it says nothing within {GREETING_TIMEOUT:g} s"
    return None if len(said) > 3 and said[3] == _SETTINGS else "what answers is no Ray"
