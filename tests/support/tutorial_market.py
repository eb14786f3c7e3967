"""Checks of the tutorial's rows: the market."""

from decimal import Decimal as D
from typing import Any

import pytest

from actors.orders.tutorial_market import TutorialMarket
from exchanges.binance import BINANCE
from orderbook.messages import Side
from tests.support.tutorial_world import OTHER, PAIR, World, row


@row("Market.execute_buy")
async def _(w: World) -> None:
    assert await w.market.execute_buy("my-buy", PAIR, "0.01", "market") == "my-buy"
    await w.until(lambda: w.market.get_order("my-buy").state == "filled")
    assert w.market.get_order("my-buy").side is Side.BUY


@row("Market.execute_sell")
async def _(w: World) -> None:
    assert await w.market.execute_sell("my-sell", PAIR, "0.01", "market") == "my-sell"
    await w.until(lambda: w.market.get_order("my-sell").state == "filled")
    assert w.market.get_order("my-sell").side is Side.SELL


@row("Market.execute_cancel")
async def _(w: World) -> None:
    client_id = await w.resting()
    assert await w.market.execute_cancel(PAIR, client_id) == client_id
    await w.until(lambda: w.market.get_order(client_id).state == "cancelled")


@row("Market.place_order")
async def _(w: World) -> None:
    price = w.market.quantize_order_price(PAIR, D(str(w.market.get_price(PAIR, True) * 1.2)))
    client_id = await w.market.place_order("", PAIR, "0.01", False, "limit", price)
    await w.until(lambda: w.market.get_order(client_id).state == "open")
    assert client_id in {
        r["client_order_id"] for r in await w.admin("GET", "orders?account=default")
    }
    await w.market.cancel(PAIR, client_id)


@row("Market.start_tracking_order")
async def _(w: World) -> None:
    client_id = await w.resting()
    order = w.market.get_order(client_id)
    other, session = await second_market(w)
    await other.start_network()
    await w.until(lambda: other.ready)
    await other.start_tracking_order(
        client_id, order.exchange_order_id, PAIR, True, "0.01", order.price
    )
    await w.until(
        lambda: (
            other.in_flight_orders[client_id].state == "open"
            and not other.get_order(client_id).status_unknown
        )
    )
    await other.stop_network()
    await session.close()
    await w.market.cancel(PAIR, client_id)


@row("Market.stop_tracking_order")
async def _(w: World) -> None:
    client_id = await w.resting()
    w.market.stop_tracking_order(client_id)
    assert w.market.get_order(client_id) is not None
    await w.market.cancel(PAIR, client_id)
    await w.until(lambda: w.market.get_order(client_id).is_done)
    w.market.stop_tracking_order(client_id)
    assert w.market.get_order(client_id) is None


@row("Market.name")
async def _(w: World) -> None:
    assert w.market.name == "binance"


@row("Market.order_books")
async def _(w: World) -> None:
    w.market.get_order_book(PAIR)
    assert PAIR in w.market.order_books


@row("Market.get_order_book")
async def _(w: World) -> None:
    assert w.market.get_order_book("BTC/USDT").top().bid == w.tracker.order_books[PAIR].top().bid


@row("Market.trading_rules")
async def _(w: World) -> None:
    assert w.market.trading_rules[PAIR].price_tick == D("0.01")


@row("Market.in_flight_orders")
async def _(w: World) -> None:
    client_id = await w.resting()
    assert client_id in w.market.in_flight_orders
    await w.market.cancel(PAIR, client_id)
    await w.until(lambda: client_id not in w.market.in_flight_orders)


@row("Market.limit_orders")
async def _(w: World) -> None:
    client_id = await w.resting()
    assert client_id in {order.client_order_id for order in w.market.limit_orders}
    await w.market.cancel(PAIR, client_id)


@row("Market.tracking_states")
async def _(w: World) -> None:
    client_id = await w.resting()
    assert w.market.tracking_states[client_id]["state"] == "open"
    await w.market.cancel(PAIR, client_id)


@row("Market.restore_tracking_states")
async def _(w: World) -> None:
    client_id = await w.resting()
    other, session = await second_market(w)
    await other.start_network()
    await w.until(lambda: other.ready)
    await other.restore_tracking_states({client_id: w.market.tracking_states[client_id]})
    assert (
        other.in_flight_orders[client_id].exchange_order_id
        == w.market.get_order(client_id).exchange_order_id
    )
    await w.market.cancel(PAIR, client_id)
    await w.until(lambda: client_id not in other.in_flight_orders)
    await other.stop_network()
    await session.close()


