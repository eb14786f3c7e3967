"""Faults that are told at the sandbox's admin door, on every venue where they make sense."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.transport.rest import Rest
from exchanges.contract import Answer, Endpoints, ErrorKind
from exchanges.registry import get
from tests.support.followed_book import FollowedBook, followed
from tests.support.served import Served, served
from trochil.sandbox import dialects
from trochil.sandbox.bans import TOLD
from trochil.sandbox.market.faults import AMOUNTS, SECONDS, TIMES
from trochil.sandbox.server import Server

VENUES = ("binance", "bittrex", "bybit", "coinbase", "htx", "hyperliquid", "kraken", "okx")
BY_ORDER = ("hyperliquid:l4Book", "kraken:level3")
NUMBERED = tuple(name for name in VENUES if name != "kraken")
CLOCKS = {
    "binance": ErrorKind.CLOCK,
    "bittrex": ErrorKind.CLOCK,
    "bybit": ErrorKind.CLOCK,
    "coinbase": ErrorKind.CLOCK,
    "htx": ErrorKind.CLOCK,
    "okx": ErrorKind.CLOCK,
}
"""What a request is refused as that was signed by another clock."""
PAGE = Path(__file__).parents[2] / "docs" / "sandbox_faults.md"


def run(name: str, work: Callable[[FollowedBook], Awaitable[None]]) -> None:
    async def main() -> None:
        async with followed(name) as book:
            await work(book)

    asyncio.run(main())


def newest(book: FollowedBook) -> int:
    """The number of the last message of a book."""
    return int(book.books[-1].update_id)


def ledger(server: Server, pair: str) -> Any:
    book = server.book(pair)
    return [[(float(p), float(s)) for p, s in book.levels(side)] for side in ("buy", "sell")]


@pytest.mark.parametrize("name", [*VENUES, "hyperliquid:l4Book", "coinbase:level2"])
def test_a_dead_channel_is_silent_until_who_follows_it_subscribes_again(name: str) -> None:
    async def work(book: FollowedBook) -> None:
        told = await book.venue.admin("dead_channel", pair=book.pair)
        assert told["dead"] >= 1
        await book.move()
        assert book.books == [], "a dead channel spoke"
        assert book.server.faults.done["dead_channel"] >= 1
        await book.subscribe_again()
        await book.until_books()

    run(name, work)


@pytest.mark.parametrize("name", ["binance", "bybit", "okx", "kraken", "hyperliquid", "bittrex"])
def test_trades_go_on_beside_a_dead_channel(name: str) -> None:
    async def work(book: FollowedBook) -> None:
        await book.venue.admin("dead_channel", pair=book.pair, healed_by="nothing")
        await book.subscribe_again()
        book.books.clear()
        await book.move()
        assert [type(each).__name__ for each in book.books if hasattr(each, "first_id")] == []
        assert book.trades != []

    run(name, work)


def test_a_channel_that_only_another_connection_heals() -> None:
    async def work(book: FollowedBook) -> None:
        await book.venue.admin("dead_channel", pair=book.pair, healed_by="connection")
        await book.subscribe_again()
        await book.move()
        assert book.books == []
        await book.socket.close()
        await book.connect()
        await book.until_books()

    run("binance", work)


def test_a_channel_that_nothing_heals_until_it_is_told() -> None:
    async def work(book: FollowedBook) -> None:
        await book.venue.admin("dead_channel", pair=book.pair, healed_by="nothing")
        await book.socket.close()
        await book.connect()
        await book.move()
        assert book.books == []
        await book.venue.admin("dead_channel", pair=book.pair, dead=False)
        await book.until_books()
        with pytest.raises(ValueError, match="healed_by is one of"):
            await book.venue.admin("dead_channel", pair=book.pair, healed_by="prayer")

    run("binance", work)


def test_the_other_pairs_channel_lives() -> None:
    async def work(book: FollowedBook) -> None:
        other = dialects.load("binance").pairs[1]
        await book.venue.admin("dead_channel", pair=other, healed_by="nothing")
        await book.move()
        assert book.books != []

    run("binance", work)


@pytest.mark.parametrize("name", [*NUMBERED, "bybit:50", "hyperliquid:l4Book", "hyperliquid:perps"])
def test_numbers_begin_again(name: str) -> None:
    async def work(book: FollowedBook) -> None:
        for _ in range(20):
            await book.until_books()
            before = newest(book)
            book.books.clear()
            if before > 5:
                break
        book.books.clear()
        await book.venue.admin("restart_numbers", pair=book.pair)
        await book.read()
        book.books.clear()
        await book.until_books()
        assert 0 < newest(book) < before
        after = newest(book)
        book.books.clear()
        await book.until_books()
        assert newest(book) > after, "they go on from there"

    run(name, work)


def test_books_without_numbers_can_not_begin_them_again() -> None:
    async def work(book: FollowedBook) -> None:
        with pytest.raises(ValueError, match="no numbers"):
            await book.venue.admin("restart_numbers", pair=book.pair)

    run("kraken", work)


def test_okx_names_the_last_number_of_before() -> None:
    async def work(book: FollowedBook) -> None:
        before = newest(book)
        book.books.clear()
        await book.venue.admin("restart_numbers", pair=book.pair)
        await book.until_books()
        first = book.books[0]
        assert first.first_id == before + 1
        assert first.update_id < before

    run("okx", work)


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize("factor", [Decimal("0.1"), Decimal(10)], ids=["finer", "coarser"])
def test_a_listed_pair_gets_another_tick(name: str, factor: Decimal) -> None:
    async def work(book: FollowedBook) -> None:
        before = await book.read_rules()
        symbol = book.server.venue.symbols[book.pair]
        if name == "hyperliquid":  # its tick follows from its lot
            steps = {"size_step": str(symbol.size_step / factor)}
        else:
            steps = {"price_tick": str(symbol.price_tick * factor)}
        told = await book.venue.admin("rules", pair=book.pair, **steps)
        after = await book.read_rules()
        assert after.price_tick != before.price_tick or after.size_step != before.size_step
        assert Decimal(told["price_tick"]) == symbol.price_tick
        for side in ("buy", "sell"):
            prices = [price for price, _ in book.server.book(book.pair).levels(side)]
            assert len(prices) >= 20
            assert all(symbol.takes(price) for price in prices), "a price beside the tick"
        await book.until_books()

    run(name, work)


def test_the_texts_of_levels_follow_the_tick() -> None:
    async def work(book: FollowedBook) -> None:
        book.books.clear()
        await book.venue.admin("rules", pair=book.pair, price_tick="0.0001")
        await book.until_books()
        assert b".0000" in b"".join(each.bids + each.asks for each in book.books)

    run("kraken", work)


def test_a_step_must_be_above_nothing() -> None:
    async def work(book: FollowedBook) -> None:
        with pytest.raises(ValueError, match="above 0"):
            await book.venue.admin("rules", pair=book.pair, price_tick="-1")

    run("binance", work)


@pytest.mark.parametrize("name", VENUES)
def test_a_pair_is_delisted_between_the_request_of_its_snapshot_and_the_answer(name: str) -> None:
    async def work(book: FollowedBook) -> None:
        assert await book.read_rules() is not None
        await book.venue.admin("delist", pair=book.pair, at="snapshot")
        symbol = book.server.venue.symbols[book.pair]
        assert symbol.trading
        call = book.feed.snapshot(book.symbol)
        if call is not None:
            snapshot = await book.rest.run(call)
            assert snapshot.update_id >= 0
        else:
            await book.send(book.feed.request_snapshot([book.symbol]))
            await book.read()
        assert not symbol.trading

    run(name, work)


@pytest.mark.parametrize("name", ["binance", "bittrex", "coinbase"])
def test_a_snapshot_that_is_slow_is_the_book_of_when_it_was_requested(name: str) -> None:
    async def work(book: FollowedBook) -> None:
        call = book.feed.snapshot(book.symbol)
        assert call is not None
        await book.venue.admin("faults", delay_snapshot=0.3)
        waiting = asyncio.create_task(book.rest.run(call))
        await asyncio.sleep(0.1)
        book.books.clear()
        await book.until_books()
        last = newest(book)
        assert (await waiting).update_id < last

    run(name, work)


def test_frames_that_leave_later_keep_their_order() -> None:
    async def work(book: FollowedBook) -> None:
        book.books.clear()
        await book.venue.admin("faults", delay_frame=0.3)
        for delay in (0.3, 0.0, 0.0):
            await book.venue.admin("faults", delay_frame=delay)
            book.server.flows[book.pair].trend(1.0, book.server.now_ns())
            book.server.send_depth(book.pair)
        async with asyncio.timeout(5):
            while len(book.books) < 3:
                await book.read()
        numbers = [each.update_id for each in book.books]
        assert numbers == sorted(numbers)

    run("binance", work)


def test_a_snapshot_has_only_some_of_the_levels() -> None:
    async def work(book: FollowedBook) -> None:
        await book.venue.admin("faults", snapshot_levels=7)
        call = book.feed.snapshot(book.symbol)
        assert call is not None
        snapshot = await book.rest.run(call)
        assert (snapshot.bids.count(b"["), snapshot.asks.count(b"[")) == (8, 8)
        assert len(book.server.book(book.pair).levels("buy")) > 20

    run("binance", work)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_trend_moves_the_price_through_a_book_that_stays_as_deep(direction: int) -> None:
    async def work(venue: Served) -> None:
        server = venue.server
        pair = "BTC-USDT"
        before = ledger(server, pair)
        await venue.admin("flow", trend=direction * 1000, pair=pair)
        other = ledger(server, "ETH-USDT")
        async with asyncio.timeout(10):
            while abs(ledger(server, pair)[0][0][0] - before[0][0][0]) < 90 * 3:
                await asyncio.sleep(0.02)
        await venue.admin("flow", trend=0)
        bids, asks = ledger(server, pair)
        assert (bids[0][0] - before[0][0][0]) * direction > 0
        ahead = asks if direction > 0 else bids
        known = {price for price, _ in before[direction > 0]}
        assert not {price for price, _ in ahead[-20:]} & known, "levels at the far end are new"
        assert min(len(bids), len(asks)) >= 50
        assert bids[0][0] < asks[0][0]
        assert server.book(pair).trade_id > 50, "trades took what stood in the way"
        assert ledger(server, "ETH-USDT") == other

    async def main() -> None:
        async with served(dialects.load("binance"), "BTC-USDT", "ETH-USDT") as venue:
            await work(venue)

    asyncio.run(main())


def test_a_book_may_be_much_deeper() -> None:
    from trochil.sandbox.__main__ import arguments, build

    server = build("binance", arguments(["binance", "--levels", "1500", "--trend", "-2.5"]))
    bids, asks = ledger(server, "BTC-USDT")
    assert (len(bids), len(asks)) == (1500, 1500)
    assert server.trends["BTC-USDT"] == -2.5


async def signed(venue: Served, name: str, at: float) -> Answer:
    """A signed question, the first of an account, by a clock that says ``at``."""
    exchange = get(name)
    orders = exchange.orders({})
    request = next(orders.handshake(), orders.balances()).request
    url = f"http://{venue.host}{request.path}"
    auth = exchange.auth(venue.account.keys)
    ready = auth.generate_auth_dict(request.method, url, request.params, request.body, now=at)
    async with venue.session.request(
        request.method,
        aiohttp.client.URL(ready["url"], encoded=True),
        headers=ready["headers"],
        data=ready["body"] or None,
    ) as answer:
        return Answer(answer.status, dict(answer.headers), await answer.read())


@pytest.mark.parametrize("name", sorted(CLOCKS))
@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
def test_what_is_signed_by_another_clock_is_refused(name: str, skew: float) -> None:
    async def main() -> None:
        exchange = get(name)
        dialect = dialects.load(name)
        async with served(dialect, *dialect.pairs[:2]) as venue:
            await venue.admin("faults", clock_skew=skew)
            refused = exchange.error(await signed(venue, name, time.time()))
            assert refused is not None
            assert refused.kind is CLOCKS[name], refused
            assert exchange.error(await signed(venue, name, time.time() + skew)) is None

    asyncio.run(main())


@pytest.mark.parametrize("name", VENUES)
def test_the_venue_tells_its_own_time(name: str) -> None:
    async def main() -> None:
        exchange = get(name)
        if exchange.server_time is None:
            pytest.skip("it tells no time")
        dialect = dialects.load(name)
        async with served(dialect, *dialect.pairs[:2]) as venue:
            await venue.admin("faults", clock_skew=-500)
            host = f"http://{venue.host}"
            rest = Rest(exchange, venue.session, Endpoints(host, host, host))
            assert -502 < await rest.run(exchange.server_time) - time.time() < -498

    asyncio.run(main())


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize("told", TOLD)
def test_a_bans_end_is_told_in_each_form(name: str, told: str) -> None:
    async def main() -> None:
        dialect = dialects.load(name)
        exchange = get(name)
        async with served(dialect, *dialect.pairs[:2]) as venue:
            if told == "words" and name not in ("binance", "kraken"):
                with pytest.raises(ValueError, match="no words"):
                    await venue.admin("ban", seconds=100, told=told)
                return
            await venue.admin("ban", seconds=100, told=told)
            book = exchange.book({}, exchange.book.streams[0])
            request = book.trading_rules().request
            url = f"http://{venue.host}{request.path}"
            async with venue.session.request(
                request.method, url, params=request.params, json=request.body
            ) as answer:
                body = await answer.text()
                headers = {key.lower(): value for key, value in answer.headers.items()}
            assert exchange.error(Answer(answer.status, headers, body.encode())) is not None
            assert 95 < end_of(headers, body, told) - time.time() < 105

    asyncio.run(main())


def end_of(headers: dict[str, str], body: str, told: str) -> float:
    """Unix seconds at which a ban ends, from where that is told."""
    if told == "date":
        return parsedate_to_datetime(headers["retry-after"]).timestamp()
    if told == "words":
        assert "retry-after" not in headers
        digits = "".join(each if each.isdigit() else " " for each in body).split()
        end = max(map(int, digits))
        return end / 1000 if end > 10**11 else end
    if "retry-after" in headers:
        return time.time() + int(headers["retry-after"])
    named = [value for key, value in headers.items() if "reset" in key or "expire" in key]
    return int(named[0]) / 1000


def test_a_ban_is_told_on_the_websocket_api_and_at_the_handshake() -> None:
    async def main() -> None:
        async with served(dialects.load("binance"), "BTC-USDT") as venue:
            async with venue.session.ws_connect("/ws-api/v3") as socket:
                await venue.admin("ban", seconds=60, refuses=["messages", "handshakes"])
                await socket.send_json({"id": 1, "method": "ping"})
                answer = await socket.receive_json()
            assert (answer["status"], answer["error"]["code"]) == (418, -1003)
            assert 55_000 < answer["error"]["data"]["retryAfter"] - time.time() * 1000 < 65_000
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await venue.session.ws_connect("/stream")
            assert refused.value.status == 418
            assert refused.value.headers is not None
            assert 50 < int(refused.value.headers["Retry-After"]) <= 61
            async with venue.session.get("/api/v3/ping") as ping:
                assert ping.status == 200, "requests by REST were not to be refused"

    asyncio.run(main())


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize(("fault", "status"), [("limit_handshake", 429), ("refuse_handshake", 503)])
def test_a_handshake_is_refused(name: str, fault: str, status: int) -> None:
    async def main() -> None:
        dialect = dialects.load(name)
        async with served(dialect, *dialect.pairs[:2]) as venue:
            (path, *_) = venue.server.dialect.sockets()
            await venue.admin("faults", **{fault: 1})
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await venue.session.ws_connect(path)
            assert refused.value.status == status
            assert venue.server.faults.done[fault] == 1
            assert venue.server.own_errors == []

    asyncio.run(main())


def test_a_limit_at_the_handshake_has_the_venues_header() -> None:
    async def main() -> None:
        async with served(dialects.load("kraken"), "BTC-USD") as venue:
            await venue.admin("ban", seconds=30, kind="limit", told="date")
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await venue.session.ws_connect("/v2")
            assert refused.value.status == 429
            assert refused.value.headers is not None
            assert refused.value.headers["Retry-After"].endswith("GMT")

    asyncio.run(main())


def test_the_page_of_faults_lists_them_all() -> None:
    page = PAGE.read_text()
    for name, what in {**TIMES, **SECONDS, **AMOUNTS}.items():
        assert f"| `{name}` | {what} |" in page
