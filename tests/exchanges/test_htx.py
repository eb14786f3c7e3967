"""HTX: its books' frames as it writes them, its rules, requests for its public data, refusals."""

import ast
import gzip
import json
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchanges import registry
from exchanges.contract import Answer, ErrorKind, Fault, Send
from exchanges.htx import HTX, HtxImages
from orderbook.messages import BookDiff, BookSnapshot, Side, Trade
from tests.support.answers import answer
from tests.support.recordings import recording

FRAMES = Path(__file__).parents[1] / "frames" / "htx"
SYMBOL = {
    "base-currency": "btc",
    "quote-currency": "usdt",
    "price-precision": 2,
    "amount-precision": 6,
    "value-precision": 8,
    "symbol": "btcusdt",
    "state": "online",
    "min-order-value": 5,
    "limit-order-min-order-amt": 0.0001,
    "limit-order-max-order-amt": 1000,
    "api-trading": "enabled",
}


def quoted(name: str) -> list[bytes]:
    return [line.encode() for line in (FRAMES / name).read_text().splitlines()]


@pytest.fixture
def feed() -> Any:
    return HTX.book({}, "/feed")


def test_its_former_name_is_understood() -> None:
    assert registry.get("huobi") is registry.get("htx")
    assert "huobi" not in registry.names()


def test_rules_are_read_with_names_in_capitals(feed: Any) -> None:
    (rule,) = feed.trading_rules().read(answer({"status": "ok", "data": [SYMBOL]}))
    assert (rule.trading_pair, rule.symbol, rule.base, rule.quote) == (
        "BTC-USDT",
        "btcusdt",
        "BTC",
        "USDT",
    )
    assert (rule.price_tick, rule.size_step) == (D("0.01"), D("0.000001"))
    assert (rule.min_size, rule.max_size, rule.min_notional, rule.active) == (
        D("0.0001"),
        1000,
        5,
        True,
    )


@pytest.mark.parametrize(
    "change", [{"state": "suspend"}, {"state": "pre-online"}, {"api-trading": "disabled"}]
)
def test_what_can_not_be_traded_is_not_active(feed: Any, change: dict[str, str]) -> None:
    (rule,) = feed.trading_rules().read(answer({"data": [SYMBOL | change]}))
    assert not rule.active


def test_every_rule_of_a_real_answer_is_read(feed: Any) -> None:
    line = recording("HUOBI.0").read_text().splitlines()[0]
    rules = feed.trading_rules().read(answer(line.partition(": ")[2].encode()))
    assert len({rule.trading_pair for rule in rules}) == len(rules) > 900
    (trio,) = (rule for rule in rules if rule.symbol == "trioeth")
    assert (trio.trading_pair, trio.price_tick, trio.size_step) == (
        "TRIO-ETH",
        D("1e-10"),
        D("0.01"),
    )


def test_volumes_are_read_as_they_were_written(feed: Any) -> None:
    body = (
        b'{"status":"ok","data":'
        b'[{"symbol":"trioeth","close":9.2E-7,"amount":0.1,"vol":3,"count":7}]}'
    )
    (found,) = feed.markets().read(answer(body))
    assert (found.symbol, found.last_price, found.base_volume, found.quote_volume) == (
        "trioeth",
        D("9.2E-7"),
        D("0.1"),
        3,
    )


def test_books_and_trades_are_subscribed_on_their_own_sockets(feed: Any) -> None:
    assert HTX.book.streams == ("/feed", "/ws")
    (book,) = feed.subscribe(["btcusdt"])
    assert book == {"sub": "market.btcusdt.mbp.150", "id": "market.btcusdt.mbp.150"}
    (trades,) = HTX.book({}, "/ws").subscribe(["btcusdt"], on=False)
    assert trades == {"unsub": "market.btcusdt.trade.detail", "id": "market.btcusdt.trade.detail"}


def test_a_snapshot_is_asked_for_on_the_socket_of_the_changes(feed: Any) -> None:
    assert feed.snapshot("btcusdt") is None
    assert list(feed.request_snapshot(["btcusdt"])) == [
        {"req": "market.btcusdt.mbp.150", "id": "market.btcusdt.mbp.150"}
    ]
    assert list(HTX.book({}, "/ws").request_snapshot(["btcusdt"])) == []


