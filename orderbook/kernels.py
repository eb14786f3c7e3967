"""The compiled inner loops of a book: apply, publish under the sequence lock, read, query. One
writer, any readers.

A book is one block seen as ``f`` (7, capacity) float64 and ``m`` (7, capacity) int64: bid price,
size, update id, ask price, size, update id, meta. Each side is a sorted window (best first)
somewhere in its columns.

``bid_bound`` and ``ask_bound`` hold the bits of a float64: the worst price up to which a side is
known (0.0 and inf: wholly). No level stands beyond it. Kernels reach them through ``f`` alone.
"""

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from orderbook.scanner import MALFORMED, judge, scan, scan_named

# numba's cache of this file looks at this file alone, and ``ingest`` contains the scanner: name the
# scanner's version.
SCANNER = "bed50567b649"
"""First digits of the sha256 of scanner.py; a test says when it must change."""
SIDED = 2
"""Numbers of messages.Layout that the kernels tell apart."""
INVALID = 3
"""A number of messages.BookState."""
META = 6
SLOTS = (
    "version",
    "state",
    "epoch",
    "sequence",
    "update_id",
    "venue_time",
    "receive_time",
    "publish_time",
    "heartbeat",
    "bid_start",
    "bid_length",
    "ask_start",
    "ask_length",
    "bid_bound",
    "ask_bound",
    "max_depth",
    "applied",
    "ignored",
    "gaps",
    "resyncs",
    "crossed",
    "rejected",
    "dropped_before_snapshot",
    "levels",
    "is_crossed",
    "heard_time",
    "unchecked",
    "checked_levels",
)
(
    VERSION,
    STATE,
    EPOCH,
    SEQUENCE,
    UPDATE_ID,
    VENUE_TIME,
    RECEIVE_TIME,
    PUBLISH_TIME,
    HEARTBEAT,
    BID_START,
    BID_LENGTH,
    ASK_START,
    ASK_LENGTH,
    BID_BOUND,
    ASK_BOUND,
    MAX_DEPTH,
    APPLIED,
    IGNORED,
    GAPS,
    RESYNCS,
    CROSSED,
    REJECTED,
    DROPPED,
    LEVELS,
    IS_CROSSED,
    HEARD_TIME,
    UNCHECKED,
    CHECKED_LEVELS,
) = range(len(SLOTS))
BIDS = 0
ASKS = 3
SPINS = 64
"""Tries of one reading before the reader yields its core."""
TORN = -1
DIFF = 0
SNAPSHOT = 1
_CLOCK_REALTIME = 0
_CLOCK_MONOTONIC = 1


@intrinsic
def fence(typing_context):
    """No load or store crosses this line."""

    def code(context, builder, signature, arguments):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), code


@intrinsic
def _clock(typing_context, which):
    """Nanoseconds of a POSIX clock, without going through Python."""

    def code(context, builder, signature, arguments):
        i64 = ir.IntType(64)
        timespec = cgutils.alloca_once(builder, ir.ArrayType(i64, 2))
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32), timespec.type])
        function = cgutils.get_or_insert_function(builder.module, kind, "clock_gettime")
        builder.call(function, [builder.trunc(arguments[0], ir.IntType(32)), timespec])
        seconds = builder.extract_value(builder.load(timespec), 0)
        nanoseconds = builder.extract_value(builder.load(timespec), 1)
        return builder.add(builder.mul(seconds, ir.Constant(i64, 1_000_000_000)), nanoseconds)

    return types.int64(types.int64), code


@njit(cache=True)
def wall_ns():
    return _clock(np.int64(_CLOCK_REALTIME))


@njit(cache=True)
def monotonic_ns():
    return _clock(np.int64(_CLOCK_MONOTONIC))


@njit(cache=True)
def _recentre(f, m, base, start, length):
    """Move a window that reached an end to the middle; returns its new start."""
    new = (f.shape[1] - length) // 2
    if new < start:
        for i in range(length):
            f[base, new + i] = f[base, start + i]
            f[base + 1, new + i] = f[base + 1, start + i]
            m[base + 2, new + i] = m[base + 2, start + i]
    else:
        for i in range(length - 1, -1, -1):
            f[base, new + i] = f[base, start + i]
            f[base + 1, new + i] = f[base + 1, start + i]
            m[base + 2, new + i] = m[base + 2, start + i]
    return new


