"""Kraken spot from the venue's side. Source: its documentation of REST v0 and websocket v2."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from secrets import token_hex

from trochil.sandbox import dialect as d
from trochil.sandbox.facts import Market
from trochil.sandbox.queues import Queues
from trochil.sandbox.signatures import digest, signature
from trochil.sandbox.venue import Fill

CODES = {"BTC": "XXBT", "ETH": "XETH", "DOGE": "XXDG", "USD": "ZUSD", "EUR": "ZEUR"}
DEPTHS, CHECKED = (10, 25, 100, 500, 1000), 10
PAIR = """key altname wsname base=base_code quote=quote_code pair_decimals=#tick_places lot_decimals=#step_places
    cost_decimals:=5 tick_size=tick ordermin=least costmin=worth status=trading fees=taker_fees fees_maker=maker_fees"""
TICKER = "key a=asks b=bids c=lasts v=volumes p=lasts l=lasts h=lasts o=last"
ORDER = """id cl_ord_id=client status=state opentm=#created_s closetm=?#done_s vol=amount vol_exec=filled oflags=flags
    cost=quote_filled fee=paid price=average descr{pair=altname type=side ordertype=kind price order=line}"""
FILL = """exec ordertxid=id pair=key time=#time_s type=side ordertype=kind price=fill_price cost=fill_value fee
    vol=fill_amount trade_id=#trade_id maker"""
TRADE = "symbol side price=#price qty=#amount ord_type:market trade_id=#trade_id timestamp=time_iso"
REPORT = """order_id=id cl_ord_id=client symbol side order_type=kind order_qty=#amount limit_price=?#price
    cum_qty=#filled cum_cost=#quote_filled exec_type:new order_status=status timestamp=updated_iso"""
EXECUTION = """order_id=id exec_id=exec exec_type:trade trade_id=#trade_id symbol side order_type=kind
    order_status=status last_qty=#fill_amount last_price=#fill_price cost=#fill_value liquidity_ind=role
    fees[asset=fee_asset qty=#fee] cum_qty=#filled cum_cost=#quote_filled timestamp=time_iso"""
ENDED, HOLDING = "order_id=id exec_type=status order_status=status timestamp=time_iso", "asset balance=#total"
BOOK = '{"channel":"%s","type":"%s","data":[{"symbol":"%s","bids":[%s],"asks":[%s],"checksum":%d,"timestamp":"%s"}]}'
LEVEL = '{{"price":{price},"qty":{size}}}'
RESTING = '{{{event}"order_id":"{id}","limit_price":{price},"order_qty":{size}}}'
PRIVATE = ("executions", "balances", "level3")


def old(name: str) -> str:
    return name.replace("BTC", "XBT").replace("DOGE", "XDG")


def signed(payload: bytes, keys: Mapping[str, str]) -> str:
    return signature(b64decode(keys["api_secret"]), payload, "sha512", "base64")


def volume(rows: list[d.Made]) -> d.Made:
    return {name: {row["key"]: {"fee": row[name]} for row in rows} for name in ("fees", "fees_maker")}


