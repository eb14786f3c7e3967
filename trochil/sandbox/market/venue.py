"""The sandbox venue: symbols, accounts, orders, fills. Pure: the time is an argument, events go to
listeners."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from trochil.sandbox.market.accounts import ZERO, Account
from trochil.sandbox.market.matching import Book, Match, Order, OwnCrossing
from trochil.sandbox.market.reasons import Reason


class Rejected(Exception):
    """The venue refuses. ``reason``: a ``Reason``, or a text of a dialect's own, for which that has
    an answer."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} {detail}".rstrip())
        self.reason = reason
        self.detail = detail


@dataclass(slots=True)
class Symbol:
    """One market and its rules."""

    base: str
    quote: str
    price_tick: Decimal
    size_step: Decimal
    min_notional: Decimal = Decimal(5)
    max_size: Decimal = Decimal(9000)
    trading: bool = True
    digits: int = 0
    """The most significant digits of a price that is no integer; 0 does not bind."""

    @property
    def pair(self) -> str:
        return f"{self.base}-{self.quote}"

    def takes(self, price: Decimal) -> bool:
        """Whether an order may have this price."""
        is_short = (
            not self.digits
            or price == int(price)
            or len(price.normalize().as_tuple().digits) <= self.digits
        )
        return price > 0 and not price % self.price_tick and is_short


@dataclass(slots=True, frozen=True)
class Event:
    """Something happened to an order: new, trade, cancelled, expired. ``match`` for a trade."""

    kind: str
    order: Order
    time: int  # ns
    match: Match | None = None
    fee: Decimal = ZERO
    fee_asset: str = ""
    request_id: str = ""

    @property
    def trade_id(self) -> int | None:
        return self.match.id if self.match else None

    @property
    def trade_price(self) -> Decimal:
        """0 without a trade; so is the amount."""
        return self.match.price if self.match else ZERO

    @property
    def trade_amount(self) -> Decimal:
        return self.match.amount if self.match else ZERO

    @property
    def trade_value(self) -> Decimal:
        """In quote."""
        return self.trade_price * self.trade_amount

    @property
    def is_maker(self) -> bool:
        """Whether the order rested when it traded."""
        return self.match is not None and self.match.maker is self.order

    @property
    def fill(self) -> "Fill | None":
        """The account's side of a trade."""
        if self.match is None:
            return None
        return Fill(
            trade_id=self.match.id,
            order=self.order,
            price=self.match.price,
            amount=self.match.amount,
            fee=self.fee,
            fee_asset=self.fee_asset,
            is_maker=self.is_maker,
            time=self.time,
        )


@dataclass(slots=True)
class Fill:
    """An account's side of a trade."""

    trade_id: int
    order: Order
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    time: int  # ns

    @property
    def value(self) -> Decimal:
        """In quote."""
        return self.price * self.amount


