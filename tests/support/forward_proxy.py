"""A forward proxy: requests of http by their whole address, everything else by CONNECT."""

import asyncio
import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class ForwardProxy:
    """``heard``: the first line of each request. ``password``: "user:password" that is demanded."""

    def __init__(self, password: str = "") -> None:
        self.heard: list[str] = []
        self.port = 0
        self._password = password
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._forward(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # either end hung up
        finally:
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *fields = head.decode().split("\r\n")
        self.heard.append(first)
        if not self._is_allowed(fields):
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        method, target, version = first.split(" ")
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        assert parts.hostname is not None
        theirs, out = await asyncio.open_connection(parts.hostname, parts.port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            query = f"?{parts.query}" if parts.query else ""
            out.write("\r\n".join([f"{method} {parts.path}{query} {version}", *fields]).encode())
        await asyncio.gather(_copy(reader, out), _copy(theirs, writer))

    def _is_allowed(self, fields: list[str]) -> bool:
        wanted = base64.b64encode(self._password.encode()).decode()
        said = [field.partition(": ")[2] for field in fields if field.startswith("Proxy-Auth")]
        return not self._password or said == [f"Basic {wanted}"]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


@contextmanager
def forward_proxy(password: str = "") -> Iterator[ForwardProxy]:
    """A proxy in a thread of its own."""
    proxy = ForwardProxy(password)
    started = threading.Event()
    ending = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def main() -> None:
        server = await proxy.start()
        started.set()
        await ending.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert started.wait(5)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(10)
        loop.close()
