"""From snapshot and diffs to changes in order: what applies, what is old, and what shows that
something is missing."""

import random

import pytest
from hypothesis import given, strategies as st

from orderbook.messages import BookDiff, OrderAction, OrderEvent
from orderbook.sequencing import BUFFER, Sequencer, Verdict
from tests.support.examples import examples

quick = examples(200)


def diff(first_id: int, update_id: int | None = None) -> BookDiff:
    return BookDiff("A-B", b"", b"", first_id, first_id if update_id is None else update_id)


UNNUMBERED = diff(0)


def synced(update_id: int = 10) -> Sequencer[BookDiff]:
    sequencer: Sequencer[BookDiff] = Sequencer()
    assert sequencer.snapshot(update_id) == []
    return sequencer


# In sync.


@pytest.mark.parametrize(
    ("message", "verdict", "update_id"),
    [
        (diff(11), Verdict.APPLY, 11),
        (diff(11, 15), Verdict.APPLY, 15),
        (diff(5, 11), Verdict.APPLY, 11),
        (diff(10, 12), Verdict.APPLY, 12),
        (diff(1, 10), Verdict.IGNORE, 10),
        (diff(10), Verdict.IGNORE, 10),
        (diff(3, 5), Verdict.IGNORE, 10),
        (UNNUMBERED, Verdict.APPLY, 0),
        (diff(11, 2), Verdict.APPLY, 2),
    ],
)
def test_what_joins_applies_and_what_is_older_is_ignored(
    message: BookDiff, verdict: Verdict, update_id: int
) -> None:
    sequencer = synced()
    assert sequencer.offer(message) is verdict
    assert (sequencer.synced, sequencer.update_id) == (True, update_id)


@pytest.mark.parametrize("message", [diff(12), diff(12, 20), diff(10**15)])
def test_a_hole_is_a_gap_and_the_message_after_it_is_kept_for_the_next_snapshot(
    message: BookDiff,
) -> None:
    sequencer = synced()
    assert sequencer.offer(message) is Verdict.GAP
    assert not sequencer.synced
    follower = diff(message.update_id + 1)
    assert sequencer.offer(follower) is Verdict.BUFFERED
    assert sequencer.snapshot(message.first_id - 1) == [message, follower]
    assert sequencer.update_id == follower.update_id


def test_a_venue_that_starts_its_numbers_again_goes_on() -> None:
    """Its message joins the last id, and its own id falls back."""
    sequencer = synced(10)
    assert [sequencer.offer(m) for m in (diff(11, 1), diff(2), diff(3, 4))] == [Verdict.APPLY] * 3
    assert sequencer.update_id == 4
    assert sequencer.offer(diff(6)) is Verdict.GAP


def test_a_fall_back_that_does_not_join_is_old() -> None:
    assert synced(10).offer(diff(1)) is Verdict.IGNORE


def test_unnumbered_messages_apply_in_the_order_of_their_connection() -> None:
    sequencer = synced(0)
    assert [sequencer.offer(UNNUMBERED) for _ in range(5)] == [Verdict.APPLY] * 5
    assert (sequencer.synced, sequencer.update_id) == (True, 0)


def test_order_events_are_sequenced_like_diffs() -> None:
    sequencer: Sequencer[OrderEvent] = Sequencer()
    events = [
        OrderEvent("A-B", OrderAction.NOTHING, "", first_id=n, update_id=n) for n in range(8, 14)
    ]
    for event in events[:-1]:
        sequencer.offer(event)
    assert sequencer.snapshot(10) == events[3:5]
    assert sequencer.offer(events[-1]) is Verdict.APPLY


# Until a snapshot.


def test_what_comes_before_the_snapshot_is_kept_and_applied_on_top_of_it() -> None:
    sequencer: Sequencer[BookDiff] = Sequencer()
    messages = [diff(1, 4), diff(5, 9), diff(10, 12), diff(13)]
    assert [sequencer.offer(m) for m in messages] == [Verdict.BUFFERED] * 4
    assert sequencer.snapshot(9) == messages[2:]
    assert (sequencer.synced, sequencer.update_id, sequencer.dropped_before_snapshot) == (
        True,
        13,
        2,
    )


def test_a_message_that_reaches_across_the_snapshot_applies() -> None:
    sequencer: Sequencer[BookDiff] = Sequencer()
    across = diff(5, 12)
    sequencer.offer(across)
    assert sequencer.snapshot(9) == [across]


def test_a_snapshot_newer_than_everything_kept_needs_nothing_more() -> None:
    sequencer: Sequencer[BookDiff] = Sequencer()
    for number in range(1, 6):
        sequencer.offer(diff(number))
    assert sequencer.snapshot(100) == []
    assert (sequencer.update_id, sequencer.dropped_before_snapshot) == (100, 5)
    assert sequencer.offer(diff(101)) is Verdict.APPLY


