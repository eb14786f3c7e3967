"""The client for async code; the sync one stands on it."""

import asyncio
import contextlib
import fnmatch
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

import pandas as pd
import pyarrow as pa

from actors.actor_roles import (
    DataSourceActor,
    RetryingCalls,
    data_source_actor,
    hosted_actor,
    market_actor,
    reading_actor,
    supervisor_actor,
    tracker_actor,
)
from actors.component import ChannelAddress, Runtime
from actors.runtime.inline import InlineRuntime
from actors.runtime.ray.runtime import RayRuntime
from actors.settings import Settings, VenueSettings, load_settings
from exchanges.orders import TradingRule
from exchanges.registry import canonical, get
from exchanges.rules import parse_pair
from orderbook.errors import BadPair, ConfigError, Disconnected, NotReady, TrochilError
from orderbook.messages import BookState, Trade
from orderbook.reader import BookReader
from orderbook.shared import book_path
from trochil.catalogue import Catalogue
from trochil.commands.status import Status
from trochil.feeds import Changes, Locate, read_diffs, read_trades
from trochil.market_handle import AsyncMarketHandle
from trochil.records import Best, Break
from trochil.views import BookView

log = logging.getLogger(__name__)
INLINE = "inline"
LOOK_EVERY = 0.01
READING_KINDS = ("data_source", "user_stream_data_source", "market")
"""The kinds of actors that read what a venue sends."""
STARTS_WITHIN = 30.0
"""Seconds that a call to an actor is tried again while that actor is starting."""
REACHES_WITHIN = 8.0
"""Seconds that a data source which runs may fail to reach its venue before that is an error."""
RESTARTS_WITHIN = 10.0
"""The same while the supervisor restarts."""
APPEARS_WITHIN = 15.0
"""Seconds that a listing of books waits, once, for one whose tracker is just starting."""


def settings_for(
    venues: tuple[str, ...],
    pairs: Any,
    accounts: dict[str, str] | None,
    config: Any,
    testnet: bool,
    inline: bool,
) -> Settings:
    """Settings out of what ``connect`` was given. Raises ConfigError, BadPair."""
    settings = load_settings(config)
    if inline and settings.deployment == "default":
        settings.deployment = INLINE
    venues = tuple(map(canonical, venues))
    accounts = {canonical(name): reference for name, reference in (accounts or {}).items()}
    settings.venues = {canonical(name): venue for name, venue in settings.venues.items()}
    names = list(dict.fromkeys([*venues, *accounts, *settings.venues]))
    for name in names:
        get(name)
        venue = settings.venues.setdefault(name, VenueSettings())
        venue.testnet = venue.testnet or testnet
        if name in venues or len(names) == 1:
            venue.pairs = list(
                dict.fromkeys([*venue.pairs, *(_pair_or_top(pair) for pair in _listed(pairs))])
            )
        if name in accounts:
            venue.accounts.setdefault("default", accounts[name])
    return settings


def _listed(pairs: Any) -> list[str]:
    return [pairs] if isinstance(pairs, str) else list(pairs)


def _pair_or_top(pair: str) -> str:
    return pair if pair.startswith("top:") else parse_pair(pair)


async def connect_async(
    *venues: str,
    pairs: Any = (),
    address: str | None = None,
    accounts: dict[str, str] | None = None,
    config: Any = None,
    testnet: bool = False,
) -> "AsyncClient":
    """Join a running deployment, else start one; see ``trochil.connect``."""
    settings = settings_for(venues, pairs, accounts, config, testnet, address == INLINE)
    if address is not None and address.startswith("grpc"):
        raise ConfigError(
            "reading over Arrow Flight isn't there yet; connect on a node of the cluster"
        )
    runtime: InlineRuntime | RayRuntime
    runtime = InlineRuntime(settings) if address == INLINE else RayRuntime(settings, address)
    tops = {
        name: [p for p in venue.pairs if p.startswith("top:")]
        for name, venue in settings.venues.items()
    }
    for name, venue in settings.venues.items():
        venue.pairs = [pair for pair in venue.pairs if pair not in tops[name]]
    client = AsyncClient(runtime)
    await runtime.start()
    try:
        for name, wanted in tops.items():
            for text in wanted:
                found = await client._top_pairs(name, text)
                await client._supervisor.add_pairs(name, found)
                settings.venues[name].pairs += found
        await client._require(settings)
    except BaseException:
        await client.close()
        raise
    return client


