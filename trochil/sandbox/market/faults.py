"""What goes wrong, and when. A value below 1 is a chance, from 1 on a number of times; some values
are seconds, some are amounts."""

import random
from collections import Counter

TIMES: dict[str, str] = {
    "drop_frame": "a frame of market data is not sent",
    "duplicate_frame": "a frame of market data is sent twice",
    "reorder_frame": "a frame of market data is sent after the next one",
    "disconnect_public": "a public connection is cut in place of a frame",
    "disconnect_private": "a private connection is cut in place of a frame",
    "half_open": "a public connection stays open and sends nothing any more",
    "refuse_handshake": "a socket's handshake is refused: HTTP 503",
    "limit_handshake": "a socket's handshake is refused: HTTP 429, Retry-After 1",
    "lose_request_before_commit": "a request about an order is lost on its way to the venue",
    "lose_response_after_commit": "the answer to a request about an order is lost",
    "http_503": "a request is refused: the venue is unavailable",
    "http_503_after_commit": "an order is taken, and the answer says that the venue is unavailable",
    "code_1007_after_commit": "an order is taken, and the answer is a timeout",
    "http_429": "requests are refused for 1 s: a limit",
    "ban_418": "requests are refused for 2 s: a ban",
    "stale_snapshot": "a requested book is that of the request before, or has the id 1",
    "withhold_snapshot": "the snapshot that a subscription opens with is not sent",
    "user_stream_drop": "a frame of an account is not sent",
    "user_stream_duplicate": "a frame of an account is sent twice",
    "user_stream_terminated": "the venue ends an account's stream",
    "maintenance": "a request is refused: the venue is unavailable",
    "bad_checksum": "a book's frame has a wrong checksum, where frames have one",
    "sequence_reset": "the numbers of a book's frames begin again, where the venue does that",
}
"""Name -> what happens. Each is a chance, or a number of times."""
SECONDS: dict[str, str] = {
    "delay_frame": "frames of market data leave so much later, in their order",
    "delay_request": "requests that place an order arrive so much later",
    "delay_response": "answers about orders leave so much later",
    "delay_snapshot": "a book by REST is taken at once, and its answer leaves so much later",
    "delayed_visibility": "orders are found by queries so much later",
    "clock_skew": "the venue's clock is so much ahead of this machine's; negative: behind",
}
"""Name -> what happens for as long as the value is not 0."""
AMOUNTS: dict[str, str] = {
    "snapshot_levels": "a requested book has at most so many levels a side; 0: as many as it asks",
}
"""Name -> what happens for as long as the value is not 0."""
KNOWN: tuple[str, ...] = (*TIMES, *SECONDS, *AMOUNTS)


class Faults:
    """A script of faults, drawn with a seed. Raises ValueError for a fault that isn't known."""

    def __init__(self, seed: int = 0, values: dict[str, float] | None = None) -> None:
        self._random = random.Random(f"faults/{seed}")
        self._values: dict[str, float] = {}
        self.done: Counter[str] = Counter()
        self.set(values or {})

    def set(self, values: dict[str, float]) -> None:
        """Change some; 0 ends one."""
        for name, value in values.items():
            if name not in KNOWN:
                raise ValueError(f"unknown fault {name!r}; known are {', '.join(sorted(KNOWN))}")
            self._values[name] = float(value)

    def hits(self, name: str) -> bool:
        """Whether the fault happens now."""
        value = self._values.get(name, 0.0)
        if value <= 0:
            return False
        if value >= 1:
            self._values[name] = value - 1
        elif self._random.random() >= value:
            return False
        self.done[name] += 1
        return True

    def seconds(self, name: str) -> float:
        return self._values.get(name, 0.0)

    def amount(self, name: str) -> int:
        """0: the fault is not set."""
        return int(self._values.get(name, 0.0))


def parse_faults(text: str) -> dict[str, float]:
    """ "drop_frame=0.01,http_503=2" as a dict. Raises ValueError that says what is wrong."""
    values = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        try:
            values[name] = float(value) if equals else 1.0
        except ValueError:
            raise ValueError(f"fault {part!r}: write name=number") from None
    return values
