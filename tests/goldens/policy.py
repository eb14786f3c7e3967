"""How far an outcome may differ from the stored one: where adapters became stricter on purpose.

What venues really sent is read as it was. Of inputs that nobody ever sent (variants.py), a record
may be missing where its row is told to be unreadable, or an order's state may be none: no field may
ever have another value.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.goldens.variants import OURS

CUT_WORDS = {
    "nsufficient": "insufficient",
    "uplicate": "duplicate",
    "nvalid": "invalid",
    "oo many": "too many",
    "ust deposit": "must deposit",
    "roduct not found": "product not found",
    "ot found": "not found",
    "ate limit": "rate limit",
    "imestamp": "timestamp",
    "s limit": "Orders limit",
}
"""Refusals were made of the words of the tables of the time, which had lost their first letters so
that capitals didn't matter: the whole words."""
GATEWAY_BODIES = {"", "<html>Bad gateway</html>", "{}", "[]", "null", '{"code":0}', '"text"', "{"}
"""Bodies in no venue's own form of a refusal: something that stands before it said them."""
TOLD_SINCE = {"Moved", "UnknownKind"}
"""What frames tell since goldens were stored, beside the records of then."""
ROW_KINDS = {"OrderUpdate", "Fill", "Balance", "Trade", "MarketSummary", "TradingRule"}
"""Records that stand on their own: what else a frame gives may not be missing."""
MALFORMED = {"raises": "malformed"}
UNKNOWN_STATUS = re.compile("the status '(.*)' is unknown here")
FULL_TYPES = {"received", "open", "match", "done", "change", "activate"}
"""Coinbase's messages of its channel full."""


@dataclass(frozen=True)
class Exceptional:
    """Another outcome that is right: ``expected`` makes it of a line, and of a record that the line
    gave."""

    venue: str
    reason: str
    expected: Callable[[dict[str, Any], Any], Any]


def kraken_text(line: dict[str, Any], record: Any) -> Any:
    if kind_of(record) != "Fault" or record["fields"]["message"] != "HTTP 200":
        return record
    text = record["fields"]["code"]
    rate = {"kind": "ErrorKind.RATE"} if text == "Exceeded msg rate" else {}
    return {"type": "Fault", "fields": record["fields"] | {"code": "", "message": text} | rate}


def coinbase_unknown_type(line: dict[str, Any], record: Any) -> Any:
    if kind_of(record) != "OrderEvent" or json.loads(line["frame"])["type"] in FULL_TYPES:
        return record
    return {"type": "OrderEvent", "fields": record["fields"] | {"order_id": "", "side": ""}}


def coinbase_capitals(line: dict[str, Any], record: Any) -> Any:
    if kind_of(record) != "Fault" or "Authentication Failed" not in record["fields"]["message"]:
        return record
    return {"type": "Fault", "fields": record["fields"] | {"kind": "ErrorKind.AUTH"}}


def made_up_code(line: dict[str, Any], record: Any) -> Any:
    if kind_of(record) != "Fault" or not record["fields"]["code"].endswith("_limit"):
        return record
    return {"type": "Fault", "fields": record["fields"] | {"kind": "ErrorKind.UNKNOWN"}}


def htx_made_up_code(line: dict[str, Any], record: Any) -> Any:
    if kind_of(record) != "Fault" or "-limit-" not in record["fields"]["code"]:
        return record
    return {"type": "Fault", "fields": record["fields"] | {"kind": "ErrorKind.UNKNOWN"}}


def bittrex_window(line: dict[str, Any], record: Any) -> Any:
    return record | {"depth": 500} if line.get("session") == "book" else record


def bittrex_order_placed(line: dict[str, Any], record: Any) -> Any:
    if line.get("call") != "place" or record["fields"]["client_order_id"]:
        return record
    ours = line["arguments"][0]["fields"]["client_order_id"]
    return {"type": "OrderUpdate", "fields": record["fields"] | {"client_order_id": ours}}


def bybit_documented_ban(line: dict[str, Any], record: Any) -> Any:
    if kind_of(record) != "Fault" or record["fields"]["message"] != "access too frequent":
        return record
    return {"type": "Fault", "fields": record["fields"] | {"retry_after": 600.0}}


