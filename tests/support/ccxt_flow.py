"""What ccxt and ccxt.pro, which nobody here wrote, do with a sandbox: one flow for every venue.

A venue's tests are a subclass of ``Flow``, named TestX: it points ccxt at the venue and declares
what differs there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ClassVar

import ccxt.pro
import pytest

from trochil.sandbox.process import SandboxProcess

PATIENCE = 20.0


async def until(ask: Callable[[], Awaitable[Any]], good: Callable[[Any], bool]) -> Any:
    while not good(found := await ask()):
        await asyncio.sleep(0.05)
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
class Flow:
    venue: ClassVar[str]
    pairs: ClassVar[tuple[str, str]] = ("BTC/USDT", "ETH/USDT")
    steps: ClassVar[tuple[float, float]] = (1e-05, 0.01)
    """Of amount and price."""
    passphrase: ClassVar[str] = ""
    """The key's field that ccxt calls its password."""
    market_terms: ClassVar[dict[str, Any]] = {}
    """What makes the size of a market order one in base."""
    untold: ClassVar[frozenset[str]] = frozenset()
    """What ccxt can't read: quotes (bid and ask of a ticker), trades (the public ones, by REST,
    and candles of them)."""
    whole_books: ClassVar[bool] = False
    """ccxt gives more levels than it was asked for."""
    client_id: ClassVar[str] = "twice"
    unknown_id: ClassVar[str] = "999999"
    """In the form of the venue's ids."""
    streams: ClassVar[tuple[str, ...]] = ("orders", "my_trades", "balance")
    """What ccxt watches of an account at this venue."""
    ccxt_id: ClassVar[str] = ""
    """Its name in ccxt, where it is another."""
    refuses_post_only: ClassVar[bool] = True
    """Else an order that would take is accepted and cancelled at once."""
    codes: ClassVar[dict[str, str]]
    """Parts of the venue's error messages, by cause.

    The causes: funds, rule (a size too small), would_take, cancel and status (of an unknown order),
    twice (the same client id), secret and key (wrong ones).
    """
    errors: ClassVar[dict[str, type[Exception]]] = {}
    """What ccxt raises for the same, where it is not the nearest class."""

    def point(self, client: Any, hosts: dict[str, str]) -> None:
        """Replace every address of ccxt's own, so that nothing leaves this machine."""
        raise NotImplementedError

    @property
    def pair(self) -> str:
        return self.pairs[0]

    def credentials(self, account: dict[str, str]) -> dict[str, str]:
        """A key of the sandbox, as ccxt names its fields."""
        known = {"apiKey": account["api_key"], "secret": account["api_secret"]}
        return known | ({"password": account[self.passphrase]} if self.passphrase else {})

    async def market_price(self, client: Any) -> float | None:
        """What ccxt wants to know with a market order."""
        return None

    async def buy_at_market(self, client: Any) -> str:
        price = await self.market_price(client)
        order = await client.create_order(
            self.pair, "market", "buy", 0.01, price, self.market_terms
        )
        return str(order["id"])

    @pytest.fixture(scope="class")
    def sandbox(self) -> Iterator[SandboxProcess]:
        with SandboxProcess(
            self.venue, pairs=[pair.replace("/", "-") for pair in self.pairs], seed=3
        ) as process:
            yield process

    @pytest.fixture
    def use(self, sandbox: SandboxProcess) -> Callable[..., None]:
        """``use(work, **keys)`` runs ``await work(client)``."""

        def run(work: Callable[[Any], Awaitable[None]], **keys: str) -> None:
            asyncio.run(self._with_client(sandbox, work, keys))

        return run

    async def _with_client(
        self, sandbox: SandboxProcess, work: Callable[[Any], Any], keys: dict[str, str]
    ) -> None:
        credentials = self.credentials(sandbox.accounts["default"])
        options = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}
        client = getattr(ccxt.pro, self.ccxt_id or self.venue)(
            credentials | keys | {"options": options}
        )
        client.has["fetchCurrencies"] = False
        self.point(client, sandbox.hosts[self.venue])
        try:
            async with asyncio.timeout(PATIENCE):
                await work(client)
        finally:
            await client.close()

    async def refused(
        self, client: Any, what: str, nearest: type[Exception], request: Awaitable[Any]
    ) -> None:
        """ccxt raises an error of the class, and the venue's answer has the code."""
        with pytest.raises(self.errors.get(what, nearest)):
            await request
        assert self.codes[what] in client.last_http_response

    async def resting_price(self, client: Any) -> float:
        book = await client.fetch_order_book(self.pair, 5)
        return float(round(book["bids"][0][0] * 0.9, 2))

    # Public data.

    def test_markets_ticker_book_and_trades(self, use: Any) -> None:
        async def work(client: Any) -> None:
            markets = await client.load_markets()
            assert set(self.pairs) <= set(markets)
            precision = markets[self.pair]["precision"]
            assert (precision["amount"], precision["price"]) == self.steps
            ticker = await client.fetch_ticker(self.pair)
            assert "quotes" in self.untold or 0 < ticker["bid"] < ticker["ask"]
            book = await client.fetch_order_book(self.pair, 20)
            assert len(book["bids"]) == 20 or (self.whole_books and len(book["bids"]) > 20)
            assert book["bids"][0][0] < book["asks"][0][0]
            if "trades" not in self.untold:
                await until(lambda: client.fetch_trades(self.pair), bool)
                candles = await client.fetch_ohlcv(self.pair, "1d")
                assert sum(candle[5] for candle in candles) > 0

        use(work)

    def test_the_streamed_book_follows_the_snapshot(self, use: Any) -> None:
        async def work(client: Any) -> None:
            nonces = []
            for _ in range(8):
                book = await client.watch_order_book(self.pair)
                assert book["bids"][0][0] < book["asks"][0][0]
                nonces.append(book["nonce"] or 0)
            assert nonces == sorted(nonces)
            assert nonces[-1] > nonces[0] or not nonces[-1]

        use(work)

    def test_trades_are_streamed(self, use: Any) -> None:
        async def work(client: Any) -> None:
            trades = await client.watch_trades(self.pair)
            assert {trade["side"] for trade in trades} <= {"buy", "sell"}
            assert all(trade["amount"] > 0 for trade in trades)

        use(work)

    # Orders.

    def test_a_limit_order_rests_is_found_and_is_cancelled(self, use: Any) -> None:
        async def work(client: Any) -> None:
            before = await client.fetch_balance()
            price = await self.resting_price(client)
            quote = self.pair.partition("/")[2]
            placed = (await client.create_order(self.pair, "limit", "buy", 0.01, price))["id"]
            held = await client.fetch_balance()
            assert held[quote]["used"] == pytest.approx(
                before[quote]["used"] + 0.01 * price, rel=0.002
            )
            order = await client.fetch_order(placed, self.pair)
            assert (order["status"], order["amount"], order["price"]) == ("open", 0.01, price)
            assert placed in [order["id"] for order in await client.fetch_open_orders(self.pair)]
            await client.cancel_order(placed, self.pair)
            await until(
                lambda: client.fetch_order(placed, self.pair),
                lambda order: order["status"] == "canceled",
            )
            assert (await client.fetch_balance())[quote]["used"] == before[quote]["used"]

        use(work)

    def test_a_market_order_fills_and_shows_in_my_trades(self, use: Any) -> None:
        async def work(client: Any) -> None:
            placed = await self.buy_at_market(client)
            order = await client.fetch_order(placed, self.pair)
            assert (order["status"], order["filled"]) == ("closed", 0.01)
            mine = [
                trade
                for trade in await client.fetch_my_trades(self.pair)
                if trade["order"] == placed
            ]
            assert sum(trade["amount"] for trade in mine) == pytest.approx(0.01)
            assert {trade["takerOrMaker"] for trade in mine} == {"taker"}
            assert all(trade["fee"]["cost"] > 0 for trade in mine)

        use(work)

    def test_post_only_rests_or_does_not_take(self, use: Any) -> None:
        async def work(client: Any) -> None:
            price = await self.resting_price(client)
            terms = {"postOnly": True}
            placed = (await client.create_order(self.pair, "limit", "buy", 0.01, price, terms))[
                "id"
            ]
            assert (await client.fetch_order(placed, self.pair))["status"] == "open"
            await client.cancel_order(placed, self.pair)
            if self.refuses_post_only:
                request = client.create_order(self.pair, "limit", "buy", 0.01, price * 2, terms)
                await self.refused(client, "would_take", ccxt.pro.OrderImmediatelyFillable, request)
                return
            taking = (await client.create_order(self.pair, "limit", "buy", 0.01, price * 2, terms))[
                "id"
            ]
            order = await client.fetch_order(taking, self.pair)
            assert (order["status"], order["filled"]) == ("canceled", 0.0)

        use(work)

    def test_orders_trades_and_balances_are_streamed(
        self, use: Any, sandbox: SandboxProcess
    ) -> None:
        async def work(client: Any) -> None:
            await client.load_markets()
            pairs = {"balance": ()}
            watches = [
                getattr(client, f"watch_{name}")(*pairs.get(name, (self.pair,)))
                for name in self.streams
            ]
            watching = [asyncio.ensure_future(each) for each in watches]
            while not sandbox.admin("GET", "status")["connections"]["private"]:
                await asyncio.sleep(0.05)
            placed = await self._trade_until_all(client, watching)
            received = dict(zip(self.streams, await asyncio.gather(*watching), strict=True))
            assert placed & (
                {order["id"] for order in received["orders"]}
                | {t["order"] for t in received["my_trades"]}
            )
            assert received["my_trades"][0]["price"] > 0
            if "balance" in received:
                assert received["balance"][self.pair.partition("/")[0]]["total"] > 0

        use(work)

    async def _trade_until_all(self, client: Any, watching: list[Any]) -> set[str]:
        """Trade until every watcher has received something: subscriptions take their time."""
        placed = set()
        while True:
            placed.add(await self.buy_at_market(client))
            done, _ = await asyncio.wait(watching, timeout=0.5)
            if len(done) == len(watching):
                return placed

    # Refusals.

    @pytest.mark.parametrize(
        ("what", "amount", "price", "error"),
        [
            ("funds", 900, 59000, ccxt.pro.InsufficientFunds),
            ("rule", 0.00002, 100, ccxt.pro.InvalidOrder),
        ],
    )
    def test_orders_outside_means_or_rules_are_refused(
        self, use: Any, what: str, amount: float, price: float, error: type[Exception]
    ) -> None:
        async def work(client: Any) -> None:
            await self.refused(
                client, what, error, client.create_order(self.pair, "limit", "buy", amount, price)
            )

        use(work)

    def test_unknown_orders_and_duplicates_are_refused(self, use: Any) -> None:
        async def work(client: Any) -> None:
            await self.refused(
                client,
                "cancel",
                ccxt.pro.OrderNotFound,
                client.cancel_order(self.unknown_id, self.pair),
            )
            await self.refused(
                client,
                "status",
                ccxt.pro.OrderNotFound,
                client.fetch_order(self.unknown_id, self.pair),
            )
            price = await self.resting_price(client)
            terms = {"clientOrderId": self.client_id}
            placed = await client.create_order(self.pair, "limit", "buy", 0.01, price, terms)
            again = client.create_order(self.pair, "limit", "buy", 0.01, price, terms)
            await self.refused(client, "twice", ccxt.pro.DuplicateOrderId, again)
            await client.cancel_order(placed["id"], self.pair)

        use(work)

    @pytest.mark.parametrize(
        ("what", "keys"), [("secret", {"secret": "d3Jvbmc="}), ("key", {"apiKey": "nobody"})]
    )
    def test_wrong_keys_are_refused(self, use: Any, what: str, keys: dict[str, str]) -> None:
        async def work(client: Any) -> None:
            await self.refused(client, what, ccxt.pro.AuthenticationError, client.fetch_balance())

        use(work, **keys)
