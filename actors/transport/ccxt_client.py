"""One ccxt object, and the border where its errors become an answer. What a venue lacks is made of what it has."""

import asyncio
from decimal import Decimal
from typing import Any

from actors.settings import VenueSettings
from exchanges.ccxt_reading import unified
from exchanges.ccxt_venue import CcxtAuth, ccxt_class
from exchanges.contract import MALFORMED, Auth, Exchange
from orderbook.errors import ConfigError, Disconnected, InvalidOrder, NotListed, TrochilError

OPTIONS = {"warnOnFetchOpenOrdersWithoutSymbol": False, "defaultType": "spot"}
LISTS = ("fetchOpenOrders", "fetchClosedOrders", "fetchCanceledOrders", "fetchOrders")
"""Where an order is looked for that can't be asked for by name."""


def names_of(error: BaseException) -> list[str]:
    """ccxt's class of an error and those above it."""
    return [kind.__name__ for kind in type(error).__mro__]


def make_ccxt(exchange: Exchange, venue: VenueSettings, auth: Auth | None) -> Any:
    """ccxt's object for a venue. Raises ConfigError."""
    if venue.hosts:
        raise ConfigError(
            f"{exchange.name}: ccxt has hosts of its own; replace them by ccxt: {{urls: ...}}"
        )
    keys = auth.credentials() if isinstance(auth, CcxtAuth) else {}
    options = OPTIONS | dict(venue.ccxt.get("options", {}))
    made = ccxt_class(exchange.name)({**venue.ccxt, "options": options, **keys})
    if venue.testnet:
        made.set_sandbox_mode(True)
    return made


class CcxtClient:
    """What the bridge's calls name: ccxt's methods, where it takes more than one of them or some care."""

    def __init__(self, exchange: Exchange, venue: VenueSettings, auth: Auth | None) -> None:
        self.api = make_ccxt(exchange, venue, auth)
        self._name, self._can = exchange.name, exchange.bridged
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
        """The account's own, or else what ccxt knows of the market."""
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
        except Exception as error:  # whatever it is, the order is still here
            raise Disconnected(
                f"{symbol}: nothing was sent: {type(error).__name__} {error}"
            ) from None
        limit = None if price is None else float(price)
        placed = await self.api.create_order(symbol, kind, side, float(amount), limit, params)
        self._witness = (symbol, params["clientOrderId"])
        return placed

    def _must_be_exact(self, symbol: str, amount: str, price: str | None) -> None:
        """ccxt rounds to the market's steps in silence: what it would change is refused."""
        sent = self.api.amount_to_precision(symbol, float(amount))
        if Decimal(sent) != Decimal(amount):
            raise InvalidOrder(f"{symbol}: ccxt would send the amount {sent} instead of {amount}")
        if price is not None:
            sent = self.api.price_to_precision(symbol, float(price))
            if Decimal(sent) != Decimal(price):
                raise InvalidOrder(f"{symbol}: ccxt would send the price {sent} instead of {price}")

    async def cancel_order(self, symbol: str, id: str, client_id: str) -> Any:
        """What the order is after the venue took the cancel, or None. Only ever by the venue's own id: an empty one
        means every order to some."""
        known = id or str((await self.fetch_order(symbol, "", client_id))["id"])
        await self.api.cancel_order(known, symbol)
        try:
            return await self._by_id(symbol, known)
        except Exception:  # the cancel was taken: what became of the order is asked again
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
        raise NotListed(f"{symbol}: ccxt can't ask for one order here, and lists none with id {id}")

    async def _by_client_id(self, symbol: str, client_id: str) -> Any:
        """Raises OrderNotFound of ccxt only where an order that is there was found in the same way."""
        found, denied = await self._asked_by_client_id(symbol, client_id)
        if found is not None:
            self._finds_by_client_id = True
            return found
        async for order in self._listed(symbol):
            if is_named(order, client_id):
                return order
        if denied is not None and await self._proves_denials():
            raise denied
        raise NotListed(
            f"{symbol}: ccxt finds no order {client_id}, which proves nothing at this venue"
        )

    async def _asked_by_client_id(
        self, symbol: str, client_id: str
    ) -> tuple[Any, Exception | None]:
        """(the order, None), (None, the venue's denial) or (None, None)."""
        try:
            order = await self.api.fetch_order("", symbol, {"clientOrderId": client_id})
        except Exception as error:
            if "OrderNotFound" in names_of(error):
                return None, error
            if is_no_answer(error) or "AuthenticationError" in names_of(error):
                raise
            return None, None  # it can't be asked so
        # Venues that don't know the parameter answer with something else.
        return (order, None) if is_named(order, client_id) else (None, None)

    async def _proves_denials(self) -> bool:
        if not self._finds_by_client_id and self._witness is not None:
            found, _ = await self._asked_by_client_id(*self._witness)
            self._finds_by_client_id = found is not None
        return self._finds_by_client_id

    async def _listed(self, symbol: str) -> Any:
        for word in LISTS:
            try:
                orders = await getattr(self.api, word)(symbol) if word in self._can else ()
            except Exception as error:
                if is_no_answer(error):
                    raise
                continue  # this list isn't to be had so; another may
            for order in orders:
                yield order

    async def fetch_open_orders(self, symbol: str | None) -> list[Any]:
        """Of one symbol, or of all; where the venue lists none without a symbol, of those that it is used for."""
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
        """The fills of one order; as its status has them, where there is no other way."""
        if "fetchOrderTrades" in self._can:
            return list(await self.api.fetch_order_trades(id, symbol))
        return list((await self._by_id(symbol, id)).get("trades") or ())

    async def set_clock(self) -> None:
        """Make ccxt sign with the venue's time, where it can."""
        if "fetchTime" in self._can and hasattr(self.api, "load_time_difference"):
            self.api.options["adjustForTimeDifference"] = True
            async with asyncio.timeout(10.0):
                await self.api.load_time_difference()


def is_no_answer(error: Exception) -> bool:
    """Whether the network failed rather than the venue refused, or ccxt's reading of something else."""
    return "ExchangeError" not in names_of(error) and not isinstance(error, MALFORMED)


def is_named(order: Any, client_id: str) -> bool:
    """Whether an order bears our client id; some venues want a prefix before it."""
    return (
        isinstance(order, dict)
        and bool(client_id)
        and str(order.get("clientOrderId") or "").endswith(client_id)
    )