@njit(cache=True)
def _shift(f, m, base, first, last, step):
    """Move rows first..last-1 by one place: step -1 towards the front, +1 towards the back."""
    if step < 0:
        for i in range(first, last):
            f[base, i - 1] = f[base, i]
            f[base + 1, i - 1] = f[base + 1, i]
            m[base + 2, i - 1] = m[base + 2, i]
    else:
        for i in range(last - 1, first - 1, -1):
            f[base, i + 1] = f[base, i]
            f[base + 1, i + 1] = f[base + 1, i]
            m[base + 2, i + 1] = m[base + 2, i]


@njit(cache=True)
def _find(f, base, start, end, price, sign):
    """Index of the first level that is not better than ``price``: a gallop from the best, then
    bisection."""
    key = price * sign
    low = start
    step = 1
    while low + step <= end and f[base, low + step - 1] * sign < key:
        low += step
        step <<= 1
    high = min(end, low + step)
    while low < high:
        middle = (low + high) >> 1
        if f[base, middle] * sign < key:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True)
def set_level(f, m, base, price, size, update_id):
    """Set, insert or remove one level of a side.

    What lies beyond the side's bound is left out, except in a venue's window, which moves. A full
    side drops its worst level: from then on it is known up to the worst that it kept.
    """
    meta = m[META]
    capacity = f.shape[1]
    where = BID_START if base == BIDS else ASK_START
    bound = BID_BOUND if base == BIDS else ASK_BOUND
    sign = -1.0 if base == BIDS else 1.0
    if meta[MAX_DEPTH] == 0 and price * sign > f[META, bound] * sign:
        return
    start = meta[where]
    length = meta[where + 1]
    end = start + length
    i = _find(f, base, start, end, price, sign)
    if i < end and f[base, i] == price:
        if size != 0.0:
            f[base + 1, i] = size
            m[base + 2, i] = update_id
        elif i - start < end - 1 - i:
            _shift(f, m, base, start, i, 1)
            meta[where] = start + 1
            meta[where + 1] = length - 1
        else:
            _shift(f, m, base, i + 1, end, -1)
            meta[where + 1] = length - 1
        return
    if size == 0.0:
        return
    limit = capacity - 1
    if length >= limit:
        if i == end:
            f[META, bound] = f[base, end - 1]
            return
        length -= 1
        end -= 1
        f[META, bound] = price if i == end else f[base, end - 1]
    if (start == 0 and i - start < end - i) or (end == capacity and i - start >= end - i):
        offset = i - start
        start = _recentre(f, m, base, start, length)
        end = start + length
        i = start + offset
    if i - start < end - i and start > 0:
        _shift(f, m, base, start, i, -1)
        start -= 1
        i -= 1
    else:
        _shift(f, m, base, i, end, 1)
    f[base, i] = price
    f[base + 1, i] = size
    m[base + 2, i] = update_id
    meta[where] = start
    meta[where + 1] = length + 1


@njit(cache=True)
def open_bracket(m):
    """From here to ``close_bracket`` readers try again: the version is odd."""
    m[META, VERSION] += 1
    fence()


@njit(cache=True)
def close_bracket(m):
    fence()
    m[META, VERSION] += 1


@njit(cache=True)
def clear(f, m):
    """Empty both sides, known wholly, their windows in the middle."""
    meta = m[META]
    middle = f.shape[1] // 2
    meta[BID_START] = middle
    meta[BID_LENGTH] = 0
    meta[ASK_START] = middle
    meta[ASK_LENGTH] = 0
    f[META, BID_BOUND] = 0.0
    f[META, ASK_BOUND] = np.inf


@njit(cache=True)
def _keep_window(f, meta, base):
    """Keep the ``max_depth`` best levels of a side: a venue doesn't delete what leaves its window.

    A full window is known up to its worst level. One that lost a level stays known as far as it
    was, until a level comes from farther out.
    """
    limit = meta[MAX_DEPTH]
    where = BID_START if base == BIDS else ASK_START
    bound = BID_BOUND if base == BIDS else ASK_BOUND
    sign = -1.0 if base == BIDS else 1.0
    length = min(meta[where + 1], limit)
    meta[where + 1] = length
    if length == 0:
        return
    worst = f[base, meta[where] + length - 1]
    known = f[META, bound]
    if length == limit or (known != 0.0 and known != np.inf and worst * sign > known * sign):
        f[META, bound] = worst


@njit(cache=True)
def _bound_snapshot(f, meta, base, levels):
    """A snapshot that has as many levels as the venue gives at most is known up to its worst."""
    where = BID_START if base == BIDS else ASK_START
    bound = BID_BOUND if base == BIDS else ASK_BOUND
    sign = -1.0 if base == BIDS else 1.0
    if levels > 0 and meta[where + 1] >= levels:
        worst = f[base, meta[where] + meta[where + 1] - 1]
        if worst * sign < f[META, bound] * sign:
            f[META, bound] = worst