def test_images_and_trades_share_a_socket() -> None:
    images = HTX.with_feed("step0").book({}, "/ws")
    assert (images.full_snapshots_only, images.trade_streams) == (True, ())
    topics = [next(iter(frame.values())) for frame in images.subscribe(["a"])]
    assert topics == ["market.a.depth.step0", "market.a.trade.detail"]
    assert [frame["req"] for frame in images.request_snapshot(["a"])] == ["market.a.depth.step0"]


def test_the_frames_that_the_documentation_quotes_are_read(feed: Any) -> None:
    diff, snapshot, trade, ack, ping, refusal = (
        list(feed.parse(frame)) for frame in quoted("public.jsonl")
    )
    asks = b"[[9.486E-11,5.4329174972728E12],[9.488E-11,0.0]]"
    assert diff == [
        BookDiff("aidogeusdt", b"[]", asks, 155247356, 155247358, 1690948841557_000_000)
    ]
    assert (snapshot[0].symbol, snapshot[0].update_id, snapshot[0].bids[:15]) == (
        "btcusdt",
        100020142010,
        b"[[618.37,71.594",
    )
    assert trade == [
        Trade("trioeth", "100045088885", Side.BUY, 9.2e-7, 20995.88, 1618678027940_000_000)
    ]
    assert ack == []
    assert ping == [Send('{"pong":1618678073643}')]
    assert refusal == [Fault(ErrorKind.UNKNOWN, "bad-request", "invalid mbp.150.symbol linkusdt")]


def test_a_change_may_name_one_side_alone_or_nothing(feed: Any) -> None:
    body = b'{"ch":"market.a.mbp.150","ts":1,"tick":{"seqNum":9,"prevSeqNum":7,"bids":[[1,2]]}}'
    assert list(feed.parse(body)) == [BookDiff("a", b"[[1,2]]", b"[]", 8, 9, 1_000_000)]
    body = b'{"ch":"market.a.mbp.150","ts":1,"tick":{"seqNum":9,"prevSeqNum":9}}'
    assert list(feed.parse(body)) == [BookDiff("a", b"[]", b"[]", 10, 9, 1_000_000)]


def test_several_trades_come_together(feed: Any) -> None:
    row = {"id": 1, "ts": 5, "tradeId": 3, "amount": 1, "price": 2, "direction": "sell"}
    frame = {
        "ch": "market.a.trade.detail",
        "ts": 5,
        "tick": {"id": 1, "ts": 5, "data": [row, row | {"tradeId": 4}]},
    }
    assert [trade.trade_id for trade in feed.parse(json.dumps(frame).encode())] == ["3", "4"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tradeId": None}, "$.tick.data[0].tradeId: Expected `int`, got `null`"),
        ({"price": "much"}, "$.tick.data[0].price: Expected `float`, got `str`"),
        ({"direction": "both"}, "$.tick.data[0].direction: Invalid enum value 'both'"),
    ],
)
def test_a_trade_that_can_not_be_read_hides_no_other(
    feed: Any, change: dict[str, Any], message: str
) -> None:
    row = {"id": 1, "ts": 5, "tradeId": 3, "amount": 1, "price": 2, "direction": "sell"}
    tick = {"id": 1, "ts": 5, "data": [row | change, row | {"new": []}]}
    frame = {"ch": "market.a.trade.detail", "ts": 5, "tick": tick}
    trade, fault = feed.parse(json.dumps(frame).encode())
    assert (trade.trade_id, trade.side) == ("3", Side.SELL)
    assert (fault.kind, fault.message) == (ErrorKind.UNREADABLE, message)


def test_the_time_may_be_missing_in_answers_alone(feed: Any) -> None:
    answered = b'{"rep":"market.a.mbp.150","status":"ok","data":{"seqNum":7,"bids":[[1,2]]}}'
    assert list(feed.parse(answered)) == [BookSnapshot("a", b"[[1,2]]", b"[]", 7)]
    with pytest.raises(ValueError, match="ts is missing"):
        feed.parse(b'{"ch":"market.a.mbp.150","tick":{"seqNum":9,"prevSeqNum":7}}')


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"what_is":"this"}',
        b'{"ch":"market.a.mbp.150"}',
    ],
)
def test_a_malformed_frame_is_an_error(feed: Any, frame: bytes) -> None:
    with pytest.raises((ValueError, LookupError, msgspec.DecodeError)):
        list(feed.parse(frame))


