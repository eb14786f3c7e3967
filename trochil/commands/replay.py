"""``trochil replay``: recorded frames through real sockets and actors, and the resulting book."""

import contextlib
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from exchanges.contract import BookFeed
from exchanges.registry import get
from orderbook.errors import ConfigError, NotReady
from orderbook.messages import BookState
from trochil.client import Client, connect
from trochil.sandbox.process import SandboxError, SandboxProcess
from trochil.views import BookView

CHECK_EVERY = 0.02
LOOK_EVERY = 1.0
"""Seconds between two looks at the actors while frames are sent."""
QUIET_FOR = 60.0
"""Seconds without progress after which a replay is aborted."""
SUBSCRIBED_WITHIN = 5.0
"""Seconds within which a client that subscribes to something subscribes to the recorded frames."""


def run_replay(
    file: str,
    exchange: str,
    pair: str,
    speed: str,
    drop: str,
    inline: bool,
    feed: str = "",
    address: str | None = None,
) -> dict[str, Any]:
    """Replay a recording and describe the final book.

    ``feed``: another book of the venue than its default one. ``address``: of a Ray cluster to join.
    Raises ConfigError for a recording that can't be served, NotReady when the replay gets stuck or
    an actor is restarted during it.
    """
    sandbox = SandboxProcess(
        exchange, replay=file, pair=pair, speed=speed, drop=drop or None, guide="admin"
    )
    with replaying(sandbox, exchange, pair, "inline" if inline else address, feed) as client:
        Guide(client, sandbox, exchange, pair).run()
        return describe(client.book(exchange, pair))


