"""What may be sent to a venue now: sliding windows, a reserve for cancels, holds and bans.

What is used is counted for all processes of a user on a node, in one file a venue host and source
address, and one an account (``budget_file``). A request counts from the moment it may leave until
``per`` seconds after its answer: whenever in between the venue counts it, no window of ``per``
seconds there holds more than the limit, wherever that window begins.
"""

import logging
import math
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2s

from actors.clock import SYSTEM
from actors.transport.budget_file import (
    HEADER,
    LONGEST_BAN,
    MAGIC,
    SIZE,
    SLOT_SIZE,
    SLOTS,
    PrivateStorage,
    Storage,
    Unusable,
    boot,
    is_sound,
    sealed,
)
from exchanges.contract import RateLimit, Request

log = logging.getLogger(__name__)
CANCEL_SHARE = 1.0
QUESTION_SHARE = 0.9
PLACE_SHARE = 0.85
PUBLIC_SHARE = 0.8
"""The part of every limit that cancels, questions about the account, placements and public
requests may use."""
STEPS = 64
"""Steps of a window: what was used counts for up to a 64th longer than the window."""
PLACES = STEPS + 1
FLIGHT_STEP = 3.0
FLIGHTS = 24
LONGEST_FLIGHT = FLIGHT_STEP * (FLIGHTS - 2)
"""Seconds after which a request without an answer is taken for counted."""
SLOT = struct.Struct(f"<QdqqddQd{PLACES}I{FLIGHTS}I")
"""Name, seconds, last step, last flight step, held until, urgent held until, used by others, until
when, used in each step, in flight by deadline."""
URGENT_GUESS = 2.0
"""Seconds that an urgent request is held at most by a pause whose end the venue did not tell."""
BUSY_WAIT = 0.005
BUSY_PATIENCE = 1.0
"""Seconds of waiting for the lock after which a process counts for itself."""
MOST = 2**32 - 1
FREE = (0, 0.0)
AT_ONCE = 0.001
"""Seconds of the window of what is counted at the same time: it counts while it is in flight."""
SHORTEST_WAIT = 0.05
"""Seconds to wait at least for what is in flight."""
FIND_AGAIN_AFTER = 5.0
"""Seconds after which a storage that failed is tried again."""


def share_of(request: Request) -> float:
    """The part of each limit that a request may use."""
    if not request.signed:
        return CANCEL_SHARE if request.urgent else PUBLIC_SHARE
    if not request.is_mutating:
        return QUESTION_SHARE
    return CANCEL_SHARE if request.urgent else PLACE_SHARE


def key_of(name: str) -> int:
    """The number that stands for a limit's name in a file; never 0."""
    return int.from_bytes(blake2s(name.encode(), digest_size=8).digest()) or 1


def for_levels(name: str) -> str:
    """The limit on what levels farther out may take of a limit."""
    return f"{name} for levels"


def with_levels(limits: Iterable[RateLimit], share: float) -> list[RateLimit]:
    """The limits, and beside each of an address the part of it that levels farther out may take.

    The part has room for one request at least.
    """
    limits = list(limits)
    parts = [
        replace(
            limit,
            name=for_levels(limit.name),
            amount=max(1, int(limit.amount * share)),
            used_header="",
        )
        for limit in limits
        if limit.counted_by == "address" and limit.amount and limit.per
    ]
    return [*limits, *parts]


@dataclass(slots=True)
class Lease:
    """What was taken for a request, to be settled when it was answered; or why nothing was."""

    cost: Mapping[str, int]
    wait: float = 0.0
    """Seconds after which to ask again; 0: it was taken."""
    banned: bool = False
    deadline: int = 0
    """The flight step by which it counts as answered."""


