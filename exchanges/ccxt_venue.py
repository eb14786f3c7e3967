"""Any venue of ccxt as a row like ours: "ccxt:gate". ccxt owns the sockets; calls carry the names
of its methods.

Nothing here speaks to a network: the drivers that do are actors/ccxt_*.py.
"""

import difflib
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, ClassVar

from exchanges.ccxt_reading import (
    read_balances,
    read_fee,
    read_fills,
    read_order,
    read_rules,
    read_summaries,
)
from exchanges.contract import (
    About,
    Answer,
    Auth,
    AuthDict,
    BookFeed,
    Call,
    Endpoints,
    ErrorKind,
    Exchange,
    Fault,
    FillCursor,
    Frame,
    OrderEntry,
    Page,
    Request,
    UnsignedRequest,
    UserFeed,
)
from exchanges.orders import (
    Balance,
    Fee,
    Fill,
    InFlightOrder,
    MarketSummary,
    OrderType,
    OrderUpdate,
    TimeInForce,
    TradingRule,
)
from exchanges.signing import base36
from orderbook.errors import ConfigError

PREFIX = "ccxt:"
RENAMED = {"gateio": "gate", "huobi": "htx", "okex": "okx"}
"""Ids that ccxt gave up, and those that it has now."""
UNCHECKED = "bridge: gaps and checksums unchecked"
FIELDS = {
    "apiKey": "api_key",
    "secret": "api_secret",
    "password": "passphrase",
    "privateKey": "private_key",
    "walletAddress": "wallet_address",
    "uid": "uid",
    "login": "login",
    "twofa": "twofa",
    "token": "token",
    "accountId": "account_id",
}
"""ccxt's words for the parts of a key -> ours."""
KINDS = {
    "InsufficientFunds": ErrorKind.FUNDS,
    "OrderNotFound": ErrorKind.NOT_FOUND,
    "OrderNotCached": ErrorKind.UNKNOWN,
    "DuplicateOrderId": ErrorKind.DUPLICATE,
    "InvalidOrder": ErrorKind.REFUSED,
    "ArgumentsRequired": ErrorKind.REFUSED,
    "NotSupported": ErrorKind.REFUSED,
    "BadSymbol": ErrorKind.REFUSED,
    "RateLimitExceeded": ErrorKind.RATE,
    "DDoSProtection": ErrorKind.RATE,
    "ChecksumError": ErrorKind.UNKNOWN,
    "InvalidNonce": ErrorKind.CLOCK,
    "AuthenticationError": ErrorKind.AUTH,
}
"""ccxt's error classes, a special one before its general one; what is not here has an unknown
outcome."""
DAY = 86_400.0
PAGE_FULL = 20
"""Fills in one answer from which on there may be more: the least that a venue of ccxt gives at a
time."""
VISIBILITY = 30.0
NOWHERE = Endpoints("", "", "")


def load_ccxt() -> Any:
    """ccxt's streaming half. Raises ConfigError when it is not installed."""
    try:
        return import_module("ccxt.pro")
    except ImportError as error:
        raise ConfigError(f"venues of ccxt need it installed: pip install ccxt ({error})") from None


def ccxt_class(name: str) -> Any:
    """The class of a venue "ccxt:<id>". Raises ConfigError for one that ccxt hasn't, with those
    that sound alike."""
    ccxt = load_ccxt()
    wanted = name.removeprefix(PREFIX)
    known: list[str] = ccxt.exchanges
    found = wanted if wanted in known else RENAMED.get(wanted, wanted)
    if found not in known:
        close = difflib.get_close_matches(wanted, [*known, *RENAMED], n=3)
        hint = f"; did you mean {', '.join(PREFIX + each for each in close)}?" if close else ""
        raise ConfigError(f"ccxt {ccxt.__version__} streams no venue {wanted!r}{hint}")
    return getattr(ccxt, found)