@njit(cache=True)
def _publish(f, meta, ids):
    """The meta slots of a change of levels; inside its bracket.

    A side that the market left as far as it is known has no best level that could be believed.
    """
    bids_unknown = meta[BID_LENGTH] == 0 and f[META, BID_BOUND] > 0.0
    asks_unknown = meta[ASK_LENGTH] == 0 and f[META, ASK_BOUND] < np.inf
    meta[STATE] = INVALID if bids_unknown or asks_unknown else ids[1]
    meta[UPDATE_ID] = ids[2]
    meta[VENUE_TIME] = ids[3]
    meta[RECEIVE_TIME] = ids[4]
    meta[SEQUENCE] += 1
    crossed = (
        meta[BID_LENGTH] > 0
        and meta[ASK_LENGTH] > 0
        and f[BIDS, meta[BID_START]] >= f[ASKS, meta[ASK_START]]
    )
    meta[IS_CROSSED] = 1 if crossed else 0
    meta[CROSSED] += meta[IS_CROSSED]
    meta[PUBLISH_TIME] = wall_ns()
    meta[HEARTBEAT] = monotonic_ns()


@njit(cache=True)
def write(f, m, bids, n_bids, asks, n_asks, ids):
    """Apply scanned rows and publish, in one bracket.

    ``ids``: kind, state, update id, venue time, receive time, and how many levels a side a snapshot
    has at most (0: all that there are).
    """
    meta = m[META]
    update_id = ids[2]
    open_bracket(m)
    if ids[0] == SNAPSHOT:
        clear(f, m)
    for k in range(n_bids):
        set_level(f, m, BIDS if bids[k, 0] > 0.0 else ASKS, bids[k, 1], bids[k, 2], update_id)
    for k in range(n_asks):
        set_level(f, m, ASKS, asks[k, 1], asks[k, 2], update_id)
    if meta[MAX_DEPTH] > 0:
        _keep_window(f, meta, BIDS)
        _keep_window(f, meta, ASKS)
    if ids[0] == SNAPSHOT:
        _bound_snapshot(f, meta, BIDS, ids[5])
        _bound_snapshot(f, meta, ASKS, ids[5])
    else:
        meta[APPLIED] += 1
    meta[LEVELS] += n_bids + n_asks
    _publish(f, meta, ids)
    close_bracket(m)


@njit(cache=True)
def extend(f, m, bids, asks, bounds, ids):
    """Add levels beyond the bounds, which move out to ``bounds`` (bid, ask), in one bracket.

    ``bids`` and ``asks``: (n, 2) float64. What stands inside the old bounds is left as it is.
    """
    meta = m[META]
    open_bracket(m)
    bid_bound = f[META, BID_BOUND]
    ask_bound = f[META, ASK_BOUND]
    f[META, BID_BOUND] = min(bid_bound, bounds[0])
    f[META, ASK_BOUND] = max(ask_bound, bounds[1])
    for k in range(len(bids)):
        if bids[k, 0] < bid_bound:
            set_level(f, m, BIDS, bids[k, 0], bids[k, 1], ids[2])
    for k in range(len(asks)):
        if asks[k, 0] > ask_bound:
            set_level(f, m, ASKS, asks[k, 0], asks[k, 1], ids[2])
    _publish(f, meta, ids)
    close_bracket(m)


@njit(cache=True)
def _worse(one, other):
    """Of two verdicts: MALFORMED before UNDECIDED before 0."""
    return MALFORMED if one == MALFORMED or other == MALFORMED else min(one, other)


@njit(cache=True)
def ingest(f, m, bid_text, ask_text, layout, scratch, ids):
    """Scan both texts, check every number, then write. Returns 0, or the scanner's word with
    nothing changed; the rows are in ``scratch``."""
    n_bids = scan(bid_text, layout == SIDED, scratch[0])
    if n_bids < 0:
        return n_bids
    n_asks = scan(ask_text, False, scratch[1])
    if n_asks < 0:
        return n_asks
    verdict = _worse(judge(scratch[0], n_bids), judge(scratch[1], n_asks))
    if verdict < 0:
        return verdict
    write(f, m, scratch[0], n_bids, scratch[1], n_asks, ids)
    return 0