def test_every_frame_of_a_real_session_is_read() -> None:
    assert HTX.decode is not None
    feed = HtxImages({}, "/ws")
    kinds = set()
    versions = dict[str, int]()
    for line in recording("HUOBI.ws.44.0").read_text().splitlines():
        stamp, _, payload = line.partition(": ")
        if stamp.replace(".", "").isdigit() and payload.startswith("b"):
            for message in feed.parse(HTX.decode(ast.literal_eval(payload))):
                kinds.add(type(message))
                if isinstance(message, BookSnapshot):
                    assert message.update_id > versions.get(message.symbol, 0)
                    versions[message.symbol] = message.update_id
    assert kinds == {BookSnapshot, Trade, Send}
    assert len(versions) == 10


def test_private_frames_are_no_gzip() -> None:
    assert HTX.decode is not None
    assert HTX.decode(gzip.compress(b"{}")) == b"{}"
    assert HTX.decode(b'{"action":"ping"}') == b'{"action":"ping"}'


def refusal(code: str, message: str = "x") -> Answer:
    return answer({"status": "error", "err-code": code, "err-msg": message, "data": None})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("order-value-min-error", ErrorKind.REFUSED),
        ("order-limitorder-amount-min-error", ErrorKind.REFUSED),
        ("order-marketorder-amount-min-error", ErrorKind.REFUSED),
        ("order-orderprice-precision-error", ErrorKind.REFUSED),
        ("order-limitorder-price-max-error", ErrorKind.REFUSED),
        ("account-frozen-balance-insufficient-error", ErrorKind.FUNDS),
        ("order-accountbalance-error", ErrorKind.FUNDS),
        ("base-record-invalid", ErrorKind.NOT_FOUND),
        ("order-orderstate-error", ErrorKind.NOT_FOUND),
        ("invalid.client.order.id", ErrorKind.DUPLICATE),
        ("rate-too-many-requests", ErrorKind.RATE),
        ("api-signature-not-valid", ErrorKind.AUTH),
        ("timeout", ErrorKind.UNKNOWN),
        ("gateway-internal-error", ErrorKind.UNKNOWN),
        ("order-update-error", ErrorKind.UNKNOWN),
        ("base-system-error", ErrorKind.UNKNOWN),
        ("never-seen", ErrorKind.UNKNOWN),
    ],
)
def test_refusals_are_told_apart(code: str, kind: ErrorKind) -> None:
    found = HTX.error(refusal(code))
    assert found is not None
    assert (found.kind, found.code) == (kind, code)


def test_a_wrong_time_looks_like_a_wrong_signature_but_for_its_words() -> None:
    words = "Signature not valid: Invalid submission time or incorrect time format"
    found = HTX.error(refusal("api-signature-not-valid", words))
    assert found is not None
    assert found.kind is ErrorKind.CLOCK


def test_newer_answers_say_it_in_another_form() -> None:
    assert HTX.error(answer({"code": 200, "data": []})) is None
    assert HTX.error(answer({"status": "ok", "data": 1})) is None
    for code, message, kind in (
        (1003, "invalid signature", ErrorKind.AUTH),
        (2002, "x", ErrorKind.UNKNOWN),
    ):
        found = HTX.error(answer({"code": code, "message": message}))
        assert found is not None
        assert (found.kind, found.message) == (kind, message)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, ErrorKind.RATE), (504, ErrorKind.UNKNOWN), (405, ErrorKind.UNKNOWN)]
)
def test_what_stands_before_the_venue_says_it_by_status(status: int, kind: ErrorKind) -> None:
    found = HTX.error(answer(b"<html>", status))
    assert found is not None
    assert found.kind is kind


def test_its_clock_is_read() -> None:
    assert HTX.server_time is not None
    assert HTX.server_time.read(answer({"status": "ok", "data": 1494900087029})) == 1494900087.029
