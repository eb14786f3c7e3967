"""One ccxt object behind the bridge's calls; calls that a venue lacks are built from others."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

from actors.settings import VenueSettings
from actors.transport.proxies import proxy_by_setting, proxy_for
from exchanges.ccxt_reading import unified
from exchanges.ccxt_venue import CcxtAuth, ccxt_class
from exchanges.contract import MALFORMED, Auth, Exchange
from orderbook.errors import ConfigError, Disconnected, InvalidOrder, NotListed, TrochilError

OPTIONS = {"warnOnFetchOpenOrdersWithoutSymbol": False, "defaultType": "spot"}
LISTS = ("fetchOpenOrders", "fetchClosedOrders", "fetchCanceledOrders", "fetchOrders")
"""The lists in which an order is looked up that can't be fetched by its id."""


def names_of(error: BaseException) -> list[str]:
    """ccxt's class of an error and those above it."""
    return [kind.__name__ for kind in type(error).__mro__]


def make_ccxt(exchange: Exchange, venue: VenueSettings, auth: Auth | None) -> Any:
    """The ccxt object of a venue. Raises ConfigError."""
    if venue.hosts:
        raise ConfigError(
            f"{exchange.name}: ccxt has its own hosts; replace them with ccxt: {{urls: ...}}"
        )
    keys = auth.credentials() if isinstance(auth, CcxtAuth) else {}
    options = OPTIONS | dict(venue.ccxt.get("options", {}))
    trust = {"cafile": str(Path(venue.ca_file).expanduser())} if venue.ca_file else {}
    proxy = proxy_for("https://venue.example", proxy_by_setting(venue.proxy))
    has_its_own = any("proxy" in name.lower() for name in venue.ccxt)
    proxies = {} if has_its_own or not proxy else {"httpsProxy": proxy, "wssProxy": proxy}
    made = ccxt_class(exchange.name)({**trust, **proxies, **venue.ccxt, "options": options, **keys})
    if venue.testnet:
        made.set_sandbox_mode(True)
    return made


