"""The tables in which dialects say how orders are placed, how refusals are worded and how
recordings are read."""

import gzip
import json
from decimal import Decimal as D
from typing import Any

import pytest

from trochil.sandbox import dialect as d, dialects
from trochil.sandbox.lookups import Asked
from trochil.sandbox.market.faults import Faults
from trochil.sandbox.market.venue import Rejected, Symbol
from trochil.sandbox.recordings import Gzipped, Recordings
from trochil.sandbox.refusing import PLAIN, refusals
from trochil.sandbox.server import Server

PAIR = "BTC-USDT"
NAMES = {
    name: name.upper()
    for name in ("pair", "side", "kind", "tif", "size", "price", "quote", "unit", "client")
}


def server_of(**said: Any) -> Server:
    """A dialect that says so."""
    dialect = type("Dialect", (d.Wire,), {"name": "lark"} | said)
    return Server(
        dialect, {PAIR: Symbol("BTC", "USDT", D("0.01"), D("0.00001"))}, rate=0, faults=Faults()
    )


def place(server: Server, **given: Any) -> Any:
    account = server.venue.accounts.get("me") or server.new_account(
        "me", {"USDT": "100000", "BTC": "10"}
    )
    asked = {"pair": PAIR, "side": "buy", "kind": "limit", "size": "0.5", "price": "100"} | given
    return server.dialect.find_place(account, Asked(asked, NAMES))


def terms(order: Any) -> tuple[str, str]:
    return order.type, order.tif


ONE_WORD = {
    "terms": {"market": "MKT", "post_only": "MAKER", "IOC": "NOW"}
    | dict.fromkeys(("GTC", "FOK"), "LIMIT")
}
TWO_WORDS = {"terms": {"market": "NOW", "IOC": "NOW", "post_only": "PostOnly"}}


@pytest.mark.parametrize(
    ("words", "given", "expected"),
    [
        ({}, {"kind": "limit"}, ("limit", "GTC")),
        ({}, {"kind": "limit", "tif": "FOK"}, ("limit", "FOK")),
        ({}, {"kind": "market", "tif": "GTC"}, ("market", "GTC")),
        ({}, {"kind": "market", "post": True}, ("market", "GTC")),
        ({}, {"kind": "limit", "post": True}, ("post_only", "GTC")),
        ({}, {"kind": "limit", "post": "post,fciq", "tif": "GTC"}, ("post_only", "GTC")),
        ({}, {"kind": "limit", "post": "fciq"}, ("limit", "GTC")),
        ({"terms": {"IOC": "ioc"}}, {"side": "buy-ioc"}, ("limit", "IOC")),
        (ONE_WORD, {"kind": "LIMIT", "tif": "FOK"}, ("limit", "FOK")),
        (ONE_WORD, {"kind": "NOW"}, ("limit", "IOC")),
        (ONE_WORD, {"kind": "MKT"}, ("market", "GTC")),
        (ONE_WORD, {"kind": "MAKER"}, ("post_only", "GTC")),
        (TWO_WORDS, {"kind": "limit", "tif": "PostOnly"}, ("post_only", "GTC")),
        (TWO_WORDS, {"kind": "limit", "tif": "NOW"}, ("limit", "IOC")),
        (TWO_WORDS, {"kind": "market", "tif": "NOW"}, ("market", "GTC")),
    ],
)
def test_terms_are_read_out_of_a_venues_words(
    words: Any, given: dict[str, Any], expected: tuple[str, str]
) -> None:
    said = {"words": words, "kinds": "LIMIT MKT" if words is ONE_WORD else "limit market"}
    assert terms(place(server_of(**said), **given)) == expected


def test_a_venue_may_want_a_time_in_force_of_every_order() -> None:
    server = server_of(needs=("kind", "tif"))
    assert terms(place(server, kind="market", tif="IOC")) == ("market", "GTC")
    for given in ({"kind": "limit"}, {"kind": "market"}, {"kind": "market", "tif": "GTC"}):
        with pytest.raises(Rejected):
            place(server, **given)


