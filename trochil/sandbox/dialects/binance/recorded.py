"""Recorded payloads of this venue, for replays."""

from collections.abc import Iterator
from urllib.parse import parse_qsl

from trochil.sandbox.replay import Record, parse_json


class Recorded:
    """Recorded payloads of this venue."""

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "")

    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        data = parse_json(text) or {}
        inner = data.get("data", {})
        if "lastUpdateId" in data:
            yield Record(time, "snapshot", dict(parse_qsl(url.partition("?")[2])).get("symbol", ""), text, data)
        elif kind := {"depthUpdate": "diff", "trade": "trade"}.get(inner.get("e")):
            yield Record(time, kind, inner["s"], text, data)

    def levels(self, record: Record) -> tuple[list[list[str]], list[list[str]]]:
        if record.kind == "snapshot":
            return record.data["bids"], record.data["asks"]
        return record.data["data"]["b"], record.data["data"]["a"]

    def last_id(self, record: Record) -> int:
        return int(record.data["lastUpdateId"] if record.kind == "snapshot" else record.data["data"]["u"])