COSTS: dict[tuple[str, str], tuple[dict[str, int], dict[str, int]]] = {
    ("binance", "server_time"): ({}, {"weight": 1}),
    ("coinbase", "server_time"): ({}, {"public": 1}),
    ("okx", "server_time"): ({}, {"public": 1}),
    ("htx", "cancel"): ({"orders": 1}, {"cancels": 1}),
    ("hyperliquid", "place"): ({"weight": 1}, {"weight": 1, "orders": 1}),
    ("kraken", "place"): ({}, {"orders": 1}),
}
"""Venue and call -> what it cost when the goldens were stored, and what it costs now: every request
counts, and what limits orders doesn't limit cancels."""
EXCEPTIONS = (
    Exceptional("bybit", "an address is banned for ten minutes", bybit_documented_ban),
    Exceptional("kraken", "a refusal without a colon has a text, and no code", kraken_text),
    Exceptional(
        "coinbase",
        "a message of an unknown type has its place in the sequence, and no order",
        coinbase_unknown_type,
    ),
    Exceptional("coinbase", "words count whatever their capitals are", coinbase_capitals),
    Exceptional("bittrex", "codes made of patterns are none of the venue's", made_up_code),
    Exceptional("htx", "codes made of patterns are none of the venue's", htx_made_up_code),
    Exceptional("bittrex", "an answer to an order tells of that order", bittrex_order_placed),
    Exceptional("bittrex", "the window that was subscribed is declared", bittrex_window),
)


class Verdict(StrEnum):
    SAME = "same"
    MALFORMED = "malformed"
    """Was read; now the whole of it can't be."""
    WITHOUT_ROWS = "without rows"
    """Was read; now some of its rows can't be."""
    WITHOUT_STATE = "without state"
    """The order's status is no word of the venue."""
    IN_PART = "in part"
    """Could not be read; now what is readable in it is."""
    GATEWAY = "gateway"
    """What isn't in the venue's own form is a gateway's answer, and proves nothing."""
    UNKNOWN_KIND = "unknown kind"
    """Could not be read; now it is told that its kind isn't known."""
    EXCEPTION = "exception"
    """One of :data:`EXCEPTIONS`."""
    DIFFERENT = "different"
    """No reason for it is known: a test fails."""


def whole_words(text: str) -> str:
    """A line of refusals without cut words, in what goes in as in what comes out."""
    for cut, whole in CUT_WORDS.items():
        text = re.sub(rf"(?<![A-Za-z]){re.escape(cut)}", whole, text)
    return text


def same_or_stricter(venue: str, place: str, line: dict[str, Any], now: Any) -> Verdict:
    """Compares what a line of goldens ``gives`` with what it gives ``now``."""
    if line["gives"] == MALFORMED and is_of_unknown_kind(now):
        return Verdict.UNKNOWN_KIND
    return judged(venue, place, line, without_new(now))


def without_new(now: Any) -> Any:
    """An outcome without what is told since goldens were stored."""
    if not isinstance(now, list):
        return now
    return [record for record in now if kind_of(record) not in TOLD_SINCE]


def judged(venue: str, place: str, line: dict[str, Any], now: Any) -> Verdict:
    stored = with_new_cost(venue, line)
    if now == stored:
        return Verdict.SAME
    for exception in EXCEPTIONS:
        if exception.venue == venue and now == expected(exception, line):
            return Verdict.EXCEPTION
    if "refusal" in line:
        return of_refusal(line["refusal"], stored["fault"], now["fault"])
    if "call" in line:
        if stored.get("request") != now.get("request") or "reads" not in stored:
            return Verdict.DIFFERENT
        if place == "variants" and is_of_gateway(now.get("fault")):
            return Verdict.GATEWAY
        if "reads" not in now:
            return Verdict.DIFFERENT
        return of_records(place, stored["reads"], now["reads"])
    if "frame" in line:
        return of_records(place, stored, now)
    return Verdict.DIFFERENT


def with_new_cost(venue: str, line: dict[str, Any]) -> Any:
    """What a line gives, with what its request costs now."""
    stored = line["gives"]
    request = stored.get("request") if isinstance(stored, dict) else None
    old, new = COSTS.get((venue, line.get("call", "")), (None, None))
    if not isinstance(request, dict) or old is None or request.get("cost") != old:
        return stored
    return stored | {"request": request | {"cost": new}}