def test_a_snapshot_older_than_what_was_kept_is_refused_and_the_next_one_serves() -> None:
    sequencer: Sequencer[BookDiff] = Sequencer()
    kept = [diff(20), diff(21)]
    for message in kept:
        sequencer.offer(message)
    assert sequencer.snapshot(15) is None
    assert not sequencer.synced
    assert sequencer.dropped_before_snapshot == 0
    assert sequencer.offer(diff(22)) is Verdict.BUFFERED
    assert sequencer.snapshot(20) == [diff(21), diff(22)]


def test_a_hole_in_what_was_kept_refuses_snapshots_until_one_lies_behind_it() -> None:
    sequencer: Sequencer[BookDiff] = Sequencer()
    for number in (1, 2, 5, 6):
        sequencer.offer(diff(number))
    assert sequencer.snapshot(1) is None
    assert sequencer.snapshot(3) is None
    assert sequencer.snapshot(4) == [diff(5), diff(6)]


def test_unnumbered_messages_before_a_snapshot_are_dropped_and_counted() -> None:
    """Nothing says which of them the snapshot already holds."""
    sequencer: Sequencer[BookDiff] = Sequencer()
    for _ in range(7):
        sequencer.offer(UNNUMBERED)
    assert sequencer.snapshot(0) == []
    assert sequencer.dropped_before_snapshot == 7
    sequencer.lose()
    sequencer.offer(UNNUMBERED)
    assert sequencer.snapshot(0) == []
    assert sequencer.dropped_before_snapshot == 8


def test_losing_the_feed_forgets_what_was_kept() -> None:
    sequencer = synced()
    sequencer.lose()
    assert sequencer.offer(diff(11)) is Verdict.BUFFERED
    sequencer.lose()
    assert sequencer.snapshot(10) == []
    assert sequencer.dropped_before_snapshot == 0


def test_the_buffer_is_bounded_and_gives_up_its_oldest() -> None:
    sequencer: Sequencer[BookDiff] = Sequencer()
    for number in range(1, BUFFER + 11):
        sequencer.offer(diff(number))
    assert sequencer.snapshot(9) is None
    fresh = sequencer.snapshot(10)
    assert fresh is not None
    assert (len(fresh), fresh[0], fresh[-1]) == (BUFFER, diff(11), diff(BUFFER + 10))


# Properties.


def stream(widths: list[int]) -> list[BookDiff]:
    """Messages that join, each covering that many ids, from id 1 on."""
    messages = []
    last = 0
    for width in widths:
        messages.append(diff(last + 1, last + width))
        last += width
    return messages


widths = st.lists(st.integers(1, 5), min_size=3, max_size=40)


@quick
@given(widths, st.data())
def test_any_drop_of_messages_is_seen_as_a_gap_at_the_first_message_after_it(
    spans: list[int], data: st.DataObject
) -> None:
    messages = stream(spans)
    start = data.draw(st.integers(0, len(messages) - 2))
    k = data.draw(st.integers(1, len(messages) - 1 - start))
    sequencer = synced(0)
    assert all(sequencer.offer(message) is Verdict.APPLY for message in messages[:start])
    assert sequencer.offer(messages[start + k]) is Verdict.GAP
    assert not sequencer.synced


@quick
@given(widths, st.data())
def test_any_drop_while_waiting_refuses_the_snapshots_before_it(
    spans: list[int], data: st.DataObject
) -> None:
    messages = stream(spans)
    start = data.draw(st.integers(0, len(messages) - 2))
    k = data.draw(st.integers(1, len(messages) - 1 - start))
    sequencer: Sequencer[BookDiff] = Sequencer()
    for message in messages[:start] + messages[start + k :]:
        sequencer.offer(message)
    for update_id in range(messages[start + k].first_id - 1):
        assert sequencer.snapshot(update_id) is None
    assert sequencer.snapshot(messages[start + k].first_id - 1) == messages[start + k :]


@quick
@given(widths, st.integers(0, 200), st.integers(0, 40))
def test_with_nothing_dropped_every_id_after_the_snapshot_is_applied_once(
    spans: list[int], at: int, before: int
) -> None:
    messages = stream(spans)
    sequencer: Sequencer[BookDiff] = Sequencer()
    for message in messages[:before]:
        sequencer.offer(message)
    kept = messages[:before]
    snapshot = min(at, kept[-1].update_id if kept else 0)
    applied = sequencer.snapshot(snapshot)
    assert applied is not None
    applied += [m for m in messages[before:] if sequencer.offer(m) is Verdict.APPLY]
    assert applied == [m for m in messages if m.update_id > snapshot]
    assert sequencer.update_id == max(snapshot, messages[-1].update_id)


@quick
@given(widths, st.randoms(use_true_random=False))
def test_repeated_messages_change_nothing(spans: list[int], chance: random.Random) -> None:
    messages = stream(spans)
    sequencer = synced(0)
    applied = []
    for number, message in enumerate(messages):
        for again in (*(chance.choices(messages[:number], k=2) if number else ()), message):
            if sequencer.offer(again) is Verdict.APPLY:
                applied.append(again)
    assert applied == messages
