"""Makes the goldens: ``python -m tests.goldens.record [VENUE...]``, in the repository's root.

For each venue the local sandbox is played through: the cases of the conformance suite, every feed,
every question, and what goes wrong; then the tests of the adapters are run for the frames that
stand in them and under tests/frames. What passes the border of the adapters is heard (capture.py),
thinned out, and replayed on new objects (replaying.py): what they give is what is stored, packed, a
JSON object a line: ``zcat tests/goldens/okx/sandbox.jsonl.gz`` shows it. With ``--recorded FOLDER``
the digests of real frames are made instead (recorded.py).

Goldens are a measure only if they are made by code that is known to be right. fields.json lists the
fields that are compared: remove it first to take up those that have come since.
"""

import argparse
import asyncio
import gzip
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import trochil
from actors.transport.rate_limits import Budget
from actors.transport.rest import Rest, run_handshake
from exchanges import registry
from exchanges.contract import Endpoints, Exchange, FillCursor
from exchanges.orders import InFlightOrder, OrderType, TimeInForce, TradingRule
from orderbook.errors import TrochilError
from orderbook.messages import Side
from tests.goldens.canonical import FIELDS, FIELDS_FILE
from tests.goldens.capture import Capture, Session
from tests.goldens.recorded import record_digests
from tests.goldens.replaying import Replaying, group_of, groups_of, kinds_of
from tests.goldens.variants import variants_of
from trochil.conformance.cases import CASES
from trochil.conformance.venue_harness import VenueHarness, sandbox_harness
from trochil.sandbox.process import SandboxProcess

FOLDER = Path(__file__).parent
OF_FEEDS = (
    "snapshot_and_diffs",
    "gap_resync",
    "checksum_mismatch",
    "trades",
    "unknown_frame",
    "reconnect",
)
"""Cases that are played with every other feed of a venue; with its own, all are."""
ALIKE = 6
OF_A_KIND = 40
CALLS_ALIKE = 2
"""Most frames of the same shape, and of the same kind; most answers of the same shape to a question
of the same terms."""
ENDINGS = ("user_stream_terminated", "disconnect_private", "sequence_reset")
OTHER_PAIRS = {("hyperliquid", "perps"): "BTC-USD", ("hyperliquid", "l4Book"): "BTC-USD"}
"""Feeds of other pairs than those that an account trades."""
WORD = re.compile(r"[A-Za-z_@.]{1,24}$")
TEST_FILES = {
    "binance": ["test_binance.py"],
    "bittrex": ["test_bittrex.py", "test_bittrex_orders.py", "test_bittrex_feed.py"],
    "bybit": ["test_bybit.py", "test_bybit_errors.py"],
    "coinbase": ["test_coinbase.py", "test_coinbase_book.py", "test_coinbase_feeds.py"],
    "htx": ["test_htx.py", "test_htx_orders.py"],
    "hyperliquid": [
        "test_hyperliquid.py",
        "test_hyperliquid_orders.py",
        "test_hyperliquid_feeds.py",
    ],
    "kraken": ["test_kraken.py", "test_kraken_feeds.py", "test_kraken_level3.py"],
    "okx": ["test_okx.py", "test_okx_orders.py"],
}


# Playing.


def play_cases(exchange: Exchange, feed: str) -> None:
    """The conformance suite's cases on one feed; one that fails has been heard nevertheless."""
    with sandbox_harness(exchange, feed) as desk:
        for name, case in CASES.items():
            if (feed and name not in OF_FEEDS) or name in exchange.about.not_applicable:
                continue
            try:
                case.run(desk)
            except (AssertionError, TrochilError) as error:
                why = f"{type(error).__name__} {error}"
                print(f"  {exchange.name} {feed} {name}: {why}", file=sys.stderr)
        for fault in ENDINGS:
            try_ending(desk, fault)