@njit(cache=True)
def ingest_named(f, m, bid_text, ask_text, price_name, size_name, scratch, ids):
    """``ingest`` of rows that are objects, read by the names of price and size."""
    n_bids = scan_named(bid_text, price_name, size_name, scratch[0])
    if n_bids < 0:
        return n_bids
    n_asks = scan_named(ask_text, price_name, size_name, scratch[1])
    if n_asks < 0:
        return n_asks
    verdict = _worse(judge(scratch[0], n_bids), judge(scratch[1], n_asks))
    if verdict < 0:
        return verdict
    write(f, m, scratch[0], n_bids, scratch[1], n_asks, ids)
    return 0


@njit(cache=True)
def set_state(m, state, epoch):
    """Publish a state, as a change with a number; with a higher ``epoch``, that too."""
    meta = m[META]
    open_bracket(m)
    meta[STATE] = state
    meta[SEQUENCE] += 1
    if epoch > meta[EPOCH]:
        meta[EPOCH] = epoch
    meta[PUBLISH_TIME] = wall_ns()
    meta[HEARTBEAT] = monotonic_ns()
    close_bracket(m)


@njit(cache=True)
def beat(m):
    m[META, HEARTBEAT] = monotonic_ns()


@njit(cache=True)
def read_top(f, m):
    """(version or TORN, state, heartbeat age in ns, bid, bid size, ask, ask size); nan for an empty
    side."""
    meta = m[META]
    for _ in range(SPINS):
        version = meta[VERSION]
        fence()
        if version & 1 == 0:
            bid = bid_size = ask = ask_size = np.nan
            if meta[BID_LENGTH] > 0:
                i = meta[BID_START]
                bid = f[BIDS, i]
                bid_size = f[BIDS + 1, i]
            if meta[ASK_LENGTH] > 0:
                i = meta[ASK_START]
                ask = f[ASKS, i]
                ask_size = f[ASKS + 1, i]
            state = meta[STATE]
            fence()
            if meta[VERSION] == version:
                return (
                    version,
                    state,
                    monotonic_ns() - meta[HEARTBEAT],
                    bid,
                    bid_size,
                    ask,
                    ask_size,
                )
    return (
        np.int64(TORN),
        meta[STATE],
        monotonic_ns() - meta[HEARTBEAT],
        np.nan,
        np.nan,
        np.nan,
        np.nan,
    )


@intrinsic
def _pointer(typing_context, address):
    """An address as a pointer. Whoever gives it keeps the memory mapped."""

    def code(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), code


@njit(cache=True)
def read_tops(addresses, capacities, states, numbers):
    """``read_top`` of many books by address: state (or TORN), heartbeat age; bid, its size, ask,
    its size, age (s)."""
    now = wall_ns()
    for i in range(len(addresses)):
        f = carray(_pointer(addresses[i]), (META + 1, capacities[i]), np.float64)
        m = carray(_pointer(addresses[i]), (META + 1, capacities[i]), np.int64)
        version, state, age, bid, bid_size, ask, ask_size = read_top(f, m)
        states[i, 0] = state if version >= 0 else TORN
        states[i, 1] = age
        numbers[i, 0] = bid
        numbers[i, 1] = bid_size
        numbers[i, 2] = ask
        numbers[i, 3] = ask_size
        numbers[i, 4] = (now - m[META, PUBLISH_TIME]) / 1e9


@njit(cache=True)
def read_levels(f, m, depth, bids, asks, seen):
    """Copy up to ``depth`` best (price, size) of each side, and the meta slots: (n bids, n asks),
    or TORN twice."""
    meta = m[META]
    capacity = f.shape[1]
    for _ in range(SPINS):
        version = meta[VERSION]
        fence()
        if version & 1 == 0:
            start = meta[BID_START]
            n_bids = min(meta[BID_LENGTH], depth, bids.shape[0])
            start_asks = meta[ASK_START]
            n_asks = min(meta[ASK_LENGTH], depth, asks.shape[0])
            # Numbers read while a writer was at work may point anywhere: stay inside, the version
            # check decides.
            if 0 <= start <= capacity - n_bids and 0 <= start_asks <= capacity - n_asks:
                for i in range(n_bids):
                    bids[i, 0] = f[BIDS, start + i]
                    bids[i, 1] = f[BIDS + 1, start + i]
                for i in range(n_asks):
                    asks[i, 0] = f[ASKS, start_asks + i]
                    asks[i, 1] = f[ASKS + 1, start_asks + i]
            for k in range(seen.size):
                seen[k] = meta[k]
            fence()
            if meta[VERSION] == version:
                return n_bids, n_asks
    return np.int64(TORN), np.int64(TORN)
