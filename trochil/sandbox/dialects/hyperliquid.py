"""Hyperliquid from the venue's side: spot, and perpetuals of the same assets, which trade as the spot pairs do. Source:
its API documentation; for l4Book, order_book_server, which a node has beside it."""

import time

from trochil.sandbox import dialect as d
from trochil.sandbox.blocks import Blocks
from trochil.sandbox.dialect import Any, Decimal, lookup, under
from trochil.sandbox.wallets import Wallets

DOMAIN = {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": "0x" + "0" * 40}
AGENT = {
    "Agent": [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}]
}
TERMS = """side limitPx=price sz=left oid=#id timestamp=#created_ms origSz=amount cloid tif orderType:Limit
    reduceOnly:=false isTrigger:=false triggerPx:0.0 triggerCondition:N/A isPositionTpsl:=false"""
ORDER, PERP_ORDER = f"coin=symbol {TERMS}", f"coin=base user:0x0 {TERMS}"
STATUS = f"order{{{ORDER}}} status=outcome statusTimestamp=#updated_ms"
DIFFS = {
    "new": "{new{sz=left}}",
    "update": "{update{origSz=before newSz=left}}",
    "remove": ":remove",
}
CHANGES = {
    what: f"user:0x0 coin=base oid=#id px=price raw_book_diff{diff}" for what, diff in DIFFS.items()
}
FILL = """coin=symbol px=fill_price sz=fill_amount side time=#time_ms oid=#id tid=#trade_id crossed=taker fee
    feeToken=fee_asset cloid startPosition:0.0 dir:Trade closedPnl:0.0 hash:0x00"""
TRADE = "side px=price sz=amount time=#time_ms tid=#trade_id hash:0x00"
CONTEXT = "markPx=last midPx=middle prevDayPx=last dayNtlVlm=quote_volume dayBaseVlm=volume"
CONTEXTS = {"meta": CONTEXT, "spotMeta": f"coin=symbol {CONTEXT}"}
RATES = "userAddRate=maker_fee userCrossRate=taker_fee userSpotAddRate=maker_fee userSpotCrossRate=taker_fee"
PERP = "name=base szDecimals=#step_places maxLeverage:=10"
PAIR = "name=symbol tokens=#tokens index=#index"
TOKEN = "name=base szDecimals=#step_places weiDecimals:=8 index=#token"
DOLLAR = {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0}
HELD = "coin=asset total hold=held entryNtl:0.0 token:=0"
QUESTIONS = {
    **dict.fromkeys(("openOrders", "frontendOpenOrders"), lookup("", "open_orders", ORDER)),
    "orderStatus": lookup(
        "", "order", STATUS, lambda row: {"status": "order", "order": row}, id="oid", client="oid"
    ),
    "userFills": lookup("", "fills_down", FILL),
    "userFillsByTime": lookup("", "fills", FILL, since="startTime", until="endTime"),
    "userFees": lookup("", "venue", RATES),
    "spotClearinghouseState": lookup("", "holdings", HELD, under("balances")),
    "exchangeStatus": lookup("", "venue", "time=#now_ms specialStatuses:=null"),
    "meta": lookup("", "markets", PERP, under("universe")),
    "allMids": lookup(
        "",
        "tickers",
        CONTEXTS["spotMeta"],
        lambda rows: {row["coin"]: row["midPx"] for row in rows},
    ),
}
FIXED = {"perpDexs": [None], "userAbstraction": "disabled"}
KINDS = {"order": "place", "cancel": "cancel", "cancelByCloid": "cancel"}
SPOT = 10_000