class Dialect(d.Wire):
    """Nothing is numbered but executions; books carry checksums, and say nothing of levels that are pushed out."""

    name, symbol_form, trade_words = "kraken", "{}/{}", TRADE
    pairs = ("BTC-USD", "ETH-USD", "SOL-USD", "ETH-BTC")
    refusals = d.refusals("""
        unknown_symbol 200 EQuery Unknown asset pair
        market_closed 200 EService Market in cancel_only mode
        price_filter 200 EOrder Invalid price
        lot_size 200 EGeneral Invalid arguments:volume
        notional 200 EOrder Cost minimum not met
        insufficient_balance 200 EOrder Insufficient funds
        duplicate_client_id 200 EOrder Duplicate cl_ord_id
        would_take 200 EOrder Post only order
        unknown_order 200 EOrder Unknown order
        illegal 200 EGeneral Invalid arguments:{}
        bad_key 200 EAPI Invalid key
        bad_signature 200 EAPI Invalid signature
        bad_time 200 EAPI Invalid nonce
        stale_token 200 ESession ESession:Invalid session
        unavailable 503 EService Unavailable
        timeout 200 EService Timeout
        rate_limited 200 EAPI Rate limit exceeded""")
    words = {
        "state": {"new": "open", "partially_filled": "open", "filled": "closed", "cancelled": "canceled"},
        "status": {"cancelled": "canceled"},
        "role": {"maker": "m", "taker": "t"},
        "trading": {True: "online", False: "cancel_only"},
    }
    lookups = (
        d.lookup("GET /0/public/Ticker", "tickers", TICKER, d.keyed("key"), pair="pair"),
        d.lookup("GET /0/public/Depth", "book", "key bids asks", d.keyed("key"), pair="pair", limit="count"),
        d.own("POST /0/private/QueryOrders", "order", ORDER, d.keyed("id"), id="txid"),
        d.own("POST /0/private/OpenOrders", "only_open", ORDER, d.keyed("id", "open"), client="cl_ord_id"),
        d.own("POST /0/private/ClosedOrders", "only_closed", ORDER, d.keyed("id", "closed"), client="cl_ord_id"),
        d.own("POST /0/private/CancelOrder", "cancel", "count:=1", None, id="txid", client="cl_ord_id"),
        d.own("POST /0/private/TradesHistory", "history", FILL, d.keyed("exec", "trades"), start="start", seen="ofs"),
        d.own("POST /0/private/BalanceEx", "holdings", "code balance=total hold_trade=held", d.keyed("code")),
        d.own("POST /0/private/TradeVolume", "markets", "key fees=taker_percent fees_maker=maker_percent", volume),
    )

    def __init__(self, server: d.Server) -> None:
        super().__init__(server)
        self.venue.fee_in_quote = True
        self._books = {"book": Queues(self.venue, LEVEL), "level3": Queues(self.venue, RESTING, by_order=True)}
        self._tokens: dict[str, d.Account] = {}
        self._nonces: dict[str, int] = {}

    def aliases(self, pair: str) -> tuple[str, ...]:
        wsname = old(pair).replace("-", "/")
        return "".join(CODES.get(asset, asset) for asset in pair.split("-")), wsname.replace("/", ""), wsname

    def more(self, facts: d.Facts, thing: d.Any) -> d.Facts:
        found: d.Facts = {f"{role}_fees": [[0, float(facts[f"{role}_percent"])]] for role in ("maker", "taker")}
        if "pair" in facts:
            found |= zip(("key", "altname", "wsname"), self.aliases(facts["pair"]), strict=True)
        for name in {"base", "quote", "asset"} & facts.keys():
            found[f"{name}_code".removeprefix("asset_")] = CODES.get(facts[name], facts[name])
        if isinstance(thing, Market):
            found |= {"lasts": [facts["last"]] * 2, "volumes": [facts["volume"]] * 2}
            found |= {f"{side}s": [facts[side], "1", facts[f"{side}_size"]] for side in ("bid", "ask")}
        if "state" in facts:
            line = "{side} {amount} {altname} @ {kind} {price}".format_map(facts | found)
            flags = "post,fciq" if facts["post_only"] else "fciq"
            paid = d.text(self.paid(thing if isinstance(thing, d.Order) else thing.order))
            found |= {"line": line, "flags": flags, "paid": paid, "status": facts["state"]}
            found["exec"] = f"T{facts.get('trade_id', '')}-{facts['id']}"
        return found

    def find_history(self, account: d.Account, given: d.Facts) -> list[Fill]:
        since, seen = float(given["start"] or 0) * 1e9, int(given["seen"] or 0)
        return [fill for fill in self.fills_of(account)[::-1] if fill.time > since][seen : seen + 50]

    def refused(self, code: str, message: str) -> d.Any:
        return {"error": [f"{code}:{message}"]}

    def result(self, body: d.Any) -> d.Any:
        return {"error": [], "result": body}

    def verify(self, ask: d.Ask) -> d.Account:
        key, sign = ask.headers("API-{}", "Key Sign")
        payload, nonce = ask.target.encode() + digest(f"{ask['nonce']}{ask.text}"), int(ask["nonce"])
        account = self.signer(key, sign, partial(signed, payload))
        if nonce <= self._nonces.get(key, 0):
            raise d.Rejected("bad_time")
        self._nonces[key] = nonce
        return account

    @d.route("GET /0/public/AssetPairs", signed=False)
    def asset_pairs(self, ask: d.Ask) -> d.Any:
        """Under the name that was asked for, or the venue's own."""
        asked = ask.get("pair")
        rows = self.rows(PAIR, self.find_markets(self.server.house, {"pair": asked}))
        return {asked or row["key"]: row for row in rows}

    @d.route("GET /0/public/Assets", signed=False)
    def assets(self, ask: d.Ask) -> d.Any:
        names = {name for symbol in self.listed() for name in (symbol.base, symbol.quote)}
        return {CODES.get(name, name): {"altname": old(name), "decimals": 10, "status": "enabled"} for name in names}

    @d.route("GET /0/public/Trades", signed=False)
    def trades(self, ask: d.Ask) -> d.Any:
        pair, words = self.pair(ask["pair"]), "price amount time=#time_s side kind:l misc: trade_id=#trade_id"
        rows = [list(row.values()) for row in self.rows(words, self.recent.get(pair, []))]
        return {self.aliases(pair)[0]: [[*row[:3], row[3][0], *row[4:]] for row in rows], "last": "0"}

    @d.route("POST /0/private/GetWebSocketsToken")
    def token(self, ask: d.Ask, account: d.Account) -> d.Any:
        token = token_hex(16)
        self._tokens[token] = account
        return {"token": token, "expires": 900}

    @d.route("POST /0/private/AddOrder", kind="place")
    def add_order(self, ask: d.Ask, account: d.Account) -> d.Any:
        kind, flags = ask["ordertype"], ask.get("oflags").split(",")
        tif = "market" if kind == "market" else "post_only" if "post" in flags else ask.get("timeinforce") or "GTC"
        price = None if kind == "market" else ask.number("price")
        terms = {"tif": tif, "client_id": ask.get("cl_ord_id"), "in_quote": "viqc" in flags}
        order = self.take(account, self.pair(ask["pair"]), ask["type"], ask.number("volume"), price, **terms)
        return {"descr": self.row("order=line", order), "txid": [str(order.id)]}

    @d.socket("/v2")
    def heard(self, connection: d.Connection, said: d.Any) -> None:
        params, on = {"channel": "", "depth": 10, "token": "", **said.get("params", {})}, said["method"] == "subscribe"
        channel, depth, is_book = params["channel"], params["depth"], params["channel"] in self._books
        if channel in PRIVATE and params["token"] not in self._tokens:
            raise d.Rejected("stale_token")
        for symbol in params.get("symbol", [""]):
            pair = self.pair(symbol) if symbol else ""
            result = {"channel": channel, "symbol": symbol, "depth": depth}
            self.tell(connection, self.answer(said) | {"result": result})
            self.follow(connection, f"{channel}:{symbol}" + f":{depth}" * is_book, on)
            if on and is_book:
                self.tell(connection, self._push(channel, pair, depth))
            elif on and channel in PRIVATE:
                self._begin(connection, **params)

    def answer(self, said: d.Any, refusal: str = "") -> d.Any:
        error = {"error": refusal} if refusal else {}
        method = said["method"].replace("ping", "pong")
        return {"method": method, "req_id": said.get("req_id", 0), "success": not refusal, **error}

    def depth_changed(self, pair: str, first: int, last: int, bids: d.Levels, asks: d.Levels) -> None:
        self.forget(pair)
        for channel, depth in product(self._books, DEPTHS):
            topic = f"{channel}:{self.symbol(pair)}:{depth}"
            if self.anyone_follows(topic):
                self.publish(topic, self._push(channel, pair, depth, "update"))
            else:
                self._books[channel].forget(pair, depth)

    def _push(self, channel: str, pair: str, depth: int, type: str = "snapshot") -> Callable[[int], str]:
        bids, asks, checksum = self._books[channel].written(pair, depth, CHECKED, changes=type == "update")
        checksum ^= type == "update" and self.server.faults.hits("bad_checksum")
        facts = channel, type, self.symbol(pair), bids, asks, checksum
        return lambda now: BOOK % (*facts, d.iso(now))

    def trade_frame(self, row: d.Made) -> d.Any:
        return {"channel": "trade", "type": "update", "data": [row]}

    def _begin(self, connection: d.Connection, channel: str, token: str, **params: d.Any) -> None:
        account = connection.account = self._tokens[token]
        connection.state["private"] = True
        fills = self.fills_of(account)[-50:] if params.get("snap_trades") else []
        orders = self.orders_of(account, is_open=True) if params.get("snap_orders", True) else []
        known = self.rows(EXECUTION, fills) + self.rows(REPORT, orders)
        rows = known if channel == "executions" else self.rows(HOLDING, d.holdings(account))
        connection.put(self._told(connection, channel, rows, "snapshot"))

    def _told(self, connection: d.Connection, channel: str, rows: list[d.Made], type: str = "update") -> d.Build:
        number = connection.state[channel] = connection.state.get(channel, 0) + 1
        return self.build({"channel": channel, "type": type, "data": rows, "sequence": number})

    def user_frames(self, event: d.Event, connection: d.Connection) -> list[d.Build]:
        words = [REPORT if event.kind == "new" else EXECUTION if event.match else ENDED]
        words += [ENDED] if event.match and event.order.state == "filled" else []
        told = [("executions", self.rows(each, [event])) for each in words]
        told.append(("balances", self.rows(HOLDING, d.holdings(event.order.account))))
        return [self._told(connection, name, rows) for name, rows in told if f"{name}:" in connection.topics]
