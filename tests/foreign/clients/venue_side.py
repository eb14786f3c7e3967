"""What a foreign client's script needs of the sandbox: its addresses, keys, ledger and flow.

Standard library only: the scripts run in environments without Trochil.
"""

import asyncio
import json
import os
import time
import urllib.request
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

Side = Mapping[Any, Any]
"""Price -> size, in any type of number."""
ReadBook = Callable[[], tuple[Side, Side]]
"""(bids, asks) of the client, as they are now."""
FLOW_S = 0.7
SETTLES_WITHIN_S = 5.0


class Sandbox:
    """One venue that was started for this script."""

    def __init__(self) -> None:
        self.address: dict[str, Any] = json.loads(os.environ["SANDBOX"])
        (self.name,) = self.address["exchange"]
        hosts = self.address["exchange"][self.name]
        self.rest: str = hosts["rest"]
        self.public: str = hosts["public"]
        self.private: str = hosts["private"]
        self.keys: dict[str, str] = self.address["accounts"]["default"]
        self.pairs: list[str] = self.address["pairs"]
        self.seconds = float(os.environ.get("SECONDS_OF_FLOW", "5"))
        """How long books are to be compared."""

    def admin(self, method: str, path: str, **body: Any) -> Any:
        """One request at the admin door; the body of a GET is its query."""
        url = f"{self.address['admin']}/{path}"
        data = json.dumps(body).encode() if method == "POST" else None
        headers = {"X-Sandbox-Token": self.address["admin_token"]}
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def pause(self) -> None:
        """Stop the flow; what has changed is sent at once."""
        self.admin("POST", "flow", paused=True)

    def resume(self) -> None:
        self.admin("POST", "flow", paused=False)

    def trade(self, pair: str, side: str, amount: str, price: str) -> str:
        """The liquidity provider takes at most ``amount``, down (or up) to ``price``. How much it
        got."""
        trade = self.admin("POST", "trade", pair=pair, side=side, amount=amount, price=price)
        filled: str = trade["filled"]
        return filled

    def orders(self) -> dict[str, dict[str, Any]]:
        """The account's orders in the ledger, by the venue's id."""
        return {str(order["order_id"]): order for order in self.admin("GET", "orders")}

    def fills(self) -> list[dict[str, Any]]:
        """The account's fills in the ledger."""
        fills: list[dict[str, Any]] = self.admin("GET", "fills")
        return fills

    def ledger_book(self, pair: str) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
        """The venue's own book, bids and asks."""
        book = self.admin("GET", f"book?pair={pair}")
        bids, asks = (
            {Decimal(price): Decimal(size) for price, size in book[side]}
            for side in ("bids", "asks")
        )
        return bids, asks

    def compare_books(
        self, pair: str, read: ReadBook, *, levels: int | None = None
    ) -> dict[str, Any]:
        """Let the flow go on, stop it, and compare, again and again, for ``seconds``.

        ``read`` is called in this thread. ``levels``: of a client that keeps only so many. The
        report has the number of looks, how many were equal, and the first difference."""
        report = Report()
        while not report.is_over(self.seconds):
            self.resume()
            time.sleep(FLOW_S)
            self.pause()
            truth = self.ledger_book(pair)
            until = time.monotonic() + SETTLES_WITHIN_S
            while (found := difference(truth, read(), levels)) and time.monotonic() < until:
                time.sleep(0.02)
            report.note(truth, found)
        self.resume()
        return report.as_dict()

    async def compare_books_async(
        self, pair: str, read: ReadBook, *, levels: int | None = None
    ) -> dict[str, Any]:
        """The same for a client that lives on this thread's event loop."""
        report = Report()
        while not report.is_over(self.seconds):
            await asyncio.to_thread(self.resume)
            await asyncio.sleep(FLOW_S)
            await asyncio.to_thread(self.pause)
            truth = await asyncio.to_thread(self.ledger_book, pair)
            until = time.monotonic() + SETTLES_WITHIN_S
            while (found := difference(truth, read(), levels)) and time.monotonic() < until:
                await asyncio.sleep(0.02)
            report.note(truth, found)
        await asyncio.to_thread(self.resume)
        return report.as_dict()


class Report:
    """Of the looks at a book."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._looks = 0
        self._equal = 0
        self._first_difference = ""
        self._books: set[str] = set()

    def is_over(self, seconds: float) -> bool:
        return time.monotonic() - self._begun > seconds

    def note(self, truth: tuple[Side, Side], found: str) -> None:
        self._looks += 1
        self._equal += not found
        self._first_difference = self._first_difference or found
        self._books.add(str(truth))

    def as_dict(self) -> dict[str, Any]:
        """``different_books``: how many books of the looks were not the same: that the market
        moved."""
        return {
            "looks": self._looks,
            "equal": self._equal,
            "different_books": len(self._books),
            "first_difference": self._first_difference,
        }


def difference(truth: tuple[Side, Side], seen: tuple[Side, Side], levels: int | None) -> str:
    """The first level that differs, in words; "" for none. Numbers are compared as floats."""
    for name, sign, ours, theirs in zip(("bids", "asks"), (-1, 1), truth, seen, strict=True):
        wanted = sorted((float(p), float(s)) for p, s in ours.items())
        found = sorted((float(p), float(s)) for p, s in theirs.items())
        wanted.sort(key=lambda level: sign * level[0])
        found.sort(key=lambda level: sign * level[0])
        for ours_, theirs_ in zip(wanted[:levels], found[:levels], strict=False):
            if ours_ != theirs_:
                return f"{name}: the venue has {ours_}, the client {theirs_}"
        if len(wanted[:levels]) != len(found[:levels]):
            return f"{name}: the venue has {len(wanted)} levels, the client {len(found)}"
    return ""


def finish(report: dict[str, Any]) -> None:
    """Print the report and leave at once, whatever threads a client leaves behind."""
    print("REPORT " + json.dumps(report, default=str), flush=True)
    os._exit(0)
