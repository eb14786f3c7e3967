"""Runs Calls over aiohttp: rate limits, signing, clock sync, and translation of foreign errors."""

import asyncio
import logging
import math
import ssl
from collections import deque
from collections.abc import Callable, Generator
from contextlib import nullcontext
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from actors.clock import SYSTEM, Clock
from actors.transport.nonces import Nonces
from actors.transport.proxies import proxy_for, without_credentials
from actors.transport.rate_limits import Budget
from actors.transport.venue_clock import VenueClock
from exchanges.contract import (
    MALFORMED,
    Answer,
    Auth,
    AuthDict,
    Call,
    Endpoints,
    ErrorKind,
    Exchange,
    Fault,
    Request,
)
from exchanges.rows import bad_rows, joined, unreadable
from orderbook.errors import (
    AuthenticationError,
    ClockSkew,
    Disconnected,
    DuplicateOrder,
    InsufficientFunds,
    InvalidOrder,
    NotFound,
    RateLimited,
    UnknownOutcome,
    UnreadableAnswer,
    VenueError,
)

log = logging.getLogger(__name__)
T = TypeVar("T")
REQUEST_TIMEOUT = 10.0
QUICK_READING = 1.0
"""Seconds of a round trip that tells the venue's time well enough; a slower one is repeated once:
the first may have opened a connection."""
DEFAULT_BAN = 10.0
"""Seconds without requests after a 429 that gives no deadline."""
MIN_BAN = 1.0
"""Seconds without requests when the deadline of an answer has passed already."""
MAX_WAIT = 30.0
"""Seconds that a request waits for its rate limit before it is refused here."""
ERRORS: dict[ErrorKind, type[VenueError]] = {
    ErrorKind.REFUSED: InvalidOrder,
    ErrorKind.FUNDS: InsufficientFunds,
    ErrorKind.UNKNOWN: UnknownOutcome,
    ErrorKind.NOT_FOUND: NotFound,
    ErrorKind.DUPLICATE: DuplicateOrder,
    ErrorKind.RATE: RateLimited,
    ErrorKind.CLOCK: ClockSkew,
    ErrorKind.AUTH: AuthenticationError,
    ErrorKind.UNREADABLE: UnknownOutcome,
}
BAD_FRAMES_KEPT = 16
BAD_FRAME_BYTES = 4096
"""Of each that is kept."""
REASONS_LOGGED = 256
"""Reasons why something could not be read that are logged once each."""


