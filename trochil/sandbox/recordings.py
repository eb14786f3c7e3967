"""How the recorded payloads of a venue are read, by a table."""

import ast
import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from trochil.sandbox.recorded import HEADERS, Record, parse_json

__all__ = ["Gzipped", "Record", "Recordings", "parse_json"]


@dataclass(frozen=True)
class Recordings:
    """Of JSON, an object a frame. An answer's headers follow its text: `` header: {...}``.

    ``table``: a line a kind of record, ``kind mark symbol bids asks number``: by which field it is known (``e:trade``
    also by its value), then where the rest stands ("-" or nothing: nowhere; of a symbol: in the URL, as ``url`` finds
    it). Rows of levels begin with price and size, are objects with these (``row``), or stand in one list, behind
    "buy" or "sell".
    """

    symbol_form: str
    table: str
    url: str = "symbol=([^&]+)"
    row: tuple[str, str] = ("price", "size")
    topics: Mapping[str, str] = field(default_factory=dict)
    """Kind -> its topic, by symbol, where frames of several are recorded."""

    def symbol(self, pair: str) -> str:
        return self.symbol_form.format(*pair.split("-"))

    def read(self, text: str) -> Iterator[tuple[dict[str, Any], str | bytes]]:
        """Objects in a payload, and each as a frame of its own."""
        data = parse_json(text) or {}
        _, _, headers = text.partition(HEADERS)
        yield data.get("data", data) | (json.loads(headers) if headers else {}), text

    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        for data, frame in self.read(text):
            for kind, columns in self._kinds.items():
                name, _, value = columns[0].partition(":")
                if name in data and value in ("", data[name]):
                    symbol = data.get(columns[1]) or self._named_in(url)
                    yield Record(
                        time, kind, symbol, frame, data, self.topics.get(kind, "").format(symbol)
                    )
                    break

    def _named_in(self, url: str) -> str:
        found = re.search(self.url, url)
        return found[1] if found else ""

    @cached_property
    def _kinds(self) -> dict[str, list[str]]:
        rows = (line.split() for line in self.table.strip().splitlines())
        return {kind: [*columns, "-", "-", "-", "-"] for kind, *columns in rows}

    def levels(self, record: Record) -> tuple[list[list[str]], list[list[str]]]:
        _, _, *names = self._kinds[record.kind][:4]
        bids, asks = (record.data[name] for name in names)
        if names[0] == names[1]:
            bids, asks = ([row[1:] for row in bids if row[0] == side] for side in ("buy", "sell"))
        return self._rows(bids), self._rows(asks)

    def _rows(self, levels: Any) -> list[list[str]]:
        return [
            [level[name] for name in self.row] if isinstance(level, dict) else level[:2]
            for level in levels
        ]

    def last_id(self, record: Record) -> int:
        """0 where the venue numbers nothing."""
        return int(record.data.get(self._kinds[record.kind][4], 0))


class Gzipped(Recordings):
    """Of gzipped frames, as Python writes bytes: ``{"ch": "market.SYMBOL.KIND...", "tick": {columns}}``, symbols in
    small letters. The table's fields: those of tick, symbol, kind and ch."""

    def symbol(self, pair: str) -> str:
        return super().symbol(pair).lower()

    def read(self, text: str) -> Iterator[tuple[dict[str, Any], str | bytes]]:
        frame = ast.literal_eval(text) if text[:1] == "b" else gzip.compress(b"{}")
        said = json.loads(gzip.decompress(frame), parse_float=str, parse_int=str)
        topic = str(said.get("ch", ""))
        _, symbol, kind, *_ = f"{topic}...".split(".")
        yield {**said.get("tick", {}), "ch": topic, "symbol": symbol, "kind": kind}, frame
