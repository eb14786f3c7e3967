"""Runs the Calls of the ccxt bridge, with the rate limits, errors and unknown outcomes of Rest."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec

from actors.clock import SYSTEM, Clock
from actors.transport.ccxt_client import CcxtClient, names_of
from actors.transport.proxies import without_credentials
from actors.transport.rate_limits import Budget
from actors.transport.rest import REQUEST_TIMEOUT, Rest
from exchanges.ccxt_venue import KINDS, NOWHERE, UNCHECKED
from exchanges.contract import Answer, Call, Exchange, Request
from orderbook.errors import Disconnected, TrochilError, UnknownOutcome

T = TypeVar("T")
TIMEOUT_FACTOR = 6
"""ccxt waits for its own limits, loads markets and retries: its time-outs are longer by this."""


@dataclass(frozen=True, slots=True)
class DecodedAnswer(Answer):
    """An answer of ccxt, which has decoded it already."""

    value: Any = None

    def json(self, type: Any = Any) -> Any:
        return self.value


def answer_of(error: Exception) -> Answer | None:
    """The venue's answer in an error of ccxt; None if the network or ccxt's parsing failed."""
    names = names_of(error)
    if "BaseError" not in names or ("OperationFailed" in names and not KINDS.keys() & set(names)):
        return None
    body = {"error": names, "message": without_credentials(str(error))[:500]}
    return Answer(400, {}, msgspec.json.encode(body))


class CcxtRest(Rest):
    """A Rest over ccxt. ``client`` executes the calls; the streams use its sockets too."""

    def __init__(
        self,
        exchange: Exchange,
        client: CcxtClient,
        clock: Clock = SYSTEM,
        on_sent: Callable[[], None] = lambda: None,
        budget: Budget | None = None,
    ) -> None:
        super().__init__(exchange, None, NOWHERE, None, clock, on_sent, budget=budget)
        self.client = client

    async def close(self) -> None:
        await super().close()
        await self.client.close()

    def status(self) -> dict[str, Any]:
        return super().status() | {"note": UNCHECKED}

    async def run(self, call: Call[T], timeout: float = REQUEST_TIMEOUT * TIMEOUT_FACTOR) -> T:
        return await super().run(call, timeout)

    async def _send(self, request: Request, timeout: float) -> Answer:
        self.requests += 1
        if request.is_mutating:
            self._on_sent_soon()
        try:
            async with asyncio.timeout(timeout):
                method = getattr(self.client, request.path)
                value = await method(**cast(dict[str, Any], request.body))
                return DecodedAnswer(200, {}, b"", value)
        except TrochilError:
            raise
        except Exception as error:  # ccxt lets the exceptions of its parsers through, too
            answer = answer_of(error)
            if answer is not None:
                return answer
            why = without_credentials(str(error))[:300]
            what = f"ccxt {request.path}: {type(error).__name__} {why}"
            raise (UnknownOutcome if request.is_mutating else Disconnected)(what) from None

    async def _read_clock(self) -> None:
        try:
            await self.client.set_clock()
        except Exception as error:
            why = without_credentials(f"{type(error).__name__} {error}")
            raise Disconnected(f"the venue's clock can't be read: {why}") from None
        # ccxt keeps the difference itself: here it only matters when it was read.
        now = self._clock.monotonic()
        self._venue_clock.note(self._clock.time(), now, now)
