"""What may be sent now: sliding windows, shares, holds and bans, and the file that all processes
of a node count in."""

import fcntl
import multiprocessing
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from actors.node_paths import sweep
from actors.transport.budget_file import OLD, SIZE, PrivateStorage, budget_folder, storage_at
from actors.transport.rate_limits import (
    BUSY_PATIENCE,
    CANCEL_SHARE,
    FIND_AGAIN_AFTER,
    LONGEST_FLIGHT,
    PLACE_SHARE,
    PUBLIC_SHARE,
    QUESTION_SHARE,
    Budget,
    share_of,
)
from exchanges import registry
from exchanges.contract import RateLimit, Request
from tests.known_faults.lab.namespace import UNSHARE, need_mounts
from tests.support.any_order import an_order, entry_of

LIMITS = (
    RateLimit("weight", 100, 60.0, "used", aligned=True),
    RateLimit("orders", 10, 10.0),
    RateLimit("told", 0, 5.0),
)
VENUES = list(registry.BUILT_IN)


@dataclass
class Moved:
    """A clock that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Moved:
    return Moved()


def budget_at(folder: Path, clock: Moved, limits: tuple[RateLimit, ...] = LIMITS) -> Budget:
    """One of several counts of the same use, as each process has one."""
    return Budget(limits, lambda: storage_at(str(folder), "venue"), monotonic=clock)


@pytest.fixture
def shared(tmp_path: Path, clock: Moved) -> Iterator[tuple[Budget, Budget]]:
    both = budget_at(tmp_path, clock), budget_at(tmp_path, clock)
    yield both
    for budget in both:
        budget.close()


def use(budget: Budget, cost: dict[str, int], share: float = CANCEL_SHARE) -> float:
    """Take, and settle at once; the seconds to wait where nothing was taken."""
    lease = budget.take(cost, share)
    if not lease.wait:
        budget.settle(lease)
    return lease.wait


def file_of(folder: Path) -> Path:
    (path,) = budget_folder(str(folder)).glob("*.budget")
    return path


# Windows.


@pytest.mark.parametrize("venue", VENUES)
def test_no_window_of_any_venue_holds_more_than_its_limit(venue: str) -> None:
    """However the requests are spread, in windows that begin at any moment."""
    random.seed(venue)
    for limit in registry.get(venue).limits:
        if not limit.amount or not limit.per:
            continue
        clock = Moved(10**6 + random.random() * limit.per)
        budget = Budget([limit], monotonic=clock)
        cost = max(1, limit.amount // 20)
        sent: list[float] = []
        for _ in range(400):
            clock.now += random.choice((0.0, 0.0, 0.001, 0.06, 0.5, 0.97)) * limit.per
            if not use(budget, {limit.name: cost}):
                sent.append(clock.now)
        for at in sent:
            most = sum(cost for other in sent if at - limit.per < other <= at)
            assert most <= limit.amount, limit
        assert len(sent) > 20


def test_kraken_counts_twenty_in_any_forty_seconds(clock: Moved) -> None:
    budget = Budget(registry.get("kraken").limits, monotonic=clock)
    sent: list[float] = []
    for now, wanted in ((1000.0, 1), (1039.0, 19), (1040.7, 20)):
        clock.now = now
        for _ in range(wanted):
            if not use(budget, {"counter": 1}):
                sent.append(now)
    assert max(sum(at - 40 < other <= at for other in sent) for at in sent) <= 20
    assert len(sent) == 21, "the first of them is forgotten"


def test_a_request_counts_from_when_it_leaves_until_a_window_after_its_answer(
    clock: Moved,
) -> None:
    """The venue counts it some time in between."""
    budget = Budget(LIMITS, monotonic=clock)
    slow = budget.take({"orders": 10})
    clock.now += 9.0
    assert use(budget, {"orders": 1}) == pytest.approx(10.0), "a window after its answer at best"
    budget.settle(slow)
    clock.now += 9.9
    assert use(budget, {"orders": 1}) > 0
    clock.now += 0.3
    assert use(budget, {"orders": 1}) == 0


def test_the_wait_that_is_told_is_enough_and_no_longer_than_needed(clock: Moved) -> None:
    budget = Budget(LIMITS, monotonic=clock)
    for seconds in (0.0, 3.0, 4.0):
        clock.now = 1000.0 + seconds
        assert use(budget, {"orders": 3}) == 0
    wait = use(budget, {"orders": 4})
    assert 5.9 < wait < 6.3, "three are forgotten ten seconds after they were used"
    clock.now += wait
    assert use(budget, {"orders": 4}) == 0


def test_a_request_that_is_never_answered_is_forgotten_some_day(clock: Moved) -> None:
    budget = Budget(LIMITS, monotonic=clock)
    lost = budget.take({"orders": 10}, timeout=10.0)
    clock.now += 19.0
    assert use(budget, {"orders": 1}) > 0
    clock.now += 4.0
    assert use(budget, {"orders": 10}) == 0
    budget.settle(lost)
    assert budget.status()["used"] == {"weight": "0/100", "orders": "10/10", "told": "0/0"}


def test_a_request_that_costs_more_than_its_share_may_leave_an_unused_window() -> None:
    budget = Budget(LIMITS)
    assert use(budget, {"weight": 100}, PUBLIC_SHARE) == 0
    assert use(budget, {"weight": 1}, PUBLIC_SHARE) > 0
    assert use(budget, {"unknown": 5}) == 0


def test_what_public_requests_questions_and_placements_leave_belongs_to_cancels(
    clock: Moved,
) -> None:
    budget = Budget(LIMITS, monotonic=clock)
    for share, least in ((PUBLIC_SHARE, 80), (PLACE_SHARE, 5), (QUESTION_SHARE, 5)):
        while not use(budget, {"weight": 1}, share):
            least -= 1
        assert least == 0
    assert use(budget, {"weight": 10}) == 0
    assert use(budget, {"weight": 1}) > 0


@pytest.mark.parametrize("venue", VENUES)
def test_only_cancels_may_use_all(venue: str) -> None:
    entry = entry_of(venue)
    order = an_order()
    assert share_of(entry.cancel(order).request) == CANCEL_SHARE
    assert share_of(entry.place(order).request) == PLACE_SHARE
    assert share_of(entry.status(order).request) == QUESTION_SHARE
    assert share_of(entry.balances().request) == QUESTION_SHARE
    assert share_of(Request("GET", "/public")) == PUBLIC_SHARE


# What the venue says.


def test_what_the_venue_says_is_used_beyond_ours_counts_until_its_window_ends(
    clock: Moved,
) -> None:
    budget = Budget(LIMITS, monotonic=clock)
    use(budget, {"weight": 10})
    budget.note_headers({"used": "95"}, venue_time=121.0)
    assert use(budget, {"weight": 6}) == pytest.approx(59.0)
    budget.note_headers({"used": "nonsense"}, venue_time=121.0)
    assert budget.status()["used"] == {"weight": "95/100", "orders": "0/10", "told": "0/0"}
    clock.now += 59.1
    assert use(budget, {"weight": 90}) == 0


def test_the_venues_count_of_our_own_requests_adds_nothing(clock: Moved) -> None:
    budget = Budget(LIMITS, monotonic=clock)
    for _ in range(3):
        use(budget, {"weight": 10})
    budget.take({"weight": 10})
    budget.note_headers({"used": "40"}, venue_time=130.0)
    assert budget.status()["used"] == {"weight": "40/100", "orders": "0/10", "told": "0/0"}


def test_a_limit_that_refused_holds_what_costs_of_it_and_nothing_else(
    shared: tuple[Budget, Budget], clock: Moved
) -> None:
    here, there = shared
    assert here.hold(["orders"], 5.0)
    assert there.take({"orders": 1}).wait == pytest.approx(5.0)
    assert not there.take({"orders": 1}).banned
    assert there.take({"weight": 1}).wait == 0
    assert not here.hold(["nothing of that name"], 5.0)
    clock.now += 5.1
    assert there.take({"orders": 1}).wait == 0


def test_a_limit_without_a_number_holds_nothing_before_it_refused(clock: Moved) -> None:
    budget = Budget(LIMITS, monotonic=clock)
    assert not any(use(budget, {"told": 1}) for _ in range(1000))
    budget.hold(["told"], 5.0)
    assert use(budget, {"told": 1}) > 0


def test_an_end_that_is_guessed_holds_urgent_requests_for_two_seconds_at_most(
    clock: Moved,
) -> None:
    budget = Budget(LIMITS, monotonic=clock)
    budget.hold(["orders"], 10.0, told=False)
    budget.ban(10.0, told=False)
    assert budget.take({"orders": 1}, urgent=True).wait == pytest.approx(2.0)
    clock.now += 2.1
    assert budget.take({"orders": 1}, urgent=True).wait == 0
    assert budget.take({"orders": 1}).banned


# All processes of a node.


def test_all_processes_count_together(shared: tuple[Budget, Budget]) -> None:
    here, there = shared
    assert [use(here, {"orders": 1}) for _ in range(6)] == [0] * 6
    assert [use(there, {"orders": 1}) for _ in range(4)] == [0] * 4
    assert use(here, {"orders": 1}) > 0
    assert use(there, {"orders": 1}) > 0
    assert here.status() == there.status()
    assert here.status()["counted"] == "by all processes"


def test_a_ban_that_one_hears_is_obeyed_by_one_that_is_about_to_send(
    shared: tuple[Budget, Budget], clock: Moved
) -> None:
    here, there = shared
    assert use(there, {"orders": 1}) == 0
    here.ban(100.0)
    lease = there.take({"orders": 1})
    assert (lease.banned, lease.wait) == (True, pytest.approx(100.0))
    assert there.status()["banned_for"] == pytest.approx(100.0)
    there.ban(10.0)
    clock.now += 50.0
    assert here.take({}).banned, "a shorter ban ends no longer one"
    clock.now += 50.1
    assert here.take({}).wait == 0


def test_what_was_used_is_remembered_when_all_processes_start_again(
    tmp_path: Path, clock: Moved
) -> None:
    for _ in range(2):
        budget = budget_at(tmp_path, clock)
        assert use(budget, {"orders": 5}) == 0
        budget.close()
    again = budget_at(tmp_path, clock)
    assert use(again, {"orders": 1}) > 0
    again.close()


def test_others_that_declare_other_limits_are_counted_and_keep_to_their_own(
    tmp_path: Path, clock: Moved
) -> None:
    """Two deployments of different versions, or with an adapter of their own."""
    large = budget_at(tmp_path, clock)
    small = budget_at(tmp_path, clock, (RateLimit("orders", 5, 10.0), RateLimit("more", 1, 1.0)))
    longer = budget_at(tmp_path, clock, (RateLimit("orders", 12, 60.0),))
    assert use(longer, {"orders": 1}) == 0, "all have opened the file before the others use it"
    assert use(small, {"orders": 1}) == 0
    assert use(large, {"orders": 4}) == 0
    assert use(small, {"orders": 1}) > 0
    assert use(large, {"orders": 4}) == 0
    assert use(large, {"orders": 1}) > 0
    clock.now += 10.5
    assert use(small, {"orders": 2}) == 0
    assert use(longer, {"orders": 1}) > 40, "in sixty seconds it was twelve"
    for budget in (large, small, longer):
        budget.close()


def hold_lock(path: str, locked: Any) -> None:
    file = os.open(path, os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    locked.set()
    time.sleep(60)


@pytest.fixture
def holder(tmp_path: Path, clock: Moved) -> Iterator[Any]:
    """Another process, which holds the lock of the file."""
    budget_at(tmp_path, clock).take({})
    spawn = multiprocessing.get_context("spawn")
    locked = spawn.Event()
    process = spawn.Process(target=hold_lock, args=(str(file_of(tmp_path)), locked))
    process.start()
    assert locked.wait(30)
    yield process
    process.kill()
    process.join()


def test_a_process_that_is_killed_while_it_holds_the_lock_releases_it(
    tmp_path: Path, clock: Moved, holder: Any
) -> None:
    budget = budget_at(tmp_path, clock)
    assert 0 < budget.take({"orders": 1}).wait < 0.1, "asked again soon, without blocking the loop"
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert use(budget, {"orders": 1}) == 0
    assert budget.status()["counted"] == "by all processes"
    budget.close()


def test_a_process_that_hangs_with_the_lock_stops_nobody(
    tmp_path: Path, clock: Moved, holder: Any
) -> None:
    budget = budget_at(tmp_path, clock)
    budget.ban(3.0)
    assert budget.take({}).wait > 0
    clock.now += BUSY_PATIENCE
    assert budget.take({}).banned, "what it heard itself counts"
    assert "another process keeps the lock" in str(budget.status()["counted"])
    clock.now += 3.0
    assert use(budget, {"orders": 8}) == 0
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    clock.now += FIND_AGAIN_AFTER
    assert use(budget, {"orders": 1}) == 0
    assert budget.status()["counted"] == "by all processes"
    other = budget_at(tmp_path, clock)
    assert other.take({"orders": 2}).wait > 0, "what it used alone is told to all"
    for it in (budget, other):
        it.close()


# The file.


def test_the_file_is_private_small_and_spared_by_the_sweep(tmp_path: Path, clock: Moved) -> None:
    budget = budget_at(tmp_path, clock)
    use(budget, {"orders": 1})
    path = file_of(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.stat().st_size == SIZE
    (path.parent / "x").mkdir()
    (path.parent / "x" / "A.arrow").touch()
    assert str(path.parent) not in sweep(str(tmp_path), "")
    assert path.exists()
    budget.close()


DAMAGE = {
    "empty": b"",
    "short": b"TRCHLBG1",
    "zeros": bytes(SIZE),
    "noise": random.Random(1).randbytes(SIZE),
    "long": random.Random(2).randbytes(3 * SIZE),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.filterwarnings("default")
def test_a_damaged_file_is_begun_again(tmp_path: Path, clock: Moved, kind: str) -> None:
    budget = budget_at(tmp_path, clock)
    use(budget, {"orders": 10})
    with open(file_of(tmp_path), "r+b") as file:
        file.truncate(0)
        file.write(DAMAGE[kind])
    other = budget_at(tmp_path, clock)
    assert use(budget, {"orders": 6}) == 0
    assert use(other, {"orders": 4}) == 0
    assert use(budget, {"orders": 1}) > 0
    assert use(other, {"orders": 1}) > 0
    for it in (budget, other):
        assert it.status()["counted"] == "by all processes"
        it.close()


@pytest.mark.parametrize("offset", range(40, SIZE, 300))
def test_flipped_bits_end_nothing(tmp_path: Path, clock: Moved, offset: int) -> None:
    budget = budget_at(tmp_path, clock)
    use(budget, {"orders": 3, "weight": 7})
    with open(file_of(tmp_path), "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0xFF]))
    other = budget_at(tmp_path, clock)
    for it in (budget, other):
        assert use(it, {"orders": 1, "weight": 1}) == 0
        assert it.status()["counted"] == "by all processes"
        it.close()


def test_a_file_of_another_boot_is_begun_again(
    tmp_path: Path, clock: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.transport.rate_limits.boot", lambda: b"before the restart")
    before = budget_at(tmp_path, clock)
    use(before, {"orders": 10})
    before.ban(500.0)
    before.close()
    monkeypatch.undo()
    after = budget_at(tmp_path, Moved(5.0))
    assert use(after, {"orders": 10}) == 0
    after.close()


def test_a_removed_file_is_made_again(tmp_path: Path, clock: Moved) -> None:
    here = budget_at(tmp_path, clock)
    there = budget_at(tmp_path, clock)
    use(here, {"orders": 1})
    file_of(tmp_path).unlink()
    assert use(there, {"orders": 6}) == 0
    assert use(here, {"orders": 4}) == 0
    assert use(here, {"orders": 1}) > 0
    for it in (here, there):
        it.close()


def test_a_file_that_others_may_read_is_made_private(tmp_path: Path, clock: Moved) -> None:
    budget_at(tmp_path, clock).take({})
    path = file_of(tmp_path)
    path.chmod(0o666)
    budget = budget_at(tmp_path, clock)
    assert use(budget, {"orders": 1}) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    budget.close()


@pytest.mark.parametrize("what", ["file", "link", "nothing", "link to a file"])
def test_a_folder_that_can_not_be_used_is_told_and_the_process_counts_alone(
    tmp_path: Path, clock: Moved, what: str
) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    place = memory / f"trochil-budgets-{os.getuid()}"
    if what == "file":
        place.touch()
    elif what == "link":
        place.symlink_to(tmp_path)
    elif what == "nothing":
        memory.rmdir()
    else:
        budget_at(memory, clock).take({})
        path = file_of(memory)
        path.unlink()
        path.symlink_to(tmp_path / "elsewhere")
    budget = budget_at(memory, clock)
    assert use(budget, {"orders": 10}) == 0
    assert use(budget, {"orders": 1}) > 0
    assert str(memory) in str(budget.status()["counted"])
    assert not (tmp_path / "elsewhere").exists()
    if what == "file":
        place.unlink()
        clock.now += FIND_AGAIN_AFTER
        assert use(budget, {"orders": 1}) > 0
        assert budget.status()["counted"] == "by all processes"
    budget.close()


FULL = """
import sys, time
from pathlib import Path
from actors.transport.budget_file import storage_at
from actors.transport.rate_limits import Budget
from exchanges.contract import RateLimit
memory = sys.argv[1]
full = Path(memory, "filler")
with full.open("wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)):
            pass
    except OSError:
        pass
budget = Budget([RateLimit("orders", 10, 60.0)], lambda: storage_at(memory, "venue"))
print(budget.take({"orders": 10}).wait, budget.take({"orders": 1}).wait > 0)
print(budget.status()["counted"])
"""


def test_a_full_file_system_is_told_and_the_process_counts_alone(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    need_mounts()
    mount = f"mount -t tmpfs -o size=64k none {memory} && exec {sys.executable} - {memory}"
    command = [*UNSHARE, "sh", "-c", mount]
    done = subprocess.run(command, input=FULL, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert lines[0] == "0.0 True", done.stderr
    assert "by this process alone" in lines[1]
    assert "No space left" in lines[1]


def test_what_is_settled_after_the_end_harms_nothing(tmp_path: Path, clock: Moved) -> None:
    budget = budget_at(tmp_path, clock)
    lease = budget.take({"orders": 1})
    budget.close()
    budget.settle(lease)
    budget.ban(5.0)
    assert budget.take({}).banned
    budget.close()


def test_old_files_are_removed_but_not_those_that_hold_a_ban(tmp_path: Path, clock: Moved) -> None:
    clock.now = time.monotonic()
    names = ("idle", "banned")
    for name in names:
        budget = Budget(LIMITS, lambda name=name: storage_at(str(tmp_path), name), monotonic=clock)
        budget.take({})
        if name == "banned":
            budget.ban(2 * OLD)
        budget.close()
    for path in budget_folder(str(tmp_path)).glob("*.budget"):
        os.utime(path, (time.time() - 2 * OLD,) * 2)
    again = Budget(LIMITS, lambda: storage_at(str(tmp_path), "banned"), monotonic=clock)
    assert again.take({}).banned
    assert len(list(budget_folder(str(tmp_path)).glob("*.budget"))) == 1
    again.close()


def test_times_that_can_not_be_are_damage(clock: Moved) -> None:
    """A file of a clock that is days ahead, as after a jump, blocks nothing for days."""
    storage = PrivateStorage()
    ahead = Budget(LIMITS, lambda: storage, monotonic=Moved(10**7))
    use(ahead, {"orders": 10})
    ahead.hold(["orders"], 1000.0)
    ahead.ban(1000.0)
    behind = Budget(LIMITS, lambda: storage, monotonic=clock)
    assert use(behind, {"orders": 10}) == 0
    assert use(behind, {"orders": 1}) > 0


def test_a_flight_is_never_longer_than_the_file_can_count(clock: Moved) -> None:
    budget = Budget(LIMITS, monotonic=clock)
    lease = budget.take({"orders": 10}, timeout=10**6)
    clock.now += LONGEST_FLIGHT - 5
    assert use(budget, {"orders": 1}) > 0
    budget.settle(lease)
    clock.now += 10.3
    assert use(budget, {"orders": 1}) == 0


# What is open at the same time.

OPEN = (RateLimit("sockets", 3, 0.0),)


def test_what_is_counted_at_the_same_time_is_free_when_it_is_given_back(
    tmp_path: Path, clock: Moved
) -> None:
    here, there = (budget_at(tmp_path, clock, OPEN) for _ in range(2))
    leases = [here.take({"sockets": 1}), there.take({"sockets": 1}), there.take({"sockets": 1})]
    assert not any(lease.wait for lease in leases)
    assert here.take({"sockets": 1}).wait > 0
    there.settle(leases[2])
    clock.now += 0.01
    assert here.take({"sockets": 1}).wait == 0
    for it in (here, there):
        it.close()


def test_a_socket_counts_as_long_as_somebody_renews_it(tmp_path: Path, clock: Moved) -> None:
    here, there = (budget_at(tmp_path, clock, OPEN) for _ in range(2))
    kept = here.take({"sockets": 2})
    dead = there.take({"sockets": 1})
    for _ in range(6):
        clock.now += 20.0
        here.renew(kept)
    assert here.status()["used"] == {"sockets": "2/3"}, "the other's process must have died"
    there.renew(dead)
    assert here.status()["used"] == {"sockets": "3/3"}, "it had but slept"
    here.settle(kept)
    clock.now += 0.01
    assert there.status()["used"] == {"sockets": "1/3"}
    for it in (here, there):
        it.close()
