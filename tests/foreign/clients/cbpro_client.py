"""cbpro: its order book on the full channel, its account by REST, its reader of the user channel.

Its demonstrations give the feed's address and channels as attributes; so does this script. The
order book's own client of REST has no other way to another address either.
"""

import itertools
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import cbpro
from venue_side import Sandbox, finish

PAIR = "BTC-USD"
WAITS_S = 10.0
CLIENT_ID = "f6f9a4a2-6d2e-4b8f-9d2c-5a1a3e0f7c11"
UNKNOWN_ID = "d0c5340b-6d6c-49d9-b567-48c4bfca13d2"

sandbox = Sandbox()
keys = sandbox.keys
secrets = (keys["api_key"], keys["api_secret"], keys["passphrase"])
public = cbpro.PublicClient(api_url=sandbox.rest)
account = cbpro.AuthenticatedClient(*secrets, api_url=sandbox.rest)


class Book(cbpro.OrderBook):
    """Counts the gaps that the book finds."""

    gaps = 0

    def on_sequence_gap(self, gap_start: int, gap_end: int) -> None:
        self.gaps += 1
        super().on_sequence_gap(gap_start, gap_end)


class Reader(cbpro.WebsocketClient):
    """Keeps every message."""

    def on_open(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def on_message(self, msg: dict[str, Any]) -> None:
        self.messages.append(msg)

    def of_order(self, number: str) -> list[dict[str, Any]]:
        names = ("order_id", "maker_order_id", "taker_order_id")
        return [m for m in self.messages if number in [m.get(name) for name in names]]


def until(ask: Callable[[], Any]) -> Any:
    """What ``ask`` gives once it is true, or at last."""
    end = time.monotonic() + WAITS_S
    while not (found := ask()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


# The order book.


def begin_book() -> Book:
    book = Book(product_id=PAIR)
    book.url = sandbox.public
    book.channels = ["full"]
    book.auth = True
    book.api_key, book.api_secret, book.api_passphrase = secrets
    book._client.url = sandbox.rest
    book.start()
    until(lambda: book.get_current_book()["sequence"] > 0)
    return book


def levels(book: Book) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
    """Price -> size of all orders there."""
    try:
        current = book.get_current_book()
    except RuntimeError:  # its thread changed it meanwhile
        return {}, {}
    sides: list[dict[Decimal, Decimal]] = []
    for name in ("bids", "asks"):
        side: dict[Decimal, Decimal] = {}
        for price, size, _ in current[name]:
            side[price] = side.get(price, Decimal(0)) + size
        sides.append(side)
    return sides[0], sides[1]


def same_orders(book: Book) -> list[bool]:
    """Whether sequence, bids and asks are those of level 3, order by order in their queues."""
    sandbox.pause()
    truth = public.get_product_order_book(PAIR, level=3)
    until(lambda: book.get_current_book()["sequence"] == truth["sequence"])
    current = book.get_current_book()
    found = [current["sequence"] == truth["sequence"]]
    for name in ("bids", "asks"):
        rows = [[Decimal(price), Decimal(size), number] for price, size, number in truth[name]]
        found.append(sorted(current[name], key=price_of) == sorted(rows, key=price_of))
    sandbox.resume()
    return found


def price_of(row: list[Any]) -> Decimal:
    price: Decimal = row[0]
    return price


def book_report() -> dict[str, Any]:
    book = begin_book()
    report = sandbox.compare_books(PAIR, lambda: levels(book))
    report["same_orders"] = same_orders(book)
    report["gaps"] = book.gaps
    report["sees_trades"] = book.get_current_ticker() is not None
    report["error"] = str(book.error)
    book.close()
    return report


# Public data.


def market_report() -> dict[str, Any]:
    trades = list(itertools.islice(public.get_product_trades(PAIR), 20))
    all_trades = list(public.get_product_trades(PAIR))
    ticker = public.get_product_ticker(PAIR)
    stats = public.get_product_24hr_stats(PAIR)
    candles = public.get_product_historic_rates(PAIR, granularity=60)
    best = public.get_product_order_book(PAIR)
    whole = public.get_product_order_book(PAIR, level=2)
    numbers = [trade["trade_id"] for trade in all_trades]
    return {
        "products": [row["id"] for row in public.get_products()],
        "currencies": [row["id"] for row in public.get_currencies()],
        "trades": len(trades),
        "trades_descend_by_one": numbers == list(range(numbers[0], numbers[-1] - 1, -1)),
        "quotes_in_order": Decimal(ticker["bid"]) < Decimal(ticker["ask"]),
        "last_within_day": Decimal(stats["low"]) <= Decimal(ticker["price"]) <= Decimal("1e9"),
        "candles": len(candles) > 0 and all(len(candle) == 6 for candle in candles),
        "levels": [len(best["bids"]), len(whole["bids"]) > 20],
        "time_is_near": abs(public.get_time()["epoch"] - time.time()) < 30,
        "unknown_product": public.get_product_ticker("NO-THING"),
    }


# An account.


def state_of(number: str) -> list[Any]:
    order = account.get_order(number)
    return [order["status"], order.get("done_reason"), order["filled_size"]]


def ledger_state(number: str) -> list[str]:
    """The venue's own record; the UUID is the number of the order."""
    order = sandbox.orders()[str(int(number.replace("-", ""), 16))]
    return [order["state"], order["filled"]]


def limit(side: str = "buy", price: Any = "100.00", size: str = "0.1", **more: Any) -> Any:
    return account.place_limit_order(PAIR, side, str(price), size, **more)


def lives_report() -> dict[str, Any]:
    """Orders that rest, fill and are cancelled; the flow stands still meanwhile."""
    reader = Reader(
        url=sandbox.public,
        products=[PAIR],
        channels=["user", "heartbeat", "ticker"],
        auth=True,
        api_key=keys["api_key"],
        api_secret=keys["api_secret"],
        api_passphrase=keys["passphrase"],
        should_print=False,
    )
    reader.start()
    until(lambda: reader.messages)
    sandbox.pause()
    price = Decimal(public.get_product_ticker(PAIR)["ask"]) - Decimal("0.01")
    placed = limit(price=price, size="0.02", client_oid=CLIENT_ID)
    number = placed["id"]
    report: dict[str, Any] = {"placed": [placed["status"], placed["client_oid"] == CLIENT_ID]}
    report["open"] = state_of(number)
    sandbox.trade(PAIR, "sell", "0.005", str(price))
    report["partly"] = state_of(number)
    sandbox.trade(PAIR, "sell", "0.015", str(price))
    report["filled"] = [*state_of(number), ledger_state(number)]
    fills = list(account.get_fills(order_id=number))
    report["fills"] = [[fill["size"], fill["liquidity"]] for fill in fills]
    report["fees_are_the_orders"] = sum(Decimal(fill["fee"]) for fill in fills) == Decimal(
        account.get_order(number)["fill_fees"]
    )
    resting = limit()["id"]
    report["cancelled"] = [account.cancel_order(resting) == resting, *state_of(resting)]
    report["again"] = account.cancel_order(resting)
    bought = account.place_market_order(PAIR, "buy", funds="100.00")["id"]
    report["bought"] = state_of(bought)[:2]
    sold = account.place_market_order(PAIR, "sell", size="0.01")["id"]
    report["sold"] = [*state_of(sold), ledger_state(sold)]
    report["user"] = user_report(reader, number, resting)
    sandbox.resume()
    until(lambda: {"ticker", "heartbeat"} <= {m["type"] for m in reader.messages})
    report["channels"] = sorted({m["type"] for m in reader.messages})
    report["error"] = str(reader.error)
    reader.close()
    return report


def user_report(reader: Reader, filled: str, cancelled: str) -> dict[str, Any]:
    until(lambda: [m["type"] for m in reader.of_order(cancelled)][-1:] == ["done"])
    filled_messages = reader.of_order(filled)
    return {
        "filled": [m["type"] for m in filled_messages],
        "sizes": [m["size"] for m in filled_messages if m["type"] == "match"],
        "as_maker": all("maker_user_id" in m for m in filled_messages if m["type"] == "match"),
        "client_oid": filled_messages[0].get("client_oid") == CLIENT_ID,
        "cancelled": [[m["type"], m.get("reason")] for m in reader.of_order(cancelled)],
    }


def refused_report() -> dict[str, Any]:
    before = len(sandbox.orders())
    refused = [
        limit(price="5000.00", size="900"),
        limit(size="0.000001"),
        limit(price="100.001"),
        limit(size="0.0001"),
        limit(client_oid="x" * 80),
        limit(stp="co"),
        limit(overdraft_enabled=True),
        account.place_stop_order(PAIR, "sell", "100.00", size="0.1"),
        account.place_order(PAIR, "buy", "limit", price="100.00", funds="50"),
        account.place_market_order("NO-THING", "buy", size="1"),
        account.get_order(UNKNOWN_ID),
        account.cancel_order(UNKNOWN_ID),
        cbpro.AuthenticatedClient(
            "nobody", keys["api_secret"], "x", api_url=sandbox.rest
        ).get_accounts(),
        account.get_payment_methods(),
    ]
    post_only = limit(price="90000.00", post_only=True)
    return {
        "messages": [answer["message"] for answer in refused],
        "post_only": [post_only["status"], post_only["reject_reason"]],
        "placed": len(sandbox.orders()) - before,
    }


def lists_report() -> dict[str, Any]:
    ids = [limit(price=100 + n)["id"] for n in range(5)]
    newest = ids[::-1]
    pages = [order["id"] for order in account.get_orders(product_id=PAIR, limit=2)]
    done = list(account.get_orders(status="done", limit=3))
    fills = list(account.get_fills(product_id=PAIR, limit=1))
    dollars = next(row for row in account.get_accounts() if row["currency"] == "USD")
    report = {
        "pages": pages == newest,
        "done": {order["status"] for order in done} == {"done"},
        "fills": len(fills) == len(sandbox.fills()),
        "account": account.get_account(dollars["id"]) == dollars,
        "hold": Decimal(dollars["hold"]) > 0,
        "cancelled_all": sorted(account.cancel_all(PAIR)) == sorted(ids),
    }
    return report | {"open": list(account.get_orders())}


def main() -> None:
    report = {"books": book_report(), "markets": market_report(), "lives": lives_report()}
    sandbox.pause()
    report |= {"refused": refused_report(), "lists": lists_report()}
    report["own_errors"] = sandbox.admin("GET", "status")["own_errors"]
    finish(report)


if __name__ == "__main__":
    main()
