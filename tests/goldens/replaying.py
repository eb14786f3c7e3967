"""Feeds stored frames and answers to today's adapters, line by line as a file of goldens has them.

A line is a JSON object. ``{"session": "book" | "user" | "orders" | "venue", ...}`` begins with new
objects, as a new connection does; the lines below belong to it: ``{"frame": text}`` is parsed,
``{"call": method, "arguments": [...], "answer": {...}}`` is read by the Call that the method makes,
``{"refusal": answer}`` is judged, ``{"raw": base64}`` is decoded. ``{"rules": number, "records":
[...]}`` are trading rules that sessions name. ``gives``, in each line, is what came of it.
"""

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

from exchanges.contract import MALFORMED, Answer, Call, Exchange, FillCursor
from exchanges.orders import InFlightOrder, TradingRule
from orderbook.errors import TrochilError
from tests.goldens.canonical import canonical, new_name, revived, sent, with_stored_layouts

KINDS: dict[str, type[Any]] = {
    "InFlightOrder": InFlightOrder,
    "FillCursor": FillCursor,
    "TradingRule": TradingRule,
}
"""Types of what goes in, by the names that they had when the goldens were stored."""
KEYS = {"api_key": "0x" + "12" * 20, "api_secret": "0x" + "11" * 32, "passphrase": "words"}
OTHER_KEYS = KEYS | {"api_secret": "c2VjcmV0"}
SYMBOLS_ASKED = 2


def answer_of(said: dict[str, Any]) -> Answer:
    return Answer(said["status"], said.get("headers", {}), said["body"].encode())


class Replaying:
    """One file's replay. Its objects are those of the session that was begun last."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.role: Any = None
        self.rules: dict[int, list[TradingRule]] = {}

    def lines(self, lines: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Any]]:
        """Each line with what today's adapter makes of it."""
        for line in lines:
            yield line, self.outcome(line)

    def outcome(self, line: dict[str, Any]) -> Any:
        """What today's adapter makes of a line."""
        return with_stored_layouts(self.exchange.name, self._outcome(line))

    def _outcome(self, line: dict[str, Any]) -> Any:
        if "records" in line:
            self.rules[line["rules"]] = [revived(said, KINDS) for said in line["records"]]
            return None
        if "session" in line:
            return self.begin(line)
        if "frame" in line:
            return attempt(lambda: list(self.role.parse(line["frame"].encode())))
        if "refusal" in line:
            return {"fault": canonical(self.exchange.error(answer_of(line["refusal"])))}
        if "raw" in line:
            assert self.exchange.decode is not None
            return canonical(self.exchange.decode(b64decode(line["raw"])))
        return self.call(line)

    # Sessions.

    def _keys(self) -> dict[str, str]:
        return KEYS if self.exchange.name == "hyperliquid" else OTHER_KEYS

    def begin(self, line: dict[str, Any]) -> Any:
        rules = self.rules.get(line.get("rules", -1), [])
        by_symbol = {rule.symbol: rule for rule in rules}
        by_pair = {rule.trading_pair: rule for rule in rules}
        match line["session"]:
            case "book":
                book = self.exchange.with_feed(line.get("feed", "")).book
                self.role = book(by_symbol, line["stream"])
                return self._opened(line) | self._asked([*by_symbol][:SYMBOLS_ASKED])
            case "user":
                auth = self.exchange.auth(self._keys())
                self.role = self.exchange.user(auth, by_symbol, "wss://host")
                opened = self._opened(line)
                login = attempt(lambda: [sent(frame) for frame in self.role.login(0.0)])
                return opened | {"login": login}
            case "orders":
                self.role = self.exchange.orders(by_pair)
                return self._opened(line)
        self.role = self.exchange
        return None

    def _opened(self, line: dict[str, Any]) -> dict[str, Any]:
        """The opening's requests, and what it gives."""
        if line.get("opening") is None:
            return {"opened": None}
        steps = self.role.handshake()
        answers = iter(line["opening"])
        requests: list[dict[str, Any]] = []
        try:
            call = next(steps)
            requests.append(request_of(call))
            for said in answers:
                result = said["given"] if "given" in said else call.read(answer_of(said))
                call = steps.send(result)
                requests.append(request_of(call))
        except StopIteration as end:
            return {"requests": requests, "opened": canonical(end.value)}
        return {"requests": requests, "opened": None}  # answered no further

    def _asked(self, symbols: list[str]) -> dict[str, Any]:
        role = self.role
        auth = self.exchange.auth(self._keys())
        asked = {
            "subscribe": role.subscribe(symbols),
            "login": role.login(symbols, auth, 0.0),
            "unsubscribe": role.subscribe(symbols, on=False),
            "subscribe_books": role.subscribe_books(symbols),
            "refresh": role.request_snapshot(symbols),
        }
        frames = {name: [sent(frame) for frame in frames] for name, frames in asked.items()}
        return frames | {"streams": canonical(role.streams), "depth": role.depth, "host": role.host}

    # Answers.

    def call(self, line: dict[str, Any]) -> Any:
        """The request as the adapter makes it; the refusal that the answer is, or what it reads."""
        method = getattr(self.role, new_name("call", line["call"]))
        arguments = line["arguments"]
        given = [revived(said, KINDS) if isinstance(said, dict) else said for said in arguments]
        call: Call[Any] | None = method if isinstance(method, Call) else method(*given)
        for _ in range(line.get("part", 0)):
            assert call is not None
            call = call.otherwise
        if call is None:
            return {"request": None}
        answer = answer_of(line["answer"])
        outcome = {"request": request_of(call)}
        fault = self.exchange.error(answer)
        if fault is not None:
            return outcome | {"fault": canonical(fault)}
        read = call.read
        return outcome | {"reads": attempt(lambda: read(answer))}