@row("Market.status_dict")
async def _(w: World) -> None:
    assert w.market.status_dict == dict.fromkeys(w.market.status_dict, True)
    assert "user_stream_open_and_reconciled" in w.market.status_dict


@row("Market.ready")
async def _(w: World) -> None:
    assert w.market.ready


async def second_market(w: World) -> Any:
    """Another market of the same account with a journal of its own."""
    import aiohttp

    from actors.orders.journal import Journal
    from actors.orders.market import Market

    session = aiohttp.ClientSession()
    journal = Journal(
        f"sqlite:///{w.client._async._runtime.settings.folder}/second.db",
        venue="binance",
        account="second",
    )
    from actors.transport.rest import Rest
    from exchanges.contract import Endpoints

    hosts = Endpoints(**w.sandbox.hosts["binance"])
    market = Market(
        BINANCE,
        account="second",
        rest=Rest(BINANCE, session, hosts, BINANCE.auth(w.sandbox.accounts["default"])),
        peers=w.client._async._peers,
        user_stream_tracker="user_stream_tracker/binance/default",
        run_dir=w.tracker._run_dir,
        name="market/binance/second",
        journal=journal,
        books=w.market.market.books,
    )
    return TutorialMarket(market), session


@row("Market.start_network")
async def _(w: World) -> None:
    market, session = await second_market(w)
    assert not market.ready
    await market.start_network()
    await w.until(lambda: market.ready)
    await market.stop_network()
    await session.close()


@row("Market.stop_network")
async def _(w: World) -> None:
    market, session = await second_market(w)
    await market.start_network()
    await w.until(lambda: market.ready)
    await market.stop_network()
    cycles = market.market.reconciler.cycles
    await w.market.cancel(PAIR, await w.resting())
    assert market.market.reconciler.cycles == cycles
    await session.close()


@row("Market.check_network")
async def _(w: World) -> None:
    assert await w.market.check_network()
    await w.admin("POST", "faults", {"http_503": 1})
    assert not await w.market.check_network()


@row("Market.buy")
async def _(w: World) -> None:
    client_id = await w.market.buy(PAIR, "0.01", "market")
    await w.until(lambda: w.market.get_order(client_id).state == "filled")


@row("Market.sell")
async def _(w: World) -> None:
    client_id = await w.market.sell(PAIR, "0.01", "market")
    await w.until(lambda: w.market.get_order(client_id).state == "filled")


@row("Market.cancel")
async def _(w: World) -> None:
    client_id = await w.resting()
    await w.market.cancel(PAIR, client_id)
    await w.until(lambda: w.market.get_order(client_id).state == "cancelled")


@row("Market.cancel_all")
async def _(w: World) -> None:
    ids = [await w.resting(), await w.resting(OTHER)]
    results = dict(await w.market.cancel_all())
    assert set(ids) <= set(results)
    await w.until(lambda: not w.market.limit_orders)


@row("Market.get_order")
async def _(w: World) -> None:
    client_id = await w.resting()
    assert w.market.get_order(client_id).trading_pair == PAIR
    assert w.market.get_order("nobody") is None
    await w.market.cancel(PAIR, client_id)


@row("Market.list_orders")
async def _(w: World) -> None:
    client_id = await w.resting()
    assert client_id in {order.client_order_id for order in w.market.list_orders()}
    await w.market.cancel(PAIR, client_id)


@row("Market.get_fee")
async def _(w: World) -> None:
    fee = await w.market.get_fee(PAIR)
    assert (fee.maker, fee.taker) == (D("0.001"), D("0.001"))


@row("Market.get_order_price_quantum")
async def _(w: World) -> None:
    assert w.market.get_order_price_quantum(PAIR, 100) == D("0.01")


@row("Market.get_order_size_quantum")
async def _(w: World) -> None:
    assert w.market.get_order_size_quantum(PAIR, 1) == D("0.00001")


@row("Market.quantize_order_price")
async def _(w: World) -> None:
    assert w.market.quantize_order_price(PAIR, D("100.019")) == D("100.01")


@row("Market.quantize_order_amount")
async def _(w: World) -> None:
    assert w.market.quantize_order_amount(PAIR, D("0.123456789")) == D("0.12345")
    assert w.market.quantize_order_amount(PAIR, D("0.00002"), D(100)) == 0


