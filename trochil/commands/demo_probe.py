"""Measures the latency from the venue to a reader in another process."""

import contextlib
import threading
import time

from orderbook.errors import NotReady
from trochil.views import BookView

SAMPLES = 100_000


class LatencyProbe(threading.Thread):
    """Measures the time from the venue sending a level until another process's book shows it."""

    def __init__(self, books: list[BookView]) -> None:
        super().__init__(name="latency", daemon=True)
        self._books = books
        self._stopping = threading.Event()
        self.samples: list[float] = []

    def run(self) -> None:
        seen = {view: view.sequence for view in self._books}
        while not self._stopping.is_set():
            for view in self._books:
                sequence = view.sequence
                if sequence == seen[view]:
                    continue
                with contextlib.suppress(NotReady):
                    book = view.snapshot(1)
                    now = time.time_ns()
                    # Only a reading that is one step on: of a burst we waited only for the last.
                    if (
                        book.sequence == seen[view] + 1
                        and book.venue_time
                        and len(self.samples) < SAMPLES
                    ):
                        self.samples.append((now - book.venue_time) / 1000)
                    sequence = book.sequence
                seen[view] = sequence
            self._stopping.wait(0.00002)

    def finish(self) -> dict[str, float]:
        self._stopping.set()
        self.join()
        ordered = sorted(self.samples)
        if not ordered:
            return {"p50": 0.0, "p99": 0.0, "n": 0}
        at = [ordered[min(int(len(ordered) * q), len(ordered) - 1)] for q in (0.5, 0.99)]
        return {"p50": round(at[0], 1), "p99": round(at[1], 1), "n": len(ordered)}
