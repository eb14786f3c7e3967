"""Silent subscriptions: subscribed again, then the connection is reopened once."""

from actors.books.subscription_watchdog import QUIET_AFTER, SILENT_AFTER, SubscriptionWatchdog


def test_a_silent_symbol_is_subscribed_again_then_the_connection_reset_once() -> None:
    watchdog = SubscriptionWatchdog()
    watchdog.connected(0.0)
    watchdog.subscribed(["A", "B"], 0.0)
    watchdog.received("B")
    now = 0.0
    done = []
    while now < 200:
        now += 1.0
        again, reset = watchdog.check(["A", "B"], now)
        if again or reset:
            done.append((now, again, reset))
        if reset:
            watchdog.connected(now)
            watchdog.subscribed(["A", "B"], now)
            watchdog.received("B")
    assert done[0] == (SILENT_AFTER, ["A"], False)
    assert done[1] == (2 * SILENT_AFTER, [], True)
    assert [reset for _, __, reset in done].count(True) == 1, (
        "one quiet market must not keep taking the others down"
    )
    assert len(done) > 3


def test_a_symbol_that_falls_silent_later_is_subscribed_again() -> None:
    watchdog = SubscriptionWatchdog()
    watchdog.connected(0.0)
    watchdog.subscribed(["A", "B"], 0.0)
    watchdog.received("A")
    watchdog.received("B")
    assert watchdog.check(["A", "B"], QUIET_AFTER + 1) == ([], False)
    watchdog.received("B")
    assert watchdog.check(["A", "B"], 2 * QUIET_AFTER + 1) == (["A"], False)