def play_feed_alone(exchange: Exchange, feed: str, pair: str) -> None:
    """A feed of another kind of pairs than those that the sandbox's accounts trade."""
    name = exchange.name
    with SandboxProcess(name, seed=5, rate=50) as sandbox:
        venues = {name: {"hosts": sandbox.hosts[name], "feed": feed}}
        config = sandbox.config | {"deployment": f"goldens-{feed}", "venues": venues}
        traded = sandbox.pairs[0]
        with trochil.connect(name, pairs=[pair], config=config, address="inline") as client:
            client.markets(name)
            client.book(name, pair)
            time.sleep(2.0)
            for number in range(5):
                side = "buy" if number % 2 else "sell"
                sandbox.admin("POST", "trade", {"pair": traded, "side": side, "amount": "0.01"})
                time.sleep(0.2)
            sandbox.admin("POST", "drop", {"pair": traded, "frames": 2})
            time.sleep(3.0)
            sandbox.admin("POST", "say", {"text": '{"what_is":"this"}'})
            sandbox.admin("POST", "disconnect", {"which": "public"})
            time.sleep(3.0)


def try_ending(desk: VenueHarness, fault: str) -> None:
    desk.admin("faults", **{fault: 1})
    try:
        order = desk.rest()
        time.sleep(0.5)
        desk.market.cancel(order)
        desk.settled(order, "cancelled")
    except (AssertionError, TrochilError) as error:
        print(f"  {desk.name} {fault}: {type(error).__name__} {error}", file=sys.stderr)
    desk.admin("faults", **{fault: 0})


