"""Who says nothing on a connection, and what is done about it."""

from actors.books.subscription_watchdog import QUIET_AFTER, SILENT_AFTER, SubscriptionWatchdog


def test_a_silent_symbol_is_subscribed_again_then_the_connection_reset_once() -> None:
    silence = SubscriptionWatchdog()
    silence.connected(0.0)
    silence.subscribed(["A", "B"], 0.0)
    silence.heard("B")
    now, done = 0.0, []
    while now < 200:
        now += 1.0
        again, reset = silence.look(["A", "B"], now)
        if again or reset:
            done.append((now, again, reset))
        if reset:
            silence.connected(now)
            silence.subscribed(["A", "B"], now)
            silence.heard("B")
    assert done[0] == (SILENT_AFTER, ["A"], False)
    assert done[1] == (2 * SILENT_AFTER, [], True)
    assert [reset for _, __, reset in done].count(True) == 1, (
        "one quiet market must not take the others down for ever"
    )
    assert len(done) > 3


def test_a_symbol_that_falls_silent_later_is_subscribed_again() -> None:
    silence = SubscriptionWatchdog()
    silence.connected(0.0)
    silence.subscribed(["A", "B"], 0.0)
    silence.heard("A")
    silence.heard("B")
    assert silence.look(["A", "B"], QUIET_AFTER + 1) == ([], False)
    silence.heard("B")
    assert silence.look(["A", "B"], 2 * QUIET_AFTER + 1) == (["A"], False)
