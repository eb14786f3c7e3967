"""Where a venue listens, and the addresses by which clients reach it."""

import errno
import ipaddress
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass

FIRST_PORT = 18100
"""Where ports are looked for that are to stay the same; below those that the system hands out."""
PORTS_TRIED = 200
LAST_PORT = 65535
BACKLOG = 128
ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses of documentation: no packet is sent to them."""


def is_loopback(host: str) -> bool:
    """Whether an address, as a socket tells it, is of this machine alone."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def is_wildcard(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_unspecified


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def address_of_this_machine(family: int) -> str:
    """The address by which other machines reach this one; loopback where it has no network."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((ELSEWHERE[socket.AddressFamily(family)], 9))
        except OSError:
            return "127.0.0.1" if family == socket.AF_INET else "::1"
        return str(probe.getsockname()[0])


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket and how to reach it."""

    socket: socket.socket
    host: str
    """As clients are to write it: a name, or an address."""
    local_host: str
    """By which this machine reaches it."""
    port: int
    is_open: bool
    """Whether other machines may reach it."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.host, self.local_host)


def listen(host: str, port: int) -> Listener:
    """Bind and listen; port 0: a free one. Raises OSError; ValueError for a host that is not
    known."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ValueError(f"--host {host}: {error.strerror}") from None
    made = socket.socket(family, kind)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(address)
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    bound, number = made.getsockname()[:2]
    if is_wildcard(bound):
        reachable = address_of_this_machine(family)
        return Listener(made, reachable, "127.0.0.1", number, is_open=True)
    return Listener(made, host, host, number, is_open=not is_loopback(bound))


def listen_for(venue: str, host: str, port: int) -> Listener:
    """The same for a venue. Raises ValueError that says what to do."""
    if not 0 <= port <= LAST_PORT:
        raise ValueError(f"{venue}: there is no port {port}; choose a lower --port")
    try:
        return listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise ValueError(
                f"{venue}: {host} is no address of this machine; choose another --host"
            ) from None
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ValueError(
            f"{venue}: port {port} of {host} can't be used: {why}; choose another --port"
        ) from None


def listen_where_free(venue: str, host: str, taken: Iterable[int]) -> Listener:
    """The first free port from FIRST_PORT on, but none of ``taken``. Raises ValueError."""
    refused = set(taken)
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        if port in refused:
            continue
        try:
            return listen(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                break
    return listen_for(venue, host, FIRST_PORT)