@row("Market.get_balance")
async def _(w: World) -> None:
    before = w.market.get_balance("BTC")
    client_id = await w.market.buy(PAIR, "0.01", "market")
    await w.until(lambda: w.market.get_order(client_id).state == "filled")
    await w.until(lambda: w.market.get_balance("BTC") == before + D("0.00999"))


@row("Market.get_available_balance")
async def _(w: World) -> None:
    before = w.market.get_available_balance("USDT")
    client_id = await w.resting()
    order = w.market.get_order(client_id)
    await w.until(
        lambda: w.market.get_available_balance("USDT") == before - order.amount * order.price
    )
    await w.market.cancel(PAIR, client_id)
    await w.until(lambda: w.market.get_available_balance("USDT") == before)


@row("Market.get_all_balances")
async def _(w: World) -> None:
    assert w.market.get_all_balances()["BTC"] == w.market.get_balance("BTC")


async def paused(w: World) -> Any:
    """The flow stands still, the book with it."""
    await w.admin("POST", "flow", {"paused": True})
    served = await w.admin("GET", f"book?pair={PAIR}")
    await w.until(lambda: w.tracker.order_books[PAIR].update_id == served["update_id"])
    return served


def numbers(levels: list[list[str]]) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in levels]


@row("Market.get_price")
async def _(w: World) -> None:
    served = await paused(w)
    assert w.market.get_price(PAIR, True) == float(served["asks"][0][0])
    assert w.market.get_price(PAIR, False) == float(served["bids"][0][0])
    await w.admin("POST", "flow", {"paused": False})


@row("Market.get_mid_price")
async def _(w: World) -> None:
    served = await paused(w)
    assert (
        w.market.get_mid_price(PAIR)
        == (float(served["asks"][0][0]) + float(served["bids"][0][0])) / 2
    )
    await w.admin("POST", "flow", {"paused": False})


def walk(levels: list[tuple[float, float]], volume: float) -> tuple[float, float]:
    """(quote spent, last price) of taking ``volume``."""
    quote = left = 0.0
    left = volume
    for price, size in levels:
        take = min(left, size)
        quote = quote + take * price
        left = left - take
        if left <= 0:
            return quote, price
    raise AssertionError("the book is too thin")


@row("Market.get_vwap_for_volume")
async def _(w: World) -> None:
    quote, _ = walk(numbers((await paused(w))["asks"]), 0.5)
    assert w.market.get_vwap_for_volume(PAIR, True, 0.5) == pytest.approx(quote / 0.5)
    await w.admin("POST", "flow", {"paused": False})


@row("Market.get_price_for_volume")
async def _(w: World) -> None:
    _, price = walk(numbers((await paused(w))["bids"]), 0.5)
    assert w.market.get_price_for_volume(PAIR, False, 0.5) == price
    await w.admin("POST", "flow", {"paused": False})


@row("Market.get_volume_for_price")
async def _(w: World) -> None:
    asks = numbers((await paused(w))["asks"])
    assert w.market.get_volume_for_price(PAIR, True, asks[4][0]) == pytest.approx(
        sum(size for _, size in asks[:5])
    )
    await w.admin("POST", "flow", {"paused": False})


@row("Market.get_quote_volume_for_base_amount")
async def _(w: World) -> None:
    quote, _ = walk(numbers((await paused(w))["asks"]), 0.3)
    assert w.market.get_quote_volume_for_base_amount(PAIR, True, 0.3) == pytest.approx(quote)
    await w.admin("POST", "flow", {"paused": False})


@row("Market.add_listener")
async def _(w: World) -> None:
    heard: list[Any] = []
    w.market.add_listener("completed", heard.append)
    client_id = await w.market.buy(PAIR, "0.01", "market")
    await w.until(lambda: heard)
    assert (heard[0].client_order_id, heard[0].name) == (client_id, "buy_order_completed")
    w.market.remove_listener("completed", heard.append)


@row("Market.remove_listener")
async def _(w: World) -> None:
    heard: list[Any] = []
    listener = heard.append
    w.market.add_listener("completed", listener)
    w.market.remove_listener("completed", listener)
    client_id = await w.market.buy(PAIR, "0.01", "market")
    await w.until(lambda: w.market.get_order(client_id).is_complete)
    assert heard == []
