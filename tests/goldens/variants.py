"""Variants of messages that were heard: other words for states, what may be missing or empty."""

import base64
import json
import sys
import zlib
from collections.abc import Iterator
from typing import Any

from exchanges.contract import Exchange
from tests.goldens.replaying import Replaying, groups_of, kind_of

MORE_STATES = {
    "hyperliquid": """marginCanceled vaultWithdrawalCanceled openInterestCapCanceled
        delistedCanceled
        selfTradeCanceled reduceOnlyCanceled siblingFilledCanceled liquidatedCanceled tickRejected
        scheduledCancel minTradeNtlRejected perpMarginRejected reduceOnlyRejected
        badAloPxRejected iocCancelRejected badTriggerPxRejected oracleRejected triggered
        marketOrderNoLiquidityRejected insufficientSpotBalanceRejected perpMaxPositionRejected""",
    "bittrex": "OPEN CLOSED",
    "coinbase": "open pending active done settled received rejected canceled filled",
}
"""Words of venues that no table of theirs lists."""
OURS = "pending open partially_filled cancelled expired rejected not_placed filled"
LONGEST = 6000
"""Characters of a message that is varied."""


def variants_of(exchange: Exchange, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines for a file of goldens, made of some of those that were heard."""
    found: list[dict[str, Any]] = [line for line in lines if "records" in line]
    for head, line in chosen(exchange, lines):
        frames = [{**line, "frame": text} for text in varied(exchange, line.get("frame", ""))]
        answer = line.get("answer", {})
        bodies = varied(exchange, answer.get("body", ""))
        calls = [{**line, "answer": {**answer, "body": text}} for text in bodies]
        kept = [said for said in (*frames, *calls) if is_read(exchange, found, head, said)]
        for said in kept:
            found += [head, said]
    return found


def chosen(
    exchange: Exchange,
    lines: list[dict[str, Any]],
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The first message of each kind, with what its session began with."""
    replaying = Replaying(exchange)
    seen = set()
    head = {}
    for line, session in groups_of(lines):
        outcome = replaying.outcome(line)
        if "session" in line:
            head = {name: value for name, value in line.items() if name != "gives"}
        text = line.get("frame") or line.get("answer", {}).get("body", "")
        records = outcome.get("reads") if isinstance(outcome, dict) else outcome
        if not text or len(text) > LONGEST or not records or "raises" in str(records):
            continue
        kinds = {kind_of(record) for record in records} if isinstance(records, list) else ""
        kind = (session, line.get("call"), str(kinds))
        if kind not in seen:
            seen.add(kind)
            yield head, {name: value for name, value in line.items() if name != "gives"}


def is_read(
    exchange: Exchange,
    lines: list[dict[str, Any]],
    head: dict[str, Any],
    line: dict[str, Any],
) -> bool:
    """Whether a variant is understood: what is malformed today may be understood one day."""
    replaying = Replaying(exchange)
    for rules in lines:
        if rules.get("rules") == head.get("rules") and "records" in rules:
            replaying.outcome(rules)
    replaying.outcome(head)
    return "raises" not in json.dumps(replaying.outcome(line))


def varied(exchange: Exchange, text: str) -> Iterator[str]:
    if not text:
        return
    try:
        said = json.loads(text)
    except ValueError:
        return
    pushes = said.get("M") if isinstance(said, dict) else None
    if isinstance(pushes, list) and pushes and pushes[0]["A"]:
        for inside in variants(exchange, unpacked(pushes[0]["A"][0])):
            push = pushes[0] | {"A": [packed(inside)]}
            yield json.dumps(said | {"M": [push]})
        return
    for variant in variants(exchange, said):
        yield json.dumps(variant)


def variants(exchange: Exchange, said: Any) -> Iterator[Any]:
    """One change each: a key is missing, a text is empty, a state is another."""
    words = state_words(exchange)
    for path, value in places(said):
        if isinstance(path[-1], str):
            yield changed(said, path, None, missing=True)
        if isinstance(value, str) and value:
            yield changed(said, path, "")
        if isinstance(value, str) and value in words:
            for word in sorted(words):
                yield changed(said, path, word)


def state_words(exchange: Exchange) -> set[str]:
    module = sys.modules[exchange.book.__module__]
    known = set(getattr(module, "STATES", {})) - set(OURS.split())
    used = set(getattr(module, "STATES", {})) & {"open", "filled", "rejected", "expired"}
    return known | used | set(MORE_STATES.get(exchange.name, "").split())


def places(said: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Paths of all that stands in objects, in the first rows alone of lists."""
    if isinstance(said, dict):
        for key, value in said.items():
            yield (*path, key), value
            yield from places(value, (*path, key))
    elif isinstance(said, list) and said:
        yield from places(said[0], (*path, 0))


def changed(said: Any, path: tuple[Any, ...], value: Any, missing: bool = False) -> Any:
    copy = json.loads(json.dumps(said))
    inside = copy
    for step in path[:-1]:
        inside = inside[step]
    if missing:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return copy


def unpacked(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(text), -15))


def packed(said: Any) -> str:
    packer = zlib.compressobj(wbits=-15)
    return base64.b64encode(packer.compress(json.dumps(said).encode()) + packer.flush()).decode()
