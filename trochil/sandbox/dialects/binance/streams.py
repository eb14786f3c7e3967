"""The sockets of the venue. Source: its public API documentation, market streams and websocket API v3."""

import json
from typing import Any

from aiohttp import web

from trochil.sandbox.dialects.binance import rows
from trochil.sandbox.dialects.binance.recorded import Recorded
from trochil.sandbox.dialects.binance.rest import ERRORS, Rest
from trochil.sandbox.matching import Match
from trochil.sandbox.replay import Record
from trochil.sandbox.server import Build, Connection
from trochil.sandbox.venue import Event, Rejected


class Dialect(Rest):
    """Routes, frames and errors of the venue, over the shared server."""

    name = "binance"
    recordings = Recorded()
    pairs = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "ETH-BTC")

    def add_routes(self, app: web.Application) -> None:
        super().add_routes(app)
        for path in ("/ws", "/ws/{streams:.*}", "/stream"):
            app.router.add_get(path, lambda request: self.server.serve_socket(request, self._market_text))
        app.router.add_get("/ws-api/v3", lambda request: self.server.serve_socket(request, self._api_text))

    # Market streams.

    def opened(self, connection: Connection) -> None:
        path = connection.path
        connection.state["micro"] = connection.query.get("timeUnit", "").upper() == "MICROSECOND"
        connection.state["combined"] = path == "/stream"
        connection.state["private"] = path.startswith("/ws-api")
        asked = connection.query.get("streams", "") if path == "/stream" else path.removeprefix("/ws").strip("/")
        connection.topics |= {topic for topic in asked.split("/") if "@" in topic}

    def _market_text(self, connection: Connection, text: str) -> None:
        try:
            said = json.loads(text)
            method, number, params = said["method"], said.get("id"), said.get("params", [])
        except (ValueError, KeyError, TypeError):
            connection.put(lambda c, now: json.dumps({"code": 3, "msg": "Invalid JSON: expected value"}))
            return
        result: Any = None
        if method == "SUBSCRIBE":
            connection.topics |= set(params)
            self._subscribed(params)
        elif method == "UNSUBSCRIBE":
            connection.topics -= set(params)
        elif method == "LIST_SUBSCRIPTIONS":
            result = sorted(connection.topics)
        connection.put(lambda c, now: json.dumps({"result": result, "id": number}))

    def _subscribed(self, topics: list[str]) -> None:
        if self.server.replay is not None and any("@depth" in topic for topic in topics):
            self.server.replay.listened()

    def replayed(self, connection: Connection, record: Record) -> str | bytes | None:
        """A recorded frame as this client is to see it; None: it did not ask for it."""
        topic = record.data.get("stream", "")
        if topic not in connection.topics:
            return None
        return record.text if connection.state["combined"] else json.dumps(record.data["data"])

    def depth_changed(self, pair: str, first: int, last: int, bids: rows.Levels, asks: rows.Levels) -> None:
        symbol = pair.replace("-", "")
        frame = {"e": "depthUpdate", "s": symbol, "U": first, "u": last, "b": rows.texts(bids), "a": rows.texts(asks)}
        for speed in ("@depth@100ms", "@depth"):
            self.send(symbol.lower() + speed, frame)
        book = self.server.book(pair)
        for size in (5, 10, 20):
            for speed in ("", "@100ms"):
                self.send(f"{symbol.lower()}@depth{size}{speed}", rows.depth(book, size), timed=False)
        self.send(f"{symbol.lower()}@bookTicker", rows.book_ticker(symbol, book), timed=False)

    def traded(self, match: Match) -> None:
        pair = match.maker.symbol
        self.recent.setdefault(pair, []).append(match)
        del self.recent[pair][:-500]
        symbol = pair.replace("-", "")
        self.send(f"{symbol.lower()}@trade", rows.trade_event(symbol, match))
        self.send(f"{symbol.lower()}@aggTrade", rows.aggregate_event(symbol, match))

    def send(self, topic: str, frame: dict[str, Any], timed: bool = True) -> None:
        if not any(topic in connection.topics for connection in self.server.connections):
            return

        def build(connection: Connection, now: int) -> str:
            micro = connection.state["micro"]
            data = rows.timed(frame, now, micro) if timed else frame
            return json.dumps({"stream": topic, "data": data} if connection.state["combined"] else data)

        self.server.broadcast(topic, build)

    # The websocket API: signed requests, and the account's events.

    def _api_text(self, connection: Connection, text: str) -> None:
        try:
            said = json.loads(text)
            number, method, params = said["id"], said["method"], said.get("params", {})
        except (ValueError, KeyError, TypeError):
            connection.put(
                lambda c, now: json.dumps({"id": None, "status": 400, "error": {"code": -1135, "msg": "Bad JSON"}})
            )
            return
        try:
            answer = {"id": number, "status": 200, "result": self._api(connection, method, params)}
        except Rejected as refusal:
            status, code, message = ERRORS[refusal.why]
            answer = {
                "id": number,
                "status": status,
                "error": {"code": code, "msg": message.format(detail=refusal.detail)},
            }
        except KeyError as missing:
            answer = {"id": number, "status": 400, "error": {"code": -1102, "msg": f"Mandatory parameter {missing}"}}
        connection.put(lambda c, now: json.dumps(answer))

    def _api(self, connection: Connection, method: str, params: dict[str, Any]) -> Any:
        if method in ("ping", "time"):
            return self.get_time(params) if method == "time" else {}
        if method == "userDataStream.unsubscribe":
            connection.account = None
            return {}
        account = self.server.account_of_key(params["apiKey"])
        if account is None:
            raise Rejected("bad_key")
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
        self._check(account, payload, str(params["signature"]), params)
        if method == "userDataStream.subscribe.signature":
            connection.account, self._subscriptions = account, self._subscriptions + 1
            return {"subscriptionId": 0}
        handler = rows.API.get(method)
        if handler is None:
            raise Rejected("illegal", "method")
        return getattr(self, handler)({name: str(value) for name, value in params.items()}, account)

    def user_frames(self, event: Event, connection: Connection) -> list[Build]:
        order, symbol = event.order, self.venue.symbols[event.order.symbol]
        report = rows.execution_report(event)
        holdings = [(asset, order.account.of(asset)) for asset in (symbol.base, symbol.quote)]
        position = {
            "e": "outboundAccountPosition",
            "u": event.time // 1_000_000,
            "B": [{"a": asset, "f": str(h.free), "l": str(h.held)} for asset, h in holdings],
        }
        return [self._user_frame(report), self._user_frame(position)]

    def _user_frame(self, event: dict[str, Any]) -> Build:
        def build(connection: Connection, now: int) -> str:
            data = rows.timed(event, now, connection.state["micro"])
            return json.dumps({"subscriptionId": 0, "event": data})

        return build

    def terminate(self, connection: Connection) -> None:
        connection.put(self._user_frame({"e": "eventStreamTerminated"}))
        connection.account = None