def bridge(name: str) -> Exchange:
    """The row of "ccxt:<id>". Raises ConfigError where ccxt is missing, or can't watch its spot
    books."""
    kind = ccxt_class(name)
    venue = kind()
    can = frozenset(word for word, has in venue.has.items() if has)
    if not {"watchOrderBook", "spot"} <= can:
        raise ConfigError(f"ccxt can't watch books of spot pairs at {venue.name}")
    questions = ((venue.features or {}).get("spot") or {}).get("fetchMyTrades") or {}
    required = [FIELDS[word] for word, is_needed in venue.requiredCredentials.items() if is_needed]
    return Exchange(
        name=name,
        hosts=NOWHERE,
        testnet=NOWHERE if "test" in venue.urls else None,
        limits=(),
        auth=type("CcxtAuth", (CcxtAuth,), {"fields": tuple(required)}),
        book=CcxtBookFeed,
        user=CcxtUserFeed,
        orders=CcxtOrderEntry.of(can, (questions.get("untilDays") or 0) * DAY),
        error=read_error,
        client_id=client_id,
        visibility=VISIBILITY,
        has=_words(venue, can),
        streams_balances="watchBalance" in can,
        bridged=can,
        about=About(
            title=f"{venue.name} by ccxt",
            books="images, of the depth that ccxt keeps",
            gaps=UNCHECKED,
            checksum="none",
            checked="by the users of ccxt",
        ),
    )


def _words(venue: Any, can: frozenset[str]) -> frozenset[str]:
    """What orders it takes, in our words. Market orders only where their amount is in base
    currency."""
    spot = (venue.features or {}).get("spot") or {}
    tif = (spot.get("createOrder") or {}).get("timeInForce") or {}
    words = {
        word
        for word, theirs in (("post_only", "PO"), ("ioc", "IOC"), ("fok", "FOK"))
        if tif.get(theirs)
    }
    if "createMarketOrder" in can and not venue.options.get("createMarketBuyOrderRequiresPrice"):
        words.add("market")
    return frozenset({*words, "bridge"})


def client_id(number: int) -> str:
    """18 letters and digits: what the strictest of ccxt's venues takes."""
    return f"tr{base36(number):0>16}"


def read_error(answer: Answer) -> Fault | None:
    """Of the driver's answers: {"error": ccxt's class and those above it, "message": text}."""
    if answer.status < 400:
        return None
    said = answer.json()
    names: list[str] = said["error"]
    kind = next((KINDS[name] for name in names if name in KINDS), ErrorKind.UNKNOWN)
    return Fault(kind, names[0], said["message"])


class CcxtAuth(Auth):
    """The parts of a key that ccxt wants. ccxt signs."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        super().__init__(keys)
        self._keys = {theirs: keys[ours] for theirs, ours in FIELDS.items() if keys.get(ours)}

    def credentials(self) -> dict[str, str]:
        """In ccxt's words."""
        return dict(self._keys)

    def sign(self, ask: UnsignedRequest, now: float) -> AuthDict:
        raise NotImplementedError("ccxt signs")


class CcxtBookFeed(BookFeed):
    """Every message is a whole book; ccxt subscribes and reads the frames."""

    full_snapshots_only = True
    snapshot_levels = 1
    """ccxt does not say how many levels there can be: a side is known up to the last that came."""
    gap_check = "unchecked"
    proof_of_life = "what ccxt gives for any pair of the connection"

    def markets(self) -> Call[list[MarketSummary]]:
        return ask("fetch_tickers", lambda answer: read_summaries(answer.json()))

    def trading_rules(self) -> Call[list[TradingRule]]:
        return ask("load_markets", lambda answer: read_rules(answer.json()))

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        return ()

    def parse(self, frame: bytes) -> Iterable[Any]:
        return ()


class CcxtUserFeed(UserFeed):
    """ccxt logs in and reads the frames."""

    def login(self, now: float) -> Iterable[Frame]:
        return ()

    def parse(self, frame: bytes) -> Iterable[Any]:
        return ()


