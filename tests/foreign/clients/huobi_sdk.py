"""HTX's own SDK for Python (huobi_Python, as another packager keeps it running on newer Pythons):
REST, its market streams and those of an account. Its addresses are fixed."""

import os
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from huobi.client.account import AccountClient
from huobi.client.generic import GenericClient
from huobi.client.market import MarketClient
from huobi.client.trade import TradeClient
from huobi.constant import AccountBalanceMode, DepthStep, MbpLevel, OrderType
from huobi.exception.huobi_api_exception import HuobiApiException
from venue_side import Sandbox, finish

SYMBOL = "btcusdt"
PAIR = "BTC-USDT"
LEVELS = 150
PATIENCE_S = 20.0
Levels = dict[Any, Any]


def until(good: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := good()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
    return found


def code_of(work: Callable[[], Any]) -> str:
    """Of the refusal."""
    try:
        work()
    except HuobiApiException as error:
        return str(error.error_message).partition("] ")[2].partition(":")[0]
    return "none"


def sides(book: Any) -> tuple[Levels, Levels]:
    bids, asks = (
        {entry.price: entry.amount for entry in levels} for levels in (book.bids, book.asks)
    )
    return bids, asks


class Changes:
    """A book of the SDK's increments upon what it requests; it keeps none itself."""

    def __init__(self, market: MarketClient) -> None:
        self._market = market
        self._lock = threading.Lock()
        self._waiting: list[Any] = []
        self._seq = 0
        self.book: tuple[Levels, Levels] = ({}, {})
        self.applied = 0
        self.gaps = 0
        market.sub_mbp_increase(SYMBOL, MbpLevel.MBP150, self.on_changes)
        until(lambda: self._waiting)
        market.req_mbp(SYMBOL, MbpLevel.MBP150, self.on_whole)
        until(lambda: self.applied)

    def on_whole(self, event: Any) -> None:
        with self._lock:
            self.book = sides(event.data)
            self._seq = event.data.seqNum
            waiting = self._waiting
            self._waiting = []
            for changes in waiting:
                self.apply(changes)

    def on_changes(self, event: Any) -> None:
        with self._lock:
            if self._seq:
                self.apply(event.data)
            else:
                self._waiting.append(event.data)

    def apply(self, changes: Any) -> None:
        if changes.seqNum <= self._seq:
            return
        self.gaps += changes.prevSeqNum != self._seq
        self._seq = changes.seqNum
        for side, levels in zip(self.book, sides(changes), strict=True):
            side.update(levels)
            for price in [price for price, size in side.items() if not size]:
                del side[price]
        self.applied += 1

    def read(self) -> tuple[Levels, Levels]:
        with self._lock:
            return dict(self.book[0]), dict(self.book[1])


def market_data(sandbox: Sandbox) -> dict[str, Any]:
    generic = GenericClient()
    market = MarketClient()
    info = generic.get_exchange_info()
    whole = market.get_pricedepth(SYMBOL, DepthStep.STEP0, 20)
    merged = market.get_pricedepth(SYMBOL, DepthStep.STEP3)
    merged_ticker = market.get_market_detail_merged(SYMBOL)
    trades = until(lambda: market.get_history_trade(SYMBOL, 5))
    return {
        "off_ms": abs(generic.get_exchange_timestamp() - time.time() * 1000),
        "symbols": [symbol.symbol for symbol in info.symbol_list],
        "precisions": [info.symbol_list[0].price_precision, info.symbol_list[0].amount_precision],
        "currencies": info.currencies,
        "reference": [each.currency for each in generic.get_reference_currencies("btc")],
        "symbols_v2": [row["symbol"] for row in generic.get_exchange_symbols_v2()],
        "tickers": [ticker.symbol for ticker in market.get_market_tickers()],
        "levels": [len(whole.bids), len(merged.bids), len(merged.asks)],
        "day": market.get_market_detail(SYMBOL).close > 0,
        "quotes": merged_ticker.bid[0] < merged_ticker.ask[0],
        "trades": [len(trades), {trade.direction for trade in trades} <= {"buy", "sell"}],
        "last_trades": len(market.get_market_trade(SYMBOL)),
        "candles": [candle.count > 0 for candle in market.get_candlestick(SYMBOL, "1day", 5)],
        "unknown": code_of(lambda: market.get_pricedepth("nothing", DepthStep.STEP0)),
    }


def books(sandbox: Sandbox) -> dict[str, Any]:
    """Images, refreshed ones of the best levels, and increments."""
    market = MarketClient()
    images: list[Any] = []
    refreshed: list[Any] = []
    market.sub_pricedepth(SYMBOL, DepthStep.STEP0, lambda event: images.append(event.tick))
    market.sub_mbp_full(SYMBOL, MbpLevel.MBP20, lambda event: refreshed.append(event.data))
    changes = Changes(market)
    until(lambda: images and refreshed)
    report = {
        "images": sandbox.compare_books(PAIR, lambda: sides(images[-1]), levels=LEVELS),
        "refreshed": sandbox.compare_books(PAIR, lambda: sides(refreshed[-1]), levels=20),
        "changes": sandbox.compare_books(PAIR, changes.read, levels=LEVELS),
    }
    return report | {
        "gaps": changes.gaps,
        "frames": [len(images), len(refreshed), changes.applied],
    }


def streams() -> dict[str, Any]:
    """One event of each of the other market streams, and of requests on sockets."""
    market = MarketClient()
    found: dict[str, Any] = {}
    errors: list[str] = []

    def keep(name: str, value: Callable[[Any], Any]) -> Callable[[Any], None]:
        def note(event: Any) -> None:
            found.setdefault(name, value(event))

        return note

    market.sub_trade_detail(SYMBOL, keep("trade", lambda event: event.data[0].price), None)
    market.sub_pricedepth_bbo(SYMBOL, keep("best", lambda event: event.tick.bid))
    market.sub_market_detail(SYMBOL, keep("day", lambda event: event.tick.close))
    market.req_pricedepth(
        SYMBOL, DepthStep.STEP0, keep("depth", lambda event: len(event.data.bids))
    )
    market.req_trade_detail(SYMBOL, keep("trades", lambda event: len(event.data)))
    market.req_market_detail(SYMBOL, keep("detail", lambda event: event.data.close))
    market.sub_candlestick(
        SYMBOL, "1min", lambda event: None, lambda error: errors.append(error.error_message)
    )
    until(lambda: len(found) == 6 and errors)
    return found | {"kline": errors[0]}


class Account:
    """Everything that an account is pushed, by stream."""

    def __init__(self, keys: dict[str, str]) -> None:
        self.orders: list[Any] = []
        self.clearings: list[Any] = []
        self.balances: list[Any] = []
        self.totals: list[Any] = []
        trade = TradeClient(**keys)
        account = AccountClient(**keys)
        trade.sub_order_update(SYMBOL, lambda event: self.orders.append(event.data))
        trade.sub_trade_clearing("*", lambda event: self.clearings.append(event.data))
        account.sub_account_update(
            AccountBalanceMode.BALANCE, lambda event: self.balances.append(event.data)
        )
        account.sub_account_update(
            AccountBalanceMode.TOTAL, lambda event: self.totals.append(event.data)
        )
        until(lambda: self.balances and self.totals)

    def events(self, order_id: int) -> list[list[str]]:
        return [
            [event.eventType, event.orderStatus]
            for event in self.orders
            if str(event.orderId) == str(order_id)
        ]


def orders(sandbox: Sandbox) -> dict[str, Any]:
    keys = {"api_key": sandbox.keys["api_key"], "secret_key": sandbox.keys["api_secret"]}
    trade = TradeClient(**keys)
    accounts = AccountClient(**keys)
    account_id = accounts.get_accounts()[0].id
    pushed = Account(keys)
    sandbox.pause()
    bids, asks = sandbox.ledger_book(PAIR)
    price = f"{(max(bids) + min(asks)) / 2:.2f}"
    low = f"{max(bids) * 8 / 10:.2f}"

    def place(**terms: Any) -> int:
        order = {
            "symbol": SYMBOL,
            "account_id": account_id,
            "order_type": OrderType.BUY_LIMIT,
            "amount": "0.01",
            "price": low,
        } | terms
        return int(trade.create_spot_order(**order))

    def state(order_id: int) -> list[Any]:
        order = trade.get_order(order_id)
        return [order.state, float(order.filled_amount)]

    resting = place(client_order_id="sdk-1")
    named = trade.get_order_by_client_order_id("sdk-1").id
    open_ids = [order.id for order in trade.get_open_orders(SYMBOL, account_id)]
    at_top = place(price=price)
    sandbox.trade(PAIR, "sell", "0.004", price)
    partly = state(at_top)
    sandbox.trade(PAIR, "sell", "0.006", price)
    filled = state(at_top)
    fills = trade.get_match_results_by_order_id(at_top)
    trade.cancel_order(SYMBOL, resting)
    until(lambda: state(resting)[0] == "canceled")
    by_name = place(client_order_id="sdk-2")
    by_name_code = trade.cancel_client_order("sdk-2")
    batch = trade.batch_create_order(
        [
            {
                "symbol": SYMBOL,
                "account_id": account_id,
                "order_type": OrderType.BUY_LIMIT,
                "amount": amount,
                "price": low,
                "source": "spot-api",
                "client_order_id": name,
            }
            for name, amount in (("sdk-3", "0.01"), ("sdk-4", "0"))
        ]
    )
    many = trade.cancel_orders(SYMBOL, [batch[0].order_id])
    place()
    rest = trade.cancel_open_orders(account_id, SYMBOL)
    bought = place(order_type=OrderType.BUY_MARKET, amount="300", price=None)
    sold = place(order_type=OrderType.SELL_IOC, price=low)
    ethers = place(symbol="ethusdt", amount="1", price="1000")
    trade.cancel_order("ethusdt", ethers)
    refused = {
        "funds": code_of(lambda: place(amount="1000")),
        "precision": code_of(lambda: place(price="1000.001")),
        "symbol": code_of(lambda: place(symbol="nothing")),
        "stop": code_of(
            lambda: place(order_type=OrderType.BUY_STOP_LIMIT, stop_price=low, operator="lte")
        ),
        "closed": code_of(lambda: trade.cancel_order(SYMBOL, at_top)),
        "unknown": code_of(lambda: trade.get_order(999999)),
        "secret": code_of(
            lambda: AccountClient(api_key=keys["api_key"], secret_key="wrong").get_accounts()
        ),
    }
    balances = {
        (each.currency, each.type): each.balance for each in accounts.get_balance(account_id)
    }
    until(lambda: ["trade", "filled"] in pushed.events(sold))
    until(lambda: len(pushed.events(resting)) == 2)
    time.sleep(0.5)
    sandbox.resume()
    return {
        "found": [named == resting, open_ids == [resting]],
        "partly": partly,
        "filled": filled,
        "fills": [sum(float(fill.filled_amount) for fill in fills), {fill.role for fill in fills}],
        "by_name": [state(by_name)[0], by_name_code],
        "batch": [batch[0].order_id > 0, batch[1].err_code],
        "many": [many.success == [str(batch[0].order_id)], many.failed],
        "rest": [rest.success_count, rest.failed_count, rest.next_id],
        "market": [state(bought)[0], state(sold)[0]],
        "past": len(trade.get_orders(SYMBOL, "filled,canceled,partial-canceled")),
        "history": len(trade.get_history_orders(SYMBOL)),
        "matches": len(trade.get_match_result(SYMBOL, size=100)) == len(sandbox.fills()),
        "fees": [fee.symbol for fee in trade.get_transact_feerate(SYMBOL)],
        "refused": refused,
        "ledger": {
            "partly_and_filled": sandbox.orders()[str(at_top)],
            "bought": sandbox.orders()[str(bought)],
        },
        "btc": balances["btc", "trade"],
        "pushed": {
            "at_top": pushed.events(at_top),
            "resting": pushed.events(resting),
            "symbols": sorted({event.symbol for event in pushed.orders}),
            "clearings": sum(str(each.orderId) == str(at_top) for each in pushed.clearings),
            "fees": all(float(each.transactFee) > 0 for each in pushed.clearings),
            "balances": sorted(
                {(bool(each.balance), bool(each.available)) for each in pushed.balances}
            ),
            "totals": sorted(
                {(bool(each.balance), bool(each.available)) for each in pushed.totals}
            ),
        },
    }


def main() -> None:
    sandbox = Sandbox()
    report = {
        "market": market_data(sandbox),
        "streams": streams(),
        "orders": orders(sandbox),
        "books": books(sandbox),
    }
    finish(report)


if __name__ == "__main__":
    try:
        main()
    except BaseException:  # the SDK's threads would keep the process
        traceback.print_exc()
        os._exit(1)
