"""Rows, words and pages that can't be read, at every venue: the other rows count, and nothing is
concluded from what could not be read.

The answers and frames are those that goldens have of each venue, with something wrong in them.
"""

import base64
import copy
import json
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from exchanges import registry
from exchanges.contract import ErrorKind
from tests.goldens.replaying import Replaying, answer_of, groups_of
from tests.goldens.test_goldens import lines_of

Json = Any
VENUES = list(registry.BUILT_IN)
READINGS = ("open_orders", "fills", "balances", "trading_rules")
BAD_ROWS: list[Json] = [7, None, "text", [], {}]
WORD = "dreaming"
PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
ROWS_AT: dict[str, dict[str, tuple[str | int, ...]]] = {
    "binance": {
        "open_orders": (),
        "fills": (),
        "balances": ("balances",),
        "trading_rules": ("symbols",),
    },
    "bittrex": dict.fromkeys(READINGS, ()),
    "bybit": {
        "open_orders": ("result", "list"),
        "fills": ("result", "list"),
        "balances": ("result", "list", 0, "coin"),
        "trading_rules": ("result", "list"),
    },
    "coinbase": dict.fromkeys(READINGS, ()),
    "htx": {
        "open_orders": ("data",),
        "fills": ("data",),
        "balances": ("data", "list"),
        "trading_rules": ("data",),
    },
    "hyperliquid": {
        "open_orders": (),
        "fills": (),
        "balances": ("balances",),
        "trading_rules": ("universe",),
    },
    "kraken": {
        "open_orders": ("result", "open"),
        "fills": ("result", "trades"),
        "balances": ("result",),
        "trading_rules": ("result",),
    },
    "okx": {
        "open_orders": ("data",),
        "fills": ("data",),
        "balances": ("data", 0, "details"),
        "trading_rules": ("data",),
    },
}
"""Where the rows of an answer stand."""
FRAME_ROWS_AT: dict[tuple[str, str], tuple[str | int, ...]] = {
    ("binance", "Balance"): ("event", "B"),
    ("bybit", "OrderUpdate"): ("data",),
    ("bybit", "Fill"): ("data",),
    ("bybit", "Balance"): ("data", 0, "coin"),
    ("hyperliquid", "OrderUpdate"): ("data",),
    ("hyperliquid", "Fill"): ("data", "fills"),
    ("kraken", "OrderUpdate"): ("data",),
    ("okx", "OrderUpdate"): ("data",),
    ("okx", "Balance"): ("data", 0, "details"),
}
"""Where those of a private frame stand; frames of other kinds have one row."""
STATUS = {
    "binance": "status",
    "bittrex": "status",
    "bybit": "orderStatus",
    "coinbase": "status",
    "htx": "state",
    "hyperliquid": "status",
    "kraken": "status",
    "okx": "state",
}
"""The field of an order's status by REST."""
FRAME_STATUS = STATUS | {
    "binance": "X",
    "coinbase": "reason",
    "htx": "orderStatus",
    "kraken": "order_status",
}
CLIENT_ID = {
    "binance": "clientOrderId",
    "bittrex": "clientOrderId",
    "bybit": "orderLinkId",
    "coinbase": "client_oid",
    "htx": "client-order-id",
    "hyperliquid": "cloid",
    "kraken": "cl_ord_id",
    "okx": "clOrdId",
}
"""The field of our own id by REST."""
FRAME_CLIENT_ID = CLIENT_ID | {"binance": "c", "htx": "clientOrderId"}
NO_STATUS = ("hyperliquid",)
"""Venues whose lists of open orders have no status."""


# What was heard.


@cache
def heard(venue: str, name: str, kind: str, field: str = "") -> list[dict[str, Json]]:
    """The lines of goldens that lead to one which gives records of ``kind``: the answer to a
    method, or a private frame where ``name`` is "frame", a public one where it is "trades"; with a
    text in ``field``."""
    for place in ("sandbox", "tests"):
        rules: list[dict[str, Json]] = []
        led: list[dict[str, Json]] = []
        for line, session in groups_of(lines_of(venue, place)):
            if "records" in line:
                rules.append(line)
            if "session" in line:
                led = []
            led.append(line)
            sessions = {"frame": "user", "trades": "book"}
            is_named = (
                session == sessions[name] and "frame" in line
                if name in sessions
                else (line.get("call") == name)
            )
            if is_named and gives(line, kind) and put(content_of(venue, line), field, ""):
                return [*rules, *led]
    pytest.fail(f"the goldens of {venue} have no {name} that gives {kind}")


def gives(line: dict[str, Json], kind: str) -> bool:
    return any(record.get("type") == kind for record in records_of(line["gives"]))


def records_of(outcome: Json) -> list[Json]:
    """The records of a frame, or of an answer."""
    found = outcome["reads"] if isinstance(outcome, dict) and "reads" in outcome else outcome
    if isinstance(found, dict) and found.get("type") == "Page":
        found = found["fields"]["items"]
    if isinstance(found, list):
        return found
    return [found] if isinstance(found, dict) else []


