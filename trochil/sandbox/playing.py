"""Plays venues: one in this process, or several in a process each.

A process each, so that a venue which hangs, crashes or is killed leaves the others alone, what it
logs bears its name, and many of them use all cores.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import ssl
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any

from aiohttp import web

from trochil.sandbox.addresses import Listener, in_url
from trochil.sandbox.admin import Admin
from trochil.sandbox.server import Server

SIGNALS = (signal.SIGINT, signal.SIGTERM)
END_WITHIN = 2.0
"""Seconds for clients to answer that their connections end."""
KILL_AFTER = 10.0
"""Seconds after which a venue's process that should end is killed."""
FAILED = 1
"""Exit code where a venue made mistakes of its own, or ended by itself."""


class PlayedVenue:
    """One venue at its address."""

    def __init__(
        self, name: str, server: Server, listener: Listener, tls: ssl.SSLContext | None
    ) -> None:
        self.name = name
        self.server = server
        self.listener = listener
        self._admin = Admin(server)
        self._tls = tls

    @property
    def hosts(self) -> dict[str, str]:
        """Its rest, public and private addresses, as in a deployment's settings."""
        where = f"{in_url(self.listener.host)}:{self.listener.port}"
        secure = "s" if self._tls is not None else ""
        socket = f"ws{secure}://{where}"
        return {"rest": f"http{secure}://{where}", "public": socket, "private": socket}

    def description(self) -> dict[str, Any]:
        """What whoever started the sandbox needs to know, JSON-able."""
        accounts = {account.name: account.keys for account in self.server.venue.accounts.values()}
        accounts.pop(self.server.liquidity_provider.name)
        local = f"{in_url(self.listener.local_host)}:{self.listener.port}"
        return {
            "hosts": self.hosts,
            "admin": f"{'http' if self._tls is None else 'https'}://{local}/_sandbox",
            "admin_token": self._admin.token,
            "accounts": accounts,
            "pairs": list(self.server.venue.symbols),
        }

    async def serve(self, on_ready: Callable[[], None], lifeline: int | None = None) -> None:
        """Until a signal, or until nobody holds the other end of the pipe ``lifeline`` any more."""
        app = self.server.application()
        self._admin.add_routes(app)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=False)
        await runner.setup()
        await web.SockSite(runner, self.listener.socket, ssl_context=self._tls).start()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, stop.set)
        if lifeline is not None:
            loop.add_reader(lifeline, stop.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        on_ready()
        await stop.wait()
        if lifeline is not None:
            loop.remove_reader(lifeline)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_WITHIN):
                await runner.cleanup()

    def report_mistakes(self) -> int:
        """The exit code; says on stderr what went wrong in the sandbox itself."""
        server = self.server
        if not server.own_error_count:
            return 0
        print(
            f"sandbox: {self.name}: {server.own_error_count} mistakes of the sandbox's own; "
            f"the first: {server.own_errors[0]}",
            file=sys.stderr,
        )
        return FAILED


def _log_as(name: str) -> None:
    logging.basicConfig(format=f"{name}: %(message)s")


def play_one(venue: PlayedVenue, announce: Callable[[], None]) -> int:
    """In this process. Returns the exit code."""
    _log_as(venue.name)
    asyncio.run(venue.serve(announce))
    return venue.report_mistakes()


class _VenueProcess:
    """A venue in a process of its own."""

    def __init__(self, venue: PlayedVenue, others: list[PlayedVenue], lifeline: tuple[int, int]):
        self.name = venue.name
        context = multiprocessing.get_context("fork")
        self._ready, ready = context.Pipe(duplex=False)
        self.process: ForkProcess = context.Process(
            target=_play_in_child, args=(venue, others, lifeline, ready), daemon=True
        )
        self.process.start()
        ready.close()

    def wait_ready(self) -> None:
        """Raises ValueError with the reason for which it could not start."""
        try:
            why = self._ready.recv_bytes().decode()
        except EOFError:
            why = "its process ended at once"
        if why:
            raise ValueError(f"{self.name} can't start: {why}")

    def how_it_ended(self) -> str:
        code = self.process.exitcode
        return f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"


def _play_in_child(
    venue: PlayedVenue, others: list[PlayedVenue], lifeline: tuple[int, int], ready: Connection
) -> None:
    """The ports of the others, and the end of the pipe that tells whether the command still runs,
    are not this process's business."""
    _log_as(venue.name)
    for other in others:
        other.listener.socket.close()
    reading, writing = lifeline
    os.close(writing)
    try:
        asyncio.run(venue.serve(lambda: ready.send_bytes(b""), reading))
    except Exception as error:
        logging.getLogger(__name__).exception("the venue ended")
        ready.send_bytes(f"{type(error).__name__}: {error}".encode())
        sys.exit(FAILED)
    sys.exit(venue.report_mistakes())


def play_several(venues: list[PlayedVenue], announce: Callable[[], None]) -> int:
    """Each in a process of its own, until a signal; they end with this process, however it ends.

    None stays up where one can't start: then ValueError. Returns the exit code."""
    sys.stdout.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    lifeline = os.pipe()
    started: list[_VenueProcess] = []
    try:
        for venue in venues:
            others = [other for other in venues if other is not venue]
            started.append(_VenueProcess(venue, others, lifeline))
        os.close(lifeline[0])
        for venue in venues:
            venue.listener.socket.close()
        for one in started:
            one.wait_ready()
        announce()
        _watch(started)
    finally:
        os.close(lifeline[1])
        _end(started)
    return FAILED if any(one.process.exitcode for one in started) else 0


def _watch(started: list[_VenueProcess]) -> None:
    """Until a signal, or until all have ended; one that ends by itself is named."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for number in SIGNALS:
        signal.signal(number, interrupt)
    running = {one.process.sentinel: one for one in started}
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        while running:
            for sentinel in wait(list(running)):
                ended = running.pop(sentinel)  # type: ignore[arg-type]
                ended.process.join()
                print(
                    f"sandbox: {ended.name} ended by itself, {ended.how_it_ended()}; "
                    f"still running: {', '.join(o.name for o in running.values()) or 'none'}",
                    file=sys.stderr,
                )
    except KeyboardInterrupt:
        pass
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _end(started: list[_VenueProcess]) -> None:
    """All at once; whoever hangs is killed."""
    deadline = time.monotonic() + KILL_AFTER
    for one in started:
        one.process.join(max(0.0, deadline - time.monotonic()))
        if one.process.is_alive():
            print(f"sandbox: {one.name} does not end; it is killed", file=sys.stderr)
            one.process.kill()
            one.process.join()