class Rest:
    """The REST client of one venue. ``run`` raises the errors of orderbook.errors and no others."""

    def __init__(
        self,
        exchange: Exchange,
        session: aiohttp.ClientSession | None,
        hosts: Endpoints,
        auth: Auth | None = None,
        clock: Clock = SYSTEM,
        on_sent: Callable[[], None] = lambda: None,
        on_fault: Callable[[Fault], None] = lambda fault: None,
        tls: ssl.SSLContext | None = None,
        proxy: str = "",
    ) -> None:
        """``on_sent`` is called once the bytes of a mutating request have been sent.

        ``on_fault`` gets each row of an answer, or each whole answer, that could not be read.
        ``session`` None: a subclass has its own transport. ``tls``: whom the venue's websockets
        trust, like the session; None: the system's certificates. ``proxy``: for the websockets
        too, as in ``proxy_for``; empty: the environment's.
        """
        self._exchange = exchange
        self._session = session
        self._auth = auth
        self._clock = clock
        self._hosts = hosts
        self._budget = Budget(exchange.limits)
        self._venue_clock = VenueClock(clock)
        self._reading_clock = asyncio.Lock()
        self._turn = asyncio.Lock() if exchange.in_turn else nullcontext()
        self._nonces = Nonces(exchange.name, auth.api_key) if exchange.in_turn and auth else None
        self.tls = tls
        self.proxy = proxy
        self.on_sent = on_sent
        self.on_fault = on_fault
        self.requests = 0
        self.faults = 0
        """Rows and whole answers that could not be read."""
        self._bad_frames: deque[bytes] = deque(maxlen=BAD_FRAMES_KEPT)
        self._logged: set[str] = set()

    def now(self) -> float:
        """Unix seconds on the venue's clock; on ours until the venue's has been read."""
        return self._venue_clock.now()

    def status(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "faults": self.faults,
            "clock_offset": round(self._venue_clock.offset, 4),
        } | self._budget.status(self.now())

    def bad_frames(self) -> list[bytes]:
        """The last rows and answers that could not be read, each cut after 4096 bytes."""
        return list(self._bad_frames)

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def run(self, call: Call[T], timeout: float = REQUEST_TIMEOUT) -> T:
        """The parsed answer of a call.

        A mutating request whose outcome isn't known raises UnknownOutcome.
        """
        request = call.request
        if request.signed:
            await self.keep_clock()
        began = self._clock.monotonic()
        try:
            return await self._once(call, timeout)
        except ClockSkew:
            # The venue did nothing: the same request may be sent once more with the right time.
            async with self._reading_clock:
                if not self._venue_clock.was_read_since(began):
                    self.doubt_clock()
                    await self._read_clock()
            return await self._once(call, timeout)
        except NotFound:
            if call.otherwise is None:
                raise
            return await self.run(call.otherwise, timeout)

    async def _once(self, call: Call[T], timeout: float) -> T:
        request = call.request
        await self._wait_for_budget(request)
        async with self._turn if request.signed else nullcontext():
            answer = await self._send(request, timeout)
        found, following = self._read(call, answer)
        if following is None:
            return found
        rest: T = joined(found, await self.run(following, timeout))
        return rest

    def _read(self, call: Call[T], answer: Answer) -> tuple[T, Call[T] | None]:
        """What an answer says, and the call for its next part. Raises what it refuses with."""
        request = call.request
        self._budget.note_headers(answer.headers, self.now())
        fault = self._exchange.error(answer)
        if fault is not None:
            raise self._error_of(fault, answer)
        try:
            found = call.read(answer)
            following = call.following(answer) if call.following is not None else None
        except MALFORMED as error:
            what = f"the answer can't be read ({type(error).__name__}: {error})"
            self._note(request, Fault(ErrorKind.UNREADABLE, "", what, frame=answer.body))
            kind = UnknownOutcome if request.is_mutating else UnreadableAnswer
            raise kind(f"{request.method} {request.path}: {what}") from None
        for bad in bad_rows(found):
            self._note(request, unreadable(bad))
        return found, following

    def _note(self, request: Request, fault: Fault) -> None:
        """Count, keep and report what could not be read. Each reason is logged once: rows come
        again with each poll."""
        self.faults += 1
        self._bad_frames.append(fault.frame[:BAD_FRAME_BYTES])
        where = f"{self._exchange.name}: {request.method} {request.path}: {fault.message[:500]}"
        if where not in self._logged and len(self._logged) < REASONS_LOGGED:
            self._logged.add(where)
            log.warning("%s", where)
        self.on_fault(fault)

    async def _wait_for_budget(self, request: Request) -> None:
        while wait := self._budget.wait(request.cost, self.now(), request.urgent):
            banned = self._budget.banned_until > self.now()
            if banned or wait > MAX_WAIT:
                why = "the venue's ban" if banned else "our budget"
                raise RateLimited(
                    f"{request.path}: {why} ends in {wait:.1f} s", retry_at=self.now() + wait
                )
            await asyncio.sleep(wait)
        self._budget.take(request.cost, self.now())

    async def _send(self, request: Request, timeout: float) -> Answer:
        assert self._session is not None
        ready = self._prepare(request)
        self.requests += 1
        if request.is_mutating:
            self._on_sent_soon()
        try:
            async with self._session.request(
                request.method,
                URL(ready["url"], encoded=True),
                headers=ready["headers"],
                data=ready["body"] or None,
                timeout=aiohttp.ClientTimeout(total=timeout),
                allow_redirects=False,
                proxy=proxy_for(ready["url"], self.proxy),
            ) as response:
                body = await response.read()
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, headers, body)
        except aiohttp.ClientConnectorError as error:
            raise Disconnected(
                f"{request.path}: no connection, nothing was sent: {error.strerror or error}"
            ) from None
        except (aiohttp.ClientHttpProxyError, aiohttp.InvalidURL) as error:
            status = getattr(error, "status", "its URL can't be read")
            raise Disconnected(
                f"{request.path}: no connection, nothing was sent: the proxy refused: {status}"
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = without_credentials(f"{type(error).__name__} {error}".rstrip())
            what = f"{request.method} {request.path}: {why}"
            raise (UnknownOutcome if request.is_mutating else Disconnected)(what) from None

    def _on_sent_soon(self) -> None:
        asyncio.get_running_loop().call_later(0.001, self.on_sent)

    def _prepare(self, request: Request) -> AuthDict:
        url = http(getattr(self._hosts, request.over)) + request.path
        if request.signed:
            if self._auth is None:
                raise AuthenticationError(f"{request.path} needs a key: name one in accounts")
            now = self.now() if self._nonces is None else self._nonces.next(self.now())
            return self._auth.generate_auth_dict(
                request.method, url, request.params, request.body, now=now
            )
        query = f"?{urlencode(request.params)}" if request.params else ""
        body = msgspec.json.encode(request.body) if request.body is not None else b""
        headers = {"Content-Type": "application/json"} if body else {}
        return {"url": url + query, "headers": headers, "body": body}

    def _error_of(self, fault: Fault, answer: Answer) -> VenueError:
        message = f"{self._exchange.name}: {fault.message}"
        if fault.kind is not ErrorKind.RATE:
            return ERRORS[fault.kind](message, fault.code)
        until = self.now() + (fault.retry_after or self._ban_of(answer))
        self._budget.ban(until)
        log.warning(
            "%s: rate limited, no request for %.1f s", self._exchange.name, until - self.now()
        )
        return RateLimited(message, fault.code, until)

    def _ban_of(self, answer: Answer) -> float:
        """Seconds without requests by the answer's headers, or a default."""
        after, until = (
            answer.headers.get(name, "") for name in ("retry-after", self._exchange.reset_header)
        )
        if after.isdigit():
            return float(after)
        return max(int(until) / 1000 - self.now(), MIN_BAN) if until.isdigit() else DEFAULT_BAN

    async def keep_clock(self) -> None:
        """Read the venue's time if it isn't known, is old, was doubted, or our own clock jumped.

        To be called before anything is signed by ``now()``. A venue whose time can't be read is
        told in the log, and the last known time stays in force.
        """
        if self._exchange.server_time is None and not self._exchange.bridged:
            return
        async with self._reading_clock:
            if not self._venue_clock.is_due:
                return
            try:
                await self._read_clock()
            except (Disconnected, VenueError) as error:
                log.warning("%s: its clock can't be read: %s", self._exchange.name, error)

    def doubt_clock(self) -> None:
        """Have the venue's time read again before the next signature: one was refused."""
        self._venue_clock.is_doubted = True

    async def _read_clock(self) -> None:
        call = self._exchange.server_time
        if call is None:
            return
        quickest = math.inf
        for _ in range(2):
            await self._wait_for_budget(call.request)
            sent = self._clock.monotonic()
            answer = await self._send(call.request, REQUEST_TIMEOUT)
            received = self._clock.monotonic()
            theirs, _ = self._read(call, answer)
            if received - sent < quickest:
                quickest = received - sent
                self._venue_clock.note(theirs, sent, received)
            if quickest < QUICK_READING:
                return


async def run_handshake(steps: Generator[Call[Any], Any, Any], rest: Rest) -> Any:
    """Run a generator of Calls, sending each answer back in; returns the generator's result."""
    try:
        call = next(steps)
        while True:
            call = steps.send(await rest.run(call))
    except StopIteration as end:
        return end.value


def http(host: str) -> str:
    """The HTTP address of a host, also of one that is given as a websocket address."""
    return host.rstrip("/").replace("wss://", "https://").replace("ws://", "http://")
