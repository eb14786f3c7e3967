"""Coinbase's words: REST and the feed."""

import time
from decimal import Decimal
from typing import Any
from uuid import UUID

from exchanges.coinbase import CoinbaseAuth
from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Terms, Words
from tests.sandbox.fuzzing.rest import Rest
from tests.sandbox.fuzzing.socket import NO_MESSAGES, Socket, text_socket
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialects.coinbase.dialect import LOGIN_CHANNELS, PRODUCT_CHANNELS
from trochil.sandbox.dialects.coinbase.rows import account_row
from trochil.sandbox.formats import uuid_of

PAIRS = ("BTC-USD", "ETH-USD", "ETH-BTC")
PAGE = ("before", "after", "limit")
NO_ID = "d0c5340b-6d6c-49d9-b567-48c4bfca13d2"
NO_CHANNELS: tuple[Any, ...] = (
    *([name] for name in ("trades", "rfq_matches", "FULL", "", 7, None, True, ["full"])),
    *([], "ticker", 7, True, {}, None, {"name": "ticker"}),
)
NO_PRODUCTS: tuple[Any, ...] = (
    *([name] for name in ("BTCUSD", "NOPE", "btc-usd", "", 7, None, True, ["BTC-USD"])),
    *("BTC-USD", 7, True, {}),
)


def refused(status: int, body: Any) -> bool:
    """A rejected order is shown as an order."""
    if status == 200:
        return isinstance(body, dict) and body.get("status") == "rejected"
    return isinstance(body, dict) and {"message"} == set(body)


def public(path: str, *params: str, mandatory: tuple[str, ...] = ()) -> Rest:
    return Rest("GET", path, refused, params=params, mandatory=mandatory)


def signed(
    method: str,
    path: str,
    *params: str,
    mandatory: tuple[str, ...] = (),
    kind: Any = "query",
    in_body: bool = False,
) -> Rest:
    return Rest(
        method,
        path,
        refused,
        venue="coinbase",
        kind=kind,
        params=params,
        mandatory=mandatory,
        in_body=in_body,
    )


def client_id(fuzz: Fuzz) -> str:
    return str(UUID(int=fuzz.fresh_number(), version=4))


def client_id_of_some_order(fuzz: Fuzz) -> str:
    """An unknown one where the order has none of its client's."""
    order = fuzz.named_order()
    return order.client_id if order is not None else NO_ID


def id_of_some_order(fuzz: Fuzz) -> str:
    order = fuzz.some_order()
    return NO_ID if order is None else uuid_of(order.id)


def account_id(fuzz: Fuzz) -> str:
    account = fuzz.venue.account
    return fuzz.random.choice([account_row(account, each)["id"] for each in account.balances()])


def terms(params: dict[str, Any]) -> Terms:
    return Terms(
        side=params["side"],
        amount=Decimal(params["size"]),
        shrinks=True,
        price=Decimal(params["price"]),
        client_id=params.get("client_oid"),
    )


class Repeating(Rest):
    """Some of its parameters may come twice."""

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        return tuple(each for each in super().mistakes if each != "doubled")


# The feed.


def answer(message: Any, frame: Any) -> str | None:
    """The first answer counts: a refused channel has two."""
    kind = frame["type"] if isinstance(frame, dict) else ""
    return {"error": "refused", "subscriptions": "taken"}.get(kind)


def topics_of(message: Any) -> set[str]:
    """What a right message wants to follow or to leave."""
    topics: set[str] = set()
    for channel in message["channels"]:
        wanted = message | ({"name": channel} if isinstance(channel, str) else channel)
        name = wanted["name"]
        ids = wanted.get("account_ids" if name == "balance" else "product_ids", [])
        topics |= {f"{name}:{each}" for each in ids}
    return topics


def signed_login(fuzz: Fuzz, mistake: Mistake) -> dict[str, Any]:
    login = dict(CoinbaseAuth(fuzz.venue.account.keys).login(time.time()))
    wrong = fuzz.random.choice(("x", "", "é", "\ud800", "=", 7, None, True, ["x"], {}))
    if mistake == "wrong signature":
        login[fuzz.random.choice(("signature", "passphrase"))] = wrong
    if mistake == "unknown key":
        login["key"] = wrong
    return login


def opening(fuzz: Fuzz) -> dict[str, Any]:
    """Follows all channels of a product, and the status."""
    channels = [*PRODUCT_CHANNELS, "status"]
    subscription = {"type": "subscribe", "channels": channels, "product_ids": ["BTC-USD"]}
    return subscription | signed_login(fuzz, "none")