class CcxtOrderEntry(OrderEntry):
    """Calls by the names of ccxt's methods, with what the driver needs to fill in for venues that
    lack one."""

    can: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def of(cls, can: frozenset[str], fills_span: float) -> "type[CcxtOrderEntry]":
        """For a venue that can do this, in ccxt's words, and answers for fills by spans."""
        return type(cls.__name__, (cls,), {"can": can, "fills_span": fills_span})

    def place(self, order: InFlightOrder) -> Call[OrderUpdate]:
        words: dict[str, Any] = {"clientOrderId": order.client_order_id}
        if order.post_only:
            words["postOnly"] = True
        elif order.tif is not TimeInForce.GTC:
            words["timeInForce"] = str(order.tif)
        limit = str(order.price) if order.type is OrderType.LIMIT else None
        terms = {
            "symbol": order.symbol,
            "kind": str(order.type),
            "side": str(order.side),
            "amount": str(order.amount),
        }
        return change("create_order", _about(order), **terms, price=limit, params=words)

    def cancel(self, order: InFlightOrder) -> Call[OrderUpdate | None]:
        def seen(answer: Answer) -> OrderUpdate | None:
            return None if answer.json() is None else _about(order)(answer)

        return change("cancel_order", seen, **_names(order))

    def status(self, order: InFlightOrder) -> Call[OrderUpdate]:
        return ask("fetch_order", _about(order), **_names(order))

    def open_orders(self, trading_pair: str | None = None) -> Call[list[OrderUpdate]]:
        symbol = self.rules[trading_pair].symbol if trading_pair else None
        spot = {rule.symbol for rule in self.rules.values()}

        def orders(answer: Answer) -> list[OrderUpdate]:
            return [read_order(row) for row in answer.json() if row.get("symbol") in spot]

        return ask("fetch_open_orders", orders, symbol=symbol)

    def fills(self, trading_pair: str, after: FillCursor) -> Call[Page[Fill]]:
        since = int(after.page or after.time // 1_000_000)

        def parts(answer: Answer) -> Page[Fill]:
            rows = answer.json()
            newest = max((row.get("timestamp") or 0 for row in rows), default=0)
            return Page(
                read_fills(rows),
                str(newest) if newest > since and len(rows) >= PAGE_FULL else "",
            )

        return ask(
            "fetch_my_trades", parts, symbol=self.rules[trading_pair].symbol, since=since or None
        )

    def balances(self) -> Call[list[Balance]]:
        return ask("fetch_balance", lambda answer: list(read_balances(answer.json())))

    def fees(self, trading_pair: str) -> Call[Fee]:
        symbol = self.rules[trading_pair].symbol
        return ask("fetch_trading_fee", lambda answer: read_fee(answer.json()), symbol=symbol)

    def order_fills(self, order: InFlightOrder) -> Call[list[Fill]] | None:
        """Also where no fills are to be had but those that the order's status tells."""
        if not order.exchange_order_id or self.can & {"fetchOrderTrades", "fetchMyTrades"} == {
            "fetchMyTrades"
        }:
            return None
        fills = {"symbol": order.symbol, "id": order.exchange_order_id}
        return ask("fetch_order_trades", lambda answer: read_fills(answer.json()), **fills)


def _about(order: InFlightOrder) -> Any:
    """Reads the word on this very order, whatever form the venue gave its client id."""

    def seen(answer: Answer) -> OrderUpdate:
        row = {"symbol": order.symbol} | {
            name: value for name, value in answer.json().items() if value is not None
        }
        return read_order(row, order.client_order_id)

    return seen


def _names(order: InFlightOrder) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "id": order.exchange_order_id,
        "client_id": order.client_order_id,
    }


def ask(method: str, reader: Any, **arguments: Any) -> Call[Any]:
    """A query: sent twice it changes nothing."""
    return Call(Request("CCXT", method, body=arguments), reader)


def change(method: str, reader: Any, **arguments: Any) -> Call[Any]:
    return Call(
        Request("CCXT", method, body=arguments, urgent=method == "cancel_order", is_mutating=True),
        reader,
    )
