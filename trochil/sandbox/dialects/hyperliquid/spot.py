"""Hyperliquid spot from the venue's side. Source: its API documentation."""

import time
from decimal import Decimal
from typing import Any

from aiohttp import web

from trochil.sandbox.accounts import Account
from trochil.sandbox.dialect import Ask, Levels, lookup, refusals, route, socket, under
from trochil.sandbox.dialects.hyperliquid.wallets import Wallets
from trochil.sandbox.facts import holdings, text
from trochil.sandbox.server import Build, Connection, Server
from trochil.sandbox.shape import Facts, Made
from trochil.sandbox.venue import Event, Rejected

ORDER = """coin=symbol side limitPx=price sz=left oid=#id timestamp=#created_ms origSz=amount cloid tif orderType:Limit
    reduceOnly:=false isTrigger:=false triggerPx:0.0 triggerCondition:N/A isPositionTpsl:=false"""
STATUS = f"order{{{ORDER}}} status=state statusTimestamp=#updated_ms"
FILL = """coin=symbol px=fill_price sz=fill_amount side time=#time_ms oid=#id tid=#trade_id crossed fee
    feeToken=fee_asset cloid startPosition:0.0 dir:Trade closedPnl:0.0 hash:0x00"""
CONTEXT = "markPx=last midPx=middle prevDayPx=last dayNtlVlm=quote_volume dayBaseVlm=volume"
RATES = "userAddRate=maker_fee userCrossRate=taker_fee userSpotAddRate=maker_fee userSpotCrossRate=taker_fee"
TOKEN = "name=base szDecimals=#step_places weiDecimals:=8 index=#token"
HELD = "coin=asset total hold=held entryNtl:0.0 token:=0"
QUESTIONS = {
    "frontendOpenOrders": lookup("", "open_orders", ORDER),
    "openOrders": lookup("", "open_orders", ORDER),
    "orderStatus": lookup("", "order", STATUS, lambda row: {"status": "order", "order": row}, id="oid", client="oid"),
    "userFills": lookup("", "fills_down", FILL),
    "userFillsByTime": lookup("", "fills", FILL, since="startTime", until="endTime"),
    "userFees": lookup("", "venue", RATES),
    "spotClearinghouseState": lookup("", "holdings", HELD, under("balances")),
    "exchangeStatus": lookup("", "venue", "time=#now_ms specialStatuses:=null"),
}
KINDS = {"order": "place", "cancel": "cancel", "cancelByCloid": "cancel"}
SPOT = 10_000