class AsyncClient:
    """A deployment from the outside. ``close`` leaves detached actors running, ``shutdown``
    stops them."""

    def __init__(
        self,
        runtime: Runtime,
        iterate: "Callable[[AsyncIterator[Any]], Iterator[Any]] | None" = None,
    ) -> None:
        self._runtime = runtime
        self._peers = runtime.peers
        self._patient = RetryingCalls(runtime.peers, (Disconnected, NotReady), STARTS_WITHIN)
        self._starting = RetryingCalls(
            RetryingCalls(runtime.peers, (NotReady,), STARTS_WITHIN),
            (Disconnected,),
            REACHES_WITHIN,
        )
        self._supervisor = supervisor_actor(
            RetryingCalls(runtime.peers, (Disconnected,), RESTARTS_WITHIN)
        )
        self._changes = Changes(runtime.peers, self._trackers)
        self._iterate = iterate or _no_iteration
        self._views: dict[tuple[str, str], BookView] = {}
        self._absent: set[tuple[str, str]] = set()
        self._refused: dict[tuple[str, str], BadPair] = {}
        self._catalogue = Catalogue(self.books)
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._catalogue.close()
            await self._changes.close()
            await self._runtime.close()

    async def shutdown(self) -> None:
        """Stop every actor of the deployment. Orders stay as they are: cancel first what shall
        not live on."""
        if not self._closed:
            self._closed = True
            await self._catalogue.close()
            await self._changes.close()
            await self._runtime.shutdown()

    async def _require(self, settings: Settings) -> None:
        """Fail now, by name, for pairs and keys that can't work, rather than time out later."""
        for name, venue in settings.venues.items():
            await self._require_pairs(name, list(dict.fromkeys(venue.pairs)))
            for account in venue.accounts:
                await market_actor(self._patient, f"market/{name}/{account}").features()

    async def _require_pairs(self, venue: str, pairs: list[str]) -> None:
        """Leave out what the venue doesn't list; raise BadPair where nothing else is left.

        A pair that is listed and doesn't trade now stays: it is served as soon as it does.
        """
        refused: dict[str, BadPair] = {}
        for pair in pairs:
            try:
                await self._require_pair(venue, pair)
            except BadPair as error:
                refused[pair] = error
        if not refused:
            return
        if len(refused) == len(pairs):
            await self._supervisor.remove_pairs(venue, pairs)
            raise next(iter(refused.values()))
        listed = await self.rules(venue)
        gone = [pair for pair in refused if pair not in listed]
        if gone:
            await self._supervisor.remove_pairs(venue, gone)
        self._refused |= {(venue, pair): error for pair, error in refused.items()}
        log.warning("not served: %s", "; ".join(str(error) for error in refused.values()))

    async def _require_pair(self, venue: str, pair: str) -> None:
        actors = await self._supervisor.locate_pair(venue, pair)
        await data_source_actor(self._starting, actors["data_source"]).require_pairs([pair])

    async def book(self, venue: str, pair: str, *, timeout: float = 30.0) -> BookView:
        """The book, once it is LIVE. Raises ConfigError, BadPair, and NotReady that says what it
        waits for."""
        venue = get(venue).name
        pair = parse_pair(pair)
        view = self._views.get((venue, pair))
        if view is not None and view.state is BookState.LIVE:
            return view
        actors = await self._located(venue, pair)
        deadline = asyncio.get_running_loop().time() + timeout
        state = "not there yet"
        while asyncio.get_running_loop().time() < deadline:
            view = self._open_view(venue, pair, actors["order_book_tracker"])
            if view is not None:
                if view.state is BookState.LIVE:
                    self._views[venue, pair] = view
                    self._refused.pop((venue, pair), None)
                    return view
                state = view.state.name
            await asyncio.sleep(LOOK_EVERY)
        if (venue, pair) in self._refused:
            raise self._refused[venue, pair]
        why = await self._why(pair, actors)
        raise NotReady(f"{venue} {pair} is {state} after {timeout:g} s: {why}")

    async def _located(self, venue: str, pair: str) -> dict[str, str]:
        """The actors that serve a pair. Raises BadPair, by what the venue said of it."""
        try:
            return await self._supervisor.locate_pair(venue, pair)
        except BadPair:
            if (venue, pair) in self._refused:
                raise self._refused[venue, pair] from None
            raise

    def _open_view(self, venue: str, pair: str, tracker: str) -> BookView | None:
        known = self._views.get((venue, pair))
        if known is not None and known.state is not BookState.STALE:
            return known
        try:
            reader = BookReader(book_path(self._runtime.run_dir, venue, pair))
        except NotReady:
            return None
        self._changes.follow(venue, tracker)
        return BookView(
            venue,
            pair,
            reader,
            self._changes,
            lambda: read_diffs(self._peers, self._channel_of(venue, pair), pair),
            self._iterate,
        )

    def _channel_of(self, venue: str, pair: str) -> Locate:
        """What finds the channel of the pair's tracker, whichever tracks it at that moment."""

        async def locate() -> ChannelAddress:
            actors = await self._supervisor.locate_pair(venue, pair)
            return await tracker_actor(self._peers, actors["order_book_tracker"]).endpoint()

        return locate

    async def _trackers(self) -> list[tuple[str, str]]:
        return [
            (spec["venue"], f"order_book_tracker/{spec['venue']}/{spec['key']}")
            for spec in await self._supervisor.specs()
            if spec["kind"] == "order_book_tracker"
        ]

    async def _appearing(self, venue: str, pair: str, tracker: str) -> BookView | None:
        """A book's view; one that was never seen may be in the making, and is waited for once."""
        view = self._open_view(venue, pair, tracker)
        seen = self._absent | self._views.keys() | self._refused.keys()
        deadline = asyncio.get_running_loop().time() + APPEARS_WITHIN
        while (
            view is None
            and (venue, pair) not in seen
            and asyncio.get_running_loop().time() < deadline
        ):
            await asyncio.sleep(LOOK_EVERY)
            view = self._open_view(venue, pair, tracker)
        if view is None:
            self._absent.add((venue, pair))
        return view

    async def _why(self, pair: str, actors: dict[str, str]) -> str:
        """What the actors of a pair wait for, by what they last said of themselves."""
        found = (await self._supervisor.overview(fresh=False))["actors"]
        said = [
            f"{name} is {found[name]['state']} {_trouble(pair, found[name])}".strip()
            for name in actors.values()
            if name in found
        ]
        return "; ".join(said)

    async def books(self, venue: str = "*", pair: str = "*") -> list[BookView]:
        """Every tracked book whose venue and pair match (shell patterns), LIVE or not."""
        found = []
        for spec in await self._supervisor.specs():
            if spec["kind"] == "order_book_tracker" and fnmatch.fnmatch(spec["venue"], venue):
                for name in fnmatch.filter(spec["pairs"], pair.replace("/", "-")):
                    view = await self._appearing(
                        spec["venue"], name, f"order_book_tracker/{spec['venue']}/{spec['key']}"
                    )
                    if view is not None:
                        self._views[spec["venue"], name] = view
                        found.append(view)
        return found

    async def tops(self) -> pa.Table:
        """One row a book, read in place: venue, pair, state, bid, bid_size, ask, ask_size, mid,
        age (s)."""
        await self._catalogue.begin()
        return self._catalogue.tops()

    async def best(self, pair: str) -> Best:
        """Best bid and offer over all venues whose book of ``pair`` is LIVE. Raises NotReady
        when none is."""
        await self._catalogue.begin()
        try:
            return self._catalogue.best(pair)
        except NotReady:
            await self._catalogue.refresh()
            return self._catalogue.best(pair)

    async def changes(self, *books: BookView) -> AsyncIterator[BookView]:
        """The book that changed, each time one of ``books`` (none: all) did; latest wins; idles
        without spinning."""
        async for view in self._changes.watch(books or await self.books()):
            yield view

    async def trades(self, venue: str, pair: str) -> AsyncIterator[Trade | Break]:
        """Every trade from now on; a Break where some may be missing.

        Raises BadPair when the pair isn't tracked, or not any more.
        """
        venue = canonical(venue)
        pair = parse_pair(pair)
        await self._located(venue, pair)
        async for trade in read_trades(self._peers, self._channel_of(venue, pair), pair):
            yield trade

    async def market(self, venue: str, *, account: str = "default") -> AsyncMarketHandle:
        """Orders of one account. Raises ConfigError when the deployment has no such account."""
        venue = get(venue).name
        found = [
            spec
            for spec in await self._supervisor.specs()
            if spec["kind"] == "market" and spec["venue"] == venue
        ]
        names = [spec["key"] for spec in found]
        if account not in names:
            has = f"it has {', '.join(names)}" if names else "it has none: name one in accounts"
            raise ConfigError(f"{venue} has no account {account!r} in this deployment; {has}")
        return AsyncMarketHandle(self._peers, f"market/{venue}/{account}")

    async def check_keys(
        self, venue: str, *, account: str = "default"
    ) -> dict[str, tuple[str, str]]:
        """One harmless signed request on the node that signs: asset -> (total, available)."""
        await self.market(venue, account=account)
        return await market_actor(self._patient, f"market/{venue}/{account}").check_keys()

    async def markets(self, venue: str) -> pd.DataFrame:
        """get_active_exchange_markets: one row a pair, columns baseAsset, quoteAsset, volume,
        USDVolume."""
        source = await self._data_source(venue)
        return await source.get_active_exchange_markets()

    async def rules(self, venue: str) -> dict[str, TradingRule]:
        """What the venue accepts, by pair: steps, minimum and maximum, whether it trades."""
        source = await self._data_source(venue)
        return {rule.trading_pair: rule for rule in await source.trading_rules()}

    async def _data_source(self, venue: str) -> DataSourceActor:
        venue = get(venue).name
        sources = [
            spec
            for spec in await self._supervisor.specs()
            if spec["kind"] == "data_source" and spec["venue"] == venue
        ]
        if not sources:
            raise NotReady(
                f"{venue} tracks no pair yet, so nobody reads its markets; add a pair first"
            )
        return data_source_actor(self._patient, f"data_source/{venue}/{sources[0]['key']}")

    async def _top_pairs(self, venue: str, text: str) -> list[str]:
        match = re.fullmatch(r"top:(\d+)(?::(\w+))?", text)
        if match is None:
            raise BadPair(f"{text!r}: write top:NUMBER or top:NUMBER:QUOTE, like top:300:USDT")
        from trochil.commands.markets_once import read_markets

        settings = self._runtime.settings
        table = await read_markets(venue, settings.venues[venue])
        if match[2]:
            table = table[table["quoteAsset"] == match[2].upper()]
        return [str(pair) for pair in table.index[: int(match[1])]]

    async def add_pairs(self, venue: str, *pairs: str) -> None:
        """Track more pairs. Raises BadPair for one that the venue doesn't trade; then none of it
        stays."""
        venue = canonical(venue)
        wanted = [parse_pair(pair) for pair in pairs]
        await self._supervisor.add_pairs(venue, wanted)
        try:
            for pair in wanted:
                await self._require_pair(venue, pair)
                self._refused.pop((venue, pair), None)
        except BadPair:
            await self._supervisor.remove_pairs(venue, wanted)
            raise

    async def remove_pairs(self, venue: str, *pairs: str) -> None:
        await self._supervisor.remove_pairs(canonical(venue), [parse_pair(pair) for pair in pairs])

    async def pair_status(self, venue: str, pair: str) -> dict[str, dict[str, Any]]:
        """What the data source and the tracker of a pair say of themselves, asked in this order.

        {"data_source": {pid, began (ns), state, error or status}, "order_book_tracker": the same}.
        Raises BadPair, NotReady, Disconnected.
        """
        actors = await self._supervisor.locate_pair(canonical(venue), parse_pair(pair))
        return {
            kind: await hosted_actor(self._patient, actors[kind]).host_status()
            for kind in ("data_source", "order_book_tracker")
        }

    async def status(self) -> Status:
        """Actors, books, gaps, budgets; prints as a table."""
        return Status.of(await self._supervisor.overview())

    async def bad_frames(self) -> dict[str, list[bytes]]:
        """What venues sent and adapters could not read, by the name of the actor that got it.

        Of each connection and each REST client the last 16 texts, each cut at 4096 bytes. Actors
        with none, and those that don't run, are left out.
        """
        found = {}
        for spec in await self._supervisor.specs():
            if spec["kind"] in READING_KINDS:
                name = f"{spec['kind']}/{spec['venue']}/{spec['key']}"
                with contextlib.suppress(TrochilError):
                    found[name] = await reading_actor(self._peers, name).bad_frames()
        return {name: frames for name, frames in found.items() if frames}

    async def halt(self, cancel: bool = True) -> None:
        """Refuse new orders on every market; cancel the open ones."""
        await self._supervisor.halt(cancel)

    async def resume(self) -> None:
        await self._supervisor.resume()


def _trouble(pair: str, actor: dict[str, Any]) -> str:
    """What keeps an actor from having a pair's book, as far as its status says."""
    status = actor["status"]
    book = status.get("books", {}).get(pair, {})
    reasons = (
        actor["error"],
        status.get("waits_for"),
        next(reversed(status.get("faults", [])), ""),
        status.get("failed_books", {}).get(pair),
        book.get("why"),
    )
    return "and said: " + reason if (reason := next(filter(None, reasons), "")) else ""


def _no_iteration(source: AsyncIterator[Any]) -> Iterator[Any]:
    raise TypeError("iterate with `async for` over AsyncClient.diffs, or use the sync client")