class Asker:
    """Asks a sandbox every question of a venue, by its adapter alone."""

    def __init__(self, exchange: Exchange, sandbox: SandboxProcess, rest: Rest) -> None:
        self.exchange = exchange
        self.sandbox = sandbox
        self.rest = rest
        self.numbers = iter(range(1000, 2000))
        self.entry: Any = None
        self.rule: TradingRule

    async def ask(self, call: Any) -> Any:
        if call is None:
            return None
        try:
            return await self.rest.run(call)
        except TrochilError:
            return None

    async def everything(self) -> None:
        exchange = self.exchange
        pair = self.sandbox.pairs[0]
        rules = await self.rest.run(exchange.book({}, "").trading_rules())
        by_symbol = {rule.symbol: rule for rule in rules}
        by_pair = {rule.trading_pair: rule for rule in rules}
        self.rule = by_pair[pair]
        feed = exchange.book(by_symbol, exchange.book.streams[0])
        await self.ask(feed.markets())
        await self.ask(feed.snapshot(self.rule.symbol))
        self.entry = exchange.orders(by_pair)
        await run_handshake(self.entry.handshake(), self.rest)
        await self.ask(exchange.server_time)
        for terms in self.terms():
            await self.one(terms)
        await self.questions(pair)
        await self.faults()

    def terms(self) -> list[dict[str, Any]]:
        book = self.admin("GET", f"book?pair={self.sandbox.pairs[0]}")
        bid = Decimal(book["bids"][0][0])
        ask = Decimal(book["asks"][0][0])
        tick = self.rule.price_tick
        step = self.rule.size_step
        far = (bid * Decimal("0.8")).quantize(Decimal(1)) if bid > 100 else bid
        high = (ask * Decimal("1.2")).quantize(Decimal(1)) if ask > 100 else ask
        amount = (Decimal(600) / bid).quantize(Decimal("0.001"))
        base = {"side": Side.BUY, "amount": amount, "price": far}
        sell = {"side": Side.SELL, "amount": amount, "price": high}
        taking = {"side": Side.BUY, "amount": amount, "price": high}
        selling = {"side": Side.SELL, "amount": amount, "price": far}
        priced = self.exchange.slippage is not None
        market = {"type": OrderType.MARKET}
        market_buy = taking if priced else taking | {"price": None}
        market_sell = selling if priced else selling | {"price": None}
        huge = amount * 10**6
        return [
            base,
            sell,
            base | {"post_only": True},
            sell | {"post_only": True},
            taking,
            selling,
            taking | {"post_only": True},
            taking | {"tif": TimeInForce.IOC},
            selling | {"tif": TimeInForce.IOC},
            base | {"tif": TimeInForce.IOC},
            taking | {"tif": TimeInForce.FOK},
            base | {"tif": TimeInForce.FOK},
            market_buy | market,
            market_sell | market,
            base | {"amount": step},
            base | {"price": far + tick / 3},
            base | {"amount": amount + step / 7},
            base | {"amount": huge},
            sell | {"amount": huge},
            base | {"price": tick},
            base | {"external": True},
        ]

    async def one(self, terms: dict[str, Any]) -> None:
        """An order with all that can be asked about it while it lives, and when it is over."""
        entry = self.entry
        rule = self.rule
        external = terms.pop("external", False)
        order = InFlightOrder(
            client_order_id=self.exchange.client_id(next(self.numbers)),
            trading_pair=rule.trading_pair,
            symbol=rule.symbol,
            created=time.time_ns(),
            **terms,
        )
        await self.ask(entry.status(order))
        placed = await self.ask(entry.place(order))
        await self.ask(entry.place(order))
        await self.ask(entry.status(order))
        if placed is not None:
            order.exchange_order_id = placed.exchange_order_id
            order.external = external
        await self.ask(entry.status(order))
        await self.ask(entry.order_fills(order))
        await self.ask(entry.open_orders(rule.trading_pair))
        part = str(order.amount / 2)
        if order.side is Side.BUY and order.price is not None and placed is not None:
            best = {"pair": rule.trading_pair, "side": "sell", "amount": part}
            self.admin("POST", "trade", best)
            await self.ask(entry.status(order))
        await self.ask(entry.cancel(order))
        await self.ask(entry.status(order))
        await self.ask(entry.cancel(order))
        order.exchange_order_id = ""
        order.external = False
        await self.ask(entry.status(order))
        await self.ask(entry.cancel(order))

    async def questions(self, pair: str) -> None:
        entry = self.entry
        hour = 3600 * 10**9
        await self.ask(entry.open_orders())
        await self.ask(entry.open_orders(pair))
        await self.ask(entry.balances())
        await self.ask(entry.fees(pair))
        now = time.time_ns()
        for since in (FillCursor(), FillCursor(time=now - hour), FillCursor(time=now)):
            page = await self.ask(entry.fills(pair, since))
            if page is not None and page.items:
                last = page.items[-1]
                more = FillCursor(trade_id=last.trade_id, time=last.time)
                await self.ask(entry.fills(pair, more))
                following = page.next or (last.trade_id if last.trade_id.isdigit() else "50")
                await self.ask(entry.fills(pair, replace(since, page=following)))

    async def faults(self) -> None:
        entry = self.entry
        for fault in ("http_503", "maintenance", "http_429", "ban_418"):
            self.admin("POST", "faults", {fault: 1})
            await self.ask(entry.balances())
            self.rest._budget = Budget(())
        self.admin("POST", "faults", {"maintenance": 0, "http_503": 0})

    def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.sandbox.admin(method, path, body)


async def ask_everything(exchange: Exchange) -> None:
    name = exchange.name
    with SandboxProcess(name, seed=7, rate=20) as sandbox:
        hosts = Endpoints(**sandbox.hosts[name])
        unlimited = replace(exchange, limits=())
        async with aiohttp.ClientSession() as session:
            keys = sandbox.accounts["default"]
            rest = Rest(unlimited, session, hosts, exchange.auth(keys))
            await Asker(unlimited, sandbox, rest).everything()
            for field in exchange.auth(keys).fields[1:]:
                wrong = keys | {field: wrong_secret(keys[field])}
                other = Rest(unlimited, session, hosts, exchange.auth(wrong))
                asker = Asker(unlimited, sandbox, other)
                entry = exchange.orders({})
                await asker.ask(entry.balances())


def wrong_secret(secret: str) -> str:
    return secret[:-4] + "1234" if secret.startswith("0x") else secret[4:] + secret[:4]


def play_tests(venue: str) -> None:
    tests = FOLDER.parent
    files = [str(next(tests.rglob(file))) for file in TEST_FILES[venue]]
    pytest.main([*files, "-q", "-p", "no:cacheprovider", "--no-header", "--tb=no"])


