"""A channel that died, and one whose market is quiet: what is done about each."""

from collections.abc import Callable, Iterable

import pytest

from actors.books.subscription_watchdog import (
    CALM_AFTER,
    LOOK_AFTER,
    MANY,
    QUIET_AFTER,
    QUIET_FOR,
    SILENT_AFTER,
    Findings,
    SubscriptionWatchdog,
)
from exchanges.contract import BookLook

SYMBOLS = ["A", "B"]
Happens = Callable[[float, SubscriptionWatchdog], None]


class Played:
    """A watch over two symbols, second by second; a reopened connection subscribes both."""

    def __init__(self, **options: bool | float) -> None:
        self.watchdog = SubscriptionWatchdog(**options)  # type: ignore[arg-type]
        self.now = 0.0
        self.found: list[tuple[float, Findings]] = []
        self.connect()

    def connect(self) -> None:
        self.watchdog.connected(self.now)
        self.watchdog.subscribed(SYMBOLS, self.now)

    def hear(self, symbols: Iterable[str] = SYMBOLS, number: int = 0) -> None:
        """What the connection does of each message of a book."""
        for symbol in symbols:
            self.watchdog.heard[symbol] = number
            self.watchdog.received(symbol)
            if symbol in self.watchdog.doubted:
                self.watchdog.still_doubted(symbol)

    def lively(self, now: float, watchdog: SubscriptionWatchdog) -> None:
        """Books and trades."""
        self.hear()
        trades(now, watchdog)

    def play(self, seconds: float, happens: Happens = lambda now, watchdog: None) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 1.0
            happens(self.now, self.watchdog)
            found = self.watchdog.check(self.now)
            if found != Findings():
                self.found.append((self.now, found))
            if found.reopen:
                self.connect()

    def times(self, of: str) -> list[float]:
        return [now for now, found in self.found if getattr(found, of)]


def trades(now: float, watchdog: SubscriptionWatchdog) -> None:
    watchdog.moved.setdefault("A", 0)


# Symbols that say nothing after they were subscribed.


def test_a_silent_symbol_is_subscribed_again_then_the_connection_reset_once() -> None:
    played = Played()

    def only_b(now: float, watchdog: SubscriptionWatchdog) -> None:
        played.hear(["B"])

    played.play(200, only_b)
    first, second, *_ = played.found
    assert first == (SILENT_AFTER, Findings(subscribe_again=["A"]))
    assert (second[0], bool(second[1].reopen)) == (2 * SILENT_AFTER, True)
    assert len(played.times("reopen")) == 1, "one quiet market must not keep taking the others down"
    assert len(played.found) > 3


def test_where_nothing_must_be_answered_a_quiet_market_reopens_nothing() -> None:
    played = Played(must_answer=False)
    played.play(1000)
    assert played.times("reopen") == []
    assert played.times("doubted") == []
    assert len(played.times("subscribe_again")) < 15


def test_trades_that_fall_silent_are_subscribed_again_where_there_are_no_books() -> None:
    played = Played(carries_books=False, must_answer=False)
    played.hear()
    played.play(QUIET_AFTER - 1)
    assert played.found == []
    played.hear(["B"])
    played.play(2 * QUIET_AFTER)
    assert played.times("reopen") == []
    assert played.found[0][1] == Findings(subscribe_again=["A"])


# Symbols that were active.


def test_a_quiet_market_is_left_alone() -> None:
    played = Played()
    played.hear()
    played.play(7200)
    assert played.found == []


@pytest.mark.parametrize("interval", [0.0, 5.0])
def test_a_book_that_is_silent_while_its_market_moves_is_doubted_within_10_s(
    interval: float,
) -> None:
    played = Played(interval=interval)
    played.play(30, played.lively)
    assert played.found == []
    died = played.now
    played.play(20, trades)
    when, found = played.found[0]
    assert found == Findings(subscribe_again=["A"], doubted=["A"])
    assert when - died <= 10 + interval


def test_images_may_take_their_time() -> None:
    played = Played(interval=5.0)

    def images(now: float, watchdog: SubscriptionWatchdog) -> None:
        trades(now, watchdog)
        if now % 5 == 0:
            played.hear()

    played.play(600, images)
    assert played.found == []


def test_a_trade_that_the_book_told_before_proves_nothing() -> None:
    played = Played()
    played.hear()
    played.play(1)
    played.play(1, trades)
    played.play(100)
    assert played.found == []


def test_a_channel_that_answers_its_subscription_is_believed_again() -> None:
    played = Played()
    played.hear()
    played.play(10, trades)
    assert "A" in played.watchdog.doubted
    played.hear()
    assert played.watchdog.doubted == {}
    played.play(600, played.lively)
    assert len(played.found) == 1


@pytest.mark.parametrize("answers", [True, False], ids=["snapshots come", "nothing comes"])
def test_a_channel_that_stays_dead_is_not_believed_and_takes_nobody_along_for_long(
    answers: bool,
) -> None:
    played = Played()
    played.hear()
    believed = 0

    def dead(now: float, watchdog: SubscriptionWatchdog) -> None:
        nonlocal believed
        trades(now, watchdog)
        played.hear(["B"])
        believed += "A" not in watchdog.doubted
        if answers and played.found and played.found[-1][0] == now - 1:
            played.hear(["A"])

    played.play(3600, dead)
    assert len(played.times("reopen")) == 1
    assert believed <= 20
    assert 3 < len(played.times("subscribe_again")) < 60