@contextlib.contextmanager
def replaying(
    sandbox: SandboxProcess, exchange: str, pair: str, address: str | None, feed: str
) -> Iterator[Client]:
    """A client of a deployment of its own that follows the recorded pair; it ends with the block.

    Raises ConfigError for a recording that can't be served.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(sandbox)
        except SandboxError as error:
            raise ConfigError(str(error).removeprefix("sandbox: ")) from None
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="trochil-replay-"))
        venue = {
            "hosts": sandbox.hosts[exchange],
            "capacity": 16384,
            "feed": feed,
            "whole_snapshots": True,
        }
        config = {
            "deployment": f"replay-{secrets.token_hex(4)}",
            "state_dir": folder,
            "venues": {exchange: venue},
        }
        accounts = (
            {exchange: f"file:{sandbox.keys_file}#default"} if wants_login(exchange, feed) else None
        )
        client = connect(exchange, pairs=[pair], address=address, accounts=accounts, config=config)
        try:
            yield client
        finally:
            client.shutdown()


def wants_login(exchange: str, feed: str) -> bool:
    """Whether a venue's public feed requires a login."""
    return get(exchange).with_feed(feed).book.login is not BookFeed.login


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the actors of a pair are.

    ``received``: frames of the data source. ``published``: messages that it passed on. ``taken``:
    those that the tracker processed. ``book``: the tracker's description; empty before it follows
    the pair. ``life``: changes when an actor is restarted or a connection is opened.
    """

    received: int
    published: int
    taken: int
    book: dict[str, Any]
    life: tuple[int, ...]

    @property
    def is_live(self) -> bool:
        return bool(self.book) and self.book["state"] == BookState.LIVE.name

    def has_processed(self, served: dict[str, Any]) -> bool:
        """Whether every frame that the sandbox had sent was processed."""
        return self.received >= served["frames_sent"] and self.taken >= self.published


class Guide:
    """Leads the sandbox through a recording.

    Nothing is sent before the tracker follows the data source, and where the order of two things
    could differ between runs, the second waits until the first was processed.
    """

    def __init__(self, client: Client, sandbox: SandboxProcess, exchange: str, pair: str) -> None:
        self._client = client
        self._sandbox = sandbox
        self._exchange = exchange
        self._pair = pair
        self._life: tuple[int, ...] = ()
        self._seen: Any = None
        self._seen_at = time.monotonic()
        self._followed_at: float | None = None

    def run(self) -> None:
        """Until the book holds the whole recording. Raises NotReady, ConfigError."""
        looked_at = 0.0
        while True:
            served = self._sandbox.admin("GET", "status")
            waits_for_client = served["finished"] or served["waits_for"] not in ("", "time")
            if waits_for_client or time.monotonic() - looked_at > LOOK_EVERY:
                looked_at = time.monotonic()
                progress = self._look()
                self._check(served, progress)
                if self._is_done(served, progress):
                    return
                if self._may_go_on(served, progress):
                    step = {"waits_for": served["waits_for"]}
                    self._sandbox.admin("POST", "replay", step)
                    continue
            time.sleep(CHECK_EVERY)

    def _look(self) -> Progress:
        """The data source first: what it has published when the tracker is asked is no less."""
        found = self._client.pair_status(self._exchange, self._pair)
        source = found["data_source"]
        tracker = found["order_book_tracker"]
        for name, host in found.items():
            if host["state"] != "running":
                raise NotReady(f"{name} doesn't run: {host['error']}")
        connects = [each["connects"] for each in source["status"]["connections"]]
        status = tracker["status"]
        if self._pair in status["failed_books"]:
            raise NotReady(f"no book: {status['failed_books'][self._pair]}")
        return Progress(
            received=source["status"]["received"],
            published=source["status"]["published"],
            taken=status["taken"],
            book=status["books"].get(self._pair, {}),
            life=(source["began"], tracker["began"], *connects),
        )

    def _may_go_on(self, served: dict[str, Any], progress: Progress) -> bool:
        if served["waits_for"] == "start":
            self._life = progress.life
            return bool(progress.book) and served["followers"] > 0
        if served["waits_for"] == "delivery":
            return progress.has_processed(served)
        is_in_step = progress.is_live and progress.has_processed(served)
        return served["waits_for"] == "book" and is_in_step

    def _is_done(self, served: dict[str, Any], progress: Progress) -> bool:
        if not (served["finished"] and progress.is_live and progress.has_processed(served)):
            return False
        self._check_end(served, progress)
        return True

    def _check(self, served: dict[str, Any], progress: Progress) -> None:
        """Raises NotReady and ConfigError where the replay can't come to its end any more."""
        if served["unheard"] or (self._life and progress.life != self._life):
            raise NotReady(
                f"an actor or a connection was restarted after {served['diffs_sent']} of "
                f"{served['diffs_total']} recorded changes; a replay can't be rewound: run it again"
            )
        if served["waits_for"] == "subscription" and served["followed"] and progress.book:
            self._check_feed(served)
        book = progress.book or {"state": "not there", "update_id": 0, "applied": 0}
        seen = (served["waits_for"], served["diffs_sent"], book["update_id"], book["applied"])
        if seen != self._seen or served["waits_for"] == "time":
            self._seen = seen
            self._seen_at = time.monotonic()
        if time.monotonic() - self._seen_at > QUIET_FOR:
            raise NotReady(
                f"the replay got stuck: book {book['state']} at {book['update_id']}, "
                f"the sandbox waits for {served['waits_for'] or 'nothing'} after "
                f"{served['diffs_sent']} of {served['diffs_total']} recorded changes"
            )

    def _check_feed(self, served: dict[str, Any]) -> None:
        now = time.monotonic()
        self._followed_at = now if self._followed_at is None else self._followed_at
        if now - self._followed_at > SUBSCRIBED_WITHIN:
            feeds = ", ".join(sorted(get(self._exchange).feeds)) or "none"
            raise ConfigError(
                f"the recording holds no frames of what was subscribed to "
                f"({', '.join(served['followed'])}); choose another book with --feed: {feeds}"
            )

    def _check_end(self, served: dict[str, Any], progress: Progress) -> None:
        last = served["last_update_id"]
        if last and progress.book["update_id"] != last:
            withheld = (
                "; the last frames were withheld, and none came after them that shows the gap"
                if served["withheld"]
                else ""
            )
            raise NotReady(
                f"the book ends at update {progress.book['update_id']}, "
                f"the recording at {last}{withheld}"
            )


def describe(view: BookView) -> dict[str, Any]:
    """The final book and its counters.

    ``digest``: sha256 over the levels as text (see BookView.digest).
    """
    book = view.snapshot(None)
    counted = view.counters
    names = ("applied", "dropped_before_snapshot", "gaps", "resyncs", "crossed")
    return {name: counted[name] for name in names} | {
        "best_bid": float(book.bids[0, 0]),
        "best_ask": float(book.asks[0, 0]),
        "bid_levels": len(book.bids),
        "ask_levels": len(book.asks),
        "digest": view.digest(),
    }