def crafted_refusals(exchange: Exchange) -> list[dict[str, Any]]:
    """One refusal a code and a word of the venue's table, in the venue's form."""
    table = sys.modules[exchange.book.__module__].ERRORS
    pairs = [(code, "a message") for code in table.codes]
    pairs += [(rule.code, f"some {rule.fragment} more") for rule in table.messages]
    pairs += [("NOBODY-KNOWS", "a message"), ("", "")]
    answers = [form for code, text in pairs for form in forms(exchange.name, code, text)]
    plain_ones = ["", "<html>Bad gateway</html>", "{}", "[]", "null", '{"code":0}', '"text"', "{"]
    for status in (200, 400, 401, 403, 404, 418, 429, 500, 502, 503):
        answers += [{"status": status, "body": body} for body in plain_ones]
    return [{"refusal": answer} for answer in answers]


def forms(venue: str, code: str, text: str) -> list[dict[str, Any]]:
    bodies: list[tuple[int, Any]]
    number = int(code) if re.fullmatch(r"-?\d+", code) else code
    match venue:
        case "binance":
            bodies = [(400, {"code": number, "msg": text}), (429, {"code": number, "msg": text})]
        case "bittrex":
            bodies = [(409, {"code": code, "detail": text}), (503, {"code": code})]
        case "bybit":
            bodies = [(200, {"retCode": number, "retMsg": text, "result": {}})]
        case "coinbase":
            bodies = [(400, {"message": text}), (404, {"message": text})]
        case "htx":
            bodies = [
                (200, {"status": "error", "err-code": code, "err-msg": text, "data": None}),
                (200, {"code": number, "message": text}),
            ]
        case "hyperliquid":
            rows = {"type": "order", "data": {"statuses": [{"error": text}]}}
            bodies = [(200, {"status": "err", "response": text})]
            bodies += [(200, {"status": "ok", "response": rows}), (422, text)]
        case "kraken":
            part = text.removeprefix("some ").removesuffix(" more")
            bodies = [(200, {"error": [f"{code}:{part}"]})]
            bodies += [(200, {"error": [f"{code}{text}", "EGeneral:x"]}), (200, {"error": ["Wx"]})]
            bodies += [(200, {"error": [part]})]
        case _:
            row = {"sCode": code, "sMsg": text}
            bodies = [(200, {"code": "1", "data": [row], "msg": ""})]
            bodies += [(200, {"code": code, "data": [], "msg": text})]
    return [{"status": status, "body": json.dumps(body)} for status, body in bodies]


# Thinning out.


def shape_of(said: Any) -> Any:
    """What two messages of the same kind have in common."""
    if isinstance(said, dict):
        return {key if WORD.match(key) else "#": shape_of(value) for key, value in said.items()}
    if isinstance(said, list):
        return [shape_of(said[0])] if said else []
    if isinstance(said, str):
        if said[:1] in ("{", "["):
            return "json"
        return said if WORD.match(said) else ("s" if said else "")
    return said if isinstance(said, bool) or said is None else "n"


def shape_of_text(text: str) -> str:
    try:
        return json.dumps(shape_of(json.loads(text)))
    except ValueError:
        return text[:20]


def outline(outcome: Any) -> str:
    """Kinds, states and reasons of what came out."""
    if isinstance(outcome, list):
        return ",".join(dict.fromkeys(map(outline, outcome)))
    if not isinstance(outcome, dict):
        return outcome[:30] if isinstance(outcome, str) else type(outcome).__name__
    if "fields" not in outcome:
        said = {key: value for key, value in outcome.items() if key != "request"}
        return json.dumps({key: outline(value) for key, value in said.items()})
    named = {}
    for name, value in outcome["fields"].items():
        if name in ("state", "kind", "action", "is_maker", "type", "code", "layout"):
            named[name] = str(value)
        elif name in ("left", "reason", "checksum", "items"):
            named[name] = str(bool(value))
    return f"{outcome['type']}{named}"