@dataclass(slots=True)
class Window:
    """The use of one limit, as it stands in its slot."""

    key: int
    per: float
    step: int = 0
    flight_step: int = 0
    held_until: float = 0.0
    urgent_held_until: float = 0.0
    others: int = 0
    """What the venue says is used beyond what we count."""
    others_until: float = 0.0
    used: list[int] = field(default_factory=lambda: [0] * PLACES)
    flight: list[int] = field(default_factory=lambda: [0] * FLIGHTS)

    @classmethod
    def unpack(cls, data: bytes, offset: int) -> "Window":
        values = SLOT.unpack_from(data, offset)
        key, per, step, flight_step, held, urgent_held, others, others_until = values[:8]
        return cls(
            key,
            per,
            step,
            flight_step,
            held,
            urgent_held,
            others,
            others_until,
            list(values[8 : 8 + PLACES]),
            list(values[8 + PLACES :]),
        )

    def pack(self) -> bytes:
        return sealed(
            SLOT.pack(
                self.key,
                self.per,
                self.step,
                self.flight_step,
                self.held_until,
                self.urgent_held_until,
                min(self.others, MOST),
                self.others_until,
                *self.used,
                *self.flight,
            )
        )

    def roll(self, now: float) -> None:
        """Forget what is older than the window; what was never answered counts from its
        deadline."""
        step = int(now * STEPS / self.per)
        gone = step - self.step
        if gone >= PLACES or gone <= -PLACES:
            self.used = [0] * PLACES
        else:
            for place in range(self.step + 1, step + 1):
                self.used[place % PLACES] = 0
            step = max(step, self.step)
        self.step = step
        flight_step = int(now / FLIGHT_STEP)
        first = max(self.flight_step, flight_step - FLIGHTS)
        for place in range(first + 1, flight_step + 1):
            late = self.flight[place % FLIGHTS]
            self.flight[place % FLIGHTS] = 0
            was_at = int(place * FLIGHT_STEP * STEPS / self.per)
            if late and was_at > step - PLACES:
                self.used[was_at % PLACES] += late
        self.flight_step = flight_step
        if now >= self.others_until:
            self.others = 0

    def add(self, cost: int) -> None:
        place = self.step % PLACES
        self.used[place] = min(MOST, self.used[place] + cost)

    def total(self) -> int:
        return sum(self.used) + sum(self.flight) + self.others

    def since(self, seconds: float) -> int:
        """What was used in the last ``seconds`` or is in flight."""
        steps = min(STEPS, int(seconds * STEPS / self.per) + 1)
        places = range(self.step - steps, self.step + 1)
        return sum(self.used[place % PLACES] for place in places) + sum(self.flight)

    def wait(self, cost: int, limit: RateLimit, share: float, now: float, urgent: bool) -> float:
        """Seconds until ``cost`` more may be used; 0: now. To be rolled before."""
        held = self.urgent_held_until if urgent else self.held_until
        if now < held <= now + LONGEST_BAN:
            return held - now
        if not limit.amount:
            return 0.0
        allowed = max(1, int(limit.amount * share))
        total = self.total()
        if total + cost <= allowed or (total == 0 and cost <= limit.amount):
            return 0.0
        return self._freed_after(total - max(0, allowed - cost), now)

    def _freed_after(self, needed: int, now: float) -> float:
        width = self.per / STEPS
        events = [
            ((place + PLACES) * width, self.used[place % PLACES])
            for place in range(self.step - STEPS, self.step + 1)
            if self.used[place % PLACES]
        ]
        if self.others:
            events.append((self.others_until, self.others))
        for at, freed in sorted(events):
            needed -= freed
            if needed <= 0:
                return max(at - now, width / 2)
        return max(self.per, SHORTEST_WAIT)  # not before what is in flight was answered