def request_of(call: Call[Any]) -> dict[str, Any]:
    asked = call.request
    return {
        "method": asked.method,
        "path": asked.path,
        "params": dict(asked.params),
        "body": None if asked.body is None else sent(asked.body),
        "signed": asked.signed,
        "cost": dict(asked.cost),
        "urgent": asked.urgent,
        "asks": asked.method != "GET" and not asked.is_mutating,
        "over": asked.over,
    }


def attempt(work: Any) -> Any:
    """What ``work`` gives, or how it fails: all ways in which something is malformed are one."""
    try:
        return canonical(work())
    except TrochilError as error:
        return {"raises": type(error).__name__}
    except MALFORMED:
        return {"raises": "malformed"}
    except RuntimeError as error:  # of a generator inside: the drivers take it for a fault of ours
        return {"raises": type(error).__name__}


# What was compared: names of kinds, and how many records.


def kinds_of(line: dict[str, Any], outcome: Any, session: str) -> list[str]:
    """What a line counts as: "book:BookDiff" a record, "call:place", "place:OrderUpdate"..."""
    if "frame" in line:
        records = outcome if isinstance(outcome, list) else []
        return [f"{session}:frame", *(f"{session}:{kind_of(record)}" for record in records)]
    if "call" in line:
        name = line["call"]
        if "fault" in outcome:
            return [f"call:{name}", f"refused:{name}"]
        reads = outcome.get("reads")
        items = reads["fields"]["items"] if kind_of(reads) == "Page" else reads
        records = items if isinstance(items, list) else [items]
        return [f"call:{name}", *(f"{name}:{kind_of(record)}" for record in records)]
    if "refusal" in line:
        return [f"refusal:{outcome['fault']['fields']['kind'] if outcome['fault'] else None}"]
    return ["raw" if "raw" in line else f"session:{session}"]


def kind_of(record: Any) -> str:
    if isinstance(record, dict):
        return str(record.get("type", "raises" if "raises" in record else "dict"))
    return type(record).__name__


def groups_of(lines: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each line with the session that it belongs to."""
    session = ""
    for line in lines:
        session = line.get("session", session)
        yield line, session


def group_of(line: dict[str, Any], session: str) -> str:
    """What is compared together: frames of books, answers to one method..."""
    if "call" in line:
        return str(line["call"])
    if "frame" in line:
        return f"{session} frames"
    named = (name for name in ("refusal", "raw", "session") if name in line)
    return next(named)
