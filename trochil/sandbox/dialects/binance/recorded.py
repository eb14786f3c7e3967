"""Recorded payloads of this venue, for replays."""

from urllib.parse import parse_qsl

from trochil.sandbox.replay import Record, parse_json


class Recorded:
    """Recorded payloads of this venue."""

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "")

    def record(self, time: float, text: str, url: str) -> Record | None:
        data = parse_json(text)
        if data is None:
            return None
        if "lastUpdateId" in data:
            return Record(time, "snapshot", dict(parse_qsl(url.partition("?")[2])).get("symbol", ""), text, data)
        inner = data.get("data", {})
        kind = {"depthUpdate": "diff", "trade": "trade"}.get(inner.get("e"))
        return Record(time, kind, inner["s"], text, data) if kind else None

    def levels(self, record: Record) -> tuple[list[list[str]], list[list[str]]]:
        if record.kind == "snapshot":
            return record.data["bids"], record.data["asks"]
        return record.data["data"]["b"], record.data["data"]["a"]

    def last_id(self, record: Record) -> int:
        return int(record.data["lastUpdateId"] if record.kind == "snapshot" else record.data["data"]["u"])
