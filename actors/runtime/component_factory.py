"""Builds the component of an ActorSpec; the only module that knows every constructor."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import aiohttp

from actors.actor_roles import (
    DataSourceActor,
    MarketActor,
    TrackerActor,
    UserStreamActor,
    supervisor_actor,
)
from actors.books.ccxt_connection import CcxtConnection
from actors.books.data_source import OrderBookTrackerDataSource
from actors.books.feed_connection import FeedConnection
from actors.books.order_book_tracker import OrderBookTracker
from actors.clock import SYSTEM
from actors.component import ActorCalls, Component
from actors.orders.ccxt_user_stream import CcxtUserStream
from actors.orders.journal import Journal
from actors.orders.market import Market
from actors.orders.user_stream import UserStreamTrackerDataSource
from actors.orders.user_stream_polling import PollingUserStreamTrackerDataSource
from actors.orders.user_stream_tracker import UserStreamTracker
from actors.settings import ActorSpec, Settings, VenueSettings
from actors.transport.budget_file import storage_at
from actors.transport.ccxt_client import CcxtClient
from actors.transport.ccxt_rest import CcxtRest
from actors.transport.credentials import load_keys
from actors.transport.proxies import proxy_by_setting, proxy_for
from actors.transport.rate_limits import Budget, with_levels
from actors.transport.rest import Rest
from actors.transport.trust import trusting
from exchanges.contract import Auth, Endpoints, Exchange
from exchanges.registry import get
from orderbook.errors import ConfigError, TrochilError
from orderbook.reader import BookReader
from orderbook.shared import book_path

log = logging.getLogger(__name__)
GENERATION_TIMEOUT = 0.5
"""Seconds that a tracker waits for its supervisor before it starts without."""
Checkpoint = Callable[[str], None]
UserStream = UserStreamTrackerDataSource | PollingUserStreamTrackerDataSource


def hosts_of(exchange: Exchange, venue: VenueSettings) -> Endpoints:
    """The venue's addresses: production or testnet, overridden by the settings.

    Raises ConfigError if there is no testnet, or if the venue is closed and one of its own
    addresses would be used.
    """
    base = exchange.testnet if venue.testnet else exchange.hosts
    if base is None:
        raise ConfigError(
            f"{exchange.name} has no testnet; leave testnet out, or name its hosts in the settings"
        )
    given = venue.hosts
    if exchange.closed and len(given) < len(dataclasses.fields(Endpoints)):
        raise ConfigError(
            f"{exchange.name} is closed: {exchange.closed} It runs against the sandbox "
            f"(`trochil sandbox {exchange.name}`) and recordings (`trochil replay`); "
            "name the sandbox's hosts in the settings"
        )
    return Endpoints(
        rest=given.get("rest", base.rest),
        public=given.get("public", base.public),
        private=given.get("private", base.private),
    )


def budget_of(
    exchange: Exchange,
    host: str,
    auth: Auth | None,
    shared_memory: str,
    source: str = "",
    levels_share: float = 0.1,
) -> Budget:
    """What the venue's limits leave to all processes of this user and node: one count for its host
    and our address, and one for the account.

    ``source``: the proxy whose address the venue sees; empty: this node's own. ``levels_share``: of
    the limits, for levels farther out.
    """
    declared = with_levels(exchange.limits, levels_share)
    address = f"{exchange.name} {host} {source}"
    if auth is None:
        limits = [limit for limit in declared if limit.counted_by == "address"]
        return Budget(limits, lambda: storage_at(shared_memory, address))
    account = f"{exchange.name} {host} account {auth.api_key}"
    return Budget(
        declared,
        lambda: storage_at(shared_memory, address),
        lambda: storage_at(shared_memory, account),
    )


def with_granted_limits(exchange: Exchange, scale: float) -> Exchange:
    """The venue with ``scale`` times its documented limits."""
    limits = [
        dataclasses.replace(limit, amount=int(limit.amount * scale)) for limit in exchange.limits
    ]
    return dataclasses.replace(exchange, limits=tuple(limits))


def rest_of(
    exchange: Exchange,
    venue: VenueSettings,
    auth: Auth | None = None,
    shared_memory: str = Settings().shared_memory,
) -> Rest:
    """The REST client of a venue, to be closed by the caller. Raises ConfigError."""
    exchange = with_granted_limits(exchange, venue.limits_scale)
    if exchange.bridged:
        budget = budget_of(exchange, str(venue.ccxt.get("urls", "")), auth, shared_memory)
        return CcxtRest(exchange, CcxtClient(exchange, venue, auth), SYSTEM, budget=budget)
    if venue.ccxt:
        raise ConfigError(f"{exchange.name}: the setting ccxt goes with venues named ccxt:<id>")
    hosts = hosts_of(exchange, venue)
    proxy = proxy_by_setting(venue.proxy)
    source = proxy_for(hosts.rest, proxy) or ""
    share = venue.levels_share
    budget = budget_of(exchange, hosts.rest, auth, shared_memory, source, share)
    tls = trusting(venue.ca_file) if venue.ca_file else None
    connector = None if tls is None else aiohttp.TCPConnector(ssl=tls)
    session = aiohttp.ClientSession(connector=connector)
    return Rest(
        exchange,
        session,
        hosts,
        auth,
        SYSTEM,
        tls=tls,
        proxy=proxy,
        budget=budget,
        levels_share=share,
    )


def user_stream_of(exchange: Exchange, venue: VenueSettings) -> type[UserStream]:
    """The class that delivers an account's events: by our socket, ccxt's, or polling."""
    if venue.user_stream == "polling" or (
        exchange.bridged and "watchOrders" not in exchange.bridged
    ):
        return PollingUserStreamTrackerDataSource
    return CcxtUserStream if exchange.bridged else UserStreamTrackerDataSource


class ComponentFactory:
    """Builds the components of one process."""

    def __init__(
        self, settings: Settings, run_dir: str, peers: ActorCalls, checkpoint: Checkpoint
    ) -> None:
        self.settings = settings
        self.run_dir = run_dir
        self.peers = peers
        self.checkpoint = checkpoint
        self._rests: list[Rest] = []

    async def close(self) -> None:
        for rest in self._rests:
            await rest.close()

    def build(self, spec: ActorSpec) -> Component:
        """The component of a spec; call it inside a running loop.

        Raises ConfigError and AuthenticationError.
        """
        venue = self.settings.venues[spec.venue]
        exchange = get(spec.venue).with_feed(venue.feed)
        makers: dict[str, Callable[[ActorSpec, Exchange, VenueSettings], Component]] = {
            "data_source": self._data_source,
            "order_book_tracker": self._order_book_tracker,
            "user_stream_data_source": self._user_stream_data_source,
            "user_stream_tracker": self._user_stream_tracker,
            "market": self._market,
        }
        return makers[spec.kind](spec, exchange, venue)

    def _place(self, spec: ActorSpec) -> dict[str, Any]:
        return {"run_dir": self.run_dir, "name": spec.name}

    def _rest(self, exchange: Exchange, venue: VenueSettings, auth: Auth | None) -> Rest:
        self._rests.append(rest_of(exchange, venue, auth, self.settings.shared_memory))
        return self._rests[-1]

    def _auth(self, spec: ActorSpec, exchange: Exchange) -> Auth | None:
        return exchange.auth(load_keys(spec.key_reference)) if spec.key_reference else None

    def _data_source(self, spec: ActorSpec, exchange: Exchange, venue: VenueSettings) -> Component:
        hosts = hosts_of(exchange, venue)
        auth = self._auth(spec, exchange)
        rest = self._rest(exchange, venue, auth)
        return OrderBookTrackerDataSource(
            exchange,
            hosts=hosts,
            pairs=spec.pairs,
            rest=rest,
            auth=auth,
            rules_refresh=self.settings.rules_refresh,
            connection=CcxtConnection if exchange.bridged else FeedConnection,
            **self._place(spec),
        )

    def _order_book_tracker(
        self, spec: ActorSpec, exchange: Exchange, venue: VenueSettings
    ) -> Component:
        source = spec.sibling("data_source")
        return OrderBookTracker(
            exchange,
            peers=self.peers,
            data_source=source,
            capacity=venue.capacity,
            trusted_levels=venue.trusted_levels,
            whole_snapshots=venue.whole_snapshots,
            generation=self._new_generation,
            checkpoint=self.checkpoint,
            **self._place(spec),
        )

    async def _new_generation(self) -> int:
        """From the supervisor, which stores it; from the clock while there is none."""
        try:
            async with asyncio.timeout(GENERATION_TIMEOUT):
                return await supervisor_actor(self.peers).new_generation()
        except (TrochilError, TimeoutError) as error:
            log.warning("no generation from the supervisor, the clock's is taken: %r", error)
            return int(SYSTEM.time())

    def _user_stream_data_source(
        self, spec: ActorSpec, exchange: Exchange, venue: VenueSettings
    ) -> Component:
        hosts = hosts_of(exchange, venue)
        auth = self._auth(spec, exchange)
        rest = self._rest(exchange, venue, auth)
        kind = user_stream_of(exchange, venue)
        return kind(exchange, hosts=hosts, rest=rest, auth=auth, clock=SYSTEM, **self._place(spec))

    def _user_stream_tracker(
        self, spec: ActorSpec, exchange: Exchange, venue: VenueSettings
    ) -> Component:
        source = spec.sibling("user_stream_data_source")
        return UserStreamTracker(
            exchange, peers=self.peers, data_source=source, **self._place(spec)
        )

    def _market(self, spec: ActorSpec, exchange: Exchange, venue: VenueSettings) -> Component:
        auth = self._auth(spec, exchange)
        return Market(
            exchange,
            account=spec.key,
            rest=self._rest(exchange, venue, auth),
            peers=self.peers,
            user_stream_tracker=spec.sibling("user_stream_tracker"),
            journal=Journal(self.settings.journal_address, venue=spec.venue, account=spec.key),
            books=lambda pair: BookReader(book_path(self.run_dir, spec.venue, pair)),
            clock=SYSTEM,
            checkpoint=self.checkpoint,
            **self._place(spec),
        )


if TYPE_CHECKING:
    # Whoever calls an actor sees its role: here mypy finds the method that doesn't fit it any more.
    def _data_source_role(it: OrderBookTrackerDataSource) -> DataSourceActor:
        return it

    def _tracker_role(it: OrderBookTracker | UserStreamTracker) -> TrackerActor:
        return it

    def _user_stream_role(it: UserStream) -> UserStreamActor:
        return it

    def _market_role(it: Market) -> MarketActor:
        return it