def outline_of_argument(said: Any) -> str:
    """What decides the form of a request: the terms of an order, and what is known of it."""
    if not isinstance(said, dict):
        return str(said is None)
    fields = {"tif": "", "type": "", "post_only": False, "external": False} | said["fields"]
    chosen = [fields.get(name) for name in ("side", "tif", "type", "post_only", "external")]
    known = [bool(fields.get(name)) for name in ("price", "exchange_order_id", "time", "page")]
    return json.dumps([*chosen, *known, bool(fields.get("trade_id"))])


class Thinner:
    """Keeps few messages of each kind of one file, all of those of sessions with a memory."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.rules: dict[str, int] = {}
        self.lines: list[dict[str, Any]] = []
        self.seen: Counter[str] = Counter()

    def add(self, sessions: Iterable[Session]) -> None:
        for session in sessions:
            head = self._head(session)
            kept = self._kept(session, head)
            if kept:
                self.lines += [*self._new_rules(session), head, *kept]

    def _head(self, session: Session) -> dict[str, Any]:
        head: dict[str, Any] = {"session": session.kind}
        if session.kind == "venue":
            return head
        if session.kind == "book":
            head |= {"feed": session.feed, "stream": session.stream}
        text = json.dumps(session.frozen_rules())
        return head | {"rules": self.rules.get(text, len(self.rules)), "opening": session.opening}

    def _new_rules(self, session: Session) -> list[dict[str, Any]]:
        if session.kind == "venue":
            return []
        records = session.frozen_rules()
        text = json.dumps(records)
        if text in self.rules:
            return []
        self.rules[text] = len(self.rules)
        return [{"rules": self.rules[text], "records": records}]

    def _kept(self, session: Session, head: dict[str, Any]) -> list[dict[str, Any]]:
        replaying = Replaying(self.exchange)
        rules = {"rules": head.get("rules", 0), "records": session.frozen_rules()}
        replaying.outcome(rules)
        replaying.outcome(head)
        wanted = [self._is_wanted(line, replaying, session.kind) for line in session.lines]
        if session.kind == "user":  # what comes later builds on what came before
            last = max((n for n, is_wanted in enumerate(wanted) if is_wanted), default=-1)
            return session.lines[: last + 1]
        return [line for line, is_wanted in zip(session.lines, wanted, strict=True) if is_wanted]

    def _is_wanted(self, line: dict[str, Any], replaying: Replaying, kind: str) -> bool:
        outcome = replaying.outcome(line)
        if "frame" in line:
            name = f"{kind} {outline(outcome)}"
            labels = {f"{name} {shape_of_text(line['frame'])}": ALIKE, name: OF_A_KIND}
        elif "call" in line:
            shape = shape_of_text(line["answer"]["body"])
            name = f"{line['call']} {line.get('part', 0)} {outline(outcome)}"
            terms = " ".join(map(outline_of_argument, line["arguments"]))
            labels = {f"{name} {terms} {shape}": CALLS_ALIKE, f"{name} {terms}": 2 * CALLS_ALIKE}
            labels |= {name: OF_A_KIND, line["call"]: 3 * OF_A_KIND}
        elif "refusal" in line:
            labels = {json.dumps(line): 1}
        else:
            labels = {"raw": 3}
        is_wanted = all(self.seen[label] < most for label, most in labels.items())
        if is_wanted:
            self.seen.update(labels.keys())
        return is_wanted


def write(path: Path, exchange: Exchange, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Replay the lines, store them with their outcomes: how many lines of each group and records of
    each kind there were."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    replaying = Replaying(exchange)
    texts = []
    for line, session in groups_of(lines):
        outcome = replaying.outcome(line)
        if "records" not in line:
            counts.update(kinds_of(line, outcome, session))
            sizes[group_of(line, session)] += 1
        texts.append(json.dumps(line | {"gives": outcome}, ensure_ascii=False))
    path.parent.mkdir(exist_ok=True)
    data = ("\n".join(texts) + "\n").encode()
    path.write_bytes(gzip.compress(data, 9, mtime=0))
    packed = path.stat().st_size
    print(f"{path.relative_to(FOLDER)}: {len(texts)} lines, {len(data)} B, {packed} B packed")
    return {"groups": dict(sorted(sizes.items())), "records": dict(sorted(counts.items()))}


def record(venue: str, capture: Capture) -> None:
    exchange = registry.get(venue)
    places = {}
    marks = [len(capture.sessions)]
    asyncio.run(ask_everything(exchange))
    play_cases(exchange, "")
    for feed in exchange.feeds:
        if (venue, feed) in OTHER_PAIRS:
            play_feed_alone(exchange, feed, OTHER_PAIRS[venue, feed])
        else:
            play_cases(exchange, feed)
    marks.append(len(capture.sessions))
    venue_session = next(s for s in capture.sessions if (s.venue, s.kind) == (venue, "venue"))
    venue_lines = venue_session.lines
    venue_session.lines = []
    places["sandbox"] = [
        replace(venue_session, lines=venue_lines),
        *capture.sessions[marks[0] : marks[1]],
    ]
    play_tests(venue)
    told = venue_session.lines
    places["tests"] = [replace(venue_session, lines=told), *capture.sessions[marks[1] :]]
    places["refusals"] = [Session(venue, "venue", lines=crafted_refusals(exchange))]
    lines = {}
    for name, sessions in places.items():
        thinner = Thinner(exchange)
        thinner.add(session for session in sessions if session.venue == venue)
        lines[name] = thinner.lines
    write_all(exchange, lines)
    capture.sessions = [session for session in capture.sessions if session.kind == "venue"]


def save_fields() -> None:
    FIELDS_FILE.write_text(json.dumps(dict(sorted(FIELDS.items())), indent=1) + "\n")


def write_all(exchange: Exchange, lines: dict[str, list[dict[str, Any]]]) -> None:
    """The files of a venue, with variants of what was heard, and the counts."""
    folder = FOLDER / exchange.name
    heard = [*variants_of(exchange, lines["sandbox"]), *variants_of(exchange, lines["tests"])]
    counts = {}
    for name, said in (lines | {"variants": heard}).items():
        counts[name] = write(folder / f"{name}.jsonl.gz", exchange, said)
    (folder / "counts.json").write_text(json.dumps(counts, indent=1) + "\n")


def replay_again(venue: str) -> None:
    """Today's outcomes of the inputs that are stored."""
    exchange = registry.get(venue)
    lines = {}
    for name in ("sandbox", "tests", "refusals"):
        data = gzip.decompress((FOLDER / venue / f"{name}.jsonl.gz").read_bytes())
        lines[name] = [json.loads(line) for line in data.splitlines()]
        for line in lines[name]:
            line.pop("gives", None)
    lines["refusals"] = [{"session": "venue"}, *crafted_refusals(exchange)]
    write_all(exchange, lines)