def test_a_market_that_turned_quiet_is_believed_on_the_new_connection() -> None:
    played = Played(must_answer=False)
    played.hear()
    played.play(8, trades)
    assert (len(played.times("doubted")), played.times("reopen")) == (1, [])
    played.play(QUIET_FOR + 20)
    assert len(played.times("reopen")) == 1
    assert played.watchdog.doubted == {}


def test_a_connection_of_which_many_channels_died_is_reopened_at_once() -> None:
    played = Played()
    many = [f"M{number}" for number in range(MANY)]
    played.watchdog.subscribed(many, 0.0)
    played.hear([*SYMBOLS, *many])

    def all_move(now: float, watchdog: SubscriptionWatchdog) -> None:
        watchdog.moved = dict.fromkeys(many, 0)

    played.play(10, all_move)
    ((_, found),) = played.found
    assert found.doubted == many
    assert found.reopen


def test_a_later_death_counts_anew() -> None:
    played = Played()
    for _ in range(5):
        played.hear()
        played.play(10, trades)
        played.play(2 * CALM_AFTER, lambda now, watchdog: played.hear())
    assert len(played.times("doubted")) == 5
    assert played.times("reopen") == []


def test_what_was_not_read_by_our_own_fault_proves_nothing() -> None:
    played = Played()
    played.hear()

    def held(now: float, watchdog: SubscriptionWatchdog) -> None:
        trades(now, watchdog)
        watchdog.hold(now)

    played.play(100, held)
    assert played.found == []
    played.play(10, trades)
    assert played.times("doubted")


def test_a_symbol_that_is_not_subscribed_any_more_is_forgotten() -> None:
    played = Played()
    played.hear()
    played.play(10, trades)
    played.watchdog.unsubscribed(["A"])
    assert played.watchdog.doubted == {}
    played.found.clear()
    played.play(300, trades)
    assert played.found == []


# Numbers of heartbeats.


def test_a_heartbeat_whose_number_was_told_proves_nothing() -> None:
    played = Played()
    played.hear(number=70)

    def beat(now: float, watchdog: SubscriptionWatchdog) -> None:
        watchdog.moved["A"] = 70

    played.play(600, beat)
    assert played.found == []


def test_a_heartbeat_that_is_ahead_of_its_channel_does() -> None:
    played = Played()
    played.hear(number=70)
    played.play(5)

    def beat(now: float, watchdog: SubscriptionWatchdog) -> None:
        watchdog.moved["A"] = 71

    played.play(10, beat)
    assert played.found[0][1].doubted == ["A"]


def test_the_first_number_of_a_channel_that_said_nothing_is_where_it_begins() -> None:
    played = Played(must_answer=False)

    def beat(now: float, watchdog: SubscriptionWatchdog) -> None:
        watchdog.moved["A"] = 70 + (now > 100)

    played.play(99, beat)
    assert played.times("doubted") == []
    played.play(20, beat)
    assert played.times("doubted")


# Looks by REST.


class Looked(Played):
    """REST shows ``books``; every look that is asked for is had."""

    def __init__(self) -> None:
        super().__init__()
        self.books = dict.fromkeys(SYMBOLS, BookLook(0, "1"))
        self.looks: list[tuple[float, str]] = []
        self.hear(number=5)

    def look(self, now: float, watchdog: SubscriptionWatchdog) -> None:
        symbol = watchdog.to_look_at(now)
        if now % 5 == 0 and symbol is not None:
            self.looks.append((now, symbol))
            watchdog.looked(symbol, self.books[symbol], now)


def test_silent_books_are_looked_at_in_turn_and_active_ones_are_not() -> None:
    played = Looked()

    def only_b(now: float, watchdog: SubscriptionWatchdog) -> None:
        played.hear(["B"])
        played.look(now, watchdog)

    played.play(60, only_b)
    assert {symbol for _, symbol in played.looks} == {"A"}
    assert played.looks[0][0] >= LOOK_AFTER
    played.play(60, played.look)
    assert [symbol for _, symbol in played.looks[-4:]] in (["A", "B"] * 2, ["B", "A"] * 2)
    assert played.found == []


@pytest.mark.parametrize("numbered", [True, False])
def test_a_book_that_moves_by_rest_alone_is_doubted(numbered: bool) -> None:
    played = Looked()
    played.books = dict.fromkeys(SYMBOLS, BookLook(5 if numbered else 0, "1"))
    played.play(600, played.look)
    assert played.found == []
    moved = played.now
    played.books["A"] = BookLook(6 if numbered else 0, "2")
    played.play(30, played.look)
    when, found = played.found[0]
    assert found.doubted == ["A"]
    # Two books are looked at in turn, each 5 s one.
    assert when - moved <= 10 + 5


def test_an_older_look_proves_nothing() -> None:
    played = Looked()
    played.books["A"] = BookLook(4, "old")
    played.play(600, played.look)
    assert played.found == []


def test_a_look_that_the_channel_answers_proves_nothing() -> None:
    played = Looked()

    def slow(now: float, watchdog: SubscriptionWatchdog) -> None:
        number = int(now // 60) + 6
        played.books = dict.fromkeys(SYMBOLS, BookLook(number, str(number)))
        if now % 60 == 1:
            played.hear(number=number)
        played.look(now, watchdog)

    played.play(1200, slow)
    assert played.times("doubted") == []