class Dialect(Wallets, Blocks):
    """Images of twenty levels; of perpetuals also every order, where a block is what happened between two images."""

    name, window, pairs = "hyperliquid", 20, ("BTC-USDC", "ETH-USDC", "HYPE-USDC")
    domain, types, hashed, messages = (
        DOMAIN,
        AGENT,
        "connectionId",
        ({"source": "a"}, {"source": "b"}),
    )
    opened_words, change_words = f"user:0x0 status:open order{{{PERP_ORDER}}}", CHANGES
    greeting = "Websocket connection established."
    words = {
        "side": {"buy": "B", "sell": "A"},
        "outcome": dict.fromkeys(("new", "partially_filled"), "open")
        | {"cancelled": "canceled", "cut": "canceled", "expired": "iocCancelRejected"},
        "tif": {"GTC": "Gtc", "IOC": "Ioc"},
    }
    tells = (
        d.tell("orderUpdates", f"data[{STATUS}]"),
        d.tell("userFills", f"data{{user=key fills[{FILL}]}}", "trade"),
        d.tell("spotState", f"data{{user=key spotState{{balances=purse[{HELD}]}}}}"),
    )
    refusals = d.refusals("""
        200: unknown_symbol - Invalid asset | price_filter - Price must be divisible by tick size.
        lot_size - Order has invalid size. | notional - Order must have minimum value of $10.
        insufficient_balance - Insufficient spot balance | duplicate_client_id - Duplicate cloid
        would_take - Post only order would have immediately matched, bbo was 1@2.
        no_match - Order could not immediately match against any resting orders.
        unknown_order oid Order was never placed, already canceled, or filled.
        bad_key - User or API Wallet {} does not exist. | bad_time - Invalid nonce: {}
        422: illegal text Failed to deserialize the JSON body into the target type: {}
        503: unavailable text Service unavailable | 429: rate_limited text Too many requests""")

    def limit(self, symbol: Any) -> None:
        places = -int(symbol.size_step.as_tuple().exponent)
        symbol.price_tick, symbol.min_notional, symbol.digits = (
            Decimal(1).scaleb(places - 8),
            Decimal(10),
            5,
        )

    def symbol(self, pair: str) -> str:
        """The first pair goes by its name, as the venue's first does; the others by their number."""
        return f"@{self.index(pair)}" if self.index(pair) else pair.replace("-", "/")

    def aliases(self, pair: str) -> tuple[str, ...]:
        """A perpetual is called after its asset."""
        return (self.base(pair),)

    def more(self, facts: d.Facts, thing: Any) -> d.Facts:
        client = facts.get("client", "")
        found: d.Facts = {"cloid": client if client.startswith("0x") else None}
        if pair := facts.get("pair"):
            index, token = str(self.index(pair)), str(self.index(pair) + 1)
            found |= {
                "index": index,
                "token": token,
                "tokens": [token, "0"],
                "base": self.base(pair),
            }
        return found

    def refused(self, code: str, message: str) -> Any:
        return {"oid": {"status": "unknownOid"}, "text": message}.get(
            code, {"status": "err", "response": message}
        )

    @d.route("POST /info", signed=False)
    def info(self, ask: d.Ask) -> Any:
        account = self.server.account_of_key(ask.get("user").lower()) or d.Account("nobody")
        kind, with_contexts, _ = ask["type"].partition("AndAssetCtxs")
        found = self._answer(kind, ask, account)
        return (
            [found, self.rows(CONTEXTS[kind], self.find_tickers(account, {}))]
            if with_contexts
            else found
        )

    def _answer(self, kind: str, ask: d.Ask, account: d.Account) -> Any:
        match kind:
            case "userRole":
                return {"role": "user" if account.keys else "missing"}
            case "l2Book":
                return self._image(kind, ask["coin"])
            case "spotMeta":
                pairs = self.rows(PAIR, (symbol for symbol in self.listed() if symbol.trading))
                return {"tokens": [DOLLAR, *self.rows(TOKEN, self.listed())], "universe": pairs}
        return FIXED[kind] if kind in FIXED else self._looking(QUESTIONS[kind])(ask, account)

    @d.route("POST /exchange", kind=lambda said: KINDS.get(said["action"]["type"], "query"))
    def act(self, ask: d.Ask, account: d.Account) -> Any:
        action = ask.body["action"]
        if action["type"] not in KINDS:
            return {"status": "ok", "response": {"type": "default"}}
        statuses = [self._try(account, row) for row in action.get("orders") or action["cancels"]]
        return {
            "status": "ok",
            "response": {"type": action["type"], "data": {"statuses": statuses}},
        }

    def _try(self, account: d.Account, row: d.Made) -> Any:
        """An order has a size, else it is one to cancel."""
        try:
            if "s" in row:
                return self._place(account, row)
            self.cancel(self.find(account, order_id=row.get("o"), client_id=row.get("cloid")))
        except d.Rejected as refusal:
            return {
                "error": f"{self.refusals[refusal.reason][2]} asset={row.get('a', row.get('asset'))}"
            }
        return "success"

    def _place(self, account: d.Account, row: d.Made) -> Any:
        pair = {SPOT + self.index(pair): pair for pair in self.venue.symbols}[row["a"]]
        tif, side = (
            {"Alo": "post_only"}.get(row["t"]["limit"]["tif"], row["t"]["limit"]["tif"].upper()),
            row["b"],
        )
        size, price, client = Decimal(row["s"]), Decimal(row["p"]), row.get("c", "")
        order = self.take(
            account, pair, "buy" if side else "sell", size, price, tif=tif, client_id=client
        )
        if not order.is_open and not order.filled:
            raise d.Rejected("no_match")
        return {
            "resting" if order.is_open else "filled": self.row(
                "totalSz=?filled avgPx=?average oid=#id", order
            )
        }

    @d.socket("/ws")
    def heard(self, connection: d.Connection, said: Any) -> None:
        if said["method"] == "ping":
            self.tell(connection, {"channel": "pong"})
            return
        what, on = said["subscription"], said["method"] == "subscribe"
        topic = f"{what['type']}:{what.get('coin') or what['user'].lower()}"
        self.follow(connection, topic, on)
        self.tell(connection, {"channel": "subscriptionResponse", "data": said})
        if on and "user" in what:
            connection.account, connection.is_private = (
                self.server.account_of_key(what["user"].lower()),
                True,
            )
        if on and (image := self._image(what["type"], what.get("coin", ""), connection.account)):
            self.tell(connection, {"channel": what["type"], "data": image})

    def _image(self, channel: str, coin: str, account: d.Account | None = None) -> Any:
        """What a subscription opens with."""
        match channel:
            case "l2Book":
                return {"coin": coin, **self._book(self.pair(coin))}
            case "l4Book":
                self.server.send_depth(
                    self.pair(coin)
                )  # the block under way: the image holds it already
                sides = [
                    self.rows(PERP_ORDER, self.resting(self.pair(coin), side))
                    for side in ("buy", "sell")
                ]
                when = {"time": d.ms(time.time_ns()), "height": self.numbers["height"]}
                return {"Snapshot": {"coin": coin, **when, "levels": sides}}
            case "userFills" if account:
                fills = self.rows(FILL, self.fills_of(account))
                return {"isSnapshot": True, "user": account.keys["api_key"], "fills": fills}

    def _book(self, pair: str) -> d.Made:
        _, bids, asks, *_ = self.whole(pair)
        levels = [
            [{"px": d.text(price), "sz": d.text(size), "n": 1} for price, size in side]
            for side in (bids, asks)
        ]
        return {"time": d.ms(time.time_ns()), "levels": levels}

    def on_depth(self, pair: str, first: int, last: int, bids: d.Levels, asks: d.Levels) -> None:
        self.change(pair, last)
        self.numbers["height"] += 1
        image, (opened, changes) = self._book(pair), self.block(pair)
        rows = {"order_statuses": opened, "book_diffs": changes}
        block = {"time": image["time"], "height": self.numbers["height"], **rows}
        self.publish(f"l4Book:{self.base(pair)}", {"channel": "l4Book", "data": {"Updates": block}})
        for coin in (self.symbol(pair), self.base(pair)):
            self.publish(f"l2Book:{coin}", {"channel": "l2Book", "data": {"coin": coin, **image}})

    def trade_topics(self, pair: str) -> dict[str, str]:
        names = {"symbol": self.symbol(pair), "base": self.base(pair)}
        return {f"trades:{coin}": f"coin={fact} {TRADE}" for fact, coin in names.items()}

    def trade_frame(self, row: d.Made) -> Any:
        return {"channel": "trades", "data": [row]}

    def concerns(self, topic: str, event: Any) -> bool:
        return topic.endswith(f":{event.order.account.keys['api_key']}")

    def user_frame(self, topic: str, row: d.Made, connection: d.Connection) -> d.Build:
        return self.build({"channel": topic.partition(":")[0], **row})