@pytest.mark.parametrize(
    ("words", "given", "why"),
    [
        ({}, {"kind": "stop"}, "illegal stop"),
        ({}, {"kind": "Market"}, "illegal Market"),
        ({}, {"kind": ""}, "missing KIND"),
        ({}, {"side": "hold"}, "illegal hold"),
        ({}, {"tif": "for ever"}, "illegal for ever"),
        ({}, {"tif": "fok"}, "illegal fok"),
        (ONE_WORD, {"kind": "MAKER", "tif": "GTC"}, "not_required TIF"),
        (ONE_WORD, {"kind": "LIMIT"}, "missing TIF"),
        (ONE_WORD, {"kind": "LIMIT", "tif": "MAKER"}, "illegal MAKER"),
        (TWO_WORDS, {"tif": "IOC"}, "illegal IOC"),
        ({}, {"size": ""}, "missing SIZE"),
        ({}, {"price": None}, "missing PRICE"),
        ({}, {"pair": "NO-PAIR"}, "unknown_symbol NO-PAIR"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_venues_name(
    words: Any, given: dict[str, Any], why: str
) -> None:
    with pytest.raises(Rejected) as caught:
        place(
            server_of(words=words, kinds="LIMIT MKT" if words is ONE_WORD else "limit market"),
            **given,
        )
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("said", "given", "in_quote"),
    [
        ({}, {"side": "buy"}, False),
        ({}, {"side": "buy", "quote": "500"}, True),
        ({"buys_by_value": True}, {"side": "buy", "size": "500"}, True),
        ({"buys_by_value": True}, {"side": "sell"}, False),
        (
            {"buys_by_value": True, "words": {"unit": {"base": "base_ccy"}}},
            {"side": "buy", "unit": "base_ccy"},
            False,
        ),
        (
            {"words": {"unit": {"quote": "viqc"}}},
            {"side": "buy", "size": "500", "unit": "viqc,nompp"},
            True,
        ),
    ],
)
def test_market_orders_have_their_size_in_base_or_in_quote(
    said: Any, given: dict[str, Any], in_quote: bool
) -> None:
    order = place(server_of(**said), kind="market", **given)
    assert (order.quote_amount is not None) == in_quote
    assert order.filled > 0


def test_client_ids_that_must_be_uuids() -> None:
    server = server_of(client_ids_are_uuids=True)
    assert (
        place(server, client="{12345678123456781234567812345678}").client_id
        == "12345678-1234-5678-1234-567812345678"
    )
    with pytest.raises(ValueError, match="UUID"):
        place(server, client="mine")


def test_a_status_holds_until_the_next_and_a_code_may_do_without_a_message() -> None:
    table = """
        400: lot_size -1013 Filter failure: LOT_SIZE | bad_key -2015
        missing -1102 {} was not sent | 429: rate_limited -1003"""
    assert refusals(table) == {
        "lot_size": (400, "-1013", "Filter failure: LOT_SIZE"),
        "bad_key": (400, "-2015", PLAIN["bad_key"]),
        "missing": (400, "-1102", "{} was not sent"),
        "rate_limited": (429, "-1003", PLAIN["rate_limited"]),
    }


TABLE = """snapshot last - bids asks last
    diff e:diff s b a u
    trade e:trade s"""


def test_recorded_frames_are_known_by_a_field() -> None:
    recordings = Recordings("{}{}", TABLE)
    (snapshot,) = recordings.records(
        1.0, '{"last": 7, "bids": [["1", "2"]], "asks": []}', "https://x/?symbol=BTCUSDT&n=5"
    )
    assert (snapshot.kind, snapshot.symbol, recordings.last_id(snapshot)) == (
        "snapshot",
        "BTCUSDT",
        7,
    )
    assert recordings.levels(snapshot) == ([["1", "2"]], [])
    text = (
        '{"stream": "x", "data": {"e": "diff", "s": "BTCUSDT", "b": [], "a": [["3", "0"]], "u": 8}}'
    )
    (diff,) = recordings.records(2.0, text, "")
    assert (diff.kind, diff.text, recordings.last_id(diff), recordings.levels(diff)) == (
        "diff",
        text,
        8,
        ([], [["3", "0"]]),
    )
    assert [
        record.kind for record in recordings.records(3.0, '{"e": "trade", "s": "BTCUSDT"}', "")
    ] == ["trade"]
    assert not [
        *recordings.records(4.0, '{"e": "other"}', ""),
        *recordings.records(5.0, "no json", ""),
    ]


def test_sides_may_stand_in_one_list() -> None:
    recordings = Recordings("{}-{}", "diff type:l2update product_id changes changes")
    changes = [["buy", "1", "2"], ["sell", "3", "4"], ["buy", "0.5", "0"]]
    text = json.dumps({"type": "l2update", "product_id": "BTC-USD", "changes": changes})
    (diff,) = recordings.records(1.0, text, "")
    assert recordings.levels(diff) == ([["1", "2"], ["0.5", "0"]], [["3", "4"]])
    assert recordings.last_id(diff) == 0


def test_gzipped_frames_name_their_symbol_in_their_channel() -> None:
    recordings = Gzipped(
        "{}{}",
        "image kind:depth symbol bids asks version",
        topics={"image": "market.{}.depth.step0"},
    )
    said = {
        "ch": "market.btcusdt.depth.step0",
        "tick": {"bids": [[1.5, 2]], "asks": [], "version": 9},
    }
    (image,) = recordings.records(1.0, repr(gzip.compress(json.dumps(said).encode())), "")
    assert recordings.symbol("BTC-USDT") == image.symbol == "btcusdt"
    assert (image.topic, recordings.last_id(image), recordings.levels(image)) == (
        said["ch"],
        9,
        ([["1.5", "2"]], []),
    )


class Told:
    """A connection that keeps what it is told."""

    def __init__(self, server: Server, path: str = "/") -> None:
        self.path, self.query, self.account = path, dict[str, str](), None
        self.topics, self.state, self.frames = set[str](), {"private": False}, list[Any]()
        server.connections.add(self)  # type: ignore[arg-type]

    def put(self, build: Any) -> None:
        self.frames.append(json.loads(build(self, 0)))


def test_only_who_follows_an_account_is_told_of_it() -> None:
    server = server_of(tells=(d.tell("orders", "id"), d.tell("", "all:yes")))
    server.dialect.concerns = lambda topic, event: (
        topic in ("", f"orders:{event.order.account.name}")
    )
    told = Told(server)
    told.account = server.new_account("me", {"USDT": "1000"})  # type: ignore[assignment]
    told.topics |= {"orders:you"}
    place(server)
    assert told.frames == [{"all": "yes"}]
    told.topics |= {"orders:me"}
    place(server)
    assert [[*frame] for frame in told.frames[1:]] == [["id"], ["all"]]


def test_a_frame_to_be_dropped_is_one_that_somebody_would_have_got() -> None:
    symbol = Symbol("BTC", "USDC", D("0.01"), D("0.00001"))
    server = Server(dialects.load("hyperliquid"), {"BTC-USDC": symbol}, rate=0, faults=Faults())
    told = Told(server)
    server.withheld["BTC-USDC"] = 1
    for topics in (set[str](), {"l4Book:BTC"}, {"l4Book:BTC"}):
        told.topics = topics
        server.flows["BTC-USDC"].step(server.now_ns())
        server.flows["BTC-USDC"].fill_up(server.now_ns())
        server.send_depth("BTC-USDC")
        if not topics:
            assert server.withheld["BTC-USDC"] == 1, "nobody listened"
    assert (server.withheld["BTC-USDC"], len(told.frames)) == (0, 1)
