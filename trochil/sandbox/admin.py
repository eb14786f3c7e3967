"""The sandbox's own door, for demos and tests: its ledger, its faults, its flow. From this machine
only, whatever address the venue listens on, and with a token."""

import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from aiohttp import web

from trochil.sandbox.addresses import is_loopback
from trochil.sandbox.bans import REFUSED, TOLD, Ban
from trochil.sandbox.formats import decimal_text
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Rejected, Symbol
from trochil.sandbox.server import ADMIN_PATH, Server

STATES = {"new": "open", "partially_filled": "partially_filled"}
BAN_KINDS = {"ban": Reason.BANNED, "limit": Reason.RATE_LIMITED}
Handler = Callable[[dict[str, Any]], Any]


class Admin:
    """Handlers take a dict (query or JSON body) and give something JSON-able."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.token = secrets.token_hex(16)

    def add_routes(self, app: web.Application) -> None:
        for method, handlers in (("GET", self._reads()), ("POST", self._writes())):
            for name, handler in handlers.items():
                app.router.add_route(method, f"{ADMIN_PATH}{name}", self._guarded(handler))

    def _reads(self) -> dict[str, Handler]:
        return {
            "status": self._status,
            "orders": self._orders,
            "fills": self._fills,
            "book": self._book,
        }

    def _writes(self) -> dict[str, Handler]:
        return {
            "faults": self._set_faults,
            "balances_match": self._balances_match,
            "list": self._list,
            "delist": self._delist,
            "flow": self._flow,
            "disconnect": self._disconnect,
            "account": self._account,
            "drop": self._drop,
            "trade": self._trade,
            "cancel": self._cancel,
            "dead_channel": self._dead_channel,
            "restart_numbers": self._restart_numbers,
            "rules": self._rules,
            "ban": self._ban,
            "say": self._say,
            "replay": self._replay,
        }

    def _guarded(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            if not is_from_this_machine(request):
                return web.json_response(
                    {"error": "the admin door answers on the sandbox's own machine only"},
                    status=403,
                )
            if not hmac.compare_digest(request.headers.get("X-Sandbox-Token", ""), self.token):
                return web.json_response(
                    {"error": "the admin door needs the token that the sandbox printed"}, status=403
                )
            given = dict(request.query) if request.method == "GET" else await request.json()
            try:
                return web.json_response(handler(given))
            except (KeyError, ValueError, ArithmeticError, Rejected) as error:
                return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

        return serve

    def _status(self, given: dict[str, Any]) -> Any:
        server = self._server
        own_errors = {"own_errors": server.own_errors, "own_error_count": server.own_error_count}
        if server.replay is not None:
            return server.replay.status() | own_errors
        return {
            **own_errors,
            "update_ids": {pair: book.update_id for pair, book in server.venue.books.items()},
            "frames_sent": server.frames_sent,
            "connections": {"public": len(server.public()), "private": len(server.private())},
            "faults_done": dict(server.faults.done),
            "orders": len(server.venue.orders),
            "limits": None if server.limits is None else server.limits.status(),
        }

    def _orders(self, given: dict[str, Any]) -> Any:
        account = given.get("account", "default")
        return [
            describe(order)
            for order in self._server.venue.orders.values()
            if order.account.name == account
        ]

    def _fills(self, given: dict[str, Any]) -> Any:
        account = given.get("account", "default")
        return [
            {
                "pair": fill.order.symbol,
                "trade_id": fill.trade_id,
                "client_order_id": fill.order.client_id,
                "amount": str(fill.amount),
                "price": str(fill.price),
                "fee": str(fill.fee),
                "fee_asset": fill.fee_asset,
            }
            for fill in self._server.venue.fills
            if fill.order.account.name == account
        ]

    def _book(self, given: dict[str, Any]) -> Any:
        book = self._server.book(given["pair"])
        sides = {
            name: [[str(p), str(s)] for p, s in book.levels(side)]
            for name, side in (("bids", "buy"), ("asks", "sell"))
        }
        return {"update_id": book.update_id, **sides}

    def _set_faults(self, given: dict[str, Any]) -> Any:
        self._server.faults.set(given)
        return {"set": sorted(given)}

    def _balances_match(self, given: dict[str, Any]) -> Any:
        """Whether a client's view {asset: [total, available]} is the ledger's."""
        account = self._server.venue.accounts[given["account"]]
        differences = {}
        for asset in sorted({*given["balances"], *account.holdings}):
            theirs = [Decimal(value) for value in given["balances"].get(asset, ["0", "0"])]
            ours = [account.of(asset).total, account.of(asset).free]
            if theirs != ours:
                differences[asset] = {
                    "ledger": [str(v) for v in ours],
                    "client": [str(v) for v in theirs],
                }
        return {"match": not differences, "differences": differences}

    def _list(self, given: dict[str, Any]) -> Any:
        pair = given["pair"]
        known = self._server.venue.symbols.get(pair)
        if known is not None:
            known.trading = True
        else:
            base, quote = pair.split("-")
            self._server.venue.list_pair(
                pair, Symbol(base, quote, Decimal("0.01"), Decimal("0.00001"))
            )
            self._server.begin_flow(pair)
        return {"listed": pair}

    def _delist(self, given: dict[str, Any]) -> Any:
        """Now, or with ``at`` "snapshot" as soon as a client requests the pair's book: that request
        is still answered."""
        pair = given["pair"]
        symbol = self._server.venue.symbols[pair]
        if given.get("at", "now") == "snapshot":
            self._server.delisted_by_snapshot.add(pair)
        else:
            symbol.trading = False
        return {"delisted": pair}

    def _dead_channel(self, given: dict[str, Any]) -> Any:
        """The books of a pair are silent for who follows them; with ``dead`` false they speak
        again."""
        pair = given["pair"]
        self._server.book(pair)
        if not given.get("dead", True):
            self._server.revive_books(pair)
            return {"alive": pair}
        return {"dead": self._server.let_books_die(pair, given.get("healed_by", "subscription"))}

    def _restart_numbers(self, given: dict[str, Any]) -> Any:
        """The numbers of a pair's books begin again, from ``first`` on; 1 without it."""
        pair = given["pair"]
        first = int(given.get("first", 1))
        self._server.book(pair)
        if first < 1:
            raise ValueError("numbers begin with 1 or more")
        self._server.restart_numbers(pair, first)
        return {"restarted": pair}

    def _rules(self, given: dict[str, Any]) -> Any:
        """Another ``price_tick`` or ``size_step`` for a listed pair. What the venue made of it."""
        pair = given["pair"]
        steps = {
            name: Decimal(decimal_text(Decimal(given[name]))) if given.get(name) else None
            for name in ("price_tick", "size_step")
        }
        if any(step is not None and step <= 0 for step in steps.values()):
            raise ValueError("a step is above 0")
        self._server.change_rules(pair, **steps)
        symbol = self._server.venue.symbols[pair]
        return {"price_tick": str(symbol.price_tick), "size_step": str(symbol.size_step)}

    def _ban(self, given: dict[str, Any]) -> Any:
        """Refuse requests for ``seconds``. ``told``: where refusals tell the end; ``refuses``: what
        is refused; ``kind``: "ban", or "limit" for the refusal of a limit."""
        server = self._server
        told = given.get("told", "header")
        refuses = tuple(given.get("refuses", REFUSED))
        reason = BAN_KINDS[given.get("kind", "ban")]
        if told not in TOLD or not set(refuses) <= set(REFUSED):
            raise ValueError(f"told is one of {TOLD}, refuses some of {REFUSED}")
        if told == "words" and not (reason is Reason.BANNED and server.dialect.tells_ban_end):
            raise ValueError("no words of this venue name the end of that")
        server.ban = Ban(time.time() + float(given["seconds"]), reason, told, refuses)
        return {"until": server.ban.until_s}

    def _flow(self, given: dict[str, Any]) -> Any:
        """``rate``, ``paused``; ``trend`` in levels a second, of all pairs or of ``pair``."""
        self._server.rate = float(given.get("rate", self._server.rate))
        self._server.paused = bool(given.get("paused", self._server.paused))
        if "trend" in given:
            pairs = [given["pair"]] if "pair" in given else [*self._server.trends]
            for pair in pairs:
                self._server.book(pair)
            self._server.trends.update(dict.fromkeys(pairs, float(given["trend"])))
        if self._server.paused:
            for pair in self._server.venue.books:
                self._server.send_depth(pair)
        return {
            "rate": self._server.rate,
            "paused": self._server.paused,
            "trends": self._server.trends,
        }

    def _disconnect(self, given: dict[str, Any]) -> Any:
        server = self._server
        cut = server.private() if given["which"] == "private" else server.public()
        server.disconnect(cut)
        return {"cut": len(cut)}

    def _say(self, given: dict[str, Any]) -> Any:
        """A text of its own to every market connection."""
        for connection in self._server.public():
            connection.put(lambda connection, now: str(given["text"]))
        return {"said": len(self._server.public())}

    def _replay(self, given: dict[str, Any]) -> Any:
        """Let a guided replay go on from where it ``waits_for`` that."""
        if self._server.replay is None:
            raise ValueError("this sandbox replays nothing")
        self._server.replay.go_on(given["waits_for"])
        return self._server.replay.status()

    def _account(self, given: dict[str, Any]) -> Any:
        account = self._server.new_account(given["name"], given["balances"])
        return account.keys

    def _drop(self, given: dict[str, Any]) -> Any:
        self._server.book(given["pair"])
        self._server.withheld[given["pair"]] = int(given["frames"])
        return {"withholding": int(given["frames"])}

    def _trade(self, given: dict[str, Any]) -> Any:
        """The liquidity provider takes ``amount`` at market, or down to ``price``: what rests there
        fills."""
        server = self._server
        pair = given["pair"]
        price = Decimal(given["price"]) if given.get("price") else None
        kind = "market" if price is None else "limit"
        order = server.venue.place(
            server.liquidity_provider,
            pair,
            given["side"],
            kind,
            Decimal(given["amount"]),
            price,
            server.now_ns(),
            tif="IOC",
        )
        return {"filled": str(order.filled)}

    def _cancel(self, given: dict[str, Any]) -> Any:
        order = self._server.venue.orders[int(given["order_id"])]
        self._server.venue.cancel(order, self._server.now_ns())
        return describe(order)


def is_from_this_machine(request: web.Request) -> bool:
    """By loopback, or from the very address that was called."""
    transport = request.transport
    if transport is None:
        return False
    theirs = transport.get_extra_info("peername")
    ours = transport.get_extra_info("sockname")
    return bool(theirs and ours) and (is_loopback(theirs[0]) or theirs[0] == ours[0])


def describe(order: Order) -> dict[str, Any]:
    return {
        "order_id": order.id,
        "client_order_id": order.client_id,
        "pair": order.symbol,
        "side": order.side,
        "state": STATES.get(order.state, order.state),
        "amount": str(order.amount),
        "price": None if order.price is None else str(order.price),
        "filled": str(order.filled),
    }