class CcxtClient:
    """The methods that the bridge's calls name: those of ccxt, made complete and safe."""

    def __init__(self, exchange: Exchange, venue: VenueSettings, auth: Auth | None) -> None:
        self.api = make_ccxt(exchange, venue, auth)
        self._name = exchange.name
        self._can = exchange.bridged
        self._symbols = {unified(pair) for pair in venue.pairs}
        self._witness: tuple[str, str] | None = None
        self._finds_by_client_id = False

    async def close(self) -> None:
        await self.api.close()

    async def load_markets(self) -> dict[str, Any]:
        markets = await self.api.load_markets(True)
        spot = [market for market in markets.values() if market.get("spot")]
        return {"precision_mode": self.api.precisionMode, "markets": spot}

    async def fetch_tickers(self) -> list[Any]:
        return list((await self.api.fetch_tickers()).values())

    async def fetch_balance(self) -> Any:
        return await self.api.fetch_balance()

    async def fetch_trading_fee(self, symbol: str) -> Any:
        """The account's own fee, or else ccxt's fee of the market."""
        if self._can & {"fetchTradingFee", "fetchTradingFees"}:
            return await self.api.fetch_trading_fee(symbol)
        await self.api.load_markets()
        return self.api.market(symbol)

    async def create_order(
        self,
        symbol: str,
        kind: str,
        side: str,
        amount: str,
        price: str | None,
        params: dict[str, Any],
    ) -> Any:
        self._symbols.add(symbol)
        try:
            await self.api.load_markets()
            self._must_be_exact(symbol, amount, price)
        except TrochilError:
            raise
        except Exception as error:  # whatever it is, the order has not been sent
            raise Disconnected(
                f"{symbol}: nothing was sent: {type(error).__name__} {error}"
            ) from None
        limit = None if price is None else float(price)
        placed = await self.api.create_order(symbol, kind, side, float(amount), limit, params)
        self._witness = (symbol, params["clientOrderId"])
        return placed

    def _must_be_exact(self, symbol: str, amount: str, price: str | None) -> None:
        """Refuse a size or price that ccxt would silently round to the market's steps."""
        sent = self.api.amount_to_precision(symbol, float(amount))
        if Decimal(sent) != Decimal(amount):
            raise InvalidOrder(f"{symbol}: ccxt would send the amount {sent} instead of {amount}")
        if price is not None:
            sent = self.api.price_to_precision(symbol, float(price))
            if Decimal(sent) != Decimal(price):
                raise InvalidOrder(f"{symbol}: ccxt would send the price {sent} instead of {price}")

    async def cancel_order(self, symbol: str, id: str, client_id: str) -> Any:
        """The order after the venue accepted the cancel, or None if it can't be fetched.

        It is cancelled by the venue's own id only: to some venues an empty id means every order.
        """
        venue_id = id or str((await self.fetch_order(symbol, "", client_id))["id"])
        await self.api.cancel_order(venue_id, symbol)
        try:
            return await self._by_id(symbol, venue_id)
        except Exception:  # the cancel was accepted: the order's state is fetched again later
            return None

    async def fetch_order(self, symbol: str, id: str, client_id: str) -> Any:
        self._symbols.add(symbol)
        return await (self._by_id(symbol, id) if id else self._by_client_id(symbol, client_id))

    async def _by_id(self, symbol: str, id: str) -> Any:
        if "fetchOrder" in self._can:
            return await self.api.fetch_order(id, symbol)
        async for order in self._listed(symbol):
            if order["id"] == id:
                return order
        raise NotListed(
            f"{symbol}: ccxt can't fetch a single order here, and lists none with id {id}"
        )

    async def _by_client_id(self, symbol: str, client_id: str) -> Any:
        """Raises ccxt's OrderNotFound only if an existing order can be found by its client id."""
        found, denied = await self._fetch_by_client_id(symbol, client_id)
        if found is not None:
            self._finds_by_client_id = True
            return found
        async for order in self._listed(symbol):
            if has_client_id(order, client_id):
                return order
        if denied is not None and await self._proves_not_found():
            raise denied
        raise NotListed(
            f"{symbol}: ccxt finds no order {client_id}, which proves nothing at this venue"
        )

    async def _fetch_by_client_id(
        self, symbol: str, client_id: str
    ) -> tuple[Any, Exception | None]:
        """(the order, None), (None, the venue's OrderNotFound) or (None, None)."""
        try:
            order = await self.api.fetch_order("", symbol, {"clientOrderId": client_id})
        except Exception as error:
            if "OrderNotFound" in names_of(error):
                return None, error
            if is_no_answer(error) or "AuthenticationError" in names_of(error):
                raise
            return None, None  # the venue can't fetch by client id
        # Venues that don't know the parameter return another order.
        return (order, None) if has_client_id(order, client_id) else (None, None)

    async def _proves_not_found(self) -> bool:
        if not self._finds_by_client_id and self._witness is not None:
            found, _ = await self._fetch_by_client_id(*self._witness)
            self._finds_by_client_id = found is not None
        return self._finds_by_client_id

    async def _listed(self, symbol: str) -> Any:
        for method in LISTS:
            try:
                orders = await getattr(self.api, method)(symbol) if method in self._can else ()
            except Exception as error:
                if is_no_answer(error):
                    raise
                continue  # the venue refuses this list; another may work
            for order in orders:
                yield order

    async def fetch_open_orders(self, symbol: str | None) -> list[Any]:
        """Open orders of one symbol, or of all.

        A venue that needs a symbol is asked for each symbol in use.
        """
        try:
            return list(await self.api.fetch_open_orders(symbol))
        except Exception as error:
            if symbol is not None or "ArgumentsRequired" not in names_of(error):
                raise
        found = []
        for each in sorted(self._symbols):
            found += await self.api.fetch_open_orders(each)
        return found

    async def fetch_my_trades(self, symbol: str, since: int | None) -> list[Any]:
        if "fetchMyTrades" not in self._can:
            return []
        return list(await self.api.fetch_my_trades(symbol, since))

    async def fetch_order_trades(self, symbol: str, id: str) -> list[Any]:
        """The fills of one order, from its status if ccxt can't fetch them."""
        if "fetchOrderTrades" in self._can:
            return list(await self.api.fetch_order_trades(id, symbol))
        return list((await self._by_id(symbol, id)).get("trades") or ())

    async def set_clock(self) -> None:
        """Make ccxt sign with the venue's time, if ccxt can read it."""
        if "fetchTime" in self._can and hasattr(self.api, "load_time_difference"):
            self.api.options["adjustForTimeDifference"] = True
            async with asyncio.timeout(10.0):
                await self.api.load_time_difference()


def is_no_answer(error: Exception) -> bool:
    """Whether the network failed, rather than the venue refusing or ccxt failing to parse."""
    return "ExchangeError" not in names_of(error) and not isinstance(error, MALFORMED)


def has_client_id(order: Any, client_id: str) -> bool:
    """Whether an order has our client id; some venues put a prefix before it."""
    return (
        isinstance(order, dict)
        and bool(client_id)
        and str(order.get("clientOrderId") or "").endswith(client_id)
    )