@dataclass(slots=True)
class Venue:
    """Every market of the venue. Symbols by pair ("BTC-USDT")."""

    symbols: dict[str, Symbol]
    maker_fee: Decimal = Decimal("0.001")
    taker_fee: Decimal = Decimal("0.001")
    accounts: dict[str, Account] = field(default_factory=dict)
    books: dict[str, Book] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    on_event: list[Callable[[Event], None]] = field(default_factory=list)
    on_trade: list[Callable[[Match], None]] = field(default_factory=list)
    on_book: list[Callable[[str, Order, Match | None], None]] = field(default_factory=list)
    """Called for every order, whoever's: received, match (the maker, once it has shrunk), change
    (it lost the amount of the match, which was kept from happening), open, done."""
    fee_in_quote: bool = False
    """Fees are taken in quote from both sides, and buyers hold them; else each side pays in what it
    receives."""
    fee_step: Decimal | None = None
    """Fees are rounded down to a multiple of it; None: they are exact."""
    post_only_cancels: bool = False
    """A post-only order that would take is accepted and cancelled at once; else it is refused."""
    keeps_own_orders_apart: bool = False
    """Two orders of one account don't trade: the smaller one is cancelled, the larger one loses as
    much; both are cancelled if they are equal."""
    client_ids_last: bool = False
    """A client id may never come again; else not while its order is open, in one market."""
    last_price: dict[str, Decimal] = field(default_factory=dict)
    _next_order: int = 1000
    _first_trade: int = 0

    def __post_init__(self) -> None:
        for pair, symbol in self.symbols.items():
            self.books.setdefault(pair, Book(pair, symbol.size_step))

    def number_from(self, first: int) -> None:
        """Orders and trades from now on have ids above ``first``."""
        self._next_order = first
        self._first_trade = first
        for book in self.books.values():
            book.trade_id = first

    def open_account(self, account: Account) -> Account:
        self.accounts[account.name] = account
        return account

    def list_pair(self, pair: str, symbol: Symbol) -> None:
        self.symbols[pair] = symbol
        self.books.setdefault(pair, Book(pair, symbol.size_step, trade_id=self._first_trade))

    def place(
        self,
        account: Account,
        pair: str,
        side: str,
        type: str,
        amount: Decimal,
        price: Decimal | None,
        time: int,
        *,
        tif: str = "GTC",
        client_id: str = "",
        quote_amount: Decimal | None = None,
        validate_only: bool = False,
    ) -> Order:
        """Take an order: check, hold, match, rest. Raises Rejected, having done nothing.

        ``validate_only``: the order is checked all the same, and not taken."""
        order = Order(
            self._next_order,
            client_id,
            account,
            pair,
            side,
            type,
            tif,
            amount,
            price,
            time,
            quote_amount,
        )
        self._check(order, self._trading(pair))
        if not validate_only:
            self._take(order, time)
        return order

    def _take(self, order: Order, time: int) -> None:
        would_take = order.is_post_only and self._crosses(order)
        self._hold(order)
        self._next_order += 1
        order.client_id = order.client_id or f"sandbox{order.id}"
        order.updated = time
        if not order.account.unlimited:
            self.orders[order.id] = order
        self._emit(Event("new", order, time))
        self._emit_book("received", order)
        if would_take:
            self._end(order, "cancelled", time)
        else:
            self._run(order, time)

    def _run(self, order: Order, time: int) -> None:
        book = self.books[order.symbol]
        if order.tif == "FOK" and order.type == "limit" and book.fillable(order) < order.amount:
            self._end(order, "expired", time)
            return
        for match in book.take(order, time, self.keeps_own_orders_apart):
            if isinstance(match, OwnCrossing):
                self._keep_apart(match, time)
                continue
            self._emit_book("match", match.maker, match)
            self._settle(match)
            if not match.maker.is_open:
                self._emit_book("done", match.maker)
        if order.is_kept_apart:
            return
        if not order.is_open:
            self._emit_book("done", order)
            return
        if order.type == "market" or order.tif in ("IOC", "FOK"):
            self._end(order, "expired", time)
        else:
            book.rest(order)
            self._emit_book("open", order)

    def _keep_apart(self, crossing: OwnCrossing, time: int) -> None:
        """Decrement and cancel: no trade."""
        maker = crossing.maker
        taker = crossing.taker
        amount = min(maker.left, crossing.wanted)
        maker.is_kept_apart = maker.left <= crossing.wanted
        taker.is_kept_apart = crossing.wanted <= maker.left
        if maker.is_kept_apart:
            self.cancel(maker, time)
        else:
            self._decrement(maker, crossing, amount, time)
        if taker.is_kept_apart:
            self._end(taker, "cancelled", time)
        else:
            self._decrement(taker, crossing, amount, time)

    def _decrement(self, order: Order, crossing: OwnCrossing, by: Decimal, time: int) -> None:
        asset, held = self._held_by(order)
        if order is crossing.maker:
            self.books[order.symbol].decrement(order, by)
        elif order.quote_amount is not None:
            order.quote_amount -= by * crossing.price
        else:
            order.amount -= by
        _, still_held = self._held_by(order)
        order.account.release(asset, held - still_held)
        order.updated = time
        none = Match(0, crossing.maker, crossing.taker, crossing.price, by, time)
        self._emit_book("change", order, none)

    def cancel(self, order: Order, time: int, request_id: str = "") -> None:
        """Raises Rejected("unknown_order") when it is closed already."""
        if not order.is_open:
            raise Rejected(Reason.UNKNOWN_ORDER)
        self.books[order.symbol].remove(order)
        self._end(order, "cancelled", time, request_id)

    def _end(self, order: Order, state: str, time: int, request_id: str = "") -> None:
        order.state = state
        order.updated = time
        asset, held = self._held_by(order)
        order.account.release(asset, held)
        self._emit_book("done", order)
        self._emit(Event(state, order, time, request_id=request_id))

    def _trading(self, pair: str) -> Symbol:
        symbol = self.symbols.get(pair)
        if symbol is None:
            raise Rejected(Reason.UNKNOWN_SYMBOL, pair)
        if not symbol.trading:
            raise Rejected(Reason.MARKET_CLOSED, pair)
        return symbol

    def _check(self, order: Order, symbol: Symbol) -> None:
        if not order.account.unlimited:
            self._check_terms(order, symbol)
        if order.is_post_only and not self.post_only_cancels and self._crosses(order):
            raise Rejected(Reason.WOULD_TAKE)
        if not self._can_pay(order, symbol):
            raise Rejected(Reason.INSUFFICIENT_BALANCE)

    def _check_terms(self, order: Order, symbol: Symbol) -> None:
        if order.price is not None and not symbol.takes(order.price):
            raise Rejected(Reason.PRICE_FILTER)
        if order.quote_amount is None and (order.amount <= 0 or order.amount % symbol.size_step):
            raise Rejected(Reason.LOT_SIZE)
        if order.amount > symbol.max_size:
            raise Rejected(Reason.LOT_SIZE)
        if (value := self._expected_value(order)) is not None and value < symbol.min_notional:
            raise Rejected(Reason.NOTIONAL)
        self._check_client_id(order)

    def _expected_value(self, order: Order) -> Decimal | None:
        """In quote; None for a market order by amount before any trade."""
        if order.quote_amount is not None:
            return order.quote_amount
        reference = order.price or self.last_price.get(order.symbol)
        return None if reference is None else reference * order.amount

    def _check_client_id(self, order: Order) -> None:
        for other in self.orders.values() if order.client_id else ():
            named = other.client_id == order.client_id and other.account is order.account
            if named and (self.client_ids_last or (other.is_open and other.symbol == order.symbol)):
                raise Rejected(Reason.DUPLICATE_CLIENT_ID, str(other.id))

    def _crosses(self, order: Order) -> bool:
        best = self.books[order.symbol].best("sell" if order.side == "buy" else "buy")
        if best is None or order.price is None:
            return False
        return order.price >= best if order.side == "buy" else order.price <= best

    def _hold(self, order: Order) -> None:
        asset, amount = self._held_by(order)
        order.account.hold(asset, amount)

    def _held_by(self, order: Order) -> tuple[str, Decimal]:
        """What stands held for the rest of an order; market buys pay as they go."""
        symbol = self.symbols[order.symbol]
        if order.side == "sell":
            return symbol.base, order.left if order.quote_amount is None else ZERO
        if order.type == "market":
            return symbol.quote, ZERO
        return symbol.quote, order.left * (order.price or ZERO) * self._with_fee

    @property
    def _with_fee(self) -> Decimal:
        return 1 + self.taker_fee if self.fee_in_quote else Decimal(1)

    def _can_pay(self, order: Order, symbol: Symbol) -> bool:
        if order.account.unlimited:
            return True
        asset, held = self._held_by(order)
        if order.account.of(asset).free < held:
            return False
        if order.type != "market" or (order.side == "sell" and order.quote_amount is None):
            return True
        base, quote = self._market_cost(order)
        if order.side == "sell":
            return order.account.of(symbol.base).free >= base
        needed = quote if order.quote_amount is None else order.quote_amount
        return order.account.of(symbol.quote).free >= needed * self._with_fee

    def _market_cost(self, order: Order) -> tuple[Decimal, Decimal]:
        """In base and in quote, what a market order takes out of the book as it is now."""
        other = "sell" if order.side == "buy" else "buy"
        base = quote = ZERO
        for price, size in self.books[order.symbol].levels(other):
            left = order.amount - base
            if order.quote_amount is not None:
                left = (order.quote_amount - quote) / price
            taken = min(left, size)
            if taken <= 0:
                break
            base += taken
            quote += taken * price
        return base, quote

    def _settle(self, match: Match) -> None:
        symbol = self.symbols[match.maker.symbol]
        quote = match.price * match.amount
        self.last_price[match.maker.symbol] = match.price
        for order, rate in ((match.maker, self.maker_fee), (match.taker, self.taker_fee)):
            self._pay(order, symbol, match, quote, rate)
        for listener in self.on_trade:
            listener(match)

    def _pay(
        self, order: Order, symbol: Symbol, match: Match, quote: Decimal, rate: Decimal
    ) -> None:
        account = order.account
        if order.side == "buy":
            in_quote = self.fee_in_quote
            fee = self._fee(quote if in_quote else match.amount, rate)
            asset = symbol.quote if in_quote else symbol.base
            cost = quote + fee if in_quote else quote
            if order.type == "market":
                account.pay(symbol.quote, cost, held=False)
            else:
                # The hold was at the order's own price: what a better price saves comes back.
                assert order.price is not None
                held = order.price * match.amount * self._with_fee
                account.pay(symbol.quote, held, held=True)
                account.receive(symbol.quote, held - cost)
            account.receive(symbol.base, match.amount if in_quote else match.amount - fee)
        else:
            fee = self._fee(quote, rate)
            asset = symbol.quote
            account.pay(symbol.base, match.amount, held=order.quote_amount is None)
            account.receive(symbol.quote, quote - fee)
        event = Event("trade", order, match.time, match, fee, asset)
        if event.fill is not None and not account.unlimited:
            self.fills.append(event.fill)
        order.fees += fee
        self._emit(event)

    def _fee(self, amount: Decimal, rate: Decimal) -> Decimal:
        fee = amount * rate
        return fee if self.fee_step is None else fee // self.fee_step * self.fee_step

    def _emit_book(self, kind: str, order: Order, match: Match | None = None) -> None:
        for listener in self.on_book:
            listener(kind, order, match)

    def _emit(self, event: Event) -> None:
        if not event.order.account.unlimited:
            for listener in self.on_event:
                listener(event)
