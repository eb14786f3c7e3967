"""Kraken spot from the venue's side. Source: its documentation of REST v0 and websocket v2."""

from secrets import token_hex

from trochil.sandbox import dialect as d
from trochil.sandbox.dialect import Any, lookup, own, tell
from trochil.sandbox.facts import Market
from trochil.sandbox.market.venue import Fill
from trochil.sandbox.queues import Checked

CODES = {"BTC": "XXBT", "ETH": "XETH", "DOGE": "XXDG", "USD": "ZUSD", "EUR": "ZEUR"}
PAIR = """key altname wsname base=base_code quote=quote_code pair_decimals=#tick_places lot_decimals=#step_places
    cost_decimals:=5 tick_size=tick ordermin=least costmin=worth status=trading fees=taker_fees fees_maker=maker_fees"""
TICKER = "key a=asks b=bids c=lasts v=volumes p=lasts l=lasts h=lasts o=last"
ORDER = """id cl_ord_id=client status=state opentm=#created_s closetm=?#done_s vol=amount vol_exec=filled oflags=flags
    cost=quote_filled fee=fees price=average descr{pair=altname type=side ordertype=kind price order=line}"""
FILL = """exec ordertxid=id pair=key time=#time_s type=side ordertype=kind price=fill_price cost=fill_value fee
    vol=fill_amount trade_id=#trade_id maker"""
TRADE = "symbol side price=#price qty=#amount ord_type:market trade_id=#trade_id timestamp=time_iso"
REPORT = """order_id=id cl_ord_id=client symbol side order_type=kind order_qty=#amount limit_price=?#price
    cum_qty=#filled cum_cost=#quote_filled exec_type:new order_status=status timestamp=updated_iso"""
EXECUTION = """order_id=id exec_id=exec exec_type:trade trade_id=#trade_id symbol side order_type=kind
    order_status=status last_qty=#fill_amount last_price=#fill_price cost=#fill_value liquidity_ind=role
    fees[asset=fee_asset qty=#fee] cum_qty=#filled cum_cost=#quote_filled timestamp=time_iso"""
ENDED, HOLDING = (
    "order_id=id exec_type=status order_status=status timestamp=time_iso",
    "asset balance=#total",
)
BOOK = """{{"channel":"{channel}","type":"{type}","data":[{{"symbol":"{symbol}","bids":[{bids}],"asks":[{asks}],
    "checksum":{checksum},"timestamp":"{time}"}}]}}"""
LEVEL = '{{"price":{price},"qty":{size}}}'
RESTING = '{{{event}"order_id":"{id}","limit_price":{price},"order_qty":{size}}}'
PLACED = {
    "side": "type",
    "kind": "ordertype",
    "size": "volume",
    "price": "price",
    "tif": "timeinforce",
}
PLACED |= {"pair": "pair", "client": "cl_ord_id", "post": "oflags", "unit": "oflags"}
PRIVATE = ("executions", "balances", "level3")


def old(name: str) -> str:
    return name.replace("BTC", "XBT").replace("DOGE", "XDG")


def added(row: d.Made) -> d.Made:
    return {"descr": {"order": row["line"]}, "txid": [row["id"]]}


def volume(rows: list[d.Made]) -> d.Made:
    return {
        name: {row["key"]: {"fee": row[name]} for row in rows} for name in ("fees", "fees_maker")
    }