def count_stricter(venues: list[str]) -> None:
    """How many outcomes are stricter than what is stored, by the reason."""
    # Not before: the tests read what is made here.
    from tests.goldens.test_goldens import PLACES, STRICTER, compared

    known = json.loads(STRICTER.read_text()) if STRICTER.exists() else {}
    for venue in venues:
        found = {place: compared(venue, place).stricter for place in PLACES}
        known[venue] = {place: groups for place, groups in found.items() if groups}
    STRICTER.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the goldens of venues anew.")
    parser.add_argument("venues", nargs="*", default=list(registry.BUILT_IN))
    parser.add_argument("--recorded", type=Path, metavar="FOLDER", help="real frames to digest")
    parser.add_argument("--again", action="store_true", help="replay what is stored, play nothing")
    parser.add_argument("--stricter", action="store_true", help="count what became stricter")
    given = parser.parse_args()
    if given.recorded is not None:
        record_digests(given.recorded)
        save_fields()
        return
    venues = given.venues
    if given.stricter:
        count_stricter(venues)
        return
    os.environ["TROCHIL_FRAMES"] = str(FOLDER / "nowhere")  # recorded frames stay outside
    if given.again:
        for venue in venues:
            replay_again(venue)
            save_fields()
        return
    capture = Capture()
    capture.install()
    for venue in venues:
        record(venue, capture)
        save_fields()


if __name__ == "__main__":
    main()
