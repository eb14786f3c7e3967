"""Digests of what today's adapters make of real frames, which stay outside of the repository."""

import ast
import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from exchanges import registry
from exchanges.contract import Answer
from tests.goldens.canonical import with_stored_layouts
from tests.goldens.policy import MALFORMED, is_of_unknown_kind, without_new
from tests.goldens.replaying import attempt, kind_of

STORED = Path(__file__).parent / "recordings.json"
RECEIVED = re.compile(r"\d+\.\d+: ")
ASKED = re.compile(r"(https://\S+) -> \d+\.\d+: ")
SYMBOL = {"binance": r"symbol=([^&]+)", "bittrex": r"/markets/([^/]+)/orderbook"}
"""Where the address of a snapshot names the symbol."""
FILES = {
    "binance_spot_btcusdt_20240808.gz": ("binance", ""),
    "BINANCE.0": ("binance", ""),
    "BINANCE.http.0.0": ("binance", ""),
    "BINANCE.ws.1.0": ("binance", ""),
    "BITTREX.0": ("bittrex", ""),
    "BITTREX.http.0.0": ("bittrex", ""),
    "BITTREX.ws.1.0": ("bittrex", ""),
    "COINBASE.0": ("coinbase", ""),
    "COINBASE.ws.28.0": ("coinbase", "level2"),
    "HUOBI.0": ("htx", ""),
    "HUOBI.ws.44.0": ("htx", "step0"),
}
"""Name -> (venue, feed)."""


def lines_of(path: Path) -> Iterator[str]:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return iter(text.decode().splitlines())


def outcomes(path: Path, venue: str, feed: str) -> Iterator[Any]:
    """What one book of the venue makes of each frame and answer in turn."""
    exchange = registry.get(venue).with_feed(feed)
    book = exchange.book({}, exchange.book.streams[0])
    opening = book.handshake()
    try:
        call = next(opening)
        opening.send(call.read(Answer(200, {}, b'{"ConnectionToken":"t"}')))
    except StopIteration:
        pass
    for line in lines_of(path):
        yield from outcomes_of_line(line, exchange, book)


def outcomes_of_line(line: str, exchange: Any, book: Any) -> Iterator[Any]:
    asked = ASKED.match(line)
    if asked is not None:
        yield attempt(reading(book, exchange.name, asked[1], line[asked.end() :]))
    elif RECEIVED.match(line):
        yield attempt(parsing(book, exchange, line.partition(": ")[2]))
    elif re.match(r"\d{19} ", line):
        payload = line.partition(" ")[2]
        if payload.startswith('{"lastUpdateId"'):
            yield attempt(lambda: book.snapshot("BTCUSDT").read(Answer(200, {}, payload.encode())))
        else:
            yield attempt(parsing(book, exchange, payload))


def reading(book: Any, venue: str, url: str, text: str) -> Callable[[], Any]:
    body, _, header = text.partition(" header: ")
    headers = ast.literal_eval(header) if header else {}
    lower = {name.lower(): value for name, value in headers.items()}
    named = re.search(SYMBOL.get(venue, "$^"), url)
    call = book.trading_rules() if named is None else book.snapshot(named[1])
    return lambda: call.read(Answer(200, lower, body.encode()))


def parsing(book: Any, exchange: Any, payload: str) -> Callable[[], Any]:
    frame = ast.literal_eval(payload) if payload.startswith("b'") else payload.encode()
    decoded = frame if exchange.decode is None else exchange.decode(frame)
    return lambda: list(book.parse(decoded))


def digest_of(path: Path, venue: str, feed: str) -> dict[str, Any]:
    """How many frames and records of each kind, and the SHA-256 of all their canonical texts."""
    counts: Counter[str] = Counter()
    sha = hashlib.sha256()
    for outcome in outcomes(path, venue, feed):
        counts["inputs"] += 1
        told = MALFORMED if is_of_unknown_kind(outcome) else without_new(outcome)
        stored = with_stored_layouts(venue, told)
        records = stored if isinstance(stored, list) else [stored]
        for said in records:
            counts[kind_of(said)] += 1
            sha.update(json.dumps(said, sort_keys=True).encode() + b"\n")
    return {"venue": venue, "feed": feed, "counts": dict(counts), "sha256": sha.hexdigest()}


def record_digests(folder: Path) -> None:
    found = {name: digest_of(folder / name, *given) for name, given in FILES.items()}
    STORED.write_text(json.dumps(found, indent=1) + "\n")