def replayed(lines: list[dict[str, Json]], venue: str, last: dict[str, Json]) -> Json:
    """What comes of ``last`` in place of the last line."""
    replaying = Replaying(registry.get(venue))
    for line in lines[:-1]:
        replaying.outcome(line)
    return replaying.outcome(last)


# What is wrong in it.


def content_of(venue: str, line: dict[str, Json]) -> Json:
    """The JSON of an answer or a frame, unpacked."""
    if "frame" not in line:
        return json.loads(line["answer"]["body"])
    frame = json.loads(line["frame"])
    if venue != "bittrex":
        return frame
    packed = base64.b64decode(frame["M"][0]["A"][0])
    return json.loads(zlib.decompress(packed, wbits=-15))


def changed(venue: str, line: dict[str, Json], change: Callable[[Json], Json]) -> dict[str, Json]:
    """A line whose JSON is another."""
    text = json.dumps(change(content_of(venue, line)))
    if "frame" not in line:
        return line | {"answer": line["answer"] | {"body": text}}
    if venue != "bittrex":
        return line | {"frame": text}
    frame = json.loads(line["frame"])
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(text.encode()) + packer.flush()
    frame["M"][0]["A"][0] = base64.b64encode(packed).decode()
    return line | {"frame": json.dumps(frame)}


def with_bad_row(at: tuple[str | int, ...], bad: Json) -> Callable[[Json], Json]:
    """Puts a row before the others."""

    def change(whole: Json) -> Json:
        rows = whole
        for step in at:
            rows = rows[step]
        if isinstance(rows, list):
            rows.insert(0, bad)
            return whole
        before = dict(rows)
        rows.clear()
        rows["BAD"] = bad
        rows.update(before)
        return whole

    return change


def with_value(name: str, value: Json) -> Callable[[Json], Json]:
    """Sets the deepest field of a name whose value is a text, the first of several."""

    def change(whole: Json) -> Json:
        found = copy.deepcopy(whole)
        assert put(found, name, value), name
        return found

    return change


def put(where: Json, name: str, value: Json) -> bool:
    """Whether there was such a field; no name is a field of everything."""
    if not name:
        return True
    inner: list[Json] = []
    if isinstance(where, dict | list):
        inner = list(where.values()) if isinstance(where, dict) else where
    if any(put(item, name, value) for item in inner):
        return True
    if not isinstance(where, dict) or not isinstance(where.get(name), str):
        return False
    where[name] = value
    return True


def bad_of(outcome: Json) -> list[Json]:
    """What tells of rows that could not be read."""
    return [record for record in records_of(outcome) if is_bad(record)]


def is_bad(record: Json) -> bool:
    fields = record.get("fields", {})
    return bool(record.get("type") == "BadRow" or fields.get("kind") == "ErrorKind.UNREADABLE")


def good_of(outcome: Json) -> list[Json]:
    return [record for record in records_of(outcome) if not is_bad(record)]


KINDS = {
    "open_orders": "OrderUpdate",
    "status": "OrderUpdate",
    "fills": "Fill",
    "balances": "Balance",
    "trading_rules": "TradingRule",
}


@pytest.mark.parametrize("bad", BAD_ROWS, ids=json.dumps)
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("venue", VENUES)
def test_a_bad_row_of_an_answer_hides_no_other_and_is_told(
    venue: str, reading: str, bad: Json
) -> None:
    lines = heard(venue, reading, KINDS[reading])
    last = changed(venue, lines[-1], with_bad_row(ROWS_AT[venue][reading], bad))
    outcome = replayed(lines, venue, last)
    assert good_of(outcome) == records_of(lines[-1]["gives"])
    assert len(bad_of(outcome)) == 1


@pytest.mark.parametrize("bad", BAD_ROWS, ids=json.dumps)
@pytest.mark.parametrize(("venue", "kind"), FRAME_ROWS_AT)
def test_a_bad_row_of_a_private_frame_hides_no_other_and_is_told(
    venue: str, kind: str, bad: Json
) -> None:
    lines = heard(venue, "frame", kind)
    last = changed(venue, lines[-1], with_bad_row(FRAME_ROWS_AT[venue, kind], bad))
    outcome = replayed(lines, venue, last)
    assert good_of(outcome) == records_of(lines[-1]["gives"])
    assert len(bad_of(outcome)) == 1


TRADES_AT: dict[str, tuple[tuple[str, ...], str, str]] = {
    "binance": ((), "p", "q"),
    "bittrex": (("deltas",), "rate", "quantity"),
    "bybit": (("data",), "p", "v"),
    "coinbase": ((), "price", "size"),
    "htx": (("tick", "data"), "price", "amount"),
    "hyperliquid": (("data",), "px", "sz"),
    "kraken": (("data",), "price", "qty"),
    "okx": (("data",), "px", "sz"),
}
"""Where the rows of public trades stand, and the names of price and size; of frames with one trade,
no rows."""
NO_PRICES: list[Json] = [
    "NaN",
    "Infinity",
    "-Infinity",
    "-5",
    "0",
    "0.000",
    "1e999",
    "1e-999",
    "1_0",
]
NO_SIZES: list[Json] = ["NaN", "Infinity", "-5", "1e999", "1_0"]