class Ledger:
    """The limits that are counted together: those of an address, or those of an account."""

    def __init__(self, limits: Iterable[RateLimit], find_storage: Callable[[], Storage]) -> None:
        """``find_storage``: asked now, and again some time after the storage failed."""
        self.limits = {limit.name: limit for limit in limits}
        self.storage = find_storage()
        self.banned_until = 0.0
        self.urgent_banned_until = 0.0
        self._find_storage = find_storage
        self._find_again_at = 0.0
        self._boot = boot()
        self._generation = -1
        self._slots: dict[str, int] = {}
        """Of each limit of ours: the slot that has its name and length."""
        self._same_name: dict[str, list[int]] = {}
        """All slots of its name: others may have declared another length."""
        self._windows: dict[int, Window] = {}
        self._changed: set[int] = set()
        self._data = b""
        self._now = 0.0

    def open(self, now: float) -> None:
        """Read the file, which is locked; one that is damaged or of another boot is begun again.

        Raises Unusable.
        """
        self._now = now
        self._data = self.storage.read()
        self._windows.clear()
        self._changed.clear()
        if not is_sound(self._data, 0):
            self._begin_again()
        magic, booted, generation, banned, urgent_banned = HEADER.unpack_from(self._data)
        if magic != MAGIC or booted != self._boot:
            self._begin_again()
            _, _, generation, banned, urgent_banned = HEADER.unpack_from(self._data)
        self.banned_until = banned
        self.urgent_banned_until = urgent_banned
        if generation != self._generation:
            self._find_slots(generation)

    def _begin_again(self) -> None:
        if any(self._data):
            log.warning("a file that counts requests is damaged or old: it is begun again")
        generation = int.from_bytes(os.urandom(6))
        header = sealed(HEADER.pack(MAGIC, self._boot, generation, 0.0, 0.0))
        self.storage.write(bytes(SLOT_SIZE * SLOTS), SLOT_SIZE)
        self.storage.write(header, 0)
        self._data = header + bytes(SLOT_SIZE * SLOTS)

    def _find_slots(self, generation: int) -> None:
        """Find the slots of our limits; take free ones for those that have none."""
        keys = [self._key_at(slot) for slot in range(1, SLOTS + 1)]
        claimed = 0
        for limit in self.limits.values():
            wanted = (key_of(limit.name), limit.per or AT_ONCE)
            if wanted not in keys:
                self._claim(wanted, keys)
                claimed += 1
            self._slots[limit.name] = keys.index(wanted) + 1
        for limit in self.limits.values():
            key = key_of(limit.name)
            self._same_name[limit.name] = [
                slot for slot, (found, _) in enumerate(keys, 1) if found == key
            ]
        self._generation = generation + claimed
        if claimed:
            self._write_header()

    def _claim(self, wanted: tuple[int, float], keys: list[tuple[int, float]]) -> None:
        """Take a free slot; what others used under the same name counts as used just now."""
        if FREE not in keys:
            raise Unusable("the file that counts requests has no room for another limit")
        window = Window(*wanted)
        window.roll(self._now)
        window.add(
            max(
                (self._window(n).total() for n, at in enumerate(keys, 1) if at[0] == wanted[0]),
                default=0,
            )
        )
        slot = keys.index(FREE) + 1
        keys[slot - 1] = wanted
        self._windows[slot] = window
        self._changed.add(slot)

    def _key_at(self, slot: int) -> tuple[int, float]:
        offset = slot * SLOT_SIZE
        key: int
        per: float
        key, per = struct.unpack_from("<Qd", self._data, offset)
        return (key, per) if is_sound(self._data, offset) and per > 0 else FREE

    def _write_header(self) -> None:
        packed = HEADER.pack(
            MAGIC, self._boot, self._generation, self.banned_until, self.urgent_banned_until
        )
        self.storage.write(sealed(packed), 0)

    def _window(self, slot: int) -> Window:
        """The window in a slot, rolled to now; a damaged one is begun again."""
        if slot not in self._windows:
            offset = slot * SLOT_SIZE
            if is_sound(self._data, offset):
                self._windows[slot] = Window.unpack(self._data, offset)
            else:
                log.warning("a count of requests is damaged: it is begun again")
                self._windows[slot] = self._new_window(slot)
            self._windows[slot].roll(self._now)
        return self._windows[slot]

    def _new_window(self, slot: int) -> Window:
        for name, at in self._slots.items():
            if at == slot:
                return Window(key_of(name), self.limits[name].per or AT_ONCE)
        return Window(0, 1.0)

    def _to_change(self, name: str) -> list[Window]:
        """All windows of a limit's name."""
        slots = self._same_name.get(name, [])
        self._changed.update(slots)
        return [self._window(slot) for slot in slots]

    def wait(self, cost: Mapping[str, int], share: float, urgent: bool) -> float:
        """Seconds until all of the cost may be used; 0: now."""
        waits = [
            self._window(self._slots[name]).wait(n, self.limits[name], share, self._now, urgent)
            for name, n in cost.items()
            if name in self._slots
        ]
        return max(waits, default=0.0)

    def ban_left(self, urgent: bool) -> float:
        """Seconds of a ban that are left; an end that is too far off is damage."""
        until = self.urgent_banned_until if urgent else self.banned_until
        return until - self._now if self._now < until <= self._now + LONGEST_BAN else 0.0

    def ban(self, until: float, urgent_until: float) -> None:
        self.banned_until = max(self.banned_until, until)
        self.urgent_banned_until = max(self.urgent_banned_until, urgent_until)
        self._write_header()

    def take(self, cost: Mapping[str, int], deadline: int) -> None:
        for name, n in cost.items():
            for window in self._to_change(name):
                window.flight[deadline % FLIGHTS] += n

    def settle(self, cost: Mapping[str, int], deadline: int, counts: bool = True) -> None:
        """``counts``: for its window from now on."""
        for name, n in cost.items():
            for window in self._to_change(name):
                if deadline > window.flight_step:  # else it was counted at its deadline
                    place = deadline % FLIGHTS
                    window.flight[place] = max(0, window.flight[place] - n)
                    window.add(n * counts)

    def hold(self, name: str, until: float, urgent_until: float) -> None:
        for window in self._to_change(name):
            window.held_until = max(window.held_until, until)
            window.urgent_held_until = max(window.urgent_held_until, urgent_until)

    def note(self, headers: Mapping[str, str], venue_time: float) -> None:
        """Take over the venue's own counters, which see what leaves from elsewhere too."""
        for name, limit in self.limits.items():
            said = headers.get(limit.used_header, "") if limit.used_header else ""
            if not said.isdigit():
                continue
            window = self._window(self._slots[name])
            began = venue_time % limit.per if limit.aligned else limit.per
            others = int(said) - window.since(began)
            if others > window.others:
                window.others = others
                left = limit.per - began if limit.aligned else limit.per
                window.others_until = self._now + left
                self._changed.add(self._slots[name])

    def commit(self) -> None:
        """Write what changed, and unlock."""
        try:
            for slot in self._changed:
                self.storage.write(self._windows[slot].pack(), slot * SLOT_SIZE)
        except Unusable as error:
            self.count_alone(str(error), self._now)
        self._changed.clear()
        self.storage.unlock()

    def count_alone(self, why: str, now: float) -> None:
        """Go on with what was read last, in this process alone; the storage is tried again
        later."""
        log.warning("requests are counted in this process alone: %s", why)
        self.storage.close()
        self.storage = PrivateStorage(why)
        if len(self._data) == SIZE:
            self.storage.write(self._data, 0)
        for slot in self._changed:
            self.storage.write(self._windows[slot].pack(), slot * SLOT_SIZE)
        self._find_again_at = now + FIND_AGAIN_AFTER
        self.open(now)

    def close(self) -> None:
        self.storage.close()
        self.storage = PrivateStorage("closed")
        self._find_again_at = math.inf

    def find_again(self, now: float) -> None:
        """Return to a storage that failed, with what was counted meanwhile."""
        if not self.storage.why_private or now < self._find_again_at:
            return
        self._find_again_at = now + FIND_AGAIN_AFTER
        found = self._find_storage()
        if found.why_private or not _locked(found):
            found.close()
            return
        self.open(now)
        meanwhile = {name: self._window(slot).total() for name, slot in self._slots.items()}
        banned = (self.banned_until, self.urgent_banned_until)
        self.storage = found
        try:
            self.open(now)
            for name, used in meanwhile.items():
                for window in self._to_change(name):
                    window.add(max(0, used - window.total()))
            self.ban(*banned)
        except Unusable as error:
            self.count_alone(str(error), now)
        self.commit()

    def status(self) -> dict[str, str]:
        return {
            name: f"{self._window(self._slots[name]).total()}/{limit.amount}"
            for name, limit in self.limits.items()
        }


