"""Runs Calls over aiohttp: rate limits, signing, clock sync, and translation of foreign errors."""

import asyncio
import logging
import math
import ssl
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from actors.clock import SYSTEM, Clock
from actors.transport.nonces import Nonces
from actors.transport.proxies import proxy_for, without_credentials
from actors.transport.rate_limits import (
    LONGEST_FLIGHT,
    Budget,
    Lease,
    for_levels,
    share_of,
    with_levels,
)
from actors.transport.retry_times import retry_seconds
from actors.transport.venue_clock import VenueClock
from exchanges.contract import (
    CONNECTIONS,
    FRAMES,
    MALFORMED,
    SOCKETS,
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
"""Seconds without requests after a refusal that gives no deadline, at most where it is of one
limit."""
MIN_PAUSE = 1.0
HANDSHAKE_TIMEOUT = 12.0
RENEW_EVERY = 20.0
"""Seconds between two signs that a socket is still open; without any it counts for a minute."""
HANDSHAKE_BANS = (418,)
"""HTTP status of a handshake after which nothing else is sent to the venue either."""
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
        budget: Budget | None = None,
        levels_share: float = 0.1,
    ) -> None:
        """``on_sent`` is called once the bytes of a mutating request have been sent.

        ``on_fault`` gets each row of an answer, or each whole answer, that could not be read.
        ``session`` None: a subclass has its own transport. ``tls``: whom the venue's websockets
        trust, like the session; None: the system's certificates. ``proxy``: for the websockets
        too, as in ``proxy_for``; empty: the environment's. ``budget``: what the venue's limits
        leave; None: one of this client alone, with ``levels_share`` of it for levels farther out.
        """
        self._exchange = exchange
        self._session = session
        self._auth = auth
        self._clock = clock
        self._hosts = hosts
        self._budget = budget or Budget(
            with_levels(exchange.limits, levels_share), monotonic=clock.monotonic
        )
        self._limits = {limit.name: limit for limit in with_levels(exchange.limits, levels_share)}
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
        } | self._budget.status()

    def take_for_levels(self, cost: Mapping[str, int]) -> float:
        """Take a request's cost out of what levels farther out may take, of all processes here.

        Returns seconds to wait before asking again; 0: it was taken. A request that costs more than
        a whole part takes the whole part.
        """
        parts = {
            for_levels(name): min(n, self._limits[for_levels(name)].amount)
            for name, n in cost.items()
            if for_levels(name) in self._limits
        }
        lease = self._budget.take(parts, timeout=0.0)
        if not lease.wait:
            self._budget.settle(lease)
        return lease.wait

    def bad_frames(self) -> list[bytes]:
        """The last rows and answers that could not be read, each cut after 4096 bytes."""
        return list(self._bad_frames)

    async def close(self) -> None:
        """Close the session."""
        self._budget.close()
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
        answer, _ = await self._send_in_turn(request, timeout)
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
            raise self._error_of(fault, answer, request.cost)
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

    async def _send_in_turn(self, request: Request, timeout: float) -> tuple[Answer, float]:
        """Send when it is its turn and the limits allow it; the answer, and when it left
        (monotonic). Raises RateLimited."""
        share = share_of(request)
        while True:
            async with self._turn if request.signed else nullcontext():
                # Taken last of all: a ban that others heard meanwhile is obeyed.
                lease = self._budget.take(request.cost, share, request.urgent, timeout)
                if not lease.wait:
                    sent = self._clock.monotonic()
                    try:
                        return await self._send(request, timeout), sent
                    finally:
                        self._budget.settle(lease)
            if lease.banned or lease.wait > MAX_WAIT:
                why = "the venue's ban" if lease.banned else "our budget"
                raise RateLimited(
                    f"{request.path}: {why} ends in {lease.wait:.1f} s",
                    retry_at=self.now() + lease.wait,
                )
            await asyncio.sleep(lease.wait)

    # Sockets.

    async def before_handshake(self) -> Lease:
        """Wait until a socket may be opened; to be passed to ``after_handshake``."""
        return await self._take_patiently({CONNECTIONS: 1}, HANDSHAKE_TIMEOUT)

    def after_handshake(self, lease: Lease, refusal: Answer | None) -> VenueError | None:
        """The handshake ended; ``refusal``: how the venue refused it. Returns the error where a
        limit did."""
        self._budget.settle(lease)
        fault = None if refusal is None else self._exchange.error(refusal)
        if refusal is None or fault is None or fault.kind is not ErrorKind.RATE:
            return None
        if fault.ban and not fault.code and refusal.status not in HANDSHAKE_BANS:
            fault = replace(fault, ban=False, limits=(CONNECTIONS,))
        return self._error_of(fault, refusal, lease.cost)

    async def take_socket(self) -> Lease | None:
        """Wait until another socket may be open, where the venue counts them; to be renewed, and
        given back in the end."""
        if SOCKETS not in self._limits:
            return None
        return await self._take_patiently({SOCKETS: 1}, LONGEST_FLIGHT)

    async def keep_socket(self, lease: Lease) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(RENEW_EVERY)
            self._budget.renew(lease)

    def give_back(self, lease: Lease) -> None:
        self._budget.settle(lease)

    async def before_frame(self) -> None:
        """Wait until another frame may be sent over a socket, where the venue counts them all."""
        if FRAMES in self._limits:
            self._budget.settle(await self._take_patiently({FRAMES: 1}, 0.0))

    async def _take_patiently(self, cost: Mapping[str, int], timeout: float) -> Lease:
        while True:
            lease = self._budget.take(cost, timeout=timeout)
            if not lease.wait:
                return lease
            if lease.wait > MAX_WAIT or SOCKETS in cost:
                name = self._exchange.name
                log.info("%s: %s wait %.1f s for its limits", name, ", ".join(cost), lease.wait)
            await asyncio.sleep(min(lease.wait, MAX_WAIT))

    def heed(self, fault: Fault) -> None:
        """Obey a limit that the venue named on a socket."""
        if fault.kind is ErrorKind.RATE and (fault.ban or fault.limits or FRAMES in self._limits):
            self._error_of(fault, Answer(200, {}, b""), {FRAMES: 1})

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

    def _error_of(
        self, fault: Fault, answer: Answer, cost: Mapping[str, int] = MappingProxyType({})
    ) -> VenueError:
        """The error of a refusal, of something that costs ``cost``. What a limit refused is held
        back, in all processes, until the venue listens again."""
        message = f"{self._exchange.name}: {fault.message}"
        if fault.kind is not ErrorKind.RATE:
            return ERRORS[fault.kind](message, fault.code)
        now = self.now()
        told = retry_seconds(fault, answer, self._exchange.reset_header, now)
        names = () if fault.ban else fault.limits or tuple(cost)
        pause = told or self._pause(names)
        what = ", ".join(names)
        if not self._budget.hold(names, pause, told > 0):
            self._budget.ban(pause, told > 0)
            what = "anything"
        log.warning("%s: rate limited, not %s for %.1f s", self._exchange.name, what, pause)
        return RateLimited(message, fault.code, now + pause)

    def _pause(self, names: tuple[str, ...]) -> float:
        """Seconds without requests where the venue didn't tell: until its window ends, if it is
        known when."""
        pauses = [
            limit.per - self.now() % limit.per if limit.aligned else min(limit.per, DEFAULT_BAN)
            for name, limit in self._limits.items()
            if name in names
        ]
        return max([*pauses, MIN_PAUSE]) if pauses else DEFAULT_BAN

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
            answer, sent = await self._send_in_turn(call.request, REQUEST_TIMEOUT)
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