def expected(exception: Exceptional, line: dict[str, Any]) -> Any:
    """What the exception makes of what a frame, a refusal or an answer with one record gave."""
    stored = line["gives"]
    if "refusal" in line:
        return {"fault": exception.expected(line, stored["fault"])}
    if "session" in line:
        return exception.expected(line, stored)
    if "frame" in line and isinstance(stored, list):
        return [exception.expected(line, record) for record in stored]
    if "call" in line and kind_of(stored.get("reads")) in ROW_KINDS:
        return stored | {"reads": exception.expected(line, stored["reads"])}
    return stored


def of_refusal(answer: dict[str, Any], stored: Any, now: Any) -> Verdict:
    """What a gateway says may be shown otherwise, and prove less; nothing else."""
    if answer["body"] not in GATEWAY_BODIES or now is None:
        return Verdict.DIFFERENT
    kind = "RATE" if answer["status"] in (418, 429) else "UNKNOWN"
    is_right = now["fields"]["kind"] == f"ErrorKind.{kind}"
    return Verdict.GATEWAY if is_right else Verdict.DIFFERENT


def of_records(place: str, stored: Any, now: Any) -> Verdict:
    if is_page(stored) and is_page(now):
        if stored["fields"]["next"] != now["fields"]["next"]:
            return Verdict.DIFFERENT
        return of_records(place, stored["fields"]["items"], now["fields"]["items"])
    if stored == MALFORMED:
        return Verdict.IN_PART if is_partial(now) else Verdict.DIFFERENT
    if place != "variants":
        return Verdict.DIFFERENT
    if now == MALFORMED:
        return Verdict.MALFORMED
    if isinstance(stored, list) and isinstance(now, list):
        return of_rows(stored, now)
    return Verdict.WITHOUT_STATE if lacks_only_state(stored, now) else Verdict.DIFFERENT


def of_rows(stored: list[Any], now: list[Any]) -> Verdict:
    """The rows of ``now`` in the order of ``stored``; a bad row stands for one record of a kind."""
    bad = [record for record in now if is_unreadable(record)]
    good = [record for record in now if not is_unreadable(record)]
    missing: Counter[str] = Counter()
    verdict = Verdict.WITHOUT_ROWS
    place = 0
    for record in stored:
        if place < len(good) and good[place] == record:
            place += 1
        elif place < len(good) and lacks_only_state(record, good[place]):
            place += 1
            verdict = Verdict.WITHOUT_STATE
        else:
            missing[kind_of(record)] += 1
    accounted = all(kind in ROW_KINDS and missing[kind] <= len(bad) for kind in missing)
    return verdict if place == len(good) and accounted else Verdict.DIFFERENT


def lacks_only_state(stored: Any, now: Any) -> bool:
    """Whether an update is what it was but for a status that is a word of ours, or empty, and none
    of the venue's."""
    if kind_of(stored) != "OrderUpdate" or kind_of(now) != "OrderUpdate":
        return False
    found = UNKNOWN_STATUS.fullmatch(now["fields"]["reason"])
    if found is None or now["fields"]["state"] is not None:
        return False
    same = {"state": None, "reason": now["fields"]["reason"]}
    return found[1] in ("", *OURS.split()) and stored["fields"] | same == now["fields"]


def is_partial(now: Any) -> bool:
    """Whether it tells that something could not be read."""
    records = now["fields"]["items"] if is_page(now) else now
    if isinstance(records, list):
        return any(is_unreadable(record) or is_stateless(record) for record in records)
    return is_stateless(records)


def is_of_gateway(fault: Any) -> bool:
    """Whether an answer was taken for something that the venue didn't say."""
    if kind_of(fault) != "Fault":
        return False
    return bool(fault["fields"]["kind"] == "ErrorKind.UNKNOWN" and not fault["fields"]["code"])


def is_unreadable(record: Any) -> bool:
    if kind_of(record) == "Fault":
        return bool(record["fields"]["kind"] == "ErrorKind.UNREADABLE")
    return kind_of(record) == "BadRow"


def is_stateless(record: Any) -> bool:
    if kind_of(record) != "OrderUpdate" or record["fields"]["state"] is not None:
        return False
    return UNKNOWN_STATUS.fullmatch(record["fields"]["reason"]) is not None


def is_of_unknown_kind(now: Any) -> bool:
    return isinstance(now, list) and [kind_of(record) for record in now] == ["UnknownKind"]


def is_page(records: Any) -> bool:
    return kind_of(records) == "Page"


def kind_of(record: Any) -> str:
    return str(record.get("type", "")) if isinstance(record, dict) else ""
