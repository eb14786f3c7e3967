"""What goes wrong, and when. A value below 1 is a chance, from 1 on a number of times; some are
seconds."""

import random
from collections import Counter

TIMES = (
    "drop_frame",
    "duplicate_frame",
    "reorder_frame",
    "disconnect_public",
    "disconnect_private",
    "half_open",
    "lose_request_before_commit",
    "lose_response_after_commit",
    "http_503",
    "http_503_after_commit",
    "code_1007_after_commit",
    "http_429",
    "ban_418",
    "stale_snapshot",
    "withhold_snapshot",
    "user_stream_drop",
    "user_stream_duplicate",
    "user_stream_terminated",
    "server_shutdown",
    "maintenance",
    "bad_checksum",
    "sequence_reset",
)
SECONDS = ("delay_frame", "delay_request", "delay_response", "delayed_visibility", "clock_skew")


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
            if name not in TIMES + SECONDS:
                raise ValueError(
                    f"unknown fault {name!r}; known are {', '.join(sorted(TIMES + SECONDS))}"
                )
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