def _locked(storage: Storage) -> bool:
    try:
        return storage.lock()
    except Unusable:
        return False


class Budget:
    """All limits of one venue for one address and account. Not for several threads.

    ``take`` before a request leaves, ``settle`` when it was answered or failed.
    """

    def __init__(
        self,
        limits: Iterable[RateLimit],
        address: Callable[[], Storage] = PrivateStorage,
        account: Callable[[], Storage] = PrivateStorage,
        monotonic: Callable[[], float] = SYSTEM.monotonic,
    ) -> None:
        """``address`` and ``account`` give the storage in which the limits of each are counted."""
        self._monotonic = monotonic
        limits = tuple(limits)
        self._address = Ledger((it for it in limits if it.counted_by == "address"), address)
        self._ledgers = [self._address]
        self._used_headers = [limit.used_header for limit in limits if limit.used_header]
        counted_by_account = [limit for limit in limits if limit.counted_by == "account"]
        if counted_by_account:
            self._ledgers.append(Ledger(counted_by_account, account))
        self._busy_since: float | None = None
        self._late: list[Callable[[], None]] = []
        """What could not be written while another process held a lock."""

    def close(self) -> None:
        """Close the files. What is still settled afterwards counts for nobody else."""
        for ledger in self._ledgers:
            ledger.close()

    # One request.

    def take(
        self,
        cost: Mapping[str, int],
        share: float = CANCEL_SHARE,
        urgent: bool = False,
        timeout: float = LONGEST_FLIGHT,
    ) -> Lease:
        """Take what a request costs, for all processes at once, if it may leave now.

        ``share``: the part of each limit that it may use. ``timeout``: seconds within which it is
        answered or has failed.
        """
        now = self._monotonic()
        if not self._open(now):
            return Lease(cost, wait=BUSY_WAIT)
        lease = Lease(cost, wait=self._address.ban_left(urgent))
        if lease.wait:
            lease.banned = True
        else:
            lease.wait = max([ledger.wait(cost, share, urgent) for ledger in self._ledgers])
        if not lease.wait:
            lease.deadline = int((now + min(timeout, LONGEST_FLIGHT)) / FLIGHT_STEP) + 1
            for ledger in self._ledgers:
                ledger.take(cost, lease.deadline)
        self._commit()
        return lease

    def settle(self, lease: Lease) -> None:
        """The request was answered, or has failed: from now on it counts for its window."""

        def work() -> None:
            for ledger in self._ledgers:
                ledger.settle(lease.cost, lease.deadline)

        self._change(work)

    def renew(self, lease: Lease) -> None:
        """Hold for ``LONGEST_FLIGHT`` more what was taken and is still in use."""
        before = replace(lease)
        lease.deadline = int((self._monotonic() + LONGEST_FLIGHT) / FLIGHT_STEP) + 1

        def work() -> None:
            for ledger in self._ledgers:
                ledger.settle(before.cost, before.deadline, counts=False)
                ledger.take(lease.cost, lease.deadline)

        self._change(work)

    # What a venue says.

    def ban(self, seconds: float, told: bool = True) -> None:
        """Nothing leaves from this address for ``seconds``; ``told``: by the venue, not guessed."""
        until, urgent_until = self._ends(seconds, told)
        self._change(lambda: self._address.ban(until, urgent_until))

    def hold(self, names: Iterable[str], seconds: float, told: bool = True) -> bool:
        """Nothing that costs of these limits leaves for ``seconds``; False: none is declared."""
        until, urgent_until = self._ends(seconds, told)
        known = [(it, name) for it in self._ledgers for name in names if name in it.limits]

        def work() -> None:
            for ledger, name in known:
                ledger.hold(name, until, urgent_until)

        if known:
            self._change(work)
        return bool(known)

    def _ends(self, seconds: float, told: bool) -> tuple[float, float]:
        now = self._monotonic()
        until = now + min(seconds, LONGEST_BAN)
        return until, until if told else min(until, now + URGENT_GUESS)

    def note_headers(self, headers: Mapping[str, str], venue_time: float) -> None:
        """Take over the venue's usage counters. ``venue_time``: unix seconds on its clock."""

        def work() -> None:
            for ledger in self._ledgers:
                ledger.note(headers, venue_time)

        if any(name in headers for name in self._used_headers):
            self._change(work)

    def status(self) -> dict[str, object]:
        """{used: {limit: "used/amount"}, banned_for: seconds, counted: "by all processes" or by
        this one alone and why}."""
        used: dict[str, str] = {}
        banned = 0.0
        if self._open(self._monotonic()):
            for ledger in self._ledgers:
                used |= ledger.status()
            banned = self._address.ban_left(urgent=False)
            self._commit()
        alone = [it.storage.why_private for it in self._ledgers if it.storage.why_private]
        counted = f"by this process alone: {alone[0]}" if alone else "by all processes"
        return {"used": used, "banned_for": round(banned, 3), "counted": counted}

    # The files.

    def _change(self, work: Callable[[], None]) -> None:
        """Do ``work`` now, or as soon as no other process holds a lock."""
        self._late.append(work)
        if self._open(self._monotonic()):
            self._commit()

    def _open(self, now: float) -> bool:
        """Lock and read the files, the address's first, and do what is late; False: one is busy."""
        if not self._lock(now):
            return False
        for ledger in self._ledgers:
            try:
                ledger.open(now)
            except Unusable as error:
                ledger.count_alone(str(error), now)
        late = self._late
        self._late = []
        for work in late:
            work()
        return True

    def _lock(self, now: float) -> bool:
        locked: list[Ledger] = []
        for ledger in self._ledgers:
            ledger.find_again(now)
            try:
                done = ledger.storage.lock()
            except Unusable as error:
                ledger.count_alone(str(error), now)
                done = True
            if not done and self._is_patient(now):
                for other in locked:
                    other.storage.unlock()
                return False
            if not done:
                ledger.count_alone("another process keeps the lock", now)
            locked.append(ledger)
        self._busy_since = None
        return True

    def _is_patient(self, now: float) -> bool:
        if self._busy_since is None:
            self._busy_since = now
        return now - self._busy_since < BUSY_PATIENCE

    def _commit(self) -> None:
        for ledger in self._ledgers:
            ledger.commit()