class Spot(Wallets):
    """Images of twenty levels; one path of questions and one of actions."""

    name = "hyperliquid"
    pairs = ("BTC-USDC", "ETH-USDC", "HYPE-USDC")
    window = 20
    trade_topic, trade_words = "trades:{}", "coin=symbol side px=price sz=amount time=#time_ms tid=#trade_id hash:0x00"
    words = {
        "side": {"buy": "B", "sell": "A"},
        "state": {"new": "open", "partially_filled": "open", "cancelled": "canceled", "expired": "canceled"},
        "tif": {"GTC": "Gtc", "IOC": "Ioc"},
    }
    refusals = refusals("""
        unknown_symbol 200 - Invalid asset
        price_filter 200 - Price must be divisible by tick size.
        lot_size 200 - Order has invalid size.
        notional 200 - Order must have minimum value of $10.
        insufficient_balance 200 - Insufficient spot balance
        duplicate_client_id 200 - Duplicate cloid
        would_take 200 - Post only order would have immediately matched, bbo was 1@2.
        no_match 200 - Order could not immediately match against any resting orders.
        unknown_order 200 oid Order was never placed, already canceled, or filled.
        bad_key 200 - User or API Wallet {} does not exist.
        bad_time 200 - Invalid nonce: {}
        illegal 422 text Failed to deserialize the JSON body into the target type: {}
        unavailable 503 text Service unavailable
        rate_limited 429 text Too many requests""")

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        for symbol in self.listed():
            places = -int(symbol.size_step.as_tuple().exponent)
            symbol.price_tick, symbol.min_notional, symbol.digits = Decimal(1).scaleb(places - 8), Decimal(10), 5

    def number(self, pair: str) -> int:
        return list(self.venue.symbols).index(pair)

    def symbol(self, pair: str) -> str:
        """The first pair goes by its name, as the venue's first does; the others by their number."""
        return f"@{self.number(pair)}" if self.number(pair) else pair.replace("-", "/")

    def more(self, facts: Facts, thing: Any) -> Facts:
        found: Facts = {"crossed": not facts.get("maker")}
        if "client" in facts:
            found["cloid"] = facts["client"] if facts["client"].startswith("0x") else None
        if "step" in facts:
            found["token"] = str(self.number(facts["pair"]) + 1)
        if "bid" in facts:
            found["middle"] = text((Decimal(facts["bid"]) + Decimal(facts["ask"])) / 2)
        if facts.get("state") == "expired" and facts["filled"] == "0":
            found["state"] = "iocCancelRejected"
        return found

    def refused(self, code: str, message: str) -> Any:
        return {"oid": {"status": "unknownOid"}, "text": message}.get(code, {"status": "err", "response": message})

    async def kind_of(self, request: web.Request) -> str | None:
        acts = request.path == "/exchange"
        return KINDS.get((await request.json())["action"]["type"], "query") if acts else await super().kind_of(request)

    @route("POST /info", signed=False)
    def info(self, ask: Ask) -> Any:
        account = self.server.account_of_key(ask.get("user").lower()) or Account("nobody")
        if ask["type"] in QUESTIONS:
            return self._looking(QUESTIONS[ask["type"]])(ask, account)
        return self.answers(ask["type"], ask, account)

    def answers(self, kind: str, ask: Ask, account: Account) -> Any:
        match kind:
            case "userRole":
                return {"role": "user" if account.keys else "missing"}
            case "l2Book":
                return self.book(ask["coin"])
            case "spotMeta":
                dollar = {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0}
                pairs = ((s.pair, self.number(s.pair)) for s in self.listed() if s.trading)
                rows = [{"name": self.symbol(pair), "tokens": [n + 1, 0], "index": n} for pair, n in pairs]
                return {"tokens": [dollar, *self.rows(TOKEN, self.listed())], "universe": rows}
            case "spotMetaAndAssetCtxs":
                rows = self.rows(f"coin=symbol {CONTEXT}", self.find_tickers(account, {}))
                return [self.answers("spotMeta", ask, account), rows]
        return {"perpDexs": [None], "userAbstraction": "disabled"}[kind]

    @route("POST /exchange")
    def act(self, ask: Ask, account: Account) -> Any:
        action = ask.body["action"]
        if (kind := KINDS.get(action["type"])) is None:
            return {"status": "ok", "response": {"type": "default"}}
        rows, work = action.get("orders") or action["cancels"], getattr(self, f"_{kind}")
        statuses = [self._try(work, account, row) for row in rows]
        return {"status": "ok", "response": {"type": action["type"], "data": {"statuses": statuses}}}

    def _try(self, work: Any, account: Account, row: Made) -> Any:
        try:
            return work(account, row)
        except Rejected as refusal:
            return {"error": f"{self.refusals[refusal.why][2]} asset={row.get('a', row.get('asset'))}"}

    def _place(self, account: Account, row: Made) -> Any:
        pair = {SPOT + self.number(pair): pair for pair in self.venue.symbols}[row["a"]]
        tif, side = {"Alo": "post_only"}.get(row["t"]["limit"]["tif"], row["t"]["limit"]["tif"].upper()), row["b"]
        size, price, client = Decimal(row["s"]), Decimal(row["p"]), row.get("c", "")
        order = self.take(account, pair, "buy" if side else "sell", size, price, tif=tif, client_id=client)
        if not order.is_open and not order.filled:
            raise Rejected("no_match")
        return {"resting" if order.is_open else "filled": self.row("totalSz=?filled avgPx=?average oid=#id", order)}

    def _cancel(self, account: Account, row: Made) -> Any:
        self.cancel(self.find(account, order_id=row.get("o"), client_id=row.get("cloid")))
        return "success"

    def opened(self, connection: Connection) -> None:
        self.tell(connection, "Websocket connection established.")

    @socket("/ws")
    def heard(self, connection: Connection, said: Any) -> None:
        if said["method"] == "ping":
            self.tell(connection, {"channel": "pong"})
            return
        what, on = said["subscription"], said["method"] == "subscribe"
        topic = f"{what['type']}:{what.get('coin') or what['user'].lower()}"
        if on is (topic in connection.topics):
            self.tell(connection, {"channel": "error", "data": f"Already {said['method']}d: {what}"})
            return
        self.follow(connection, topic, on)
        self.tell(connection, {"channel": "subscriptionResponse", "data": said})
        if on:
            self.begin(connection, **what)

    def begin(self, connection: Connection, type: str, coin: str = "", user: str = "", **more: Any) -> None:
        """What a subscription opens with."""
        if type == "l2Book":
            self.tell(connection, {"channel": type, "data": self.book(coin)})
        if user:
            connection.account, connection.state["private"] = self.server.account_of_key(user.lower()), True
        if type == "userFills" and connection.account:
            fills = self.rows(FILL, self.fills_of(connection.account))
            self.tell(connection, {"channel": type, "data": {"isSnapshot": True, "user": user, "fills": fills}})

    def book(self, coin: str) -> Any:
        _, bids, asks, *_ = self.whole(self.pair(coin))
        levels = [[{"px": text(price), "sz": text(size), "n": 1} for price, size in side] for side in (bids, asks)]
        return {"coin": coin, "time": time.time_ns() // 1_000_000, "levels": levels}

    def depth_changed(self, pair: str, first: int, last: int, bids: Levels, asks: Levels) -> None:
        self.change(pair, last)
        coin = self.symbol(pair)
        self.publish(f"l2Book:{coin}", {"channel": "l2Book", "data": self.book(coin)})

    def trade_frame(self, row: Made) -> Any:
        return {"channel": "trades", "data": [row]}

    def user_frames(self, event: Event, connection: Connection) -> list[Build]:
        account = event.order.account
        user, held = account.keys["api_key"], {"balances": self.rows(HELD, holdings(account))}
        told: dict[str, Any] = {"orderUpdates": self.rows(STATUS, [event])}
        told |= {"userFills": {"user": user, "fills": self.rows(FILL, [event])}} if event.match else {}
        told |= {"spotState": {"user": user, "spotState": held}}
        followed = [channel for channel in told if f"{channel}:{user}" in connection.topics]
        return [self.build({"channel": channel, "data": told[channel]}) for channel in followed]