def feed(
    method: str,
    what: str,
    *params: str,
    mandatory: tuple[str, ...] = ("channels",),
    kind: Kind = "query",
    is_signed: bool = True,
) -> Socket:
    """A message of one channel, on a socket of its own; who unsubscribes followed all before."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        wrong = fuzz.random.choice(("listen", method.upper(), "", None, 7, ["subscribe"], {}))
        login = signed_login(fuzz, mistake) if is_signed else {}
        return {"type": wrong if mistake == "wrong method" else method, **login, **sent}

    def done(connection: Connection, message: Any, frame: Any) -> bool:
        topics = topics_of(message)
        if method == "unsubscribe":
            return connection.topics.isdisjoint(topics)
        return bool(connection.topics) and connection.topics.issuperset(topics)

    mistakes: tuple[Mistake, ...] = (
        *("missing", "wrong value", "unknown parameter", "wrong method", "a name twice"),
    )
    return Socket(
        f"{method} {what}",
        "/",
        make,
        answer,
        kind=kind,
        params=params,
        mandatory=mandatory,
        mistakes=(*mistakes, "wrong signature", "unknown key") if is_signed else mistakes,
        method=method,
        opening=opening if method == "unsubscribe" else None,
        opened=lambda frame: answer(None, frame) == "taken",
        done=done,
        is_fresh=True,
    )


OF_PRODUCTS = ("channels", "product_ids")
FEED = [
    feed("subscribe", "a channel of a product", *OF_PRODUCTS, mandatory=OF_PRODUCTS),
    feed("subscribe", "a channel with its products", "channels"),
    feed("subscribe", "the status", "channels"),
    feed("subscribe", "a balance", "channels"),
    feed(
        "subscribe",
        "a channel without a login",
        *OF_PRODUCTS,
        mandatory=OF_PRODUCTS,
        is_signed=False,
    ),
    feed(
        "subscribe",
        "an account without a login",
        *OF_PRODUCTS,
        mandatory=OF_PRODUCTS,
        kind="refused",
        is_signed=False,
    ),
    feed("unsubscribe", "a channel of a product", *OF_PRODUCTS),
    feed("unsubscribe", "a channel with its products", "channels", is_signed=False),
    feed("unsubscribe", "the status", "channels"),
    text_socket("/", answer),
]


def balance_channel(fuzz: Fuzz) -> list[Any]:
    return [{"name": "balance", "account_ids": [account_id(fuzz)]}]


ORDER = ("product_id", "side", "size", "price")
OF_ORDER = (*ORDER, "type", "time_in_force", "post_only", "client_oid", "stp")
LISTED = ("start_date", "end_date")
PRODUCT = "/products/{product}"
WORDS = Words(
    endpoints=[
        public("/time"),
        public("/currencies"),
        public("/currencies/{currency}", "currency", mandatory=("currency",)),
        public("/products"),
        public("/products/stats"),
        public(PRODUCT, "product", mandatory=("product",)),
        public(f"{PRODUCT}/ticker", "product", mandatory=("product",)),
        public(f"{PRODUCT}/stats", "product", mandatory=("product",)),
        public(f"{PRODUCT}/book", "product", "level", mandatory=("product",)),
        public(f"{PRODUCT}/trades", "product", *PAGE, mandatory=("product",)),
        public(f"{PRODUCT}/candles", "product", "granularity", mandatory=("product",)),
        *[signed("POST", "/orders", *OF_ORDER, mandatory=ORDER, kind="place", in_body=True)] * 4,
        signed("GET", "/orders", "product_id", "sorting", *PAGE, *LISTED),
        Repeating("GET", "/orders", refused, venue="coinbase", params=("status", "sorting")),
        signed("GET", "/orders/{id}", "id", mandatory=("id",)),
        signed("GET", "/orders/client:{oid}", "oid", mandatory=("oid",)),
        signed("DELETE", "/orders/{id}", "id", "product_id", mandatory=("id",), kind="cancel"),
        *[signed("DELETE", "/orders/client:{oid}", "oid", mandatory=("oid",), kind="cancel")] * 3,
        signed("DELETE", "/orders", "product_id", kind="cancel_all"),
        signed("GET", "/fills", "product_id", *PAGE, *LISTED, mandatory=("product_id",)),
        signed("GET", "/accounts"),
        signed("GET", "/accounts/"),
        signed("GET", "/accounts/{account}", "account", mandatory=("account",)),
        signed("GET", "/fees"),
        *FEED,
    ],
    right={
        "after": ("1", "2000"),
        "before": ("1", "1100"),
        "account": (account_id,),
        "channels": tuple([channel] for channel in PRODUCT_CHANNELS),
        **{
            f"{method} a channel with its products channels": tuple(
                [{"name": channel, "product_ids": ["BTC-USD"]}] for channel in PRODUCT_CHANNELS
            )
            for method in ("subscribe", "unsubscribe")
        },
        **{
            f"{method} the status channels": (["status"], [{"name": "status"}])
            for method in ("subscribe", "unsubscribe")
        },
        "subscribe a balance channels": (balance_channel,),
        "subscribe a channel without a login channels": tuple(
            [channel] for channel in PRODUCT_CHANNELS if channel not in LOGIN_CHANNELS
        ),
        "subscribe an account without a login channels": tuple(
            [channel] for channel in LOGIN_CHANNELS
        ),
        "product_ids": (["BTC-USD"], ["BTC-USD", "ETH-BTC"]),
        "text": NO_MESSAGES,
        "currency": ("BTC", "USD"),
        "client_oid": (client_id,),
        "end_date": ("2100-01-01", "2024-01-01T00:00:00.000Z"),
        "granularity": ("60", "86400"),
        "id": (id_of_some_order,),
        "level": ("1", "2", "3"),
        "limit": ("1", "5", "1000"),
        "oid": (client_id_of_some_order,),
        "post_only": (True, False, "true"),
        "price": ("3000.00", "5999.5", "6100", "9000"),
        "product": ("BTC-USD", "ETH-BTC"),
        "product_id": ("BTC-USD",),
        "side": ("buy", "sell"),
        "size": ("0.001", "0.01", "0.12345"),
        "sorting": ("asc", "desc"),
        "start_date": ("2024-01-01", "2024-01-01T00:00:00Z"),
        "status": ("open", "done", "all", "pending"),
        "stp": ("dc",),
        "time_in_force": ("GTC", "GTC", "IOC", "FOK"),
        "type": ("limit",),
    },
    wrong={
        "after": ("-1", "1.5", "x", "99999999999999999999"),
        "before": ("-1", "x"),
        "account": ("1", "x" * 80, NO_ID),
        "currency": ("btc", "NOPE", "BTC,USD"),
        "channels": NO_CHANNELS,
        **{
            f"{method} a channel with its products channels": (
                *NO_CHANNELS,
                *([{"name": "ticker", "product_ids": ids}] for ids in NO_PRODUCTS),
                *([{"name": name, "product_ids": ["BTC-USD"]}] for name in ("trades", 7, True)),
                [{"product_ids": ["BTC-USD"]}],
                [{"name": "ticker", "product_ids": ["BTC-USD"], "colour": "blue"}],
                [{}],
            )
            for method in ("subscribe", "unsubscribe")
        },
        "subscribe a balance channels": (
            *([{"name": "balance", "account_ids": ids}] for ids in NO_PRODUCTS),
            [{"name": "balance", "account_ids": [NO_ID]}],
            ["balance"],
        ),
        "product_ids": NO_PRODUCTS,
        "client_oid": ("x" * 80, "mine", NO_ID.upper(), NO_ID.replace("-", ""), 7, True, ["x"]),
        "end_date": ("soon", "2024-13-01", "-1"),
        "granularity": ("0", "61", "x", "-60"),
        "id": ("1", "1001", "x" * 80, NO_ID, NO_ID.upper()),
        "level": ("0", "4", "best", "1.0", "-1"),
        "limit": ("0", "-1", "ten", "1.5", "1001", "99999999999999999999"),
        "oid": ("mine", NO_ID, NO_ID.upper()),
        "post_only": ("maybe", "1", 1, 0),
        "price": ("0", "-3000", "3000.001", "NaN", "1e400", "free", True, None, "", ["1"]),
        "product": ("BTCUSD", "NOPE", "BTC-USD%00", "BTC-USD,ETH-USD"),
        "product_id": ("BTCUSD", "NOPE", "BTC-USD,ETH-USD"),
        "side": ("HOLD", "BUY ", "", 1, None, ["buy"]),
        "size": ("0", "-1", "0.000001", "1e9", "NaN", "Infinity", "0x10", "1,5", "１", True),
        "sorting": ("up", "ASC"),
        "start_date": ("yesterday", "2024-01-01T99:00:00Z"),
        "status": ("closed", "OPEN", "open,closed"),
        "stp": ("co", "cn", "cb", "DC", 1),
        "time_in_force": ("GTX", "gtc", "GTT", "DAY", 1),
        "type": ("stop", "LIMIT", "stop_limit", 1),
    },
    terms=terms,
    not_offered={
        "POST /orders": {
            "stop": "loss",
            "stop_price": "2900.00",
            "stop_limit_price": "2900.00",
            "max_floor": "0.001",
            "funds": "100",
            "cancel_after": "min",
            "leverage": "3",
        },
    },
)