@pytest.mark.parametrize(
    ("field", "value"),
    [*((0, price) for price in NO_PRICES), *((1, size) for size in NO_SIZES)],
)
@pytest.mark.parametrize("venue", VENUES)
def test_numbers_that_no_trade_has_make_a_fault_and_hide_no_other_trade(
    venue: str, field: int, value: str
) -> None:
    lines = heard(venue, "trades", "Trade")
    at, *names = TRADES_AT[venue]
    name = names[field]

    def change(whole: Json) -> Json:
        rows = whole
        for step in at:
            rows = rows[step]
        if isinstance(rows, list):
            rows.insert(0, dict(rows[0]))
        row = rows[0] if at else rows.get("data", rows)
        row[name] = value if isinstance(row[name], str) else float(value.replace("1_0", "-10"))
        return whole

    outcome = replayed(lines, venue, changed(venue, lines[-1], change))
    if outcome == {"raises": "malformed"}:
        # JSON has no such numbers; a match changes an order too, and its book can't go on.
        no_json = venue in ("htx", "kraken") and value in ("NaN", "Infinity", "-Infinity", "1e999")
        assert no_json or (venue, name) == ("coinbase", "size")
        return
    trades = [record for record in records_of(lines[-1]["gives"]) if record["type"] == "Trade"]
    assert [record for record in good_of(outcome) if record["type"] == "Trade"] == (
        trades if at else []
    )
    assert len(bad_of(outcome)) == 1


def assert_only_the_state_is_unknown(outcome: Json, stored: Json) -> None:
    found = [record for record in records_of(outcome) if record["type"] == "OrderUpdate"]
    before = [record for record in records_of(stored) if record["type"] == "OrderUpdate"]
    assert len(found) == len(before)
    fields = found[0]["fields"]
    assert fields["state"] is None
    assert WORD in fields["reason"]
    same = {"state": None, "reason": fields["reason"]}
    assert fields == before[0]["fields"] | same
    assert found[1:] == before[1:]


@pytest.mark.parametrize("reading", ["open_orders", "status"])
@pytest.mark.parametrize("venue", VENUES)
def test_an_unknown_word_for_a_status_is_told_and_concludes_nothing(
    venue: str, reading: str
) -> None:
    if venue in NO_STATUS and reading == "open_orders":
        return
    lines = heard(venue, reading, "OrderUpdate")
    last = changed(venue, lines[-1], with_value(STATUS[venue], WORD))
    assert_only_the_state_is_unknown(replayed(lines, venue, last), lines[-1]["gives"])


@pytest.mark.parametrize("venue", VENUES)
def test_an_unknown_word_for_a_status_in_a_private_frame_is_told_too(venue: str) -> None:
    lines = heard(venue, "frame", "OrderUpdate", FRAME_STATUS[venue])
    last = changed(venue, lines[-1], with_value(FRAME_STATUS[venue], WORD))
    assert_only_the_state_is_unknown(replayed(lines, venue, last), lines[-1]["gives"])


@pytest.mark.parametrize("bad", [None, 7])
@pytest.mark.parametrize("reading", ["open_orders", "frame"])
@pytest.mark.parametrize("venue", VENUES)
def test_a_client_id_that_is_no_text_is_none_or_makes_its_row_unreadable(
    venue: str, reading: str, bad: Json
) -> None:
    name = (FRAME_CLIENT_ID if reading == "frame" else CLIENT_ID)[venue]
    lines = heard(venue, reading, "OrderUpdate", name)
    outcome = replayed(lines, venue, changed(venue, lines[-1], with_value(name, bad)))
    if outcome == {"raises": "malformed"}:  # of a frame with this row alone
        assert reading == "frame"
        return
    orders = [record for record in good_of(outcome) if record["type"] == "OrderUpdate"]
    assert orders or bad_of(outcome)
    assert {order["fields"]["client_order_id"] for order in orders} <= {""}


@pytest.mark.parametrize("reading", [*READINGS, "status"])
@pytest.mark.parametrize("venue", VENUES)
def test_a_page_of_a_gateway_is_no_answer(venue: str, reading: str) -> None:
    """It is read as nothing: neither as an empty list nor as a denial."""
    lines = heard(venue, reading, KINDS[reading])
    for status in (200, 403, 404, 502):
        said: dict[str, Json] = {"status": status, "headers": {}, "body": PAGE}
        fault = registry.get(venue).error(answer_of(said))
        assert fault is None or fault.kind is ErrorKind.UNKNOWN
        outcome = replayed(lines, venue, lines[-1] | {"answer": said})
        assert "reads" not in outcome or outcome["reads"] == {"raises": "malformed"}
