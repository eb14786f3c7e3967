"""Hyperliquid's perpetuals, which trade as the spot pairs of the same assets do; and every order of their books, as
order_book_server beside a node tells them."""

import time
from typing import Any

from trochil.sandbox.accounts import Account
from trochil.sandbox.dialect import Ask, Levels
from trochil.sandbox.dialects.hyperliquid.spot import CONTEXT, ORDER, Spot
from trochil.sandbox.facts import text
from trochil.sandbox.matching import Match, Order
from trochil.sandbox.server import Connection, Server
from trochil.sandbox.shape import Made

PERP = "name=base szDecimals=#step_places maxLeverage:=10"
NODE = {"tif": "Gtc", "user": "0x" + "0" * 40}


class Dialect(Spot):
    """A block of a node is what happened between two images of the book."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._height, self._resting = 1000, set[int]()
        self._blocks: dict[str, tuple[list[Made], list[Made]]] = {}

    def base(self, pair: str) -> str:
        return self.venue.symbols[pair].base

    def pair(self, symbol: str) -> str:
        """A perpetual is called after its asset."""
        return super().pair({self.base(pair): self.symbol(pair) for pair in self.venue.symbols}.get(symbol, symbol))

    def answers(self, kind: str, ask: Ask, account: Account) -> Any:
        if kind == "meta":
            return {"universe": self.rows(PERP, self.listed())}
        if kind == "metaAndAssetCtxs":
            return [self.answers("meta", ask, account), self.rows(CONTEXT, self.find_tickers(account, {}))]
        if kind == "allMids":
            return {row["coin"]: row["midPx"] for row in self.answers("spotMetaAndAssetCtxs", ask, account)[1]}
        return super().answers(kind, ask, account)

    def traded(self, match: Match) -> None:
        super().traded(match)
        coin = self.base(match.maker.symbol)
        self.publish(f"trades:{coin}", self.trade_frame(self.row(self.trade_words, match) | {"coin": coin}))

    def book_event(self, kind: str, order: Order, match: Match | None) -> None:
        """Orders that rest, shrink and leave."""
        statuses, diffs = self._blocks.setdefault(order.symbol, ([], []))
        left, what = text(order.left), None  # type: str, Any
        if kind == "open":
            self._resting.add(order.id)
            statuses.append({"user": NODE["user"], "status": "open", "order": self._order(order)})
            what = {"new": {"sz": left}}
        elif kind == "match" and match is not None and order.left:
            what = {"update": {"origSz": text(order.left + match.amount), "newSz": left}}
        elif kind == "done" and order.id in self._resting:
            self._resting.remove(order.id)
            what = "remove"
        if what is not None:
            facts = {"coin": self.base(order.symbol), "oid": order.id, "px": text(order.price or order.left)}
            diffs.append({"user": NODE["user"], **facts, "raw_book_diff": what})

    def _order(self, order: Order) -> Made:
        return self.row(ORDER, order) | NODE | {"coin": self.base(order.symbol)}

    def depth_changed(self, pair: str, first: int, last: int, bids: Levels, asks: Levels) -> None:
        super().depth_changed(pair, first, last, bids, asks)
        coin, image = self.base(pair), self.book(self.base(pair))
        statuses, diffs = self._blocks.pop(pair, ([], []))
        self._height += 1
        block = {"time": image["time"], "height": self._height, "order_statuses": statuses, "book_diffs": diffs}
        self.publish(f"l4Book:{coin}", {"channel": "l4Book", "data": {"Updates": block}})
        self.publish(f"l2Book:{coin}", {"channel": "l2Book", "data": image})

    def begin(self, connection: Connection, type: str, coin: str = "", user: str = "", **more: Any) -> None:
        super().begin(connection, type, coin, user, **more)
        if type == "l4Book":
            pair = self.pair(coin)
            self.server.send_depth(pair)  # the block under way: the snapshot holds it already
            book = self.server.book(pair)
            levels = [
                [self._order(order) for price, _ in book.levels(side) for order in book.sides[side][price].orders]
                for side in ("buy", "sell")
            ]
            now = time.time_ns() // 1_000_000
            whole = {"coin": coin, "time": now, "height": self._height, "levels": levels}
            self.tell(connection, {"channel": "l4Book", "data": {"Snapshot": whole}})