class Dialect(Checked):
    """Nothing is numbered but executions; books carry checksums, and say nothing of levels that are pushed out."""

    name, symbol_form, trade_words = "kraken", "{}/{}", TRADE
    pairs, depths = ("BTC-USD", "ETH-USD", "SOL-USD", "ETH-BTC"), (10, 25, 100, 500, 1000)
    frame, channels = BOOK, {"book": (LEVEL, False), "level3": (RESTING, True)}
    fee_in_quote = secrets_are_base64 = True
    refusals = d.refusals("""
        200: unknown_symbol EQuery Unknown asset pair | market_closed EService Market in cancel_only mode
        price_filter EOrder Invalid price | lot_size EGeneral Invalid arguments:volume
        notional EOrder Cost minimum not met | insufficient_balance EOrder Insufficient funds
        duplicate_client_id EOrder Duplicate cl_ord_id | would_take EOrder Post only order
        unknown_order EOrder Unknown order | illegal EGeneral Invalid arguments:{} | bad_key EAPI Invalid key
        bad_signature EAPI Invalid signature | bad_time EAPI Invalid nonce
        stale_token ESession ESession:Invalid session | timeout EService Timeout | rate_limited EAPI Rate limit exceeded
        503: unavailable EService Unavailable""")
    words = {
        "state": {
            "new": "open",
            "partially_filled": "open",
            "filled": "closed",
            "cancelled": "canceled",
        },
        "status": {"cancelled": "canceled"},
        "role": {"maker": "m", "taker": "t"},
        "trading": {True: "online", False: "cancel_only"},
        "unit": {"quote": "viqc"},
    }
    lookups = (
        lookup("GET /0/public/Ticker", "tickers", TICKER, d.keyed("key"), pair="pair"),
        lookup(
            "GET /0/public/Depth",
            "book",
            "key bids asks",
            d.keyed("key"),
            pair="pair",
            limit="count",
        ),
        own("POST /0/private/AddOrder", "place", "id line", added, **PLACED),
        own("POST /0/private/QueryOrders", "order", ORDER, d.keyed("id"), id="txid"),
        own(
            "POST /0/private/OpenOrders",
            "only_open",
            ORDER,
            d.keyed("id", "open"),
            client="cl_ord_id",
        ),
        own(
            "POST /0/private/ClosedOrders",
            "only_closed",
            ORDER,
            d.keyed("id", "closed"),
            client="cl_ord_id",
        ),
        own(
            "POST /0/private/CancelOrder", "cancel", "count:=1", None, id="txid", client="cl_ord_id"
        ),
        own(
            "POST /0/private/TradesHistory",
            "history",
            FILL,
            d.keyed("exec", "trades"),
            start="start",
            seen="ofs",
        ),
        own(
            "POST /0/private/BalanceEx",
            "holdings",
            "code balance=total hold_trade=held",
            d.keyed("code"),
        ),
        own(
            "POST /0/private/TradeVolume",
            "markets",
            "key fees=taker_percent fees_maker=maker_percent",
            volume,
        ),
    )

    tells = (
        tell("executions", f"data[{REPORT}]", "new"),
        tell("executions", f"data[{EXECUTION}]", "trade"),
        tell("executions", f"data[{ENDED}]", "cancelled expired filled"),
        tell("balances", f"data=purse[{HOLDING}]"),
    )

    def aliases(self, pair: str) -> tuple[str, ...]:
        wsname = old(pair).replace("-", "/")
        return (
            "".join(CODES.get(asset, asset) for asset in pair.split("-")),
            wsname.replace("/", ""),
            wsname,
        )

    def more(self, facts: d.Facts, thing: Any) -> d.Facts:
        found: d.Facts = {
            f"{role}_fees": [[0, float(facts[f"{role}_percent"])]] for role in ("maker", "taker")
        }
        if "pair" in facts:
            found |= zip(("key", "altname", "wsname"), self.aliases(facts["pair"]), strict=True)
        for name in {"base", "quote", "asset"} & facts.keys():
            found[f"{name}_code".removeprefix("asset_")] = CODES.get(facts[name], facts[name])
        if isinstance(thing, Market):
            found |= {"lasts": [facts["last"]] * 2, "volumes": [facts["volume"]] * 2}
            found |= {
                f"{side}s": [facts[side], "1", facts[f"{side}_size"]] for side in ("bid", "ask")
            }
        if "state" in facts:
            line = "{side} {amount} {altname} @ {kind} {price}".format_map(facts | found)
            flags = "post,fciq" if facts["post_only"] else "fciq"
            found |= {"line": line, "flags": flags, "status": facts["state"]}
            found["exec"] = f"T{facts.get('trade_id', '')}-{facts['id']}"
        return found

    def find_history(self, account: d.Account, given: d.Facts) -> list[Fill]:
        since, seen = float(given["start"] or 0) * 1e9, int(given["seen"] or 0)
        return [fill for fill in self.fills_of(account)[::-1] if fill.time > since][
            seen : seen + 50
        ]

    def refused(self, code: str, message: str) -> Any:
        return {"error": [f"{code}:{message}"]}

    def result(self, body: Any) -> Any:
        return {"error": [], "result": body}

    def verify(self, ask: d.Ask) -> d.Account:
        key, sign = ask.headers("API-{}", "Key Sign")
        payload, nonce = (
            ask.target.encode() + d.digest(f"{ask['nonce']}{ask.text}"),
            int(ask["nonce"]),
        )
        account = self.signer(key, sign, payload, algorithm="sha512", encoding="base64")
        if nonce <= self.numbers[key]:
            raise d.Rejected("bad_time")
        self.numbers[key] = nonce
        return account

    @d.route("GET /0/public/AssetPairs", signed=False)
    def asset_pairs(self, ask: d.Ask) -> Any:
        """Under the name that was asked for, or the venue's own."""
        asked = ask.get("pair")
        rows = self.rows(PAIR, self.find_markets(self.server.liquidity_provider, {"pair": asked}))
        return {asked or row["key"]: row for row in rows}

    @d.route("GET /0/public/Assets", signed=False)
    def assets(self, ask: d.Ask) -> Any:
        names = {name for symbol in self.listed() for name in (symbol.base, symbol.quote)}
        return {
            CODES.get(name, name): {"altname": old(name), "decimals": 10, "status": "enabled"}
            for name in names
        }

    @d.route("GET /0/public/Trades", signed=False)
    def trades(self, ask: d.Ask) -> Any:
        pair, words = (
            self.pair(ask["pair"]),
            "price amount time=#time_s side kind:l misc: trade_id=#trade_id",
        )
        rows = [list(row.values()) for row in self.rows(words, self.recent.get(pair, []))]
        return {
            self.aliases(pair)[0]: [[*row[:3], row[3][0], *row[4:]] for row in rows],
            "last": "0",
        }

    @d.route("POST /0/private/GetWebSocketsToken")
    def token(self, ask: d.Ask, account: d.Account) -> Any:
        token = token_hex(16)
        self.tokens[token] = account
        return {"token": token, "expires": 900}

    @d.socket("/v2")
    def heard(self, connection: d.Connection, said: Any) -> None:
        params, on = (
            {"channel": "", "depth": 10, "token": "", **said.get("params", {})},
            said["method"] == "subscribe",
        )
        channel, depth, is_book = (
            params["channel"],
            params["depth"],
            params["channel"] in self.channels,
        )
        if channel in PRIVATE and params["token"] not in self.tokens:
            raise d.Rejected("stale_token")
        for symbol in params.get("symbol", [""]):
            if symbol:
                self.pair(symbol)
            result = {"channel": channel, "symbol": symbol, "depth": depth}
            self.tell(connection, self.answer(said) | {"result": result})
            self.follow(connection, f"{channel}:{symbol}" + f":{depth}" * is_book, on)
            if on and channel in PRIVATE and not is_book:
                self._begin(connection, **params)

    def answer(self, said: Any, refusal: str = "") -> Any:
        error = {"error": refusal} if refusal else {}
        method = said["method"].replace("ping", "pong")
        return {"method": method, "req_id": said.get("req_id", 0), "success": not refusal, **error}

    def trade_frame(self, row: d.Made) -> Any:
        return {"channel": "trade", "type": "update", "data": [row]}

    def _begin(self, connection: d.Connection, channel: str, token: str, **params: Any) -> None:
        account = connection.account = self.tokens[token]
        connection.is_private = True
        fills = self.fills_of(account)[-50:] if params.get("snap_trades") else []
        orders = self.orders_of(account, is_open=True) if params.get("snap_orders", True) else []
        known = self.rows(EXECUTION, fills) + self.rows(REPORT, orders)
        rows = known if channel == "executions" else self.rows(HOLDING, d.holdings(account))
        connection.put(self.user_frame(channel, {"type": "snapshot", "data": rows}, connection))

    def user_frame(self, topic: str, row: d.Made, connection: d.Connection) -> d.Build:
        channel = topic.partition(":")[0]
        number = connection.state[channel] = connection.state.get(channel, 0) + 1
        return self.build({"channel": channel, "type": "update", **row, "sequence": number})
